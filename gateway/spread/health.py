"""What spreading says of itself: whether it is there, what was dropped, what lies in the streams.

Degraded means slower, never less: everything still happens by looking, within each process's own
share of the limits.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter, Gauge

from gateway.metrics import REGISTRY
from gateway.spread.connections import RedisAway
from gateway.spread.presence import Presence
from gateway.spread.streams import Streams
from gateway.spread.sweeper import Sweeper
from gateway.spread.waking import SpreadWake

LOOK_EVERY_S: Final = 5.0

REDIS_UP = Gauge(
    "throughgate_redis_up",
    "Whether Redis answers this worker (1) or work is found by looking (0)",
    registry=REGISTRY,
)
REDIS_LOSSES = Counter(
    "throughgate_redis_losses_total",
    "Times that Redis went away (away), or had forgotten what it held (forgot)",
    ["what"],
    registry=REGISTRY,
)
ANNOUNCED = Counter(
    "throughgate_announced_events_total",
    "Accepted events announced to whoever decides them, or left to be found (dropped)",
    ["outcome"],
    registry=REGISTRY,
)
SWEEPS = Counter(
    "throughgate_redis_sweeps_total",
    "Times that the streams were made from the store again",
    registry=REGISTRY,
)
STREAM_ENTRIES = Gauge(
    "throughgate_stream_entries",
    "Announced and not yet settled events of the shards this worker owns",
    registry=REGISTRY,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How spreading stands. The counts are since the process began."""

    up: bool
    away: int
    forgot: int
    announced: int
    dropped: int
    sweeps: int
    unsettled: int  # read and not yet settled
    entries: int | None  # in the streams of owned shards; None: not known

    @property
    def degraded(self) -> bool:
        """Whether work is found by looking alone."""
        return not self.up


class Health:
    """Reads how spreading stands, and counts it for the operators."""

    def __init__(
        self, *, presence: Presence, streams: Streams, wake: SpreadWake, sweeper: Sweeper
    ) -> None:
        self._presence = presence
        self._streams = streams
        self._wake = wake
        self._sweeper = sweeper
        self._counted = [0, 0, 0, 0, 0]

    async def read(self) -> Reading:
        """Return how it stands. Never raises but for cancellation."""
        entries: int | None = None
        if self._presence.up:
            try:
                entries = sum((await self._streams.waiting(self._wake.owned)).values())
            except RedisAway as error:
                self._presence.failed(error)
        return Reading(
            up=self._presence.up,
            away=self._presence.away_count,
            forgot=self._presence.forgot_count,
            announced=self._wake.announced,
            dropped=self._wake.dropped,
            sweeps=self._sweeper.sweeps,
            unsettled=len(self._wake.unsettled),
            entries=entries,
        )

    async def run(self) -> None:
        """Read and count, again and again. Runs until cancelled."""
        while True:
            self.count(await self.read())
            await asyncio.sleep(LOOK_EVERY_S)

    def count(self, reading: Reading) -> None:
        """Set the metrics to a reading."""
        REDIS_UP.set(reading.up)
        if reading.entries is not None:
            STREAM_ENTRIES.set(reading.entries)
        counters = (
            REDIS_LOSSES.labels("away"),
            REDIS_LOSSES.labels("forgot"),
            ANNOUNCED.labels("announced"),
            ANNOUNCED.labels("dropped"),
            SWEEPS,
        )
        counts = [
            reading.away,
            reading.forgot,
            reading.announced,
            reading.dropped,
            reading.sweeps,
        ]
        for counter, now, before in zip(counters, counts, self._counted, strict=True):
            counter.inc(now - before)
        self._counted = counts
