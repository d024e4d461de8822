"""Everyone's decided events, opened one person at a time: for statistics and for timelines."""

from collections.abc import Iterator
from typing import Any

import apsw

from gateway.model.event import Event, parse_cloudevent
from gateway.model.ids import AgencyName, EventRef, PersonRef
from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import read_json
from gateway.people import standing
from gateway.store.merges import records
from gateway.store.sealed import SealedStore, event_context
from gateway.store.times import moment
from keys.problem import KeyProblem

_DECIDED = (
    "SELECT event.ref, agency, person, kind, corrects, received_at, sealed, wrapped_key FROM event"
    " JOIN person ON person.ref = event.person WHERE state = 'decided' AND person = ?"
    " ORDER BY received_at, event.ref"
)


class Unread:
    """How many persons were passed over because their events do not open: erased, or damaged."""

    __slots__ = ("persons",)

    def __init__(self) -> None:
        self.persons = 0


def everyone(
    connection: apsw.Connection, sealed: SealedStore, unread: Unread
) -> Iterator[tuple[PersonRef, list[Event]]]:
    """Yield every person with their events as they now stand, merged records as one.

    One person is in memory at a time; all are read from one snapshot. Reads only.
    """
    with connection:
        persons = connection.execute(
            "SELECT ref FROM person WHERE merged_into IS NULL ORDER BY ref"
        )
        for (ref,) in persons:
            try:
                found = events_of(connection, sealed, ref)
            except (KeyProblem, MalformedEvent):
                unread.persons += 1
                continue
            yield PersonRef(ref), found


def events_of(connection: apsw.Connection, sealed: SealedStore, ref: PersonRef) -> list[Event]:
    """Return the decided events of a person's every record, in the order received, corrections
    and retractions applied.

    Raises:
        KeyProblem, MalformedEvent: some event does not open.

    Reads only.
    """
    own = records(connection, ref)
    found = [
        _event(row, sealed, own[0])
        for record in own
        for row in connection.execute(_DECIDED, (record,))
    ]
    found.sort(key=lambda event: (event.received_at, event.ref))
    return standing(found)


def _event(row: tuple[Any, ...], sealed: SealedStore, root: PersonRef) -> Event:
    ref, agency, record, kind, corrects, received_at, body, wrapped = row
    key = sealed.data_key(PersonRef(record), wrapped)
    canonical = parse_cloudevent(read_json(key.open(body, event_context(EventRef(ref)))))
    received = moment(received_at)
    return Event(
        ref=EventRef(ref),
        agency=AgencyName(agency),
        person=root,
        kind=kind,
        occurred_at=canonical.occurred_at or received,
        received_at=received,
        groups=canonical.groups,
        corrects=EventRef(corrects) if corrects else None,
    )
