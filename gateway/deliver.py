"""Deliver: from the outbox to an outcome, at least once, visibly.

Per (alert, endpoint): waiting -> pending -> accepted | rejected | dead. One slow endpoint never
delays another: each has its own bounded lane. Order is kept per person at an endpoint, never per
recipient. Every attempt's outcome is an entry of its own, durable before the next begins.

An endpoint that fails again and again is left alone for a while and then tried with one alert;
what is owed to it stays owed, and what cannot wait goes on to the alert's next step.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import structlog

from gateway.delivery import digest
from gateway.delivery.attempt import attempt_at
from gateway.delivery.breaker import Breaker, Change
from gateway.delivery.lane import DEPTH, FLOOR, WIDTH, Lane, Load
from gateway.delivery.outcomes import after, after_digest, given_up, pause_of, verdict_of
from gateway.delivery.terms import Delivering, Owed
from gateway.metrics import ATTEMPTS, BREAKER_CHANGES, BREAKERS_OPEN, FIRST_ATTEMPT_SECONDS
from gateway.model.ids import EndpointId
from gateway.model.outcome import Outcome
from gateway.store import outbox
from gateway.store.outbox import Attempted, OutboxRow
from gateway.store.sqlite import StoreUnavailable
from gateway.store.steps import OutOfReach, turn_to_next

__all__ = ["LANE_WIDTH", "MAX_IN_MEMORY", "Deliverer", "Delivering", "Owed", "after"]

_LOG = structlog.get_logger()

LANE_WIDTH: Final = WIDTH
RECORD_AGAIN_S: Final = 1.0
MAX_IN_MEMORY: Final = 2000  # rows taken up; the rest wait in the outbox
SWEEP_EVERY_S: Final = 1.0
_SWEPT_AT_ONCE: Final = 20  # endpoints, before others get their turn of the event loop
_LOADED_AT_ONCE: Final = 100  # rows of one endpoint
_WAKE_S: Final = 0.02  # at most so often for a lane that has run dry
_LOOK_ROUND_S: Final = 5.0  # between two looks for a way round one endpoint
_ROUND: Final = 200  # alerts turned to their next step in one look


class Deliverer:
    """Takes rows up, makes attempts, stores outcomes, schedules what is deferred."""

    def __init__(self, delivering: Delivering) -> None:
        self._with = delivering
        self._lanes: dict[EndpointId, Lane] = {}
        self._taken: set[outbox.Key] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._dry = asyncio.Event()  # a lane has run dry and the outbox may hold more of it
        self._stopping = False

    @property
    def taken(self) -> AbstractSet[outbox.Key]:
        """The rows taken up and not yet settled."""
        return self._taken

    def take(self, row: OutboxRow) -> bool:
        """Take up a row just committed, unless it is, or has to wait: for room, for its endpoint,
        or for an older alert about the same person. The sweep brings what has to wait.

        An urgent alert waits for no older one.
        """
        lane = self._lane(row.endpoint)
        waits = (
            row.digest
            or lane.breaker.is_open
            or self._room(lane) == 0
            or (not row.urgent and self._with.owed.owes_older(row, self._taken))
        )
        if row.key in self._taken or waits:
            lane.more = True
            return False
        self._add(lane, row)
        self._start(lane)
        return True

    async def run(self) -> None:
        """Sweep the outbox every second, and when a lane has run dry. Runs until cancelled."""
        while True:
            await self.fill()
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`: before Python 3.12 it may lose a cancellation.
                async with asyncio.timeout(SWEEP_EVERY_S):
                    await self._dry.wait()
            self._dry.clear()
            await asyncio.sleep(_WAKE_S)

    async def fill(self) -> None:
        """Take up what is due and not in memory, endpoint by endpoint, each within its bound; turn
        what an endpoint out of reach keeps waiting to its next step."""
        for number, endpoint in enumerate(self._with.owed.endpoints()):
            if self._stopping:
                return
            lane = self._lane(endpoint)
            if lane.breaker.is_open:
                try:
                    await self._look_round(lane)
                except StoreUnavailable as error:
                    _LOG.error("no way round stored", code=error.code, endpoint=endpoint)
            self._sweep(lane)
            if number % _SWEPT_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def stop(self) -> None:
        """Let attempts under way finish and be recorded; start no more."""
        self._stopping = True
        for one in self._lanes.values():
            if one.timer is not None:
                one.timer.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _lane(self, endpoint: EndpointId) -> Lane:
        found = self._lanes.get(endpoint)
        if found is None:
            breaker = Breaker(self._with.breaker, self._with.rng)
            found = self._lanes[endpoint] = Lane(endpoint=endpoint, breaker=breaker)
        return found

    def _room(self, lane: Lane) -> int:
        """Return how many more rows a lane may have: every endpoint has room for a few."""
        if not self._may_begin:
            return 0
        shared = min(DEPTH - lane.held, MAX_IN_MEMORY - len(self._taken))
        return max(0, shared, FLOOR - lane.held)

    def _sweep(self, lane: Lane) -> None:
        """Take up what is due over one endpoint; of one that failed, what it is tried with."""
        owed, now = self._with.owed, self._with.clock()
        if lane.breaker.is_open:
            ready = lane.breaker.wait(self._with.monotonic()) == 0.0 and not lane.in_line
            due, room = (owed.probe(lane.endpoint, now), 1) if ready else ((), 0)
        elif room := self._room(lane):
            # In memory are always the first of those due, but for what was put back or pushed in.
            room = min(room, _LOADED_AT_ONCE)
            due = owed.due(lane.endpoint, now, lane.held + room)
            lane.more = len(due) == lane.held + room
        else:
            due = ()
        missing = [key for key in due if key not in self._taken][:room]
        if missing:
            self._add_all(lane, owed.load(missing))
        self._start(lane)

    def _add_all(self, lane: Lane, rows: Sequence[OutboxRow]) -> None:
        """Add rows in order, those that leave as one notice together."""
        together = [row for row in rows if row.digest and row.form == "notice"]
        for row in rows:
            if not (row.digest and row.form == "notice"):
                self._add(lane, row)
        for first in range(0, len(together), digest.MOST):
            load = tuple(together[first : first + digest.MOST])
            self._taken.update(row.key for row in load)
            lane.add_digest(load)

    def _add(self, lane: Lane, row: OutboxRow) -> None:
        self._taken.add(row.key)
        if row.digest:
            lane.add_digest((row,))
        else:
            lane.add(row)

    def _start(self, lane: Lane) -> None:
        """Begin what may begin; look again when more may."""
        now = self._with.monotonic()
        if not self._stopping and lane.in_line:
            self._limit(lane)
        while self._may_begin and (begun := lane.begin(now)):
            load, probe = begun
            task = asyncio.create_task(self._attempt(lane, load, probe=probe))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        wait = lane.wait(now)
        if wait and lane.in_line and lane.timer is None and not self._stopping:
            delay = min(wait, SWEEP_EVERY_S)
            lane.timer = asyncio.get_running_loop().call_later(delay, self._again, lane)

    @property
    def _may_begin(self) -> bool:
        return not (self._stopping or self._with.held())

    def _again(self, lane: Lane) -> None:
        lane.timer = None
        self._start(lane)

    def _limit(self, lane: Lane) -> None:
        """Set the rate its owner takes, as the directory has it now; workers share it."""
        endpoint = self._with.endpoint_of(lane.endpoint)
        own = endpoint.per_minute if endpoint else None
        per_minute = own or self._with.per_minute
        lane.rate.limit(per_minute and max(1, per_minute // self._with.workers))

    async def _attempt(self, lane: Lane, load: Load, *, probe: bool) -> None:
        outcome: Outcome | None = None
        settled = False
        try:
            owed = tuple(row for row in load if self._with.owed.is_pending(row.key))
            settled = not owed
            if owed:
                owed, outcome = await self._traced(owed)
                # Shielded: what happened on the wire must be stored even if we are being stopped.
                settled = await asyncio.shield(self._record(lane, owed, outcome))
        except StoreUnavailable as error:
            _LOG.error("outcome not stored", code=error.code, alert=load[0].alert)
        finally:
            verdict = verdict_of(outcome) if outcome is not None else "neither"
            back, change = lane.ended(
                load, verdict, self._with.monotonic(), probe=probe, settled=settled
            )
            self._taken.difference_update(back, (row.key for row in load))
            if change is not None:
                self._say(lane, load[0], change, outcome)
            if lane.more and lane.held < LANE_WIDTH and not lane.breaker.is_open:
                self._dry.set()
            self._start(lane)

    async def _traced(self, load: Load) -> tuple[Load, Outcome]:
        first = load[0]
        came_of = self._with.came_of(first.key)
        with self._with.traces.stage("attempt", channel=first.channel) as span:
            if came_of is not None:
                span.about(came_of[0])
            load, outcome = await attempt_at(load, self._with)
            span.say(outcome=type(outcome).__name__.lower())
        if came_of is not None and first.attempts == 0:
            waited = max(0.0, (self._with.clock() - came_of[1]).total_seconds())
            lane = "urgent" if first.urgent else "routine"
            FIRST_ATTEMPT_SECONDS.labels(lane).observe(waited)
        return load, outcome

    async def _record(self, lane: Lane, load: Load, outcome: Outcome) -> bool:
        """Store the outcome; return whether the (first) row is settled."""
        now = self._with.clock()
        each = (
            after_digest(load, outcome, now, self._with)
            if load[0].digest
            else [after(load[0], outcome, now, self._with)]
        )
        pause = pause_of(outcome, each[0].next_at - now)
        if pause:
            lane.pause(self._with.monotonic() + pause.total_seconds())
        for row, one in zip(load, each, strict=True):
            ATTEMPTS.labels(row.channel, one.state).inc()
            if one.state in {"rejected", "dead"}:
                self._with.report("dead-letter", row.endpoint)
        await self._store(each)
        return each[0].state != "pending"

    async def _store(self, each: Sequence[Attempted]) -> None:
        while True:
            try:
                await self._with.commit(outbox.record(each, self._out_of_reach()))
            except StoreUnavailable as error:
                if error.code != "no-space" or self._stopping:
                    raise
                # Known here and nowhere else: put back unrecorded, it would be sent again at once.
                _LOG.error("outcome not stored yet", code=error.code, alert=each[0].alert)
                await asyncio.sleep(RECORD_AGAIN_S)
            else:
                return

    async def _look_round(self, lane: Lane) -> None:
        """Turn what an endpoint out of reach keeps waiting to its next step; end what it has kept
        waiting for too long."""
        now, at = self._with.clock(), self._with.monotonic()
        if lane.looked_at is not None and 0 <= at - lane.looked_at < _LOOK_ROUND_S:
            return
        lane.looked_at = at
        owed, out = self._with.owed, self._out_of_reach()
        before = now - self._with.give_up_after
        overdue = owed.overdue(lane.endpoint, before=before, limit=_ROUND)
        ended = [given_up(row, now) for row in overdue if row.key not in self._taken]
        if ended:
            await self._with.commit(outbox.record(ended, out))
            self._with.report("dead-letter", lane.endpoint)
        assert out.decided_before is not None  # noqa: S101 - of our own making
        stranded = owed.stranded(
            lane.endpoint, now=now, decided_before=out.decided_before, limit=_ROUND
        )
        if stranded:
            await self._with.commit(turn_to_next(stranded, now, out))
            self._dry.set()

    def _out_of_reach(self) -> OutOfReach:
        return OutOfReach(
            endpoints=frozenset(
                endpoint for endpoint, one in self._lanes.items() if one.breaker.is_open
            ),
            decided_before=self._with.clock() - self._with.step_after,
        )

    def _say(self, lane: Lane, row: OutboxRow, change: Change, outcome: Outcome | None) -> None:
        lane.looked_at = None
        if change == "opened":
            self._with.report("breaker-open", lane.endpoint)
        BREAKER_CHANGES.labels(row.channel, change).inc()
        BREAKERS_OPEN.labels(row.channel).inc(1 if change == "opened" else -1)
        _LOG.warning(
            "endpoint left alone" if change == "opened" else "endpoint back",
            endpoint=lane.endpoint,
            channel=row.channel,
            code=getattr(outcome, "reason", ""),
        )
        self._dry.set()
