"""Several alerts in one post: only what had to wait, nobody out of turn, and no alert held back by
another."""

import asyncio
import contextlib
import datetime as dt
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.contract import Together
from gateway.delivery.batch import ABREAST, bytes_of, share
from gateway.delivery.breaker import Breaker, BreakerTerms
from gateway.delivery.lane import Lane, Load
from gateway.delivery.taken import MAX_BYTES, Taken
from gateway.model.disclosure import Parcel
from gateway.model.ids import AlertId, EndpointId, PersonRef
from gateway.model.outcome import Accepted, Deferred, Outcome
from gateway.model.party import Endpoint
from gateway.store import outbox
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from gateway.store.outbox import Key, OutboxRow
from tests.gateway.delivering import Channel, NothingElse, Scene, endpoint_of, scene
from tests.gateway.test_deliver_lanes import logged
from tests.gateway.test_deliver_order import ENDPOINT, ROW
from tests.store.owing import owe
from tests.store.stores import NOW, column

Answer = Callable[[Sequence[AlertId]], Outcome | Sequence[Outcome]]
TOGETHER = 64


class Batches(Channel):
    """A channel that takes several alerts at once, and notes who came with whom."""

    def __init__(self, answer: Answer = lambda _alerts: Accepted()) -> None:
        super().__init__(self._one)
        self._answer = answer
        self.posts: list[list[AlertId]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def _one(self, parcel: Parcel) -> Outcome:
        self.posts.append([parcel.alert])
        if not parcel.urgent:
            await self.gate.wait()
        came = self._answer([parcel.alert])
        return came if not isinstance(came, Sequence) else came[0]

    async def deliver_together(self, parcels: Sequence[Parcel], *, most_bytes: int) -> Together:
        assert sum(len(parcel.sealed) + len(parcel.proof) for parcel in parcels) <= most_bytes
        alerts = [parcel.alert for parcel in parcels]
        self.posts.append(alerts)
        self.parcels += parcels
        keys = {(parcel.alert, parcel.endpoint) for parcel in parcels}
        assert keys.isdisjoint(self._under_way)
        self._under_way |= keys
        await self.gate.wait()
        self._under_way -= keys
        came = self._answer(alerts)
        if isinstance(came, Sequence):
            return Together(said=Accepted(), each=tuple(came))
        return Together(said=came, each=(came,) * len(parcels))


def takes(count: int) -> Callable[[EndpointId], Endpoint]:
    return lambda id_: replace(endpoint_of(id_), batches=count)


@contextlib.asynccontextmanager
async def bulk(path: Path, channel: Batches, count: int = TOGETHER) -> AsyncIterator[Scene]:
    async with scene(
        path,
        channels={"webhook": channel},
        endpoint_of=takes(count),
        give_up_after=dt.timedelta(days=3),
    ) as stage:
        yield replace(stage, channel=channel)


_COLUMNS = (
    "endpoint, event, recipient, channel, form, message, leaf_index, exercise, step, digest,"
    " state, slot, sealed, proof"
)
_COPIES = (
    "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)"
    " INSERT INTO outbox (alert, person, urgent, decided_at, next_at,"
    f" {_COLUMNS})"
    " SELECT printf('alt_%s_%03d', ?, i), printf('per_%d', i % ?), ?, decided_at + i, next_at,"
    f" {_COLUMNS} FROM n, outbox WHERE alert = ?"
)


async def backlog(stage: Scene, count: int, *, persons: int = 1000, urgent: bool = False) -> None:
    """Owe so many alerts, about so many persons in turn, in the order of their numbers."""
    sort = "u" if urgent else "r"
    await owe(stage.store, 1, f"pattern_{sort}")

    def unit(connection: Connection) -> Staged[None]:
        connection.execute(_COPIES, (count, sort, persons, int(urgent), f"pattern_{sort}"))
        connection.execute("DELETE FROM outbox WHERE alert = ?", (f"pattern_{sort}",))
        return Staged(None)

    await stage.store.commit(unit)


# The lane alone.

MIX = st.lists(
    st.tuples(
        st.integers(0, 30),  # person
        st.sampled_from(["urgent", "", "", "", "digest"]),
        st.sampled_from([0, 0, 0, 1, 2, 3, 9]),  # attempts so far
        st.integers(0, 2000),  # bytes
    ),
    max_size=60,
)


def check_load(load: Load, most: int, most_bytes: int) -> None:
    if len(load) == 1:
        return
    assert not any(row.urgent or row.digest for row in load), "an urgent one goes alone"
    assert len({row.person for row in load}) == len(load), "one at a time about a person"
    assert {share(row.attempts, most) for row in load} == {share(load[0].attempts, most)}
    assert len(load) <= share(load[0].attempts, most)
    assert sum(bytes_of(row) for row in load) <= most_bytes


@given(MIX, st.integers(2, 20), st.integers(500, 6000), st.randoms(use_true_random=False))
def test_whatever_waits_no_post_breaks_a_rule_and_all_leaves_once(
    mix: list[tuple[int, str, int, int]], most: int, most_bytes: int, chance: random.Random
) -> None:
    lane = Lane(endpoint=ENDPOINT, breaker=Breaker(BreakerTerms(), random.Random(1)))
    lane.batches, lane.batch_bytes = most, most_bytes
    begun: dict[PersonRef, list[str]] = defaultdict(list)
    running: list[Load] = []
    for number, (person, sort, attempts, size) in enumerate(mix):
        row = replace(
            ROW, alert=AlertId(f"alt_{number:03}"), person=PersonRef(f"per_{person}"),
            urgent=sort == "urgent", digest=sort == "digest", attempts=attempts,
            sealed=b"x" * size,
        )  # fmt: skip
        lane.add_digest((row,)) if row.digest else lane.add(row)
    left: list[Key] = []
    while lane.held:
        while taken := lane.begin(0.0):
            load, _probe = taken
            check_load(load, most, most_bytes)
            running.append(load)
            for row in load:
                if not row.digest:
                    begun[row.person].append(f"{'u' if row.urgent else 'r'} {row.alert}")
        assert sum(not load[0].urgent for load in running) <= ABREAST
        load = running.pop(chance.randrange(len(running)))
        keys = [row.key for row in load]
        left += keys
        lane.ended(load, "answered", 0.0, probe=False, settled=keys)
    assert sorted(alert for alert, _ in left) == [f"alt_{n:03}" for n in range(len(mix))]
    for alerts in begun.values():
        routine = [one for one in alerts if one[0] == "r"]
        assert routine == sorted(routine)
    assert (lane.running, lane.running_urgent) == (0, 0)


def test_behind_one_that_is_still_owed_the_others_come_again() -> None:
    lane = Lane(endpoint=ENDPOINT, breaker=Breaker(BreakerTerms(), random.Random(1)))
    lane.batches, lane.batch_bytes = 10, 100_000
    for number in range(16):  # two about each of eight
        person = PersonRef(f"per_{number % 8}")
        lane.add(replace(ROW, alert=AlertId(f"alt_{number:02}"), person=person))
    load, _probe = lane.begin(0.0) or ((), False)
    assert [row.alert for row in load] == [f"alt_{n:02}" for n in range(8)]
    assert lane.begin(0.0) is None
    gone = [row.key for row in load if row.alert != "alt_03"]
    back, _change = lane.ended(load, "answered", 0.0, probe=False, settled=gone)
    assert back == [("alt_11", ENDPOINT)], "and not before the one they are behind"
    assert lane.held == lane.in_line == 7
    assert lane.more


# The deliverer, over a real store.


async def test_a_backlog_leaves_together_and_what_can_leave_at_once_leaves_alone(
    tmp_path: Path,
) -> None:
    channel = Batches()
    async with bulk(tmp_path / "throughgate.db", channel) as stage:
        await backlog(stage, 3)
        await stage.pass_time(1)
        assert sorted(map(len, channel.posts)) == [1, 1, 1], "three places, three posts"
    channel = Batches()
    async with bulk(tmp_path / "more.db", channel) as stage:
        await backlog(stage, 300, persons=100)
        await stage.pass_time(5)
        assert set(stage.states().values()) == {"accepted"}
        assert max(map(len, channel.posts)) == TOGETHER
        assert len(channel.posts) < 300 / 10
        came = [alert for post in channel.posts for alert in post]
        assert len(came) == len(set(came)) == 300
        for person in range(100):
            mine = [alert for alert in came if int(alert[6:]) % 100 == person]
            assert mine == sorted(mine)
        assert len(logged(tmp_path / "more.db")) == 300


async def test_an_urgent_alert_leaves_alone_past_posts_that_hang(tmp_path: Path) -> None:
    channel = Batches()
    async with bulk(tmp_path / "throughgate.db", channel) as stage:
        channel.gate.clear()
        await backlog(stage, 300)
        await stage.sweep()
        assert len(channel.posts) == ABREAST
        await backlog(stage, 3, urgent=True)
        await stage.sweep()
        assert [post for post in channel.posts if "_u_" in post[0]] == [
            [f"alt_u_{n:03}"] for n in range(3)
        ]
        channel.gate.set()
        await stage.pass_time(5)
        assert set(stage.states().values()) == {"accepted"}


@pytest.mark.parametrize("reason", ["http-500", "http-400", "http-503", "http-410"])
async def test_one_that_the_receiver_chokes_on_holds_nobody_back(
    tmp_path: Path, reason: str
) -> None:
    poison = AlertId("alt_r_050")
    channel = Batches(lambda alerts: Deferred(reason=reason) if poison in alerts else Accepted())
    async with bulk(tmp_path / "throughgate.db", channel) as stage:
        await backlog(stage, 200)
        await stage.pass_time(0 if reason != "http-503" else 200)
        states = stage.states()
        assert {state for key, state in states.items() if poison not in key} == {"accepted"}
        assert states[f"{poison} police/webhook"] == "pending"
        with_it = [len(post) for post in channel.posts if poison in post]
        assert with_it == sorted(with_it, reverse=True)
        assert with_it[-1] == 1, "in the end it is asked about alone"
        assert len(channel.posts) < 40
        tried = Counter(alert for post in channel.posts for alert in post)
        attempts = column(tmp_path / "throughgate.db", "SELECT attempts FROM outbox")
        assert sorted(tried.values()) == sorted(attempts)
        assert len(logged(tmp_path / "throughgate.db")) == sum(attempts), "each its own entry"


async def test_those_not_taken_are_tried_again_and_the_others_are_not(tmp_path: Path) -> None:
    refused: set[str] = set()

    def answer(alerts: Sequence[AlertId]) -> Sequence[Outcome]:
        not_yet = [alert for alert in alerts if alert.endswith("7") and alert not in refused]
        refused.update(not_yet)
        return [
            Deferred(reason="http-not-taken") if alert in not_yet else Accepted()
            for alert in alerts
        ]

    channel = Batches(answer)
    async with bulk(tmp_path / "throughgate.db", channel) as stage:
        await backlog(stage, 100, persons=20)
        await stage.pass_time(120)
        assert set(stage.states().values()) == {"accepted"}
        tried = Counter(alert for post in channel.posts for alert in post)
        assert {tried[alert] for alert in tried if alert in refused} == {2}
        assert {tried[alert] for alert in tried if alert not in refused} == {1}
        taken = [a for post in channel.posts for a in post]
        for person in range(20):
            mine = [alert for alert in taken if int(alert[6:]) % 20 == person]
            assert mine == sorted(mine), "nobody overtakes one that is tried again"


async def test_nobody_there_is_no_reason_to_part(tmp_path: Path) -> None:
    away = [True]
    channel = Batches(lambda _alerts: Deferred(reason="connect") if away[0] else Accepted())
    async with bulk(tmp_path / "throughgate.db", channel) as stage:
        await backlog(stage, 200)
        await stage.pass_time(0)
        posts = len(channel.posts)
        assert posts <= 2 * ABREAST, "the breaker opened; no storm of parts"
        away[0] = False
        await stage.pass_time(1200, step=5)
        assert set(stage.states().values()) == {"accepted"}
        assert len(channel.posts) - posts < 100


async def test_one_withheld_while_the_others_are_made_ready_does_not_leave(
    tmp_path: Path,
) -> None:
    channel = Batches()
    recalled: list[AlertId] = []
    async with scene(tmp_path / "throughgate.db") as plain:

        async def prepare(row: OutboxRow) -> OutboxRow:
            victim = AlertId("alt_r_020")
            if not recalled and row.alert not in {f"alt_r_{n:03}" for n in range(ABREAST)}:
                recalled.append(victim)
                await plain.store.commit(
                    lambda connection: Staged(
                        None, outbox.withhold(connection, victim, "recalled", NOW)
                    )
                )
            return row

        told = replace(
            plain.deliverer._with,
            channels={"webhook": channel},
            endpoint_of=takes(TOGETHER),
            prepare=prepare,
        )
        plain.deliverer._with = told
        stage = replace(plain, channel=channel)
        await backlog(stage, 60)
        await stage.pass_time(2)
        came = [alert for post in channel.posts for alert in post]
        assert "alt_r_020" not in came
        assert len(came) == 59
        assert max(map(len, channel.posts)) > 1
        assert Counter(stage.states().values()) == {"accepted": 59, "withheld": 1}


def test_memory_ends_before_the_rows_do() -> None:
    long = replace(ROW, sealed=b"x" * (MAX_BYTES // 30))

    class Long(NothingElse):
        def load(self, keys: Sequence[Key]) -> Sequence[OutboxRow]:
            return [replace(long, alert=alert) for alert, _ in keys]

    taken = Taken()
    keys = [(AlertId(f"alt_{n}"), ENDPOINT) for n in range(100)]
    rows, all_of_them = taken.load(Long(), keys)
    assert (len(rows), all_of_them) == (40, False)
    taken.add(rows)
    assert taken.is_full
    taken.drop(keys)
    assert (len(taken), taken.is_full) == (0, False)
    assert taken.load(NothingElse(), keys) == ([], True)
