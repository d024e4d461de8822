"""Shared breakers: what one process found of an endpoint, the others know within a second.

Each process keeps its own breakers, by which alone attempts begin. What Redis adds: one that opens
opens for all, one that closes closes for all, and of all processes one at a time makes the probe.
With Redis away each goes by its own. Nothing is rejected and nobody is disabled: the longest that
anybody is left alone is the terms' own, whatever Redis says.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from gateway.delivery.breaker import Breaker, BreakerTerms, Change
from gateway.model.ids import EndpointId
from gateway.spread.breaker import SharedBreaker
from gateway.spread.connections import Command, Connections, RedisAway, Reply
from gateway.spread.names import Names
from gateway.spread.presence import Presence
from gateway.spread.scripts import Script

LOOK_EVERY_S: Final = 0.5
PROBE_LASTS_MS: Final = 120_000  # of a process that died over its probe

_UNUSED_MS: Final = 5_000  # of leave to probe, from asking to probing
_REST_S: Final = 0.1

# Keys: all breakers. Arguments: endpoint, milliseconds it stays open, times in a row.
_OPEN: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local til = now + tonumber(ARGV[2])
local kept = redis.call('HGET', KEYS[1], ARGV[1])
if kept and tonumber(string.match(kept, '^%d+') or '0') > til then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f:%d', til, tonumber(ARGV[3])))
return 1
"""
# Keys: all breakers, the epoch. Returns the epoch; then, of each, endpoint, milliseconds left and
# times in a row. What nobody tried for a day goes.
_LOOK: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept, found = redis.call('HGETALL', KEYS[1]), {redis.call('GET', KEYS[2]) or ''}
for n = 1, #kept, 2 do
  local til, times = string.match(kept[n + 1], '^(%d+):(%d+)$')
  if not til or now - tonumber(til) > 86400000 then
    redis.call('HDEL', KEYS[1], kept[n])
  else
    table.insert(found, kept[n])
    table.insert(found, math.max(0, tonumber(til) - now))
    table.insert(found, tonumber(times))
  end
