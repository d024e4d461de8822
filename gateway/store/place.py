"""Where an instance's truth is: a file of this machine's, or a database on a server.

Whatever opens the store asks a place for a connection, and does not know which it is.
"""

import ipaddress
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

import apsw

from gateway.config import Config
from gateway.store import erasure, sqlite
from gateway.store.engine import Connection
from gateway.store.sqlite import StoreUnavailable
from keys.problem import KeyProblem
from keys.providers.secret_file import read_secret

MOVED_TO: Final = "moved_to"  # setting of a database that was moved away: where to
ARRIVING: Final = "arriving"  # setting of a database that is being moved to: not whole yet

_MOVED: Final = "the store was moved to {}: nothing is written here (docs/operators/scaled.md)"
_ARRIVING: Final = "the move into this database did not end: run `throughgate migrate` again"


@dataclass(frozen=True, slots=True)
class SqlitePlace:
    """A file. Everything that uses it is on this machine."""

    path: Path

    def exists(self) -> bool:
        """Return whether a database is there."""
        return self.path.exists()

    def create(self) -> None:
        """Create an empty database of the current schema.

        Raises:
            StoreUnavailable: exists.
        """
        sqlite.create(self.path)

    def open_writer(self) -> apsw.Connection:
        """Open for writing, durably.

        Raises:
            StoreUnavailable: missing, damaged, of another schema, or moved away.
        """
        connection = sqlite.open_writer(self.path)
        with sqlite.damage_named():
            moved = connection.execute(_SETTING, (MOVED_TO,)).get
        if moved is not None:
            connection.close()
            raise StoreUnavailable("moved", _MOVED.format(moved))
        return connection

    def open_reader(self) -> Connection:
        """Open read-only; sees every committed transaction, blocks no writer.

        Raises:
            StoreUnavailable: missing.
        """
        return sqlite.open_reader(self.path)

    def check(self, writer: Connection) -> None:
        """Refuse a damaged database. Reads every page once.

        Raises:
            StoreUnavailable: damaged.
        """
        if isinstance(writer, apsw.Connection):
            sqlite.quick_check(writer)

    def fold(self) -> bool:
        """Overwrite what is left of rows as they were before an erasure; False: try again later."""
        return erasure.fold(self.path)

    def describe(self) -> str:
        """Return what to call it. No secret."""
        return f"SQLite in {self.path}"


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """A database on a PostgreSQL server, which processes on several machines use at once."""

    url: str  # without a password
    password_file: Path | None = None

    def exists(self) -> bool:
        """Return whether an instance's tables are in the database.

        Raises:
            StoreUnavailable: the server cannot be reached, or does not let us in.
        """
        return bool(self.ask("SELECT to_regclass('log_head') IS NOT NULL"))

    def create(self) -> None:
        """Make the tables of the current schema in the database, which must hold none of them.

        Raises:
            StoreUnavailable: exists; or the server cannot be reached.
        """
        from gateway.store import postgres

        if self.exists():
            raise StoreUnavailable(
                "exists", f"{self.describe()} already holds an instance; it is left as it is"
            )
        postgres.create(self.address())

    def open_writer(self) -> Connection:
        """Open for writing, durably.

        Raises:
            StoreUnavailable: unreachable, of another schema, or a move into it did not end.
        """
        from gateway.store import postgres

        connection = postgres.open_writer(self.address())
        with connection:
            arriving = connection.execute(_SETTING, (ARRIVING,)).get
        if arriving is not None:
            connection.close()
            raise StoreUnavailable("arriving", _ARRIVING)
        return connection

    def open_reader(self) -> Connection:
        """Open read-only; sees every committed transaction.

        Raises:
            StoreUnavailable: unreachable.
        """
        from gateway.store import postgres

        return postgres.open_reader(self.address())

    def check(self, writer: Connection) -> None:
        """Do nothing: the server checks its own pages."""

    def fold(self) -> bool:
        """Let the server clear away the keys of persons who were erased.

        Their rows are dead at once, and their space free only after this. Older copies are in the
        server's write-ahead log until it recycles it, and in archives of that for as long as they
        are kept (docs/operators/scaled.md).
        """
        import psycopg

        try:
            with psycopg.connect(self.address(), autocommit=True) as connection:
                connection.execute("VACUUM person")
        except psycopg.Error:
            return False
        return True

    def describe(self) -> str:
        """Return what to call it. No secret, and no user."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2] or parse_qs(parts.query).get("host", ["socket"])[0]
        return f"PostgreSQL at {host}{parts.path}"

    def address(self) -> str:
        """Return what to connect by, with the password if there is one. Never to be shown.

        Raises:
            StoreUnavailable: password: its file is missing, or open to others.
        """
        from psycopg.conninfo import make_conninfo

        parts = urlsplit(self.url)
        stated = parse_qs(parts.query)
        added: dict[str, str] = {}
        if self.password_file is not None:
            try:
                added["password"] = read_secret(self.password_file)
            except KeyProblem as error:
                raise StoreUnavailable("password", f"{self.password_file}: {error}") from None
        if "sslmode" not in stated and not _on_this_machine(parts.hostname):
            added["sslmode"] = "verify-full"
            if "sslrootcert" not in stated:
                added["sslrootcert"] = "system"
        return make_conninfo(self.url, **added)

    def ask(self, statement: str) -> object:
        """Return the value a statement gives, asked before there is a schema to open."""
        import psycopg

        try:
            with psycopg.connect(self.address(), autocommit=True) as connection:
                row = connection.execute(statement.encode()).fetchone()
        except psycopg.OperationalError as error:
            raise StoreUnavailable(
                "cannot-open", f"cannot open {self.describe()}: is it there, and is the user known?"
            ) from error
        return row[0] if row else None


Place: TypeAlias = SqlitePlace | PostgresPlace


def place_of(config: Config) -> Place:
    """Return where the configuration says the truth is. Opens nothing."""
    section = config.postgres
    if section is None:
        return embedded_of(config)
    password = section.password_file
    return PostgresPlace(section.url, None if password is None else config.path(password))


def embedded_of(config: Config) -> SqlitePlace:
    """Return where the embedded database of an instance is, or was before it moved."""
    return SqlitePlace(config.path(config.instance.database))


def placed(where: Place | Path) -> Place:
    """Return a place; a path is that of an embedded database."""
    return SqlitePlace(where) if isinstance(where, Path) else where


def moved_to(place: Place) -> str | None:
    """Return where a database was moved to, or None. Reads only.

    Raises:
        StoreUnavailable: it cannot be opened.
    """
    with closing(place.open_reader()) as reader, reader:
        found: str | None = reader.execute(_SETTING, (MOVED_TO,)).get
    return found


def _on_this_machine(host: str | None) -> bool:
    if not host or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_SETTING: Final = "SELECT value FROM setting WHERE name = ?"
