"""Moving an embedded database to PostgreSQL, so that at no moment two may go on with one log.

1. The old one is locked against writers. Its rows are copied in one transaction, with a mark that
   the copy is not to be served yet.
2. The copy is checked: by the caller, who may look for as long as they like.
3. The old one is marked as moved, and refuses every new entry from then on, whatever opens it.
4. The mark on the copy goes.

Interrupted before 3, the old one serves on and the copy is made anew; between 3 and 4 neither
serves, and the same command ends it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import apsw
import psycopg
from psycopg import sql

from gateway.model.ids import PersonRef
from gateway.shards import shard_of
from gateway.store import sqlite
from gateway.store.engine import StoreUnavailable
from gateway.store.place import ARRIVING, MOVED_TO, PostgresPlace, SqlitePlace

Progress: TypeAlias = Callable[[str, int, int], None]  # table, rows copied, rows there are

EVERY: Final = 20_000  # rows between two words of progress

# What a row refers to is copied before it.
_FIRST: Final = ("setting", "own_secret", "agency", "recipient", "staff", "person", "event")
_SLOTTED: Final = frozenset({"event", "alert", "outbox"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """From where to where."""

    old: SqlitePlace
    new: PostgresPlace

    def is_marked(self) -> bool:
        """Return whether the old database was moved here already, and only the end is missing.

        Raises:
            StoreUnavailable: moved: it was moved elsewhere.
        """
        reader = sqlite.open_reader(self.old.path)
        try:
            found = _setting(reader, MOVED_TO)
        finally:
            reader.close()
        if found is not None and found != self.new.describe():
            raise StoreUnavailable("moved", f"this store was moved to {found} before")
        return found is not None

    @contextmanager
    def locked(self) -> Iterator[apsw.Connection]:
        """Hold the old database against every writer.

        Raises:
            StoreUnavailable: as to open it; busy: somebody writes to it.
        """
        writer = self.old.open_writer()
        try:
            try:
                writer.execute("BEGIN IMMEDIATE")
            except apsw.BusyError as error:
                raise StoreUnavailable("busy", "something writes to the old store") from error
            yield writer
            if writer.in_transaction:
                writer.execute("ROLLBACK")
        finally:
            writer.close()

    def copy(self, old: apsw.Connection, progress: Progress) -> Mapping[str, int]:
        """Copy every row in one transaction; return how many each table has.

        Args:
            old: Held against writers.
            progress: Is told how far it is.

        Raises:
            StoreUnavailable: exists: the new one holds an instance of its own; differs: its tables
                are others; not-copied: a count is not what it was.
        """
        if not self.new.exists():
            self.new.create()
        tables = _tables(old)
        counts: dict[str, int] = {}
        with psycopg.connect(self.new.address()) as new:
            kept = _make_room(new, tables, self.new.describe())
            for table in tables:
                counts[table] = _copy(old, new, table, progress)
            kept.append((ARRIVING, str(self.old.path)))
            with new.cursor() as cursor:
                cursor.executemany("INSERT INTO setting (name, value) VALUES (%s, %s)", kept)
            _renumber(new)
            for table, count in counts.items():
                own = len(kept) if table == "setting" else 0
                found = new.execute(_COUNT.format(sql.Identifier(table))).fetchone()
                if found is None or found[0] - own != count:
                    raise StoreUnavailable("not-copied", f"{table}: not every row was copied")
        return counts

    def mark(self, old: apsw.Connection) -> None:
        """Let nobody write to the old database ever again. Commits, and with that the hold ends."""
        old.execute(
            "INSERT INTO setting (name, value) VALUES (?, ?)", (MOVED_TO, self.new.describe())
        )
        for table in _CLOSED:
            for verb in ("INSERT", "UPDATE"):
                old.execute(
                    f"CREATE TRIGGER moved_{table}_{verb} BEFORE {verb} ON {table}"
                    " BEGIN SELECT RAISE(ABORT, 'this store was moved'); END"
                )
        old.execute("COMMIT")

    def finish(self) -> None:
        """Let the new database be served.

        Raises:
            StoreUnavailable: differs: it does not hold the log the old one had when it was marked.
        """
        with psycopg.connect(self.new.address()) as new:
            arriving = new.execute(_SETTING_PG, (ARRIVING,)).fetchone()
            if arriving is None:
                return  # it was let go before
            head = new.execute("SELECT size, root FROM log_head").fetchone()
            reader = sqlite.open_reader(self.old.path)
            try:
                own = reader.execute("SELECT size, root FROM log_head").fetchone()
            finally:
                reader.close()
            if head is None or own is None or tuple(head) != tuple(own):
                raise StoreUnavailable("differs", "the new store does not hold the old one's log")
            new.execute("DELETE FROM setting WHERE name = %s", (ARRIVING,))


# Without these no entry is written, no checkpoint signed, and no request taken.
_CLOSED: Final = ("log_entry", "log_checkpoint", "log_head", "receipt", "event")
_COUNT: Final = sql.SQL("SELECT count(*) FROM {}")
_SETTING_PG: Final = "SELECT value FROM setting WHERE name = %s"


def _setting(reader: apsw.Connection, name: str) -> str | None:
    found: str | None = reader.execute("SELECT value FROM setting WHERE name = ?", (name,)).get
    return found


def _tables(old: apsw.Connection) -> list[str]:
    rows = old.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%'"
        " ESCAPE '\\' ORDER BY name"
    )
    names = [str(name) for (name,) in rows]
    return [*_FIRST, *(name for name in names if name not in _FIRST)]


def _make_room(
    new: "psycopg.Connection[Any]", tables: Sequence[str], where: str
) -> list[tuple[str, str]]:
    """Empty what an interrupted copy left; leave an instance of its own alone. Returns the settings
    that are the new database's own."""
    arriving = new.execute(_SETTING_PG, (ARRIVING,)).fetchone()
    used = new.execute("SELECT 1 FROM log_head").fetchone()
    used = used or new.execute("SELECT 1 FROM agency LIMIT 1").fetchone()
    if used is not None and arriving is None:
        raise StoreUnavailable("exists", f"{where} holds an instance of its own; left as it is")
    kept = new.execute("SELECT name, value FROM setting WHERE name = 'schema_floor'").fetchall()
    names = sql.SQL(", ").join(sql.Identifier(table) for table in tables)
    try:
        new.execute(sql.SQL("TRUNCATE {}").format(names))
    except psycopg.errors.UndefinedTable:
        raise StoreUnavailable("differs", f"{where} has other tables than the old store") from None
    return [(str(name), str(value)) for name, value in kept]


