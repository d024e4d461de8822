"""Shared caps of texts: one number gets no more in an hour than is agreed, whoever sends them.

Each process counts for itself as well what it sent. With Redis away, or one that has forgotten
within the last hour, it keeps besides to its own share: the caps divided by the processes there
are.
"""

from datetime import timedelta
from itertools import count
from typing import Final

from gateway.channels.sms.caps import HOUR_S, Caps, NumberCaps
from gateway.spread.connections import Connections, RedisAway, Reply
from gateway.spread.names import Names
from gateway.spread.presence import Presence
from gateway.spread.scripts import Script

_HOUR_MS: Final = int(HOUR_S * 1000)
_NOW: Final = f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - {_HOUR_MS})
local kept = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local kind = ARGV[1]
"""
# Members are the digest of a text, a colon, and an id of that sending.
_TAKE: Final = f"""
{_NOW}
local all, same = {{}}, {{}}
for n = 1, #kept, 2 do
  table.insert(all, tonumber(kept[n + 1]))
  if string.sub(kept[n], 1, #kind) == kind then table.insert(same, tonumber(kept[n + 1])) end
end
local function wait(times, limit)
  local over = #times - limit
  if over < 0 then return 0 end
  return math.max(1, times[over + 1] + {_HOUR_MS} - now)
end
local longest = math.max(wait(all, tonumber(ARGV[3])), wait(same, tonumber(ARGV[4])))
if longest > 0 then return longest end
redis.call('ZADD', KEYS[1], now, kind .. ':' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], {_HOUR_MS})
return 0
"""
_GIVE_BACK: Final = f"""
{_NOW}
for n = #kept - 1, 1, -2 do
  if string.sub(kept[n], 1, #kind) == kind then return redis.call('ZREM', KEYS[1], kept[n]) end
end
return 0
"""


class SharedCaps:
    """Gives out places for texts to a number, over any hour, among all processes."""

    def __init__(
        self,
        connections: Connections,
        names: Names,
        presence: Presence,
        *,
        caps: Caps,
        key: bytes,
        process: str,
    ) -> None:
        """Start counting.

        Args:
            connections: To Redis.
            names: Of this instance's keys.
            presence: Whether Redis is there, and how many processes are.
            caps: The limits, over all processes.
            key: As `NumberCaps`.
            process: An id of this process's own: letters and digits.
        """
        self._names = names
        self._presence = presence
        self._caps = caps
        self._own = NumberCaps(caps, key=key)
        self._take = Script(connections, _TAKE)
        self._give_back = Script(connections, _GIVE_BACK)
        self._process = process
        self._sendings = count(1)

    async def take(self, number: str, text: str, *, urgent: bool, at: float) -> timedelta:
        """Take a place for one text: as `NumberCaps.take`. Never raises but for cancellation."""
        if not self._presence.up:
            return self._take_alone(number, text, urgent=urgent, at=at)
        limit = self._caps.urgent if urgent else self._caps.routine
        sending = f"{self._process}-{next(self._sendings)}"
        wait_ms = await self._ran(
            self._take, number, (self._kind(text), sending, limit, self._caps.identical)
        )
        if wait_ms is None:
            return self._take_alone(number, text, urgent=urgent, at=at)
        if wait_ms > 0:
            return timedelta(milliseconds=wait_ms)
        if self._presence.remembers_for(HOUR_S):
            self._own.count(number, text, at=at)
            return timedelta()
        wait = self._take_alone(number, text, urgent=urgent, at=at)
        if wait:
            await self._ran(self._give_back, number, (self._kind(text),))
        return wait

    async def give_back(self, number: str, text: str) -> None:
        """Give back the newest place taken for this text. Never raises but for cancellation."""
        self._own.give_back(number, text)
        if self._presence.up:
            await self._ran(self._give_back, number, (self._kind(text),))

    def _take_alone(self, number: str, text: str, *, urgent: bool, at: float) -> timedelta:
        self._own.cap(_share(self._caps, self._presence.live))
        return self._own.take(number, text, urgent=urgent, at=at)

    async def _ran(
        self, script: Script, number: str, arguments: tuple[str | int, ...]
    ) -> int | None:
        """Return what a script says; None: nobody could say it."""
        try:
            (reply,) = await script.run([([self._names.texts(number)], arguments)])
        except RedisAway as error:
            self._presence.failed(error)
            return None
        return _whole(reply)

    def _kind(self, text: str) -> str:
        return self._names.digest("text", text)


def _share(caps: Caps, processes: int) -> Caps:
    return Caps(
        routine=max(1, caps.routine // processes),
        urgent=max(1, caps.urgent // processes),
        identical=max(1, caps.identical // processes),
    )


def _whole(reply: Reply) -> int | None:
    return reply if isinstance(reply, int) else None
