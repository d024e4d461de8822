"""Deliver: from the outbox to an outcome, at least once, visibly.

Per (alert, endpoint): pending -> accepted | rejected | dead. One slow endpoint never delays
another: each has its own bounded lane. Order is kept per person at an endpoint, never per
recipient. Every attempt's outcome is an entry of its own, durable before the next begins.
"""

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from gateway.channels.contract import Channel
from gateway.disclosure_log import entry
from gateway.metrics import ATTEMPTS
from gateway.model.disclosure import Parcel
from gateway.model.ids import EndpointId, PersonRef
from gateway.model.outcome import Accepted, Deferred, Outcome, Rejected
from gateway.model.party import ChannelName
from gateway.store import outbox
from gateway.store.group_commit import Unit
from gateway.store.outbox import Attempted, OutboxRow
from gateway.store.sqlite import StoreUnavailable

_LOG = structlog.get_logger()

LANE_WIDTH: Final = 32  # attempts under way at once over one endpoint
RECORD_AGAIN_S: Final = 1.0
MAX_IN_MEMORY: Final = 2000  # rows taken up; the rest wait in the outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivering:
    """What delivering needs. Time and randomness come in here."""

    channels: Mapping[ChannelName, Channel]
    address_of: Callable[[EndpointId], str | None]
    still_pending: Callable[[outbox.Key], bool]  # a row in memory may have been withheld since
    commit: Callable[[Unit[None]], Awaitable[None]]
    clock: Callable[[], datetime]
    rng: random.Random
    ladder: tuple[timedelta, ...]  # waits before each retry, jittered; the last repeats
    give_up_after: timedelta  # since the decision: then the row is dead, and seen


@dataclass(slots=True)
class _Lane:
    """One endpoint: how many attempts run, which persons are busy, who waits behind them."""

    running: int = 0
    urgent: deque[OutboxRow] = field(default_factory=deque)
    routine: deque[OutboxRow] = field(default_factory=deque)
    busy: dict[PersonRef, deque[OutboxRow]] = field(default_factory=dict)
    deferred: set[PersonRef] = field(default_factory=set)  # an older alert is still owed

    def queue(self, row: OutboxRow) -> None:
        """Put a row in its line: urgent before routine, each first come first served."""
        (self.urgent if row.urgent else self.routine).append(row)

    def next(self) -> OutboxRow | None:
        """Take the row that goes next, or None."""
        line = self.urgent or self.routine
        return line.popleft() if line else None


