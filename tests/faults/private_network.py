"""A gateway's HTTP client in a network of its own, where names change their minds.

Run in a user, mount and network namespace of its own. The loopback interface holds every address
used here, those of the internet too; a real name server on port 53 answers what the tests want
under ``*.example``, and real receivers with TLS listen on port 443 of each address. Prints one line
of JSON: what came of each exchange, and how often each address was connected to.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import trustme

from gateway.channels.http_client import GuardedClient, Reply
from gateway.channels.outbound import OutboundPolicy

PUBLIC: Final = "93.184.215.14"
INSIDE: Final = ("127.0.0.1", "10.0.0.5", "169.254.169.254", "192.168.0.9")
REBOUND: Final = "127.0.0.1"

# What each name answers, time after time; the last answer repeats.
NAMES: Final[dict[str, Sequence[Sequence[str]]]] = {
    "steady.example": [[PUBLIC]],
    "rebound.example": [[PUBLIC], [REBOUND]],
    "flipping.example": [[PUBLIC], ["169.254.169.254"], [PUBLIC], ["10.0.0.5"]],
    "mixed.example": [["127.0.0.1", "169.254.169.254", PUBLIC, "192.168.0.9"]],
    "inside.example": [["10.0.0.5"]],
}
EXCHANGES: Final = ("steady.example", "rebound.example", "rebound.example", "flipping.example",
                    "flipping.example", "flipping.example", "flipping.example", "mixed.example",
                    "inside.example", "steady.example")  # fmt: skip


class NameServer(asyncio.DatagramProtocol):
    """Answers A questions from the table, each asking one step further; of AAAA it has none."""

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        labels, place = [], 12
        while length := data[place]:
            labels.append(data[place + 1 : place + 1 + length].decode().lower())
            place += 1 + length
        name, end = ".".join(labels), place + 5
        wanted = int.from_bytes(data[place + 1 : place + 3], "big")
        answers: Sequence[str] = ()
        if wanted == 1 and name in NAMES:
            steps = NAMES[name]
            answers = steps[min(self._asked[name], len(steps) - 1)]
            self._asked[name] += 1
        records = b"".join(
            b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04" + socket.inet_aton(one)
            for one in answers
        )
        known = b"\x85\x80" if name in NAMES else b"\x85\x83"
        counts = b"\x00\x01" + len(answers).to_bytes(2, "big") + b"\x00\x00\x00\x00"
        reply = data[:2] + known + counts + data[12:end] + records
        self._transport.sendto(reply, addr)


async def _receive(
    connected: Counter[str],
    address: str,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    connected[address] += 1
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
    writer.close()


async def _exchange(name: str, trusting: ssl.SSLContext) -> int | str:
    """Post once, by a client of its own: one would keep the address it vetted for some seconds."""
    client = GuardedClient(
        policy=OutboundPolicy(), ssl_context=trusting, timeout_s=5, user_agent="throughgate"
    )
    try:
        found = await client.exchange("POST", f"https://{name}/", headers={}, body=b"{}")
    finally:
        await client.close()
    return found.status if isinstance(found, Reply) else found.reason


async def run() -> dict[str, object]:
    """Make every exchange in turn; say what came of it."""
    authority = trustme.CA()
    certificate = authority.issue_cert(*NAMES)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(serving)
    trusting = ssl.create_default_context()
    trusting.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.configure_trust(trusting)
    connected: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(NameServer, ("127.0.0.1", 53))
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(transport.close)
        for address in (PUBLIC, *INSIDE):
            server = await asyncio.start_server(
                partial(_receive, connected, address), address, 443, ssl=serving
            )
            stack.callback(server.close)
        came = [[name, await _exchange(name, trusting)] for name in EXCHANGES]
    return {"came": came, "connected": dict(connected)}


def _prepare(folder: Path) -> None:
    for command in (
        ["ip", "link", "set", "lo", "up"],
        *(["ip", "address", "add", f"{one}/32", "dev", "lo"] for one in (PUBLIC, *INSIDE[1:])),
    ):
        subprocess.run(command, check=True)
    resolving = folder / "resolv.conf"
    resolving.write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:2\n")
    subprocess.run(["mount", "--bind", str(resolving), "/etc/resolv.conf"], check=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        _prepare(Path(temporary))
        sys.stdout.write(json.dumps(asyncio.run(run())) + "\n")
