"""Peers built from a library: programs of their own, in environments of their own."""

import base64
import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.peers.installed import Cache
from bench.peers.running import program, redis_running, started, wait_listening
from bench.peers.side import Does, Peer, Serving
from bench.wire import free_port

_PROGRAMS: Final = Path(__file__).with_name("programs")
_MEMORY: Final = "no (Redis, memory)"


@dataclass(frozen=True, slots=True, kw_only=True)
class CeleryRedis:
    """Celery on Redis: one web front, two prefork workers that seal as the gateway does."""

    cache: Cache
    name: str = "celery"
    what: str = (
        "aiohttp front, Celery on Redis, 2 prefork workers, late acknowledgement, prefetch 64"
    )
    does: Does = field(default_factory=lambda: Does(durable=_MEMORY, sealed="hybrid HPKE"))
    batch: int = 1

    @contextlib.contextmanager
    def running(self, url: str, folder: Path) -> Iterator[Serving]:
        """Run Redis, the front and the workers."""
        python, port = self.cache.python(), free_port()
        with redis_running(folder) as (redis_port, redis):
            settings = {
                "HOOK": url,
                "BROKER": f"redis://127.0.0.1:{redis_port}/0",
                "SEEDS": ".".join(base64.b64encode(os.urandom(size)).decode() for size in (64, 32)),
                "PYTHONPATH": str(_PROGRAMS),
                "PYTHONDONTWRITEBYTECODE": "1",
            }
            front = [str(python), str(_PROGRAMS / "celery_pipeline.py"), str(port)]
            work = [str(python), "-m", "celery", "-A", "celery_pipeline", "worker", "-l", "error"]
            work += ["--pool", "prefork", "--concurrency", "2", "-O", "fair"]
            work += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
            with (
                started(front, folder / "front.log", settings=settings) as one,
                started(work, folder / "work.log", settings=settings) as two,
            ):
                wait_listening(port, one, "the Celery front")
                yield Peer(port=port, pids=(one.pid, two.pid, redis))


@dataclass(frozen=True, slots=True, kw_only=True)
class Apprise:
    """Apprise: webhooks as plain JSON, from threads of two processes."""

    cache: Cache
    name: str = "apprise"
    what: str = "aiohttp front, Apprise json://, 2 processes of 16 threads"
    does: Does = field(default_factory=Does)
    batch: int = 1

    @contextlib.contextmanager
    def running(self, url: str, folder: Path) -> Iterator[Serving]:
        """Run the front; its processes share one socket."""
        python, port = self.cache.python(), free_port()
        command = [str(python), str(_PROGRAMS / "apprise_front.py"), str(port), "2"]
        with started(command, folder / "apprise.log", settings={"HOOK": url}) as process:
            wait_listening(port, process, "the Apprise front")
            yield Peer(port=port, pids=(process.pid,), mark=r'\\"id\\":\\"(bench-\d+)\\"')


@dataclass(frozen=True, slots=True, kw_only=True)
class BullMq:
    """BullMQ on Redis: a front and a worker, in two Node processes."""

    cache: Cache
    name: str = "bullmq"
    what: str = "Node front, BullMQ on Redis, one worker process of concurrency 64"
    does: Does = field(default_factory=lambda: Does(durable=_MEMORY))
    batch: int = 1

    @contextlib.contextmanager
    def running(self, url: str, folder: Path) -> Iterator[Serving]:
        """Run Redis, the front and the worker."""
        node, port = program("node", "nodejs"), free_port()
        script = str(self.cache.node(_PROGRAMS / "bullmq_pipeline.mjs"))
        with redis_running(folder) as (redis_port, redis):
            settings = {"HOOK": url, "REDIS_PORT": str(redis_port)}
            with (
                started(
                    [node, script, "front", str(port)], folder / "front.log", settings=settings
                ) as one,
                started([node, script, "work"], folder / "work.log", settings=settings) as two,
            ):
                wait_listening(port, one, "the BullMQ front")
                yield Peer(port=port, pids=(one.pid, two.pid, redis))
