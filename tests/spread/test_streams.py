"""Streams and their sweeper: nothing unacknowledged is trimmed, everything lost comes back."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from gateway.spread.connections import Connections, RedisAway
from gateway.spread.names import Names
from gateway.spread.streams import Entry, Lost, Streams
from gateway.spread.waking import SpreadWake
from gateway.waking import Handed, Wake
from tests.spread.parts import (
    EVERY,
    KEY,
    NAME,
    Truth,
    handed,
    redis_terms,
    running,
    spread_terms,
    stream,
    until,
)
from tests.support.redis import RedisServer

MANY = 2500  # entries that a dead reader left: more than one page of a claim looks at


Readers = Callable[[str], Streams]


@pytest_asyncio.fixture
async def reader(server: RedisServer) -> AsyncIterator[Readers]:
    """Return what makes readers of the streams, each with connections of its own."""
    made: list[Connections] = []

    def make(name: str) -> Streams:
        made.append(Connections(redis_terms(server)))
        return Streams(made[-1], Names(NAME, KEY), reader=name)

    yield make
    for one in made:
        await one.close()


def pending(server: RedisServer, shard: int) -> int:
    return int(server.command("XPENDING", stream(shard), "deliver")["pending"])


def length(server: RedisServer, shard: int) -> int:
    return int(server.command("XLEN", stream(shard)))


async def read_all(streams: Streams, shards: frozenset[int], count: int) -> list[Entry]:
    found: list[Entry] = []
    while len(found) < count:
        found += await streams.read(shards, count=500, block_ms=1000)
    return found


async def test_each_entry_is_read_once_and_stays_until_it_is_acknowledged(
    server: RedisServer,
    reader: Readers,
) -> None:
    streams, some = reader("a"), handed(60, (3, 4))
    await streams.ready({3, 4})
    assert await streams.announce(some) == frozenset()
    found = await read_all(streams, frozenset({3, 4}), 60)
    assert sorted(filter(None, (one.handed for one in found))) == sorted(some)
    assert await streams.read({3, 4}, count=10, block_ms=1) == []
    assert (length(server, 3), pending(server, 3)) == (30, 30)
    await streams.acknowledge(found[:40])
    assert length(server, 3) + length(server, 4) == 20
    assert pending(server, 3) + pending(server, 4) == 20


async def test_every_page_of_what_a_dead_reader_left_is_claimed(
    server: RedisServer, reader: Readers
) -> None:
    dead, heir = reader("a"), reader("b")
    await dead.ready({7})
    some = handed(MANY, (7,))
    await dead.announce(some)
    left = await read_all(dead, frozenset({7}), MANY)
    await dead.acknowledge(left[:3])
    # So many in a row are gone that whole pages of the claim are empty.
    gone = [one.id for one in left[3 : MANY - 100]]
    for first in range(0, len(gone), 400):
        server.command("XDEL", stream(7), *gone[first : first + 400])
    claimed = await heir.claim(7)
    assert [one.handed for one in claimed] == some[MANY - 100 :]
    assert pending(server, 7) == 100, "what is deleted is pending no more"
    summary = server.command("XPENDING", stream(7), "deliver")
    assert summary["consumers"] == [{"name": b"b", "pending": 100}]


async def test_what_is_no_stream_is_made_one(server: RedisServer, reader: Readers) -> None:
    streams, some = reader("a"), handed(3, (1,))
    server.command("SET", stream(1), "x")
    assert await streams.announce(some) == {1}
    server.command("SET", stream(1), "x")
    with pytest.raises(Lost):
        await streams.read({1}, count=1, block_ms=1)
    with pytest.raises(Lost):
        await streams.claim(1)
    assert await streams.announced(1) == set()
    await streams.ready({1})
    assert await streams.announce(some) == frozenset()
    assert await streams.announced(1) == {one.ref for one in some}


async def test_a_stream_that_holds_enough_says_so_and_trims_nothing(
    server: RedisServer, reader: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.spread.streams.MOST_IN_STREAM", 10)
    streams = reader("a")
    assert await streams.announce(handed(9, (2,))) == frozenset()
    assert await streams.announce(handed(5, (2, 3))) == {2}
    assert length(server, 2) == 12


async def test_an_entry_that_says_nothing_of_ours_is_acknowledged(server: RedisServer) -> None:
    async with running(spread_terms(server), own={5}):
        server.command("XADD", stream(5), "*", "e", "not an event")
        server.command("XADD", stream(5), "*", "a", "b", "c", "d")
        await until(lambda: length(server, 5) == 0)


async def test_an_event_accepted_here_wakes_its_owner_there(server: RedisServer) -> None:
    truth, some = Truth(), handed(40, (6,))
    async with (
        running(spread_terms(server, truth)) as api,
        running(spread_terms(server, truth), own={6, 8}) as owner,
        running(spread_terms(server, truth), own={9}) as other,
    ):
        truth.accept(some)
        wakes: Wake = api.wake
        wakes.wake(some)
        assert await owner.wake.wait(30) == {6}
        await until(lambda: len(owner.wake.unsettled) == len(some))
        assert not other.wake.unsettled
        truth.settle(some)
        owner.wake.done(some)
        await until(lambda: length(server, 6) == 0 and pending(server, 6) == 0)


async def test_an_event_of_its_own_shard_rings_at_once_without_redis(server: RedisServer) -> None:
    server.kill()
    async with running(spread_terms(server), own={6}) as owner:
        owner.wake.wake(handed(1, (6,)))
        assert await owner.wake.wait(30) == {6}
        owner.wake.wake(handed(1, (7,)))
        assert await owner.wake.wait(0.01) == frozenset()
        assert owner.wake.dropped == 1


async def test_what_was_settled_before_it_was_read_is_acknowledged(server: RedisServer) -> None:
    some = handed(10, (6,))
    async with running(spread_terms(server)) as api, running(spread_terms(server)) as owner:
        owner.wake.done(some)  # found by looking
        api.wake.wake(some)
        owner.wake.own({6})
        await until(lambda: api.wake.announced == 10 and length(server, 6) == 0)
        assert not owner.wake.unsettled


async def test_a_shard_that_changes_hands_takes_its_pending_along(server: RedisServer) -> None:
    truth, some = Truth(), handed(1200, (4, 5))
    truth.accept(some)
    async with (
        running(spread_terms(server, truth)) as api,
        running(spread_terms(server, truth), own={4, 5}) as first,
        running(spread_terms(server, truth)) as second,
    ):
        api.wake.wake(some)
        await until(lambda: len(first.wake.unsettled) == len(some))
        first.wake.own({4})
        assert {one.shard for one in some if one.ref in first.wake.unsettled} == {4}
        second.wake.own({5})
        await until(lambda: len(second.wake.unsettled) == len(some) // 2)
        assert await second.wake.wait(30) == {5}
        truth.settle(some)
        first.wake.done(some)
        second.wake.done(some)
        await until(lambda: length(server, 4) == 0 == length(server, 5))


async def test_a_sweep_announces_what_is_missing_and_the_next_one_nothing(
    server: RedisServer,
) -> None:
    truth, some = Truth(), handed(700, (0, 1, 31))
    async with running(spread_terms(server, truth), own={0, 1}) as owner:
        await until(lambda: owner.sweeper.sweeps == 1)  # the one at the start
        truth.accept(some)
        owned = [one for one in some if one.shard in {0, 1}]
        swept = await owner.sweeper.sweep()
        assert swept.announced == len(owned)
        await until(lambda: len(owner.wake.unsettled) == len(owned))
        assert (await owner.sweeper.sweep()).announced == 0
        truth.settle(owned[:100])  # by one who died before saying so
        again = await owner.sweeper.sweep()
        assert (again.announced, again.acknowledged) == (0, 100)
        await until(lambda: length(server, 0) + length(server, 1) == len(owned) - 100)


@pytest.mark.parametrize("loss", ["flush", "restart", "one-stream", "wrong-type", "group", "cut"])
async def test_whatever_is_lost_is_back_from_the_store(server: RedisServer, loss: str) -> None:
    truth, some = Truth(), handed(64)
    async with running(spread_terms(server, truth), own=EVERY) as owner:
        truth.accept(some)
        await owner.sweeper.sweep()
        await until(lambda: len(owner.wake.unsettled) == len(some))
        if loss == "flush":
            server.flush()
        elif loss == "restart":
            server.restart_empty()
        elif loss == "one-stream":
            server.command("DEL", stream(9))
        elif loss == "wrong-type":
            server.command("SET", stream(9), "x")
        elif loss == "group":
            server.command("XGROUP", "DESTROY", stream(9), "deliver")
        else:
            server.cut_clients()
        more = handed(32)
        truth.accept(more)
        before = truth.asked
        if loss == "cut":
            owner.wake.lost.set()
        await until(lambda: truth.asked > before)
        await until(lambda: set(owner.wake.unsettled) >= {one.ref for one in more})
        every = [*some, *more]
        truth.settle(every)
        owner.wake.done(every)
        await until(lambda: all(length(server, shard) == 0 for shard in EVERY))


async def test_announcing_never_waits_whatever_redis_does(server: RedisServer) -> None:
    async with running(spread_terms(server, timeout_s=0.3)) as api:
        server.pause()
        some = handed(30_000)
        api.wake.wake(some)  # not a coroutine: it cannot wait
        assert api.wake.dropped >= 10_000
        await until(lambda: not api.presence.up)
        api.wake.wake(some[:5])
        dropped = api.wake.dropped
        assert dropped >= 10_005
        server.go_on()
        await until(lambda: api.presence.up)
        api.wake.wake([Handed(0, one.ref) for one in some[:5]])
        await until(lambda: api.wake.announced >= 5)


async def test_the_wake_of_redis_is_a_wake(server: RedisServer, reader: Readers) -> None:
    streams = reader("a")
    async with running(spread_terms(server)) as spread:
        wake: Wake = SpreadWake(streams, spread.presence)
        wake.own({1})
        assert await wake.wait(0.0) == frozenset()


async def test_a_server_out_of_memory_costs_announcements_alone(server: RedisServer) -> None:
    truth, some = Truth(), handed(32)
    async with (
        running(spread_terms(server, truth)) as api,
        running(spread_terms(server, truth), own=EVERY) as owner,
    ):
        truth.accept(some)
        api.wake.wake(some)
        await until(lambda: len(owner.wake.unsettled) == len(some))
        server.bound_memory("1", "noeviction")
        api.wake.wake(handed(32))
        truth.settle(some)
        owner.wake.done(some)  # what frees memory is never refused
        await until(lambda: all(length(server, shard) == 0 for shard in EVERY))
        server.bound_memory("0", "noeviction")
        assert api.presence.up
        assert owner.presence.up


async def test_a_replica_made_primary_is_swept(server: RedisServer) -> None:
    truth, some = Truth(), handed(10, (3,))
    async with running(spread_terms(server, truth), own={3}) as owner:
        truth.accept(some)
        await owner.sweeper.sweep()
        server.command("REPLICAOF", "127.0.0.1", "1")
        await until(lambda: not owner.presence.up)
        with pytest.raises(RedisAway):
            await owner.streams.announce(some)
        swept = owner.sweeper.sweeps
        server.command("REPLICAOF", "NO", "ONE")
        await until(lambda: owner.presence.up and owner.sweeper.sweeps > swept)
