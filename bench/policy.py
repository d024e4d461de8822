"""Decisions: cold, by fact class, and out of a directory of which few are concerned.

One process, no I/O. `python -m bench.policy` measures this alone.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from statistics import median
from typing import Any, Final

from bench.problem import NotMeasured
from gateway.candidates import Candidates
from gateway.instance import load_law
from gateway.model.decision import Permit, Refusal
from gateway.model.ids import AgencyName, RecipientId
from gateway.model.party import Recipient
from gateway.model.person import Person
from policies.evaluate import evaluate
from policies.facts import FactClass
from policies.review.model_cases import (
    CASES,
    DAY,
    EVENT,
    model_class,
    model_person,
    model_recipients,
)
from policies.rulebook import Rulebook

KIND: Final = "release.planned"
SENDER: Final = "prison"
ELSEWHERE: Final = frozenset({"another area"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    candidates: tuple[int, ...] = (10, 100, 1_000)
    directory: int = 10_000
    concerned: int = 10
    rounds: int = 9
    round_s: float = 0.1  # the least that one round takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came of it. Rates are decisions a second, times microseconds for one event."""

    cold: Mapping[int, float]  # by number of candidates
    cached: Mapping[int, float]
    find_us: float  # the concerned, out of the whole directory
    scan_us: float  # the same by asking of each recipient
    event_us: float  # an event decided: found out of the whole directory, then decided
    small_event_us: float  # the same out of a directory of the concerned alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One event about one model person, and the law."""

    rulebook: Rulebook
    person: Person
    facts: FactClass
    classes: Mapping[AgencyName, str]

    def decide(self, recipients: Sequence[Recipient]) -> list[Permit | Refusal]:
        """Decide for each, by fact class where one of that class was decided before."""
        return [
            evaluate(
                self.rulebook,
                event=EVENT,
                recipient=recipient,
                person=self.person,
                facts=self.facts,
                controller_classes=self.classes,
                today=DAY,
            )
            for recipient in recipients
        ]

    def decide_cold(self, recipients: Sequence[Recipient]) -> list[Permit | Refusal]:
        """Decide for each as if nobody had ever been decided for."""
        decisions = []
        for recipient in recipients:
            self.forget()
            decisions += self.decide([recipient])
        return decisions

    def forget(self) -> None:
        """Forget every answer of the engine."""
        engine: Any = self.rulebook.engine
        engine.ask.cache_clear()
        engine.locks.cache_clear()


def measure(plan: Plan) -> Figures:
    """Measure.

    Raises:
        NotMeasured: cold and remembered decisions differ, or the index finds others than a scan.
    """
    case, models = _case()
    cold, cached = {}, {}
    for count in plan.candidates:
        near = _many(models, count)
        start = time.perf_counter()
        decisions = case.decide_cold(near)
        cold[count] = count / (time.perf_counter() - start)  # once: nothing warms up
        if decisions != case.decide(near):
            raise NotMeasured("cold and remembered decisions differ")
        (seconds,) = _in_turns([partial(case.decide, near)], plan)
        cached[count] = count / seconds
    few = _many(models, plan.concerned)
    far = [
        replace(one, id=RecipientId(f"far/{one.id}"), areas=ELSEWHERE)
        for one in _many(models, plan.directory - plan.concerned)
    ]
    whole, small = Candidates([*few, *far]), Candidates(few)
    found, scanned = whole.find(case.facts, case.person), _scan([*few, *far], case.facts)
    if sorted(one.id for one in found) != sorted(one.id for one in scanned):
        raise NotMeasured("the index and a scan find different candidates")
    if len(found) != plan.concerned:
        raise NotMeasured(f"{len(found)} are concerned, not {plan.concerned}")

    def event(candidates: Candidates) -> list[Permit | Refusal]:
        return case.decide(candidates.find(case.facts, case.person))

    find, scan = _in_turns(
        [lambda: whole.find(case.facts, case.person), lambda: _scan([*few, *far], case.facts)], plan
    )
    large_event, small_event = _in_turns([lambda: event(whole), lambda: event(small)], plan)
    return Figures(
        cold=cold,
        cached=cached,
        find_us=1e6 * find,
        scan_us=1e6 * scan,
        event_us=1e6 * large_event,
        small_event_us=1e6 * small_event,
    )


def lines(figures: Figures) -> Iterator[str]:
    """Yield one `name: value` line per figure, ratios last."""
    for count, rate in figures.cold.items():
        yield f"policy_cold_{count}_per_s: {rate:.0f}"
        yield f"policy_cached_{count}_per_s: {figures.cached[count]:.0f}"
    yield f"policy_find_us: {figures.find_us:.1f}"
    yield f"policy_scan_us: {figures.scan_us:.1f}"
    yield f"policy_event_us: {figures.event_us:.1f}"
    yield f"policy_small_directory_event_us: {figures.small_event_us:.1f}"
    for count, rate in figures.cold.items():
        yield f"policy_cached_over_cold_{count}: {figures.cached[count] / rate:.1f}"
    yield f"policy_scan_over_find: {figures.scan_us / figures.find_us:.0f}"
    yield f"policy_event_over_small_directory: {figures.event_us / figures.small_event_us:.2f}"


def _case() -> tuple[Case, Sequence[Recipient]]:
    """Return a model case, and one recipient of every role in the person's area."""
    rulebook = load_law().rulebook
    models = tuple(model_recipients(rulebook.catalogues).values())
    person, classes = model_person(
        rulebook.catalogues, models[0], related=False, sender_class=SENDER
    )
    facts = model_class(KIND, CASES[0], sender_class=SENDER)
    return Case(rulebook=rulebook, person=person, facts=facts, classes=classes), models


def _many(models: Sequence[Recipient], count: int) -> list[Recipient]:
    """Return as many recipients, role by role, each an organisation of its own."""
    return [
        replace(one, id=RecipientId(f"bench/{number}"), organisation=f"Example {number}")
        for number, one in enumerate(islice(cycle(models), count))
    ]


def _scan(directory: Sequence[Recipient], facts: FactClass) -> list[Recipient]:
    """Return those near, by asking each. Nobody here is named in the record."""
    where = facts.areas | {facts.prison}
    return [one for one in directory if not one.areas or not one.areas.isdisjoint(where)]


def _in_turns(acts: Sequence[Callable[[], object]], plan: Plan) -> list[float]:
    """Return how many seconds each act takes: the median of rounds taken in turns, so that
    whatever else the machine does meets them all."""
    for act in acts:
        act()  # warms up
    rounds = [[_round(act, plan.round_s) for act in acts] for _ in range(plan.rounds)]
    return [median(times) for times in zip(*rounds, strict=True)]


def _round(act: Callable[[], object], least_s: float) -> float:
    acts, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < least_s or not acts:
        act()
        acts += 1
    return passed / acts


def main() -> int:
    try:
        print("\n".join(lines(measure(Plan()))))
    except NotMeasured as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
