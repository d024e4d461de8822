"""The driver: a process that posts prepared requests over N connections, one at a time on each."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from types import TracebackType
from typing import Self, cast

import uvloop

from bench.problem import NotMeasured
from bench.wire import HOST, take_message


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One request, signed before the clock starts."""

    id: str  # webhook-id, and the event's own
    wire: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a post."""

    id: str
    sent_ns: int  # monotonic clock, as the first byte is handed to the kernel
    status: int
    body: bytes


class Driver:
    """The process, while entered."""

    def __init__(self, *, connections: int) -> None:
        self._connections = connections
        self._process = ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._process.shutdown()

    def drive(
        self, port: int, posts: Sequence[Post], *, per_second: float | None
    ) -> Sequence[Answer]:
        """Post them all and return every answer.

        Args:
            port: On loopback.
            posts: In this order.
            per_second: None for as fast as answers come.

        Raises:
            NotMeasured: a connection was lost.
        """
        gap_ns = int(1e9 / per_second) if per_second else 0
        return self._process.submit(_drive, port, posts, self._connections, gap_ns).result()


class _Run:
    """One round under way, shared by its connections."""

    def __init__(self, posts: Sequence[Post], gap_ns: int) -> None:
        self.answers: list[Answer] = []
        self.finished = asyncio.get_running_loop().create_future()
        self._left = deque(posts)
        self._count = len(posts)
        self._gap_ns = gap_ns
        self._due_ns = time.monotonic_ns()

    def next(self) -> tuple[Post, float] | None:
        """Return a post and the seconds until it is due."""
        if not self._left:
            return None
        wait = max(0, self._due_ns - time.monotonic_ns()) / 1e9 if self._gap_ns else 0
        self._due_ns += self._gap_ns
        return self._left.popleft(), wait

    def note(self, answer: Answer) -> None:
        self.answers.append(answer)
        if len(self.answers) == self._count:
            self.finished.set_result(None)

    def lose(self) -> None:
        if not self.finished.done():
            self.finished.set_exception(NotMeasured("a connection was lost"))


class _Line(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._buffer = bytearray()
        self._id, self._sent_ns = "", 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own, of that shape

    def go_on(self) -> None:
        """Take the next post up, if there is one."""
        found = self._run.next()
        if found is None:
            return
        post, wait = found
        if wait:
            asyncio.get_running_loop().call_later(wait, self._send, post)
        else:
            self._send(post)

    def _send(self, post: Post) -> None:
        self._id, self._sent_ns = post.id, time.monotonic_ns()
        self._transport.write(post.wire)

    def data_received(self, chunk: bytes) -> None:
        self._buffer += chunk
        message = take_message(self._buffer)
        if message is None:
            return
        head, body = message
        status = int(head.split(b" ", 2)[1])
        self._run.note(Answer(id=self._id, sent_ns=self._sent_ns, status=status, body=body))
        self.go_on()

    def connection_lost(self, _error: Exception | None) -> None:
        self._run.lose()


def _drive(port: int, posts: Sequence[Post], connections: int, gap_ns: int) -> list[Answer]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_drive_all(port, posts, connections, gap_ns))


async def _drive_all(
    port: int, posts: Sequence[Post], connections: int, gap_ns: int
) -> list[Answer]:
    loop = asyncio.get_running_loop()
    run = _Run(posts, gap_ns)
    lines = [
        await loop.create_connection(lambda: _Line(run), HOST, port) for _ in range(connections)
    ]
    for _transport, line in lines:
        line.go_on()
    await run.finished
    for transport, _line in lines:
        transport.close()
    return run.answers
