"""The whole story on one screen: receive, decide, disclose, deliver.

post    bytes -> Posted -> durable -> 202
feed    bytes -> Posted -> durable -> acknowledged to where they were fetched
tell    Event -> Permit | Refusal -> Disclosure -> one transaction -> outbox; or it is held
sweep   what a crash, a hold, a full queue or a retry left comes back, and what humans approved
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import structlog

from adapters.contract import Adapter
from adapters.kit.framing import MAX_MESSAGE_BYTES
from gateway import clock
from gateway.consequences import Consequences, Follows, Waits
from gateway.deliver import Deliverer
from gateway.directory import Directory
from gateway.disclose import Disclosing
from gateway.disclosure_log import entry
from gateway.event_queue import EventQueue, Pushback
from gateway.feeds.contract import Answer
from gateway.feeds.seen import Seen
from gateway.feeds.verdict import verdict
from gateway.incidents import Code
from gateway.law import Law
from gateway.metrics import DECISION_SECONDS, DECISIONS, EVENTS, KEY_PROBLEMS
from gateway.model.event import Event
from gateway.model.ids import AgencyName, EventRef
from gateway.model.posted import Conflict, Posted, Receipt
from gateway.model.problem import MalformedEvent, Problem
from gateway.receive import (
    Fed,
    NeedsHuman,
    Receiving,
    Request,
    UntrustedSource,
    receive,
    receive_fed,
)
from gateway.store.acceptance import Acceptance
from gateway.store.decisions import commit, hold, quarantine, rows_of
from gateway.store.group_commit import Staged
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from gateway.store.tasks import Task, approved_disclosures
from gateway.traces import OFF, Traces
from keys.providers.problem import ProviderProblem

QUARANTINE_AFTER: Final = 5  # failures to decide one event
SWEEP_EVERY_S: Final = 1.0
DECIDED_AT_ONCE: Final = 32  # different persons; their decisions share commits

Loop: TypeAlias = Callable[[], Coroutine[Any, Any, None]]  # runs until cancelled

_LOG = structlog.get_logger()


class Pipeline:
    """The straight line, wired. One per worker process."""

    def __init__(
        self,
        *,
        store: Store,
        directory: Directory,
        law: Law,
        adapters: Mapping[str, Adapter],
        disclosing: Callable[[datetime], Disclosing],
        deliverer: Deliverer,
        clock: Callable[[], datetime],
        new_id: Callable[[str], str],
        undecided_bound: int,
        report: Callable[[Code, str], None],
        chase: Loop | None = None,
        while_whole: Callable[[Loop], Loop] = lambda loop: loop,
        traces: Traces = OFF,
    ) -> None:
        self._store = store
        self._directory = directory
        self._adapters = adapters
        self._deliverer = deliverer
        self._clock = clock
        self._new_id = new_id
        self._bound = undecided_bound
        self._report = report  # tells the operator: a code, and what it is about
        self._queue = EventQueue()
        self._posting = 0  # requests being accepted now
        self._chase = chase
        self._while_whole = while_whole  # lets a loop rest while the log is behind
        self._traces = traces
        self._called = Seen()  # fetched messages a human was called for
        self._consequences = Consequences(
            store=store,
            directory=directory,
            law=law,
            disclosing=disclosing,
            new_id=new_id,
            traces=traces,
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def post(self, request: Request) -> Receipt | Conflict:
        """Accept a request durably, once, and set its events going.

        Raises:
            Pushback: too many events await a decision.
            What `receive` raises; StoreUnavailable.
        """
        try:
            return await self._take(
                lambda now: receive(request, self._receiving(now)), request.adapter
            )
        except NeedsHuman as error:
            await self._call_a_human(error)
            raise error.unsupported from None

    async def feed(self, fed: Fed) -> Answer:
        """Accept a fetched message as `post` does, and say what its source may be told.

        Raises:
            Never, but for cancellation.
        """
        return await verdict(fed, self._take_fed(fed))

    async def _take_fed(self, fed: Fed) -> Receipt | Conflict:
        if len(fed.body) > MAX_MESSAGE_BYTES:
            raise MalformedEvent(Problem(path="$", reason=f"larger than {MAX_MESSAGE_BYTES} bytes"))
        try:
            return await self._take(lambda now: receive_fed(fed, self._receiving(now)), fed.adapter)
        except NeedsHuman as error:
            # A source offers what was refused again and again: the trace is left once.
            if (fed.feed, fed.message_id) not in self._called:
                await self._call_a_human(error)
                self._called.add((fed.feed, fed.message_id))
            raise error.unsupported from None

    async def _take(
        self, read: Callable[[datetime], Posted], adapter: str | None
    ) -> Receipt | Conflict:
        if len(self._queue) + self._posting >= self._bound:
            raise Pushback(retry_after_s=2)
        self._posting += 1
        try:
            with self._traces.stage("receive") as span:
                acceptance = await self._accept(read, adapter)
                span.about(*(event.ref for event in acceptance.new))
                span.say(events=len(acceptance.new))
        finally:
            self._posting -= 1
        for event in acceptance.new:
            EVENTS.labels(event.kind).inc()
            self._queue.add(event)
        return acceptance.answer

    async def _call_a_human(self, error: NeedsHuman) -> None:
        """Leave a trace of what was refused because nobody but a human can read it."""
        _LOG.error("event needs a human", agency=error.agency)
        logged = entry.security(at=self._clock(), code="event-needs-human", agency=error.agency)
        await self._store.commit(lambda _connection: Staged(None, [logged.encode()]))

    async def _accept(self, read: Callable[[datetime], Posted], adapter: str | None) -> Acceptance:
        now = self._clock()
        try:
            posted = read(now)
        except UntrustedSource:
            if not self._directory.refresh():
                raise
            posted = read(now)
        agency = self._directory.agencies[posted.agency]
        acceptance = await self._store.accept(
            posted,
            now=now,
            today=clock.day(now),
            organisation_class=agency.organisation_class,
            new_id=self._new_id,
        )
        if posted.unread and acceptance.new:
            _LOG.info(
                "members not read", count=posted.unread, adapter=adapter, agency=posted.agency
            )
        return acceptance

    async def tell(self, event: Event) -> None:
        """Decide one event, disclose it, and hand what must leave to delivery; or hold it.

        Commits once; if the person or the directory changed meanwhile, decides again.
        """
        while True:
            with self._traces.stage("decide", event.ref, kind=event.kind) as span:
                follows = self._consequences.of_event(event, self._clock())
                if isinstance(follows, Follows):
                    span.say(permits=len(follows.told), refusals=len(follows.refused))
            if isinstance(follows, Waits):
                await self._store.commit(hold(follows.event, follows.until))
                return
            if await self._commit(follows):
                waited = (self._clock() - event.received_at).total_seconds()
                DECISION_SECONDS.observe(max(0.0, waited))
                return

    async def _commit(self, follows: Follows) -> bool:
        """Make a decision final; return False if it must be made again."""
        unit = commit(follows.decided, directory=lambda: self._store.directory_marker)
        with self._traces.stage("commit", follows.decided.event.ref) as span:
            committed = await self._store.commit(unit)
            span.say(outcome=committed.verdict, disclosures=len(follows.decided.disclosures))
        if committed.verdict == "committed":
            self._count(follows)
            for row in rows_of(follows.decided, committed):
                self._deliverer.take(row)
        return committed.verdict in {"committed", "already-decided"}

    async def start(self, beside: Mapping[str, Loop] = MappingProxyType({})) -> None:
        """Take up what an earlier run left, and start the loops, and those of others by name."""
        await self._fill()
        self._tasks = [
            asyncio.create_task(self._while_whole(self._decide_loop)(), name=f"decide-{number}")
            for number in range(DECIDED_AT_ONCE)
        ]
        loops: dict[str, Loop] = {
            "sweep": self._while_whole(self._sweep_loop),
            "deliver": self._deliverer.run,
            **beside,
        }
        if self._store.slot == 0:
            loops["carry-out"] = self._while_whole(self._carry_out_loop)
        if self._chase is not None:
            loops["chase"] = self._while_whole(self._chase)
        self._tasks += [asyncio.create_task(run(), name=name) for name, run in loops.items()]

    async def stop(self) -> None:
        """Stop taking work up; let what is under way be stored."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._deliverer.stop()

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The loops; one that ends by itself is a fault."""
        return self._tasks

    async def _decide_loop(self) -> None:
        while True:
            event = await self._queue.next()
            try:
                await self.tell(event)
            except Exception as error:  # noqa: BLE001 - one poison event must not stop the others
                await self._set_aside(event, error)
            finally:
                self._queue.done(event)

    async def _set_aside(self, event: Event, error: Exception) -> None:
        """Count a failed decision; the sweep brings the event back until it is quarantined."""
        _LOG.error("cannot decide", error=type(error).__name__, event_ref=event.ref)
        if isinstance(error, ProviderProblem):
            self._report("provider-unavailable", "keys")
        if isinstance(error, StoreUnavailable | ProviderProblem):
            return  # the store's trouble is not the event's
        await self._quarantine(event.ref, event.agency, after=QUARANTINE_AFTER)

    async def _quarantine(self, ref: EventRef, agency: AgencyName, *, after: int) -> None:
        logged = entry.security(
            at=self._clock(), code="event-quarantined", agency=agency, event=ref
        )
        with contextlib.suppress(StoreUnavailable):
            if await self._store.commit(quarantine(ref, logged.encode(), after=after)):
                self._report("quarantined", agency)

    async def _sweep_loop(self) -> None:
        while True:
            await self._fill()
            await asyncio.sleep(SWEEP_EVERY_S)

    async def _fill(self) -> None:
        """Take up undecided events that are not in memory."""
        if len(self._queue) <= self._bound // 2:
            found, unopened = self._store.undecided(
                limit=self._bound, now=self._clock(), known=self._queue
            )
            for ref, agency in unopened:  # damaged at rest: no retry will mend it
                await self._quarantine(ref, agency, after=1)
            for event in found:
                self._queue.add(event)

    async def _carry_out_loop(self) -> None:
        """Do what humans approved. One worker's work: the first's."""
        while True:
            for task in approved_disclosures(self._store.reader):
                try:
                    await self._carry_out(task)
                except Exception as error:  # noqa: BLE001 - one task must not stop the others
                    _LOG.error("cannot carry out", error=type(error).__name__, event_ref=task.event)
            await asyncio.sleep(SWEEP_EVERY_S)

    async def _carry_out(self, task: Task) -> None:
        while True:
            follows = self._consequences.of_task(task, self._clock())
            if follows is None or await self._commit(follows):
                return

    def _receiving(self, now: datetime) -> Receiving:
        return Receiving(
            find_agency=self._directory.find_agency,
            may_post=self._directory.may_post,
            adapters=self._adapters,
            now=now,
        )

    def _count(self, follows: Follows) -> None:
        DECISIONS.labels("permit").inc(len(follows.told))
        DECISIONS.labels("refusal").inc(len(follows.refused))
        for each in follows.told:
            for refusal in each.refusals:
                KEY_PROBLEMS.inc()
                _LOG.error(
                    "key cannot be used",
                    code=refusal.reasons[0].code,
                    recipient=refusal.recipient,
                )
                self._report("key-unusable", refusal.recipient)
