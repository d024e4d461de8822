"""Shared rates: however many processes there are, an endpoint gets no more than was agreed.

Redis keeps one bucket for each endpoint; a process asks it for tokens before it needs them, and
what it did not use within two seconds it gives back. In any 60 seconds at most `per_minute`
attempts begin over all processes: tokens are given out as if a minute had 62.

With Redis away, or one that has forgotten within the last minute, each process keeps to its own
share, `per_minute` divided by the processes there were. In the minute of such a change an endpoint
may get up to a tenth more.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Final

from gateway.delivery.rate import Rate
from gateway.model.ids import EndpointId
from gateway.spread.connections import Connections, RedisAway, Word
from gateway.spread.names import Names
from gateway.spread.presence import Presence
from gateway.spread.scripts import Script

VOID_AFTER_S: Final = 2.0
WINDOW_S: Final = 60.0 + VOID_AFTER_S

_BURST: Final = 10  # as `Rate`: the tenth part of a minute's worth may leave at once
_ASKING_S: Final = 0.01  # look again so soon for tokens that were asked for
_MOST_ASKED: Final = 64
_REST_S: Final = 0.25
_REFUSED_FOR_S: Final = 5.0  # out of memory: to its own share so long
_LOOK_EVERY_S: Final = 0.5  # for tokens to be given back

# Redis's own clock is the one all share. It may be set: back, it gives nothing until it is past
# where it was; forward, a bucket's worth.
_TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local capacity, per_ms = tonumber(ARGV[1]), tonumber(ARGV[2]) / 1e9
local wanted, spent = tonumber(ARGV[3]), tonumber(ARGV[4])
local kept = redis.call('HMGET', KEYS[1], 't', 'at')
local tokens, at = tonumber(kept[1]) or capacity, tonumber(kept[2]) or now
tokens = math.min(capacity, tokens + math.max(0, now - at) * per_ms)
tokens = math.max(0, math.min(capacity, tokens - spent))
local given = math.min(wanted, math.floor(tokens + 1e-9))
tokens = tokens - given
redis.call('HSET', KEYS[1], 't', string.format('%.6f', tokens), 'at', math.max(now, at))
redis.call('PEXPIRE', KEYS[1], 3600000)
if given > 0 then return {given, 0} end
return {0, math.ceil((1 - tokens) / per_ms)}
"""


