"""The checker finds each kind of violation in a history made by hand, and calls no torn one clean.

What it takes from `tests.support.checker` is shown beside that (tests/faults/test_checker.py).
"""

import base64
import hashlib
import json
import runpy
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.disclosure_log.independent import audit_path, digest, tree_head
from tests.jepsen.judge import main, verdict_of
from tests.jepsen.reading import SECOND

ORIGIN = "log.example.org/jepsen"
KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"jepsen").digest())
PUBLIC = KEY.public_key().public_bytes_raw()
KEY_ID = hashlib.sha256(f"{ORIGIN}\n\1".encode() + PUBLIC).digest()[:4]
VKEY = f"{ORIGIN}+{KEY_ID.hex()}+{base64.b64encode(bytes([1]) + PUBLIC).decode()}"


class Story:
    """A run that never was: a log, and journals about it, at times of the story's own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.entries: list[bytes] = []
        self.journals: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.numbers = 0
        for name in ("driver", "producer", "witness", "police-1.0"):
            self.write(name, "head", who=name, seed=7)
        self.log("genesis", origin=ORIGIN)

    def write(self, whose: str, what: str, /, **members: Any) -> None:
        self.now += 0.1
        self.journals[whose].append({"t": self.now, "what": what, **members})

    def both(self, journal: str, what: str, begin: dict[str, Any], end: dict[str, Any]) -> None:
        self.numbers += 1
        self.write(journal, what, n=self.numbers, state="begin", **begin)
        self.write(journal, what, n=self.numbers, **end)

    def log(self, op: str, **members: Any) -> int:
        self.now += 0.1
        at = f"2026-03-02T09:00:{int(self.now) % 60:02}.{int(self.now * 10) % 10}00Z"
        entry = {"v": 1, "at": at, "op": op, **members}
        self.entries.append(json.dumps(entry, sort_keys=True, separators=(",", ":")).encode())
        return len(self.entries) - 1

    def post(self, n: int, *, logged: bool = True, state: str = "ok") -> None:
        begin = {"id": f"own-{n}", "digest": f"digest-{n}", "events": 1}
        told = {"receipt": f"rcp_{n}", "refs": [f"evt_{n}"]} if state == "ok" else {}
        if logged:
            self.log("collection", event=f"evt_{n}")
        self.both("producer", "post", begin, {"id": f"own-{n}", "state": state, **told})

    def decide(self, n: int, person: str = "p") -> int:
        endpoint = "police-1/webhook"
        return self.log(
            "disclosure", alert=f"alt_{n}", event=f"evt_{n}", recipient="police-1",
            endpoint=endpoint, person=person,
        )  # fmt: skip

    def attempt(self, n: int, outcome: str) -> None:
        self.log("attempt", alert=f"alt_{n}", outcome=outcome)

    def deliver(self, n: int, index: int, *, status: int = 204, opens: bool = True) -> None:
        proof = self.proof(index)
        begin = {
            "alert": f"alt_{n}",
            "body": f"body-{n}",
            "entry": base64.b64encode(self.entries[index]).decode() if opens else None,
            "proof": proof,
        }
        self.both("police-1.0", "delivery", begin, {"state": "ok", "status": status})

    def look(self, size: int | None = None, *, of: list[bytes] | None = None) -> None:
        note = self.note((of or self.entries)[:size])
        self.both("witness", "checkpoint", {}, {"state": "ok", "note": note})

    def fault(self, name: str, *, disrupts: bool) -> None:
        begin = {"name": name, "disrupts": disrupts}
        self.both("driver", "fault", begin, {"name": name, "state": "ok"})

    def left(self, **members: Any) -> None:
        nothing = {"unready": [], "unanswered": [], "undecided": 0, "owed": [], "quarantined": []}
        self.write("driver", "left", **{**nothing, **members})
        self.write("driver", "stopped", code=0)

    def note(self, entries: list[bytes]) -> str:
        root = base64.b64encode(tree_head(leaves_of(entries))).decode()
        text = f"{ORIGIN}\n{len(entries)}\n{root}\n"
        signature = base64.b64encode(KEY_ID + KEY.sign(text.encode())).decode()
        return f"{text}\n— {ORIGIN} {signature}\n"

    def proof(self, index: int) -> str:
        leaves = leaves_of(self.entries[: index + 1])
        path = "".join(base64.b64encode(one).decode() + "\n" for one in audit_path(index, leaves))
        return (
            f"c2sp.org/tlog-proof@v1\nindex {index}\n{path}\n{self.note(self.entries[: index + 1])}"
        )

    def told(self, n: int, person: str = "p") -> None:
        """Post, decide, deliver and record one event as it should be."""
        self.post(n)
        index = self.decide(n, person)
        self.deliver(n, index)
        self.attempt(n, "accepted")

    def leave(self, folder: Path) -> Path:
        """Write it all as a run does."""
        for name, lines in self.journals.items():
            end = {"t": self.now, "what": "end", "lines": len(lines) + 1}
            text = "".join(json.dumps(line) + "\n" for line in [*lines, end])
            (folder / f"{name}.jsonl").write_text(text, "utf-8")
        (folder / "vkey").write_text(VKEY, "utf-8")
        self._bundle(folder / "bundle")
        return folder

    def _bundle(self, bundle: Path) -> None:
        name = runpy.run_path(str(SECOND))["name"]
        size = len(self.entries)
        sizes = range(1, size + 1)
        notes = [self.note(self.entries[:upto]) for upto in sizes]
        packed = b"".join(len(one).to_bytes(2, "big") + one for one in self.entries)
        files = {
            "checkpoint": notes[-1].encode(),
            "checkpoints": "".join(json.dumps(note) + "\n" for note in notes).encode(),
            "vkey": VKEY.encode(),
            name("entries", 0, size): packed,
            name(0, 0, size): b"".join(leaves_of(self.entries)),
        }
        for path, content in files.items():
            (bundle / path).parent.mkdir(parents=True, exist_ok=True)
            (bundle / path).write_bytes(content)


def leaves_of(entries: list[bytes]) -> list[bytes]:
    return [digest(b"\0", entry) for entry in entries]


def ordinary() -> Story:
    story = Story()
    for n in range(3):
        story.told(n)
        story.look()
    return story


def codes(story: Story, folder: Path, **left: Any) -> set[str]:
    story.left(**left)
    verdict = verdict_of(story.leave(folder))
    assert not verdict.recorded.torn
    assert verdict.verdict == ("broken" if verdict.broken else "clean")
    return {one.code for one in verdict.broken}


def test_an_honest_run_is_clean(tmp_path: Path) -> None:
    assert codes(ordinary(), tmp_path) == set()


def test_what_faults_explain_is_clean(tmp_path: Path) -> None:
    story = ordinary()
    story.post(7)
    index = story.decide(7)
    story.deliver(7, index, status=503)
    story.attempt(7, "deferred")
    story.deliver(7, index)  # the log has the failed try
    story.fault("kill-all", disrupts=True)
    story.deliver(7, index)  # nobody lived to write down that it had been taken
    story.attempt(7, "accepted")
    story.post(8, state="unknown")  # accepted, and the answer lost
    story.log("refusal", event="evt_8", recipient="*")
    assert codes(story, tmp_path) == set()


def test_a_202_that_the_log_does_not_have_is_lost(tmp_path: Path) -> None:
    story = ordinary()
    story.post(7, logged=False)
    assert codes(story, tmp_path) == {"lost"}


def test_an_event_that_nobody_decided_is_found(tmp_path: Path) -> None:
    story = ordinary()
    story.post(7)
    assert codes(story, tmp_path) == {"undecided"}


def test_a_second_decision_is_found(tmp_path: Path) -> None:
    story = ordinary()
    story.decide(1)
    assert "decided-twice" in codes(story, tmp_path)


def test_an_alert_that_comes_before_its_entry_is_in_the_log_is_found(tmp_path: Path) -> None:
    story = ordinary()
    story.post(7)
    index = story.decide(7)
    story.deliver(7, index)
    story.look(index)  # asked for once the alert had come, and it does not cover the alert's entry
    story.attempt(7, "accepted")
    assert codes(story, tmp_path) == {"sent-before-logged"}


def test_a_delivery_without_an_entry_is_found(tmp_path: Path) -> None:
    story = ordinary()
    story.deliver(9, story.decide(9))
    story.entries.pop()  # a crash, and the entry was never durable
    assert {"delivered-without-entry", "log-cut"} <= codes(story, tmp_path)


def test_another_entry_inside_the_seal_is_found(tmp_path: Path) -> None:
    story = ordinary()
    begun = story.journals["police-1.0"][-2]
    begun["entry"] = base64.b64encode(story.entries[-2] + b" ").decode()
    assert "entry-not-at-index" in codes(story, tmp_path)


def test_an_alert_that_does_not_open_is_found(tmp_path: Path) -> None:
    story = ordinary()
    story.post(7)
    story.deliver(7, story.decide(7), opens=False)
    story.attempt(7, "rejected")
    assert codes(story, tmp_path) == {"does-not-open"}


def test_a_checkpoint_of_another_log_is_found(tmp_path: Path) -> None:
    story = ordinary()
    story.look(of=[*story.entries[:-1], b"{}"])
    assert codes(story, tmp_path) == {"log-rewritten", "second-verifier"}


@pytest.mark.parametrize("name", ["storm", "receiver-dies"])
def test_a_repeat_that_no_failed_try_explains_is_found(tmp_path: Path, name: str) -> None:
    story = ordinary()
    story.fault(name, disrupts=False)  # is no reason to send anything again
    index = next(n for n, body in enumerate(story.entries) if b"disclosure" in body)
    story.deliver(0, index)
    assert codes(story, tmp_path) == {"repeat-unexplained"}


def test_a_later_alert_about_the_same_person_that_overtakes_is_found(tmp_path: Path) -> None:
    story = ordinary()
    story.post(7)
    story.post(8)
    earlier, later = story.decide(7), story.decide(8)
    story.deliver(7, earlier, status=503)
    story.attempt(7, "deferred")
    story.deliver(8, later)
    story.deliver(7, earlier)
    for n in (7, 8):
        story.attempt(n, "accepted")
    assert codes(story, tmp_path) == {"out-of-order"}


def test_alerts_about_two_persons_have_no_order(tmp_path: Path) -> None:
    story = ordinary()
    story.post(7)
    story.post(8)
    earlier, later = story.decide(7), story.decide(8, "another")
    story.deliver(8, later)
    story.deliver(7, earlier)
    for n in (7, 8):
        story.attempt(n, "accepted")
    assert codes(story, tmp_path) == set()


def answered(story: Story, state: str) -> None:
    said = {"alert": "alt_1", "answer": "accepted"}
    story.both("police-1.0", "answer", said, {**said, "state": state})


def test_an_answer_that_was_taken_and_is_not_in_the_log_is_found(tmp_path: Path) -> None:
    story = ordinary()
    answered(story, "ok")
    assert codes(story, tmp_path) == {"answer-lost"}


@pytest.mark.parametrize("state", ["ok", "unknown"])
def test_an_answer_that_is_in_the_log_is_clean(tmp_path: Path, state: str) -> None:
    story = ordinary()
    answered(story, state)
    story.log("acknowledgement", alert="alt_1", answer="accepted")
    assert codes(story, tmp_path) == set()


def test_an_event_refused_because_deciding_failed_is_found(tmp_path: Path) -> None:
    story = ordinary()
    story.post(7)
    story.log("refusal", event="evt_7", recipient="*", reasons=[{"code": "evaluation-error"}])
    assert codes(story, tmp_path) == {"refused-by-error"}


def test_what_is_still_owed_or_unanswered_after_healing_is_found(tmp_path: Path) -> None:
    found = codes(
        ordinary(),
        tmp_path,
        owed=[["alt_1", "police-1/webhook"]],
        unanswered=["own-4"],
        unready=["deliver-0: no"],
    )
    assert found == {"still-owed", "not-accepted-in-the-end", "not-ready-in-the-end"}


def test_a_finding_names_the_lines_it_rests_on(tmp_path: Path) -> None:
    story = ordinary()
    story.post(7, logged=False)
    story.left()
    text = verdict_of(story.leave(tmp_path)).text()
    line = len(story.journals["producer"])
    assert "verdict: broken   seed: 7" in text
    assert f"P1 lost: evt_7\n      producer.jsonl:{line}" in text


def cut_in_a_line(folder: Path) -> None:
    path = folder / "producer.jsonl"
    path.write_bytes(path.read_bytes()[:-20])


def cut_between_lines(folder: Path) -> None:
    path = folder / "police-1.0.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-3]))


def line_taken_out(folder: Path) -> None:
    path = folder / "police-1.0.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:1], *lines[2:]]))


def journal_gone(folder: Path) -> None:
    (folder / "witness.jsonl").unlink()


def receivers_gone(folder: Path) -> None:
    (folder / "police-1.0.jsonl").unlink()


def log_gone(folder: Path) -> None:
    (folder / "bundle" / "checkpoint").unlink()


def key_gone(folder: Path) -> None:
    (folder / "vkey").unlink()


def empty(folder: Path) -> None:
    (folder / "producer.jsonl").write_bytes(b"")


@pytest.mark.parametrize(
    "tear",
    [cut_in_a_line, cut_between_lines, line_taken_out, journal_gone, receivers_gone, log_gone,
     key_gone, empty],
    ids=lambda tear: tear.__name__.replace("_", " "),
)  # fmt: skip
def test_a_torn_history_is_inconclusive(
    tmp_path: Path, tear: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    story = ordinary()
    story.left()
    tear(story.leave(tmp_path))
    assert main(tmp_path) == 3
    said = capsys.readouterr().out
    assert "verdict: inconclusive" in said
    assert "torn: " in said


def test_a_run_that_never_came_to_its_end_is_inconclusive(tmp_path: Path) -> None:
    assert verdict_of(ordinary().leave(tmp_path)).verdict == "inconclusive"


def test_a_run_in_which_nothing_was_delivered_is_inconclusive(tmp_path: Path) -> None:
    story = Story()
    story.left()
    assert verdict_of(story.leave(tmp_path)).verdict == "inconclusive"


def test_nothing_at_all_is_inconclusive(tmp_path: Path) -> None:
    assert verdict_of(tmp_path).verdict == "inconclusive"


def test_a_killed_receiver_s_journal_may_end_anywhere(tmp_path: Path) -> None:
    story = ordinary()
    story.write("driver", "killed", journal="police-1.0")
    story.left()
    folder = story.leave(tmp_path)
    lines = (folder / "police-1.0.jsonl").read_text().splitlines(keepends=True)
    (folder / "police-1.0.jsonl").write_text("".join(lines[:-1]))
    assert verdict_of(folder).verdict == "clean"
