"""Opening the embedded database: version floor, durability pragmas, schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import apsw

from gateway.store.engine import Connection, StoreUnavailable

__all__ = [
    "SCHEMA_VERSION",
    "StoreUnavailable",
    "create",
    "damage_named",
    "open_reader",
    "open_writer",
    "overwriting",
    "quick_check",
]

SCHEMA_VERSION = 5

_CACHE_KIB = 64 * 1024
_CHECKPOINT_PAGES = 10_000  # about 40 MB of WAL between checkpoints

# 3.7.0-3.51.2 can corrupt a WAL when two connections checkpoint and commit at once.
_SQLITE_FLOOR = (3, 51, 3)

_DAMAGED = "the database fails SQLite's quick_check; restore a copy"


def create(path: Path) -> None:
    """Create an empty database of the current schema.

    Raises:
        StoreUnavailable: a database is already there.
    """
    if path.exists():
        raise StoreUnavailable("exists", f"{path} already holds a database; it is left as it is")
    connection = _connect(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
    connection.execute("PRAGMA journal_mode = WAL")
    schema = files("gateway.store").joinpath("schema.sql").read_text("utf-8")
    with connection:
        connection.execute(schema)
        connection.pragma("user_version", SCHEMA_VERSION)
    connection.close()
    path.chmod(0o600)


def open_writer(path: Path, *, any_version: bool = False) -> apsw.Connection:
    """Open for writing with full durability: a committed transaction survives power loss. Of
    another schema than this program's only to bring it to that: `any_version`.

    Raises:
        StoreUnavailable: missing, of another schema, damaged, or SQLite itself is too old.
    """
    connection = _connect(path, apsw.SQLITE_OPEN_READWRITE)
    with damage_named():
        if connection.pragma("user_version") != SCHEMA_VERSION and not any_version:
            raise StoreUnavailable("schema", f"{path} is of another version of this program")
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "FULL")
        connection.pragma("foreign_keys", True)
    connection.pragma("cache_size", -_CACHE_KIB)
    connection.pragma("wal_autocheckpoint", _CHECKPOINT_PAGES)
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """Open read-only; sees every committed transaction, blocks no writer.

    Raises:
        StoreUnavailable: as `open_writer`.
    """
    return _connect(path, apsw.SQLITE_OPEN_READONLY)


@contextmanager
def overwriting(connection: Connection) -> Iterator[None]:
    """Overwrite what is deleted meanwhile, where it lay in the file; elsewhere than in SQLite the
    engine sees to that itself."""
    if not isinstance(connection, apsw.Connection):
        yield
        return
    before = connection.pragma("secure_delete")
    connection.pragma("secure_delete", True)
    try:
        yield
    finally:
        connection.pragma("secure_delete", bool(before))


def quick_check(connection: apsw.Connection) -> None:
    """Refuse to serve from a damaged file (reads every page once).

    Raises:
        StoreUnavailable: SQLite finds the file inconsistent.
    """
    with damage_named():
        if connection.pragma("quick_check") != "ok":
            raise StoreUnavailable("damaged", _DAMAGED)


@contextmanager
def damage_named() -> Iterator[None]:
    """Turn what SQLite finds at its first look at a damaged file into a refusal to serve it."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise StoreUnavailable("damaged", _DAMAGED) from error


def _connect(path: Path, flags: int) -> apsw.Connection:
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < _SQLITE_FLOOR:
        raise StoreUnavailable("sqlite-too-old", "SQLite before 3.51.3 can corrupt a WAL")
    try:
        connection = apsw.Connection(str(path), flags=flags, statementcachesize=200)
    except apsw.Error as error:
        raise StoreUnavailable(
            "cannot-open", f"cannot open {path}; run `throughgate init DIR` first"
        ) from error
    connection.set_busy_timeout(10_000)
    return connection
