"""What the outbox owes, endpoint by endpoint, so that no endpoint's backlog is another's delay.

Reads only. Every question is answered from an index, in time that does not grow with what is owed
elsewhere.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from gateway.model.ids import AlertId, EndpointId, EventRef
from gateway.shards import Shards
from gateway.store import outbox
from gateway.store.engine import Connection
from gateway.store.leases import OWNED
from gateway.store.outbox import Key, OutboxRow
from gateway.store.times import milliseconds, moment

_OTHERS: Final = "(:owned >> CAST(abs(older.slot) % 32 AS INTEGER)) & 1 = 0"


class Owed:
    """What one worker has to deliver."""

    def __init__(self, reader: Connection, shards: Shards | None = None) -> None:
        self._reader = reader
        self._shards = shards or Shards.of_worker(0, 1)

    def is_pending(self, key: Key) -> bool:
        """Return whether a row is still to leave, and this process's to send: it may have been
        withheld since, or the lease on its shard have ended."""
        return outbox.is_pending(self._reader, key, self._shards.mask)

    def is_settled(self, key: Key) -> bool:
        """Return whether a row is not to leave any more, whoever's it is to send."""
        return not outbox.is_pending(self._reader, key)

    def came_of(self, key: Key) -> tuple[EventRef, datetime] | None:
        """Return the event a row tells of, and when it was accepted."""
        row = self._reader.execute(_CAME_OF, key).fetchone()
        return (EventRef(row[0]), moment(row[1])) if row else None

    def owes_older(self, row: OutboxRow, known: Collection[Key]) -> bool:
        """Return whether an older alert about the same person is owed to the same endpoint, other
        than those known. One that waits for its hour (quiet, digest) keeps nothing back."""
        rows = self._reader.execute(
            _OLDER, (row.endpoint, row.person, milliseconds(row.decided_at), row.alert,
                     milliseconds(row.decided_at))
        )  # fmt: skip
        return any((alert, row.endpoint) not in known for (alert,) in rows)

    def endpoints(self) -> Sequence[EndpointId]:
        """Return the endpoints that something is owed to, by any worker, in order of their ids."""
        return [EndpointId(endpoint) for (endpoint,) in self._reader.execute(_ENDPOINTS)]

    def due(self, endpoint: EndpointId, now: datetime, limit: int) -> Sequence[Key]:
        """Return what may leave over an endpoint now: urgent first, then oldest first.

        A routine row is left out while an older one about the same person is owed there and
        cannot leave yet: it is to be tried again later, or another worker's. Rows that wait for
        their hour (quiet, digest) keep nothing back.
        """
        bindings = {
            "endpoint": endpoint,
            "now": milliseconds(now),
            "owned": self._shards.mask,
            "limit": limit,
        }
        return [(AlertId(alert), endpoint) for (alert,) in self._reader.execute(_DUE, bindings)]

    def probe(self, endpoint: EndpointId, now: datetime) -> Sequence[Key]:
        """Return what an endpoint that failed is tried with, if anything is due: the oldest urgent,
        else the oldest, of those tried least: no one alert that it cannot take stands for all."""
        bindings = {
            "endpoint": endpoint,
            "now": milliseconds(now),
            "owned": self._shards.mask,
            "few": _TRIED_WITH,
        }
        return [(AlertId(alert), endpoint) for (alert,) in self._reader.execute(_PROBE, bindings)]

    def load(self, keys: Sequence[Key]) -> Sequence[OutboxRow]:
        """Return the rows named that are still pending, in order."""
        return list(outbox.load(self._reader, keys))

    def stranded(
        self, endpoint: EndpointId, *, now: datetime, decided_before: datetime, limit: int
    ) -> Sequence[AlertId]:
        """Return alerts owed to an endpoint that have another way left: the urgent, and those
        decided before then; oldest first. Not those that only wait for their hour."""
        bindings = {
            "endpoint": endpoint,
            "now": milliseconds(now),
            "before": milliseconds(decided_before),
            "owned": self._shards.mask,
            "limit": limit,
        }
        return [AlertId(alert) for (alert,) in self._reader.execute(_STRANDED, bindings)]

    def overdue(self, endpoint: EndpointId, *, before: datetime, limit: int) -> Sequence[OutboxRow]:
        """Return rows owed to an endpoint since before then, oldest first."""
        bindings = {
            "endpoint": endpoint,
            "before": milliseconds(before),
            "owned": self._shards.mask,
            "limit": limit,
        }
        rows = self._reader.execute(_OVERDUE, bindings)
        return self.load([(AlertId(alert), endpoint) for (alert,) in rows])


