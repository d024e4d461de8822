"""Simulation for integrators: addresses that behave as they are named, and touch no network.

And the guard that keeps exercises and the real thing apart: nothing of an exercise ever leaves
over a live route, and no live alert over a route that is for exercises.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, Literal, get_args

from gateway.channels.addresses import BadAddress, check_phone
from gateway.channels.contract import BatchChannel, Channel, Together
from gateway.model.disclosure import Parcel
from gateway.model.ids import AlertId
from gateway.model.outcome import Accepted, Deferred, Outcome, Receipt, Rejected
from gateway.model.party import ChannelName

Behaviour = Literal[
    "accepted",
    "temporary-failure",  # deferred, at every attempt
    "recovers",  # deferred twice, then accepted
    "permanent-failure",
    "slow",  # accepted, after `slow_s`
    "no-acknowledgement",  # accepted; nobody ever acknowledges
    "acknowledges",  # accepted, and acknowledged `soon_s` later
    "receipt-failed",  # accepted, and reported undelivered `soon_s` later
]
BEHAVIOURS: Final[tuple[Behaviour, ...]] = get_args(Behaviour)

HOST: Final = "simulator.throughgate.example"
# Of the numbers Ofcom keeps for drama: 07700 900901 to 900908, in the order above.
NUMBERS: Final[Mapping[str, Behaviour]] = {
    f"+447700900{901 + place}": behaviour for place, behaviour in enumerate(BEHAVIOURS)
}
_MAILBOX_PREFIX: Final = "SIMULATE_"
_UNKNOWN: Final = "unknown"

# What each channel says of such a failure when it is real.
_TEMPORARY: Final[Mapping[ChannelName, str]] = {
    "webhook": "http-503",
    "email": "smtp-451",
    "sms": "notify-503",
    "mesh": "mesh-503",
}
_PERMANENT: Final[Mapping[ChannelName, str]] = {
    "webhook": "http-410",
    "email": "smtp-550",
    "sms": "notify-permanent-failure",
    "mesh": "mesh-undeliverable",
}
_UNDELIVERED: Final[Mapping[ChannelName, str]] = {
    "webhook": "simulated",  # no real webhook ever reports
    "email": "dsn-5.1.1",
    "sms": "sms-permanent-failure",
    "mesh": "mesh-undeliverable",
}
_RECOVERS_AT: Final = 3
_END_OF_AUTHORITY: Final = re.compile(r"[/?#\\]")


def is_simulated(channel: ChannelName, address: str) -> bool:
    """Return whether a parcel for this address would never touch the network. Pure."""
    return _behaviour(channel, address) is not None


def simulated_address(channel: ChannelName, behaviour: Behaviour) -> str:
    """Return the address that behaves so. Pure."""
    if channel == "webhook":
        return f"https://{HOST}/{behaviour}"
    if channel == "email":
        return f"{behaviour}@{HOST}"
    if channel == "sms":
        return next(number for number, named in NUMBERS.items() if named == behaviour)
    return _MAILBOX_PREFIX + behaviour.upper().replace("-", "_")


class SimulatingChannel:
    """Answers for the magic addresses of a channel; every other parcel goes to the channel."""

    def __init__(
        self,
        inner: Channel,
        *,
        sleep: Callable[[float], Awaitable[None]],
        enabled: bool,
        acknowledge: Callable[[AlertId], Awaitable[None]],
        report: Callable[[Receipt], Awaitable[None]],
        slow_s: float = 10,
        soon_s: float = 1,
    ) -> None:
        """Stand before a channel.

        Args:
            inner: The real channel; closed with this one.
            sleep: Waits so many seconds.
            enabled: Whether magic addresses simulate; else they are rejected, ``simulator-off``.
            acknowledge: Is told of an alert acknowledged. It must not raise.
            report: Is told what became of an alert that was taken. It must not raise.
            slow_s: How slow ``slow`` is.
            soon_s: How long after its acceptance an alert is acknowledged or reported.
        """
        self._inner = inner
        self._sleep = sleep
        self._enabled = enabled
        self._acknowledge = acknowledge
        self._report = report
        self._slow_s = slow_s
        self._soon_s = soon_s
        self._soon: set[asyncio.Task[None]] = set()

    async def deliver(self, parcel: Parcel) -> Outcome:
        """Deliver, or behave as the address says. See `contract.Channel.deliver`."""
        behaviour = _behaviour(parcel.channel, parcel.address)
        if behaviour is None:
            return await self._inner.deliver(parcel)
        if not self._enabled:
            return Rejected(reason="simulator-off")
        return await self._behave(behaviour, parcel)

    async def deliver_together(self, parcels: Sequence[Parcel], *, most_bytes: int) -> Together:
        """Deliver together, or the first alone where the address or the channel is not for that.
        See `contract.BatchChannel.deliver_together`."""
        first, inner = parcels[0], self._inner
        if _behaviour(first.channel, first.address) is None and isinstance(inner, BatchChannel):
            return await inner.deliver_together(parcels, most_bytes=most_bytes)
        said = await self.deliver(first)
        return Together(said=said, each=(said,))

    async def close(self) -> None:
        """Close the channel; what was still to be acknowledged or reported is not."""
        soon = list(self._soon)
        for task in soon:
            task.cancel()
        await asyncio.gather(*soon, return_exceptions=True)
        await self._inner.close()

    async def _behave(self, behaviour: Behaviour | Literal["unknown"], parcel: Parcel) -> Outcome:
        if behaviour == "unknown":
            return Rejected(reason="simulator-unknown")
        if behaviour == "permanent-failure":
            return Rejected(reason=_PERMANENT[parcel.channel])
        recovering = behaviour == "recovers" and parcel.attempt < _RECOVERS_AT
        if recovering or behaviour == "temporary-failure":
            return Deferred(reason=_TEMPORARY[parcel.channel])
        if behaviour == "slow":
            await self._sleep(self._slow_s)
        elif behaviour == "acknowledges":
            self._later(partial(self._acknowledge, parcel.alert))
        elif behaviour == "receipt-failed":
            self._later(partial(self._report, _undelivered(parcel)))
        return Accepted(detail="simulated")

    def _later(self, tell: Callable[[], Awaitable[None]]) -> None:
        async def wait_and_tell() -> None:
            await self._sleep(self._soon_s)
            await tell()

        task = asyncio.create_task(wait_and_tell())
        self._soon.add(task)
        task.add_done_callback(self._soon.discard)


class ExerciseGuard:
    """Lets an exercise out only to where exercises go, and a live alert nowhere else."""

    def __init__(self, inner: Channel) -> None:
        """Stand before a channel, its simulator included; closed with this one."""
        self._inner = inner

    async def deliver(self, parcel: Parcel) -> Outcome:
        """Deliver what may leave here. See `contract.Channel.deliver`.

        Returns:
            ``Rejected("exercise")`` for an exercise on a live route, ``Rejected("exercise-route")``
            for a live alert on a route for exercises; else what the channel says.
        """
        if parcel.exercise and not may_exercise(parcel):
            return Rejected(reason="exercise")
        if parcel.exercise_route and not parcel.exercise:
            return Rejected(reason="exercise-route")
        return await self._inner.deliver(parcel)

    async def deliver_together(self, parcels: Sequence[Parcel], *, most_bytes: int) -> Together:
        """Deliver together what may leave here, else the first alone. See
        `contract.BatchChannel.deliver_together`."""
        inner = self._inner
        live = not any(parcel.exercise or parcel.exercise_route for parcel in parcels)
        if live and isinstance(inner, BatchChannel):
            return await inner.deliver_together(parcels, most_bytes=most_bytes)
        said = await self.deliver(parcels[0])
        return Together(said=said, each=(said,))

    async def close(self) -> None:
        """Close the channel."""
        await self._inner.close()


def may_exercise(parcel: Parcel) -> bool:
    """Return whether this parcel's way is one an exercise may take. Pure."""
    return parcel.exercise_route or is_simulated(parcel.channel, parcel.address)


