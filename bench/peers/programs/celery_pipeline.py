"""A pipeline as anybody would build it: aiohttp in front, Celery on Redis, a sealed webhook out.

Runs in an environment of its own, without the gateway. `python celery_pipeline.py PORT` is the
front; `celery -A celery_pipeline worker` the workers. It is given less to do than the gateway: no
signature is checked, nothing is decided, logged or kept on disk.
"""

import asyncio
import base64
import http.client
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from celery import Celery
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite

_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_HOOK: Final = urlsplit(os.environ["HOOK"])
_TAKEN: Final = 204
_THREADS: Final = 8  # that hand tasks to Redis, each waiting for its answer

app = Celery("pipeline", broker=os.environ["BROKER"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=64,
    worker_disable_rate_limits=True,
    worker_send_task_events=False,
    task_send_sent_event=False,
    broker_connection_retry_on_startup=True,
    broker_pool_limit=_THREADS,
)


@cache
def _connection() -> http.client.HTTPConnection:
    """Return this worker process's connection, kept open."""
    return http.client.HTTPConnection(_HOOK.hostname or "", _HOOK.port, timeout=10)


@cache
def _recipient() -> MLKEM768X25519PublicKey:
    mlkem, x25519 = (base64.b64decode(part) for part in os.environ["SEEDS"].split("."))
    return MLKEM768X25519PublicKey(
        MLKEM768PrivateKey.from_seed_bytes(mlkem).public_key(),
        X25519PrivateKey.from_private_bytes(x25519).public_key(),
    )


@app.task(name="deliver")
def deliver(id_: str, event: str) -> None:
    """Seal one event and post it."""
    sealed = _SUITE.encrypt(event.encode(), _recipient(), info=id_.encode())
    headers = {"webhook-id": id_, "content-type": "application/octet-stream"}
    connection = _connection()
    connection.request("POST", _HOOK.path, body=sealed, headers=headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status != _TAKEN:
        raise RuntimeError("the receiver did not take it")


async def _front(port: int) -> None:
    from aiohttp import web  # the workers need none

    loop, pool = asyncio.get_running_loop(), ThreadPoolExecutor(_THREADS)

    async def take(request: web.BaseRequest) -> web.Response:
        event = await request.text()
        await loop.run_in_executor(pool, deliver.delay, request.headers["webhook-id"], event)
        return web.Response(status=202)

    server = web.ServerRunner(web.Server(take), access_log=None)
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_front(int(sys.argv[1])))
