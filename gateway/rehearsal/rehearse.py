"""Decide an event without disclosing it: what would be told, to whom, and why.

Either as an instance would (its directory, what it knows of the person), or on the event alone,
for one model recipient of every role. Nothing is sealed, sent or stored.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from gateway.candidates import Candidates
from gateway.decide import decide, decide_for
from gateway.known import for_event, with_event
from gateway.model.decision import Permit, Refusal
from gateway.model.event import CanonicalEvent, Event
from gateway.model.ids import AgencyName, EventRef, PersonRef, RecipientId
from gateway.model.party import Recipient
from gateway.model.person import Person
from gateway.model.strict_json import Json
from policies.evaluate import evaluate
from policies.facts import classify
from policies.review.model_cases import model_recipients, model_sender
from policies.rulebook import Rulebook

EVENT: Final = EventRef("evt_rehearsed")
PERSON: Final = PersonRef("per_rehearsed")
SENDER: Final = AgencyName("sender")
_NOWHERE: Final = "an area of its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """One recipient and what was decided. The recipient's name is their id: no record is quoted."""

    recipient: Recipient
    decision: Permit | Refusal

    @property
    def told(self) -> bool:
        """Whether they would be told anything."""
        return isinstance(self.decision, Permit)


def rehearse_alone(
    stated: CanonicalEvent,
    rulebook: Rulebook,
    *,
    sender_class: str | None,
    now: datetime,
    today: date,
) -> tuple[str, list[Rehearsed]]:
    """Decide on the event's own facts, for one model recipient of every role.

    Args:
        sender_class: Of the agency that would post it; None: whoever most often posts the kind.

    Returns:
        The sender's class as taken, and the decisions by role. Each model recipient serves the
        person's areas and prison, and is whom the record names where it names one of its kind.

    Pure.
    """
    catalogues = rulebook.catalogues
    sender = sender_class or model_sender(catalogues, stated.kind)
    event = _event(stated, SENDER, PERSON, now)
    person = for_event(with_event(Person(ref=PERSON), event), event)
    facts = classify(stated.kind, person.facts, sender_class=sender, today=today)
    areas = facts.areas | {facts.prison or _NOWHERE}
    found = []
    for recipient in model_recipients(catalogues, areas=areas).values():
        decision = evaluate(
            rulebook,
            event=EVENT,
            recipient=replace(recipient, organisation=_named(person, recipient)),
            person=person,
            facts=facts,
            controller_classes={SENDER: sender},
            today=today,
        )
        found.append(Rehearsed(recipient=recipient, decision=decision))
    return sender, found


def rehearse_at(
    stated: CanonicalEvent,
    before: Person | None,
    *,
    agency: AgencyName,
    recipients: Iterable[Recipient],
    only: RecipientId | None,
    rulebook: Rulebook,
    classes: Mapping[AgencyName, str],
    told: AbstractSet[RecipientId],
    now: datetime,
    today: date,
) -> list[Rehearsed]:
    """Decide as an instance would for each candidate recipient, or for one be it none.

    Args:
        before: What the instance knows of the person; None: nobody known.
        only: One recipient to decide for, though neither area nor record makes it a candidate.
        told: Who was told of this person before.

    Pure.
    """
    known = {one.id: one for one in recipients}
    candidates = Candidates(known.values())
    event = _event(stated, agency, before.ref if before else PERSON, now)
    person = for_event(with_event(before or Person(ref=PERSON), event), event)
    if only is not None:
        decisions = [
            decide_for(
                known[only],
                person,
                event=EVENT,
                kind=event.kind,
                agency=agency,
                candidates=candidates,
                rulebook=rulebook,
                classes=classes,
                today=today,
                before=before,
                told_before=only in told,
            )
        ]
    else:
        decisions = decide(
            event,
            person,
            before=before,
            candidates=candidates,
            rulebook=rulebook,
            classes=classes,
            today=today,
            told=told,
        )
    return [
        Rehearsed(recipient=_by_id(known[one.recipient]), decision=one)
        for one in decisions
        if one.recipient in known
    ]


def _by_id(recipient: Recipient) -> Recipient:
    """Return the recipient under its id: a surgery's name beside a case would be a fact of it."""
    return replace(recipient, organisation=recipient.id)


def _event(stated: CanonicalEvent, agency: AgencyName, person: PersonRef, now: datetime) -> Event:
    return Event(
        ref=EVENT,
        agency=agency,
        person=person,
        kind=stated.kind,
        occurred_at=stated.occurred_at or now,
        received_at=now,
        groups=stated.groups,
    )


# Where a record may name a recipient of each of these roles: group, members in order.
_NAMED: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "gp_practice": ("health_routing", ("community_gp", "registered_practice")),
    "community_mental_health_team": ("health_routing", ("mental_health_team",)),
    "accommodation_associate": ("location", ("approved_premises",)),
    "approved_premises_manager": ("location", ("approved_premises",)),
    "housing_authority": ("location", ("housing_referral",)),
}


def _named(person: Person, recipient: Recipient) -> str:
    """Return whom the record names for this role, so that the model recipient is that one."""
    group, members = _NAMED.get(recipient.role, ("", ()))
    stated = person.facts.get(group)
    if stated is None:
        return recipient.organisation
    names = [_name(stated.members.get(member)) for member in members]
    return next((name for name in names if name), recipient.organisation)


def _name(value: Json) -> str:
    match value:
        case {"name": str(name)} | {"chosen_authority": str(name)}:
            return name
        case str(name) if name != "NOT_RECORDED":
            return name
    return ""
