"""A run's folder, read back: what everyone saw, and whether what they wrote is whole."""

import base64
import json
import runpy
import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.jepsen.journal import Torn, lines_of
from tests.support.checker import LogDump, Posting, Reception

SECOND = Path(__file__).resolve().parents[1] / "disclosure_log" / "second_verifier.py"
INSTANCE, BUNDLE = "instance", "bundle"  # where the log is, of a run's folder

Line = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Something with a beginning and, if it was written down, an end."""

    where: str  # journal:line of its beginning
    began: float
    ended: float | None
    first: Line
    last: Line

    @property
    def state(self) -> str:
        """How it ended; "unknown" where nobody wrote that down."""
        return str(self.last.get("state", "unknown")) if self.ended is not None else "unknown"


@dataclass(slots=True, kw_only=True)
class Recorded:
    """All that a run left."""

    seed: int | None = None
    posts: list[Seen] = field(default_factory=list)
    deliveries: list[Seen] = field(default_factory=list)
    answers: list[Seen] = field(default_factory=list)
    checkpoints: list[Seen] = field(default_factory=list)
    faults: list[Seen] = field(default_factory=list)
    left: Line | None = None
    stopped: Line | None = None
    log: LogDump | None = None
    problems: list[str] = field(default_factory=list)  # of the second verifier
    torn: list[str] = field(default_factory=list)  # why it cannot be said that all is well
    lines: list[tuple[str, str]] = field(default_factory=list)  # journal:line, its text

    @property
    def notes(self) -> list[str]:
        """Every checkpoint that anyone fetched."""
        return [one.last["note"] for one in self.checkpoints if one.state == "ok"]

    def naming(self, subject: str, most: int = 12) -> list[str]:
        """Return where a subject is spoken of: an event, an alert, a post, or a size of the log."""
        words = [f'"{one}"' for one in subject.split(" ")]
        if subject.isdigit():
            words = [f"\\n{subject}\\n"]
        found = [where for where, text in self.lines if any(word in text for word in words)]
        return found if len(found) <= most else [*found[: most - 1], f"... {len(found)} lines"]


def read(folder: Path) -> Recorded:
    """Read what a run left, as far as it goes. Never raises for what is missing or cut."""
    found = Recorded()
    killed: set[str] = set()
    for path in sorted(folder.glob("*.jsonl")):
        _read_journal(path, found, killed)
    found.torn = [text for text in found.torn if text.partition(".jsonl")[0] not in killed]
    for name in ("driver", "producer", "witness"):
        if not (folder / f"{name}.jsonl").exists():
            found.torn.append(f"{name}.jsonl: missing")
    if not any("." in path.stem for path in folder.glob("*.jsonl")):
        found.torn.append("no receiver's journal")
    if not found.deliveries:
        found.torn.append("no alert came anywhere: nothing was put to the test")
    if found.left is None:
        found.torn.append("driver.jsonl: does not say what was left")
    _read_log(folder, found)
    return found


def _read_journal(path: Path, found: Recorded, killed: set[str]) -> None:
    kinds = {
        "post": found.posts,
        "delivery": found.deliveries,
        "answer": found.answers,
        "checkpoint": found.checkpoints,
        "fault": found.faults,
    }
    begun: dict[tuple[str, int], tuple[str, Line]] = {}
    ended: dict[tuple[str, int], Line] = {}
    try:
        for number, line in lines_of(path):
            where = f"{path.name}:{number}"
            found.lines.append((where, json.dumps(line)))
            match line["what"]:
                case "head":
                    found.seed = line.get("seed", found.seed)
                case "left":
                    found.left = line
                case "stopped":
                    found.stopped = line
                case "killed":
                    killed.add(line["journal"])
                case "end":
                    pass
                case what:
                    key = what, line["n"]
                    if line["state"] == "begin":
                        begun[key] = where, line
                    else:
                        ended[key] = line
    except Torn as torn:
        found.torn.append(str(torn))
    for key, (where, first) in begun.items():
        last = ended.get(key)
        kinds[key[0]].append(
            Seen(
                where=where, began=first["t"], ended=last["t"] if last else None, first=first,
                last=last or {},
            )
        )  # fmt: skip


def _read_log(folder: Path, found: Recorded) -> None:
    """Read the log through the second verifier, and have it check the whole."""
    second = runpy.run_path(str(SECOND))
    bundle = folder / (BUNDLE if (folder / BUNDLE).exists() else INSTANCE)
    try:
        vkey = (folder / "vkey").read_text("utf-8").strip()
        notes, entries, _tiles, _leaves, _stated = second["read"](bundle)
        found.problems = second["verify"](bundle, vkey, held=sorted(set(found.notes)))
    except (OSError, ValueError, KeyError, IndexError, sqlite3.Error) as error:
        found.torn.append(f"the log cannot be read: {type(error).__name__}")
        return
    found.log = LogDump(vkey=vkey, entries=tuple(entries), checkpoints=tuple(notes))
    found.lines += [(f"log:{n}", body.decode()) for n, body in enumerate(entries)]


def postings(found: Recorded) -> tuple[Posting, ...]:
    """Return the requests as the checker takes them."""
    return tuple(
        Posting(
            id=one.first["id"],
            digest=one.first["digest"],
            answer=one.state if one.state in {"ok", "fail"} else "unknown",  # type: ignore[arg-type]
            receipt=one.last.get("receipt", "") if one.state == "ok" else "",
            events=tuple(one.last["refs"]) if one.state == "ok" else (),
            count=one.first["events"],
        )
        for one in found.posts
    )


def receptions(found: Recorded) -> tuple[Reception, ...]:
    """Return the deliveries that opened, as the checker takes them."""
    return tuple(
        Reception(
            webhook_id=one.first["alert"],
            body=one.first["body"].encode(),
            entry=entry_of(one),
            proof=one.first["proof"],
        )
        for one in found.deliveries
        if one.first["entry"] is not None
    )


def entry_of(one: Seen) -> bytes:
    """Return the log entry that came inside a delivery's seal."""
    return base64.b64decode(one.first["entry"], validate=True)


def entries_by(found: Recorded, op: str) -> dict[str, list[tuple[int, Line]]]:
    """Return the log's entries of one operation that speak of an alert, by alert, in order."""
    by: defaultdict[str, list[tuple[int, Line]]] = defaultdict(list)
    for index, body in enumerate(found.log.entries if found.log else ()):
        entry = json.loads(body)
        if entry["op"] == op:
            by[entry["alert"]].append((index, entry))
    return by
