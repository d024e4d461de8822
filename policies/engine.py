"""The Cedar engine, asked about classified facts only. It answers with rule ids, or raises."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import cedarpy

from gateway.model.decision import Permit, Refusal
from gateway.model.ids import RuleId
from gateway.model.party import Form
from policies.facts import FactClass

REMEMBERED: Final = 8192  # answers kept; one is about a kilobyte
_DECISIONS: Final = 2048  # kept; one is a few kilobytes

_REQUEST: Final[Mapping[str, Any]] = {
    "principal": 'Recipient::"recipient"',
    "action": 'Action::"disclose"',
    "resource": 'Event::"event"',
    "context": {},
}


class EvaluationFailed(Exception):
    """Cedar could not answer cleanly. Its own message is kept out: it quotes the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One recipient's class and one case's class: all Cedar is told."""

    role: str
    standing: frozenset[str]
    areas: frozenset[str]
    country: Literal["GB", "other"]
    facts: FactClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The satisfied rules, sorted. Any forbid leaves `permits` empty; both empty is no rule."""

    permits: tuple[RuleId, ...] = ()
    forbids: tuple[RuleId, ...] = ()


Locks: TypeAlias = Mapping[str, tuple[RuleId, ...]]  # group -> the forbids that lock it


class Remembered:
    """Whole decisions by all that they rest on; so many, and then it begins anew."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[Hashable, Permit | Refusal] = {}

    def get(self, key: Hashable) -> Permit | Refusal | None:
        """Return the decision made on this before, whatever event and recipient it names."""
        return self._found.get(key)

    def put(self, key: Hashable, decision: Permit | Refusal) -> None:
        """Remember a decision."""
        if len(self._found) >= _DECISIONS:
            self._found.clear()
        self._found[key] = decision


class Engine:
    """Policies with their schema. Immutable but for the answers it remembers.

    `ask` remembers; `ask_afresh` does not. Both raise `EvaluationFailed` rather than guess.
    Only policies whose head may match are put to Cedar: those of this action or of any, for this
    role or for every one. The others could not be satisfied, nor could their conditions err.
    """

    __slots__ = ("_policies", "_schema", "_sets", "ask", "decided", "locks")

    ask: Callable[[Question], Answer]
    locks: Callable[[Question, tuple[str, ...], Form], Locks]

    def __init__(self, policies: Mapping[tuple[str, str], str], schema: cedarpy.Schema) -> None:
        """Take Cedar text by (action, role); an empty action or role is any."""
        self._policies = policies
        self._schema = schema
        self._sets: dict[tuple[str, str], cedarpy.PolicySet] = {}
        self.decided = Remembered()
        # Failures are not remembered.
        self.ask = lru_cache(maxsize=REMEMBERED)(self.ask_afresh)
        self.locks = lru_cache(maxsize=REMEMBERED)(self.locks_afresh)

    def ask_afresh(self, question: Question) -> Answer:
        """Evaluate without the cache.

        Cedar skips a policy whose condition errs, even a forbid, so one error spoils the answer.

        Raises:
            EvaluationFailed: an evaluation error, a decision other than Allow or Deny, or a
                determining rule without an id.

        Pure.
        """
        return self._answers("disclose", question, [_REQUEST])[0]

    def locks_afresh(self, question: Question, groups: tuple[str, ...], form: Form) -> Locks:
        """Return, of these field groups, those locked to this recipient in this form, each with
        the forbids of action "include" that lock it. Without the cache; as `ask_afresh`."""
        requests = [
            {
                **_REQUEST,
                "action": 'Action::"include"',
                "context": {"group": group, "form": form},
            }
            for group in groups
        ]
        answers = self._answers("include", question, requests)
        return {
            group: answer.forbids
            for group, answer in zip(groups, answers, strict=True)
            if answer.forbids
        }

    def _answers(
        self, action: str, question: Question, requests: Sequence[Mapping[str, Any]]
    ) -> Sequence[Answer]:
        try:
            results = cedarpy.is_authorized_batch(
                [dict(request) for request in requests],
                self._set(action, question.role),
                _entities(question),
                schema=self._schema,
            )
        except BaseException as err:
            # A panic inside the engine is no Exception; let through, it would end the loop.
            if type(err).__module__ == "pyo3_runtime":
                raise EvaluationFailed("the engine panicked") from err
            raise
        if len(results) != len(requests):
            raise EvaluationFailed("a question was left unanswered")
        return [_read(result) for result in results]

    def _set(self, action: str, role: str) -> cedarpy.PolicySet:
        found = self._sets.get((action, role))
        if found is None:
            heads = [(action, role), (action, ""), ("", role), ("", "")]
            texts = [self._policies.get(head, "") for head in dict.fromkeys(heads)]
            found = self._sets[action, role] = cedarpy.PolicySet.from_str("\n".join(texts))
        return found


def _read(result: cedarpy.AuthzResult) -> Answer:
    if result.diagnostics.errors:
        raise EvaluationFailed("a rule could not be evaluated")
    ids = result.diagnostics.id_annotations_by_reason
    try:
        rules = tuple(sorted(RuleId(ids[reason]) for reason in result.diagnostics.reasons))
    except KeyError as err:
        raise EvaluationFailed("a determining rule has no id") from err
    if result.decision is cedarpy.Decision.Allow and rules:
        return Answer(permits=rules)
    if result.decision is cedarpy.Decision.Deny:
        return Answer(forbids=rules)
    raise EvaluationFailed("neither allowed nor denied")


def _entities(question: Question) -> list[dict[str, Any]]:
    facts = question.facts
    principal = {
        "areas": sorted(question.areas),
        "standing": sorted(question.standing),
        "country": question.country,
    }
    resource = {name: _plain(getattr(facts, name)) for name in FactClass.__dataclass_fields__}
    return [
        {
            "uid": {"type": "Recipient", "id": "recipient"},
            "attrs": principal,
            "parents": [{"type": "Role", "id": question.role}],
        },
        {"uid": {"type": "Event", "id": "event"}, "attrs": resource, "parents": []},
    ]


def _plain(value: str | int | frozenset[str]) -> str | int | list[str]:
    return sorted(value) if isinstance(value, frozenset) else value
