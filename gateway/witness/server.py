"""A witness over HTTP: ``add-checkpoint``, the newest checkpoint of each log, and its health.

Source: c2sp.org/tlog-witness. One thread works on the state, so nothing waits for a disk but what
asked for it; bodies, their arrival and the line of those who wait are bounded.
"""

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import structlog
from aiohttp import web

from gateway import clock
from gateway.witness.request import MAX_BODY
from gateway.witness.state import StateUnavailable
from gateway.witness.witness import PLAIN, Answer, Witness

T = TypeVar("T")

_ARRIVES_WITHIN_S: Final = 10.0
_MOST_WAITING: Final = 64
_KEEP_ALIVE_S: Final = 75.0

_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where a witness listens."""

    host: str = "127.0.0.1"
    port: int = 8090  # 0: any that is free
    certificate: Path | None = None  # PEM; with `key`
    key: Path | None = None


def application(witness: Witness, on_broken: Callable[[], None]) -> web.Application:
    """Return the HTTP application of a witness.

    Args:
        witness: Used from one thread of the application's own.
        on_broken: Called when the state may no longer be written to: stop, and let a human look.
    """
    served = _Served(witness, on_broken)
    app = web.Application(client_max_size=MAX_BODY)
    app.add_routes(
        [
            web.post("/add-checkpoint", served.add_checkpoint),
            web.get("/health", served.health),
            web.get("/{hash:[0-9a-f]{64}}/checkpoint", served.latest),
        ]
    )
    app.on_cleanup.append(served.close)
    return app


class _Served:
    def __init__(self, witness: Witness, on_broken: Callable[[], None]) -> None:
        self._witness = witness
        self._on_broken = on_broken
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="witness")
        self._waiting = 0

    async def add_checkpoint(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(_ARRIVES_WITHIN_S):
                body = await request.read()
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        answer = await self._do(lambda: self._witness.add_checkpoint(body))
        if answer.code != "cosigned":
            _LOG.warning("not cosigned", code=answer.code)
        return _response(answer)

    async def latest(self, request: web.Request) -> web.Response:
        hashed = request.match_info["hash"]
        found = await self._do(lambda: self._witness.state.latest_by_hash(hashed))
        if found is None:
            raise web.HTTPNotFound
        return web.Response(
            text=found.note, content_type=PLAIN, headers={"Cache-Control": "no-cache"}
        )

    async def health(self, _request: web.Request) -> web.Response:
        origins = await self._do(self._witness.state.origins)
        return web.json_response({"status": "ok", "logs": len(origins)})

    async def close(self, _app: web.Application) -> None:
        await asyncio.to_thread(self._thread.shutdown)

    async def _do(self, work: Callable[[], T]) -> T:
        """Work on the state, in its own thread.

        Raises:
            HTTPServiceUnavailable: too many wait, or the state cannot be used now.
        """
        if self._waiting >= _MOST_WAITING:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "1"})
        self._waiting += 1
        try:
            # Shielded: a client that goes away must not leave half a turn uncounted.
            return await asyncio.shield(
                asyncio.get_running_loop().run_in_executor(self._thread, work)
            )
        except StateUnavailable as error:
            _LOG.error("state unavailable", code=error.code)
            if error.code == "broken":
                self._on_broken()
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "1"}) from None
        finally:
            self._waiting -= 1


def _response(answer: Answer) -> web.Response:
    # Without a charset: the type of a size is stated exactly.
    return web.Response(
        status=answer.status,
        body=answer.body.encode(),
        headers={"Content-Type": answer.content_type},
    )


@contextlib.asynccontextmanager
async def served(
    witness: Witness, listening: Listening, on_broken: Callable[[], None]
) -> AsyncIterator[int]:
    """Serve a witness until the block ends; yield the port.

    Raises:
        OSError: the port is taken, or a file of TLS cannot be read.
    """
    tls = _tls(listening)
    runner = web.AppRunner(
        application(witness, on_broken),
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=_KEEP_ALIVE_S,
        shutdown_timeout=5,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, listening.host, listening.port, ssl_context=tls)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def serve(folder: Path, listening: Listening, ready: Callable[[int], None]) -> None:
    """Serve the witness in a folder until SIGTERM or SIGINT.

    Args:
        folder: As `create` made it.
        listening: Where.
        ready: Called with the port, once it is listened on.

    Raises:
        KeyProblem, BadKey, StateUnavailable, OSError: before anything is served.
    """
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    with contextlib.closing(Witness.open(folder, clock.now)) as witness:
        async with served(witness, listening, _stop_at_once) as port:
            ready(port)
            await stopping.wait()


def _stop_at_once() -> NoReturn:
    """After a failed commit nothing in memory may be trusted or told."""
    os._exit(70)


def _tls(listening: Listening) -> ssl.SSLContext | None:
    if listening.certificate is None or listening.key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(listening.certificate, listening.key)
    return context
