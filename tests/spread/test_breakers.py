"""Shared breakers: one opens for all, one at a time probes, and nobody is left alone for ever."""

import asyncio
import time

import pytest

from gateway.delivery.breaker import BreakerTerms, Change
from gateway.model.ids import EndpointId
from gateway.spread.breaker import SharedBreaker
from gateway.spread.names import Names
from gateway.spread.replay import ReplayWindow
from gateway.spread.spread import Spread
from tests.spread.parts import KEY, NAME, running, spread_terms, until
from tests.support.redis import RedisServer

ENDPOINT = EndpointId("police-ppu/webhook")
LONG = BreakerTerms(failures=2, shortest_s=300.0, longest_s=900.0)
SHORT = BreakerTerms(failures=2, shortest_s=0.3, longest_s=0.6)
KEY_OF_ALL = f"tg:{{{NAME}}}:breakers"
FIELD = Names(NAME, KEY).digest("endpoint", ENDPOINT)


def now() -> float:
    return time.monotonic()


def fail(breaker: SharedBreaker, times: int = 2) -> None:
    for _ in range(times):
        probe = breaker.begin(now())
        breaker.ended("failed", now(), probe=probe)


async def test_what_one_process_opens_is_open_for_all(server: RedisServer) -> None:
    async with (
        running(spread_terms(server, breaker=LONG)) as one,
        running(spread_terms(server, breaker=LONG)) as two,
    ):
        heard: list[tuple[EndpointId, Change]] = []
        two.breakers.changed = lambda endpoint, change: heard.append((endpoint, change))
        mine, theirs = one.breakers.of(ENDPOINT), two.breakers.of(ENDPOINT)
        bystander = two.breakers.of(EndpointId("probation/webhook"))
        fail(mine)
        await until(lambda: theirs.is_open)
        wait = theirs.wait(now())
        assert wait is not None
        assert 0 < wait <= LONG.longest_s
        assert mine.ended("answered", now(), probe=False) == "closed"  # begun before it opened
        await until(lambda: not theirs.is_open)
        assert heard == [(ENDPOINT, "opened"), (ENDPOINT, "closed")]
        assert not bystander.is_open


async def test_one_at_a_time_makes_the_probe(server: RedisServer) -> None:
    async with (
        running(spread_terms(server, breaker=SHORT)) as one,
        running(spread_terms(server, breaker=SHORT)) as two,
    ):
        both = [one.breakers.of(ENDPOINT), two.breakers.of(ENDPOINT)]
        fail(both[0])
        await until(lambda: both[1].is_open)
        prober = await first_to_probe(both)
        other = both[1 - both.index(prober)]
        assert prober.begin(now())
        for _ in range(30):
            assert other.wait(now()) != 0.0
            await asyncio.sleep(0.02)
        assert prober.ended("failed", now(), probe=True) is None  # open still, for longer
        prober = await first_to_probe(both)
        assert prober.begin(now())
        assert prober.ended("answered", now(), probe=True) == "closed"
        await until(lambda: not any(one.is_open for one in both))
        assert server.command("EXISTS", KEY_OF_ALL) == 0


async def first_to_probe(breakers: list[SharedBreaker]) -> SharedBreaker:
    async with asyncio.timeout(30):
        while True:
            ready = [one for one in breakers if one.wait(now()) == 0.0]
            if ready:
                assert len(ready) == 1
                return ready[0]
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("loss", ["flush", "restart", "wrong-type"])
async def test_what_redis_forgets_stays_open(server: RedisServer, loss: str) -> None:
    async with (
        running(spread_terms(server, breaker=LONG)) as one,
        running(spread_terms(server, breaker=LONG)) as two,
    ):
        both = [one.breakers.of(ENDPOINT), two.breakers.of(ENDPOINT)]
        fail(both[0])
        await until(lambda: both[1].is_open)
        if loss == "flush":
            server.flush()
        elif loss == "restart":
            server.restart_empty()
        else:
            server.command("SET", KEY_OF_ALL, "x")
            fail(one.breakers.of(EndpointId("probation/webhook")))
        await until(lambda: server.command("TYPE", KEY_OF_ALL) == b"hash")
        if loss != "wrong-type":
            await until(lambda: bool(server.command("HEXISTS", KEY_OF_ALL, FIELD)))
            assert all(breaker.is_open for breaker in both)


async def test_without_redis_each_goes_by_its_own(server: RedisServer) -> None:
    server.kill()
    async with (
        running(spread_terms(server, breaker=SHORT)) as one,
        running(spread_terms(server, breaker=SHORT)) as two,
    ):
        mine, theirs = one.breakers.of(ENDPOINT), two.breakers.of(ENDPOINT)
        fail(mine)
        assert mine.is_open
        assert not theirs.is_open
        await until(lambda: mine.wait(now()) == 0.0)
        assert mine.begin(now())
        assert mine.wait(now()) is None
        assert mine.ended("answered", now(), probe=True) == "closed"


@pytest.mark.parametrize("said", ["99999999999999:3", "1:1", "nonsense", ":", "-5:2", "1e300:1"])
async def test_nobody_is_left_alone_for_longer_than_the_terms_say(
    server: RedisServer, said: str
) -> None:
    server.command("HSET", KEY_OF_ALL, FIELD, said)
    async with running(spread_terms(server, breaker=LONG)) as spread:
        breaker = spread.breakers.of(ENDPOINT)
        await spread.breakers.exchange()
        wait = breaker.wait(now())
        assert wait is not None
        assert wait <= LONG.longest_s


async def test_redis_away_while_probing_gives_up_nothing(server: RedisServer) -> None:
    async with running(spread_terms(server, breaker=SHORT)) as spread:
        breaker = spread.breakers.of(ENDPOINT)
        fail(breaker)
        await until(lambda: breaker.wait(now()) == 0.0)
        assert breaker.begin(now())
        server.restart_empty()
        await until(lambda: not spread.presence.up or spread.presence.forgot_count > 0)
        assert breaker.wait(now()) is None
        breaker.ended("neither", now(), probe=True)
        await until(lambda: breaker.wait(now()) == 0.0)


def window(spread: Spread) -> ReplayWindow:
    return spread.called


async def test_what_one_saw_all_have_seen(server: RedisServer) -> None:
    async with running(spread_terms(server)) as one, running(spread_terms(server)) as two:
        assert await window(one).is_first("mesh", "m-1")
        assert not await window(one).is_first("mesh", "m-1")
        assert not await window(two).is_first("mesh", "m-1")
        assert await window(two).is_first("mesh", "m-2")
        await window(one).forget("mesh", "m-2")
        assert await window(one).is_first("mesh", "m-2")
        server.kill()
        assert await window(one).is_first("mesh", "m-3")
        assert not await window(one).is_first("mesh", "m-3")
        await window(one).forget("mesh", "m-3")
        assert await window(one).is_first("mesh", "m-3")
