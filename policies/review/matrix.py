"""The need-to-know matrix, computed from the rulebook: role by event kind by field group.

Each cell is what the law's answer is over the model cases, with the rules and bases behind it.
Letters: Y the whole group; S a form or part of it; C more in some cases than in others in which the
role is told; H only by a human's decision; - never. A member that no rule may give to a role does
not make a whole less than whole.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from gateway.model.decision import Permit
from gateway.model.ids import BasisId, RuleId
from gateway.model.kinds import KINDS
from gateway.model.party import Recipient
from policies.catalogue import ANY, Catalogues, GroupEntry
from policies.evaluate import evaluate
from policies.review.model_cases import (
    CASES,
    DAY,
    EVENT,
    ModelCase,
    model_class,
    model_person,
    model_questions,
    model_recipients,
    model_sender,
)
from policies.rulebook import Rulebook

Letter = Literal["Y", "S", "C", "H", "-"]
Told = Literal["action", "information", "decision", "-"]

# Over releases announced, changed and carried out: what domain matrix 3.2 calls the notification.
RELEASE_NOTIFICATION: Final = ("release.planned", "release.date_changed", "release.actual")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one role gets of one field group."""

    letter: Letter
    members: tuple[str, ...] = ()  # "group.member" paths; for H: what may be decided
    rules: tuple[RuleId, ...] = ()
    bases: tuple[BasisId, ...] = ()
    decided_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one role is told, at best, of some kinds of event."""

    role: str
    told: Told
    cells: Mapping[str, Cell]  # every group, by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Every role by every group, for one or more kinds of event taken together."""

    kinds: tuple[str, ...]
    rulebook: str  # digest
    rows: tuple[Row, ...]


_Given: TypeAlias = tuple[str, RuleId, BasisId, str]  # path, rule, basis, who decides


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """One decision about one model case, taken apart."""

    ordinary: bool
    for_action: bool
    granted: frozenset[_Given]
    proposed: frozenset[_Given]
    not_held: frozenset[str]  # paths of which the model person has no fact


def matrix_of(
    rulebook: Rulebook,
    kinds: tuple[str, ...],
    *,
    basis: BasisId | None = None,
    roles: Collection[str] | None = None,
) -> Matrix:
    """Return the matrix for some kinds together.

    Args:
        kinds: At least one; a cell is the best that any of them gives.
        basis: Only what goes on this legal basis: R15 and R16 are one role on two.
        roles: Only these rows; None: every role.

    Pure, but for the answers the rulebook's engine remembers.
    """
    return Matrix(
        kinds=kinds,
        rulebook=rulebook.digest,
        rows=tuple(
            _row(rulebook, recipient, kinds, basis)
            for role, recipient in model_recipients(rulebook.catalogues).items()
            if roles is None or role in roles
        ),
    )


def told_kinds(rulebook: Rulebook, role: str) -> tuple[str, ...]:
    """Return the kinds of which some permit could tell a role, sorted. Pure."""
    named = [
        rule.kinds
        for rule in rulebook.rules.values()
        if rule.effect == "permit" and rule.role == role
    ]
    return tuple(sorted(frozenset[str]().union(*named) & KINDS))


def applying(rulebook: Rulebook, role: str, kind: str) -> tuple[RuleId, ...]:
    """Return the permits for a role that some model case of a kind satisfies, sorted.

    Whether a legal basis then holds is not asked. Pure, but for the engine's remembered answers.
    """
    wanted = {
        rule.id
        for rule in rulebook.rules.values()
        if rule.effect == "permit" and rule.role == role and kind in rule.kinds
    }
    found: set[RuleId] = set()
    for question in model_questions(rulebook, role, kind, CASES) if wanted else ():
        # Some permits stand behind a forbid that only a person's decision lifts.
        for facts in (question.facts, replace(question.facts, decided=True)):
            if not found >= wanted:
                found.update(rulebook.engine.ask(replace(question, facts=facts)).permits)
    return tuple(sorted(found))


def unreached(rulebook: Rulebook, roles: Collection[str]) -> tuple[RuleId, ...]:
    """Return the permits for these roles that no model case satisfies: the matrix shows none of
    them. Pure, but for the engine's remembered answers."""
    reached = {
        rule
        for role in roles
        for kind in told_kinds(rulebook, role)
        for rule in applying(rulebook, role, kind)
    }
    permits = {
        rule.id for rule in rulebook.rules.values() if rule.role in roles and not rule.reason
    }
    return tuple(sorted(permits - reached))


