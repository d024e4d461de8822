"""Processes that spread work over one redis-server, a truth beside it, and a line between."""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from gateway.clock import new_id
from gateway.delivery.breaker import BreakerTerms
from gateway.model.ids import EventRef
from gateway.spread.connections import RedisTerms
from gateway.spread.names import SHARDS
from gateway.spread.spread import Spread, SpreadTerms
from gateway.waking import Handed
from tests.support.redis import RedisServer

NAME = "throughgate.example/spread"
KEY = bytes(range(32))
EVERY = frozenset(range(SHARDS))

_WITHIN_S = 30.0
_POLL_S = 0.01


def refs(count: int) -> list[EventRef]:
    return [EventRef(new_id("evt")) for _ in range(count)]


def handed(count: int, shards: Sequence[int] = tuple(range(SHARDS))) -> list[Handed]:
    return [Handed(shards[n % len(shards)], ref) for n, ref in enumerate(refs(count))]


@dataclass(slots=True)
class Truth:
    """What SQL would say: which events are accepted and not settled."""

    undecided: dict[EventRef, Handed] = field(default_factory=dict)
    asked: int = 0

    def accept(self, events: Iterable[Handed]) -> None:
        self.undecided |= {one.ref: one for one in events}

    def settle(self, events: Iterable[Handed]) -> None:
        for one in events:
            self.undecided.pop(one.ref, None)

    async def find(self, shards: AbstractSet[int], limit: int) -> list[Handed]:
        self.asked += 1
        return [one for one in self.undecided.values() if one.shard in shards][:limit]

    async def settled(self, some: Sequence[EventRef]) -> Collection[EventRef]:
        return [ref for ref in some if ref not in self.undecided]


def redis_terms(server: RedisServer, *, timeout_s: float = 2.0) -> RedisTerms:
    return RedisTerms(host="127.0.0.1", port=server.port, timeout_s=timeout_s)


def spread_terms(
    server: RedisServer,
    truth: Truth | None = None,
    *,
    breaker: BreakerTerms | None = None,
    processes: int = 1,
    timeout_s: float = 2.0,
    monotonic: Callable[[], float] = time.monotonic,
) -> SpreadTerms:
    truth = truth or Truth()
    return SpreadTerms(
        redis=redis_terms(server, timeout_s=timeout_s),
        instance=NAME,
        key=KEY,
        process=secrets.token_hex(8),
        breaker=breaker or BreakerTerms(),
        undecided=truth.find,
        settled=truth.settled,
        rng=random.Random(7),
        monotonic=monotonic,
        processes=lambda: processes,
    )


@contextlib.asynccontextmanager
async def running(
    terms: SpreadTerms, *, own: AbstractSet[int] = frozenset()
) -> AsyncIterator[Spread]:
    """Run one process's spreading until the block ends."""
    spread = Spread(terms)
    await spread.start()
    spread.wake.own(own)
    tasks = [asyncio.create_task(run(), name=name) for name, run in spread.loops.items()]
    try:
        yield spread
    finally:
        await cancelled(tasks)
        await spread.close()


async def cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail if it never does."""
    async with asyncio.timeout(_WITHIN_S):
        while not holds():  # noqa: ASYNC110 - of what no event tells
            await asyncio.sleep(_POLL_S)


def aged(server: RedisServer, seconds: int = 100_000) -> None:
    """Let Redis have had its epoch for long: then its counts are trusted."""
    began = int(server.command("TIME")[0]) - seconds
    server.command("SET", f"tg:{{{NAME}}}:epoch", f"{began}-aged")


def stream(shard: int) -> str:
    return f"tg:{{{NAME}}}:stream:{shard}"


@dataclass(slots=True)
class SlowLine:
    """A line to a server that holds every answer back for a random time."""

    server: RedisServer
    rng: random.Random
    longest_s: float = 0.02
    port: int = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[RedisTerms]:
        tasks: set[asyncio.Task[None]] = set()

        async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            there, back = await asyncio.open_connection("127.0.0.1", self.server.port)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pass(reader, back, slow=False))
                    group.create_task(self._pass(there, writer, slow=True))
            except* (OSError, EOFError):
                pass
            finally:
                tasks.discard(task)
                writer.close()
                back.close()

        listening = await asyncio.start_server(between, "127.0.0.1", 0)
        self.port = listening.sockets[0].getsockname()[1]
        try:
            yield replace(redis_terms(self.server), port=self.port)
        finally:
            listening.close()
            await cancelled(list(tasks))
            await listening.wait_closed()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool
    ) -> None:
        while chunk := await reader.read(65536):
            if slow:
                await asyncio.sleep(self.rng.uniform(0, self.longest_s))
            writer.write(chunk)
            await writer.drain()
        writer.close()
