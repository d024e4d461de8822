"""`alerts`: where alerts stand, the story of one from the log, and an answer on somebody's word.

References, states, times and the directory's names; nothing an alert says, and nobody's name.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
import typer

from gateway import clock
from gateway.cli.beside import commit, consulted, opened, reader, staff
from gateway.cli.exits import NO, OK, Trouble
from gateway.cli.times import so_long_ago
from gateway.config import load_config
from gateway.disclosure_log import entry
from gateway.model.alert_answer import ANSWERS, REJECTIONS
from gateway.model.alert_state import AlertState
from gateway.model.ids import AlertId, RecipientId
from gateway.model.reference import read_reference, reference
from gateway.model.strict_json import Json, JsonObject
from gateway.store import alerts
from gateway.store.alerts import AlertRow
from gateway.store.consultation import Asked, Seen
from gateway.store.engine import Connection

_ID: Final = re.compile(r"alt_[0-9a-f]{32}")


def listed(
    config_file: Path,
    *,
    state: str | None,
    recipient: str | None,
    since: str | None,
    unanswered: bool,
    by: str | None,
    as_json: bool,
) -> int:
    """Print alerts, newest first; log it first."""
    now = clock.now()
    after = None if since is None else _since(since, now)
    whose = None if recipient is None else RecipientId(recipient)

    def look(connection: Connection) -> Seen[list[tuple[AlertRow, AlertState]]]:
        rows = alerts.listed(connection, recipient=whose, since=after, unanswered=unanswered)
        stand = ((row, alerts.state(connection, row, now)) for row in rows)
        found = [(row, stands) for row, stands in stand if state in (None, stands)]
        return Seen(result=found, shown=len(found), recipient=whose)

    found = consulted(load_config(config_file), Asked(what="alerts", reader=reader(by)), look)
    if as_json:
        typer.echo(orjson.dumps([_json(row, stands) for row, stands in found]).decode())
        return OK
    for row, stands in found:
        typer.echo(_line(row, stands))
    if not found:
        typer.echo("none")
    return OK


def show(config_file: Path, which: str, *, by: str | None, as_json: bool) -> int:
    """Print where an alert stands and its story, in the order of the log; reading it is logged."""
    now = clock.now()

    def look(connection: Connection) -> Seen[JsonObject]:
        row = _named(connection, which)
        members = alerts.chain(connection, row)
        first = _first_entry(connection, members)
        found = _json(row, alerts.state(connection, row, now)) | {
            "ways": _ways(connection, row),
            "chain": [_json(one, alerts.state(connection, one, now)) for one in members],
            "story": list[Json](_story(connection, first, members)),
        }
        return Seen(result=found, shown=len(members), recipient=row.recipient)

    found = consulted(load_config(config_file), Asked(what="log", reader=reader(by)), look)
    typer.echo(orjson.dumps(found).decode() if as_json else "\n".join(_lines(found)))
    return OK


def acknowledge(
    config_file: Path, which: str, *, by: str, said: str, reason: str | None, as_json: bool
) -> int:
    """Take an answer on somebody's word."""
    config = load_config(config_file)
    by = staff(by)
    if said not in ANSWERS:
        raise Trouble(f"--answer: one of {', '.join(ANSWERS)}")
    if (said == "rejected") != (reason is not None) or (reason and reason not in REJECTIONS):
        raise Trouble(f"--reason: of a rejection and no other: one of {', '.join(REJECTIONS)}")
    with opened(config) as connection:
        row = _named(connection, which)
    result = commit(
        config,
        alerts.answer(row.id, said, means="operator", by=by, reason=reason, now=clock.now()),
    )
    if as_json:
        typer.echo(orjson.dumps({"verdict": result.verdict, "state": result.state}).decode())
    elif result.verdict in {"taken", "repeated"}:
        typer.echo(f"{reference(row.id)}: {result.state}")
    else:
        typer.echo(f"not taken ({result.verdict}): the alert stands at {result.state}")
    return OK if result.verdict in {"taken", "repeated"} else NO


