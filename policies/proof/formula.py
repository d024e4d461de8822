"""Conditions as formulas over variables of finite extent, and a complete search for a case.

A literal holds where its variable's value is in a mask. `smallest` tries everything: it splits the
values of one variable after another and gives up a branch only when a formula is false in all of
it, or when the branch cannot say less than the best case found.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, TypeAlias

from policies.proof.condition import BeyondProof, Expression, Value, mentioned, says, work_out
from policies.proof.fact_space import OPEN
from policies.proof.variable import Variable
from policies.proof.whereabouts import PLACES


@dataclass(frozen=True, slots=True)
class Is:
    """True where the variable's value is in the mask."""

    variable: int
    mask: int


@dataclass(frozen=True, slots=True)
class Every:
    """True where every part is."""

    parts: tuple["Formula", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """True where some part is."""

    parts: tuple["Formula", ...]


Formula: TypeAlias = bool | Is | Every | Some
Domains: TypeAlias = tuple[int, ...]  # by variable: the mask of values still possible


def both(parts: Iterable[Formula]) -> Formula:
    """Return the conjunction. Pure."""
    return _joined(parts, unit=True, wrap=Every)


def either(parts: Iterable[Formula]) -> Formula:
    """Return the disjunction. Pure."""
    return _joined(parts, unit=False, wrap=Some)


def _joined(parts: Iterable[Formula], *, unit: bool, wrap: type[Every] | type[Some]) -> Formula:
    kept: list[Formula] = []
    for part in parts:
        if part is (not unit):
            return part
        if isinstance(part, wrap):
            kept.extend(part.parts)
        elif part is not unit:
            kept.append(part)
    if not kept:
        return unit
    return kept[0] if len(kept) == 1 else wrap(tuple(kept))


class Space:
    """The variables by what they read, with the values of each condition tabulated once."""

    def __init__(self, variables: Sequence[Variable]) -> None:
        self.variables = tuple(variables)
        self.whole: Domains = tuple(one.whole for one in variables)
        self._reader: Mapping[str, int] = {
            name: number
            for number, variable in enumerate(variables)
            for name in variable.choices[0].reads
        }
        self._tabulations: dict[str, Formula] = {}  # rules ask the same few things

    def number(self, name: str) -> int:
        """Return the variable that gives a name its value.

        Raises:
            BeyondProof: none does.
        """
        if name not in self._reader:
            raise BeyondProof(f"the proof knows no extent for {name}")
        return self._reader[name]

    def where(self, name: str, values: Iterable[Value]) -> Is:
        """Return the literal: this name has one of these values."""
        number, wanted = self.number(name), set(values)
        variable = self.variables[number]
        return Is(number, variable.where(lambda choice: choice.reads[name] in wanted))

    def negated(self, formula: Formula) -> Formula:
        """Return the negation. Pure."""
        if isinstance(formula, bool):
            return not formula
        if isinstance(formula, Is):
            return Is(formula.variable, self.whole[formula.variable] & ~formula.mask)
        parts = [self.negated(part) for part in formula.parts]
        return either(parts) if isinstance(formula, Every) else both(parts)

    def formula(self, expression: Expression) -> Formula:
        """Return a condition as a formula.

        Raises:
            BeyondProof: the evaluator does not follow it, or it takes an open word apart.
        """
        ((name, body),) = expression.items()
        match name:
            case "&&":
                return both([self.formula(body["left"]), self.formula(body["right"])])
            case "||":
                return either([self.formula(body["left"]), self.formula(body["right"])])
            case "!":
                return self.negated(self.formula(body["arg"]))
            case "if-then-else":
                test, then, other = (self.formula(body[part]) for part in ("if", "then", "else"))
                return either([both([test, then]), both([self.negated(test), other])])
        text = json.dumps(expression)
        if text not in self._tabulations:
            self._tabulations[text] = self._tabulated(expression)
        return self._tabulations[text]

    def _tabulated(self, expression: Expression) -> Formula:
        """Return where a comparison holds, having worked it out for every value it reads."""
        names = sorted(set(mentioned(expression)))
        if OPEN.intersection(names):
            _refuse_open(expression, names)
        read = sorted({self.number(name) for name in names})
        if len(read) == 1:
            (number,) = read
            variable = self.variables[number]
            return self._literal(
                number, variable.where(lambda choice: work_out(expression, choice.reads) is True)
            )
        # More variables than one in one comparison: one alternative for each case that holds.
        held: list[Formula] = []
        for numbers in product(*(range(len(self.variables[one].choices)) for one in read)):
            chosen = list(zip(read, numbers, strict=True))
            world: dict[str, Value] = {}
            for variable_number, choice in chosen:
                world.update(self.variables[variable_number].choices[choice].reads)
            if work_out(expression, world) is True:
                held.append(both([Is(one, 1 << choice) for one, choice in chosen]))
        return either(held)

    def _literal(self, number: int, mask: int) -> Formula:
        if mask in {0, self.whole[number]}:
            return mask != 0
        return Is(number, mask)


def _refuse_open(expression: Expression, names: Sequence[str]) -> None:
    """Of words that are no closed list only those spelt out, or of one another, can be compared."""
    if says(expression, "like"):
        raise BeyondProof(f"a wildcard over {names[0]}, whose words are no closed list")
    if len(names) > 1 and not PLACES.issuperset(names):
        raise BeyondProof(f"a comparison of {names[0]} with {names[1]}")


_NONE_YET: Final = 1 << 30


class Search:
    """One complete search for the case that needs the fewest facts said."""

    def __init__(self, space: Space, *, any_will_do: bool = False) -> None:
        self._plain = tuple(variable.plain for variable in space.variables)
        self._any_will_do = any_will_do
        self._fewest = _NONE_YET
        self.best: Domains | None = None

    def run(self, formulas: Iterable[Formula], domains: Domains) -> Domains | None:
        """Return what is left of each variable in the smallest case, or None: there is none."""
        self._search(list(formulas), list(domains))
        return self.best

    def _search(self, formulas: list[Formula], domains: list[int]) -> None:
        left = _settle(formulas, domains)
        if left is None:
            return
        said = sum(1 for mask, plain in zip(domains, self._plain, strict=True) if not mask & plain)
        if said >= self._fewest:
            return
        if not left:
            self._fewest = 0 if self._any_will_do else said
            self.best = tuple(domains)
            return
        split = _first_literal(min(left, key=lambda one: len(one.parts)))
        mask, domain = split.mask, domains[split.variable]
        halves = [domain & mask, domain & ~mask]
        if not halves[0] & self._plain[split.variable]:
            halves.reverse()  # the plain half first: a case that says less bounds the rest
        for half in halves:
            narrowed = domains.copy()
            narrowed[split.variable] = half
            self._search(list(left), narrowed)


def smallest(space: Space, formulas: Iterable[Formula], domains: Domains) -> Domains | None:
    """Return the case with the fewest facts to say in which every formula holds, or None.

    Complete: None means that no combination of values whatever makes them all hold. Pure.
    """
    return Search(space).run(formulas, domains)


def possible(space: Space, formulas: Iterable[Formula], domains: Domains) -> bool:
    """Return whether some case makes every formula hold. Complete. Pure."""
    return Search(space, any_will_do=True).run(formulas, domains) is not None


def settled(formulas: Iterable[Formula], domains: Domains) -> tuple[list[Formula], Domains] | None:
    """Return the formulas simplified and the domains narrowed, or None: no case is left. Pure."""
    narrowed = list(domains)
    left = _settle(list(formulas), narrowed)
    return None if left is None else (list(left), tuple(narrowed))


def _settle(formulas: list[Formula], domains: list[int]) -> list[Every | Some] | None:
    """Narrow the domains by what must hold, until nothing changes; return what is undecided."""
    while True:
        changed = False
        left: list[Every | Some] = []
        waiting = formulas
        while waiting:
            reduced = _reduced(waiting.pop(), domains)
            if reduced is True:
                continue
            if reduced is False:
                return None
            if isinstance(reduced, Is):
                domains[reduced.variable] &= reduced.mask
                changed = True
            elif isinstance(reduced, Every):
                waiting.extend(reduced.parts)
            else:
                left.append(reduced)
        if not changed:
            return left
        formulas = list(left)


def _reduced(formula: Formula, domains: Sequence[int]) -> Formula:
    """Return what is left of a formula within the domains."""
    if isinstance(formula, bool):
        return formula
    if isinstance(formula, Is):
        held = domains[formula.variable] & formula.mask
        if not held:
            return False
        return True if held == domains[formula.variable] else formula
    return (
        either(_each(formula, domains))
        if isinstance(formula, Some)
        else both(_each(formula, domains))
    )


def _each(formula: Every | Some, domains: Sequence[int]) -> Iterator[Formula]:
    return (_reduced(part, domains) for part in formula.parts)


def _first_literal(formula: Formula) -> Is:
    while not isinstance(formula, Is):
        if isinstance(formula, bool):
            raise TypeError("a settled formula holds no constants")
        formula = formula.parts[0]
    return formula
