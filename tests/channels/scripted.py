"""Servers that misbehave on purpose, and keep every byte they were sent."""

import asyncio
import contextlib
import socket
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HANG: Final = "hang"  # never answer
DROP: Final = "drop"  # cut the connection at once
DROP_EARLY: Final = "drop-early"  # at content: cut as soon as its first bytes arrive


@dataclass(slots=True)
class Listener:
    """A listening socket and how often it was connected to."""

    port: int
    connections: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


@contextlib.asynccontextmanager
async def listening(
    handler: Handler, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Listener]:
    listener = Listener(port=0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        listener.connections += 1
        listener.tasks.add(task)
        try:
            await handler(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            listener.tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, host, 0, ssl=tls, backlog=1024)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        server.close()
        tasks = list(listener.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port whose queue of connections is full: another connect waits for ever."""
    with contextlib.ExitStack() as sockets:
        server = sockets.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield server.getsockname()[1]


async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


def answering(reply: bytes, *, then: str = "close") -> Handler:
    """Answer the first request with these bytes; then close, hang, or send for ever."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        while then == "repeat":
            writer.write(b"x" * 65536)
            await writer.drain()
        if then == "hang":
            await never_answer(reader, writer)
        if then == "hang-unread":
            await asyncio.Event().wait()

    return answer


class ScriptedRelay:
    """A mail relay that follows a script, one list of steps per verb, then its good manners.

    `tap` holds what arrived under TLS and `plain` what arrived without, byte for byte; `reached`
    has an event for each verb, set when it is about to be answered.
    """

    GOOD: Final[Mapping[str, str]] = {
        "RSET": "250 ok",
        "MAIL": "250 ok",
        "RCPT": "250 ok",
        "DATA": "354 go on",
        "content": "250 taken",
        "QUIT": "221 bye",
        "STARTTLS": "220 go on",
        "AUTH": "235 welcome",
    }

    def __init__(
        self,
        tls: ssl.SSLContext,
        *,
        security: str = "tls",
        offers: Sequence[str] = ("STARTTLS",),
        offers_under_tls: Sequence[str] = (),
        script: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.tap = b""
        self.plain = b""
        self.reached: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._tls = tls
        self._security = security
        self._offers = offers
        self._offers_under_tls = offers_under_tls
        self._steps: defaultdict[str, list[str]] = defaultdict(list)
        for verb, steps in (script or {}).items():
            self._steps[verb] = list(steps)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Listener]:
        implicit = self._tls if self._security == "tls" else None
        async with listening(self._session, tls=implicit) as listener:
            yield listener

    def commands(self, verb: str) -> int:
        """How many command lines under TLS began with this verb."""
        return sum(line.startswith(verb.encode()) for line in self.tap.split(b"\r\n"))

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secure = self._security == "tls"
        if not await self._reply("greeting", writer, "220 relay.example ESMTP"):
            return
        while True:
            line = await self._read(reader, b"\r\n", secure=secure)
            verb = line.split(b" ")[0].strip().decode("latin-1").upper()
            good = self._ehlo(secure=secure) if verb == "EHLO" else self.GOOD.get(verb, "500 what")
            replied = await self._reply(verb, writer, good)
            if not replied or verb == "QUIT":
                return
            if verb == "STARTTLS":
                await writer.start_tls(self._tls)
                secure = True
            if replied.startswith("354") and not await self._content(reader, writer):
                return

    async def _content(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self._steps["content"][:1] == [DROP_EARLY]:
            self._steps["content"].pop()
            self.tap += await reader.read(64)
            return False
        await self._read(reader, b"\r\n.\r\n", secure=True)
        return bool(await self._reply("content", writer, self.GOOD["content"]))

    async def _read(self, reader: asyncio.StreamReader, end: bytes, *, secure: bool) -> bytes:
        received = await reader.readuntil(end)
        if secure:
            self.tap += received
        else:
            self.plain += received
        return received

    async def _reply(self, verb: str, writer: asyncio.StreamWriter, good: str) -> str:
        """Send the next step of the script for this verb; empty when it was to cut."""
        self.reached[verb].set()
        step = self._steps[verb].pop(0) if self._steps[verb] else good
        if step == DROP:
            return ""
        if step == HANG:
            await asyncio.Event().wait()
        writer.write(step.encode("latin-1") + b"\r\n")
        await writer.drain()
        return step

    def _ehlo(self, *, secure: bool) -> str:
        offers = self._offers_under_tls if secure else self._offers
        lines = ["relay.example", *offers, "8BITMIME"]
        return "\r\n".join([f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"])
