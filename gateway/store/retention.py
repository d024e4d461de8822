"""What is done with goes after its time, in small transactions, each counted in the log.

Never what is still owed, unanswered, held or on legal hold; never an entry of the log. What may go
is looked for beside the writer and judged again in the transaction that takes it away.

Tables are not partitioned by month: requests and events are unique over all time, which a
partition cannot promise, and a month of alerts ends only with its last unanswered one. Ids of
alerts and events begin with their time, so what is old is at the front of an index that is there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import orjson

from gateway.disclosure_log import entry
from gateway.store import sqlite
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.times import milliseconds

Kind: TypeAlias = Literal["contents", "alerts", "events", "receipts"]
Key: TypeAlias = tuple[Any, ...]

KINDS: Final[tuple[Kind, ...]] = ("contents", "alerts", "events", "receipts")  # in this order
LOOKED_AT: Final = 2000  # rows of one look


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """What of one kind may go."""

    kind: Kind
    before: datetime
    legal_hold: frozenset[str] = frozenset()  # references of persons of whom everything stays

    def bindings(self) -> Mapping[str, object]:
        """Return what the conditions are asked with."""
        return {
            "before": milliseconds(self.before),
            "held": orjson.dumps(sorted(self.legal_hold)).decode(),
        }


def due(reader: Connection, term: Term, *, limit: int) -> Iterator[Sequence[Key]]:
    """Yield what may go, so many at a time. Reads only, a little at a time."""
    walk = _WALKS[term.kind]
    found: list[Key] = []
    for key in _old(reader, walk, milliseconds(term.before)):
        if reader.execute(walk.judge, {**term.bindings(), **_named(key)}).get:
            found.append(key)
        if len(found) == limit:
            yield found
            found = []
    if found:
        yield found


def _old(reader: Connection, walk: "_Walk", before: int) -> Iterator[Key]:
    """Yield the keys of rows from before a time, in milliseconds."""
    after, width = walk.start, len(walk.start)
    while rows := reader.execute(walk.look, {**_named(after), "limit": LOOKED_AT}).fetchall():
        for row in rows:
            if row[-1] < before:
                yield tuple(row[:width])
            elif walk.in_order:
                return
        after = tuple(rows[-1][:width])


def take_away(term: Term, keys: Sequence[Key], *, by: str, now: datetime) -> Unit[int]:
    """Return the unit that takes these away, as far as they still may go; its result is how many.

    The log has one entry of it, by count.
    """
    statements = _WALKS[term.kind].statements

    def unit(connection: Connection) -> Staged[int]:
        count = 0
        with sqlite.overwriting(connection):
            for key in keys:
                bindings = {**term.bindings(), **_named(key)}
                connection.execute(statements[0], bindings)
                if connection.changes():
                    count += 1
                    for statement in statements[1:]:
                        connection.execute(statement, bindings)
        if not count:
            return Staged(0)
        logged = entry.disposal(at=now, kind=term.kind, count=count, before=term.before, actor=by)
        return Staged(count, [logged.encode()])

    return unit


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """How one kind is looked through and taken away. Keys are bound as :key0, :key1."""

    start: Key  # before every key
    look: str  # the next rows: key, ..., time
    in_order: bool  # of time: the first that is too young is the end
    judge: str
    statements: Sequence[str]


def _named(key: Key) -> dict[str, object]:
    return {f"key{number}": value for number, value in enumerate(key)}


# Whoever had to answer has, or need not any more; nothing is on its way, and somebody got it.
_DONE: Final = (
    "alert.decided_at < :before"
    " AND alert.person NOT IN (SELECT value FROM json_each(:held))"
    " AND (alert.answer IS NOT NULL OR alert.recalled <> 0"
    "   OR alert.answer_within IS NULL AND alert.answer_by IS NULL)"
    " AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.alert = alert.id"
    "   AND outbox.state IN ('waiting', 'pending'))"
    " AND (alert.answer IS NOT NULL OR alert.recalled <> 0 OR NOT EXISTS (SELECT 1 FROM outbox"
    "   WHERE outbox.alert = alert.id AND outbox.state IN ('rejected', 'dead'))"
    "   OR EXISTS (SELECT 1 FROM outbox WHERE outbox.alert = alert.id"
    "   AND outbox.state = 'accepted'))"
)
# Neither a correction of it nor what its silence led to is kept.
_LAST: Final = (
    f"{_DONE} AND NOT EXISTS"  # noqa: S608 - constants
    " (SELECT 1 FROM alert AS later WHERE later.supersedes = alert.id)"
    " AND NOT EXISTS (SELECT 1 FROM alert AS later WHERE later.escalates = alert.id)"
)
# Nobody was told of it by an alert that is kept, nobody corrects it, no duty rests on it.
_OVER: Final = (
    "event.received_at < :before AND event.state IN ('decided', 'retracted', 'cancelled')"
    " AND event.person NOT IN (SELECT value FROM json_each(:held))"
    " AND NOT EXISTS (SELECT 1 FROM alert WHERE alert.event = event.ref)"
    " AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.event = event.ref)"
    " AND NOT EXISTS (SELECT 1 FROM event AS later WHERE later.corrects = event.ref)"
    " AND NOT EXISTS (SELECT 1 FROM task WHERE task.person = event.person"
    "   AND (task.state = 'open' OR task.state = 'approved' AND task.carried_out = 0))"
    " AND NOT EXISTS (SELECT 1 FROM duty WHERE duty.person = event.person"
    "   AND duty.clock <> '*' AND duty.status <> 'met')"
    " AND NOT EXISTS (SELECT 1 FROM person_merge WHERE person_merge.survivor = event.person)"
    " AND NOT EXISTS (SELECT 1 FROM person_merge WHERE person_merge.absorbed = event.person)"
)
_ALERTS: Final = "SELECT id, decided_at FROM alert WHERE id > :key0 ORDER BY id LIMIT :limit"
_WALKS: Final[Mapping[Kind, _Walk]] = MappingProxyType(
    {
        "contents": _Walk(
            start=("",),
            look=_ALERTS,
            in_order=True,
            judge=f"SELECT 1 FROM alert WHERE id = :key0 AND held IS NOT NULL AND {_DONE}",  # noqa: S608 - constants
            statements=(
                f"UPDATE alert SET held = NULL WHERE id = :key0 AND held IS NOT NULL AND {_DONE}",  # noqa: S608 - constants
                "UPDATE outbox SET sealed = x'' WHERE alert = :key0",
            ),
        ),
        "alerts": _Walk(
            start=("",),
            look=_ALERTS,
            in_order=True,
            judge=f"SELECT 1 FROM alert WHERE id = :key0 AND {_LAST}",  # noqa: S608 - constants
            statements=(
                f"DELETE FROM alert WHERE id = :key0 AND {_LAST}",  # noqa: S608 - constants
                "DELETE FROM outbox WHERE alert = :key0",
            ),
        ),
        "events": _Walk(
            start=("",),
            look="SELECT ref, received_at FROM event WHERE ref > :key0 ORDER BY ref LIMIT :limit",
            in_order=True,
            judge=f"SELECT 1 FROM event WHERE ref = :key0 AND {_OVER}",  # noqa: S608 - constants
            statements=(f"DELETE FROM event WHERE ref = :key0 AND {_OVER}",),  # noqa: S608 - constants
        ),
        "receipts": _Walk(
            start=("", b""),
            look="SELECT agency, message_mac, received_at FROM receipt"
            " WHERE (agency, message_mac) > (:key0, :key1)"
            " ORDER BY agency, message_mac LIMIT :limit",
            in_order=False,
            judge="SELECT 1 FROM receipt"
            " WHERE agency = :key0 AND message_mac = :key1 AND received_at < :before",
            statements=(
                (
                    "DELETE FROM receipt"
                    " WHERE agency = :key0 AND message_mac = :key1 AND received_at < :before"
                ),
            ),
        ),
    }
)