def _row(
    rulebook: Rulebook, recipient: Recipient, kinds: tuple[str, ...], basis: BasisId | None
) -> Row:
    possible = set(told_kinds(rulebook, recipient.role))
    asked = tuple(kind for kind in kinds if kind in possible)
    answers = list(_answers(rulebook, recipient, asked, basis))
    groups = rulebook.catalogues.groups
    return Row(
        role=recipient.role,
        told=_told(answers),
        cells={name: _cell(group, recipient.role, answers) for name, group in groups.items()},
    )


def _told(answers: list[_Answer]) -> Told:
    granting = [answer for answer in answers if answer.granted]
    if granting:
        return "action" if any(answer.for_action for answer in granting) else "information"
    return "decision" if any(answer.proposed for answer in answers) else "-"


def _answers(
    rulebook: Rulebook,
    recipient: Recipient,
    kinds: tuple[str, ...],
    basis: BasisId | None,
) -> Iterator[_Answer]:
    catalogues = rulebook.catalogues
    for kind in kinds:
        sender = model_sender(catalogues, kind)
        for case in CASES:
            yield _answer(rulebook, recipient, kind, case, sender, basis)


def _answer(
    rulebook: Rulebook,
    recipient: Recipient,
    kind: str,
    case: ModelCase,
    sender: str,
    basis: BasisId | None,
) -> _Answer:
    person, classes = model_person(
        rulebook.catalogues, recipient, related=case.related, sender_class=sender
    )
    decision = evaluate(
        rulebook,
        event=EVENT,
        recipient=recipient,
        person=person,
        facts=model_class(kind, case, sender_class=sender),
        controller_classes=classes,
        today=DAY,
        told_before=case.told_before,
    )
    grants = decision.grants if isinstance(decision, Permit) else ()
    return _Answer(
        ordinary=case.ordinary,
        for_action=any(grant.for_action for grant in grants),
        granted=frozenset(
            (path, one.rule, one.basis, "")
            for one in grants
            if basis in (None, one.basis)
            for path in one.members
        ),
        proposed=frozenset(
            (path, one.rule, one.basis, one.decided_by)
            for one in decision.proposals
            if basis in (None, one.basis)
            for path in one.members
        ),
        not_held=frozenset(
            f"{name}.{member}"
            for name, held in person.facts.items()
            for member, value in held.members.items()
            if value is None
        ),
    )


def _cell(group: GroupEntry, role: str, answers: list[_Answer]) -> Cell:
    told = [answer for answer in answers if answer.granted]
    given = _of(group, (answer.granted for answer in told))
    if not given:
        proposed = _of(group, (answer.proposed for answer in answers))
        return _made("H" if proposed else "-", proposed)
    usual = [answer for answer in told if answer.ordinary] or told
    extents = {_extent(group, role, answer) for answer in usual}
    return _made(extents.pop() if len(extents) == 1 else "C", given)


def _extent(group: GroupEntry, role: str, answer: _Answer) -> Letter:
    """Return how much of a group one decision grants: the whole, part or nothing."""
    paths = {path for path, _, _, _ in _of(group, (answer.granted,))}
    if not paths:
        return "-"
    return "Y" if paths >= _obtainable(group, role) - answer.not_held else "S"


def _of(group: GroupEntry, found: Iterable[frozenset[_Given]]) -> set[_Given]:
    return {one for each in found for one in each if one[0].startswith(f"{group.name}.")}


def _made(letter: Letter, given: set[_Given]) -> Cell:
    return Cell(
        letter=letter,
        members=tuple(sorted({path for path, _, _, _ in given})),
        rules=tuple(sorted({rule for _, rule, _, _ in given})),
        bases=tuple(sorted({basis for _, _, basis, _ in given})),
        decided_by=tuple(sorted({who for _, _, _, who in given if who})),
    )


def _obtainable(group: GroupEntry, role: str) -> set[str]:
    """Return the paths of a group that some rule might give to this role."""
    kept_back: set[str] = set()
    for reserved in group.reserved:
        if role not in reserved.roles:
            kept_back.update(group.members if ANY in reserved.members else reserved.members)
    return {f"{group.name}.{member}" for member in group.members if member not in kept_back}


def titles(catalogues: Catalogues) -> Mapping[str, str]:
    """Return each group's heading: its code of the domain and its title. Pure."""
    return {
        name: f"G{number} {group.title}"
        for number, (name, group) in enumerate(catalogues.groups.items(), start=1)
    }
