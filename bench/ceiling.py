"""The ceiling: the least any gateway on these libraries must do for one event, and nothing else.

One process: read a body, verify one Ed25519 signature, seal one HPKE message, commit one row with
whatever else is queued (WAL, synchronous=FULL), answer 202, post one webhook.
"""

import asyncio
import base64
import contextlib
import multiprocessing
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import aiohttp
import apsw
import uvloop
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite

from bench.wire import HOST

_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_POSTERS: Final = 32  # webhooks under way at once, as the gateway has over one endpoint

_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_Job = tuple[str, bytes, asyncio.Future[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The process, seen from outside."""

    port: int
    pid: int


@contextlib.contextmanager
def ceiling_running(folder: Path, public_text: str, receiver_url: str) -> Iterator[Ceiling]:
    """Run the ceiling as a process of its own until the block ends.

    Args:
        folder: Where its database goes; on the same disk as the gateway's.
        public_text: ``whpk_`` key that all posts are signed with.
        receiver_url: Where webhooks go.
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    child = spawn.Process(
        target=_run,
        args=(theirs, folder / "ceiling.db", public_text, receiver_url),
        name="ceiling",
        daemon=True,
    )
    child.start()
    theirs.close()
    try:
        yield Ceiling(port=ours.recv(), pid=child.pid or 0)
    finally:
        ours.close()  # its end of file is the order to stop
        child.join()
        child.close()


class _Writer:
    """One thread: whatever is queued becomes one transaction."""

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path))
        self._connection.pragma("journal_mode", "wal")
        self._connection.pragma("synchronous", "FULL")
        self._connection.execute(
            "CREATE TABLE event (id TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID"
        )
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._write, name="writer", daemon=True)
        self._thread.start()

    def commit(self, id_: str, sealed: bytes) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((id_, sealed, future))
        return future

    async def close(self) -> None:
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def _write(self) -> None:
        while (job := self._queue.get()) is not None:
            batch = [job]
            with contextlib.suppress(queue.Empty):
                while (following := self._queue.get_nowait()) is not None:
                    batch.append(following)
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                "INSERT INTO event (id, sealed) VALUES (?, ?)", [one[:2] for one in batch]
            )
            self._connection.execute("COMMIT")
            self._loop.call_soon_threadsafe(_resolve, [one[2] for one in batch])


def _resolve(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


def _run(pipe: Connection, database: Path, public_text: str, receiver_url: str) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(pipe, database, public_text, receiver_url))


async def _serve(pipe: Connection, database: Path, public_text: str, receiver_url: str) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    writer = _Writer(database)
    outgoing: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    handler = _handler(_public_key(public_text), writer, outgoing)
    runner = web.ServerRunner(web.Server(handler), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0, backlog=1024)
    await site.start()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        posters = [
            loop.create_task(_post(session, receiver_url, outgoing)) for _ in range(_POSTERS)
        ]
        pipe.send(runner.addresses[0][1])
        loop.add_reader(pipe.fileno(), stopping.set)
        await stopping.wait()
        loop.remove_reader(pipe.fileno())
        await runner.cleanup()
        for poster in posters:
            poster.cancel()
        await asyncio.gather(*posters, return_exceptions=True)
    await writer.close()


def _handler(
    public: Ed25519PublicKey, writer: _Writer, outgoing: asyncio.Queue[tuple[str, bytes]]
) -> _Handler:
    recipient = MLKEM768X25519PublicKey(
        MLKEM768PrivateKey.generate().public_key(), X25519PrivateKey.generate().public_key()
    )

    async def take(request: web.BaseRequest) -> web.Response:
        body = await request.read()
        id_ = request.headers["webhook-id"]
        content = f"{id_}.{request.headers['webhook-timestamp']}.".encode() + body
        signature = request.headers["webhook-signature"].removeprefix("v1a,")
        public.verify(base64.b64decode(signature), content)
        sealed = _SUITE.encrypt(body, recipient, info=id_.encode())
        await writer.commit(id_, sealed)
        outgoing.put_nowait((id_, sealed))
        return web.Response(status=202)

    return take


async def _post(
    session: aiohttp.ClientSession, url: str, outgoing: asyncio.Queue[tuple[str, bytes]]
) -> None:
    while True:
        id_, sealed = await outgoing.get()
        async with session.post(url, data=sealed, headers={"webhook-id": id_}) as reply:
            await reply.read()


def _public_key(public_text: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(public_text.removeprefix("whpk_")))
