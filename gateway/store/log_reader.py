"""Reading the committed log for those who check it. Never sees an uncommitted entry."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from gateway.disclosure_log import entry
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.store import Store


class StoreLogReader:
    """What `gateway.http.log` serves: checkpoints, leaf hashes and entries."""

    def __init__(
        self, store: Store, verifier: str | Callable[[], str], clock: Callable[[], datetime]
    ) -> None:
        self._reader: Connection = store.reader
        self._commit: Callable[[Unit[None]], Awaitable[None]] = store.commit
        self._verifier = verifier
        self._clock = clock
        self._store = store

    async def latest_checkpoint(self) -> str | None:
        """Return the newest signed checkpoint."""
        return self._store.latest_checkpoint()

    async def checkpoints(self) -> list[str]:
        """Return every signed checkpoint, ascending by size."""
        return [
            note
            for (note,) in self._reader.execute("SELECT note FROM log_checkpoint ORDER BY size")
        ]

    async def entries(self, start: int, end: int) -> list[bytes]:
        """Return entries start..end-1."""
        return self._column("body", start, end)

    async def leaf_hashes(self, start: int, end: int) -> list[bytes]:
        """Return leaf hashes start..end-1, 32 bytes each."""
        return self._column("leaf", start, end)

    async def tile(self, level: int, index: int) -> bytes | None:
        """Return a stored full tile, 8192 bytes, or None if it is not yet full."""
        row = self._reader.execute(
            "SELECT hashes FROM log_tile WHERE level = ? AND idx = ?", (level, index)
        ).fetchone()
        return bytes(row[0]) if row else None

    def verifier(self) -> str:
        """Return the vkeys the log is checked with, one a line, the one in force first."""
        return self._verifier if isinstance(self._verifier, str) else self._verifier()

    async def record_reading(self, start: int, end: int) -> None:
        """Log that entries start..end-1 were read: reading the log is a consultation (s.62)."""
        logged = entry.consultation(at=self._clock(), what="log", start=start, end=end).encode()
        await self._commit(lambda _connection: Staged(None, [logged]))

    def _column(self, name: str, start: int, end: int) -> list[bytes]:
        rows = self._reader.execute(
            f"SELECT {name} FROM log_entry WHERE idx >= ? AND idx < ? ORDER BY idx",  # noqa: S608 - a literal
            (start, end),
        )
        return [value for (value,) in rows]
