"""How many texts one number may get in an hour: ours, set well below where the networks block.

The networks block a number's texts beyond 20 identical or 100 in all an hour (GOV.UK Notify), and
a phone that is blocked hears nothing of the next emergency.

Counted in memory, by a keyed digest of the number. A restart forgets the last hour, so that a
number may get twice its cap in the hour of a restart: with the defaults still within the networks'.
"""

import hmac
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

HOUR_S: Final = 3600.0
_SWEEP_EVERY: Final = 1000
_ALL_AT_ONCE: Final = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Texts an hour to one number."""

    routine: int = 10
    urgent: int = 50  # in all: urgent alerts may use what routine ones may not
    identical: int = 10


class TextCaps(Protocol):
    """Gives out places for texts to a number, to this process or among several."""

    async def take(self, number: str, text: str, *, urgent: bool, at: float) -> timedelta:
        """Take a place for one text: as `NumberCaps.take`."""

    async def give_back(self, number: str, text: str) -> None:
        """Give back the newest place taken for this text: it surely never left."""


@dataclass(slots=True)
class _Hour:
    """What one number got: when, oldest first, and which text it was."""

    sent: deque[tuple[float, bytes]] = field(default_factory=deque)


class NumberCaps:
    """Gives out places for texts to a number, over any hour."""

    def __init__(self, caps: Caps, *, key: bytes) -> None:
        """Start counting.

        Args:
            caps: The limits.
            key: 16 random bytes or more; digests of numbers are worth nothing without it.
        """
        self._caps = caps
        self._key = key
        self._hours: dict[bytes, _Hour] = {}
        self._taken = 0

    def take(self, number: str, text: str, *, urgent: bool, at: float) -> timedelta:
        """Take a place for one text.

        Args:
            number: E.164.
            text: What tells identical texts from others.
            urgent: May use the whole of the hour.
            at: Seconds of a clock that never goes back.

        Returns:
            Zero when the place was taken; otherwise nothing was, and this is how long until one
            is free, at most an hour.
        """
        hour = self._hours.setdefault(self._digest(number), _Hour())
        _expire(hour, at)
        kind = self._digest(text)
        limit = self._caps.urgent if urgent else self._caps.routine
        wait = max(
            _wait([when for when, _ in hour.sent], limit, at),
            _wait([when for when, one in hour.sent if one == kind], self._caps.identical, at),
        )
        if wait > 0:
            return timedelta(seconds=wait)
        hour.sent.append((at, kind))
        self._sweep(at)
        return _ALL_AT_ONCE

    def count(self, number: str, text: str, *, at: float) -> None:
        """Count a text whose place was taken elsewhere."""
        hour = self._hours.setdefault(self._digest(number), _Hour())
        _expire(hour, at)
        hour.sent.append((at, self._digest(text)))
        self._sweep(at)

    def cap(self, caps: Caps) -> None:
        """Set other limits; what was counted stays counted."""
        self._caps = caps

    def give_back(self, number: str, text: str) -> None:
        """Give back the newest place taken for this text: it surely never left."""
        hour = self._hours.get(self._digest(number), _Hour())
        kind = self._digest(text)
        for index in reversed(range(len(hour.sent))):
            if hour.sent[index][1] == kind:
                del hour.sent[index]
                return

    def __len__(self) -> int:
        """Return how many numbers are held: those that got a text within about an hour."""
        return len(self._hours)

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(), "sha256")[:16]

    def _sweep(self, at: float) -> None:
        """Now and then forget the numbers whose hour is over."""
        self._taken += 1
        if self._taken % _SWEEP_EVERY:
            return
        for hour in self._hours.values():
            _expire(hour, at)
        self._hours = {number: hour for number, hour in self._hours.items() if hour.sent}


class OwnCaps:
    """`TextCaps` of one process alone."""

    def __init__(self, counted: NumberCaps) -> None:
        self._counted = counted

    async def take(self, number: str, text: str, *, urgent: bool, at: float) -> timedelta:
        """Take a place for one text. Waits for nothing."""
        return self._counted.take(number, text, urgent=urgent, at=at)

    async def give_back(self, number: str, text: str) -> None:
        """Give back the newest place taken for this text. Waits for nothing."""
        self._counted.give_back(number, text)


def _expire(hour: _Hour, at: float) -> None:
    while hour.sent and hour.sent[0][0] <= at - HOUR_S:
        hour.sent.popleft()


def _wait(times: Iterable[float], limit: int, at: float) -> float:
    """Return the seconds until fewer than `limit` of these times lie within the last hour."""
    within = list(times)
    over = len(within) - limit
    return within[over] + HOUR_S - at if over >= 0 else 0.0
