"""What another rulebook would have done to the newest events. Nothing is sent; a bounded look."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.clock import day
from gateway.config import Config
from gateway.directory import Directory
from gateway.instance import sealed_store
from gateway.model.event import Event
from gateway.model.ids import PersonRef
from gateway.model.problem import MalformedEvent
from gateway.rehearsal.replay import Replaying, replay
from gateway.store.all_events import events_of
from gateway.store.engine import Connection
from gateway.store.merges import root
from gateway.store.place import place_of
from gateway.store.sealed import SealedStore
from gateway.store.times import milliseconds
from keys.problem import KeyProblem
from policies.rulebook import Rulebook

EVENTS: Final = 2000  # the newest are looked at
PERSONS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What would change, counted."""

    persons: int
    events: int
    decisions: int
    unread: int  # persons whose events do not open
    whole: bool  # every event since then was looked at
    changes: tuple[tuple[str, str, str, int], ...]  # kind, role, effect and how many alerts


def replayed(config: Config, current: Rulebook, other: Rulebook, since: datetime) -> Replayed:
    """Decide the newest events again by another rulebook; the reading was logged before.

    Takes seconds, with a reader and keys of its own: it runs beside the event loop.
    """
    sealed = sealed_store(config)
    reader = place_of(config).open_reader()
    try:
        persons, whole = _newest(reader, since)
        directory = Directory(reader, current.catalogues)
        context = Replaying(
            recipients=directory.recipients,
            candidates=directory.candidates,
            classes=directory.classes,
            current=current,
            other=other,
            day_of=day,
            since=day(since),
        )
        unread: list[PersonRef] = []
        changes = Counter(
            (one.kind, one.role, one.effect)
            for one in replay(_histories(reader, sealed, persons, unread), context)
        )
    finally:
        reader.close()
    return Replayed(
        persons=context.tally.persons,
        events=context.tally.events,
        decisions=context.tally.decisions,
        unread=len(unread),
        whole=whole,
        changes=tuple((*key, count) for key, count in sorted(changes.items())),
    )


def _newest(reader: Connection, since: datetime) -> tuple[list[PersonRef], bool]:
    """Return whom the newest events are about: a reference tells its event's time."""
    rows = reader.execute(
        "SELECT person, received_at, state FROM event ORDER BY ref DESC LIMIT ?", (EVENTS,)
    ).fetchall()
    recent = [
        PersonRef(str(person))
        for person, at, state in rows
        if int(str(at)) >= milliseconds(since) and state == "decided"
    ]
    persons = list(dict.fromkeys(root(reader, one) for one in recent))
    whole = len(rows) < EVENTS or int(str(rows[-1][1])) < milliseconds(since)
    return persons[:PERSONS], whole and len(persons) <= PERSONS


def _histories(
    reader: Connection,
    sealed: SealedStore,
    persons: list[PersonRef],
    unread: list[PersonRef],
) -> Iterator[tuple[PersonRef, list[Event]]]:
    for person in persons:
        try:
            found = events_of(reader, sealed, person)
        except (KeyProblem, MalformedEvent):
            unread.append(person)
            continue
        yield person, found
