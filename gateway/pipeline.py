"""The whole story on one screen: receive, decide, disclose, deliver.

post    bytes -> Posted -> durable -> 202
tell    Event -> Permit | Refusal -> Disclosure -> one transaction -> outbox
sweep   what a crash, a full queue or a retry left in the outbox comes back
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from adapters.contract import Adapter
from gateway import clock
from gateway.decide import decide
from gateway.deliver import MAX_IN_MEMORY, Deliverer
from gateway.directory import Directory
from gateway.disclose import Disclosing, Told, disclose
from gateway.disclosure_log import entry
from gateway.event_queue import EventQueue
from gateway.metrics import DECISIONS, EVENTS, KEY_PROBLEMS
from gateway.model.decision import Permit, Refusal
from gateway.model.event import Event
from gateway.model.ids import AgencyName, EventRef
from gateway.model.person import Person
from gateway.model.posted import Conflict, Receipt
from gateway.people import with_event
from gateway.receive import NeedsHuman, Receiving, Request, UntrustedSource, receive
from gateway.store import outbox
from gateway.store.acceptance import Acceptance
from gateway.store.decisions import Decided, commit, quarantine, rows_of
from gateway.store.group_commit import Staged
from gateway.store.sealed import Held
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from policies.catalogue import Catalogues
from policies.rulebook import Rulebook

QUARANTINE_AFTER: Final = 5  # failures to decide one event
SWEEP_EVERY_S: Final = 1.0
DECIDED_AT_ONCE: Final = 32  # different persons; their decisions share commits

_LOG = structlog.get_logger()


class Pushback(Exception):
    """The gateway is behind: the sender should try again after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("too much is waiting to be decided")


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """The rulebook in force with its catalogues."""

    rulebook: Rulebook
    catalogues: Catalogues


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
    ) -> None:
        self._store = store
        self._directory = directory
        self._law = law
        self._adapters = adapters
        self._disclosing = disclosing
        self._deliverer = deliverer
        self._clock = clock
        self._new_id = new_id
        self._bound = undecided_bound
        self._queue = EventQueue()
        self._posting = 0  # requests being accepted now
        self._resume = True  # the store may hold undecided events that are not in memory
        self._tasks: list[asyncio.Task[None]] = []

    async def post(self, request: Request) -> Receipt | Conflict:
        """Accept a request durably, once, and set its events going.

        Raises:
            Pushback: too many events await a decision.
            What `receive` raises; StoreUnavailable.
        """
        if len(self._queue) + self._posting >= self._bound:
            raise Pushback(retry_after_s=2)
        self._posting += 1
        try:
            acceptance = await self._accept(request)
        except NeedsHuman as error:
            await self._call_a_human(error)
            raise error.unsupported from None
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

    async def _accept(self, request: Request) -> Acceptance:
        now = self._clock()
        try:
            posted = receive(request, self._receiving(now))
        except UntrustedSource:
            if not self._directory.refresh():
                raise
            posted = receive(request, self._receiving(now))
        agency = self._directory.agencies[posted.agency]
        return await self._store.accept(
            posted,
            now=now,
            today=clock.day(now),
            organisation_class=agency.organisation_class,
            new_id=self._new_id,
        )

    async def tell(self, event: Event) -> None:
        """Decide one event, disclose it, and hand what must leave to delivery.

        Commits once; if the person or the directory changed meanwhile, decides again.
        """
        while True:
            decisions, decided = self._decide(event)
            committed = await self._store.commit(
                commit(decided, directory=lambda: self._store.directory_marker)
            )
            if committed.verdict in {"committed", "already-decided"}:
                break
        if committed.verdict == "committed":
            self._count(decisions)
            for row in rows_of(decided, committed):
                self._deliverer.take(row)

    def _decide(self, event: Event) -> tuple["_Decisions", Decided]:
        """Decide and disclose an event against what is known now; nothing is stored yet."""
        now = self._clock()
        marker = self._store.directory_marker
        if marker != self._directory.marker:
            self._directory.refresh()
        held = self._store.held(event.person)
        person = with_event(held.person, event)
        decisions = decide(
            event,
            person,
            recipients=self._directory.recipients.values(),
            rulebook=self._law.rulebook,
            classes=self._directory.classes,
            today=clock.day(now),
        )
        context = self._disclosing(now)
        recipients = self._directory.recipients
        outcome = _Decisions(
            told=[
                disclose(one, event, person, recipients[one.recipient], context)
                for one in decisions
                if isinstance(one, Permit)
            ],
            refused=[one for one in decisions if isinstance(one, Refusal)],
        )
        return outcome, self._decided(event, held, person, outcome, now)

    async def start(self) -> None:
        """Take up what an earlier run left, and start the loops."""
        await self._fill()
        self._tasks = [
            asyncio.create_task(self._decide_loop(), name=f"decide-{number}")
            for number in range(DECIDED_AT_ONCE)
        ]
        self._tasks.append(asyncio.create_task(self._sweep_loop(), name="sweep"))

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
        self._resume = True
        _LOG.error("cannot decide", error=type(error).__name__, event_ref=event.ref)
        if isinstance(error, StoreUnavailable):
            return  # the store's trouble is not the event's
        await self._quarantine(event.ref, event.agency, after=QUARANTINE_AFTER)

    async def _quarantine(self, ref: EventRef, agency: AgencyName, *, after: int) -> None:
        logged = entry.security(
            at=self._clock(), code="event-quarantined", agency=agency, event=ref
        )
        with contextlib.suppress(StoreUnavailable):
            await self._store.commit(quarantine(ref, logged.encode(), after=after))

    async def _sweep_loop(self) -> None:
        while True:
            await self._fill()
            await asyncio.sleep(SWEEP_EVERY_S)

    async def _fill(self) -> None:
        """Take up undecided events and due outbox rows that are not in memory."""
        if self._resume and len(self._queue) <= self._bound // 2:
            found, unopened = self._store.undecided(limit=self._bound)
            self._resume = len(found) + len(unopened) == self._bound
            for ref, agency in unopened:  # damaged at rest: no retry will mend it
                await self._quarantine(ref, agency, after=1)
            for event in found:
                self._queue.add(event)
        if self._deliverer.room:
            due = outbox.due(
                self._store.reader,
                now=self._clock(),
                slot=self._store.slot,
                slots=self._store.slots,
                limit=MAX_IN_MEMORY,
            )
            missing = [key for key in due if key not in self._deliverer.taken]
            for row in outbox.load(self._store.reader, missing[: self._deliverer.room]):
                self._deliverer.take(row, swept=True)

    def _receiving(self, now: datetime) -> Receiving:
        return Receiving(
            find_agency=self._directory.find_agency,
            may_post=self._directory.may_post,
            adapters=self._adapters,
            now=now,
            today=clock.day(now),
        )

    def _decided(
        self, event: Event, held: Held, person: Person, outcome: "_Decisions", now: datetime
    ) -> Decided:
        disclosures = [one for each in outcome.told for one in each.disclosures]
        views = [one for each in outcome.told for one in each.held]
        return Decided(
            event=event,
            directory=self._directory.marker,
            person_version=held.version,
            facts=held.seal_facts(person),
            disclosures=tuple(disclosures),
            held=tuple(
                view and held.seal_view(view, disclosure.alert)
                for view, disclosure in zip(views, disclosures, strict=True)
            ),
            refusals=tuple(self._refusal(event, one, now) for one in outcome.refusals),
            now=now,
            slot=self._store.slot,
        )

    def _refusal(self, event: Event, refusal: Refusal, now: datetime) -> bytes:
        recipient = self._directory.recipients.get(refusal.recipient)
        return entry.refusal(
            at=now,
            event=event.ref,
            person=event.person,
            recipient=refusal.recipient,
            role=recipient.role if recipient else "*",
            reasons=refusal.reasons,
            rulebook=refusal.rulebook,
        ).encode()

    def _count(self, outcome: "_Decisions") -> None:
        DECISIONS.labels("permit").inc(len(outcome.told))
        DECISIONS.labels("refusal").inc(len(outcome.refused))
        for each in outcome.told:
            for refusal in each.refusals:
                KEY_PROBLEMS.inc()
                _LOG.error(
                    "key cannot be used",
                    code=refusal.reasons[0].code,
                    recipient=refusal.recipient,
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decisions:
    """What one event led to, recipient by recipient."""

    told: list[Told]
    refused: list[Refusal]

    @property
    def refusals(self) -> list[Refusal]:
        """Every refusal: of recipients, and of endpoints whose key could not be used."""
        return self.refused + [one for each in self.told for one in each.refusals]
