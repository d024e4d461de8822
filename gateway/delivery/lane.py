"""A lane: what is in memory for one endpoint, in the order it leaves.

Urgent before routine; one alert at a time about one person, but that an urgent one waits for no
routine one; no more attempts at once than the endpoint is given, and none while its breaker is open
or its rate is used up. Where the endpoint takes several alerts in one post, fewer such posts run at
once, and what could not leave meanwhile leaves together. Reads no clock.
"""

import asyncio
from collections import deque
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Final

from gateway.delivery.batch import ABREAST, Load, take_together
from gateway.delivery.breaker import Change, EndpointBreaker, Verdict
from gateway.delivery.rate import EndpointRate, Rate
from gateway.model.ids import EndpointId, PersonRef
from gateway.store.outbox import Key, OutboxRow

__all__ = ["DEPTH", "FLOOR", "WIDTH", "Lane", "Load"]

WIDTH: Final = 32  # attempts under way at once over one endpoint
DEPTH: Final = 500  # rows in memory for one endpoint; the rest wait in the outbox
POSTS_DEEP: Final = 2  # so many full posts more, where it takes several alerts in one
FLOOR: Final = 8  # rows every endpoint may have, however full the memory is of others'

_Turn = tuple[PersonRef, bool]  # a person, and whether urgent: one of each at a time


@dataclass(slots=True, kw_only=True)
class Lane:
    """One endpoint: how many attempts run, which persons are busy, who waits behind them."""

    endpoint: EndpointId
    breaker: EndpointBreaker
    rate: EndpointRate = field(default_factory=Rate)
    batches: int = 1  # the most alerts in one post
    batch_bytes: int = 0  # and the longest
    running: int = 0
    running_urgent: int = 0
    held: int = 0  # rows in memory: running, in line, or behind another
    more: bool = True  # the outbox may hold rows of this lane that are not in memory
    paused_until: float = 0.0  # monotonic seconds
    looked_at: float | None = None  # when a way round it was last looked for
    timer: asyncio.TimerHandle | None = None
    _urgent: deque[Load] = field(default_factory=deque)
    _routine: deque[Load] = field(default_factory=deque)
    _busy: dict[_Turn, deque[OutboxRow]] = field(default_factory=dict)  # who waits behind

    @property
    def in_line(self) -> int:
        """How many attempts could begin but for the limits."""
        return len(self._urgent) + len(self._routine)

    @property
    def depth(self) -> int:
        """How many rows may be in memory."""
        return DEPTH + (POSTS_DEEP * self.batches if self.batches > 1 else 0)

    @property
    def is_low(self) -> bool:
        """Whether there is use for more rows soon."""
        if self.batches == 1:
            return self.held < WIDTH
        return self.in_line <= self.batches // 2 and self.held < self.depth

    def add(self, row: OutboxRow) -> None:
        """Put a row in its line: behind its person's, if one of theirs is in memory; an urgent one
        behind their urgent ones alone."""
        self.held += 1
        behind = self._busy.get((row.person, row.urgent))
        if behind is None and not row.urgent:
            behind = self._busy.get((row.person, True))
        if behind is not None:
            behind.append(row)
        else:
            self._busy[row.person, row.urgent] = deque()
            self._queue((row,))

    def add_digest(self, rows: Load) -> None:
        """Put rows of a digest in line, to leave as one, whoever they are about."""
        self.held += len(rows)
        self._queue(rows)

    def wait(self, now: float) -> float | None:
        """Return in how many seconds an attempt may begin; 0 is now; None: when one has ended."""
        if self.running >= WIDTH or not (self._urgent or self._abreast):
            return None
        breaker = self.breaker.wait(now)
        if breaker is None:
            return None
        return max(breaker, self.paused_until - now, self.rate.wait(now))

    def begin(self, now: float) -> tuple[Load, bool] | None:
        """Take what leaves next, and whether it is the breaker's probe; None: nothing may now."""
        if not self.in_line or self.wait(now) != 0.0:
            return None
        self.rate.take(now)
        probe = self.breaker.begin(now)
        load = self._next(alone=probe)
        self.running += 1
        self.running_urgent += load[0].urgent
        return load, probe

    def ended(
        self, load: Load, verdict: Verdict, now: float, *, probe: bool, settled: Container[Key]
    ) -> tuple[list[Key], Change | None]:
        """Take in that an attempt ended; return the rows put back, and what became of the breaker.

        Args:
            load: What it was of.
            verdict: What it says of the endpoint.
            now: Monotonic seconds.
            probe: Whether it was the breaker's probe.
            settled: The rows that have left the outbox: their persons' next may go; behind one that
                is still owed the others are put back, and come again in order.
        """
        self.running -= 1
        self.running_urgent -= load[0].urgent
        self.held -= len(load)
        change = self.breaker.ended(verdict, now, probe=probe)
        back: list[Key] = []
        for row in load:
            behind = None if row.digest else self._busy.pop(_turn(row), None)
            if not behind:
                continue
            self.held -= len(behind)
            if row.key in settled:
                for following in behind:
                    self.add(following)
            else:
                back += [following.key for following in behind]
        if self.breaker.is_open:
            back += self.clear()
        self.more = self.more or bool(back)
        return back, change

    def pause(self, until: float) -> None:
        """Begin no attempt before a time. Only lengthens."""
        self.paused_until = max(self.paused_until, until)

    def clear(self) -> list[Key]:
        """Put back whatever has not begun; return its keys. The outbox still owes it."""
        loads = [*self._urgent, *self._routine]
        keys = [row.key for load in loads for row in load]
        for load in loads:
            if not load[0].digest:
                keys += [row.key for row in self._busy.pop(_turn(load[0]), ())]
        for behind in self._busy.values():
            keys += [row.key for row in behind]
            behind.clear()
        self._urgent.clear()
        self._routine.clear()
        self.held -= len(keys)
        self.more = self.more or bool(keys)
        return keys

    @property
    def _abreast(self) -> int:
        """How many more routine attempts may run at once."""
        most = ABREAST if self.batches > 1 else WIDTH
        return max(0, most - (self.running - self.running_urgent))

    def _next(self, *, alone: bool) -> Load:
        if self._urgent:
            return self._urgent.popleft()
        if alone or self.batches == 1 or len(self._routine) <= self._abreast:
            return self._routine.popleft()
        return take_together(self._routine, self.batches, self.batch_bytes)

    def _queue(self, load: Load) -> None:
        (self._urgent if load[0].urgent else self._routine).append(load)


def _turn(row: OutboxRow) -> _Turn:
    return row.person, row.urgent