def _undelivered(parcel: Parcel) -> Receipt:
    return Receipt(
        alert=parcel.alert,
        channel=parcel.channel,
        state="failed",
        code=_UNDELIVERED[parcel.channel],
    )


def _behaviour(channel: ChannelName, address: str) -> Behaviour | Literal["unknown"] | None:
    """Return what an address is named to do; None for one that is none of the simulator's.

    Whatever leads to the simulator's host, or into its range, is the simulator's, even where the
    behaviour it names is none.
    """
    text = address.strip().lower()
    if channel == "sms":
        return _of_number(text)
    if channel == "mesh":
        prefix = _MAILBOX_PREFIX.lower()
        return _named(text.removeprefix(prefix).replace("_", "-")) if text[:9] == prefix else None
    if channel == "email":
        local, _, domain = text.rpartition("@")
        return _named(local) if domain.rstrip(".") == HOST else None
    return _of_url(text)


def _of_url(text: str) -> Behaviour | Literal["unknown"] | None:
    scheme, _, rest = text.partition("://")
    authority, _, path = _END_OF_AUTHORITY.sub("/", rest, count=1).partition("/")
    host = authority.rpartition("@")[2].partition(":")[0].rstrip(".")
    if host != HOST:
        return None
    return _named(path) if scheme == "https" else _UNKNOWN


def _of_number(text: str) -> Behaviour | None:
    try:
        return NUMBERS.get(check_phone(text))
    except BadAddress:
        return None


def _named(text: str) -> Behaviour | Literal["unknown"]:
    return next((one for one in BEHAVIOURS if one == text), _UNKNOWN)
