"""May this recipient be told of this event, and exactly what? The law's answer, with reasons.

Rules say who might be told what (Cedar); bases say whether the law lets each controller tell.
A fact is granted only where both agree. Everything else held is withheld, with the reason.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import Final

from gateway.model.decision import Grant, Permit, Proposal, Reason, Refusal
from gateway.model.ids import AgencyName, BasisId, EventRef, RuleId
from gateway.model.party import Recipient
from gateway.model.person import Person, StatedGroup
from policies.bases import standing
from policies.engine import REMEMBERED, Engine, Question
from policies.facts import FactClass, facing
from policies.rule import Rule
from policies.rulebook import Rulebook
from policies.weigh import Case, Scales


def evaluate(
    rulebook: Rulebook,
    *,
    event: EventRef,
    recipient: Recipient,
    person: Person,
    facts: FactClass,
    controller_classes: Mapping[AgencyName, str],
    today: date,
    told_before: bool = False,
    manages: AbstractSet[str] = frozenset(),
    decided: frozenset[RuleId] = frozenset(),
    claimed: BasisId | None = None,
) -> Permit | Refusal:
    """Decide one event for one recipient.

    Args:
        rulebook: In force.
        event: Named in the answer; decides nothing.
        recipient: As the directory has them now.
        person: Every fact now held; each group's controller is its discloser.
        facts: The class of the event and of `person`, as towards nobody yet (`classify`).
        controller_classes: Organisation class of every controller in `person`; the facts of one
            that is missing here are withheld.
        today: In Europe/London.
        told_before: Whether this recipient was told of this person before.
        manages: Roles of the recipients this one is the manager of.
        decided: Rules a named person has decided to carry out for this event and recipient; only
            these then grant.
        claimed: Judge as if every rule relied on this basis and no other.

    Returns:
        A permit whose grants are one per rule and basis, in order of rule id; or a refusal with
        every reason. Anything that goes wrong is a refusal, code ``evaluation-error``.

    Never raises. Pure, but for the answers the rulebook's engine remembers.
    """
    try:
        case = Case(
            event=event,
            recipient=recipient,
            stated=person.facts,
            facts=facing(
                facts,
                person.facts,
                recipient,
                told_before=told_before,
                decided=bool(decided),
                manages=manages,
            ),
            controller_classes=controller_classes,
            today=today,
            catalogues=rulebook.catalogues,
            claimed=claimed,
        )
        return _remembered(rulebook, case, decided)
    except Exception:  # noqa: BLE001  # a decision that fails tells nobody anything, and says so
        return _refusal(rulebook, event, recipient, (EVALUATION_FAILED,))


EVALUATION_FAILED: Final = Reason(
    code="evaluation-error",
    text="The rulebook could not be evaluated on these facts, so nothing is disclosed.",
)


def _remembered(rulebook: Rulebook, case: Case, decided: frozenset[RuleId]) -> Permit | Refusal:
    """Decide, unless all that a decision rests on was weighed before: no value of a fact does."""
    recipient = case.recipient
    rests_on = (
        case.facts,
        tuple([_outline(name, one, case) for name, one in case.stated.items()]),
        recipient.role,
        recipient.organisation_class,
        recipient.areas,
        recipient.country,
        recipient.associate,
        case.today,
        case.claimed,
        decided,
    )
    known = rulebook.engine.decided.get(rests_on)
    if known is None:
        known = _decide(rulebook, case, decided)
        rulebook.engine.decided.put(rests_on, known)
        return known
    if isinstance(known, Refusal):
        return _refusal(rulebook, case.event, recipient, known.reasons, known.proposals)
    return Permit(
        event=case.event,
        recipient=recipient.id,
        grants=known.grants,
        withheld=known.withheld,
        rulebook=known.rulebook,
        proposals=known.proposals,
    )


def _outline(group: str, stated: StatedGroup, case: Case) -> Hashable:
    """Return what a decision can see of a stated group: which members, and whose they are."""
    members = stated.members
    held = tuple(members)
    if None in members.values():
        held = tuple([name for name, value in members.items() if value is not None])
    classes = case.controller_classes
    whose = classes.get(stated.controller)
    if not stated.earlier:
        return group, held, whose
    others = tuple([(name, classes.get(one.controller)) for name, one in stated.earlier.items()])
    return group, held, whose, others


def _decide(rulebook: Rulebook, case: Case, decided: frozenset[RuleId]) -> Permit | Refusal:
    mismatch = _role_mismatch(case)
    if mismatch is not None:
        return _refusal(rulebook, case.event, case.recipient, (mismatch,))
    question = _question(case)
    answer = rulebook.engine.ask(question)
    if answer.forbids:
        return _refusal(
            rulebook,
            case.event,
            case.recipient,
            tuple(
                Reason(code="forbidden", text=rulebook.rules[rule].reason, rule=rule)
                for rule in answer.forbids
            ),
            _behind(rulebook, case, question, answer.forbids),
        )
    if not answer.permits:
        reasons = _why_no_rule(rulebook.engine, question)
        return _refusal(rulebook, case.event, case.recipient, reasons)
    rules = [rulebook.rules[rule] for rule in answer.permits]
    scales = Scales(case=case, locked=_locked(rulebook, case, question))
    for rule in rules:
        if rule.id in decided or not (decided or rule.decided_by):
            scales.put(rule)
    proposals = () if decided else _proposals(rulebook, case, rules, scales.grants)
    if not scales.grants:
        reasons = scales.why_nothing() if scales.weighed else (_FOR_A_HUMAN,)
        return _refusal(rulebook, case.event, case.recipient, reasons, proposals)
    return Permit(
        event=case.event,
        recipient=case.recipient.id,
        grants=tuple(scales.grants),
        withheld=tuple(scales.withheld()),
        rulebook=rulebook.digest,
        proposals=proposals,
    )


_FOR_A_HUMAN = Reason(
    code="human-decision", text="Only a named person may decide that this role is told of this."
)


def _refusal(
    rulebook: Rulebook,
    event: EventRef,
    recipient: Recipient,
    reasons: tuple[Reason, ...],
    proposals: tuple[Proposal, ...] = (),
) -> Refusal:
    return Refusal(
        event=event,
        recipient=recipient.id,
        reasons=reasons,
        rulebook=rulebook.digest,
        proposals=proposals,
    )


def _locked(rulebook: Rulebook, case: Case, question: Question) -> Mapping[str, Reason]:
    """Return which stated groups a forbid holds back from this recipient, and why."""
    locks = rulebook.engine.locks(question, tuple(sorted(case.stated)), "sealed")
    return {
        group: Reason(
            code="forbidden-group", text=rulebook.rules[forbids[0]].reason, rule=forbids[0]
        )
        for group, forbids in locks.items()
    }


def _behind(
    rulebook: Rulebook, case: Case, question: Question, forbids: tuple[RuleId, ...]
) -> tuple[Proposal, ...]:
    """Return what the permits behind these forbids would grant if a human lifted every one."""
    lifted = [rulebook.rules[rule] for rule in forbids]
    if case.facts.decided or not all(forbid.decided_by for forbid in lifted):
        return ()
    answer = rulebook.engine.ask(replace(question, facts=replace(case.facts, decided=True)))
    rules = [rulebook.rules[rule] for rule in answer.permits]
    return _proposals(rulebook, case, rules, (), lifted)


def _proposals(
    rulebook: Rulebook,
    case: Case,
    rules: Iterable[Rule],
    granted: Iterable[Grant],
    lifted: Sequence[Rule] = (),
) -> tuple[Proposal, ...]:
    """Return what a human could decide beyond what is granted, were these forbids lifted."""
    already = {path for grant in granted for path in grant.members}
    asking = [(rule, [rule, *lifted] if rule.decided_by else lifted) for rule in rules]
    if not any(asked for _, asked in asking):
        return ()
    if_decided = replace(case, facts=replace(case.facts, decided=True))
    locked = _locked(rulebook, if_decided, _question(if_decided))
    found: list[Proposal] = []
    for rule, asked in asking:
        if not asked:
            continue
        scales = Scales(case=if_decided, locked=locked)
        scales.put(rule)
        found += [
            Proposal(
                rule=rule.id,
                basis=grant.basis,
                citation=grant.citation,
                purpose=grant.purpose,
                members=grant.members,
                decided_by=asked[0].decided_by,
                at_once=all(one.ask_at_once for one in asked),
            )
            for grant in scales.grants
            if not already.issuperset(grant.members)
        ]
    return tuple(found)


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


@lru_cache(maxsize=REMEMBERED)
def _why_no_rule(engine: Engine, question: Question) -> tuple[Reason, ...]:
    """Say that no rule applies, and each single fact that, were it otherwise, would change that."""
    found = [
        Reason(
            code="no-rule", text="No rule tells this role of this event in a case of this class."
        )
    ]
    for otherwise, code, text in _nearly(question):
        if otherwise == question.facts:
            continue
        if engine.ask(replace(question, facts=otherwise)).permits:
            found.append(Reason(code=code, text=text))
    return tuple(found)


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
