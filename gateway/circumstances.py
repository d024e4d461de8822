"""What every decision is made in: the law, the directory, time and randomness."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime

from gateway import clock
from gateway.decide import decide, decide_for
from gateway.directory import Directory
from gateway.disclose import Disclosing
from gateway.known import for_event
from gateway.law import Law
from gateway.model.decision import Permit, Refusal
from gateway.model.event import Event
from gateway.model.ids import AgencyName, EventRef, RecipientId, RuleId
from gateway.model.party import Recipient
from gateway.model.person import Person
from policies.facts import FactClass, classify


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """One moment: the same questions asked of it have the same answers."""

    law: Law
    directory: Directory
    context: Disclosing
    new_id: Callable[[str], str]

    @property
    def now(self) -> datetime:
        """When it is."""
        return self.context.now

    @property
    def today(self) -> date:
        """The day it is, where the law is."""
        return clock.day(self.now)

    def classify(self, kind: str, agency: AgencyName, person: Person) -> FactClass:
        """Return the class of an event of an agency about a person.

        Raises:
            TypeError, KeyError, AttributeError, ValueError: a fact is not what its group takes.
        """
        sender_class = self.directory.classes.get(agency, "other")
        return classify(kind, person.facts, sender_class=sender_class, today=self.today)

    def decide(
        self,
        event: Event,
        person: Person,
        before: Person | None,
        *,
        told: AbstractSet[RecipientId],
    ) -> list[Permit | Refusal]:
        """Return a decision for every candidate recipient of an event."""
        return decide(
            event,
            for_event(person, event),
            before=before,
            candidates=self.directory.candidates,
            rulebook=self.law.rulebook,
            classes=self.directory.classes,
            today=self.today,
            told=told,
        )

    def evaluate(
        self,
        event: EventRef,
        kind: str,
        agency: AgencyName,
        person: Person,
        recipient: Recipient,
        *,
        told_before: bool,
        decided: frozenset[RuleId] = frozenset(),
    ) -> Permit | Refusal:
        """Return what the law says to one recipient of an event that was decided before.

        Never raises: facts that cannot be classed are a refusal.
        """
        return decide_for(
            recipient,
            person,
            event=event,
            kind=kind,
            agency=agency,
            candidates=self.directory.candidates,
            rulebook=self.law.rulebook,
            classes=self.directory.classes,
            today=self.today,
            told_before=told_before,
            decided=decided,
        )
