"""The Cedar engine, asked about classified facts only. It answers with rule ids, or raises."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import cedarpy

from gateway.model.ids import RuleId
from policies.facts import FactClass

REMEMBERED: Final = 8192  # answers kept; one is about a kilobyte

_REQUEST: Final = {
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


class Engine:
    """A parsed policy set with its schema. Immutable but for the answers it remembers.

    `ask` remembers; `ask_afresh` does not. Both raise `EvaluationFailed` rather than guess.
    """

    __slots__ = ("_policies", "_schema", "ask")

    ask: Callable[[Question], Answer]

    def __init__(self, policies: cedarpy.PolicySet, schema: cedarpy.Schema) -> None:
        self._policies = policies
        self._schema = schema
        self.ask = lru_cache(maxsize=REMEMBERED)(self.ask_afresh)  # failures are not remembered

    def ask_afresh(self, question: Question) -> Answer:
        """Evaluate without the cache.

        Cedar skips a policy whose condition errs, even a forbid, so one error spoils the answer.

        Raises:
            EvaluationFailed: an evaluation error, a decision other than Allow or Deny, or a
                determining rule without an id.

        Pure.
        """
        try:
            result = cedarpy.is_authorized(
                _REQUEST, self._policies, _entities(question), schema=self._schema
            )
        except BaseException as err:
            # A panic inside the engine is no Exception; let through, it would end the loop.
            if type(err).__module__ == "pyo3_runtime":
                raise EvaluationFailed("the engine panicked") from err
            raise
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