class Deliverer:
    """Takes rows up, makes attempts, stores outcomes, schedules what is deferred."""

    def __init__(self, delivering: Delivering) -> None:
        self._with = delivering
        self._lanes: defaultdict[EndpointId, _Lane] = defaultdict(_Lane)
        self._taken: set[outbox.Key] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def taken(self) -> AbstractSet[outbox.Key]:
        """The rows taken up and not yet settled."""
        return self._taken

    @property
    def room(self) -> int:
        """How many more rows may be taken up now."""
        return 0 if self._stopping else max(0, MAX_IN_MEMORY - len(self._taken))

    def take(self, row: OutboxRow, *, swept: bool = False) -> bool:
        """Take a pending row up, unless it already is, there is no room, or an older alert about
        the same person is still owed here. An urgent alert waits for no older one.

        Args:
            swept: The row came from the outbox in order, so nothing older is owed.
        """
        if row.key in self._taken or not self.room:
            return False
        lane = self._lanes[row.endpoint]
        if not swept and not row.urgent and row.person in lane.deferred:
            return False
        self._taken.add(row.key)
        behind = lane.busy.get(row.person)
        if behind is not None:
            behind.append(row)
        else:
            lane.busy[row.person] = deque()
            lane.queue(row)
            self._start(lane)
        return True

    async def stop(self) -> None:
        """Let attempts under way finish and be recorded; start no more."""
        self._stopping = True
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, lane: _Lane) -> None:
        while lane.running < LANE_WIDTH and not self._stopping and (row := lane.next()):
            lane.running += 1
            task = asyncio.create_task(self._attempt(lane, row))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _attempt(self, lane: _Lane, row: OutboxRow) -> None:
        pending = True
        try:
            pending = self._with.still_pending(row.key)
            if pending:
                outcome = await self._try(row)
                # Shielded: what happened on the wire must be stored even if we are being stopped.
                pending = await asyncio.shield(self._record(row, outcome))
        except StoreUnavailable as error:
            _LOG.error("outcome not stored", code=error.code, alert=row.alert)
        finally:
            lane.running -= 1
            self._taken.discard(row.key)
            self._next(lane, row.person, pending=pending)
            self._start(lane)

    def _next(self, lane: _Lane, person: PersonRef, *, pending: bool) -> None:
        """Let the person's next alert go, or, if the last is still owed, put those behind it back:
        the sweep brings them in order."""
        behind = lane.busy.pop(person, None)
        if pending:
            lane.deferred.add(person)
            self._taken.difference_update(row.key for row in behind or ())
        else:
            lane.deferred.discard(person)
            if behind:
                lane.queue(behind.popleft())
                lane.busy[person] = behind

    async def _try(self, row: OutboxRow) -> Outcome:
        address = self._with.address_of(row.endpoint)
        channel = self._with.channels.get(row.channel)
        if address is None or channel is None:
            return Deferred(reason="no-endpoint" if address is None else "no-channel")
        return await channel.deliver(
            Parcel(
                alert=row.alert,
                endpoint=row.endpoint,
                channel=row.channel,
                form=row.form,
                address=address,
                sealed=row.sealed,
                proof=row.proof,
                decided_at=row.decided_at,
                attempt=row.attempts + 1,
                outcome_unknown=row.outcome_unknown,
            )
        )

    async def _record(self, row: OutboxRow, outcome: Outcome) -> bool:
        """Store the outcome; return whether the row stays pending."""
        attempted = after(row, outcome, self._with.clock(), self._with)
        ATTEMPTS.labels(row.channel, attempted.state).inc()
        while True:
            try:
                await self._with.commit(outbox.record(attempted))
            except StoreUnavailable as error:
                if error.code != "no-space" or self._stopping:
                    raise
                # Known here and nowhere else: put back unrecorded, it would be sent again at once.
                _LOG.error("outcome not stored yet", code=error.code, alert=row.alert)
                await asyncio.sleep(RECORD_AGAIN_S)
            else:
                return attempted.state == "pending"


def after(row: OutboxRow, outcome: Outcome, now: datetime, delivering: Delivering) -> Attempted:
    """Return what an attempt's outcome means for its row.

    `Deferred.after` only lengthens the wait. Draws from `delivering.rng`; otherwise pure.
    """
    number = row.attempts + 1
    state: outbox.State = "pending"
    next_at = now
    reason = ""
    unknown = False
    if isinstance(outcome, Accepted):
        state = "accepted"
    elif isinstance(outcome, Rejected):
        state, reason = "rejected", outcome.reason
    else:
        reason, unknown = outcome.reason, outcome.outcome_unknown
        next_at = now + _wait(number, outcome, delivering)
        if next_at - row.decided_at > delivering.give_up_after:
            state = "dead"
    logged = entry.attempt(
        at=now,
        alert=row.alert,
        endpoint=row.endpoint,
        channel=row.channel,
        number=number,
        outcome="deferred" if state == "pending" else state,
        reason=reason,
    )
    return Attempted(
        alert=row.alert,
        endpoint=row.endpoint,
        state=state,
        attempts=number,
        next_at=next_at,
        outcome_unknown=unknown or (row.outcome_unknown and state == "pending"),
        reason=reason,
        entry=logged.encode(),
    )


def _wait(number: int, outcome: Deferred, delivering: Delivering) -> timedelta:
    ladder = delivering.ladder
    ceiling = ladder[min(number, len(ladder)) - 1]
    jittered = ceiling * delivering.rng.uniform(0.5, 1.0)
    return max(jittered, outcome.after or timedelta())
