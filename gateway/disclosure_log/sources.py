"""Where an auditor reads a log from: the database, or a copy of it. Writes nothing.

A source shows one moment: what it read first. Source: the tables of the store's schema.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import apsw

from gateway.disclosure_log.bundle_source import BundleSource
from gateway.disclosure_log.problem import CannotRead
from gateway.disclosure_log.url_source import UrlSource
from gateway.store.engine import Connection
from gateway.store.trouble import TROUBLES

__all__ = [
    "BundleSource",
    "CannotRead",
    "DirectorySource",
    "LogSource",
    "StoreSource",
    "StoredHashes",
    "UrlSource",
]

END: Final = 2**63 - 1  # as `end`: up to the last entry there is

_MAX_VKEY_BYTES: Final = 64 * 1024
_AT_ONCE: Final = 8192  # rows that are read of a table at a time


class LogSource(Protocol):
    """What every log can show an auditor. Every method may raise CannotRead."""

    def origin_key(self) -> str | None:
        """Return the vkeys the log itself claims, one a line, or None. Not to be trusted for that
        alone."""
        ...

    def checkpoints(self) -> Iterator[str]:
        """Yield every stored signed note, ascending by size."""
        ...

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        """Yield entries start..end-1 in order, ending early at the first that is not there."""
        ...


@runtime_checkable
class StoredHashes(Protocol):
    """What a source may also show: the hashes as stored, to be held against the entries."""

    def leaf_hashes(self, start: int, end: int) -> Iterator[bytes]:
        """Yield stored leaf hashes start..end-1, ending early at the first that is not there."""
        ...

    def tile(self, level: int, index: int) -> bytes | None:
        """Return a stored full tile, or None if it is not stored."""
        ...


@runtime_checkable
class ShownEdge(Protocol):
    """What a source laid out as tlog-tiles also shows."""

    def edge(self, level: int, index: int, width: int) -> bytes | None:
        """Return the partial tile at the right edge of a level, or None if it is missing."""
        ...


class StoreSource:
    """The log in a database that is open. Close it after use, which closes the connection."""

    def __init__(self, connection: Connection, vkey: Path) -> None:
        """Take over a connection.

        Args:
            connection: Open, to read from; this source's alone.
            vkey: The file with the log's own keys.

        Raises:
            CannotRead: database: it is not a log's.
        """
        self._connection = connection
        self._vkey = vkey
        try:
            # One read transaction: every later read sees this same moment.
            connection.__enter__()
            for table in ("log_entry", "log_checkpoint", "log_tile"):
                connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()  # noqa: S608
        except TROUBLES as error:
            raise CannotRead("database") from error

    def close(self) -> None:
        """Let go of the database. Never fails."""
        with suppress(*TROUBLES):
            self._connection.close()

    def origin_key(self) -> str | None:
        """Return the text of ``log.vkey``, or None when there is no such file."""
        try:
            with self._vkey.open("rb") as file:
                return file.read(_MAX_VKEY_BYTES).decode().strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise CannotRead("vkey") from error

    def checkpoints(self) -> Iterator[str]:
        """Yield every stored signed note, ascending by size."""
        for (note,) in self._rows("SELECT note FROM log_checkpoint ORDER BY size"):
            yield str(note)

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        """Yield entry bodies; a gap in the indexes ends them."""
        yield from self._unbroken("body", start, end)

    def leaf_hashes(self, start: int, end: int) -> Iterator[bytes]:
        """Yield stored leaf hashes; a gap in the indexes ends them."""
        yield from self._unbroken("leaf", start, end)

    def tile(self, level: int, index: int) -> bytes | None:
        """Return a stored full tile, or None."""
        where = "SELECT hashes FROM log_tile WHERE level = ? AND idx = ?"
        for (hashes,) in self._rows(where, level, index):
            return bytes(hashes)
        return None

    def _unbroken(self, column: str, start: int, end: int) -> Iterator[bytes]:
        statement = f"SELECT idx, {column} FROM log_entry WHERE idx >= ? AND idx < ? ORDER BY idx"  # noqa: S608 - a literal of ours
        expected = start
        while expected < end:
            first = expected
            for index, value in self._rows(statement, first, min(end, first + _AT_ONCE)):
                if index != expected or not isinstance(value, bytes):
                    return
                yield value
                expected += 1
            if expected == first:
                return

    def _rows(self, statement: str, *bindings: int) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(statement, bindings)
        except TROUBLES as error:
            raise CannotRead("database") from error


class DirectorySource(StoreSource):
    """A gateway's folder, live or a copy. Close it to let the database truncate its WAL."""

    def __init__(self, path: Path) -> None:
        """Open the log.

        Raises:
            CannotRead: database: it is missing, or not a log's.
        """
        database = path / "throughgate.db"
        # On read-only media SQLite cannot make the files a WAL needs; without a WAL nothing
        # else can be writing, so the file may be read as it stands.
        settled = not database.with_name("throughgate.db-wal").exists()
        query = "mode=ro&immutable=1" if settled and not os.access(path, os.W_OK) else "mode=ro"
        try:
            connection = apsw.Connection(
                f"{database.absolute().as_uri()}?{query}",
                flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI,
            )
        except apsw.Error as error:
            raise CannotRead("database") from error
        connection.set_busy_timeout(10_000)
        super().__init__(connection, path / "log.vkey")
