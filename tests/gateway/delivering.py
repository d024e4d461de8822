"""A deliverer on a clock the tests turn, over channels whose answers they decide."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from gateway.deliver import Deliverer, Delivering
from gateway.delivery.terms import Owed
from gateway.model.disclosure import Parcel
from gateway.model.ids import AlertId, EndpointId
from gateway.model.outcome import Accepted, Outcome
from gateway.model.party import Endpoint
from gateway.store import owed as stored
from gateway.store.group_commit import Unit
from gateway.store.outbox import Key, OutboxRow
from gateway.store.store import Store
from tests.store.stores import NOW, opened

Deliver = Callable[[Parcel], Awaitable[Outcome]]


class Channel:
    """A channel whose answers the test decides; it refuses a parcel it already has under way."""

    def __init__(self, deliver: Deliver | None = None) -> None:
        self._deliver = deliver
        self.parcels: list[Parcel] = []
        self._under_way: set[tuple[AlertId, EndpointId]] = set()

    @property
    def seen(self) -> list[AlertId]:
        """The alerts of every attempt, in order."""
        return [parcel.alert for parcel in self.parcels]

    async def deliver(self, parcel: Parcel) -> Outcome:
        key = (parcel.alert, parcel.endpoint)
        assert key not in self._under_way
        self._under_way.add(key)
        self.parcels.append(parcel)
        try:
            return await self._deliver(parcel) if self._deliver else Accepted()
        finally:
            self._under_way.discard(key)

    async def close(self) -> None:
        return None


class Clock:
    """Time as the test turns it: the wall's and the monotonic one, in step."""

    def __init__(self, now: dt.datetime = NOW) -> None:
        self._began = now
        self.passed = 0.0

    def now(self) -> dt.datetime:
        return self._began + dt.timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed


class NothingElse:
    """An outbox that owes nothing but what is handed over."""

    def __init__(self, pending: Callable[[Key], bool] = lambda _key: True) -> None:
        self._pending = pending

    def is_pending(self, key: Key) -> bool:
        return self._pending(key)

    def is_settled(self, key: Key) -> bool:
        return not self._pending(key)

    def owes_older(self, _row: OutboxRow, _known: Collection[Key]) -> bool:
        return False

    def endpoints(self) -> Sequence[EndpointId]:
        return ()

    def due(self, _endpoint: EndpointId, _now: dt.datetime, _limit: int) -> Sequence[Key]:
        return ()

    def probe(self, _endpoint: EndpointId, _now: dt.datetime) -> Sequence[Key]:
        return ()

    def load(self, _keys: Sequence[Key]) -> Sequence[OutboxRow]:
        return ()

    def stranded(
        self, _endpoint: EndpointId, *, now: dt.datetime, decided_before: dt.datetime, limit: int
    ) -> Sequence[AlertId]:
        del now, decided_before, limit
        return ()

    def overdue(
        self, _endpoint: EndpointId, *, before: dt.datetime, limit: int
    ) -> Sequence[OutboxRow]:
        del before, limit
        return ()


async def _stored(_unit: Unit[None]) -> None:
    await asyncio.sleep(0)


def endpoint_of(id_: EndpointId) -> Endpoint:
    """Return an endpoint that says nothing of itself."""
    return Endpoint(id=id_, channel="webhook", address="https://example.org/hook")


def delivering(channel: Channel | None = None, owed: Owed | None = None) -> Delivering:
    """Return what a deliverer needs, over one channel for everything."""
    return Delivering(
        channels={"webhook": channel, "email": channel, "sms": channel} if channel else {},
        endpoint_of=endpoint_of,
        owed=owed or NothingElse(),
        commit=_stored,
        clock=lambda: NOW,
        rng=random.Random(7),
        ladder=(dt.timedelta(seconds=10), dt.timedelta(seconds=60)),
        give_up_after=dt.timedelta(hours=1),
        pick_up=lambda alert, endpoint, issue: (
            f"https://gateway.example/{alert}/{endpoint}/{issue}"
        ),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A deliverer over a real store, on a clock the test turns."""

    store: Store
    clock: Clock
    channel: Channel
    deliverer: Deliverer

    async def pass_time(self, seconds: float, *, step: float = 1.0) -> None:
        """Let time pass, sweeping at each step; what can be done in it is."""
        until = self.clock.passed + seconds
        while True:
            await self.sweep()
            if self.clock.passed >= until:
                return
            self.clock.passed = min(until, self.clock.passed + step)

    async def sweep(self) -> None:
        """Sweep until there is nothing more to do now."""
        while True:
            before = len(self.channel.parcels)
            await self.deliverer.fill()
            await self._settled()
            if len(self.channel.parcels) == before:
                return

    async def _settled(self) -> None:
        for _ in range(3):
            while self.deliverer._tasks:
                await asyncio.wait(set(self.deliverer._tasks), timeout=0.05)
                if self.channel._under_way:
                    return
            await asyncio.sleep(0)

    def states(self) -> dict[str, str]:
        """Return where each way stands, "alert endpoint" -> state."""
        rows = self.store.reader.execute("SELECT alert, endpoint, state FROM outbox")
        return {f"{alert} {endpoint}": state for alert, endpoint, state in rows}


@contextlib.asynccontextmanager
async def scene(
    path: Path, deliver: Callable[[Parcel], Awaitable[Outcome]] | None = None, **changes: Any
) -> AsyncIterator[Scene]:
    """Open a store with a deliverer on it until the block ends.

    Args:
        path: Of the database.
        deliver: What the channel answers; accepted, unless it says otherwise.
        changes: Of `Delivering`.
    """
    async with opened(path) as store:
        clock, channel = Clock(), Channel(deliver)
        base = delivering(channel, stored.Owed(store.reader))
        told = dataclasses.replace(
            base,
            commit=store.commit,
            clock=clock.now,
            monotonic=clock.monotonic,
            **changes,
        )
        deliverer = Deliverer(told)
        yield Scene(store=store, clock=clock, channel=channel, deliverer=deliverer)
        await deliverer.stop()
