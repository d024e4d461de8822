"""What a gateway has done for two years, one case after another: an event, whom it was told, and
what became of that. Made of numbers alone, so that every run measures the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from gateway.disclosure_log import entry
from gateway.law import Law
from gateway.model.decision import Grant, Reason, Withheld
from gateway.model.disclosure import Message
from gateway.model.event import CanonicalEvent
from gateway.model.ids import (
    AgencyName,
    AlertId,
    EndpointId,
    EventRef,
    PersonRef,
    ReceiptId,
)
from gateway.model.party import Recipient
from gateway.store.times import milliseconds

OF_ONE: Final = 10  # entries of the log that one case makes
SPAN: Final = timedelta(days=730)
AGENCIES: Final = 40
KINDS: Final = ("release.planned", "release.date_changed", "custody.received")
_MUCH: Final = 1000  # of so many cases one is about the person everybody knows
_RIGHTED: Final = 50  # of so many one is corrected
_DIGEST: Final = "5c" * 32
_HELD: Final = ("mappa", "rosh", "victim")


def agency_of(number: int) -> AgencyName:
    """Return who states a case: a quarter of them the same."""
    return AgencyName(f"agency-{0 if number % 4 == 0 else number % AGENCIES:02}")


def person_ref(number: int) -> PersonRef:
    return PersonRef(f"per_{number:032x}")


def noms_of(number: int) -> str:
    """Return the prison number of a synthetic person."""
    rest, digits = divmod(number, 10_000)
    first, second = divmod(rest, 26)
    return f"Z{digits:04}{chr(65 + first)}{chr(65 + second)}"


def grants_of(law: Law, role: str) -> tuple[Grant, ...]:
    """Return what the first rules of a role grant, at their fullest."""
    rules = [
        one
        for one in law.rulebook.rules.values()
        if one.effect == "permit" and one.role == role and one.groups and not one.decided_by
    ]
    return tuple(
        Grant(
            rule=one.id,
            basis=one.bases[0],
            citation=law.catalogues.bases[one.bases[0]].citation,
            regime="P3",
            condition=law.catalogues.bases[one.bases[0]].condition,
            purpose=one.purpose,
            members=tuple(sorted(path for _, members in one.groups for _, path in members)),
            for_action=one.for_action,
            acknowledge_within=one.acknowledge_within,
            policy_document=next(iter(law.catalogues.policy_documents)),
        )
        for one in rules[:3]
    )


@dataclass(frozen=True, kw_only=True)
class World:
    """What every case is made of."""

    law: Law
    recipients: Sequence[Recipient]
    cases: int
    persons: int
    ends: datetime  # when the newest case happened

    @cached_property
    def granted(self) -> Mapping[str, tuple[Grant, ...]]:
        """What each role is told."""
        return {role: grants_of(self.law, role) for role in self.law.catalogues.roles}

    @cached_property
    def told(self) -> Sequence[Recipient]:
        """Recipients that anything is ever told."""
        return [one for one in self.recipients if self.granted[one.role]]

    def at(self, number: int) -> datetime:
        """Return when a case happened, to the millisecond."""
        passed = int(SPAN / timedelta(milliseconds=1)) * (number + 1) // self.cases
        found = self.ends - SPAN + timedelta(milliseconds=passed)
        return found.replace(microsecond=found.microsecond // 1000 * 1000)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One event, and everything that came of it."""

    world: World
    number: int
    first: int  # leaf index of its first entry

    @cached_property
    def at(self) -> datetime:
        return self.world.at(self.number)

    @cached_property
    def person(self) -> PersonRef:
        """Return whom it is about: one person of a thousand has a thousandth of all."""
        known = self.number % _MUCH == 0
        return person_ref(0 if known else self.number % self.world.persons)

    @property
    def event(self) -> EventRef:
        return EventRef(f"evt_{milliseconds(self.at):012x}{self.number:020x}")

    @property
    def kind(self) -> str:
        return KINDS[self.number % len(KINDS)]

    @property
    def righted(self) -> bool:
        """Whether the first alert is corrected by the second."""
        return self.number % _RIGHTED == _RIGHTED - 1 or self.number % (2 * _MUCH) == 0

    @property
    def dead(self) -> bool:
        return self.number % 100 == 7

    @property
    def open(self) -> bool:
        """Whether the second alert is still to leave, and the first unanswered."""
        return self.number >= self.world.cases - max(self.world.cases // 50, 1)

    def alert(self, which: int) -> AlertId:
        return AlertId(f"alt_{milliseconds(self.at):012x}{2 * self.number + which:020x}")

    def recipient(self, which: int) -> Recipient:
        told = self.world.told
        if self.righted:
            which = 0
        return told[(self.number + which * (7 + self.number // len(told))) % len(told)]

    @property
    def content(self) -> CanonicalEvent:
        facts = {"assertion": "fact", "as_of": self.at.isoformat(), "source_system": "NOMIS"}
        return CanonicalEvent(
            id=f"bench-{self.number}",
            source=f"urn:example:{agency_of(self.number)}",
            kind=self.kind,
            occurred_at=self.at,
            groups={"custody": {"prison": "EXI", **facts}},
        )

    def entries(self) -> Iterator[bytes]:
        """Yield its entries, `OF_ONE` of them, in order."""
        for one in (
            self._collection(),
            self._disclosure(0),
            self._disclosure(1),
            self._refusal(2),
            self._refusal(3),
            self._attempt(0, "accepted"),
            self._attempt(1, "dead" if self.dead else "accepted"),
            *self._readings(),
            self._answer(),
        ):
            yield one.encode()

    def alert_row(self, which: int) -> dict[str, Any]:
        """Return a row of the table of alerts, but for what is sealed."""
        at = milliseconds(self.at)
        answered = which == 0 and not self.open
        return {
            "id": self.alert(which),
            "event": self.event,
            "person": self.person,
            "recipient": self.recipient(which).id,
            "message": self._message(which),
            "supersedes": self.alert(0) if which and self.righted else None,
            "urgent": 0,
            "exercise": 0,
            "decided_at": at,
            "answer_by": at + 86_400_000 if which == 0 and self.open else None,
            "collected_at": at + 60_000 if answered else None,
            "answer": "acknowledged" if answered else None,
            "answered_at": at + 120_000 if answered else None,
            "slot": 0,
        }

    def outbox_row(self, which: int) -> dict[str, Any]:
        """Return the row of its way, but for what is sealed."""
        at = milliseconds(self.at)
        pending = which == 1 and self.open
        state = "pending" if pending else "dead" if which and self.dead else "accepted"
        return {
            "alert": self.alert(which),
            "endpoint": f"{self.recipient(which).id}/webhook",
            "event": self.event,
            "person": self.person,
            "recipient": self.recipient(which).id,
            "channel": "webhook",
            "form": "sealed",
            "message": self._message(which),
            "supersedes": self.alert(0) if which and self.righted else None,
            "leaf_index": self.first + 1 + which,
            "urgent": 0,
            "exercise": 0,
            "step": 1,
            "digest": 0,
            "state": state,
            "attempts": 0 if pending else 1,
            "next_at": at,
            "reason": "timeout" if state == "dead" else "",
            "decided_at": at,
            "settled_at": None if pending else at + 30_000,
            "slot": 0,
        }

    def _message(self, which: int) -> Message:
        return "CORRECTION" if which and self.righted else "NOTIFY"

    def _collection(self) -> entry.Entry:
        return entry.collection(
            at=self.at,
            event=self.event,
            person=self.person,
            agency=agency_of(self.number),
            kind=self.kind,
            receipt=ReceiptId(f"rcp_{self.number:032x}"),
            body_mac=_DIGEST,
        )

    def _disclosure(self, which: int) -> entry.Entry:
        who = self.recipient(which)
        corrects = which == 1 and self.righted
        return entry.disclosure(
            at=self.at,
            alert=self.alert(which),
            event=self.event,
            person=self.person,
            recipient=who.id,
            role=who.role,
            endpoint=EndpointId(f"{who.id}/webhook"),
            channel="webhook",
            form="sealed",
            grants=() if corrects else self.world.granted[who.role],
            withheld=[Withheld(group=one, reason=_KEPT) for one in _HELD],
            rulebook=self.world.law.rulebook.digest,
            payload_mac=_DIGEST,
            agreement=None,
            actor=agency_of(self.number),
            acknowledge_by=self.at + timedelta(days=1) if which == 0 else None,
            message=self._message(which),
            supersedes=self.alert(0) if corrects else None,
            revised_by=self.event if corrects else None,
        )

    def _refusal(self, which: int) -> entry.Entry:
        who = self.recipient(which)
        return entry.refusal(
            at=self.at,
            event=self.event,
            person=self.person,
            recipient=who.id,
            role=who.role,
            reasons=[_KEPT],
            rulebook=self.world.law.rulebook.digest,
        )

    def _attempt(self, which: int, outcome: str) -> entry.Entry:
        return entry.attempt(
            at=self.at + timedelta(seconds=30),
            alert=self.alert(which),
            endpoint=EndpointId(f"{self.recipient(which).id}/webhook"),
            channel="webhook",
            number=1,
            outcome=outcome,
            reason="timeout" if outcome == "dead" else None,
        )

    def _readings(self) -> Iterator[entry.Entry]:
        who = self.recipient(0)
        yield entry.collected(
            at=self.at + timedelta(seconds=60),
            alert=self.alert(0),
            person=self.person,
            recipient=who.id,
            endpoint=EndpointId(f"{who.id}/webhook"),
            means="passkey",
        )
        yield entry.question(
            at=self.at + timedelta(seconds=90),
            what="audit.timeline",
            reader=f"dpo-{self.number % 20 + 1:02}",
            person=self.person,
            agency=agency_of(self.number),
            about={"purpose": "lawfulness"},
            reason_mac=_DIGEST,
        )

    def _answer(self) -> entry.Entry:
        return entry.acknowledgement(
            at=self.at + timedelta(seconds=120),
            alert=self.alert(0),
            recipient=self.recipient(0).id,
            answer="acknowledged",
            means="page",
        )


_KEPT: Final = Reason(code="no-rule", text="No rule lets it be told.")
