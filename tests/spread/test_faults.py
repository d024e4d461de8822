"""Whatever becomes of Redis, every event is settled, and afterwards the streams are whole (F28,
F29).

A failure prints its seed; THROUGHGATE_SEED plays the same choices again. THROUGHGATE_LONG_FAULTS=1
plays more rounds.
"""

import asyncio
import contextlib
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.delivery.breaker import BreakerTerms
from gateway.model.ids import EndpointId
from gateway.spread.connections import Connections
from gateway.spread.spread import Spread
from gateway.waking import POLL_S
from tests.spread.parts import (
    EVERY,
    SlowLine,
    Truth,
    aged,
    handed,
    running,
    spread_terms,
    stream,
    until,
)
from tests.spread.test_connections import storm
from tests.support.histories import chosen_seed
from tests.support.night import LONG, by_night
from tests.support.redis import RedisServer

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

ROUNDS = 60 if LONG else 12
STORMS = 50 if LONG else 5
OWNERS = 3
ROOT = Path(__file__).resolve().parents[2]


def kill(server: RedisServer, _rng: random.Random) -> None:
    server.restart_empty()


def flush(server: RedisServer, _rng: random.Random) -> None:
    server.flush()


def sleep(server: RedisServer, rng: random.Random) -> None:
    server.sleep(rng.uniform(0.1, 1.5))


def cut(server: RedisServer, _rng: random.Random) -> None:
    server.cut_clients()


def mistype(server: RedisServer, rng: random.Random) -> None:
    for key in server.command("KEYS", "tg:*"):
        if rng.random() < 0.3:
            server.command("DEL", key)
            server.command("SET", key, "x")


def evict(server: RedisServer, rng: random.Random) -> None:
    server.bound_memory("3mb")
    for _ in range(5):
        server.command("SET", f"filler:{rng.random()}", b"x" * 400_000)
    server.bound_memory("0", "noeviction")


def replica(server: RedisServer, _rng: random.Random) -> None:
    server.command("REPLICAOF", "127.0.0.1", "1")
    server.command("REPLICAOF", "NO", "ONE")


FAULTS: tuple[Callable[[RedisServer, random.Random], None], ...] = (
    kill, flush, sleep, cut, mistype, evict, replica,
)  # fmt: skip


async def work(spread: Spread, truth: Truth) -> None:
    """Settle what is owed in the shards of one process's own, as an owner does."""
    while True:
        await spread.wake.wait(POLL_S)
        found = await truth.find(spread.wake.owned, 10_000)
        await asyncio.sleep(0.001)  # the commit
        truth.settle(found)
        spread.wake.done(found)


@by_night
@pytest.mark.parametrize("number", range(3))
async def test_every_event_is_settled_and_the_streams_are_whole_again(
    server: RedisServer, number: int
) -> None:
    seed = chosen_seed() + number
    rng, truth = random.Random(seed), Truth()
    async with contextlib.AsyncExitStack() as stack:
        terms = [spread_terms(server, truth, timeout_s=0.5) for _ in range(OWNERS + 1)]
        api, *owners = [await stack.enter_async_context(running(one)) for one in terms]
        share_out(owners, rng)
        working = [asyncio.create_task(work(one, truth)) for one in owners]
        for _ in range(ROUNDS):
            some = handed(rng.randint(1, 300))
            truth.accept(some)
            api.wake.wake(some)
            fault = rng.choice(FAULTS)
            await asyncio.to_thread(fault, server, rng)
            if rng.random() < 0.4:
                share_out(owners, rng)
            await asyncio.sleep(rng.uniform(0, 0.5))
        try:
            await until(lambda: not truth.undecided)
            await until(lambda: all(one.presence.up for one in owners))
            for one in owners:
                await one.sweeper.sweep()
            await until(lambda: sum(server.command("XLEN", stream(n)) for n in EVERY) == 0)
        except BaseException:
            sys.stderr.write(f"seed {seed}\n")
            raise
        finally:
            for task in working:
                task.cancel()
        assert await asyncio.gather(*working, return_exceptions=True)
        assert not any(one.wake.unsettled for one in owners), f"seed {seed}"


def share_out(owners: list[Spread], rng: random.Random) -> None:
    """Give every shard to one owner, at random."""
    shares: list[set[int]] = [set() for _ in owners]
    for shard in EVERY:
        rng.choice(shares).add(shard)
    for owner, share in zip(owners, shares, strict=True):
        owner.wake.own(share)


async def test_storms_of_cancellations_mix_up_nothing(server: RedisServer) -> None:
    seed = chosen_seed()
    rng = random.Random(seed)
    line = SlowLine(server, random.Random(seed + 1), longest_s=0.1)
    async with line.open() as terms:
        connections = Connections(terms)
        for number in range(STORMS):
            await storm(connections, rng, range(number * 400, (number + 1) * 400))
        assert await connections.one("ECHO", "last") == b"last", f"seed {seed}"
        await connections.close()


@by_night
async def test_no_minute_holds_more_than_was_agreed_over_three_processes(
    server: RedisServer,
) -> None:
    aged(server)
    per_minute = 60
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.spread.taker", str(server.port), str(per_minute), "130",
            cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]  # fmt: skip
    said = await asyncio.gather(*(one.communicate() for one in processes))
    assert [one.returncode for one in processes] == [0, 0, 0]
    times = [sorted(float(line) for line in out.split()) for out, _ in said]
    every = sorted(one for mine in times for one in mine)
    most = max(sum(begin <= one < begin + 60.0 for one in every) for begin in every)
    assert most <= per_minute
    assert all(times), "each of them got some"
    assert len(every) > per_minute, "the rate was used"


@by_night
async def test_one_process_after_another_probes_while_redis_comes_and_goes(
    server: RedisServer,
) -> None:
    seed = chosen_seed()
    rng = random.Random(seed)
    endpoint = EndpointId("police-ppu/webhook")
    terms = BreakerTerms(failures=1, shortest_s=0.05, longest_s=0.1)
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(
                running(spread_terms(server, breaker=terms, timeout_s=0.5))
            )
            for _ in range(3)
        ]
        breakers = [one.breakers.of(endpoint) for one in processes]
        for _ in range(ROUNDS):
            await asyncio.to_thread(rng.choice(FAULTS), server, rng)
            one = rng.choice(breakers)
            await until(lambda one=one: one.wait(loop.time()) == 0.0)  # type: ignore[misc]
            probe = one.begin(loop.time())
            one.ended(rng.choice(("failed", "failed", "answered")), loop.time(), probe=probe)
        for one in breakers:
            await until(lambda one=one: one.wait(loop.time()) == 0.0)  # type: ignore[misc]
            probe = one.begin(loop.time())
            one.ended("answered", loop.time(), probe=probe)
        await until(lambda: not any(one.is_open for one in breakers))
