"""The process at the far end: it takes webhooks, answers 204, and is told over a pipe what to wait
for. What it makes of them is its ledger's."""

import asyncio
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final, Protocol, cast

import uvloop

from bench.wire import HOST, take_message

_ANSWER: Final = b"HTTP/1.1 204 No Content\r\n\r\n"


class Ledger(Protocol):
    """What came, and whom to tell."""

    def take(self, order: Any) -> None:  # noqa: ANN401 - what was sent over the pipe
        """Begin to wait for what is ordered."""

    def note(self, head: bytes, body: bytes) -> None:
        """Take in a webhook that has come whole and is answered."""


def run(pipe: Connection, ledger_of: Callable[[Connection], Ledger], port: int = 0) -> None:
    """Listen until the pipe says None, or whoever began this has died.

    The port is the first thing sent over the pipe; 0: a free one.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(pipe, ledger_of(pipe), port))


class _Line(asyncio.Protocol):
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own, of that shape

    def data_received(self, chunk: bytes) -> None:
        self._buffer += chunk
        while (message := take_message(self._buffer)) is not None:
            self._transport.write(_ANSWER)
            self._ledger.note(*message)


async def _serve(pipe: Connection, ledger: Ledger, port: int) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def read_order() -> None:
        try:
            order = pipe.recv()
        except EOFError:  # whoever began this has died
            order = None
        if order is None:
            stopped.set()
        else:
            ledger.take(order)

    server = await loop.create_server(lambda: _Line(ledger), HOST, port, backlog=1024)
    pipe.send(server.sockets[0].getsockname()[1])
    loop.add_reader(pipe.fileno(), read_order)
    # uvloop has made it non-blocking, and a long report would be cut short.
    os.set_blocking(pipe.fileno(), True)
    await stopped.wait()
    loop.remove_reader(pipe.fileno())
    server.close()
