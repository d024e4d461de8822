"""What of the undecided events whoever spreads them over processes has to know. Reads only."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import orjson

from gateway.model.ids import EventRef
from gateway.shards import mask_of, shard_at
from gateway.store.engine import Connection
from gateway.store.leases import OWNED
from gateway.waking import Handed


def undecided(connection: Connection, shards: Iterable[int], limit: int) -> list[Handed]:
    """Return events of these shards that await a decision, oldest first, at most so many."""
    bindings = {"owned": mask_of(shards), "limit": limit}
    rows = connection.execute(_UNDECIDED, bindings)
    return [Handed(shard_at(slot), EventRef(ref)) for ref, slot in rows]


def settled(connection: Connection, events: Sequence[EventRef]) -> Collection[EventRef]:
    """Return those of some events that await no decision now, or that nobody knows of."""
    rows = connection.execute(_OF_THESE, (orjson.dumps(events).decode(),))
    return set(events) - {EventRef(ref) for (ref,) in rows}


_UNDECIDED: Final = (
    "SELECT ref, slot FROM event WHERE state = 'accepted'"  # noqa: S608 - constants
    f" AND {OWNED} ORDER BY received_at, ref LIMIT :limit"
)
_OF_THESE: Final = (
    "SELECT ref FROM event WHERE state = 'accepted' AND ref IN (SELECT value FROM json_each(?))"
)
