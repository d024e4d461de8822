"""Magic addresses behave as they are named and touch nothing; exercises stay exercises."""

import asyncio
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.contract import Channel
from gateway.channels.simulator import (
    BEHAVIOURS,
    HOST,
    NUMBERS,
    Behaviour,
    ExerciseGuard,
    SimulatingChannel,
    is_simulated,
    may_exercise,
    simulated_address,
)
from gateway.mesh_mailbox.messages import check_mailbox_id
from gateway.model.disclosure import Parcel
from gateway.model.outcome import Accepted, Deferred, Outcome, Receipt, Rejected
from gateway.model.party import ChannelName
from tests.channels.parcels import ALERT, a_parcel

CHANNELS: tuple[ChannelName, ...] = get_args(ChannelName)


class Live:
    """A channel that leads outside: what it was given left."""

    def __init__(self) -> None:
        self.left: list[Parcel] = []
        self.closed = 0

    async def deliver(self, parcel: Parcel) -> Outcome:
        self.left.append(parcel)
        return Accepted(detail="live")

    async def close(self) -> None:
        self.closed += 1


class Around:
    """A simulator with a clock of its own: sleeping takes no time, and is written down."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.live = Live()
        self.slept: list[float] = []
        self.acknowledged: list[str] = []
        self.reported: list[Receipt] = []
        self.channel = SimulatingChannel(
            self.live,
            sleep=self._sleep,
            enabled=enabled,
            acknowledge=self._acknowledge,
            report=self._report,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def _acknowledge(self, alert: str) -> None:
        self.acknowledged.append(alert)

    async def _report(self, receipt: Receipt) -> None:
        self.reported.append(receipt)


def magic(channel: ChannelName, behaviour: Behaviour, attempt: int = 1) -> Parcel:
    return replace(
        a_parcel(),
        channel=channel,
        address=simulated_address(channel, behaviour),
        attempt=attempt,
    )


async def _settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_guard_is_a_channel_and_closing_it_closes_what_is_behind() -> None:
    around = Around()
    channel: Channel = ExerciseGuard(around.channel)
    await channel.close()
    assert around.live.closed == 1


def test_the_addresses_are_these() -> None:
    assert simulated_address("webhook", "slow") == "https://simulator.throughgate.example/slow"
    assert simulated_address("email", "recovers") == "recovers@simulator.throughgate.example"
    assert simulated_address("mesh", "no-acknowledgement") == "SIMULATE_NO_ACKNOWLEDGEMENT"
    assert NUMBERS == {
        "+447700900901": "accepted",
        "+447700900902": "temporary-failure",
        "+447700900903": "recovers",
        "+447700900904": "permanent-failure",
        "+447700900905": "slow",
        "+447700900906": "no-acknowledgement",
        "+447700900907": "acknowledges",
        "+447700900908": "receipt-failed",
    }


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_every_magic_address_is_simulated_and_each_is_another(
    channel: ChannelName, behaviour: Behaviour
) -> None:
    address = simulated_address(channel, behaviour)
    assert is_simulated(channel, address)
    if channel == "mesh":
        assert check_mailbox_id(address) == address
    others = {simulated_address(channel, other) for other in BEHAVIOURS if other != behaviour}
    assert len(others) == len(BEHAVIOURS) - 1
    assert address not in others


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("webhook", "HTTPS://SIMULATOR.throughgate.EXAMPLE/Accepted"),
        ("webhook", f"https://{HOST}:8443/accepted"),
        ("webhook", f"https://{HOST}./accepted"),
        ("webhook", f"https://user@{HOST}/accepted"),
        ("webhook", f"https://{HOST}"),
        ("webhook", f"https://{HOST}?@evil.example/"),
        ("webhook", f"https://{HOST}#@evil.example/"),
        ("webhook", f"http://{HOST}/accepted"),
        ("email", f"Accepted@{HOST.upper()}"),
        ("email", f"anyone@{HOST}"),
        ("sms", "07700 900 901"),
        ("sms", "+44 7700 900908"),
        ("sms", "(07700) 900903"),
        ("mesh", "simulate_accepted"),
        ("mesh", "SIMULATE_NOTHING"),
    ],
)
async def test_however_it_is_written_it_never_leaves(channel: ChannelName, address: str) -> None:
    assert is_simulated(channel, address)
    around = Around()
    outcome = await around.channel.deliver(replace(a_parcel(), channel=channel, address=address))
    assert outcome in (Accepted(detail="simulated"), Rejected(reason="simulator-unknown")) or (
        isinstance(outcome, Deferred)
    )
    assert around.live.left == []
    await around.channel.close()


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("webhook", "https://hook.example.org/accepted"),
        ("webhook", f"https://hook.example.org/?{HOST}"),
        ("webhook", f"https://{HOST}.evil.example/accepted"),
        ("webhook", f"https://x{HOST}/accepted"),
        ("webhook", f"accepted@{HOST}"),
        ("email", f"accepted@{HOST}.evil.example"),
        ("email", f"accepted@{HOST}@police.example.org"),
        ("email", simulated_address("webhook", "accepted")),
        ("sms", "07700 900123"),
        ("sms", "07700 900900"),
        ("sms", "07700 900909"),
        ("sms", "+1 7700 900901"),
        ("sms", "nonsense"),
        ("mesh", "X26ABC1"),
        ("mesh", "XSIMULATE_ACCEPTED"),
        ("mesh", simulated_address("email", "accepted")),
    ],
)
async def test_any_other_address_goes_to_the_channel(channel: ChannelName, address: str) -> None:
    assert not is_simulated(channel, address)
    around = Around()
    parcel = replace(a_parcel(), channel=channel, address=address)
    assert await around.channel.deliver(parcel) == Accepted(detail="live")
    assert around.live.left == [parcel]


@pytest.mark.parametrize("channel", CHANNELS)
async def test_failures_have_the_codes_of_their_channel(channel: ChannelName) -> None:
    temporary = {
        "webhook": "http-503",
        "email": "smtp-451",
        "sms": "notify-503",
        "mesh": "mesh-503",
    }
    permanent = {
        "webhook": "http-410",
        "email": "smtp-550",
        "sms": "notify-permanent-failure",
        "mesh": "mesh-undeliverable",
    }
    deliver = Around().channel.deliver
    for attempt in (1, 2, 50):
        outcome = await deliver(magic(channel, "temporary-failure", attempt))
        assert outcome == Deferred(reason=temporary[channel])
    assert await deliver(magic(channel, "permanent-failure")) == Rejected(reason=permanent[channel])


@pytest.mark.parametrize("channel", CHANNELS)
async def test_one_recovers_at_its_third_attempt_also_over_a_restart(channel: ChannelName) -> None:
    outcomes = [
        await Around().channel.deliver(magic(channel, "recovers", attempt))
        for attempt in (1, 2, 3, 4)
    ]
    assert [type(outcome) for outcome in outcomes] == [Deferred, Deferred, Accepted, Accepted]


async def test_slow_takes_its_time_and_no_other_does() -> None:
    around = Around()
    for behaviour in BEHAVIOURS:
        if behaviour not in ("slow", "acknowledges", "receipt-failed"):
            await around.channel.deliver(magic("webhook", behaviour))
    await _settled()
    assert around.slept == []
    assert isinstance(await around.channel.deliver(magic("webhook", "slow")), Accepted)
    assert around.slept == [10]


async def test_one_acknowledges_after_a_second_and_the_others_never() -> None:
    around = Around()
    for behaviour in BEHAVIOURS:
        await around.channel.deliver(magic("email", behaviour))
    await _settled()
    assert around.acknowledged == [ALERT]
    assert 1 in around.slept
    await around.channel.close()


@pytest.mark.parametrize("channel", CHANNELS)
async def test_one_is_accepted_and_then_reported_undelivered(channel: ChannelName) -> None:
    around = Around()
    assert isinstance(await around.channel.deliver(magic(channel, "receipt-failed")), Accepted)
    assert around.reported == []
    await _settled()
    (receipt,) = around.reported
    assert (receipt.alert, receipt.channel, receipt.state) == (ALERT, channel, "failed")
    assert receipt.code
    assert around.acknowledged == []


@pytest.mark.parametrize("channel", CHANNELS)
async def test_where_simulation_is_off_a_magic_address_is_a_dead_letter(
    channel: ChannelName,
) -> None:
    around = Around(enabled=False)
    for behaviour in BEHAVIOURS:
        outcome = await around.channel.deliver(magic(channel, behaviour))
        assert outcome == Rejected(reason="simulator-off")
    await _settled()
    assert (around.live.left, around.acknowledged, around.reported) == ([], [], [])


async def test_closing_ends_what_was_still_to_come_and_the_channel() -> None:
    around = Around()
    for _ in range(3):
        await around.channel.deliver(magic("webhook", "acknowledges"))
    await around.channel.close()
    await _settled()
    assert around.acknowledged == []
    assert around.live.closed == 1


async def test_a_cancelled_slow_attempt_ends_at_once() -> None:
    around = Around()
    real = SimulatingChannel(
        around.live,
        sleep=asyncio.sleep,
        enabled=True,
        acknowledge=around._acknowledge,
        report=around._report,
    )
    attempt = asyncio.ensure_future(real.deliver(magic("webhook", "slow")))
    await asyncio.sleep(0)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(attempt, 1)


ADDRESSES = st.one_of(
    st.builds(simulated_address, st.sampled_from(CHANNELS), st.sampled_from(BEHAVIOURS)),
    st.sampled_from(["https://hook.example.org/", "07700 900123", "X26ABC1", "a@b.example"]),
    st.text(),
    st.from_regex(r"https://[a-z.]{0,9}simulator\.throughgate\.example[a-z.@:/?#]{0,12}"),
)
PARCELS = st.builds(
    replace,
    st.just(a_parcel()),
    channel=st.sampled_from(CHANNELS),
    address=ADDRESSES,
    attempt=st.integers(1, 5),
    exercise=st.booleans(),
    exercise_route=st.booleans(),
    urgent=st.booleans(),
)


@given(st.lists(PARCELS, max_size=8), st.booleans())
def test_no_exercise_reaches_a_live_route_and_no_live_alert_one_for_exercises(
    parcels: list[Parcel], enabled: bool
) -> None:
    async def run() -> None:
        around = Around(enabled=enabled)
        guard = ExerciseGuard(around.channel)
        outcomes = [await guard.deliver(parcel) for parcel in parcels]
        await guard.close()
        for parcel, outcome in zip(parcels, outcomes, strict=True):
            assert (outcome == Rejected(reason="exercise")) == (
                parcel.exercise and not may_exercise(parcel)
            )
            assert (outcome == Rejected(reason="exercise-route")) == (
                parcel.exercise_route and not parcel.exercise
            )
        for left in around.live.left:
            assert left.exercise == left.exercise_route
            assert not is_simulated(left.channel, left.address)
        wanted = [one for one in parcels if one.exercise == one.exercise_route]
        assert around.live.left == [
            one for one in wanted if not is_simulated(one.channel, one.address)
        ]

    asyncio.run(run())


async def test_an_exercise_on_a_magic_address_is_simulated() -> None:
    around = Around()
    guard = ExerciseGuard(around.channel)
    parcel = replace(magic("sms", "accepted"), exercise=True)
    assert await guard.deliver(parcel) == Accepted(detail="simulated")
    live = replace(a_parcel(), exercise=True)
    assert await guard.deliver(live) == Rejected(reason="exercise")
    assert around.live.left == []
