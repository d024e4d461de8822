"""A PostgreSQL database as the store uses one: see `gateway.store.engine.Connection`."""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from gateway.store.engine import Bindings, DatabaseTrouble, RuleBroken
from gateway.store.postgres import trouble
from gateway.store.postgres.link import PATIENCE_S, Link
from gateway.store.postgres.rows import PostgresRows, adapt, loaded
from gateway.store.postgres.translate import Statement, translated
from gateway.store.postgres.wire import Wire

FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 5.0

# What is read together is of one moment.
_BEGIN: Final = translated("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")[0]
_COMMIT: Final = translated("COMMIT")[0]
_ROLLBACK: Final = translated("ROLLBACK")[0]
_PLAIN: Final = frozenset({"SELECT", "WITH", "VALUES", "SHOW", "EXPLAIN"})
_STEP: Final = 2000  # rows of one look at a table that is read from end to end
_CONTROL: Final = {"BEGIN": "_begin", "COMMIT": "_commit", "ROLLBACK": "_rollback"}


class PostgresConnection:
    """A connection to read over, made again when it was lost; used by one thread at a time.

    Each statement is of its own moment, and those within `with` all of one. What is asked outside
    a transaction as the connection is lost is asked once more. The subclass writes.
    """

    writes = False

    def __init__(
        self,
        link: Link,
        *,
        patience_s: float = PATIENCE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = secrets.token_hex(8)
        self._link = link
        self._patience_s = patience_s
        self._monotonic = monotonic
        self._within: list[str] = []  # the savepoint of each `with` in another
        self._open = False  # a transaction is
        self._changed_before = 0  # by connections that were lost
        self._away: tuple[float, float] | None = None  # not before then; and the next pause
        self._closed = False
        self._walks = 0
        self._connected = False  # ever
        self._again = False  # the connection is not the first
        self._wire: Wire | None = None
        self._connect()

    # --- statements -------------------------------------------------------------------------

    def execute(self, statements: str, bindings: Bindings | None = None, /) -> PostgresRows:
        """Run a statement, or several parted by semicolons; the rows are the last one's.

        Raises:
            RuleBroken: it asks for what the schema or a type does not allow.
            DatabaseTrouble: unavailable, busy, no-space, ...; in a transaction perhaps not before
                a later statement is read.
        """
        found = PostgresRows(list)
        for statement in translated(statements):
            found = self._run(statement, statement.values(bindings))
        return found

    def _run(self, statement: Statement, values: list[Any]) -> PostgresRows:
        if statement.verb in _CONTROL:
            getattr(self, _CONTROL[statement.verb])()
            return PostgresRows(list)
        if statement.walks and not self.writes:
            return PostgresRows(lambda: self._walked(statement))
        if self._open:
            wire = self._usable()
            sent = wire.send(statement, values)
            return PostgresRows(lambda: loaded(wire.base, wire.result_of(sent)))
        if self.writes and statement.verb not in _PLAIN:
            with self:
                rows = self._run(statement, values).fetchall()
        else:
            rows = self._alone(statement, values)
        return PostgresRows(lambda: rows)

    def _alone(self, statement: Statement, values: list[Any]) -> list[Any]:
        """Run one statement outside any transaction; once more if the connection was lost."""
        first = self._wire
        try:
            return self._asked(statement, values)
        except DatabaseTrouble as error:
            if error.code != "unavailable" or first is None or statement.verb not in _PLAIN:
                raise
        return self._asked(statement, values)

    def _asked(self, statement: Statement, values: list[Any]) -> list[Any]:
        wire = self._usable()
        sent = wire.send(statement, values)
        wire.sync()
        return loaded(wire.base, wire.result_of(sent))

    def _walked(self, statement: Statement) -> Iterator[Any]:
        """Yield the rows of a whole table, holding no more than some of them at a time."""
        self._walks += 1
        name = b"walk_%d" % self._walks
        declared = b"DECLARE %b NO SCROLL CURSOR WITH HOLD FOR %b" % (name, statement.sql)
        self._run(Statement(declared, (), "DECLARE"), [])
        following = Statement(b"FETCH %d FROM %b" % (_STEP, name), (), "FETCH")
        while rows := self._run(following, []).fetchall():
            yield from rows
            if len(rows) < _STEP:
                break
        self._run(Statement(b"CLOSE %b" % name, (), "CLOSE"), [])

    def executemany(self, statements: str, rows: Iterable[Bindings], /) -> None:
        """Run a statement once for each row of bindings; all or none."""
        (statement,) = translated(statements)
        with self if not self._open else _AsItIs():
            wire = self._usable()
            for row in rows:
                wire.send(statement, statement.values(row))

    def settle(self) -> None:
        """Wait for all that was sent: what one of those statements met is raised here."""
        if self._wire is not None:
            self._wire.settle()

    def changes(self) -> int:
        """Return how many rows the newest statement that changes any has changed."""
        wire = self._usable()
        wire.settle()
        return wire.changed

    def total_changes(self) -> int:
        """Return how many rows this connection has ever changed."""
        wire = self._usable()
        wire.settle()
        return self._changed_before + wire.changed_ever

    # --- transactions -----------------------------------------------------------------------

    @property
    def in_transaction(self) -> bool:
        """Whether what is done now can still be undone."""
        return self._open

    def _begin(self) -> None:
        self._usable().send(_BEGIN, ())
        self._open = True

    def _commit(self) -> None:
        wire = self._usable()
        wire.send(_COMMIT, ())
        wire.sync()
        self._open = False

    def _rollback(self) -> None:
        self._open = False
        self._within.clear()
        wire = self._wire
        if wire is None or wire.lost:
            return  # the server undoes it by itself
        with suppress(RuleBroken, DatabaseTrouble):  # it is undone, whatever it was
            wire.settle()
        try:
            wire.send(_ROLLBACK, ())
            wire.sync()
        except (RuleBroken, DatabaseTrouble):
            wire.close()  # the server undoes it by itself

    def __enter__(self) -> Self:
        """Begin a transaction, or a part of one: what is read in it is of one moment."""
        if not self._open:
            try:
                self._begin()
            except BaseException:
                self._rollback()
                raise
            self._within.append("")
        else:
            name = f"within_{len(self._within)}"
            self._run(translated(f"SAVEPOINT {name}")[0], [])
            self._within.append(name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> bool | None:
        """Commit, or undo if an exception leaves it."""
        name = self._within.pop() if self._within else ""
        if not self._open:
            return None  # undone already
        if not name:
            self._end(undo=kind is not None)
        elif kind is None:
            try:
                self.settle()
            except BaseException:
                self._undo(name)
                raise
            self._run(translated(f"RELEASE SAVEPOINT {name}")[0], [])
        else:
            self._undo(name)
        return None

    def _end(self, *, undo: bool) -> None:
        if undo:
            self._rollback()
            return
        try:
            self._commit()
        except BaseException:
            self._rollback()
            raise

    def _undo(self, name: str) -> None:
        wire = self._wire
        if wire is None or wire.lost:
            self._open = False
            return
        with suppress(RuleBroken, DatabaseTrouble):  # it is undone, whatever it was
            wire.settle()
        try:
            wire.send(translated(f"ROLLBACK TO SAVEPOINT {name}")[0], ())
        except DatabaseTrouble:  # lost: then all of it is undone
            self._open = False

    # --- the connection itself --------------------------------------------------------------

    @property
    def _name(self) -> str:
        return f"throughgate {self.id}"

    def _usable(self, *, patiently: bool = False) -> Wire:
        """Return the connection, made again if it was lost outside a transaction.

        Args:
            patiently: Whoever asks waits between tries by themselves.
        """
        wire = self._wire
        if wire is not None and not wire.lost:
            return wire
        if self._open:
            raise DatabaseTrouble("unavailable", trouble.AWAY)
        if self._closed:
            raise DatabaseTrouble("unavailable", "the connection was closed")
        if wire is not None:
            self._count(wire)
        if not patiently and self._away is not None and self._monotonic() < self._away[0]:
            raise DatabaseTrouble("unavailable", trouble.AWAY)
        try:
            return self._connect()
        except DatabaseTrouble:
            pause = self._away[1] if self._away is not None else FIRST_PAUSE_S
            self._away = self._monotonic() + pause, min(pause * 2, LONGEST_PAUSE_S)
            raise

    def _connect(self) -> Wire:
        base = self._link.connect(name=self._name, writes=self.writes, patience_s=self._patience_s)
        adapt(base)
        self._again = self._connected
        self._connected = True
        self._wire = Wire(base, patience_s=self._patience_s)
        self._away = None
        return self._wire

    def _count(self, wire: Wire) -> None:
        self._changed_before += wire.changed_ever
        self._wire = None

    def close(self) -> None:
        """End the connection; what is not committed is undone."""
        self._closed = True
        self._open = False
        if self._wire is not None:
            self._wire.close()

    def __del__(self) -> None:
        """End the connection of one that was let go."""
        wire = getattr(self, "_wire", None)
        if wire is not None:
            wire.close()


class _AsItIs:
    """A transaction that is begun already."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, *_: object) -> None:
        """Do nothing."""