class SharedRate:
    """What one endpoint takes from all processes together. Reads no clock: as `Rate`."""

    def __init__(self, rates: "SharedRates", endpoint: EndpointId) -> None:
        self._rates = rates
        self.endpoint = endpoint
        self._share = Rate()
        self._per_minute: int | None = None
        self._tokens: deque[float] = deque()  # until when each is good, soonest first
        self._next_try = 0.0
        self._asking = False
        self._at_once = 1
        self._spent = 0  # begun, or given back if below 0, that the shared bucket does not know of
        self._spent_at = 0.0

    def limit(self, per_minute: int | None) -> None:
        """Set what the endpoint takes in a minute from all; None: whatever there is."""
        if per_minute is not None and per_minute < 1:
            raise ValueError("a rate is 1 a minute or more")
        self._per_minute = per_minute
        self._share.limit(per_minute and max(1, per_minute // self._rates.live))

    def wait(self, now: float) -> float:
        """Return in how many seconds an attempt may begin; 0 is now. Asks for tokens."""
        if self._per_minute is None:
            return 0.0
        self.void(now)
        if self._tokens:
            return 0.0
        if not self._rates.is_shared(now):
            return self._share.wait(now)
        if now < self._next_try:
            return self._next_try - now
        if not self._asking:
            self._asking = True
            self._rates.ask(self)
        return _ASKING_S

    def take(self, now: float) -> None:
        """Count an attempt that begins now.

        Raises:
            RuntimeError: none may begin.
        """
        if self.wait(now) > 0.0:
            raise RuntimeError("over the rate")
        if self._per_minute is None:
            return
        if self._share.wait(now) == 0.0:
            self._share.take(now)  # so that it holds as well should Redis go away
        if not self._tokens:
            self._spent, self._spent_at = self._spent + 1, now
            return
        self._tokens.popleft()
        if not self._tokens:
            self._at_once = min(_MOST_ASKED, self._at_once * 2)

    def void(self, now: float) -> bool:
        """Let go of tokens not used in time; return whether the bucket is to be told."""
        while self._tokens and self._tokens[0] <= now:
            self._tokens.popleft()
            self._at_once = 1
            self._spent, self._spent_at = self._spent - 1, now
        return self._spent < 0

    def asked(self, now: float) -> tuple[Word, ...]:
        """Return what to ask the bucket for: capacity, gain, tokens wanted, tokens spent."""
        per_minute = self._per_minute or 1
        capacity = max(1, per_minute // _BURST)
        gain = int((per_minute - capacity + 1) / WINDOW_S * 1e6)  # millionths in a second
        known = self._spent_at > now - WINDOW_S
        spent = max(-capacity, min(self._spent, capacity)) if known else 0
        return capacity, gain, min(self._at_once, capacity) if self._asking else 0, spent

    def told(self, spent: int) -> None:
        """Take in that the bucket knows of so many."""
        self._spent = 0 if abs(spent) < abs(self._spent) else self._spent - spent

    def given(self, count: int, wait_ms: int, now: float) -> None:
        """Take in what the bucket gave, and when it has more."""
        self._tokens.extend([now + VOID_AFTER_S] * count)
        if self._asking and not count:
            # Sooner than it says: another process may give one back.
            self._next_try = now + min(VOID_AFTER_S, wait_ms / 1000)
            self._at_once = 1
        self._asking = False

    def refused(self) -> None:
        """Take in that the bucket could not be asked."""
        self._asking = False


class SharedRates:
    """The rates of every endpoint, as one process has them. `run` does the asking."""

    def __init__(
        self,
        connections: Connections,
        names: Names,
        presence: Presence,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._names = names
        self._presence = presence
        self._monotonic = monotonic
        self._take = Script(connections, _TAKE)
        self._rates: dict[EndpointId, SharedRate] = {}
        self._asking: dict[EndpointId, SharedRate] = {}
        self._asked = asyncio.Event()
        self._refused_until = 0.0

    def of(self, endpoint: EndpointId) -> SharedRate:
        """Return the rate of an endpoint; one object for each."""
        found = self._rates.get(endpoint)
        if found is None:
            found = self._rates[endpoint] = SharedRate(self, endpoint)
        return found

    def is_shared(self, now: float) -> bool:
        """Return whether Redis has known for a whole minute what began, and keeps count now."""
        return now >= self._refused_until and self._presence.remembers_for(WINDOW_S)

    @property
    def live(self) -> int:
        """How many processes share what there is."""
        return self._presence.live

    def ask(self, rate: SharedRate) -> None:
        """Have tokens asked for."""
        self._asking[rate.endpoint] = rate
        self._asked.set()

    async def run(self) -> None:
        """Ask for what is wanted, and give back what is not. Runs until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._asked.wait()
            self._asked.clear()
            now = self._monotonic()
            asking, self._asking = self._asking, {}
            asking |= {one.endpoint: one for one in self._rates.values() if one.void(now)}
            try:
                await self._ask([*asking.values()], now)
            except RedisAway as error:
                self._presence.failed(error)
                for rate in asking.values():
                    rate.refused()
                await asyncio.sleep(_REST_S)

    async def _ask(self, asking: list[SharedRate], now: float) -> None:
        """Ask the buckets; a token's time begins before it was asked for, so that none is older
        than it may be."""
        if not asking:
            return
        if not self._presence.up:
            raise RedisAway("down")
        calls = [([self._names.rate(rate.endpoint)], rate.asked(now)) for rate in asking]
        replies = await self._take.run(calls)
        for rate, (_, arguments), reply in zip(asking, calls, replies, strict=True):
            if isinstance(reply, list):
                rate.told(int(arguments[3]))
                count, wait_ms = reply
                rate.given(count, wait_ms, now)
            else:
                self._refused_until = now + _REFUSED_FOR_S
                rate.refused()
