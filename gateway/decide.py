"""Decide: one event, every recipient who might need to know, one Permit or Refusal each."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date

from gateway.candidates import Candidates
from gateway.model.decision import Permit, Reason, Refusal
from gateway.model.event import Event
from gateway.model.ids import AgencyName, EventRef, RecipientId, RuleId
from gateway.model.party import Recipient
from gateway.model.person import Person
from policies.evaluate import EVALUATION_FAILED, evaluate
from policies.facts import FactClass, classify
from policies.rulebook import Rulebook

NOBODY = RecipientId("*")


def decide(
    event: Event,
    person: Person,
    *,
    before: Person | None,
    candidates: Candidates,
    rulebook: Rulebook,
    classes: Mapping[AgencyName, str],
    today: date,
    told: AbstractSet[RecipientId] = frozenset(),
) -> list[Permit | Refusal]:
    """Return a decision for every candidate recipient.

    A kind that no rule names is one Refusal addressed to nobody in particular.

    Args:
        person: As known *after* this event.
        before: As known before it, to see what rose; None: nothing was known.
        candidates: Of the directory as it is now.
        classes: Organisation class of every agency that stated a fact, by name.
        told: Who was told of this person before, and not recalled since.

    Never raises: an error while deciding is a Refusal that says so. Pure.
    """
    if event.kind not in rulebook.kinds:
        reason = Reason(code="no-rule", text=f"No rule tells anyone of {event.kind}.")
        return [_to_nobody(event, reason, rulebook)]
    try:
        facts = _classify(event.kind, event.agency, person, before, classes, today)
    except Exception:  # noqa: BLE001 - facts nobody can class tell nobody anything, and say so
        return [_to_nobody(event, EVALUATION_FAILED, rulebook)]
    return [
        evaluate(
            rulebook,
            event=event.ref,
            recipient=recipient,
            person=person,
            facts=facts,
            controller_classes=classes,
            today=today,
            told_before=recipient.id in told,
            manages=candidates.managed_by(recipient.id),
        )
        for recipient in candidates.find(facts, person, told)
    ]


def decide_for(
    recipient: Recipient,
    person: Person,
    *,
    event: EventRef,
    kind: str,
    agency: AgencyName,
    candidates: Candidates,
    rulebook: Rulebook,
    classes: Mapping[AgencyName, str],
    today: date,
    before: Person | None = None,
    told_before: bool = False,
    decided: frozenset[RuleId] = frozenset(),
) -> Permit | Refusal:
    """Return the decision for one recipient, be they a candidate or not.

    Args: as `decide`, and
        event, kind, agency: Of the event, whose groups are in `person` already.
        decided: Rules a named person has decided to carry out.

    Never raises: an error while deciding is a Refusal that says so. Pure.
    """
    try:
        facts = _classify(kind, agency, person, before, classes, today)
    except Exception:  # noqa: BLE001 - what cannot be judged does not leave, and says so
        return Refusal(
            event=event,
            recipient=recipient.id,
            reasons=(EVALUATION_FAILED,),
            rulebook=rulebook.digest,
        )
    return evaluate(
        rulebook,
        event=event,
        recipient=recipient,
        person=person,
        facts=facts,
        controller_classes=classes,
        today=today,
        told_before=told_before,
        manages=candidates.managed_by(recipient.id),
        decided=decided,
    )


def _classify(
    kind: str,
    agency: AgencyName,
    person: Person,
    before: Person | None,
    classes: Mapping[AgencyName, str],
    today: date,
) -> FactClass:
    return classify(
        kind,
        person.facts,
        sender_class=classes.get(agency, "other"),
        today=today,
        before=before.facts if before else None,
    )


def _to_nobody(event: Event, reason: Reason, rulebook: Rulebook) -> Refusal:
    return Refusal(event=event.ref, recipient=NOBODY, reasons=(reason,), rulebook=rulebook.digest)
