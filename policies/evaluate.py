"""May this recipient be told of this event, and exactly what? The law's answer, with reasons.

Rules say who might be told what (Cedar); bases say whether the law lets each controller tell.
A fact is granted only where both agree. Everything else held is withheld, with the reason.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date

from gateway.model.decision import Permit, Reason, Refusal
from gateway.model.ids import AgencyName, EventRef
from gateway.model.party import Recipient
from gateway.model.person import Person
from policies.bases import standing
from policies.engine import Question
from policies.facts import FactClass, classify, facing
from policies.rulebook import Rulebook
from policies.weigh import Case, Scales


def evaluate(
    rulebook: Rulebook,
    *,
    event: EventRef,
    kind: str,
    recipient: Recipient,
    person: Person,
    sender_class: str,
    controller_classes: Mapping[AgencyName, str],
    today: date,
) -> Permit | Refusal:
    """Decide one event for one recipient.

    Args:
        rulebook: In force.
        event: Named in the answer; decides nothing.
        kind: Of the event.
        recipient: As the directory has them now.
        person: Every fact now held; each group's controller is its discloser.
        sender_class: Organisation class of the agency that posted the event.
        controller_classes: Organisation class of every controller in `person`; the facts of one
            that is missing here are withheld.
        today: In Europe/London.

    Returns:
        A permit whose grants are one per rule and basis, in order of rule id; or a refusal with
        every reason. Anything that goes wrong is a refusal, code ``evaluation-error``.

    Never raises. Pure, but for the answers the rulebook's engine remembers.
    """
    try:
        facts = classify(kind, person.facts, sender_class=sender_class)
        case = Case(
            event=event,
            recipient=recipient,
            stated=person.facts,
            facts=facing(facts, person.facts, recipient),
            controller_classes=controller_classes,
            today=today,
            catalogues=rulebook.catalogues,
        )
        decided = _decide(rulebook, case)
    except Exception:  # noqa: BLE001  # a decision that fails tells nobody anything, and says so
        decided = (_FAILED,)
    if isinstance(decided, Permit):
        return decided
    return Refusal(event=event, recipient=recipient.id, reasons=decided, rulebook=rulebook.digest)


_FAILED = Reason(
    code="evaluation-error",
    text="The rulebook could not be evaluated on these facts, so nothing is disclosed.",
)


def _decide(rulebook: Rulebook, case: Case) -> Permit | tuple[Reason, ...]:
    mismatch = _role_mismatch(case)
    if mismatch is not None:
        return (mismatch,)
    question = _question(case)
    answer = rulebook.engine.ask(question)
    if answer.forbids:
        return tuple(
            Reason(code="forbidden", text=rulebook.rules[rule].reason, rule=rule)
            for rule in answer.forbids
        )
    if not answer.permits:
        return tuple(_why_no_rule(rulebook, question))
    scales = Scales(case=case)
    for rule in answer.permits:
        scales.put(rulebook.rules[rule])
    if not scales.grants:
        return scales.why_nothing()
    return Permit(
        event=case.event,
        recipient=case.recipient.id,
        grants=tuple(scales.grants),
        withheld=tuple(scales.withheld()),
        rulebook=rulebook.digest,
    )


def _role_mismatch(case: Case) -> Reason | None:
    role = case.catalogues.roles.get(case.recipient.role)
    if role is None:
        return Reason(code="no-rule", text="The rulebook knows no such role.")
    if case.recipient.organisation_class not in role.held_by:
        return Reason(
            code="role-not-held", text="An organisation of this class does not hold this role."
        )
    return None


def _question(case: Case) -> Question:
    recipient = case.recipient
    return Question(
        role=recipient.role,
        standing=standing(recipient, case.today, case.catalogues),
        areas=recipient.areas,
        country="GB" if recipient.country == "GB" else "other",
        facts=case.facts,
    )


def _why_no_rule(rulebook: Rulebook, question: Question) -> Iterator[Reason]:
    """Say that no rule applies, and each single fact that, were it otherwise, would change that."""
    yield Reason(
        code="no-rule", text="No rule tells this role of this event in a case of this class."
    )
    for otherwise, code, text in _nearly(question):
        if otherwise == question.facts:
            continue
        if rulebook.engine.ask(replace(question, facts=otherwise)).permits:
            yield Reason(code=code, text=text)


def _nearly(question: Question) -> Iterator[tuple[FactClass, str, str]]:
    facts = question.facts
    here = replace(facts, areas=question.areas)
    if facts.areas:
        yield here, "outside-area", "The person's areas are not among those this recipient serves."
    else:
        yield here, "area-unknown", "The person's area is not known, and the recipient serves some."
    yield (
        replace(facts, treats_person=True),
        "not-recorded-carer",
        "This is not the practice or team recorded as caring for the person.",
    )
    yield (
        replace(facts, lodges_elsewhere=False),
        "lodges-elsewhere",
        "The recorded accommodation is another provider's.",
    )
