"""What a witness must never forget: the newest checkpoint it cosigned of each log.

1. Look and replace are one transaction behind a lock that any other process of the same witness
   takes too: of two requests at once, the second sees what the first left.
2. A checkpoint is durable before anybody is told of its cosignature. After an I/O error nothing
   more is cosigned until a restart: what the disk holds is unknown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import apsw

from gateway.disclosure_log.note import VerifierKey
from gateway.witness.request import origin_hash

_VERSION: Final = 1
_SQLITE_FLOOR: Final = (3, 51, 3)  # 3.7.0-3.51.2 can corrupt a WAL
_SCHEMA: Final = """
CREATE TABLE log_key (
  origin   TEXT NOT NULL,
  vkey     TEXT NOT NULL,
  added_at INTEGER NOT NULL,          -- seconds since 1970 UTC
  PRIMARY KEY (origin, vkey)
) STRICT, WITHOUT ROWID;
-- Outlives the log's keys: a key taken away and added again does not begin the log anew.
CREATE TABLE latest (
  origin      TEXT PRIMARY KEY,
  hash        TEXT NOT NULL UNIQUE,   -- of the origin, as it is served
  size        TEXT NOT NULL,          -- decimal: uint64 is more than an INTEGER holds
  root        BLOB NOT NULL,
  note        TEXT NOT NULL,          -- with our cosignatures
  cosigned_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""


class StateUnavailable(Exception):
    """The state cannot be read or written. `code` is stable; the text says what to do."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The newest checkpoint cosigned of one log."""

    origin: str
    size: int
    root: bytes
    note: str
    cosigned_at: int  # POSIX seconds


class State:
    """One witness's database, over one connection."""

    def __init__(self, path: Path) -> None:
        """Open it, for one thread at a time.

        Raises:
            StateUnavailable: missing, of another version, or damaged.
        """
        self._broken = False
        try:
            self._connection = _connect(path, apsw.SQLITE_OPEN_READWRITE)
            version = self._connection.pragma("user_version")
            self._connection.pragma("journal_mode", "wal")
            self._connection.pragma("synchronous", "FULL")
        except apsw.Error as error:
            raise StateUnavailable(
                "cannot-open", f"cannot open {path}; `throughgate witness init DIR` makes one"
            ) from error
        if version != _VERSION:
            raise StateUnavailable("version", f"{path} is of another version of this program")

    @classmethod
    def create(cls, path: Path) -> None:
        """Make an empty state, mode 0600.

        Raises:
            StateUnavailable: one is there already; it is left as it is.
        """
        if path.exists():
            raise StateUnavailable("exists", f"{path} is there already; it is left as it is")
        connection = _connect(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        path.chmod(0o600)
        connection.pragma("journal_mode", "wal")
        with connection:
            connection.execute(_SCHEMA)
            connection.pragma("user_version", _VERSION)
        connection.close()

    def close(self) -> None:
        """Let go of the database. Never fails."""
        self._connection.close(force=True)

    def add_key(self, key: VerifierKey, at: datetime) -> None:
        """Trust a key for the log it is named for; once is enough. Commits."""
        with self._writing():
            self._connection.execute(
                "INSERT OR IGNORE INTO log_key (origin, vkey, added_at) VALUES (?, ?, ?)",
                (key.name, str(key), int(at.timestamp())),
            )

    def drop_key(self, key: VerifierKey) -> bool:
        """Trust a key no more; return whether it was trusted. What was seen stays. Commits."""
        with self._writing():
            self._connection.execute(
                "DELETE FROM log_key WHERE origin = ? AND vkey = ?", (key.name, str(key))
            )
            return self._connection.changes() == 1

    def keys(self, origin: str) -> tuple[VerifierKey, ...]:
        """Return the keys trusted for a log; none: the log is unknown."""
        rows = self._connection.execute(
            "SELECT vkey FROM log_key WHERE origin = ? ORDER BY vkey", (origin,)
        )
        return tuple(VerifierKey.parse(vkey) for (vkey,) in rows)

    def origins(self) -> tuple[str, ...]:
        """Return the logs that are known."""
        rows = self._connection.execute("SELECT DISTINCT origin FROM log_key ORDER BY origin")
        return tuple(origin for (origin,) in rows)

    def latest(self, origin: str) -> Latest | None:
        """Return the newest checkpoint cosigned of a log, or None."""
        return self._latest("origin", origin)

    def latest_by_hash(self, hashed: str) -> Latest | None:
        """Return the newest checkpoint cosigned of the log with this `origin_hash`, or None."""
        return self._latest("hash", hashed)

    def replace(self, origin: str, decide: Callable[[Latest | None], Latest]) -> Latest:
        """Replace the newest checkpoint of a log by what is decided on it; return that, durable.

        Args:
            origin: Which log.
            decide: Handed the newest checkpoint cosigned so far, which nobody changes meanwhile.
                What it raises passes through, and then nothing is changed.

        Raises:
            StateUnavailable: busy: try again; broken: the disk failed, so nothing is cosigned.
        """
        with self._writing():
            decided = decide(self.latest(origin))
            row = (
                origin,
                origin_hash(origin),
                str(decided.size),
                decided.root,
                decided.note,
                decided.cosigned_at,
            )
            self._connection.execute(_REPLACE, row)
        return decided

    def _latest(self, column: str, value: str) -> Latest | None:
        row = self._connection.execute(
            f"SELECT origin, size, root, note, cosigned_at FROM latest WHERE {column} = ?",  # noqa: S608 - a literal of ours
            (value,),
        ).fetchone()
        if row is None:
            return None
        origin, size, root, note, at = row
        return Latest(origin=origin, size=int(size), root=root, note=note, cosigned_at=at)

    def _writing(self) -> "_Transaction":
        if self._broken:
            raise StateUnavailable("broken", "the disk failed; look at it, then restart")
        return _Transaction(self._connection, self._break)

    def _break(self) -> None:
        self._broken = True


_REPLACE: Final = (
    "INSERT INTO latest (origin, hash, size, root, note, cosigned_at) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root,"
    " note = excluded.note, cosigned_at = excluded.cosigned_at"
)


class _Transaction:
    """BEGIN IMMEDIATE to COMMIT; on any error nothing is changed."""

    def __init__(self, connection: apsw.Connection, on_broken: Callable[[], None]) -> None:
        self._connection = connection
        self._on_broken = on_broken

    def __enter__(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except apsw.Error as error:
            raise self._named(error) from error

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        try:
            if error is None:
                self._connection.execute("COMMIT")
        except apsw.Error as failure:
            error = failure
        if error is None:
            return
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        if isinstance(error, apsw.Error):
            raise self._named(error) from error

    def _named(self, error: apsw.Error) -> StateUnavailable:
        if isinstance(error, apsw.BusyError | apsw.LockedError | apsw.FullError):
            return StateUnavailable("busy", "the state cannot be written now; try again")
        self._on_broken()
        return StateUnavailable("broken", "the disk failed; look at it, then restart")


def _connect(path: Path, flags: int) -> apsw.Connection:
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < _SQLITE_FLOOR:
        raise StateUnavailable("sqlite-too-old", "SQLite before 3.51.3 can corrupt a WAL")
    connection = apsw.Connection(str(path), flags=flags)
    connection.set_busy_timeout(10_000)
    return connection
