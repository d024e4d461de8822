"""Apprise behind a web front: as many processes as given, each with a pool of threads.

Runs in an environment of its own, without the gateway. Apprise sends with threads itself; nothing
is queued on disk, signed, sealed or logged.
"""

import asyncio
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

import apprise
import uvloop
from aiohttp import web

_THREADS: Final = 16


async def _serve(listener: socket.socket, url: str) -> None:
    sender = apprise.Apprise()
    sender.add(url)
    pool = ThreadPoolExecutor(_THREADS)

    async def take(request: web.BaseRequest) -> web.Response:
        pool.submit(sender.notify, body=await request.text(), title="bench")
        return web.Response(status=202)

    server = web.ServerRunner(web.Server(take), access_log=None)
    await server.setup()
    await web.SockSite(server, listener, backlog=1024).start()
    await asyncio.Event().wait()


def main(port: int, processes: int) -> None:
    """Serve on a socket that all processes share."""
    hook = urlsplit(os.environ["HOOK"])
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    for _ in range(processes - 1):
        if not os.fork():
            break
    uvloop.run(_serve(listener, f"json://{hook.netloc}{hook.path}"))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
