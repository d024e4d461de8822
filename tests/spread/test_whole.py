"""One process's spreading as a whole: what it says of itself, what it asks the store, its end."""

import asyncio
from pathlib import Path

import pytest

from gateway.model.ids import EventRef
from gateway.shards import shard_at
from gateway.spread.health import ANNOUNCED, REDIS_LOSSES, REDIS_UP
from gateway.spread.spread import Spread
from gateway.store import handing
from tests.spread.parts import EVERY, NAME, Truth, handed, running, spread_terms, stream, until
from tests.store.stores import accepted, one_release, opened, set_aside
from tests.support.redis import RedisServer

LIVE = f"tg:{{{NAME}}}:live"


def counted(name: str) -> float:
    return float(ANNOUNCED.labels(name)._value.get())


async def test_it_says_whether_redis_is_there_and_what_it_dropped(server: RedisServer) -> None:
    truth, some = Truth(), handed(6, (1, 2))
    truth.accept(some)
    before = counted("dropped"), REDIS_LOSSES.labels("away")._value.get()
    async with (
        running(spread_terms(server, truth)) as api,
        running(spread_terms(server, truth), own={1, 2}) as owner,
    ):
        await until(lambda: owner.sweeper.sweeps == 1)
        await until(lambda: len(owner.wake.unsettled) == 6)
        reading = await owner.health.read()
        assert (reading.up, reading.degraded, reading.entries) == (True, False, 6)
        assert (reading.unsettled, reading.sweeps) == (6, 1)
        server.kill()
        await until(lambda: not owner.presence.up and not api.presence.up)
        api.wake.wake(handed(4))
        reading = await api.health.read()
        assert (reading.up, reading.degraded, reading.dropped) == (False, True, 4)
        assert (reading.away, reading.entries) == (1, None)
        api.health.count(reading)
        api.health.count(reading)  # a count is counted once
        after = counted("dropped"), REDIS_LOSSES.labels("away")._value.get()
        assert after[0] - before[0] == 4
        assert after[1] - before[1] in {1, 2}  # the owner's own loop may have counted its own
        assert REDIS_UP._value.get() == 0


async def test_processes_know_of_each_other_until_they_leave(server: RedisServer) -> None:
    async with running(spread_terms(server)) as one:
        async with running(spread_terms(server)):
            await until(lambda: one.presence.live == 2)
        await until(lambda: one.presence.live == 1)
    assert server.command("ZCARD", LIVE) == 0


async def test_what_is_settled_is_acknowledged_at_the_end(server: RedisServer) -> None:
    some = handed(2000, (3,))
    async with running(spread_terms(server, Truth()), own={3}) as owner:
        await owner.streams.announce(some)
        await until(lambda: len(owner.wake.unsettled) == len(some))
        owner.wake.done(some)
    assert server.command("XLEN", stream(3)) == 0


async def test_no_loop_ends_whatever_stands_in_redis(server: RedisServer) -> None:
    truth = Truth()
    async with running(spread_terms(server, truth), own=EVERY) as spread:
        await until(lambda: spread.sweeper.sweeps == 1)
        for key in ("epoch", "live", "breakers", *(f"stream:{n}" for n in EVERY)):
            server.command("DEL", f"tg:{{{NAME}}}:{key}")
            server.command("LPUSH", f"tg:{{{NAME}}}:{key}", "junk")
        some = handed(64)
        truth.accept(some)
        await until(lambda: len(spread.wake.unsettled) == len(some))
        tasks = {task.get_name() for task in asyncio.all_tasks()}
        assert set(spread.loops) <= tasks


async def test_the_store_says_what_is_undecided_and_what_is_settled(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.sqlite") as store:
        events = [await accepted(store, one_release(n, id=f"release-{n}")) for n in range(1, 4)]
        slots = {shard_at(store.shards.slot_for(event.person)) for event in events}
        found = handing.undecided(store.reader, EVERY, 10)
        assert [one.ref for one in found] == [event.ref for event in events]
        assert {one.shard for one in found} == slots
        assert handing.undecided(store.reader, EVERY - slots, 10) == []
        assert len(handing.undecided(store.reader, EVERY, 2)) == 2
        assert await set_aside(store, events[0], b"{}", after=1)
        refs = [event.ref for event in events]
        unknown = EventRef("evt_" + 32 * "0")
        assert set(handing.settled(store.reader, [*refs, unknown])) == {refs[0], unknown}
        assert not handing.settled(store.reader, [])


@pytest.mark.parametrize("away", [True, False])
async def test_it_ends_when_it_is_told_to(server: RedisServer, *, away: bool) -> None:
    spread = Spread(spread_terms(server))
    if away:
        server.kill()
    await spread.start()
    await spread.close()
    assert spread.presence.up is not away
