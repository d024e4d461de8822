"""Where each duty stands, and when to look at a person's again: no fact about anybody.

A row of clock "*" says when to look; every decided event sets it to at once. The others are what
the last look found, to be listed without opening anybody's record.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from gateway.duties.deadlines import day_starts
from gateway.duties.reckoning import Duty, Reckoning
from gateway.model.event import FactsByGroup
from gateway.model.ids import EventRef, PersonRef, RecipientId
from gateway.model.strict_json import Json
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.merges import records, root
from gateway.store.own_events import insert_own
from gateway.store.sealed import SealedStore
from gateway.store.times import milliseconds, moment

EVERY_CLOCK: Final = "*"

_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyRow:
    """One duty as last looked at."""

    person: PersonRef
    clock: str
    status: str  # due, met, late or late_by_circumstance
    due: date
    chased: str  # "", "warned" or "missed"


def touch(connection: Connection, person: PersonRef, now: datetime) -> None:
    """Have a person's duties looked at again at once. Belongs in the transaction that decides an
    event, merges or parts records, or carries out what a human decided."""
    connection.execute(
        "INSERT INTO duty (person, clock, status, due, next_at)"
        " SELECT coalesce(merged_into, ref), '*', 'due', 0, ? FROM person WHERE ref = ?"
        " ON CONFLICT (person, clock) DO UPDATE SET next_at = excluded.next_at",
        (milliseconds(now), person),
    )


def due(connection: Connection, now: datetime, *, limit: int) -> list[PersonRef]:
    """Return the persons to look at, the longest waiting first. Reads only."""
    found = connection.execute(
        "SELECT person FROM duty WHERE next_at <= ? ORDER BY next_at, person LIMIT ?",
        (milliseconds(now), limit),
    )
    return [PersonRef(ref) for (ref,) in found]


def version(connection: Connection, person: PersonRef) -> int:
    """Return the version of what is known of a person. Reads only."""
    found = connection.execute("SELECT version FROM person WHERE ref = ?", (person,)).get
    return int(found)


def write(
    person: PersonRef,
    reckoning: Reckoning,
    own: Sequence[tuple[EventRef, str, FactsByGroup]],
    *,
    version: int,
    stated: frozenset[tuple[str, Json, Json]],
    sealed: SealedStore,
    now: datetime,
    slot: int,
) -> Unit[bool]:
    """Return the unit that keeps a reckoning and inserts the events it leads to, together.

    Its result is False, with nothing done, where the person has changed since `version`. A person
    since merged into another is looked at no more: the other is.
    """

    def unit(connection: Connection) -> Staged[bool]:
        held, merged = connection.execute(
            "SELECT version, merged_into FROM person WHERE ref = ?", (person,)
        ).get
        if held != version:
            return Staged(False)
        _forget(connection, person)
        if merged is not None:
            touch(connection, PersonRef(merged), now)
            return Staged(False)
        for ref, kind, groups in own:
            insert_own(
                connection,
                sealed,
                ref=ref,
                record=person,
                kind=kind,
                now=now,
                slot=slot,
                groups=groups,
            )
        connection.executemany(
            "INSERT INTO duty (person, clock, status, due, chased, next_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [_row(person, duty, stated) for duty in reckoning.duties]
            + [(person, EVERY_CLOCK, "due", 0, "", _next_at(reckoning))],
        )
        return Staged(True)

    return unit


def leave(person: PersonRef) -> Unit[None]:
    """Return the unit that looks at a person no more until something of theirs is decided."""

    def unit(connection: Connection) -> Staged[None]:
        connection.execute("UPDATE duty SET next_at = NULL WHERE person = ?", (person,))
        return Staged(None)

    return unit


def listing(
    connection: Connection, *, person: PersonRef | None = None, late: bool = False
) -> list[DutyRow]:
    """Return duties as last looked at, the earliest due first. Reads only."""
    where = ["clock <> '*'"]
    if person is not None:
        where.append("person = ?")
    if late:
        where.append("status LIKE 'late%'")
    found = connection.execute(
        "SELECT person, clock, status, due, chased FROM duty"  # noqa: S608 - constants
        f" WHERE {' AND '.join(where)} ORDER BY due, person, clock",
        () if person is None else (root(connection, person),),
    )
    return [
        DutyRow(
            person=PersonRef(ref),
            clock=clock,
            status=status,
            due=_EPOCH + timedelta(days=day),
            chased=chased,
        )
        for ref, clock, status, day, chased in found
    ]


def told(connection: Connection, person: PersonRef) -> list[tuple[RecipientId, datetime]]:
    """Return who was told of a person by any agency's event, or decided about by a human, and when.

    Reads only.
    """
    found: list[tuple[RecipientId, datetime]] = []
    for record in records(connection, person):
        rows = connection.execute(
            "SELECT recipient, outbox.decided_at FROM outbox JOIN event ON event.ref = outbox.event"
            " WHERE event.person = ?1 AND event.agency <> 'throughgate' AND message <> 'RECALL'"
            " UNION SELECT recipient, decided_at FROM task WHERE person = ?1"
            " AND kind = 'disclosure' AND state IN ('approved', 'declined')",
            (record,),
        )
        found += [(RecipientId(recipient), moment(at)) for recipient, at in rows]
    return found


def _forget(connection: Connection, person: PersonRef) -> None:
    connection.execute("DELETE FROM duty WHERE person = ?", (person,))


def _row(
    person: PersonRef, duty: Duty, stated: frozenset[tuple[str, Json, Json]]
) -> tuple[object, ...]:
    basis = duty.basis_date.isoformat()
    if stated & {(kind, duty.clock, basis) for kind in ("duty.missed", "consultation.missing")}:
        chased = "missed"
    else:
        chased = "warned" if ("duty.due_soon", duty.clock, basis) in stated else ""
    return (person, duty.clock, duty.status, (duty.due - _EPOCH).days, chased, None)


def _next_at(reckoning: Reckoning) -> int | None:
    day = reckoning.look_again
    return None if day is None else milliseconds(day_starts(day))
