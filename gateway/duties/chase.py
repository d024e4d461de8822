"""Chasing: as days pass, the gateway states of itself what is due soon, missed or was not asked.

Each statement is an event like any other: decided, logged and delivered to whom the rulebook
names. Escalation: the owner is warned before the deadline; a breach goes to whom the owner answers
to and to the coordinator; a change without consultation to those who were not asked, at once.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

import structlog

from gateway import clock
from gateway.directory import Directory
from gateway.duties.reckoning import Duty, Reckoning, reckon
from gateway.model.event import Event, FactsByGroup
from gateway.model.ids import OURSELVES, EventRef, PersonRef
from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import Json
from gateway.store import duties as rows
from gateway.store.leases import of_first
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from keys.problem import KeyProblem
from policies.clocks import ClockId, Clocks

LOOK_EVERY_S: Final = 30.0
AT_ONCE: Final = 50  # persons in one turn
TOO_OLD: Final = timedelta(days=90)  # a breach found later than this is listed, not chased

StepKind = Literal["duty.due_soon", "duty.missed", "consultation.missing"]
Stated = frozenset[tuple[str, Json, Json]]  # kind, clock and basis date of what was stated before

_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to be stated about a duty, once for each date it is reckoned from."""

    kind: StepKind
    duty: Duty

    @property
    def key(self) -> tuple[str, Json, Json]:
        """What makes it the same statement as one made before."""
        return (self.kind, self.duty.clock, self.duty.basis_date.isoformat())

    def groups(self, now: datetime) -> FactsByGroup:
        """Return what the event states: the duty, and no fact about the person."""
        return {
            "duty": {
                "clock": self.duty.clock,
                "owner": self.duty.owner,
                "due": self.duty.due.isoformat(),
                "status": self.duty.status,
                "basis_date": self.duty.basis_date.isoformat(),
                "missing": list[Json](self.duty.missing),
                "assertion": "fact",
                "as_of": now.isoformat(),
                "source_system": OURSELVES,
                "verified": True,
            }
        }


def next_steps(reckoning: Reckoning, *, clocks: Clocks, stated: Stated, today: date) -> list[Step]:
    """Return what is to be stated on a day and was not before. Pure."""
    found = (_step(duty, clocks, today) for duty in reckoning.duties)
    return [step for step in found if step is not None and step.key not in stated]


def _step(duty: Duty, clocks: Clocks, today: date) -> Step | None:
    if clocks[ClockId(duty.clock)].anchor == "change" and duty.status == "late":
        return Step(kind="consultation.missing", duty=duty)
    if duty.status == "late":
        old = today > max(duty.due, duty.basis_date) + TOO_OLD
        return None if old else Step(kind="duty.missed", duty=duty)
    if duty.open and today >= duty.warn_on:
        return Step(kind="duty.due_soon", duty=duty)
    return None


def stated_before(history: Iterable[Event]) -> Stated:
    """Return what the gateway has stated of a person's duties. Pure."""
    own = (event for event in history if event.agency == OURSELVES)
    duties = ((event.kind, event.groups.get("duty", {})) for event in own)
    return frozenset(
        (kind, members.get("clock"), members.get("basis_date")) for kind, members in duties
    )


class Chaser:
    """Looks at every person whose duties may have changed, and states what is to be chased.

    One in a gateway is enough: the first worker's.
    """

    def __init__(
        self,
        *,
        store: Store,
        directory: Directory,
        clocks: Callable[[], Clocks],  # of the rulebook now in force
        now: Callable[[], datetime],
        new_id: Callable[[str], str],
    ) -> None:
        self._store = store
        self._directory = directory
        self._clocks = clocks
        self._now = now
        self._new_id = new_id

    async def run(self) -> None:
        """Look for ever. Trouble of the store is logged, and tried again with the next turn."""
        while True:
            try:
                more = await self.turn() == AT_ONCE
            except StoreUnavailable as error:
                more = False
                _LOG.error("cannot chase duties", error=type(error).__name__)
            await asyncio.sleep(0 if more else LOOK_EVERY_S)

    async def turn(self) -> int:
        """Look at the persons that are due for it; return how many there were. Commits."""
        self._directory.refresh()
        persons = rows.due(self._store.reader, self._now(), limit=AT_ONCE)
        for person in persons:
            await self.look(person)
        return len(persons)

    async def look(self, person: PersonRef) -> list[Step]:
        """Reckon one person's duties, keep where each stands, and state what is to be stated.

        Where another event of theirs is decided meanwhile, nothing is kept: the next turn looks
        again.
        """
        under = self._store.shards.tokens
        now = self._now()
        today = clock.day(now)
        clocks = self._clocks()
        version = rows.version(self._store.reader, person)
        try:
            past = self._store.history(person)
        except (KeyProblem, MalformedEvent) as error:  # damaged at rest, or erased
            _LOG.error("cannot chase duties", error=type(error).__name__)
            await self._store.commit_owned(rows.leave(person), of_first(), under)
            return []
        reckoning = reckon(
            [one.event for one in past if one.state == "decided"],
            today=today,
            clocks=clocks,
            classes=self._directory.classes,
            told=self._told(person),
        )
        stated = stated_before(one.event for one in past)
        steps = next_steps(reckoning, clocks=clocks, stated=stated, today=today)
        kept = await self._store.commit_owned(
            rows.write(
                person,
                reckoning,
                self._own_events(steps, now),
                version=version,
                stated=stated | {step.key for step in steps},
                sealed=self._store.sealed,
                now=now,
                slot=self._store.shards.slot_for(person),
            ),
            of_first(),
            under,
        )
        return steps if kept else []

    def _own_events(
        self, steps: Sequence[Step], now: datetime
    ) -> list[tuple[EventRef, str, FactsByGroup]]:
        return [(EventRef(self._new_id("evt")), step.kind, step.groups(now)) for step in steps]

    def _told(self, person: PersonRef) -> list[tuple[str, date]]:
        """Return the roles told of a person, or decided about by a human, and when."""
        roles: Mapping[str, str] = {
            id_: recipient.role for id_, recipient in self._directory.recipients.items()
        }
        return [
            (roles[recipient], clock.day(at))
            for recipient, at in rows.told(self._store.reader, person)
            if recipient in roles
        ]
