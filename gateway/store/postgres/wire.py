"""Statements on their way to PostgreSQL and results on theirs back, in libpq's pipeline mode.

What is sent waits in libpq's buffer until a result is asked for: any number of statements whose
rows nobody reads cost one round trip together, and it is that of the next one that is read.
After an error the server passes over everything up to the next Sync, and so do we.
"""

import select
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import psycopg
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult

from gateway.store.engine import DatabaseTrouble, RuleBroken
from gateway.store.postgres import trouble
from gateway.store.postgres.translate import Statement

T = TypeVar("T")

_BINARY: Final = 1
_PREPARED: Final = 400  # texts kept prepared on the server, the newest
_GOOD: Final = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY})
_CHANGING: Final = (b"INSERT", b"UPDATE", b"DELETE", b"MERGE")


class Sent:
    """One statement that was sent, and its result once that was read."""

    __slots__ = ("counts", "prepares", "result")

    def __init__(self, prepares: bytes | None = None, *, counts: bool = True) -> None:
        self.prepares = prepares  # the text this is the parsing of
        self.counts = counts  # among what was changed
        self.result: PGresult | None = None


class Wire:
    """One connection's traffic. `patience_s`: how long the server may say nothing at all."""

    def __init__(self, base: "psycopg.Connection[Any]", *, patience_s: float) -> None:
        self.base = base
        self._pgconn = base.pgconn
        self._patience_ms = int(patience_s * 1000)
        self._pending: deque[Sent | None] = deque()  # None: a Sync
        self._names: OrderedDict[bytes, bytes] = OrderedDict()
        self._numbered = 0
        self._seen: set[bytes] = set()
        self._poll = select.poll()
        self._poll.register(self._pgconn.socket, select.POLLIN)
        self.round_trips = 0
        self.statements = 0
        self.changed = 0  # rows, by the newest statement that changes any
        self.changed_ever = 0
        self.pid = self._pgconn.backend_pid
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()

    @property
    def lost(self) -> bool:
        """Whether the connection is of no use any more."""
        return self.base.closed or self._pgconn.status != ConnStatus.OK

    def close(self) -> None:
        """End the connection."""
        self.base.close()

    def send(self, statement: Statement, values: Sequence[Any], *, counts: bool = True) -> Sent:
        """Queue a statement. `counts`: what it changes is told.

        Raises:
            RuleBroken: a value that PostgreSQL has no form for.
            DatabaseTrouble: unavailable.
        """
        dumped = [_dumped(value) for value in values]
        formats = [_BINARY if isinstance(value, bytes | memoryview) else 0 for value in values]
        self.statements += 1
        return self._guarded(lambda: self._send(statement.sql, dumped, formats, counts))

    def _send(
        self, sql: bytes, values: list[bytes | None], formats: list[int], counts: bool
    ) -> Sent:
        name = self._names.get(sql)
        if name is None and sql in self._seen:
            name = self._prepare(sql)
        sent = Sent(counts=counts)
        if name is not None:
            self._names.move_to_end(sql)
            self._pgconn.send_query_prepared(name, values, formats, _BINARY)
        else:  # once is not often: some texts are never met again
            if len(self._seen) > _PREPARED * 10:
                self._seen.clear()
            self._seen.add(sql)
            self._pgconn.send_query_params(sql, values, None, formats, _BINARY)
        self._pending.append(sent)
        return sent

    def _prepare(self, sql: bytes) -> bytes:
        if len(self._names) >= _PREPARED:
            _, oldest = self._names.popitem(last=False)
            self._pgconn.send_query_params(b"DEALLOCATE " + oldest, None)
            self._pending.append(Sent())
        self._numbered += 1
        name = self._names[sql] = b"s%d" % self._numbered
        self._pgconn.send_prepare(name, sql)
        self._pending.append(Sent(prepares=sql))
        return name

    def result_of(self, sent: Sent) -> PGresult:
        """Return a statement's result, waiting for it if need be.

        Raises:
            RuleBroken, DatabaseTrouble: of it, or of a statement sent before it.
        """
        if sent.result is None:
            self._guarded(self._pgconn.send_flush_request)
            self._read(lambda: sent.result is not None)
        assert sent.result is not None  # noqa: S101 - or _read raised
        return sent.result

    def sync(self) -> None:
        """Wait until everything sent is done.

        Raises:
            RuleBroken, DatabaseTrouble: the first that one of them met.
        """
        self._guarded(self._pgconn.pipeline_sync)
        self._pending.append(None)
        self._read(lambda: not self._pending)

    def settle(self) -> None:
        """As `sync`, without a round trip if nothing is under way."""
        if self._pending:
            self.sync()

    def _read(self, done: Callable[[], bool]) -> None:
        """Read results in order until done; on an error, pass over what the server does."""
        self.round_trips += 1
        while not done():
            try:
                self._next()
            except (RuleBroken, DatabaseTrouble):
                self._pass_over()
                raise

    def _next(self) -> None:
        sent = self._pending[0]
        results: list[PGresult] = []
        while True:
            result = self._guarded(self._awaited)
            if result is None:
                break
            results.append(result)
            if result.status == ExecStatus.PIPELINE_SYNC:
                break
        self._pending.popleft()
        if sent is None or not results:
            return
        result = results[-1]
        if result.status not in _GOOD:
            if sent.prepares is not None:
                self._names.pop(sent.prepares, None)
            raise self._named(result)
        sent.result = result
        status = result.command_status
        if sent.counts and status is not None and status.startswith(_CHANGING):
            self.changed = result.command_tuples or 0
            self.changed_ever += self.changed

    def _named(self, result: PGresult) -> Exception:
        if result.status == ExecStatus.PIPELINE_ABORTED:
            return DatabaseTrouble("database", "a statement before this one failed")
        error = trouble.of_result(result, self._pgconn)
        if isinstance(error, DatabaseTrouble) and error.code == "unavailable":
            self.base.close()
        return error

    def _pass_over(self) -> None:
        """Read away what the server does not do any more after an error."""
        with suppress(DatabaseTrouble):  # lost: then there is nothing to read either
            if None not in self._pending:
                self._guarded(self._pgconn.pipeline_sync)
                self._pending.append(None)
        while self._pending and not self.base.closed:
            with suppress(RuleBroken, DatabaseTrouble):
                self._next()
        self._pending.clear()

    def _awaited(self) -> PGresult | None:
        """Return libpq's next result, or None at the end of a statement's."""
        pgconn = self._pgconn
        while pgconn.flush():
            self._wait(select.POLLIN | select.POLLOUT)
            pgconn.consume_input()
        while pgconn.is_busy():
            self._wait(select.POLLIN)
            pgconn.consume_input()
        return pgconn.get_result()

    def _wait(self, events: int) -> None:
        self._poll.modify(self._pgconn.socket, events)
        if not self._poll.poll(self._patience_ms):
            self.base.close()
            raise DatabaseTrouble("unavailable", "the database has not answered in time")

    def _guarded(self, act: Callable[[], T]) -> T:
        if self.base.closed:
            raise DatabaseTrouble("unavailable", trouble.AWAY)
        try:
            return act()
        except psycopg.Error as error:
            self.base.close()
            raise DatabaseTrouble("unavailable", trouble.AWAY) from error


def _dumped(value: Any) -> bytes | None:  # noqa: ANN401 - any binding
    """Return a value as it goes out: text, but for bytes."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        if "\0" in value:  # libpq would end the text there
            raise RuleBroken("PostgreSQL keeps no text with a zero in it")
        return value.encode()
    if isinstance(value, int):  # a bool too: columns are numbers
        return b"%d" % value
    if isinstance(value, float):
        return repr(value).encode()
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    raise RuleBroken(f"a value of type {type(value).__name__}")
