"""Shared rates and caps: together no more than was agreed, alone no more than a share."""

import asyncio
import time

import pytest

from gateway.channels.sms.caps import Caps
from gateway.model.ids import EndpointId
from gateway.spread.limits import WINDOW_S, SharedRate
from gateway.spread.spread import Spread
from tests.spread.parts import aged, running, spread_terms, until
from tests.support.redis import RedisServer

ENDPOINT = EndpointId("police-ppu/webhook")
NUMBER = "+447700900123"


def begun(rate: SharedRate, now: float) -> int:
    """Begin all that may begin at a moment; return how many that were."""
    count = 0
    while rate.wait(now) == 0.0:
        rate.take(now)
        count += 1
    return count


def rate_of(spread: Spread, per_minute: int) -> SharedRate:
    rate = spread.rates.of(ENDPOINT)
    rate.limit(per_minute)
    return rate


async def test_two_processes_take_from_one_bucket(server: RedisServer) -> None:
    aged(server)
    async with running(spread_terms(server)) as one, running(spread_terms(server)) as two:
        rates = [rate_of(one, 600), rate_of(two, 600)]
        began = time.monotonic()
        counts = [0, 0]
        while sum(counts) < 70:
            for n, rate in enumerate(rates):
                counts[n] += begun(rate, time.monotonic())
            await asyncio.sleep(0.01)
        capacity, gain = 60, (600 - 60 + 1) / WINDOW_S
        assert sum(counts) <= capacity + gain * (time.monotonic() - began) + 1
        assert min(counts) > 0


async def test_a_token_nobody_used_is_anothers(server: RedisServer) -> None:
    aged(server)
    async with running(spread_terms(server)) as one, running(spread_terms(server)) as two:
        mine, other = rate_of(one, 1), rate_of(two, 1)
        await until(lambda: mine.wait(time.monotonic()) == 0.0)
        await until(lambda: other.wait(time.monotonic()) > 1.0)  # it was told that there is none
        await until(lambda: other.wait(time.monotonic()) == 0.0)  # there would be one in a minute
        other.take(time.monotonic())
        assert mine.wait(time.monotonic()) > 0.0


async def test_without_redis_each_keeps_to_its_share(server: RedisServer) -> None:
    server.kill()
    async with running(spread_terms(server, processes=4)) as alone:
        rate = rate_of(alone, 40)
        counts = {second: begun(rate, float(second)) for second in range(600)}
        for first in range(540):
            assert sum(counts[first + n] for n in range(60)) <= 10
        assert sum(counts.values()) >= 95


async def test_a_redis_that_forgot_is_not_counted_on(server: RedisServer) -> None:
    async with running(spread_terms(server, processes=2)) as spread:
        rate = rate_of(spread, 20)
        assert not spread.rates.is_shared(time.monotonic())
        assert begun(rate, 1000.0) == 1  # a tenth of its share
        aged(server)
        await until(lambda: spread.rates.is_shared(time.monotonic()))
        server.flush()
        await until(lambda: not spread.rates.is_shared(time.monotonic()))


async def test_an_endpoint_without_a_rate_asks_nobody(server: RedisServer) -> None:
    async with running(spread_terms(server)) as spread:
        rate = spread.rates.of(ENDPOINT)
        for _ in range(1000):
            assert rate.wait(0.0) == 0.0
            rate.take(0.0)
        with pytest.raises(ValueError, match="1 a minute"):
            rate.limit(0)
        rate.limit(1)
        rate.take(0.0)
        with pytest.raises(RuntimeError, match="over the rate"):
            rate.take(0.0)


@pytest.mark.parametrize("trouble", ["wrong-type", "no-memory", "no-script"])
async def test_a_bucket_in_trouble_holds_nobody_up(server: RedisServer, trouble: str) -> None:
    aged(server)
    async with running(spread_terms(server, processes=2)) as spread:
        rate = rate_of(spread, 40)
        await until(lambda: rate.wait(time.monotonic()) == 0.0)
        begun(rate, time.monotonic())
        if trouble == "wrong-type":
            for key in server.command("KEYS", "*:rate:*"):
                server.command("SET", key, "x")
        elif trouble == "no-memory":
            server.bound_memory("1", "noeviction")
        else:
            server.command("SCRIPT", "FLUSH")
        later = time.monotonic()
        async with asyncio.timeout(30):
            while rate.wait(later) != 0.0:
                later += 0.5
                await asyncio.sleep(0.01)
        assert spread.presence.up


async def test_a_number_gets_its_cap_from_all_together(server: RedisServer) -> None:
    aged(server)
    caps = Caps(routine=4, urgent=6, identical=3)
    async with running(spread_terms(server)) as one, running(spread_terms(server)) as two:
        both = [one.caps(caps), two.caps(caps)]
        for n in range(3):
            assert not await both[n % 2].take(NUMBER, "same", urgent=False, at=0.0)
        assert await both[1].take(NUMBER, "same", urgent=True, at=0.0)
        assert not await both[1].take(NUMBER, "other", urgent=False, at=0.0)
        wait = await both[0].take(NUMBER, "a third", urgent=False, at=0.0)
        assert 0 < wait.total_seconds() <= 3600
        assert not await both[0].take(NUMBER, "a third", urgent=True, at=0.0)
        await both[0].give_back(NUMBER, "a third")
        for n in range(2):
            assert not await both[n].take(NUMBER, f"urgent {n}", urgent=True, at=0.0)
        assert await both[0].take(NUMBER, "one more", urgent=True, at=0.0)
        assert not await both[0].take("+447700900999", "same", urgent=False, at=0.0)


@pytest.mark.parametrize("state", ["away", "young"])
async def test_without_memory_a_number_gets_a_share_of_its_cap(
    server: RedisServer, state: str
) -> None:
    if state == "away":
        server.kill()
    caps = Caps(routine=4, urgent=8, identical=4)
    async with running(spread_terms(server, processes=2)) as spread:
        mine = spread.caps(caps)
        taken = [
            not await mine.take(NUMBER, f"text {n}", urgent=False, at=float(n)) for n in range(5)
        ]
        assert taken == [True, True, False, False, False]
        await mine.give_back(NUMBER, "text 1")
        assert not await mine.take(NUMBER, "text 6", urgent=False, at=6.0)
        if state == "young":
            assert server.command("ZCARD", server.command("KEYS", "*:texts:*")[0]) == 2


async def test_what_went_before_redis_went_is_counted(server: RedisServer) -> None:
    aged(server)
    caps = Caps(routine=4, urgent=8, identical=4)
    async with running(spread_terms(server, processes=2)) as spread:
        mine = spread.caps(caps)
        for n in range(2):
            assert not await mine.take(NUMBER, f"text {n}", urgent=False, at=0.0)
        server.kill()
        assert await mine.take(NUMBER, "text 2", urgent=False, at=0.0)
        assert not spread.presence.up
