"""Writing to PostgreSQL: one lock, one log, and no commit whose outcome is guessed."""

import time
from collections.abc import Callable
from typing import Final

from gateway.store.engine import DatabaseTrouble
from gateway.store.postgres.connection import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    PostgresConnection,
)
from gateway.store.postgres.link import PATIENCE_S, Link
from gateway.store.postgres.rows import loaded
from gateway.store.postgres.translate import translated
from gateway.store.postgres.wire import Sent, Wire

# Whoever writes holds this lock from the beginning of a transaction to its end, on every host:
# one log, one head, and units of work that see each other's whole effects.
LOG_HEAD: Final = 0x7468_6761_7465
SETTLED_WITHIN_S: Final = 120.0

_BEGIN: Final = translated("BEGIN ISOLATION LEVEL READ COMMITTED")[0]
_LOCK: Final = translated("SELECT pg_advisory_xact_lock(?)")[0]
_MARK: Final = translated(
    "INSERT INTO writer (id, batch, written_at)"
    " VALUES (?, ?, CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT))"
    " ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, written_at = excluded.written_at"
)[0]
_MARKED: Final = translated("SELECT batch FROM writer WHERE id = ?")[0]
_COMMIT: Final = translated("COMMIT")[0]
_ROLLBACK: Final = translated("ROLLBACK")[0]
_END_OTHER: Final = translated(  # what a connection that was lost left behind on the server
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE application_name = ? AND usename = current_user AND pid <> pg_backend_pid()"
)[0]


class PostgresWriter(PostgresConnection):
    """The connection of a writer.

    `with`, or BEGIN to COMMIT, holds the log's lock; statements whose rows nobody reads are sent
    with the next that is read, and what one of them meets is raised there. A connection lost
    before COMMIT undoes the transaction; one lost at COMMIT is settled by the mark that every
    transaction leaves (table `writer`), read under the lock: then the old one is over, either way.
    The number of a transaction (xid) would not tell: after a crash it may be another's.
    """

    writes = True

    def __init__(
        self,
        link: Link,
        *,
        patience_s: float = PATIENCE_S,
        settled_within_s: float = SETTLED_WITHIN_S,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settled_within_s = settled_within_s
        self._sleep = sleep
        self._lock: Sent | None = None
        self._batch = 0  # transactions committed
        super().__init__(link, patience_s=patience_s, monotonic=monotonic)

    def _begin(self) -> None:
        wire = self._usable()
        wire.send(_BEGIN, ())
        self._lock = wire.send(_LOCK, (LOG_HEAD,))
        self._open = True
        if self._again:
            self._check_newest(wire)

    def _check_newest(self, wire: Wire) -> None:
        """Refuse a server that does not have what was committed and reported.

        Raises:
            DatabaseTrouble: lost.
        """
        if self._batch and self._marked(wire) != self._batch:
            self.close()
            raise DatabaseTrouble("lost", "the database has lost a commit that was reported")
        self._again = False

    def _marked(self, wire: Wire) -> int:
        rows = loaded(wire.base, wire.result_of(wire.send(_MARKED, (self.id,))))
        return rows[0][0] if rows else 0

    def _commit(self) -> None:
        """Commit; return only once it is durable, whatever becomes of the connection meanwhile.

        Raises:
            RuleBroken, DatabaseTrouble: nothing was committed; unsettled: that cannot be told.
        """
        wire = self._usable()
        if self._lock is not None:
            # Else the lock might be had, and this committed, after it was settled that it was not.
            wire.result_of(self._lock)
        batch = self._batch + 1
        wire.send(_MARK, (self.id, batch), counts=False)
        ended = wire.send(_COMMIT, ())
        try:
            wire.sync()
        except DatabaseTrouble as error:
            if error.code != "unavailable" or not wire.lost:
                raise
            if ended.result is None and not self._took_place(batch):
                raise
        self._open = False
        if ended.result is not None and ended.result.command_status != b"COMMIT":
            raise DatabaseTrouble("database", "PostgreSQL undid what was to be committed")
        self._batch = batch

    def _took_place(self, batch: int) -> bool:
        """Return whether a transaction committed whose connection was lost as it did.

        Raises:
            DatabaseTrouble: unsettled.
        """
        self._open = False
        deadline = self._monotonic() + self._settled_within_s
        pause = FIRST_PAUSE_S
        while True:
            try:
                wire = self._usable(patiently=True)
                wire.send(_BEGIN, ())
                wire.send(_LOCK, (LOG_HEAD,))
                marked = self._marked(wire)
                wire.send(_ROLLBACK, ())
                wire.sync()
            except DatabaseTrouble as error:
                if self._monotonic() > deadline:
                    self.close()
                    raise DatabaseTrouble("unsettled", "whether a commit took place?") from error
            else:
                return marked == batch
            self._end_other()
            self._sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _end_other(self) -> None:
        """End what the lost connection left on the server: it may hold the lock for long."""
        try:
            wire = self._usable(patiently=True)
            wire.send(_ROLLBACK, ())
            wire.send(_END_OTHER, (self._name,))
            wire.sync()
        except DatabaseTrouble:
            return
