"""Waking over Redis: what one process accepted, another learns of within a round trip.

Announcing never delays or fails an accept: what finds no room, or no Redis, is dropped, and found
by looking. An entry is acknowledged once its event is settled, which `done` says.
"""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from typing import Final

import structlog

from gateway.model.ids import EventRef
from gateway.spread.connections import RedisAway
from gateway.spread.presence import Presence
from gateway.spread.streams import Entry, Lost, Streams
from gateway.waking import Handed

MOST_WAITING: Final = 20_000  # to be announced, or acknowledged
MOST_UNSETTLED: Final = 50_000  # read and not yet settled

_AT_ONCE: Final = 500
_BLOCK_MS: Final = 500
_REST_S: Final = 0.25  # after a failure, before another try
_FULL_FOR_S: Final = 1.0  # a stream that holds enough is left alone so long
_REMEMBERED: Final = 20_000  # settled: an entry read later says nothing new

_LOG = structlog.get_logger()


class SpreadWake:
    """`gateway.waking.Wake` over streams. `run` does the talking; the rest returns at once."""

    def __init__(self, streams: Streams, presence: Presence) -> None:
        self._streams = streams
        self._presence = presence
        self._own: frozenset[int] = frozenset()
        self._unclaimed: set[int] = set()  # owned, and what is pending there not taken over yet
        self._outgoing: deque[Handed] = deque()
        self._settled: deque[Entry] = deque()
        self._unsettled: dict[EventRef, dict[Entry, None]] = {}
        self._lately: OrderedDict[EventRef, None] = OrderedDict()
        self._full: frozenset[int] = frozenset()
        self._woken: set[int] = set()
        self._rung = asyncio.Event()
        self._to_send = asyncio.Event()
        self._owning = asyncio.Event()
        self.dropped = 0
        self.announced = 0
        self.lost = asyncio.Event()  # a stream was found missing: what was in it has to go in anew
        presence.on_change(self._start_anew)

    def wake(self, handed: Iterable[Handed]) -> None:
        """Announce events that are durable now; ring at once for shards of this process's own."""
        for one in handed:
            if one.shard in self._own:
                self._ring(one.shard)
            elif self._presence.up and len(self._outgoing) < MOST_WAITING:
                self._outgoing.append(one)
                self._to_send.set()
            else:
                self.dropped += 1

    async def wait(self, timeout_s: float) -> AbstractSet[int]:
        """Return when a shard of this process's own has work, or when the time is up."""
        with contextlib.suppress(TimeoutError):
            # Not `wait_for`: before Python 3.12 it may lose a cancellation.
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()
        self._rung.clear()
        woken, self._woken = self._woken & self._own, set()
        return woken

    def done(self, handed: Iterable[Handed]) -> None:
        """Acknowledge the entries of events that are settled durably: decided, or held."""
        for one in handed:
            self._acknowledge(self._unsettled.pop(one.ref, ()))
            self._remember(one.ref)

    def own(self, shards: AbstractSet[int]) -> None:
        """Read these shards from now on, and take over what their last reader left."""
        before, self._own = self._own, frozenset(shards)
        self._unclaimed = (self._unclaimed | (self._own - before)) & self._own
        if before - self._own:
            self._let_go()
        if self._own:
            self._owning.set()
        else:
            self._owning.clear()

    @property
    def owned(self) -> frozenset[int]:
        """The shards of this process's own."""
        return self._own

    @property
    def unsettled(self) -> Collection[EventRef]:
        """The events read and not yet settled, oldest first."""
        return self._unsettled.keys()

    async def run(self) -> None:
        """Announce, acknowledge and read. Runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_loop(), name="spread-send")
            group.create_task(self._read_loop(), name="spread-read")

    async def flush(self, within_s: float) -> None:
        """Acknowledge what is settled, at the end of a process. Never raises but for
        cancellation."""
        with contextlib.suppress(TimeoutError, RedisAway):
            async with asyncio.timeout(within_s):
                while self._settled:
                    await self._send_settled()

    async def _send_loop(self) -> None:
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            try:
                while self._outgoing or self._settled:
                    await self._send_settled()
                    await self._send_outgoing()
            except RedisAway as error:
                self._presence.failed(error)
                await asyncio.sleep(_REST_S)
                if self._settled and self._presence.up:
                    self._to_send.set()

    async def _send_outgoing(self) -> None:
        batch = [self._outgoing.popleft() for _ in range(min(_AT_ONCE, len(self._outgoing)))]
        sent = [one for one in batch if one.shard not in self._full]
        self.dropped += len(batch) - len(sent)
        if not sent:
            return
        try:
            full = await self._streams.announce(sent)
        except RedisAway:
            self.dropped += len(sent)  # or not: what is found twice is done once
            raise
        self.announced += len(sent)
        if full - self._full:
            asyncio.get_running_loop().call_later(_FULL_FOR_S, self._try_full_again)
        self._full |= full

    def _try_full_again(self) -> None:
        self._full = frozenset()

    async def _send_settled(self) -> None:
        batch = [self._settled.popleft() for _ in range(min(_AT_ONCE, len(self._settled)))]
        try:
            await self._streams.acknowledge(batch)
        except BaseException:
            self._settled.extendleft(reversed(batch))  # acknowledging twice is as good as once
            raise

    async def _read_loop(self) -> None:
        while True:
            await self._owning.wait()
            if not self._presence.up or len(self._unsettled) >= MOST_UNSETTLED:
                await asyncio.sleep(_REST_S)
                continue
            try:
                await self._read_once()
            except Lost:
                await self._make_anew()
            except RedisAway as error:
                # It may have given out entries that never arrived: they are this reader's to claim.
                self._unclaimed |= self._own
                self._presence.failed(error)
                await asyncio.sleep(_REST_S)

    async def _read_once(self) -> None:
        for shard in sorted(self._unclaimed):
            self._take(await self._streams.claim(shard))
            self._unclaimed.discard(shard)
        if self._own:
            own = self._own
            self._take(await self._streams.read(own, count=_AT_ONCE, block_ms=_BLOCK_MS))

    async def _make_anew(self) -> None:
        try:
            await self._streams.ready(self._own)
        except RedisAway as error:
            self._presence.failed(error)
            await asyncio.sleep(_REST_S)
        else:
            self.lost.set()

    def _take(self, entries: Iterable[Entry]) -> None:
        """Take in what was read: ring for it, or be rid of it where it says nothing new."""
        for entry in entries:
            if entry.ref is None:
                self._acknowledge((entry,))
            elif entry.ref in self._lately:
                self._acknowledge((entry,))
                self._ring(entry.shard)  # it may have been held, and be due again
            elif entry.shard in self._own:
                self._unsettled.setdefault(entry.ref, {})[entry] = None
                self._ring(entry.shard)

    def _ring(self, shard: int) -> None:
        self._woken.add(shard)
        self._rung.set()

    def _acknowledge(self, entries: Iterable[Entry]) -> None:
        self._settled.extend(entries)
        if self._settled:
            self._to_send.set()
        while len(self._settled) > MOST_WAITING:  # taken over, or swept up, one day
            self._settled.popleft()

    def _remember(self, ref: EventRef) -> None:
        self._lately[ref] = None
        self._lately.move_to_end(ref)
        if len(self._lately) > _REMEMBERED:
            self._lately.popitem(last=False)

    def _let_go(self) -> None:
        """Leave what was read of shards that are another's now to who claims it there."""
        self._unsettled = {
            ref: kept
            for ref, entries in self._unsettled.items()
            if (kept := {one: None for one in entries if one.shard in self._own})
        }

    def _start_anew(self) -> None:
        """Redis is back, or another: claim again. What was read before may be there no more."""
        self._unclaimed |= self._own
        self._unsettled.clear()
        if self._settled or self._outgoing:
            self._to_send.set()
