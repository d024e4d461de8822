"""The whole story on one screen: receive, decide, disclose, deliver.

post    bytes -> Posted -> durable -> 202
feed    bytes -> Posted -> durable -> acknowledged to where they were fetched
tell    Event -> Permit | Refusal -> Disclosure -> one transaction -> outbox; or it is held
sweep   what a crash, a hold, a full queue or a retry left comes back, and what humans approved
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

import structlog

from adapters.contract import Adapter
from gateway.consequences import Consequences, Follows, Waits
from gateway.deliver import Deliverer
from gateway.directory import Directory
from gateway.disclose import Disclosing
from gateway.disclosure_log import entry
from gateway.event_queue import EventQueue
from gateway.feeds.contract import Answer
from gateway.feeds.seen import Once
from gateway.incidents import Code
from gateway.intake import Intake
from gateway.law import Law
from gateway.loops import Loop, begun_again
from gateway.metrics import DECISION_SECONDS, DECISIONS, KEY_PROBLEMS
from gateway.model.event import Event
from gateway.model.ids import AgencyName, EventRef
from gateway.model.posted import Conflict, Receipt
from gateway.receive import (
    Fed,
    Request,
)
from gateway.shards import Tokens, mask_of, shard_at, while_first
from gateway.store.decisions import commit, hold, quarantine, rows_of
from gateway.store.leases import About, of_event, of_first
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from gateway.store.tasks import Task, approved_disclosures
from gateway.traces import OFF, Traces
from gateway.waking import POLL_S, Handed, Wake
from keys.providers.problem import ProviderProblem

QUARANTINE_AFTER: Final = 5  # failures to decide one event
SWEEP_EVERY_S: Final = 1.0
DECIDED_AT_ONCE: Final = 32  # different persons; their decisions share commits

_NONE: Final[Mapping[str, Loop]] = MappingProxyType({})

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
        wake: Wake | None = None,
        called: Once | None = None,
    ) -> None:
        self._store = store
        self._shards = store.shards
        self._wake = wake  # tells other processes; None: there are none to tell
        self._directory = directory
        self._deliverer = deliverer
        self._clock = clock
        self._new_id = new_id
        self._bound = undecided_bound
        self._report = report  # tells the operator: a code, and what it is about
        self._queue = EventQueue()
        self._chase = chase
        self._while_whole = while_whole  # lets a loop rest while the log is behind
        self._traces = traces
        self._intake = Intake(
            store=store,
            directory=directory,
            adapters=adapters,
            clock=clock,
            new_id=new_id,
            traces=traces,
            queue=self._queue,
            bound=undecided_bound,
            wake=wake,
            called=called,
        )
        self._consequences = Consequences(
            store=store,
            directory=directory,
            law=law,
            disclosing=disclosing,
            new_id=new_id,
            traces=traces,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._outlasting: list[asyncio.Task[None]] = []

    async def post(self, request: Request) -> Receipt | Conflict:
        """Accept a request durably, once, and set its events going.

        Raises:
            What `Intake.post` raises.
        """
        return await self._intake.post(request)

    async def feed(self, fed: Fed) -> Answer:
        """Accept a fetched message as `post` does, and say what its source may be told.

        Raises:
            Never, but for cancellation.
        """
        return await self._intake.feed(fed)

    async def tell(self, event: Event) -> None:
        """Decide one event, disclose it, and hand what must leave to delivery; or hold it.

        Commits once; if the person or the directory changed meanwhile, decides again.
        """
        under = self._shards.tokens
        while True:
            with self._traces.stage("decide", event.ref, kind=event.kind) as span:
                follows = self._consequences.of_event(event, self._clock())
                if isinstance(follows, Follows):
                    span.say(permits=len(follows.told), refusals=len(follows.refused))
            if isinstance(follows, Waits):
                unit = hold(follows.event, follows.until)
                await self._store.commit_owned(unit, of_event(event.ref), under)
                return
            if await self._commit(follows, of_event(event.ref), under):
                waited = (self._clock() - event.received_at).total_seconds()
                DECISION_SECONDS.observe(max(0.0, waited))
                return

    async def _commit(self, follows: Follows, about: About, under: Tokens) -> bool:
        """Make a decision final; return False if it must be made again."""
        unit = commit(follows.decided, directory=lambda: self._store.directory_marker)
        with self._traces.stage("commit", follows.decided.event.ref) as span:
            committed = await self._store.commit_owned(unit, about, under)
            span.say(outcome=committed.verdict, disclosures=len(follows.decided.disclosures))
        if committed.verdict == "committed":
            self._count(follows)
            if self._shards.owns(follows.decided.slot):
                for row in rows_of(follows.decided, committed):
                    self._deliverer.take(row)
        return committed.verdict in {"committed", "already-decided"}

    async def start(
        self,
        beside: Mapping[str, Loop] = _NONE,
        outlasting: Mapping[str, Loop] = _NONE,
        *,
        works: bool = True,
    ) -> None:
        """Take up what an earlier run left, and start the loops, and those of others by name.

        Args:
            beside: Loops that end when it is stopped.
            outlasting: Loops that end only after what is under way then has ended.
            works: Whether to decide and deliver; else it only accepts.
        """
        loops = dict(beside)
        if works:
            await self._fill()
            loops = self._own_loops() | loops
        self._tasks, self._outlasting = (
            [asyncio.create_task(begun_again(run)(), name=name) for name, run in some.items()]
            for some in (loops, outlasting)
        )

    def _own_loops(self) -> dict[str, Loop]:
        loops: dict[str, Loop] = {
            f"decide-{number}": self._while_whole(self._decide_loop)
            for number in range(DECIDED_AT_ONCE)
        }
        loops["sweep"] = self._while_whole(self._sweep_loop)
        loops["deliver"] = self._deliverer.run
        if self._shards.may_be_first:
            loops["carry-out"] = self._for_all(self._carry_out_loop)
            if self._chase is not None:
                loops["chase"] = self._for_all(self._chase)
        return loops

    def _for_all(self, loop: Loop) -> Loop:
        return while_first(self._shards, self._while_whole(loop))

    def put_back(self) -> None:
        """Forget what has not begun: some of it is another's now. The store has it still."""
        self._queue.clear()
        self._deliverer.put_back()

    @property
    def under_way(self) -> int:
        """The shards of what is being decided or sent, as a mask."""
        deciding = {self._shards.slot_for(person) for person in self._queue.persons}
        return mask_of(map(shard_at, deciding)) | self._deliverer.under_way

    async def stop(self) -> None:
        """Stop taking work up; let what is under way be stored."""
        await _cancel(self._tasks)
        await self._deliverer.stop()
        await _cancel(self._outlasting)

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The loops; one that ends by itself is a fault."""
        return [*self._tasks, *self._outlasting]

    async def _decide_loop(self) -> None:
        while True:
            event = await self._queue.next()
            try:
                if self._shards.mask:  # else all is another's: it is dropped here, not decided
                    await self.tell(event)
                    self._say_done(event)
            except Exception as error:  # noqa: BLE001 - one poison event must not stop the others
                await self._set_aside(event, error)
            finally:
                self._queue.done(event)

    def _say_done(self, event: Event) -> None:
        if self._wake is not None:
            slot = self._shards.slot_for(event.person)
            self._wake.done([Handed(shard_at(slot), event.ref)])

    async def _set_aside(self, event: Event, error: Exception) -> None:
        """Count a failed decision; the sweep brings the event back until it is quarantined."""
        _LOG.error("cannot decide", error=type(error).__name__, event_ref=event.ref)
        if isinstance(error, ProviderProblem):
            self._report("provider-unavailable", "keys")
        if isinstance(error, StoreUnavailable | ProviderProblem):
            return  # the store's trouble is not the event's
        under = self._shards.tokens
        await self._quarantine(event.ref, event.agency, under, after=QUARANTINE_AFTER)

    async def _quarantine(
        self, ref: EventRef, agency: AgencyName, under: Tokens, *, after: int
    ) -> None:
        logged = entry.security(
            at=self._clock(), code="event-quarantined", agency=agency, event=ref
        )
        with contextlib.suppress(StoreUnavailable):
            unit = quarantine(ref, logged.encode(), after=after)
            if await self._store.commit_owned(unit, of_event(ref), under):
                self._report("quarantined", agency)

    async def _sweep_loop(self) -> None:
        while True:
            await self._fill()
            if self._wake is None:
                await asyncio.sleep(SWEEP_EVERY_S)
            else:
                await self._wake.wait(POLL_S)

    async def _fill(self) -> None:
        """Take up undecided events that are not in memory."""
        under = self._shards.tokens
        if len(self._queue) <= self._bound // 2:
            found, unopened = self._store.undecided(
                limit=self._bound, now=self._clock(), known=self._queue
            )
            for ref, agency in unopened:  # damaged at rest: no retry will mend it
                await self._quarantine(ref, agency, under, after=1)
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
        under = self._shards.tokens
        while True:
            follows = self._consequences.of_task(task, self._clock())
            if follows is None or await self._commit(follows, of_first(), under):
                return

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


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
