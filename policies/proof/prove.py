"""Prove invariants over every combination of facts, or find the smallest case that breaks one.

Nothing is sampled. An invariant of the form "never" is proved against a rule that permits
everything to everybody, so it holds whatever rules are added later: only the forbids, and the
members that groups.toml reserves, may be what stops a disclosure.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import TypeAlias

import cedarpy

from gateway.model.ids import RuleId
from policies.catalogue import Catalogues
from policies.catalogue_entries import ASSOCIATE
from policies.problem import BadRulebook
from policies.proof.compiled import DECIDED, Compiled, compile_rulebook, without
from policies.proof.condition import ROLE, Expression, parse
from policies.proof.formula import Domains, Every, Formula, Is, Some, possible, settled, smallest
from policies.proof.invariant import (
    INVARIANTS_FILE,
    Answered,
    ByAPerson,
    Invariants,
    Never,
    NoRoute,
    load_invariants,
    members_meant,
)
from policies.proof.reliance import TOLD
from policies.rulebook import SCHEMA_FILE, load_rulebook

Formulas: TypeAlias = list[Formula]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterexample:
    """The smallest case in which an invariant fails. Words of the rulebook only."""

    role: str  # its title; empty: no role is concerned
    rule: RuleId | None  # that discloses; None: any that someone may add
    told: str  # "group.member" path; empty: the whole event, or a route
    facts: tuple[str, ...]  # those that must be said; every other fact may be anything plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One invariant, and whether it holds in every case there is."""

    id: str
    text: str
    source: str
    counterexample: Counterexample | None

    @property
    def holds(self) -> bool:
        """Whether no case breaks it."""
        return self.counterexample is None


class Prover:
    """A rulebook with its invariants, ready to be proved."""

    def __init__(self, files: Mapping[str, str], invariants: str) -> None:
        """Read both.

        Raises:
            BadRulebook: either does not hold together.
            BeyondProof: a condition cannot be followed exactly.
        """
        rulebook = load_rulebook(files)
        self.digest = rulebook.digest
        self.invariants: Invariants = load_invariants(invariants, rulebook.catalogues)
        schema = next(text for name, text in files.items() if name.endswith(SCHEMA_FILE))
        self._when = {
            name: _condition(name, never.when, schema)
            for name, never in self.invariants.never.items()
        }
        self._law: Compiled = compile_rulebook(rulebook, files, tuple(self._when.values()))

    def without(self, rule: RuleId) -> "Prover":
        """Return the same, as if the rulebook had not this rule: what falls is what it is for."""
        other = copy(self)
        other._law = without(self._law, rule)  # noqa: SLF001 - one of our own
        return other

    @property
    def combinations(self) -> int:
        """How many combinations of facts the proof covers."""
        return self._law.combinations

    def proofs(self) -> Iterator[Proof]:
        """Yield every invariant with its proof or counterexample, in the order of the file.

        Raises:
            BeyondProof: a condition cannot be followed exactly.
        """
        for name, never in self.invariants.never.items():
            yield self._proof(name, never, self._never(name, never))
        for name, answered in self.invariants.answered.items():
            yield self._proof(name, answered, self._unanswered(answered))
        for name, route in self.invariants.no_route.items():
            yield self._proof(name, route, _open_route(route, self._law.catalogues))
        for name, person in self.invariants.by_a_person.items():
            yield self._proof(name, person, self._by_itself(person))

    def _proof(
        self,
        name: str,
        invariant: Never | Answered | NoRoute | ByAPerson,
        counterexample: Counterexample | None,
    ) -> Proof:
        return Proof(
            id=name, text=invariant.text, source=invariant.source, counterexample=counterexample
        )

    def _never(self, name: str, never: Never) -> Counterexample | None:
        law, space = self._law, self._law.space
        roles = (never.to or law.catalogues.roles.keys()) - never.but
        formulas = [
            space.formula(self._when[name]),
            space.where(ROLE, roles),
            space.where(TOLD, members_meant(never.what, law.catalogues)),
            space.where("context.form", never.forms),
            *law.no_forbid.values(),
            *law.no_lock.values(),
        ]
        start = settled([*formulas, *law.unreserved], space.whole)
        if start is None:
            return None
        left, domains = start
        anybody = smallest(space, left, domains) if never.rules == "any" else None
        if anybody is None and never.rules == "any":
            return None
        shown = self._by_a_rule_there_is(left, domains)
        if shown is not None:
            return shown
        return None if anybody is None else self._counterexample(None, anybody)

    def _by_a_rule_there_is(self, left: Formulas, domains: Domains) -> Counterexample | None:
        """Return the smallest case that a rule of this rulebook already makes, if one does."""
        law, found = self._law, list[Counterexample]()
        for id_, granted in law.grants.items():
            # Any rule may be carried out by a decision; these by nothing else.
            decided = law.space.where(DECIDED, {True}) if law.rules[id_].decided_by else True
            case = smallest(law.space, [*left, granted, decided], domains)
            if case is not None:
                found.append(self._counterexample(id_, case))
        return min(found, key=lambda one: len(one.facts), default=None)

    def _unanswered(self, answered: Answered) -> Counterexample | None:
        for role in sorted(self._law.catalogues.roles.keys() - answered.but):
            kinds = list(self._unanswered_kinds(role))
            if kinds:
                more = [f"and {len(kinds) - 1} other kinds"] if len(kinds) > 1 else []
                return Counterexample(
                    role=self._law.catalogues.roles[role].title,
                    rule=None,
                    told="",
                    facts=(f"event {kinds[0]}", *more),
                )
        return None

    def _unanswered_kinds(self, role: str) -> Iterator[str]:
        """Yield each kind of which no rule may tell this role, and that no forbid always silences.

        Kinds that no formula tells apart are answered alike, so one of each sort is asked.
        """
        law, space = self._law, self._law.space
        number = space.number("resource.kind")
        start = settled([space.where(ROLE, {role}), *law.no_forbid.values()], space.whole)
        if start is None:
            return
        left, domains = start
        permits = [granted for id_, granted in law.grants.items() if law.rules[id_].role == role]
        masks = sorted(_masks([*left, *permits], number))
        answers: dict[tuple[bool, ...], bool] = {}
        for n, choice in enumerate(space.variables[number].choices):
            sort = tuple(bool(mask >> n & 1) for mask in (*masks, domains[number]))
            here = Is(number, 1 << n)
            if sort not in answers:
                answers[sort] = not possible(space, [*left, here], domains) or any(
                    possible(space, [*left, here, granted], domains) for granted in permits
                )
            if not answers[sort]:
                yield str(choice.reads["resource.kind"])

    def _by_itself(self, person: ByAPerson) -> Counterexample | None:
        for basis in sorted(person.bases):
            if not self._law.catalogues.bases[basis].human_only:
                return Counterexample(
                    role="", rule=None, told="", facts=(f"{basis} is not marked human_only",)
                )
        for rule in self._law.rules.values():
            relied_on = person.bases.intersection(rule.bases)
            if relied_on and not rule.decided_by:
                title = self._law.catalogues.roles[rule.role].title
                facts = (f"relies on {min(relied_on)} without @decided_by",)
                return Counterexample(role=title, rule=rule.id, told="", facts=facts)
        return None

    def _counterexample(self, rule: RuleId | None, case: Domains) -> Counterexample:
        reads: dict[str, object] = {}
        facts: list[str] = []
        for variable, mask in zip(self._law.space.variables, case, strict=True):
            wanted = mask & variable.plain or mask
            choice = variable.choices[(wanted & -wanted).bit_length() - 1]
            reads.update(choice.reads)
            if choice.words and (mask != variable.whole or not choice.plain):
                facts.append(choice.words)
        return Counterexample(
            role=self._law.catalogues.roles[str(reads[ROLE])].title,
            rule=rule,
            told=str(reads[TOLD]),
            facts=tuple(facts),
        )