def _copy(
    old: apsw.Connection, new: "psycopg.Connection[Any]", table: str, progress: Progress
) -> int:
    columns = [str(row[1]) for row in old.execute(f"PRAGMA table_info({table})")]
    total = int(old.execute(f"SELECT count(*) FROM {table}").get)  # noqa: S608 - from the schema
    rows = old.execute(f"SELECT {', '.join(columns)} FROM {table}")  # noqa: S608 - the same
    person = columns.index("person") if table in _SLOTTED else -1
    slot = columns.index("slot") if table in _SLOTTED else -1
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    done = 0
    with new.cursor().copy(statement) as copying:
        for row in rows:
            if slot >= 0:
                row = (*row[:slot], shard_of(PersonRef(row[person])), *row[slot + 1 :])  # noqa: PLW2901
            copying.write_row(row)
            done += 1
            if done % EVERY == 0:
                progress(table, done, total)
    progress(table, done, total)
    return done


def _renumber(new: "psycopg.Connection[Any]") -> None:
    """Let numbers that the database gives go on after those that were copied."""
    rows = new.execute(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = current_schema()"
        " AND (is_identity = 'YES' OR column_default LIKE 'nextval(%')"
    ).fetchall()
    for table, column in rows:
        new.execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence({}, {}), max({})) FROM {} HAVING count(*) > 0"
            ).format(table, column, sql.Identifier(column), sql.Identifier(table))
        )
