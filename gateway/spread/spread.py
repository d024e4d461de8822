"""All of it, for one process: made in one place, run by its loops, closed at the end."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from gateway.channels.sms.caps import Caps
from gateway.delivery.breaker import BreakerTerms
from gateway.loops import Loop
from gateway.spread.breakers import SharedBreakers
from gateway.spread.caps import SharedCaps
from gateway.spread.connections import Connections, RedisTerms
from gateway.spread.health import Health
from gateway.spread.limits import SharedRates
from gateway.spread.names import Names
from gateway.spread.presence import Presence
from gateway.spread.replay import ReplayWindow
from gateway.spread.streams import Streams
from gateway.spread.sweeper import Settled, Sweeper, Undecided
from gateway.spread.waking import SpreadWake

_FLUSH_S: Final = 1.0
_AGAIN_S: Final = 1.0
_SAID_ONCE_S: Final = 24 * 3600

_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadTerms:
    """What one process's spreading is made of."""

    redis: RedisTerms
    instance: str  # its name
    key: bytes = field(repr=False)  # 32 bytes, the same in every process, for digests alone
    process: str  # an id of this process's own: letters and digits
    breaker: BreakerTerms
    undecided: Undecided
    settled: Settled
    rng: random.Random
    monotonic: Callable[[], float]
    processes: Callable[[], int] = lambda: 1  # how many hold leases, by SQL


class Spread:
    """Everything that goes over Redis, of one process."""

    def __init__(self, terms: SpreadTerms) -> None:
        self._terms = terms
        self._names = Names(terms.instance, terms.key)
        self._connections = Connections(terms.redis)
        self.presence = Presence(
            self._connections,
            self._names,
            process=terms.process,
            monotonic=terms.monotonic,
            processes=terms.processes,
        )
        self.streams = Streams(self._connections, self._names, reader=terms.process)
        self.wake = SpreadWake(self.streams, self.presence)
        self.sweeper = Sweeper(
            streams=self.streams,
            wake=self.wake,
            presence=self.presence,
            undecided=terms.undecided,
            settled=terms.settled,
        )
        self.rates = SharedRates(
            self._connections, self._names, self.presence, monotonic=terms.monotonic
        )
        self.breakers = SharedBreakers(
            self._connections,
            self._names,
            self.presence,
            terms=terms.breaker,
            rng=terms.rng,
            monotonic=terms.monotonic,
            process=terms.process,
        )
        self.called = ReplayWindow(  # fetched messages a human was called for
            self._connections,
            self._names,
            self.presence,
            what="called",
            lasts_s=_SAID_ONCE_S,
        )
        self.health = Health(
            presence=self.presence, streams=self.streams, wake=self.wake, sweeper=self.sweeper
        )

    def caps(self, caps: Caps) -> SharedCaps:
        """Return what counts texts among all processes."""
        return SharedCaps(
            self._connections,
            self._names,
            self.presence,
            caps=caps,
            key=self._terms.key,
            process=self._terms.process,
        )

    async def start(self) -> None:
        """Look whether Redis is there, before anything asks. Never raises but for cancellation."""
        await self.presence.look()

    @property
    def loops(self) -> Mapping[str, Loop]:
        """The loops, by name. None ends by itself, whatever becomes of Redis."""
        loops: dict[str, Loop] = {
            "redis-presence": self.presence.run,
            "redis-wake": self.wake.run,
            "redis-sweep": self.sweeper.run,
            "redis-rates": self.rates.run,
            "redis-breakers": self.breakers.run,
            "redis-health": self.health.run,
        }
        return {name: partial(_kept_up, run) for name, run in loops.items()}

    async def close(self) -> None:
        """Acknowledge what is settled, say farewell and close. After the loops were cancelled."""
        if self.presence.up:
            await self.wake.flush(_FLUSH_S)
            await self.presence.leave()
        await self._connections.close()


async def _kept_up(run: Loop) -> None:
    """Run a loop for good: what stands in Redis is nobody's promise, and may break anything."""
    while True:
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - as it says
            _LOG.error("redis gave what nobody expected", error=type(error).__name__)
        await asyncio.sleep(_AGAIN_S)