def _condition(name: str, text: str, schema: str) -> Expression:
    """Return an invariant's condition, checked against the schema as a rule's would be."""
    try:
        expression = parse(text)
    except ValueError as err:
        raise BadRulebook(
            "not-cedar", file=INVARIANTS_FILE, position=name, reason=str(err)
        ) from err
    policy = f'forbid (principal, action == Action::"disclose", resource) when {{ {text} }};'
    result = cedarpy.validate_policies(policy, cedarpy.Schema.from_str(schema))
    if not result.validation_passed:
        raise BadRulebook(
            "rule-invalid", file=INVARIANTS_FILE, position=name, reason=result.errors[0].error
        )
    return expression


def _masks(formulas: Iterable[Formula], number: int) -> set[int]:
    """Return every mask by which the formulas tell values of one variable apart."""
    found: set[int] = set()
    waiting = list(formulas)
    while waiting:
        formula = waiting.pop()
        if isinstance(formula, Is) and formula.variable == number:
            found.add(formula.mask)
        elif isinstance(formula, Every | Some):
            waiting.extend(formula.parts)
    return found


def _open_route(claim: NoRoute, catalogues: Catalogues) -> Counterexample | None:
    """Return a pair of organisation classes between which the basis is open all the same."""
    for sender, from_ in catalogues.standings.items():
        for receiver, to in catalogues.standings.items():
            for designated in (False, True):
                standings = to | {ASSOCIATE} if designated else to
                if not (claim.from_ & from_ and claim.to & standings):
                    continue
                routes = catalogues.bases[claim.basis].routes
                if any(route.from_ & from_ and route.to & standings for route in routes):
                    facts = (f"{claim.basis} from {sender} to {receiver}",)
                    more = ("designated as an Associate",) if designated else ()
                    return Counterexample(role="", rule=None, told="", facts=facts + more)
    return None
