"""Policy test vectors: facts and a claim in, the expected verdict out; each runs the real code.

A vector's `check` says what is asked. This module answers "decision" (the rulebook) and "input"
(the form of an event); whoever runs the vectors hands in the rest by name. A vector nobody can
answer is reported as not run, never left out.
"""

import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.model.decision import Permit, Refusal
from gateway.model.event import group_problems, parse_cloudevent
from gateway.model.ids import AgencyName, BasisId, EventRef, PersonRef, RecipientId, RuleId
from gateway.model.party import AssociateDesignation, Recipient
from gateway.model.person import Person, StatedGroup
from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import JsonObject
from policies.evaluate import evaluate
from policies.facts import classify
from policies.problem import BadRulebook
from policies.rulebook import Rulebook

Verdict = Literal["ALLOW", "DENY", "TASK", "ACCEPT", "REJECT", "POINTER", "NOTHING", "NOT_RUN"]
Line = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Facts = dict[str, dict[str, Any]]

EVENT: Final = EventRef("evt_vector")
PERSON: Final = PersonRef("per_vector")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Designation(_Table):
    """An Associate's designation, in days."""

    reference: Line = "vector"
    designated_on: date
    ends_on: date | None = None

    def designation(self) -> AssociateDesignation:
        """Return it as the directory would hold it."""
        return AssociateDesignation(
            reference=self.reference, designated_on=self.designated_on, ends_on=self.ends_on
        )


class Receiver(_Table):
    """Who would be told."""

    role: Line
    organisation_class: Line
    organisation: Line = "Example Organisation"
    areas: tuple[str, ...] = ()
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "GB"
    associate: Designation | None = None

    def recipient(self) -> Recipient:
        """Return them as the directory would hold them."""
        given = self.associate
        return Recipient(
            id=RecipientId("vector/recipient"),
            organisation=self.organisation,
            organisation_class=self.organisation_class,
            role=self.role,
            areas=frozenset(self.areas),
            endpoints=(),
            country=self.country,
            associate=given.designation() if given else None,
        )


class Expected(_Table):
    """What must come of it. Whatever is left out is not checked."""

    verdict: Verdict
    reasons: tuple[Line, ...] = ()  # each must be among the codes given
    granted: tuple[Line, ...] = ()  # groups, or "group.member" paths
    withheld: tuple[Line, ...] = ()  # none of it may be granted
    only: tuple[Line, ...] | None = None  # exactly these groups are granted, and no other
    regime: Literal["P3", "GDPR"] | None = None
    proposals: tuple[Line, ...] = ()  # bases on which a human could decide
    says: tuple[Line, ...] | None = None  # exactly what the check reports, in its own words


class Vector(_Table):
    """One row: who tells whom, on what claim, of which facts."""

    id: Line
    title: Line
    source: Line = "domain facts 9.3"
    check: Line = "decision"
    sender: Line = "prison"  # class of organisation; of a decision, the controller of every fact
    kind: Line = "release.planned"
    recipient: Receiver | None = None
    claimed: Line | None = None
    controllers: dict[str, str] = Field(default_factory=dict)  # group -> another class
    told_before: bool = False
    decided: tuple[Line, ...] = ()  # rules a named person decided to carry out
    today: date | None = None
    facts: Facts = Field(default_factory=dict)  # members that differ from the file's person
    not_held: tuple[Line, ...] = ()  # groups or "group.member" paths
    input: dict[str, Any] = Field(default_factory=dict)  # for every check but "decision"
    expect: Expected


