"""HL7 v2 over MLLP as a feed: a listening socket that takes one message per frame.

A frame is VT, the message, FS, CR, and nothing else: anything before VT, a VT inside, or another
byte than CR after FS closes the connection, for what follows could be somebody's idea of a
message (the frame that is smuggled in by a field). Messages of one connection are taken in turn.

What cannot be taken now is not answered: the connection is closed, and the sender, left without
an answer, sends it again.

Source: HL7 v2 transport specification, MLLP release 1.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from adapters.kit.framing import MAX_MESSAGE_BYTES
from gateway.config.feeds import MllpFeedConfig
from gateway.feeds.contract import Answer, FeedTrouble, Fetched, HandOver
from gateway.feeds.hl7_ack import Header, NotHl7, acknowledgement, read_header

VT: Final = b"\x0b"
FS: Final = b"\x1c"
CR: Final = b"\r"
HANDSHAKE_S: Final = 10.0
WRITE_S: Final = 10.0
PAUSE_S: Final = 1.0  # before a connection is closed on what cannot be taken now

_LOG = structlog.get_logger()


class BadFrame(Exception):
    """The sender does not keep to the framing, or is too slow. `code` is for the log."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class MllpFeed:
    """One listening socket. Whoever may connect to it is the agency."""

    def __init__(
        self,
        config: MllpFeedConfig,
        *,
        tls: ssl.SSLContext | None,
        clock: Callable[[], datetime],
        new_id: Callable[[str], str],
    ) -> None:
        self._config = config
        self._tls = tls
        self._clock = clock
        self._new_id = new_id
        self._connections: set[asyncio.Task[None]] = set()
        self.port: int | None = None  # while it listens

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._config.name

    async def run(self, hand_over: HandOver) -> None:
        """Listen until cancelled; then close every connection, answered or not.

        Raises:
            FeedTrouble: cannot-listen.
        """

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._connected(reader, writer, hand_over)

        config = self._config
        try:
            server = await asyncio.start_server(
                connected,
                str(config.host),
                config.port,
                limit=MAX_MESSAGE_BYTES,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_S if self._tls else None,
            )
        except OSError:
            raise FeedTrouble("cannot-listen") from None
        self.port = server.sockets[0].getsockname()[1]
        _LOG.info("feed listens", feed=self.name, port=self.port)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.port = None
            server.close()  # not wait_closed: it would wait for clients
            await self.close()

    async def close(self) -> None:
        """Close every connection."""
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hand_over: HandOver
    ) -> None:
        task = asyncio.current_task()
        try:
            self._admit(task, writer)
            while (body := await self._read(reader)) is not None:
                if not await self._take(body, writer, hand_over):
                    break
        except BadFrame as error:
            _LOG.warning("connection closed", feed=self.name, code=error.code)
        except OSError:
            pass  # the sender went away
        except Exception as error:  # noqa: BLE001 - one connection's fault is not the others'
            _LOG.error("feed fault", feed=self.name, error=type(error).__name__)
        finally:
            self._connections -= {task}
            writer.close()

    def _admit(self, task: "asyncio.Task[None] | None", writer: asyncio.StreamWriter) -> None:
        """Count a connection in, and hold its client to the name in its certificate: that it is of
        our authority, TLS has seen.

        Raises:
            BadFrame: too many connections, or another name.
        """
        if task is None or len(self._connections) >= self._config.max_connections:
            raise BadFrame("too-many-connections")
        self._connections.add(task)
        if self._config.client_name is None:
            return
        certificate = writer.get_extra_info("peercert") or {}
        names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
        if self._config.client_name.lower() not in [name.lower() for name in names]:
            raise BadFrame("wrong-client")

    async def _read(self, reader: asyncio.StreamReader) -> bytes | None:
        """Return the next message, or None where the sender has ended, or has long been silent.

        Raises:
            BadFrame.
        """
        try:
            async with asyncio.timeout(self._config.idle_timeout_s):
                first = await reader.read(1)
        except TimeoutError:
            return None
        if not first:
            return None
        if first != VT:
            raise BadFrame("junk-before-frame")
        try:
            async with asyncio.timeout(self._config.message_timeout_s):
                body = (await reader.readuntil(FS))[:-1]
                last = await reader.readexactly(1)
        except TimeoutError:
            raise BadFrame("too-slow") from None
        except asyncio.LimitOverrunError:
            raise BadFrame("too-long") from None
        except asyncio.IncompleteReadError:
            raise BadFrame("cut-short") from None
        if last != CR or VT in body:
            raise BadFrame("bad-frame")
        return body

    async def _take(self, body: bytes, writer: asyncio.StreamWriter, hand_over: HandOver) -> bool:
        """Hand one message over and answer it; return whether the connection may go on."""
        try:
            header = read_header(body)
        except NotHl7:
            await self._answer(writer, Header(), Answer(verdict="refused", reasons=("not-hl7",)))
            return False
        digest = hashlib.sha256(body).hexdigest()
        answer = await hand_over(Fetched(message_id=digest, body=body))
        if answer.verdict == "later":
            await asyncio.sleep(PAUSE_S)  # or the sender would be back at once
            return False
        await self._answer(writer, header, answer)
        return True

    async def _answer(self, writer: asyncio.StreamWriter, header: Header, answer: Answer) -> None:
        owed = acknowledgement(header, answer, own_id=self._new_id("ack")[-20:], now=self._clock())
        if owed is None:
            return
        writer.write(VT + owed + FS + CR)
        try:
            async with asyncio.timeout(WRITE_S):
                await writer.drain()
        except TimeoutError:
            raise BadFrame("too-slow") from None
