"""A lane: what is in memory for one endpoint, in the order it leaves.

Urgent before routine; one alert at a time about one person, but that an urgent one waits for no
routine one; no more attempts at once than the endpoint is given, and none while its breaker is open
or its rate is used up. Reads no clock.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from gateway.delivery.breaker import Breaker, Change, Verdict
from gateway.delivery.rate import Rate
from gateway.model.ids import EndpointId, PersonRef
from gateway.store.outbox import Key, OutboxRow

WIDTH: Final = 32  # attempts under way at once over one endpoint
DEPTH: Final = 500  # rows in memory for one endpoint; the rest wait in the outbox
FLOOR: Final = 8  # rows every endpoint may have, however full the memory is of others'

_Turn = tuple[PersonRef, bool]  # a person, and whether urgent: one of each at a time
Load = tuple[OutboxRow, ...]  # what leaves in one attempt: a row, or those of one digest


@dataclass(slots=True, kw_only=True)
class Lane:
    """One endpoint: how many attempts run, which persons are busy, who waits behind them."""

    endpoint: EndpointId
    breaker: Breaker
    rate: Rate = field(default_factory=Rate)
    running: int = 0
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
        if self.running >= WIDTH:
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
        self.running += 1
        return (self._urgent or self._routine).popleft(), probe

    def ended(
        self, load: Load, verdict: Verdict, now: float, *, probe: bool, settled: bool
    ) -> tuple[list[Key], Change | None]:
        """Take in that an attempt ended; return the rows put back, and what became of the breaker.

        Args:
            load: What it was of.
            verdict: What it says of the endpoint.
            now: Monotonic seconds.
            probe: Whether it was the breaker's probe.
            settled: Whether the row has left the outbox: then its person's next may go; if it is
                still owed, those behind it are put back, and come again in order.
        """
        self.running -= 1
        self.held -= len(load)
        change = self.breaker.ended(verdict, now, probe=probe)
        back: list[Key] = []
        behind = None if load[0].digest else self._busy.pop(_turn(load), None)
        if behind:
            self.held -= len(behind)
            if settled:
                for row in behind:
                    self.add(row)
            else:
                back = [row.key for row in behind]
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
                keys += [row.key for row in self._busy.pop(_turn(load), ())]
        for behind in self._busy.values():
            keys += [row.key for row in behind]
            behind.clear()
        self._urgent.clear()
        self._routine.clear()
        self.held -= len(keys)
        self.more = self.more or bool(keys)
        return keys

    def _queue(self, load: Load) -> None:
        (self._urgent if load[0].urgent else self._routine).append(load)


def _turn(load: Load) -> _Turn:
    return load[0].person, load[0].urgent
