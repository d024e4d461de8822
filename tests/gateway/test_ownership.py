"""Who owns which shard: by worker, by lease, and the fence that asks in the transaction."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.event_queue import EventQueue
from gateway.leasing import Leasing
from gateway.model.event import Event
from gateway.model.ids import AgencyName, AlertId, EventRef, PersonRef
from gateway.shards import EVERY, SHARDS, Shards, in_mask, mask_of, shard_of
from gateway.store import leases, sqlite
from gateway.store.decisions import Verdict
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.leases import LeaseLost, fenced, of_alerts, of_event, of_first, of_slots
from gateway.store.place import Place, PostgresPlace, SqlitePlace
from gateway.store.store import Store
from tests.store.owing import decided, disclosure, final, owe
from tests.store.stores import KEK, LOG_KEY, NOW, accepted, one_release
from tests.support.postgres import fresh_database

LEASE = dt.timedelta(seconds=15)


class Clock:
    """Time as the test turns it: the wall's, and a process's own, which may part."""

    def __init__(self) -> None:
        self.wall = NOW
        self.own = 100.0

    def now(self) -> dt.datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.own

    def pass_time(self, seconds: float) -> None:
        self.wall += dt.timedelta(seconds=seconds)
        self.own += seconds


@pytest.fixture
def place(tmp_path: Path) -> Place:
    path = tmp_path / "throughgate.db"
    sqlite.create(path)
    return SqlitePlace(path)


@pytest.fixture(scope="module")
def on_a_server() -> Iterator[Place]:
    with fresh_database() as url:
        yield PostgresPlace(url)


@contextlib.asynccontextmanager
async def process(place: Place, clock: Clock) -> AsyncIterator[tuple[Store, Leasing]]:
    """One process of the scaled form: its store, and what keeps its leases."""
    store = await Store.open(
        place,
        key_encryption_key=KEK,
        log_key=LOG_KEY,
        on_fatal=list[str]().append,
        slot=-1,
        shards=Shards.by_lease(monotonic=clock.monotonic),
    )
    number = next(_numbers)
    leasing = Leasing(
        store=store,
        holder=f"own_{number:04}",
        now=clock.now,
        lease_for=LEASE,
        monotonic=clock.monotonic,
    )
    try:
        yield store, leasing
    finally:
        await store.close()


_numbers = iter(range(10_000))


def owned(store: Store) -> frozenset[int]:
    return in_mask(store.shards.mask)


def written(name: str) -> Unit[str]:
    """Return a unit that leaves a mark."""

    def unit(connection: Connection) -> Staged[str]:
        connection.execute("INSERT INTO setting (name, value) VALUES (?, ?)", (name, ""))
        return Staged(name)

    return unit


def marks(store: Store) -> set[str]:
    rows = store.reader.execute("SELECT name FROM setting WHERE name LIKE 'mark-%'")
    return {name for (name,) in rows}


@given(st.integers(1, SHARDS), st.integers(-1000, 1000))
def test_every_slot_is_owned_by_one_worker_whatever_their_number(slots: int, slot: int) -> None:
    owners = [k for k in range(slots) if Shards.of_worker(k, slots).owns(slot)]
    assert owners == [abs(slot) % SHARDS % slots]


def test_a_worker_that_rests_owns_nothing_until_it_begins() -> None:
    shards = Shards.of_worker(0, 2, resting=True)
    assert shards.mask == 0
    assert shards.may_change
    assert shards.slot_for(PersonRef("per_1")) == 0
    shards.begin()
    assert shards.mask == mask_of(range(0, SHARDS, 2))
    assert shards.is_first


def test_the_command_line_owns_nothing() -> None:
    assert Shards.of_worker(-1, 1).mask == 0


def test_a_persons_shard_is_the_same_for_ever() -> None:
    assert [shard_of(PersonRef(f"per_{n}")) for n in range(4)] == [10, 28, 6, 16]
    spread = {shard_of(PersonRef(f"per_{n}")) for n in range(1000)}
    assert spread == set(range(SHARDS))


def test_what_waits_is_forgotten_and_what_is_under_decision_is_not() -> None:
    queue = EventQueue()
    first, behind, other = (one_event(n) for n in (1, 2, 3))
    behind = one_event(2, person=first.person)
    for event in (first, behind, other):
        queue.add(event)
    assert asyncio.run(queue.next()) is first
    queue.clear()
    assert len(queue) == 1
    assert set(queue.persons) == {first.person}
    queue.done(first)
    assert len(queue) == 0
    queue.add(behind)
    assert asyncio.run(queue.next()) is behind


def one_event(number: int, person: str | None = None) -> Event:
    return Event(
        ref=EventRef(f"evt_{number}"),
        agency=AgencyName("prison"),
        person=PersonRef(person or f"per_{number}"),
        kind="release.actual",
        occurred_at=NOW,
        received_at=NOW,
        groups={},
    )


class TestLeases:
    """What holds on both engines."""

    @pytest.fixture(params=["sqlite", "postgres"])
    def anywhere(self, request: pytest.FixtureRequest) -> Place:
        name = "place" if request.param == "sqlite" else "on_a_server"
        found: Place = request.getfixturevalue(name)
        if isinstance(found, PostgresPlace):
            with contextlib.closing(found.open_writer()) as writer, writer:
                writer.execute("DELETE FROM lease")
                writer.execute("DELETE FROM setting WHERE name LIKE 'mark-%'")
        return found

    async def test_the_first_takes_all_and_the_second_its_half_once_it_is_given_up(
        self, anywhere: Place
    ) -> None:
        clock = Clock()
        async with (
            process(anywhere, clock) as (one, keeps),
            process(anywhere, clock) as (
                two,
                keeps_too,
            ),
        ):
            await keeps.turn()
            assert one.shards.mask == EVERY
            await keeps_too.turn()
            assert two.shards.mask == 0
            await keeps.turn()
            await keeps_too.turn()
            assert one.shards.mask | two.shards.mask == EVERY
            assert one.shards.mask & two.shards.mask == 0
            assert len(owned(one)) == len(owned(two)) == SHARDS // 2
            assert one.shards.is_first
            assert one.shards.holders == two.shards.holders == 2

    async def test_who_leaves_gives_up_at_once_and_the_tokens_rise(self, anywhere: Place) -> None:
        clock = Clock()
        async with (
            process(anywhere, clock) as (one, keeps),
            process(anywhere, clock) as (
                two,
                keeps_too,
            ),
        ):
            await keeps.turn()
            before = dict(one.shards.tokens or {})
            keeps.leave()
            await keeps.turn()
            await keeps.stop()
            await keeps_too.turn()
            assert two.shards.mask == EVERY
            after = two.shards.tokens or {}
            assert all(after[shard] == before[shard] + 1 for shard in range(SHARDS))

    async def test_a_unit_begun_under_a_lease_that_is_anothers_now_writes_nothing(
        self, anywhere: Place
    ) -> None:
        clock = Clock()
        async with (
            process(anywhere, clock) as (one, keeps),
            process(anywhere, clock) as (
                two,
                keeps_too,
            ),
        ):
            await keeps.turn()
            under = one.shards.tokens
            await one.commit_owned(written("mark-before"), of_first(), under)
            await keeps.stop()
            await keeps_too.turn()
            with pytest.raises(LeaseLost):
                await one.commit_owned(written("mark-late"), of_slots([-31]), under)
            await two.commit_owned(written("mark-new"), of_first(), two.shards.tokens)
            assert marks(two) == {"mark-before", "mark-new"}

    async def test_work_begun_under_a_lease_lost_and_won_again_is_refused(
        self, anywhere: Place
    ) -> None:
        clock = Clock()
        async with process(anywhere, clock) as (one, keeps):
            await keeps.turn()
            under = one.shards.tokens
            await keeps.stop()
            await keeps.turn()
            assert one.shards.mask == EVERY
            with pytest.raises(LeaseLost):
                await one.commit_owned(written("mark-late"), of_first(), under)
            await one.commit_owned(written("mark-new"), of_first(), one.shards.tokens)

    async def test_two_that_race_for_what_is_free_share_it(self, anywhere: Place) -> None:
        clock = Clock()
        async with (
            process(anywhere, clock) as (one, keeps),
            process(anywhere, clock) as (
                two,
                keeps_too,
            ),
        ):
            for _ in range(3):
                await asyncio.gather(keeps.turn(), keeps_too.turn())
            assert one.shards.mask ^ two.shards.mask == EVERY

    async def test_more_processes_than_shards_leave_some_without(self, anywhere: Place) -> None:
        clock = Clock()
        async with process(anywhere, clock) as (store, keeps):
            for number in range(40):
                unit = leases.keep(f"a_{number:02}", {}, now=clock.now(), lease_for=LEASE)
                await store.commit(unit)
            await keeps.turn()
            assert store.shards.holders == 41
            assert store.shards.mask == 0

    async def test_what_nobody_ever_held_is_nobodys(self, anywhere: Place) -> None:
        clock = Clock()
        async with process(anywhere, clock) as (store, _):
            for about in (
                of_first(),
                of_event(EventRef("evt_none")),
                of_alerts([AlertId("alt_none")]),
            ):
                with pytest.raises(LeaseLost):
                    await store.commit_owned(written("mark-none"), about, store.shards.tokens)
            assert marks(store) == set()


async def test_a_lease_that_ended_is_taken_and_its_sleeping_holder_stops_by_itself(
    place: Place,
) -> None:
    clock, others = Clock(), Clock()
    async with process(place, clock) as (one, keeps), process(place, others) as (two, keeps_too):
        await keeps.turn()
        clock.pass_time(LEASE.total_seconds() * 0.79)
        assert one.shards.mask == EVERY
        clock.pass_time(1)
        assert one.shards.mask == 0, "before the lease ends"
        others.pass_time(LEASE.total_seconds() + 1)
        await keeps_too.turn()
        await keeps_too.turn()
        assert two.shards.mask == EVERY


async def test_a_holder_whose_own_clock_stood_still_is_stopped_by_the_fence_alone(
    place: Place,
) -> None:
    """The planted fault: paused past its lease, it believes that nothing happened."""
    asleep, others = Clock(), Clock()
    async with process(place, asleep) as (one, keeps), process(place, others) as (two, keeps_too):
        await keeps.turn()
        event = await owe(one, 1, "alt_1")
        others.pass_time(LEASE.total_seconds() + 1)
        await keeps_too.turn()
        assert one.shards.mask == EVERY, "it knows of nothing"
        assert two.shards.mask == EVERY
        with pytest.raises(LeaseLost):
            await one.commit_owned(written("mark-asleep"), of_event(event.ref), one.shards.tokens)
        with pytest.raises(LeaseLost):
            await one.commit_owned(
                written("mark-asleep"), of_alerts([AlertId("alt_1")]), one.shards.tokens
            )
        unfenced = fenced(written("mark-unfenced"), None, of_first())
        await one.commit(unfenced)
        assert marks(two) == {"mark-unfenced"}, "without the fence it would have been written"


@pytest.mark.parametrize("step", [-3600, 3600])
async def test_a_clock_that_steps_makes_no_two_owners_that_can_write(
    place: Place, step: int
) -> None:
    clock = Clock()
    async with process(place, clock) as (one, keeps), process(place, clock) as (two, keeps_too):
        await keeps.turn()
        clock.wall += dt.timedelta(seconds=step)
        await keeps_too.turn()
        done: list[str] = []
        for store in (one, two):
            with contextlib.suppress(LeaseLost):
                done.append(
                    await store.commit_owned(
                        written(f"mark-{len(done)}"), of_first(), store.shards.tokens
                    )
                )
        assert len(done) == 1


async def test_a_decision_by_who_owns_the_event_no_more_changes_nothing(place: Place) -> None:
    asleep, others = Clock(), Clock()

    async def decide(store: Store, alert: str) -> Verdict:
        made = decided(event, disclosure(event, alert), slot=store.shards.slot_for(event.person))
        return (
            await store.commit_owned(final(made), of_event(event.ref), store.shards.tokens)
        ).verdict

    async with process(place, asleep) as (one, keeps), process(place, others) as (two, keeps_too):
        await keeps.turn()
        event = await accepted(one, one_release(1))
        others.pass_time(LEASE.total_seconds() + 1)
        await keeps_too.turn()
        with pytest.raises(LeaseLost):
            await decide(one, "alt_one")
        assert await decide(two, "alt_two") == "committed"
        assert one.reader.execute("SELECT alert FROM outbox").fetchall() == [("alt_two",)]


async def test_what_is_accepted_is_its_persons_shards_and_found_by_its_owner(
    place: Place,
) -> None:
    clock = Clock()
    async with process(place, clock) as (one, keeps), process(place, clock) as (two, keeps_too):
        for turn in (keeps, keeps_too, keeps, keeps_too):
            await turn.turn()
        events = [await accepted(one, one_release(number)) for number in range(12)]
        found = {event.ref: store for store in (one, two) for event in store.undecided(limit=50)[0]}
        for event in events:
            assert found.pop(event.ref).shards.owns(shard_of(event.person))
        assert not found


class Working:
    """What is under way, as the test says; counts how often the rest is put back."""

    def __init__(self) -> None:
        self.under_way = 0
        self.put_backs = 0

    def put_back(self) -> None:
        self.put_backs += 1


async def test_a_shard_is_handed_over_only_when_nothing_of_it_is_under_way(place: Place) -> None:
    clock, working = Clock(), Working()
    async with process(place, clock) as (one, keeps), process(place, clock) as (two, keeps_too):
        keeps.serve(working)
        await keeps.turn()
        under, working.under_way = one.shards.tokens, 1 << 31
        await keeps_too.turn()
        await keeps.turn()
        assert working.put_backs == 1
        assert not one.shards.owns(31), "nothing new of it is begun"
        await keeps_too.turn()
        assert not two.shards.owns(31)
        await one.commit_owned(written("mark-ended"), of_slots([31]), under)
        working.under_way = 0
        await keeps.turn()
        await keeps_too.turn()
        assert two.shards.owns(31)
        with pytest.raises(LeaseLost):
            await one.commit_owned(written("mark-late"), of_slots([31]), under)


class Held:
    """Leases as they should be: at most one process may write about a shard."""

    def __init__(self, count: int) -> None:
        self.tokens: list[dict[int, int]] = [{} for _ in range(count)]


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from(["keep", "leave", "pass", "take"]), st.integers(0, 20)
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(STEPS)
def test_whatever_happens_no_two_can_write_about_one_shard(
    steps: list[tuple[int, str, int]],
) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(
        "CREATE TABLE lease (shard INTEGER PRIMARY KEY, holder TEXT NOT NULL,"
        " token INTEGER NOT NULL, until INTEGER NOT NULL) STRICT"
    )
    now, held = NOW, Held(3)
    highest: dict[int, int] = {}
    for who, what, number in steps:
        name = f"p{who}"
        if what == "pass":
            now += dt.timedelta(seconds=number)
        elif what == "leave":
            leases.release(name)(connection)
        else:
            if what == "keep":
                kept = leases.keep(name, held.tokens[who], now=now, lease_for=LEASE)(connection)
                held.tokens[who] = dict(kept.result.tokens)
            else:
                took = leases.take(name, number, now=now, lease_for=LEASE)(connection)
                held.tokens[who] |= took.result
        may_write = [
            shard
            for tokens in held.tokens
            for shard in range(SHARDS)
            if _may_write(connection, tokens, shard)
        ]
        assert len(may_write) == len(set(may_write))
        for shard, token in connection.execute("SELECT shard, token FROM lease WHERE shard < 32"):
            assert token >= highest.get(shard, 0)
            highest[shard] = token


def _may_write(connection: Connection, tokens: dict[int, int], shard: int) -> bool:
    unit = fenced(lambda _connection: Staged(None), tokens, of_slots([shard]))
    with contextlib.suppress(LeaseLost):
        unit(connection)
        return True
    return False
