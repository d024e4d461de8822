"""Escalate: what nobody answers, somebody rejects or no way is left for goes on to who is next.

The chain of an alert: its recipient's own endpoints, step by step; each deputy; the duty desk; then
the operator. With nothing but silence the k-th rung is due at the decision and k times what each
rung has to answer in. A rejection, and the loss of the last way, bring the next rung on at once. A
gateway that was down catches up one rung a look: none is left out, each is logged with when it was
due.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

import structlog

from gateway.circumstances import Circumstances
from gateway.directory import Directory
from gateway.disclose import Disclosing, Revision, Told, chase, disclose
from gateway.disclosure_log import entry
from gateway.known import for_event
from gateway.law import Law
from gateway.metrics import ESCALATIONS
from gateway.model.alert_answer import HELD
from gateway.model.decision import Permit
from gateway.model.disclosure import AlertKept
from gateway.model.event import Event
from gateway.model.ids import AlertId, RecipientId
from gateway.model.party import Recipient
from gateway.model.problem import MalformedEvent
from gateway.shards import Tokens
from gateway.store import alerts, chains, history, outbox
from gateway.store.alerts import AlertRow
from gateway.store.chains import Reason
from gateway.store.decisions import Decided, Rung, commit, rows_of
from gateway.store.engine import Connection
from gateway.store.group_commit import Unit
from gateway.store.leases import of_first
from gateway.store.outbox import OutboxRow
from gateway.store.sealed import Held
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from gateway.telling import Telling
from keys.problem import KeyProblem

LOOK_EVERY_S: Final = 1.0
AT_ONCE: Final = 100  # alerts in one look
LEFT_ALONE: Final = timedelta(minutes=1)  # an alert that cannot be acted on
NOBODY: Final = "nobody-answered"

_LOG = structlog.get_logger()

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalating:
    """What escalating needs. Time and randomness come in here."""

    store: Store
    directory: Directory
    law: Law
    disclosing: Callable[[datetime], Disclosing]
    now: Callable[[], datetime]
    new_id: Callable[[str], str]
    take: Callable[[OutboxRow], object]  # what may leave now
    chase_within: timedelta  # to answer a chase of an alert that no rule sets a time for


class Escalator:
    """Climbs the chains of alerts. One in a gateway is enough: the first worker's."""

    def __init__(self, escalating: Escalating) -> None:
        self._with = escalating
        self._store = escalating.store
        self._left_alone: dict[AlertId, datetime] = {}
        self._under: Tokens = None  # what this look began under

    async def run(self) -> None:
        """Look for ever. Trouble of the store is logged, and tried again with the next look."""
        while True:
            try:
                more = await self.look() >= AT_ONCE
            except StoreUnavailable as error:
                more = False
                _LOG.error("cannot escalate", error=type(error).__name__)
            await asyncio.sleep(0 if more else LOOK_EVERY_S)

    async def look(self) -> int:
        """Act on each alert whose time has come, by one rung; return on how many. Commits."""
        now = self._with.now()
        reader = self._store.reader
        self._under = self._store.shards.tokens
        acted = 0
        for alert in chains.due(reader, now, AT_ONCE + len(self._left_alone)):
            if self._left_alone.get(alert, now) > now:
                continue
            self._left_alone.pop(alert, None)
            try:
                await self._act(alert, now)
                acted += 1
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - one alert must not stop the others
                self._left_alone[alert] = now + LEFT_ALONE
                _LOG.error("cannot escalate", error=type(error).__name__, alert=alert)
        return acted

    async def _act(self, id_: AlertId, now: datetime) -> None:
        """Climb one rung, or find that there is none to climb."""
        reader = self._store.reader
        row = alerts.find(reader, id_)
        if row is None or row.answer_by is None or row.answer_by > now:
            return
        members = alerts.chain(reader, row)
        if alerts.is_held(members) or row.recalled or _never_left(reader, row):
            await self._commit(chains.stop(row))
            return
        reason = _reason(reader, members)
        step = None if row.answer == "rejected" else outbox.next_step(reader, row.id)
        if step is not None:
            await self._commit(chains.climb_own(row, step, reason=reason, now=now))
        elif row.escalates is not None:
            own = _reason(reader, [row])
            await self._commit(chains.pass_on(row, reason=own, now=now))
        else:
            await self._turn(row, members, reason, now)
        ESCALATIONS.labels(reason).inc()
        if row.urgent:
            _LOG.warning("alert escalated", alert=row.id, recipient=row.recipient, code=reason)

    async def _turn(
        self, first: AlertRow, members: Sequence[AlertRow], reason: Reason, now: datetime
    ) -> None:
        """Turn to the next person; where the world changed meanwhile, look again later."""
        self._with.directory.refresh()
        people = [] if first.message == "TEST" else list(self._next(first, members))
        found = self._told(first, people, reason, now) if people else None
        if isinstance(found, Decided) and found.disclosures:
            made = await self._commit(commit(found, directory=lambda: self._store.directory_marker))
            if made.verdict == "committed":
                for row in rows_of(found, made):
                    self._with.take(row)
            return
        if found is not None and not isinstance(found, Decided):
            await self._commit(chains.stop(first))
            return
        incident = None if first.message == "TEST" else f"{NOBODY} {first.recipient}"
        refused = found.refusals if found else ()
        ended = chains.end(first, reason=reason, now=now, entries=refused, incident=incident)
        if await self._commit(ended):
            _LOG.error("nobody answered", alert=first.id, recipient=first.recipient, code=reason)

    async def _commit(self, unit: Unit[T]) -> T:
        return await self._store.commit_owned(unit, of_first(), self._under)

    def _next(self, first: AlertRow, members: Sequence[AlertRow]) -> Iterator[Recipient]:
        """Yield who may be turned to now, in order: each once in a chain, however the directory
        goes round; nobody who is gone, or who was told of the event and has it."""
        known = self._with.directory.recipients
        own = known.get(first.recipient)
        if own is None:
            return
        chain = [*own.deputies, *([own.duty_desk] if own.duty_desk else [])]
        turned_to = {one.recipient for one in members}
        for id_ in dict.fromkeys(chain):
            to = known.get(id_)
            if to is not None and id_ not in turned_to and not self._has_it(first, id_):
                yield to

    def _has_it(self, first: AlertRow, recipient: RecipientId) -> bool:
        if first.message == "RECALL":
            return False
        answered = self._store.reader.execute(
            "SELECT answer FROM alert WHERE event = ? AND recipient = ? AND recalled = 0"
            " AND message <> 'RECALL' AND answer IS NOT NULL",
            (first.event, recipient),
        )
        return any(answer in HELD for (answer,) in answered)

    def _told(
        self, first: AlertRow, people: Sequence[Recipient], reason: Reason, now: datetime
    ) -> "Decided | Rests | None":
        """Tell the first of these that can be told; return what is to be committed.

        None: the event cannot be opened. `Rests`: it stands no more.
        """
        with self._store.reader:  # one moment of the store, however many looks it takes
            try:
                past = self._store.past(first.event)
            except KeyProblem as error:
                return Rests() if error.code == "erased" else None
            except MalformedEvent:
                return None
            if past is None:
                return None
            if past.state != "decided" and first.message != "RECALL":
                return Rests()
            held = self._store.held_for(past.event)
            event = replace(past.event, person=held.person.ref)
            telling = self._telling(now, held)
            told: Told | None = None
            for to in people:
                told = self._tell(telling, first, event, held, to)
                if told.disclosures:
                    break
            decided = self._decided(telling, first, event, held, told, reason)
        return decided  # noqa: RET504 - for mypy, the block above may swallow an exception

    def _telling(self, now: datetime, held: Held) -> Telling:
        around = Circumstances(
            law=self._with.law,
            directory=self._with.directory,
            context=self._with.disclosing(now),
            new_id=self._with.new_id,
        )
        return Telling(
            around=around, alerts=history.alerts_about(self._store.reader, held.person.ref)
        )

    def _tell(
        self, telling: Telling, first: AlertRow, event: Event, held: Held, to: Recipient
    ) -> Told:
        """Tell one recipient what they may be told; who may not learn it learns that an alert of
        somebody else's is unanswered."""
        around = telling.around
        known = for_event(held.person, event)
        before = {one.recipient for one in telling.standing if one.event != event.ref}
        if first.message == "RECALL":
            told = self._chase(around, first, event, to)
        else:
            answer = around.evaluate(
                event.ref, event.kind, event.agency, known, to, told_before=to.id in before
            )
            if isinstance(answer, Permit):
                revision = Revision(message="NOTIFY", escalates=first.id, within=first.within)
                told = disclose(answer, event, known, to, around.context, revision)
            else:
                telling.refuse(answer, event.person)
                told = self._chase(around, first, event, to)
        for refusal in told.refusals:
            telling.refuse(refusal, event.person)
        return told

    def _chase(self, around: Circumstances, first: AlertRow, event: Event, to: Recipient) -> Told:
        return chase(
            first.id,
            event,
            to,
            around.context,
            around.law.rulebook.digest,
            addressee=first.recipient,
            within=first.within or self._with.chase_within,
        )

    def _decided(
        self,
        telling: Telling,
        first: AlertRow,
        event: Event,
        held: Held,
        told: Told | None,
        reason: Reason,
    ) -> Decided:
        made = told if told is not None and told.disclosures else None
        climbed = [_climbed(first, made.alert, reason, telling)] if made else []
        return Decided(
            event=event,
            directory=telling.around.directory.marker,
            person_version=held.version,
            facts=None,
            alerts=((made.alert, held.seal_alert(made.alert)),) if made else (),
            disclosures=made.disclosures if made else (),
            refusals=(*climbed, *telling.entries),
            now=telling.around.now,
            slot=self._store.shards.slot_for(event.person),
            climbs=Rung(alert=first.id, rung=first.rung, answer_by=chains.next_due(first)),
        )


class Rests:
    """What an alert told stands no more, or its person was erased: it is not told anyone else."""


def _climbed(first: AlertRow, made: AlertKept, reason: Reason, telling: Telling) -> bytes:
    return entry.escalation(
        at=telling.around.now,
        due=first.answer_by,
        alert=first.id,
        recipient=first.recipient,
        rung=first.rung + 1,
        to=made.recipient,
        reason=reason,
        raised=made.alert,
    ).encode()


def _reason(connection: Connection, members: Sequence[AlertRow]) -> Reason:
    """Return why a chain goes on: what became of the alert it has come to."""
    latest = members[-1]
    if latest.answer == "rejected":
        return "rejected"
    return "failed" if chains.is_lost(connection, latest.id) else "unanswered"


def _never_left(connection: Connection, row: AlertRow) -> bool:
    """Return whether an alert was withheld, or superseded, before any of it left."""
    ways = alerts.ways_of(connection, row.id)
    return bool(ways) and all(one.way.state == "withheld" and one.way.attempts == 0 for one in ways)
