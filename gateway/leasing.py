"""Leasing: a process of the scaled form keeps its fair share of the shards, and stops in time.

Every turn renews what is held and takes what is due and free. A shard that is to go to another
process is handed over: nothing of it is begun any more, what is under way ends and is recorded,
then it is given up. One whose lease may have ended is not worked on, by the own monotonic clock;
that is a courtesy, for the fence in each transaction is what counts.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from gateway.shards import Shards, in_mask
from gateway.store import leases
from gateway.store.leases import Kept
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from gateway.waking import Wake

LEASE_FOR: Final = timedelta(seconds=15)
_PART: Final = 0.8  # of a lease, that is counted on: clocks run apart, and stopping takes a moment
_HANDING_S: Final = 0.1  # between looks at whether what is under way has ended

_LOG = structlog.get_logger()


class Working(Protocol):
    """What works on the shards of this process."""

    @property
    def under_way(self) -> int:
        """The shards of what is being decided or sent, as a mask."""

    def put_back(self) -> None:
        """Forget what has not begun; what of it is still owned is found again."""


class Leasing:
    """Keeps the leases of one process."""

    def __init__(
        self,
        *,
        store: Store,
        holder: str,
        now: Callable[[], datetime],
        lease_for: timedelta = LEASE_FOR,
        monotonic: Callable[[], float] = time.monotonic,
        wake: Wake | None = None,
    ) -> None:
        """Build it; nothing is held before the first turn.

        Args:
            store: Whose shards it keeps: those of `Shards.by_lease`.
            holder: Of this start of this process, and of no other ever.
            now: What ends leases where the database has no clock of its own.
            lease_for: How long one is.
            monotonic: Seconds.
            wake: Is told what is owned.
        """
        self._store = store
        self._shards: Shards = store.shards
        self._holder = holder
        self._now = now
        self._for = lease_for
        self._monotonic = monotonic
        self._wake = wake
        self._held: Mapping[int, int] = {}
        self._handing: dict[int, float] = {}  # shards on their way to others, and since when
        self._working: Working | None = None
        self._leaving = False
        self._hurry = asyncio.Event()  # what is to be done cannot wait for the next turn

    def serve(self, working: Working) -> None:
        """Say who works on what is held."""
        self._working = working

    async def run(self) -> None:
        """Keep leases until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await self._hurry.wait()
            self._hurry.clear()
            try:
                await self.turn()
            except StoreUnavailable as error:
                _LOG.error("leases not kept", code=error.code)
                if not self._shards.mask:
                    self._put_back()

    async def turn(self) -> None:
        """Renew, take what is due and free, and hand over what is too much. Commits.

        Raises:
            StoreUnavailable: nothing is known to be kept; what is held ends in its time.
        """
        began = self._monotonic()
        keep = leases.stay if self._leaving else leases.keep
        unit = keep(self._holder, self._held, now=self._now(), lease_for=self._for)
        kept = await self._store.commit(unit)
        until = began + self._for.total_seconds() * _PART
        self._choose(kept, began)
        self._own(kept.tokens, kept.holders, until)
        if done := self._handed_over(began):
            left = {shard: token for shard, token in kept.tokens.items() if shard not in done}
            self._own(left, kept.holders, until)
            await self._store.commit(leases.release(self._holder, done))

    @property
    def _pause(self) -> float:
        return _HANDING_S if self._handing else self._for.total_seconds() / 3

    def leave(self) -> None:
        """Hand everything over from now on: each shard as what is under way of it ends."""
        self._leaving = True
        self._hurry.set()

    async def stop(self) -> None:
        """Give up everything, so that others take it at once. Call it when nothing is under way."""
        self._own({}, 1, 0.0)
        try:
            await self._store.commit(leases.release(self._holder))
        except StoreUnavailable as error:
            _LOG.error("leases not given up", code=error.code)

    def _choose(self, kept: Kept, now: float) -> None:
        """Settle which shards go to others: the last, so that the first changes hands least."""
        over = len(kept.tokens) - kept.share
        going = sorted(kept.tokens)[-over:] if over > 0 else []
        self._handing = {shard: self._handing.get(shard, now) for shard in going}

    def _own(self, tokens: Mapping[int, int], holders: int, until: float) -> None:
        self._held = tokens
        rests = sum(1 << shard for shard in self._handing)
        before = self._shards.tokens or {}
        lost = self._shards.hold(tokens, until=until, rests=rests, holders=holders)
        again = any(before[shard] != tokens.get(shard, before[shard]) for shard in before)
        if lost or again:
            self._put_back()
        if self._wake is not None:
            self._wake.own(in_mask(self._shards.mask))

    def _put_back(self) -> None:
        if self._working is not None:
            self._working.put_back()

    def _handed_over(self, now: float) -> list[int]:
        """Return the shards to give up now: nothing of them is under way, or it takes too long."""
        busy = self._working.under_way if self._working is not None else 0
        bound = self._for.total_seconds()
        return [
            shard
            for shard, since in self._handing.items()
            if not busy >> shard & 1 or now - since > bound
        ]
