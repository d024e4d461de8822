"""The delivery state machine: what each outcome leads to, order, and isolation."""

import asyncio
import dataclasses
import datetime as dt

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.deliver import LANE_WIDTH, Deliverer, after
from gateway.model.disclosure import Parcel
from gateway.model.ids import AlertId, EndpointId, PersonRef
from gateway.model.outcome import Accepted, Deferred, Outcome, Rejected
from gateway.store.group_commit import Unit
from gateway.store.outbox import OutboxRow
from tests.gateway.delivering import Channel, NothingElse, delivering
from tests.store.stores import NOW


def row(alert: str = "alt_1", *, endpoint: str = "ppu/webhook", person: str = "per_1",
        urgent: bool = False, attempts: int = 0) -> OutboxRow:  # fmt: skip
    return OutboxRow(
        alert=AlertId(alert),
        endpoint=EndpointId(endpoint),
        person=PersonRef(person),
        channel="webhook",
        form="sealed",
        sealed=b"{}",
        proof="",
        urgent=urgent,
        exercise=False,
        step=1,
        digest=False,
        key_id=None,
        attempts=attempts,
        outcome_unknown=False,
        decided_at=NOW,
        next_at=NOW,
    )


def test_accepted_and_rejected_are_final() -> None:
    for outcome, state in ((Accepted(), "accepted"), (Rejected(reason="http-410"), "rejected")):
        attempted = after(row(), outcome, NOW, delivering())
        assert attempted.state == state
        assert orjson.loads(attempted.entry)["outcome"] == state


@given(attempts=st.integers(0, 20), seconds=st.integers(0, 4000))
def test_a_deferral_waits_at_least_what_was_asked_and_at_most_gives_up_visibly(
    attempts: int, seconds: int
) -> None:
    asked = dt.timedelta(seconds=seconds)
    attempted = after(
        row(attempts=attempts), Deferred(reason="http-503", after=asked), NOW, delivering()
    )
    assert attempted.next_at >= NOW + asked
    assert attempted.attempts == attempts + 1
    assert (attempted.state == "dead") == (attempted.next_at - NOW > dt.timedelta(hours=1))
    assert attempted.state in {"pending", "dead"}


@given(st.integers(0, 30))
def test_jitter_stays_within_half_and_whole_of_the_step(attempts: int) -> None:
    attempted = after(row(attempts=attempts), Deferred(reason="timeout"), NOW, delivering())
    step = dt.timedelta(seconds=10 if attempts == 0 else 60)
    assert step / 2 <= attempted.next_at - NOW <= step


def test_an_unknown_outcome_stays_unknown_until_it_is_settled() -> None:
    unknown = dataclasses.replace(row(), outcome_unknown=True)
    assert after(unknown, Deferred(reason="http-503"), NOW, delivering()).outcome_unknown
    assert not after(unknown, Accepted(), NOW, delivering()).outcome_unknown


async def test_one_persons_alerts_leave_in_order_and_others_do_not_wait() -> None:
    gate = asyncio.Event()

    async def deliver(parcel: Parcel) -> Outcome:
        if parcel.alert == "alt_1":
            await gate.wait()
        return Accepted()

    channel = Channel(deliver)
    deliverer = Deliverer(delivering(channel))
    for alert, person in (("alt_1", "per_1"), ("alt_2", "per_1"), ("alt_3", "per_2")):
        assert deliverer.take(row(alert, person=person))
    await _turns()
    assert channel.seen == ["alt_1", "alt_3"]
    gate.set()
    await _turns()
    assert channel.seen == ["alt_1", "alt_3", "alt_2"]
    await deliverer.stop()


async def test_after_a_deferral_the_persons_next_alert_is_put_back() -> None:
    gate = asyncio.Event()

    async def deliver(parcel: Parcel) -> Outcome:
        await gate.wait()
        return Deferred(reason="http-503") if parcel.alert == "alt_1" else Accepted()

    channel = Channel(deliver)
    deliverer = Deliverer(delivering(channel))
    for alert in ("alt_1", "alt_2"):
        assert deliverer.take(row(alert))
    gate.set()
    await _turns()
    assert channel.seen == ["alt_1"]
    assert deliverer.taken == set(), "the sweep brings the second, in order"
    await deliverer.stop()


async def test_a_stuck_endpoint_delays_no_other_and_is_bounded() -> None:
    stuck = asyncio.Event()

    async def deliver(parcel: Parcel) -> Outcome:
        if parcel.endpoint == "stuck/webhook":
            await stuck.wait()
        return Accepted()

    channel = Channel(deliver)
    deliverer = Deliverer(delivering(channel))
    for number in range(100):
        deliverer.take(row(f"alt_s{number}", endpoint="stuck/webhook", person=f"per_{number}"))
    deliverer.take(row("alt_ok"))
    await _turns()
    assert "alt_ok" in channel.seen
    assert len(channel.seen) == LANE_WIDTH + 1
    stuck.set()
    await _turns(400)
    assert len(channel.seen) == 101
    await deliverer.stop()


async def test_a_row_is_never_taken_twice_and_urgent_goes_first() -> None:
    hold = asyncio.Event()

    async def deliver(parcel: Parcel) -> Outcome:
        await hold.wait()
        return Accepted()

    channel = Channel(deliver)
    deliverer = Deliverer(delivering(channel))
    for number in range(LANE_WIDTH):
        deliverer.take(row(f"alt_{number}", person=f"per_{number}"))
    assert not deliverer.take(row("alt_0", person="per_0"))
    deliverer.take(row("alt_routine", person="per_r"))
    deliverer.take(row("alt_urgent", person="per_u", urgent=True))
    hold.set()
    await _turns(400)
    assert channel.seen.index(AlertId("alt_urgent")) < channel.seen.index(AlertId("alt_routine"))
    await deliverer.stop()


async def test_a_missing_channel_is_a_deferral_not_a_loss() -> None:
    recorded: list[Unit[None]] = []

    async def commit(unit: Unit[None]) -> None:
        recorded.append(unit)

    deliverer = Deliverer(dataclasses.replace(delivering(), commit=commit))
    deliverer.take(row())
    await _turns()
    assert len(recorded) == 1
    await deliverer.stop()


async def test_a_row_withheld_since_it_was_taken_up_does_not_leave() -> None:
    pending = {"alt_1", "alt_2", "alt_3"}
    gate = asyncio.Event()

    async def deliver(parcel: Parcel) -> Outcome:
        await gate.wait()
        return Accepted()

    channel = Channel(deliver)
    deliverer = Deliverer(delivering(channel, NothingElse(lambda key: key[0] in pending)))
    for alert in ("alt_1", "alt_2", "alt_3"):
        deliverer.take(row(alert))
    await _turns()
    pending.discard("alt_2")  # while the first, about the same person, is under way
    gate.set()
    await _turns()
    assert channel.seen == ["alt_1", "alt_3"]
    assert deliverer.taken == set()
    await deliverer.stop()


async def _turns(count: int = 60) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_stop_that_comes_with_a_wake_up_is_not_lost() -> None:
    deliverer = Deliverer(delivering())
    for turns in range(6):  # wherever the loop is
        loop = asyncio.create_task(deliverer.run())
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        deliverer._dry.set()
        loop.cancel()
        done, _ = await asyncio.wait([loop], timeout=3)
        assert done == {loop}
        assert loop.cancelled()
