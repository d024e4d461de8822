"""The log's routes on a real server, and a client that runs beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.http.log import LogReader, routes


@asynccontextmanager
async def served(reader: LogReader, *, allow_remote: bool = False) -> AsyncIterator[str]:
    """Serve on loopback, any port; yield the base URL."""
    app = web.Application()
    app.add_routes(routes(reader, allow_remote=allow_remote))
    async with running(app) as url:
        yield url


@asynccontextmanager
async def running(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
