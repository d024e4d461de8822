"""The receiver: a process that takes webhooks, notes when each had come whole, and answers 204."""

import asyncio
import multiprocessing
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Final, Self, cast

import uvloop

from bench.problem import NotMeasured
from bench.wire import HOST, take_message

_ANSWER: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
_WEBHOOK_ID = re.compile(rb"\r\nwebhook-id: *([!-~]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One webhook."""

    webhook_id: str
    at_ns: int  # monotonic clock, the same in every process
    body: bytes  # of the first one expected; empty for the rest


class Receiver:
    """The process, while entered."""

    def __init__(self, port: int = 0) -> None:
        """Start it. Port 0: a free one."""
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._child = spawn.Process(target=_run, args=(theirs, port), name="receiver", daemon=True)
        self._child.start()
        theirs.close()
        self.url = f"http://{HOST}:{self._pipe.recv()}/hook"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._pipe.send(None)
        self._child.join()
        self._child.close()
        self._pipe.close()

    def expect(self, count: int) -> None:
        """Begin to wait, in the other process, for so many."""
        self._pipe.send(count)

    def arrivals(self, *, within_s: float) -> Sequence[Arrival]:
        """Return the webhooks expected, in the order they came.

        Raises:
            NotMeasured: some are still missing after so long.
        """
        if not self._pipe.poll(within_s):
            raise NotMeasured(f"fewer webhooks than expected within {within_s:.0f} s")
        arrivals: Sequence[Arrival] = self._pipe.recv()
        return arrivals

    def surplus(self) -> int:
        """Return how many came since, beyond what was expected: repeats, or strays."""
        self._pipe.send(0)
        return len(self._pipe.recv())


class _Ledger:
    """What came, and whom to tell."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._came: list[Arrival] = []
        self._expected = 0
        self.stopped = asyncio.Event()

    def read_order(self) -> None:
        try:
            order: int | None = self._pipe.recv()
        except EOFError:  # whoever began it has died
            order = None
        if order is None:
            self.stopped.set()
            return
        self._expected = order
        if len(self._came) >= order:
            self._report()

    def note(self, head: bytes, body: bytes) -> None:
        now = time.monotonic_ns()
        found = _WEBHOOK_ID.search(head)
        id_ = found[1].decode() if found else ""
        self._came.append(Arrival(webhook_id=id_, at_ns=now, body=b"" if self._came else body))
        if len(self._came) == self._expected:
            self._report()

    def _report(self) -> None:
        self._pipe.send(self._came)
        self._came, self._expected = [], 0


class _Line(asyncio.Protocol):
    def __init__(self, ledger: _Ledger) -> None:
        self._ledger = ledger
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own, of that shape

    def data_received(self, chunk: bytes) -> None:
        self._buffer += chunk
        while (message := take_message(self._buffer)) is not None:
            self._transport.write(_ANSWER)
            self._ledger.note(*message)


def _run(pipe: Connection, port: int) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(pipe, port))


async def _serve(pipe: Connection, port: int) -> None:
    loop = asyncio.get_running_loop()
    ledger = _Ledger(pipe)
    server = await loop.create_server(lambda: _Line(ledger), HOST, port, backlog=1024)
    pipe.send(server.sockets[0].getsockname()[1])
    loop.add_reader(pipe.fileno(), ledger.read_order)
    # uvloop has made it non-blocking, and a long report would be cut short.
    os.set_blocking(pipe.fileno(), True)
    await ledger.stopped.wait()
    loop.remove_reader(pipe.fileno())
    server.close()