_CAME_OF: Final = (
    "SELECT event.ref, event.received_at FROM outbox JOIN event ON event.ref = outbox.event"
    " WHERE alert = ? AND endpoint = ?"
)
_OLDER: Final = (
    "SELECT alert FROM outbox INDEXED BY outbox_owed"
    " WHERE state = 'pending' AND endpoint = ? AND person = ?"
    " AND decided_at <= ? AND alert <> ? AND digest = 0 AND (attempts > 0 OR next_at <= ?)"
)
_ENDPOINTS: Final = (  # from one to the next in the index: as many steps as there are endpoints
    "WITH RECURSIVE owed (endpoint) AS ("
    " SELECT min(endpoint) FROM outbox WHERE state = 'pending'"
    " UNION ALL"
    " SELECT (SELECT min(outbox.endpoint) FROM outbox"
    "         WHERE state = 'pending' AND outbox.endpoint > owed.endpoint)"
    " FROM owed WHERE owed.endpoint IS NOT NULL)"
    " SELECT endpoint FROM owed WHERE endpoint IS NOT NULL"
)
_DUE: Final = (
    "SELECT alert FROM (SELECT alert FROM outbox INDEXED BY outbox_lane"  # noqa: S608 - constants
    " WHERE state = 'pending' AND endpoint = :endpoint AND urgent = 1"
    f" AND next_at <= :now AND {OWNED}"
    " ORDER BY decided_at, alert LIMIT :limit) AS first"
    " UNION ALL SELECT alert FROM (SELECT alert FROM outbox INDEXED BY outbox_lane"
    " WHERE state = 'pending' AND endpoint = :endpoint AND urgent = 0"
    f" AND next_at <= :now AND {OWNED}"
    " AND (digest = 1 OR NOT EXISTS (SELECT 1 FROM outbox AS older INDEXED BY outbox_owed"
    "   WHERE older.state = 'pending'"
    "   AND older.endpoint = outbox.endpoint AND older.person = outbox.person"
    "   AND older.decided_at < outbox.decided_at AND older.digest = 0"
    "   AND (older.next_at > :now AND older.attempts > 0"
    f"     OR older.next_at <= :now AND {_OTHERS})))"
    " ORDER BY decided_at, alert LIMIT :limit) AS routine"
    " LIMIT :limit"
)
_TRIED_WITH: Final = 100  # the first of those due, urgent and routine, that a probe is chosen of
_PROBE: Final = (
    "SELECT alert FROM (SELECT * FROM (SELECT alert, urgent, attempts, decided_at FROM outbox"  # noqa: S608 - constants
    " INDEXED BY outbox_lane WHERE state = 'pending' AND endpoint = :endpoint AND urgent = 1"
    f" AND next_at <= :now AND {OWNED}"
    " ORDER BY decided_at, alert LIMIT :few) AS first"
    " UNION ALL SELECT * FROM (SELECT alert, urgent, attempts, decided_at FROM outbox"
    " INDEXED BY outbox_lane WHERE state = 'pending' AND endpoint = :endpoint AND urgent = 0"
    f" AND next_at <= :now AND {OWNED}"
    " AND (digest = 1 OR NOT EXISTS (SELECT 1 FROM outbox AS older INDEXED BY outbox_owed"
    "   WHERE older.state = 'pending'"
    "   AND older.endpoint = outbox.endpoint AND older.person = outbox.person"
    "   AND older.decided_at < outbox.decided_at AND older.digest = 0"
    "   AND (older.attempts > 0 OR older.next_at <= :now)))"
    " ORDER BY decided_at, alert LIMIT :few) AS routine) AS due"
    " ORDER BY urgent DESC, attempts, decided_at, alert LIMIT 1"
)
_STRANDED: Final = (
    "SELECT alert FROM outbox INDEXED BY outbox_lane"  # noqa: S608 - constants
    " WHERE state = 'pending' AND endpoint = :endpoint AND (next_at <= :now OR attempts > 0)"
    f" AND (urgent = 1 OR decided_at <= :before) AND {OWNED}"
    " AND EXISTS (SELECT 1 FROM outbox AS other INDEXED BY outbox_waiting"
    "   WHERE other.alert = outbox.alert AND other.state = 'waiting')"
    " ORDER BY decided_at, alert LIMIT :limit"
)
_OVERDUE: Final = (
    "SELECT alert FROM outbox INDEXED BY outbox_lane"  # noqa: S608 - constants
    " WHERE state = 'pending' AND endpoint = :endpoint AND decided_at <= :before"
    " AND coalesce(retried_at, 0) <= :before"
    f" AND {OWNED} ORDER BY decided_at, alert LIMIT :limit"
)
