"""Decide: one event, every recipient who might need to know, one Permit or Refusal each."""

from collections.abc import Iterable, Mapping
from datetime import date

from gateway.model.decision import Permit, Reason, Refusal
from gateway.model.event import Event
from gateway.model.ids import AgencyName, RecipientId
from gateway.model.party import Recipient
from gateway.model.person import Person
from policies.evaluate import evaluate
from policies.facts import FactClass, classify, facing
from policies.rulebook import Rulebook

NOBODY = RecipientId("*")


def decide(
    event: Event,
    person: Person,
    *,
    recipients: Iterable[Recipient],
    rulebook: Rulebook,
    classes: Mapping[AgencyName, str],
    today: date,
) -> list[Permit | Refusal]:
    """Return a decision for every candidate recipient.

    A kind that no rule names is one Refusal addressed to nobody in particular. Recipients of
    other areas are not candidates, unless the record names them; where no area is known, everyone
    is, and is refused visibly.

    Args:
        person: As known *after* this event.
        classes: Organisation class of every agency that stated a fact, by name.

    Never raises: an error while deciding is a Refusal that says so. Pure.
    """
    if event.kind not in rulebook.kinds:
        reason = Reason(code="no-rule", text=f"No rule tells anyone of {event.kind}.")
        return [
            Refusal(event=event.ref, recipient=NOBODY, reasons=(reason,), rulebook=rulebook.digest)
        ]
    sender_class = classes.get(event.agency, "other")
    facts = classify(event.kind, person.facts, sender_class=sender_class)
    return [
        evaluate(
            rulebook,
            event=event.ref,
            kind=event.kind,
            recipient=recipient,
            person=person,
            sender_class=sender_class,
            controller_classes=classes,
            today=today,
        )
        for recipient in recipients
        if _may_need(recipient, facts, person)
    ]


def _may_need(recipient: Recipient, facts: FactClass, person: Person) -> bool:
    """Return whether a recipient is a candidate: of these areas or this prison, or one the record
    itself names, such as the team that treats the person. Only the law decides further."""
    where = facts.areas | {facts.prison}
    near = not facts.areas or not recipient.areas or not recipient.areas.isdisjoint(where)
    return near or facing(facts, person.facts, recipient) is not facts
