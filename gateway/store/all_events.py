"""Everyone's decided events, opened one person at a time: for statistics and for timelines."""

from collections.abc import Iterator

from gateway.known import standing
from gateway.model.event import Event
from gateway.model.ids import PersonRef
from gateway.model.problem import MalformedEvent
from gateway.store.engine import Connection
from gateway.store.history import past_of
from gateway.store.merges import root
from gateway.store.sealed import SealedStore
from keys.problem import KeyProblem


class Unread:
    """How many persons were passed over because their events do not open: erased, or damaged."""

    __slots__ = ("persons",)

    def __init__(self) -> None:
        self.persons = 0


def everyone(
    connection: Connection, sealed: SealedStore, unread: Unread
) -> Iterator[tuple[PersonRef, list[Event]]]:
    """Yield every real person with their events as they now stand, merged records as one.

    One person is in memory at a time; all are read from one snapshot. Reads only.
    """
    with connection:
        persons = connection.execute(
            "SELECT ref FROM person WHERE merged_into IS NULL AND exercise = 0 ORDER BY ref"
        )
        for (ref,) in persons:
            try:
                found = events_of(connection, sealed, ref)
            except (KeyProblem, MalformedEvent):
                unread.persons += 1
                continue
            yield PersonRef(ref), found


def events_of(connection: Connection, sealed: SealedStore, ref: PersonRef) -> list[Event]:
    """Return the decided events of a person's every record, in the order received, corrections
    and retractions applied.

    Raises:
        KeyProblem, MalformedEvent: some event does not open.

    Reads only.
    """
    person = root(connection, ref)
    return standing(one.event for one in past_of(connection, sealed, person, states=("decided",)))