def _named(connection: Connection, which: str) -> AlertRow:
    """Return the alert of an id or a reference.

    Raises:
        Trouble: neither, or there is none, or several have that reference.
    """
    plain = read_reference(which)
    if _ID.fullmatch(which):
        row = alerts.find(connection, AlertId(which))
        found = [row] if row else []
    elif plain is not None:
        found = alerts.by_reference(connection, plain)
    else:
        raise Trouble("an alert is named by its id, alt_..., or its reference, XXX-XXX-XXX-XXX")
    if len(found) > 1:
        raise Trouble("several alerts have that reference; name one by its id", NO)
    if not found:
        raise Trouble("no alert has that id or reference", NO)
    return found[0]


def _since(text: str, now: datetime) -> datetime:
    """Return a time from RFC 3339 text, or from how long ago it was: 90m, 12h, 7d."""
    ago = so_long_ago(text, now)
    if ago is not None:
        return ago
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Trouble("--since: a time (2026-03-02T09:30Z), or 90m, 12h, 7d") from None
    return at if at.tzinfo else at.replace(tzinfo=clock.LONDON)


def _first_entry(connection: Connection, members: list[AlertRow]) -> int:
    ids = orjson.dumps([one.id for one in members]).decode()
    first = connection.execute(
        "SELECT min(leaf_index) FROM outbox WHERE alert IN (SELECT value FROM json_each(?))", (ids,)
    ).get
    return int(first or 0)


def _story(connection: Connection, first: int, members: list[AlertRow]) -> Iterator[JsonObject]:
    """Yield the log's entries that name an alert of a chain, in order."""
    ids = {one.id for one in members}
    prefix = b'"alert":"alt_'
    for index, body in _bodies(connection, first):
        if prefix not in body:
            continue
        one: dict[str, Any] = orjson.loads(body)
        if one.get("alert") in ids:
            yield {"index": index} | {name: one[name] for name in _SAID if name in one}


def _bodies(connection: Connection, first: int) -> Iterator[tuple[int, bytes]]:
    """Yield the log's entries from one on, with their indexes. Reads some at a time."""
    while rows := connection.execute(_BODIES, (first, _AT_ONCE)).fetchall():
        yield from rows
        first = rows[-1][0] + 1


_AT_ONCE: Final = 4096
_BODIES: Final = "SELECT idx, body FROM log_entry WHERE idx >= ? ORDER BY idx LIMIT ?"


# Of an entry, what tells the story. No person, no payload digest, no grants.
_SAID: Final = (
    "at", "op", "alert", "recipient", "endpoint", "channel", "form", "message", "escalates", "rung",
    "due", "to", "raised", "number", "outcome", "state", "code", "answer", "means", "by", "what",
    "reason", "exercise",
)  # fmt: skip


def _json(row: AlertRow, stands: AlertState) -> JsonObject:
    return {
        "alert": row.id,
        "reference": reference(row.id),
        "state": stands,
        "recipient": row.recipient,
        "message": row.message,
        "urgent": row.urgent,
        "exercise": row.exercise,
        "decided_at": _text(row.decided_at),
        "answer_by": _text(row.answer_by),
        "rung": row.rung,
        "answer": row.answer,
        "answered_at": _text(row.answered_at),
        "collected_at": _text(row.collected_at),
        "escalates": row.escalates,
    }


def _ways(connection: Connection, row: AlertRow) -> list[Json]:
    return [
        one.shown() | {"kept_until": _text(one.way.not_before)}
        for one in alerts.ways_of(connection, row.id)
    ]


def _line(row: AlertRow, stands: AlertState) -> str:
    parts = [reference(row.id), stands, row.message, row.recipient, _text(row.decided_at) or ""]
    if row.answer_by:
        parts.append(f"answer by {_text(row.answer_by)}")
    if row.rung:
        parts.append(f"rung {row.rung}")
    return "  ".join(parts)


def _lines(found: JsonObject) -> Iterator[str]:
    yield f"{found['reference']}  {found['state']}  to {found['recipient']}  ({found['alert']})"
    for title, name in (("Ways", "ways"), ("Chain", "chain"), ("Story", "story")):
        yield f"\n{title}"
        rows = found[name]
        assert isinstance(rows, list)  # noqa: S101 - show() makes nothing else
        for row in rows:
            assert isinstance(row, dict)  # noqa: S101
            yield "  " + _words(row)


def _words(row: JsonObject) -> str:
    """Return the members of a row that say something, side by side."""
    said = ((name, value) for name, value in row.items() if value not in (None, "", False, 0))
    return "  ".join(f"{name}={value}" for name, value in said)


def _text(at: datetime | None) -> str | None:
    return entry.timestamp(at) if at else None
