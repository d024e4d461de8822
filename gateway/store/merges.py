"""The forest of merged records: which belong to one person, joining them, and parting them again.

A record merged into another keeps its identifiers, its events and its key: undoing a merge is
taking one edge out. `person.merged_into` always names the root, never a chain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.model.ids import OURSELVES, EventRef, PersonRef
from gateway.store.engine import Connection
from gateway.store.times import milliseconds, moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """One merge of two records, and what undid it."""

    id: str
    survivor: PersonRef
    absorbed: PersonRef
    event: EventRef | None  # that brought it
    merged_at: datetime
    undone_at: datetime | None
    undone_by: EventRef | None


def root(connection: Connection, ref: PersonRef) -> PersonRef:
    """Return the record that stands for a record's person: itself unless merged. Reads only."""
    row = connection.execute("SELECT merged_into FROM person WHERE ref = ?", (ref,)).fetchone()
    return PersonRef(row[0]) if row and row[0] else ref


def records(connection: Connection, ref: PersonRef) -> tuple[PersonRef, ...]:
    """Return every record of a record's person, the root first. Reads only."""
    top = root(connection, ref)
    rows = connection.execute("SELECT ref FROM person WHERE merged_into = ? ORDER BY ref", (top,))
    return (top, *(PersonRef(one) for (one,) in rows))


def history(connection: Connection, ref: PersonRef) -> tuple[Merge, ...]:
    """Return every merge any record of a person took part in, oldest first. Reads only."""
    own = records(connection, ref)
    marks = ", ".join("?" * len(own))
    return _merges(connection, f"survivor IN ({marks}) OR absorbed IN ({marks})", own + own)


def merges_by(connection: Connection, event: EventRef) -> tuple[Merge, ...]:
    """Return the merges an event brought or undid. Reads only."""
    return _merges(connection, "event = ? OR undone_by = ?", (event, event))


def join(
    connection: Connection,
    survivor: PersonRef,
    absorbed: PersonRef,
    *,
    id_: str,
    event: EventRef,
    now: datetime,
) -> tuple[PersonRef, PersonRef] | None:
    """Merge the person of one record into the person of another.

    Decisions under way about either are made again. Returns the two roots joined, survivor first;
    None if they were one person already.
    """
    top, other = root(connection, survivor), root(connection, absorbed)
    if top == other:
        return None
    connection.execute(
        "INSERT INTO person_merge (id, survivor, absorbed, event, merged_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (id_, top, other, event, milliseconds(now)),
    )
    connection.execute(
        "UPDATE person SET merged_into = ? WHERE ref = ? OR merged_into = ?", (top, other, other)
    )
    _touch(connection, top, other)
    return top, other


def part(
    connection: Connection,
    one: PersonRef,
    other: PersonRef,
    *,
    event: EventRef,
    now: datetime,
) -> Merge | None:
    """Undo the newest of the merges that make two records one person.

    What either had absorbed before goes with it. Returns the merge undone; None if they are two
    persons as it is.
    """
    top = root(connection, one)
    own = records(connection, top)
    if other not in own or one == other:
        return None
    edges = _edges(connection, own)
    ours, theirs = _upward(edges, one), _upward(edges, other)
    between = set(ours) ^ set(theirs)
    undone = max(between, key=lambda merge: (merge.merged_at, merge.id))
    connection.execute(
        "UPDATE person_merge SET undone_at = ?, undone_by = ? WHERE id = ?",
        (milliseconds(now), event, undone.id),
    )
    free = undone.absorbed
    connection.execute("UPDATE person SET merged_into = NULL WHERE ref = ?", (free,))
    below = [(free, ref) for ref in own if ref != free and undone in _upward(edges, ref)]
    connection.executemany("UPDATE person SET merged_into = ? WHERE ref = ?", below)
    _touch(connection, top, free)
    return undone


def parted_by_a_person(connection: Connection, one: PersonRef, other: PersonRef) -> bool:
    """Say whether someone at the gateway undid a merge of these two persons. Reads only.

    An agency that says again what was found wrong is not to join them once more.
    """
    ours, theirs = records(connection, one), records(connection, other)
    some, others = ", ".join("?" * len(ours)), ", ".join("?" * len(theirs))
    return bool(
        connection.execute(
            "SELECT 1 FROM person_merge JOIN event ON event.ref = person_merge.undone_by"  # noqa: S608 - marks
            f" WHERE event.agency = ? AND (survivor IN ({some}) AND absorbed IN ({others})"
            f" OR survivor IN ({others}) AND absorbed IN ({some}))",
            (OURSELVES, *ours, *theirs, *theirs, *ours),
        ).get
    )


def _touch(connection: Connection, *refs: PersonRef) -> None:
    connection.executemany(
        "UPDATE person SET version = version + 1 WHERE ref = ?", [(ref,) for ref in refs]
    )


def _edges(connection: Connection, own: tuple[PersonRef, ...]) -> Mapping[PersonRef, Merge]:
    """Return the merge that holds each absorbed record, of those given."""
    marks = ", ".join("?" * len(own))
    found = _merges(connection, f"absorbed IN ({marks}) AND undone_at IS NULL", own)
    return {one.absorbed: one for one in found}


def _upward(edges: Mapping[PersonRef, Merge], ref: PersonRef) -> list[Merge]:
    """Return the merges from a record up to its root."""
    found: list[Merge] = []
    while (edge := edges.get(ref)) is not None:
        found.append(edge)
        ref = edge.survivor
    return found


def _merges(connection: Connection, where: str, bindings: tuple[str, ...]) -> tuple[Merge, ...]:
    rows = connection.execute(
        "SELECT id, survivor, absorbed, event, merged_at, undone_at, undone_by FROM person_merge"  # noqa: S608 - constants and marks
        f" WHERE {where} ORDER BY merged_at, id",
        bindings,
    )
    return tuple(
        Merge(
            id=id_,
            survivor=survivor,
            absorbed=absorbed,
            event=event,
            merged_at=moment(merged),
            undone_at=None if undone is None else moment(undone),
            undone_by=by,
        )
        for id_, survivor, absorbed, event, merged, undone, by in rows
    )
