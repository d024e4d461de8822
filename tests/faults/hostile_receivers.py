"""Webhook receivers that misbehave, one port each, in a process of their own.

Run as ``python -m tests.faults.hostile_receivers CERTIFICATE.pem``: prints one line of JSON, the
port of each by name, and serves until its standard input closes. A line there is answered with one
more: how often each was connected to.
"""

import asyncio
import contextlib
import gzip
import json
import ssl
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

DRIP_S: Final = 0.1
LINGER_S: Final = 0.05
OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_BOMB: Final = gzip.compress(b"\0" * 50_000_000)


async def _listen(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


async def _say(
    said: bytes, then: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Take the head of a request, answer, then: hang, or leave once that has arrived."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(said)
    await writer.drain()
    if then == "hang":
        await _listen(reader, writer)
    await asyncio.sleep(LINGER_S)


async def _drip(
    first: bytes,
    forever: bytes,
    asked: bool,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    if asked:
        await reader.readuntil(b"\r\n\r\n")
    writer.write(first)
    while not writer.is_closing():
        for byte in forever:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(DRIP_S)


async def _flood(
    first: bytes, forever: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(first)
    much = forever * (65536 // len(forever) + 1)
    while not writer.is_closing():
        writer.write(much)
        await writer.drain()
        await asyncio.sleep(0)  # drain does not wait while there is room


async def _leave(after: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Cut the connection after so many bytes of the request."""
    if after:
        await reader.readexactly(after)


async def _late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer twice, the second time when the connection is already kept for later."""
    await _say(OK, "", reader, writer)
    await asyncio.sleep(0.05)
    writer.write(OK)
    await _listen(reader, writer)


def _head(*lines: str) -> bytes:
    return "\r\n".join(("HTTP/1.1 200 OK", *lines, "", "")).encode()


# Without TLS: what is heard instead of a handshake.
BARE: Final[Mapping[str, Handler]] = {
    "handshake-hangs": _listen,
    "handshake-drips": partial(_drip, b"\x16\x03\x03\x3f\xff", b"\x02", False),
    "handshake-is-http": partial(_drip, b"HTTP/1.1 200 OK\r\n\r\n", b"x", False),
    "handshake-cut": partial(_leave, 1),
    "cut-at-once": partial(_leave, 0),
}

# After the handshake.
TALKING: Final[Mapping[str, Handler]] = {
    "never-answers": _listen,
    "header-drips": partial(_drip, b"HTTP/1.1 200 OK\r\nX: ", b"y", True),
    "body-drips": partial(_drip, _head("Content-Length: 99999"), b"y", True),
    "header-hangs": partial(_say, b"HTTP/1.1 200 OK\r\nX: y\r\n", "hang"),
    "body-hangs": partial(_say, _head("Content-Length: 5") + b"abc", "hang"),
    "interim-flood": partial(_flood, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "header-flood": partial(_flood, b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "header-endless": partial(_flood, b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "header-huge-count": partial(_say, _head(*(f"X-{n}: y" for n in range(5000))), "hang"),
    "blank-lines": partial(_flood, b"", b"\r\n"),
    "body-endless": partial(_flood, _head(), b"x"),
    "chunks-endless": partial(_flood, _CHUNKED, b"1\r\nx\r\n"),
    "extension-endless": partial(_flood, _CHUNKED + b"5;", b"a=b;"),
    "trailer-flood": partial(_flood, _CHUNKED + b"0\r\n", b"X: y\r\n"),
    "compressed": partial(
        _say, _head("Content-Encoding: gzip", f"Content-Length: {len(_BOMB)}") + _BOMB, ""
    ),
    "two-lengths": partial(_say, _head("Content-Length: 1", "Content-Length: 2") + b"x", "hang"),
    "bad-chunk": partial(_say, _CHUNKED + b"-5\r\nhello\r\n", "hang"),
    "answers-twice": partial(_say, OK + OK, "hang"),
    "answers-twice-late": _late,
    "switches": partial(
        _say, b"HTTP/1.1 101 Over\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", ""
    ),
    "no-http": partial(_say, b"220 mail.example ESMTP\r\n\r\n", "hang"),
    "cut-before-request": partial(_leave, 0),
    "cut-in-request": partial(_leave, 40),
    "cut-in-header": partial(_say, b"HTTP/1.1 200 OK\r\nX-Ha", ""),
    "cut-in-body": partial(_say, _head("Content-Length: 500") + b"abc", ""),
    "503": partial(_say, b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", ""),
    "429": partial(
        _say, b"HTTP/1.1 429 Slow\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n", ""
    ),
}
NAMES: Final = (*BARE, *TALKING)


async def serve(certificate: str) -> None:
    """Serve every one until standard input closes; a line in is answered with the counts."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    counts: Counter[str] = Counter()
    ports = {}

    def guarded(name: str, handler: Handler) -> Handler:
        async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            counts[name] += 1
            with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
                await handler(reader, writer)
            writer.transport.abort()

        return serve_one

    for name, handler in (BARE | TALKING).items():
        server = await asyncio.start_server(
            guarded(name, handler),
            "127.0.0.1",
            0,
            ssl=tls if name in TALKING else None,
            backlog=1024,
        )
        ports[name] = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        sys.stdout.write(json.dumps(counts) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    import logging

    logging.disable()  # a handshake that fails is what is wanted
    asyncio.run(serve(sys.argv[1]))
