"""Deliver: from the outbox to an outcome, at least once, visibly.

Per (alert, endpoint): waiting -> pending -> accepted | rejected | dead. One slow endpoint never
delays another: each has its own bounded lane. Order is kept per person at an endpoint, never per
recipient. Every attempt's outcome is an entry of its own, durable before the next begins; of
several alerts in one post each has its own, all in one commit.

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
from gateway.delivery.attempt import Made, attempt_at
from gateway.delivery.breaker import Change
from gateway.delivery.lane import FLOOR, WIDTH, Lane, Load
from gateway.delivery.outcomes import after, after_made, given_up, pause_of, verdict_of
from gateway.delivery.taken import Taken
from gateway.delivery.terms import Delivering, Owed
from gateway.metrics import ATTEMPTS, BREAKER_CHANGES, BREAKERS_OPEN, FIRST_ATTEMPT_SECONDS
from gateway.model.ids import EndpointId
from gateway.model.outcome import Outcome
from gateway.model.party import ChannelName
from gateway.shards import Tokens, mask_of, shard_at
from gateway.store import outbox
from gateway.store.leases import fenced, of_alerts, of_slots
from gateway.store.outbox import Attempted, OutboxRow
from gateway.store.sqlite import StoreUnavailable
from gateway.store.steps import OutOfReach, turn_to_next

__all__ = ["LANE_WIDTH", "MAX_IN_MEMORY", "Deliverer", "Delivering", "Owed", "after"]

_LOG = structlog.get_logger()

LANE_WIDTH: Final = WIDTH
RECORD_AGAIN_S: Final = 1.0
FINISH_WITHIN_S: Final = 20.0  # an attempt under way, when we are being stopped
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
        self._taken = Taken()
        self._tasks: dict[asyncio.Task[None], Load] = {}
        self._dry = asyncio.Event()  # a lane has run dry and the outbox may hold more of it
        self._stopping = False

    @property
    def taken(self) -> AbstractSet[outbox.Key]:
        """The rows taken up and not yet settled."""
        return self._taken.keys

    def take(self, row: OutboxRow) -> bool:
        """Take up a row just committed, unless it is, or has to wait: for room, for its endpoint,
        or, unless it is urgent, for an older alert about the same person. The sweep brings what has
        to wait.
        """
        lane = self._lane(row.endpoint)
        waits = (
            row.digest
            or lane.breaker.is_open
            or self._room(lane) == 0
            or (not (row.urgent or row.alone) and self._with.owed.owes_older(row, self._taken))
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
            _, late = await asyncio.wait(set(self._tasks), timeout=FINISH_WITHIN_S)
            for task in late:  # what it was of is still owed, and leaves again under the same id
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def put_back(self) -> None:
        """Put back whatever has not begun: some of it is another's now. It is still owed."""
        for lane in self._lanes.values():
            self._taken.drop(lane.clear())
        self._dry.set()

    @property
    def under_way(self) -> int:
        """The shards of the attempts under way, as a mask."""
        return mask_of(shard_at(row.slot) for load in self._tasks.values() for row in load)

    def _lane(self, endpoint: EndpointId) -> Lane:
        found = self._lanes.get(endpoint)
        if found is None:
            found = self._lanes[endpoint] = self._with.new_lane(endpoint)
        return found

    def _room(self, lane: Lane) -> int:
        """Return how many more rows a lane may have: every endpoint has room for a few."""
        if not self._may_begin:
            return 0
        shared = min(lane.depth - lane.held, MAX_IN_MEMORY - len(self._taken))
        return max(0, 0 if self._taken.is_full else shared, FLOOR - lane.held)

    def _sweep(self, lane: Lane) -> None:
        """Take up what is due over one endpoint; of one that failed, what it is tried with."""
        owed, now = self._with.owed, self._with.clock()
        if lane.breaker.is_open:
            ready = lane.breaker.wait(self._with.monotonic()) == 0.0 and not lane.in_line
            due, room = (owed.probe(lane.endpoint, now), 1) if ready else ((), 0)
        elif room := self._room(lane):
            # In memory are always the first of those due, but for what was put back or pushed in.
            room = min(room, max(_LOADED_AT_ONCE, lane.batches))
            due = owed.due(lane.endpoint, now, lane.held + room)
            lane.more = len(due) == lane.held + room
        else:
            due = ()
        missing = [key for key in due if key not in self._taken][:room]
        if missing:
            rows, all_fit = self._taken.load(owed, missing)
            lane.more = lane.more or not all_fit
            self._add_all(lane, rows)
        self._start(lane)

    def _add_all(self, lane: Lane, rows: Sequence[OutboxRow]) -> None:
        """Add rows in order, those that leave as one notice together."""
        for row in rows:
            if not digest.is_listed(row):
                self._add(lane, row)
        for load in digest.notices(rows):
            self._taken.add(load)
            lane.add_digest(load)

    def _add(self, lane: Lane, row: OutboxRow) -> None:
        self._taken.add((row,))
        if row.digest:
            lane.add_digest((row,))
        else:
            lane.add(row)

    def _start(self, lane: Lane) -> None:
        """Begin what may begin; look again when more may."""
        now = self._with.monotonic()
        if not self._stopping and lane.in_line:
            self._heed(lane)
        while self._may_begin and (begun := lane.begin(now)):
            load, probe = begun
            task = asyncio.create_task(self._attempt(lane, load, probe=probe))
            self._tasks[task] = load
            task.add_done_callback(self._tasks.pop)
        wait = lane.wait(now) if lane.in_line else None  # a shared rate asks for what is wanted
        if wait and lane.timer is None and not self._stopping:
            delay = min(wait, SWEEP_EVERY_S)
            lane.timer = asyncio.get_running_loop().call_later(delay, self._again, lane)

    @property
    def _may_begin(self) -> bool:
        return not (self._stopping or self._with.held())

    def _again(self, lane: Lane) -> None:
        lane.timer = None
        self._start(lane)

    def _heed(self, lane: Lane) -> None:
        """Set what its owner takes, as the directory has it now: at a time, and the rate, which
        workers share."""
        endpoint = self._with.endpoint_of(lane.endpoint)
        lane.batches = endpoint.batches if endpoint else 1
        lane.batch_bytes = endpoint.batch_bytes if endpoint else 0
        lane.rate.limit(self._with.limit_of(endpoint))

    async def _attempt(self, lane: Lane, load: Load, *, probe: bool) -> None:
        outcome: Outcome | None = None
        under = self._with.tokens()
        settled: frozenset[outbox.Key] = frozenset()
        try:
            owed = tuple(row for row in load if self._with.owed.is_pending(row.key))
            # One whose lease has ended is still owed: what is behind it has to wait.
            gone = {row.key for row in load} - {row.key for row in owed}
            settled = frozenset(filter(self._with.owed.is_settled, gone))
            if owed:
                made = await self._traced(owed)
                outcome = made.said
                # Shielded: what happened on the wire must be stored even if we are being stopped.
                settled |= await asyncio.shield(self._record(lane, made, under))
        except StoreUnavailable as error:
            _LOG.error("outcome not stored", code=error.code, alert=load[0].alert)
        finally:
            verdict = verdict_of(outcome) if outcome is not None else "neither"
            back, change = lane.ended(
                load, verdict, self._with.monotonic(), probe=probe, settled=settled
            )
            self._taken.drop((*back, *(row.key for row in load)))
            if change is not None:
                self._say(lane, load[0], change, outcome)
            lane.more = lane.more or len(settled) < len(load) > 1
            if lane.more and lane.is_low and not lane.breaker.is_open:
                self._dry.set()
            self._start(lane)

    async def _traced(self, load: Load) -> Made:
        first = load[0]
        came_of = first.came_of or self._with.came_of(first.key)
        with self._with.traces.stage("attempt", channel=first.channel) as span:
            if came_of is not None:
                span.about(came_of[0])
            made = await attempt_at(load, self._with)
            span.say(outcome=type(made.said).__name__.lower() if made.said else "none")
        if came_of is not None and first.attempts == 0:
            waited = max(0.0, (self._with.clock() - came_of[1]).total_seconds())
            lane = "urgent" if first.urgent else "routine"
            FIRST_ATTEMPT_SECONDS.labels(lane).observe(waited)
        return made

    async def _record(self, lane: Lane, made: Made, under: Tokens) -> frozenset[outbox.Key]:
        """Store what came of each row; return those that are settled."""
        if not made.rows:
            return frozenset()
        now = self._with.clock()
        each = after_made(made, now, self._with)
        pause = pause_of(made.said, each[0].next_at - now) if made.said is not None else None
        if pause:
            lane.pause(self._with.monotonic() + pause.total_seconds())
        for row, one in zip(made.rows, each, strict=True):
            ATTEMPTS.labels(row.channel, one.state).inc()
            if one.state in {"rejected", "dead"}:
                self._with.report("dead-letter", row.endpoint)
        await self._store(each, made.rows, under)
        return frozenset(one.key for one in each if one.state != "pending")

    async def _store(self, each: Sequence[Attempted], rows: Load, under: Tokens) -> None:
        about = of_slots(row.slot for row in rows)
        while True:
            try:
                unit = outbox.record(each, self._out_of_reach())
                await self._with.commit(fenced(unit, under, about))
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
        under = self._with.tokens()
        owed, out = self._with.owed, self._out_of_reach()
        before = now - self._with.give_up_after
        overdue = owed.overdue(lane.endpoint, before=before, limit=_ROUND)
        late = [row for row in overdue if row.key not in self._taken]
        if late:
            unit = outbox.record([given_up(row, now) for row in late], out)
            about = of_slots(row.slot for row in late)
            await self._with.commit(fenced(unit, under, about))
            self._with.report("dead-letter", lane.endpoint)
        assert out.decided_before is not None  # noqa: S101 - of our own making
        stranded = owed.stranded(
            lane.endpoint, now=now, decided_before=out.decided_before, limit=_ROUND
        )
        if stranded:
            unit = turn_to_next(stranded, now, out)
            await self._with.commit(fenced(unit, under, of_alerts(stranded)))
            self._dry.set()

    def _out_of_reach(self) -> OutOfReach:
        return OutOfReach(
            endpoints=frozenset(
                endpoint for endpoint, one in self._lanes.items() if one.breaker.is_open
            ),
            decided_before=self._with.clock() - self._with.step_after,
        )

    def breaker_changed(self, endpoint: EndpointId, change: Change) -> None:
        """Heed what another process found of an endpoint."""
        lane, known = self._lane(endpoint), self._with.endpoint_of(endpoint)
        if change == "opened":
            self._taken.drop(lane.clear())
        if known is not None:
            self._changed(lane, known.channel, change)

    def _changed(self, lane: Lane, channel: ChannelName, change: Change) -> None:
        lane.looked_at = None
        BREAKERS_OPEN.labels(channel).inc(1 if change == "opened" else -1)
        self._dry.set()

    def _say(self, lane: Lane, row: OutboxRow, change: Change, outcome: Outcome | None) -> None:
        if change == "opened":
            self._with.report("breaker-open", lane.endpoint)
        BREAKER_CHANGES.labels(row.channel, change).inc()
        self._changed(lane, row.channel, change)
        _LOG.warning(
            "endpoint left alone" if change == "opened" else "endpoint back",
            endpoint=lane.endpoint,
            channel=row.channel,
            code=getattr(outcome, "reason", ""),
        )
