"""The scaled form under faults: API and delivery processes, PostgreSQL and Redis of the run's own.

Every process has a folder of its own with the same keys, as if each were another machine.
"""

import asyncio
import contextlib
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from gateway.config import Config
from gateway.instance import CONFIG_NAME
from tests.jepsen.embedded import words
from tests.jepsen.processes import Process, free_port
from tests.jepsen.systems import SECTIONS, Fault
from tests.support.postgres import Server, own_server
from tests.support.redis import RedisServer, redis_running

LEASE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """PostgreSQL and Redis of one run."""

    postgres: Server
    redis: RedisServer
    database: str

    def sections(self, port: int, operator_port: int) -> str:
        """Return the configuration of one process, but for its keys."""
        http = f"[http]\nport = {port}\noperator_port = {operator_port}\n"
        return (
            SECTIONS.format(port=port).replace(f"[http]\nport = {port}\n", http)
            + f"lease_s = {LEASE_S}\n"
            + f'\n[postgres]\nurl = "{self.database}"\n'
            + f'\n[redis]\nurl = "{self.redis.url}/0"\ntimeout_s = 0.5\n'
        )


@contextlib.asynccontextmanager
async def servers() -> AsyncIterator[Servers]:
    """Run both servers until the block ends.

    Without the programs: skips, loudly (`tests.support.servers.require`).
    """
    with own_server(durable=True) as postgres:
        async with redis_running() as redis:
            yield Servers(postgres=postgres, redis=redis, database=postgres.make(empty=True))


@dataclass(slots=True, kw_only=True)
class Scaled:
    """Two API processes and two delivery processes."""

    config: Config
    folder: Path  # of the instance, made already; each process gets a copy
    servers: Servers
    ports: tuple[int, ...]  # of the API processes
    planted: str | None = None
    deliverers: int = 2
    _api: list[Process] = field(default_factory=list, init=False)
    _deliver: list[Process] = field(default_factory=list, init=False)
    _spare: Process = field(init=False)

    def __post_init__(self) -> None:
        for number, port in enumerate(self.ports):
            self._api.append(self._process("api", number, port, free_port()))
        for number in range(self.deliverers):
            self._deliver.append(self._process("deliver", number, free_port(), free_port()))
        self._spare = self._process("deliver", self.deliverers, free_port(), free_port())

    def _process(self, role: str, number: int, port: int, operator_port: int) -> Process:
        home = self.folder.with_name(f"{role}-{number}")
        shutil.copytree(self.folder, home)
        file = home / CONFIG_NAME
        before = self.servers.sections(self.config.http.port, self.config.http.operator_port)
        own = file.read_text("utf-8")
        assert before in own
        file.write_text(own.replace(before, self.servers.sections(port, operator_port)), "utf-8")
        return Process(
            name=home.name,
            words=(*words(self.planted), "serve", "--config", str(file), "--role", role),
            log=home / "gateway.log",
            environment={"THROUGHGATE_PLANTED_REDIS": f"{self.servers.redis.url}/1"},
            url=f"http://127.0.0.1:{port if role == 'api' else operator_port}",
        )

    @property
    def urls(self) -> tuple[str, ...]:
        """Where its API answers."""
        return tuple(one.url or "" for one in self._api)

    @property
    def _everyone(self) -> list[Process]:
        return [*self._api, *self._deliver]

    def faults(self) -> Mapping[str, Fault]:
        """Return what may be done to it."""
        return {
            "kill-api": Fault(harm=self._kill_api, disrupts=True),
            "kill-deliver": Fault(harm=self._kill_deliver, disrupts=True, weight=2),
            "restart": Fault(harm=self._restart, disrupts=True),
            "rival": Fault(harm=self._rival, disrupts=True),
            "pause-past-lease": Fault(harm=self._pause, disrupts=True, weight=2),
            "postgres-crash": Fault(harm=self._postgres_crash, disrupts=True, weight=2),
            "postgres-paused": Fault(harm=self._postgres_paused, disrupts=True),
            "redis-killed": Fault(harm=self._redis_killed, disrupts=False),
            "redis-empty": Fault(harm=self._redis_empty, disrupts=False),
            "redis-flushed": Fault(harm=self._redis_flushed, disrupts=False, weight=2),
            "redis-sleeps": Fault(harm=self._redis_sleeps, disrupts=False),
        }

    async def start(self) -> None:
        """Start everything."""
        await asyncio.gather(*(one.start() for one in self._everyone))

    async def heal(self) -> None:
        """Start again whatever ended: none may have ended by itself for good."""
        for one in self._everyone:
            one.signal_group(signal.SIGCONT)
            if one.code is not None:
                await one.start()

    async def unready(self) -> list[str]:
        """Return what says of itself that it cannot work, and why."""
        found = await asyncio.gather(*(one.unready() for one in self._everyone))
        return [text for texts in found for text in texts]

    async def stop(self) -> int:
        """Stop everything in order."""
        codes = await asyncio.gather(*(one.terminate() for one in self._everyone))
        return max(abs(code) for code in codes)

    def end(self) -> None:
        """Kill what is left."""
        for one in (*self._everyone, self._spare):
            one.end()

    async def _kill_api(self, rng: Random) -> None:
        await self._killed(rng.choice(self._api), rng)

    async def _kill_deliver(self, rng: Random) -> None:
        await self._killed(rng.choice(self._deliver), rng)

    async def _killed(self, one: Process, rng: Random) -> None:
        await one.kill()
        await asyncio.sleep(rng.uniform(0.0, LEASE_S * 1.2))
        await one.start()

    async def _restart(self, rng: Random) -> None:
        one = rng.choice(self._everyone)
        await one.terminate()
        await one.start()

    async def _rival(self, rng: Random) -> None:
        """Let one more come, take its share of the leases, and go: in order, or not."""
        await self._spare.start()
        await asyncio.sleep(rng.uniform(0.2, LEASE_S))
        if rng.random() < 0.5:
            await self._spare.kill()
        else:
            await self._spare.terminate()

    async def _pause(self, rng: Random) -> None:
        """Stop one that works for longer than its leases last: the other takes them over, and both
        believe they hold them when it goes on."""
        one = rng.choice(self._deliver)
        one.signal_group(signal.SIGSTOP)
        try:
            await asyncio.sleep(LEASE_S * rng.uniform(1.6, 2.2))
        finally:
            one.signal_group(signal.SIGCONT)

    async def _postgres_crash(self, rng: Random) -> None:
        await asyncio.to_thread(self.servers.postgres.stop, "immediate")
        await asyncio.sleep(rng.uniform(0.0, 0.8))
        await asyncio.to_thread(self.servers.postgres.start)
        await self.heal()

    async def _postgres_paused(self, rng: Random) -> None:
        self.servers.postgres.pause()
        try:
            await asyncio.sleep(rng.uniform(0.3, 1.5))
        finally:
            self.servers.postgres.go_on()

    async def _redis_killed(self, rng: Random) -> None:
        await asyncio.to_thread(self.servers.redis.kill)
        await asyncio.sleep(rng.uniform(0.2, 1.2))
        await asyncio.to_thread(self.servers.redis.start)

    async def _redis_empty(self, _rng: Random) -> None:
        await asyncio.to_thread(self.servers.redis.restart_empty)

    async def _redis_flushed(self, _rng: Random) -> None:
        await asyncio.to_thread(self.servers.redis.flush)

    async def _redis_sleeps(self, rng: Random) -> None:
        for_s = rng.uniform(0.3, 1.5)
        await asyncio.to_thread(self.servers.redis.sleep, for_s)
        await asyncio.sleep(for_s)
