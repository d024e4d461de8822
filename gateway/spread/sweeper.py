"""The sweeper: what is in the streams is made from SQL, at any time, as often as one likes.

On start, once Redis is back, when it has forgotten, when a stream is missing, and every minute: an
undecided event of an owned shard that no entry announces is announced; an entry whose event is
settled is acknowledged.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

import structlog

from gateway.model.ids import EventRef
from gateway.spread.connections import RedisAway
from gateway.spread.presence import Presence
from gateway.spread.streams import MOST_IN_STREAM, Streams
from gateway.spread.waking import SpreadWake
from gateway.waking import Handed

EVERY_S: Final = 60.0

_AT_ONCE: Final = 500
_MOST: Final = 50_000  # put back in one sweep; the owner finds the others by looking

_LOG = structlog.get_logger()

# Given owned shards and a limit: events accepted and not yet settled, oldest first.
Undecided: TypeAlias = Callable[[AbstractSet[int], int], Awaitable[Sequence[Handed]]]
# Given events: those among them that are settled, or unknown.
Settled: TypeAlias = Callable[[Sequence[EventRef]], Awaitable[Collection[EventRef]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What one sweep did."""

    announced: int
    acknowledged: int


class Sweeper:
    """Puts back what Redis lost, of the shards this process owns."""

    def __init__(
        self,
        *,
        streams: Streams,
        wake: SpreadWake,
        presence: Presence,
        undecided: Undecided,
        settled: Settled,
        every_s: float = EVERY_S,
    ) -> None:
        self._streams = streams
        self._wake = wake
        self._presence = presence
        self._undecided = undecided
        self._is_settled = settled
        self._every_s = every_s
        self._one = asyncio.Lock()
        self.sweeps = 0
        presence.on_change(wake.lost.set)

    async def run(self) -> None:
        """Sweep when there is reason to, and every so often. Runs until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._wake.lost.wait()
            self._wake.lost.clear()
            if self._presence.up and self._wake.owned:
                try:
                    await self.sweep()
                except RedisAway as error:
                    self._presence.failed(error)
                except Exception as error:  # noqa: BLE001 - SQL may be away: the next sweep is near
                    _LOG.error("not swept", error=type(error).__name__)

    async def sweep(self) -> Swept:
        """Sweep once. Twice in a row does nothing more.

        Raises:
            RedisAway, and what the two functions on SQL raise.
        """
        async with self._one:
            own = self._wake.owned
            await self._streams.ready(own)
            owed = await self._undecided(own, _MOST)
            announced = await self._announce([one for one in owed if one.shard in own])
            acknowledged = await self._settle()
            self.sweeps += 1
        if announced:
            _LOG.info("announced anew", count=announced)
        return Swept(announced=announced, acknowledged=acknowledged)

    async def _announce(self, owed: Sequence[Handed]) -> int:
        missing: list[Handed] = []
        for shard in sorted({one.shard for one in owed}):
            there = await self._streams.announced(shard)
            lacking = [one for one in owed if one.shard == shard and one.ref not in there]
            missing += lacking[: max(0, MOST_IN_STREAM - len(there))]
        for first in range(0, len(missing), _AT_ONCE):
            await self._streams.announce(missing[first : first + _AT_ONCE])
        return len(missing)

    async def _settle(self) -> int:
        """Acknowledge what was read and is settled, by whomever."""
        unsettled = list(islice(self._wake.unsettled, _MOST))
        count = 0
        for first in range(0, len(unsettled), _AT_ONCE):
            page = unsettled[first : first + _AT_ONCE]
            for ref in await self._is_settled(page):
                self._wake.done([Handed(0, ref)])  # the entries know their shard
                count += 1
        return count