class _File(_Table):
    today: date
    person: Facts
    vector: tuple[Vector, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a check found."""

    verdict: Verdict
    reasons: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()
    regimes: frozenset[str] = frozenset()
    proposals: frozenset[str] = frozenset()
    says: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One vector's verdict, and how it differs from what was expected."""

    vector: Vector
    outcome: Outcome
    faults: tuple[str, ...]  # empty: as expected

    @property
    def ran(self) -> bool:
        """Whether anything was checked at all."""
        return self.outcome.verdict != "NOT_RUN"

    @property
    def passed(self) -> bool:
        """Whether it ran and came out as expected."""
        return self.ran and not self.faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """A file of vectors, with the person they start from and the day they are judged on."""

    today: date
    person: Facts
    vectors: tuple[Vector, ...]


Check = Callable[[Vector, "Vectors", Rulebook], Outcome]
NOT_RUN: Final = Outcome(verdict="NOT_RUN")


def read_vectors(text: str, *, file: str = "vectors.toml") -> Vectors:
    """Read a file of vectors.

    Raises:
        BadRulebook: not TOML, an unknown key, an id twice, or facts that no event may state.

    Pure.
    """
    try:
        read = _File.model_validate_json(json.dumps(tomllib.loads(text), default=str))
    except tomllib.TOMLDecodeError as error:
        raise BadRulebook("not-toml", file=file, reason=str(error)) from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        position = ".".join(str(step) for step in first["loc"])
        raise BadRulebook(
            "vectors-invalid", file=file, position=position, reason=first["msg"]
        ) from error
    found = Vectors(today=read.today, person=read.person, vectors=read.vector)
    seen: set[str] = set()
    for vector in found.vectors:
        if vector.id in seen:
            raise BadRulebook("vector-id-twice", file=file, position=f"vector {vector.id}")
        seen.add(vector.id)
        problems = group_problems(stated(vector, found))
        if problems:
            raise BadRulebook(
                "vector-facts", file=file, position=f"vector {vector.id}", reason=str(problems[0])
            )
    return found


def run(
    vectors: Vectors, rulebook: Rulebook, checks: Mapping[str, Check] | None = None
) -> Iterator[Result]:
    """Yield each vector's result, in order.

    Args:
        checks: By name, beside "decision" and "input". One that is missing, or answers
            `NOT_RUN`, leaves its vectors not run.

    Pure, but for the checks handed in.
    """
    known = {**_CHECKS, **(checks or {})}
    for vector in vectors.vectors:
        check = known.get(vector.check)
        outcome = check(vector, vectors, rulebook) if check else NOT_RUN
        faults = () if outcome is NOT_RUN else tuple(_faults(vector.expect, outcome))
        yield Result(vector=vector, outcome=outcome, faults=faults)


def stated(vector: Vector, vectors: Vectors) -> JsonObject:
    """Return the facts of a vector by group: the file's person with the vector's changes. Pure."""
    groups: Facts = {
        name: {**vectors.person.get(name, {}), **vector.facts.get(name, {})}
        for name in dict.fromkeys((*vectors.person, *vector.facts))
    }
    for path in vector.not_held:
        name, dot, member = path.partition(".")
        if dot:
            groups.get(name, {}).pop(member, None)
        else:
            groups.pop(name, None)
    return dict(groups)


def decide(vector: Vector, vectors: Vectors, rulebook: Rulebook) -> Permit | Refusal:
    """Decide a vector's event for its recipient, by the rulebook. Pure."""
    if vector.recipient is None:
        raise BadRulebook(
            "vector-without-recipient", file="vectors.toml", position=f"vector {vector.id}"
        )
    person, classes = _person(vector, vectors)
    today = vector.today or vectors.today
    return evaluate(
        rulebook,
        event=EVENT,
        recipient=vector.recipient.recipient(),
        person=person,
        facts=classify(vector.kind, person.facts, sender_class=vector.sender, today=today),
        controller_classes=classes,
        today=today,
        told_before=vector.told_before,
        decided=frozenset(RuleId(rule) for rule in vector.decided),
        claimed=BasisId(vector.claimed) if vector.claimed else None,
    )


def outcome_of(decision: Permit | Refusal) -> Outcome:
    """Return a decision as an outcome: ALLOW, DENY, or TASK where a human could decide. Pure."""
    proposals = frozenset(str(one.basis) for one in decision.proposals)
    if isinstance(decision, Refusal):
        return Outcome(
            verdict="TASK" if decision.proposals else "DENY",
            reasons=frozenset(reason.code for reason in decision.reasons),
            proposals=proposals,
        )
    return Outcome(
        verdict="ALLOW",
        reasons=frozenset(held.reason.code for held in decision.withheld),
        members=frozenset(decision.members),
        regimes=frozenset(grant.regime for grant in decision.grants),
        proposals=proposals,
    )


def _person(vector: Vector, vectors: Vectors) -> tuple[Person, Mapping[AgencyName, str]]:
    """Return the person, each group the sender's unless the vector names another controller."""
    facts = {
        name: StatedGroup(
            members=members,  # type: ignore[arg-type]  # read_vectors checked it against the groups
            controller=AgencyName(vector.controllers.get(name, vector.sender)),
            as_of=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for name, members in stated(vector, vectors).items()
    }
    controllers = {vector.sender, *vector.controllers.values()}
    return Person(ref=PERSON, facts=facts), {AgencyName(one): one for one in controllers}


def _decision(vector: Vector, vectors: Vectors, rulebook: Rulebook) -> Outcome:
    return outcome_of(decide(vector, vectors, rulebook))


def _input(vector: Vector, vectors: Vectors, rulebook: Rulebook) -> Outcome:
    """Would this event be taken at all? Its groups are the vector's input."""
    del vectors, rulebook
    event: JsonObject = {
        "specversion": "1.0",
        "id": "vector",
        "source": "urn:example:vector",
        "type": f"org.throughgate.{vector.kind}.v1",
        "data": vector.input,
    }
    try:
        parse_cloudevent(event)
    except MalformedEvent as error:
        paths = tuple(problem.path for problem in error.problems)
        return Outcome(verdict="REJECT", reasons=frozenset(paths), says=paths)
    return Outcome(verdict="ACCEPT")


_CHECKS: Final[Mapping[str, Check]] = {"decision": _decision, "input": _input}


def _faults(expected: Expected, outcome: Outcome) -> Iterator[str]:
    """Yield, in words, whatever is not as expected."""
    groups = {path.partition(".")[0] for path in outcome.members}
    refused = expected.verdict == "DENY" and outcome.verdict == "TASK"
    wants: list[tuple[bool, str]] = [
        (
            outcome.verdict == expected.verdict or refused,
            f"verdict {outcome.verdict}, expected {expected.verdict}",
        ),
        (
            expected.only is None or groups == set(expected.only),
            f"granted: {_listed(groups)}",
        ),
        (
            expected.regime is None or outcome.regimes == {expected.regime},
            f"regime {_listed(outcome.regimes)}",
        ),
        (
            expected.says is None or outcome.says == expected.says,
            f"says {', '.join(outcome.says) or 'nothing'}",
        ),
    ]
    wants += [
        (code in outcome.reasons, f"no reason {code}, but {_listed(outcome.reasons)}")
        for code in expected.reasons
    ]
    wants += [(bool(_within(path, outcome)), f"{path} is not granted") for path in expected.granted]
    wants += [(not _within(path, outcome), f"{path} is granted") for path in expected.withheld]
    wants += [
        (basis in outcome.proposals, f"no human could decide on {basis}")
        for basis in expected.proposals
    ]
    yield from (text for met, text in wants if not met)


def _within(path: str, outcome: Outcome) -> set[str]:
    return {one for one in outcome.members if one == path or one.startswith(f"{path}.")}


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "none"