end
return found
"""
_LET_GO: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


def _to_nobody(_endpoint: EndpointId, _change: Change) -> None:
    return


class SharedBreakers:
    """The breakers of every endpoint, as one process has them. `run` does the talking."""

    def __init__(
        self,
        connections: Connections,
        names: Names,
        presence: Presence,
        *,
        terms: BreakerTerms,
        rng: random.Random,
        monotonic: Callable[[], float],
        process: str,
    ) -> None:
        """Know of nobody yet.

        Args:
            connections: To Redis.
            names: Of this instance's keys.
            presence: Whether Redis is there.
            terms: When a breaker opens, and for how long.
            rng: For jitter.
            monotonic: Seconds of a clock that never goes back.
            process: An id of this process's own: letters and digits.
        """
        self._connections = connections
        self._names = names
        self._presence = presence
        self._terms = terms
        self._rng = rng
        self._monotonic = monotonic
        self._process = process
        self._open, self._look, self._let_go = (
            Script(connections, text) for text in (_OPEN, _LOOK, _LET_GO)
        )
        self._breakers: dict[str, SharedBreaker] = {}  # by digest
        self._by_endpoint: dict[EndpointId, SharedBreaker] = {}
        self._to_tell: dict[EndpointId, SharedBreaker] = {}
        self._to_ask: dict[EndpointId, SharedBreaker] = {}
        self._to_hold: dict[EndpointId, SharedBreaker] = {}
        self._to_let_go: dict[EndpointId, SharedBreaker] = {}
        self._rung = asyncio.Event()
        self.changed: Callable[[EndpointId, Change], None] = _to_nobody  # by another process
        presence.on_change(self._tell_all)

    def of(self, endpoint: EndpointId) -> SharedBreaker:
        """Return the breaker of an endpoint; one object for each."""
        found = self._by_endpoint.get(endpoint)
        if found is None:
            found = SharedBreaker(Breaker(self._terms, self._rng), self, endpoint)
            self._by_endpoint[endpoint] = self._breakers[self._digest(endpoint)] = found
        return found

    @property
    def is_shared(self) -> bool:
        """Whether Redis is there."""
        return self._presence.up

    def tell(self, breaker: SharedBreaker) -> None:
        """Have the others told what became of a breaker."""
        breaker.is_known = False  # until they are, what Redis says of it is old
        self._to_tell[breaker.endpoint] = breaker
        self._rung.set()

    def ask(self, breaker: SharedBreaker) -> None:
        """Have it asked for whether this process may make the probe."""
        self._to_ask[breaker.endpoint] = breaker
        self._rung.set()

    def probing(self, breaker: SharedBreaker) -> None:
        """Have the others wait until the probe has ended."""
        self._to_hold[breaker.endpoint] = breaker
        self._rung.set()

    def let_go(self, breaker: SharedBreaker) -> None:
        """Have the next probe be anybody's."""
        self._to_hold.pop(breaker.endpoint, None)
        self._to_let_go[breaker.endpoint] = breaker
        self._rung.set()

    async def run(self) -> None:
        """Tell, ask and look, again and again. Runs until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._rung.wait()
            self._rung.clear()
            try:
                if self._presence.up:
                    await self.exchange()
                else:
                    self._no_answer()
            except RedisAway as error:
                self._presence.failed(error)
                self._no_answer()
            # Ten lookings in a second are enough, whoever rings.
            await asyncio.sleep(_REST_S)

    async def exchange(self) -> None:
        """Tell and ask what is waiting, and look once. Raises RedisAway: all of it waits still."""
        await self._tell()
        await self._ask()
        await self._look_once()

    async def _tell(self) -> None:
        telling = [(one, one.state) for one in self._to_tell.values()]
        key, now = self._names.breakers, self._monotonic()
        opened, closed = [], []
        for one, state in telling:
            if state is None:
                closed.append(self._digest(one.endpoint))
            else:
                left_ms = max(0, int((state[0] - now) * 1000))
                opened.append(([key], (self._digest(one.endpoint), left_ms, state[1])))
        await self._open.run(opened)
        if closed:
            await self._connections.one("HDEL", key, *closed)
        for one, state in telling:
            if one.state == state:  # else there is more to tell
                self._to_tell.pop(one.endpoint, None)
                one.is_known = state is not None

    async def _ask(self) -> None:
        held, asked = [*self._to_hold.values()], [*self._to_ask.values()]
        let_go = [*self._to_let_go.values()]
        commands: list[Command] = [
            ("SET", self._probe(one), self._process, "PX", PROBE_LASTS_MS) for one in held
        ]
        commands += [
            ("SET", self._probe(one), self._process, "NX", "PX", _UNUSED_MS) for one in asked
        ]
        now = self._monotonic()
        replies = await self._connections.batch(commands) if commands else []
        await self._let_go.run([([self._probe(one)], (self._process,)) for one in let_go])
        for one, reply in zip(asked, replies[len(held) :], strict=True):
            # Who asks and does not need it lets others ask first.
            rest_s = self._rng.uniform(0.2, 1.0)
            one.may_probe(now, granted=reply == b"OK", rest_s=rest_s)
        for waiting, settled in (
            (self._to_hold, held),
            (self._to_ask, asked),
            (self._to_let_go, let_go),
        ):
            for one in settled:
                waiting.pop(one.endpoint, None)

    async def _look_once(self) -> None:
        (reply,) = await self._look.run([([self._names.breakers, self._names.epoch], ())])
        if not isinstance(reply, list) or reply[0].decode() != self._presence.epoch:
            return  # it has forgotten: what is not there was not closed
        now = self._monotonic()
        found: dict[str, tuple[float, int]] = {}
        for digest, left_ms, times in _threes(reply[1:]):
            left_s = min(self._terms.longest_s, left_ms / 1000)
            found[digest.decode()] = (now + left_s, times)
        for name, breaker in self._breakers.items():
            if breaker.endpoint in self._to_tell:
                continue
            state = found.get(name)
            # Only what Redis had can have been closed by another: it may as well have forgotten.
            if (state is not None and self._is_news(breaker, state)) or (
                state is None and breaker.is_known and breaker.is_open
            ):
                change = breaker.follow(state)
                if change is not None:
                    self.changed(breaker.endpoint, change)
            breaker.is_known = state is not None

    def _is_news(self, breaker: SharedBreaker, state: tuple[float, int]) -> bool:
        """Return whether what Redis says goes beyond what is known here."""
        own = breaker.state
        return own is None or state[0] > own[0] + LOOK_EVERY_S

    def _no_answer(self) -> None:
        now = self._monotonic()
        for one in self._to_ask.values():
            one.may_probe(now, granted=False, rest_s=0.0)
        self._to_ask.clear()
        self._to_hold.clear()
        self._to_let_go.clear()  # it lapses

    def _tell_all(self) -> None:
        """Redis is back, or another: what is open here is said anew."""
        for breaker in self._breakers.values():
            breaker.is_known = False
            if breaker.is_open:
                self._to_tell[breaker.endpoint] = breaker
        self._rung.set()

    def _probe(self, breaker: SharedBreaker) -> str:
        return self._names.probe(breaker.endpoint)

    def _digest(self, endpoint: EndpointId) -> str:
        return self._names.digest("endpoint", endpoint)


def _threes(flat: Sequence[Reply]) -> Iterator[tuple[bytes, int, int]]:
    """Yield a flat reply in threes."""
    return zip(flat[::3], flat[1::3], flat[2::3], strict=True)
