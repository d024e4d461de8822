"""An alert as its recipient opens it: what they were told, and what they need to judge it.

`gateway.alert` writes this form; whoever puts an alert into an agency's own form reads it here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, get_args

from gateway.model.disclosure import Message
from gateway.model.event import FactsByGroup, group_problems
from gateway.model.groups import parse_time
from gateway.model.kinds import kind_of
from gateway.model.problem import Malformed, MalformedAlert, Problem
from gateway.model.strict_json import Json, JsonObject, read_object

_MESSAGES: Final = frozenset(get_args(Message))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """Where one group of facts comes from (DPA 2018 s.38)."""

    controller: str | None  # the agency that stated it
    source_system: str | None
    as_of: str | None  # RFC 3339
    assertion: str | None  # FACT, ASSESSMENT or INTELLIGENCE
    verified: bool | None
    completeness: str | None  # COMPLETE, MINIMISED or NOT_STATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert, checked. A RECALL has no facts, and a `reason`."""

    id: str
    message: Message
    supersedes: str | None  # the alert this one updates, corrects or recalls
    kind: str  # of the event it is about
    recipient: str
    case_ref: str  # the gateway's opaque reference of the person
    source: str  # the gateway's name
    for_action: bool  # False: for information
    occurred_at: datetime | None  # aware
    acknowledge_by: datetime | None  # aware
    review_due: str | None  # YYYY-MM-DD
    marking: str
    grade: str | None  # 3x5x2, as in handling.grade
    conditions: str | None  # of handling code C
    subject_category: str | None  # CONVICTED, SUSPECT or UNKNOWN
    reason: str | None  # of a recall
    facts: FactsByGroup  # what the recipient may know, and nothing else
    stated: Mapping[str, Stated]  # by group: the newest statement among what is told

    def fact(self, group: str, member: str) -> Json:
        """Return one fact, or None where the recipient was not told it."""
        return self.facts.get(group, {}).get(member)

    def text(self, group: str, member: str) -> str | None:
        """Return one fact that is text, or None."""
        value = self.fact(group, member)
        return value if isinstance(value, str) else None

    def object(self, group: str, member: str) -> JsonObject:
        """Return one fact that has parts; empty where the recipient was not told it."""
        value = self.fact(group, member)
        return value if isinstance(value, dict) else {}

    def texts(self, group: str, member: str) -> tuple[str, ...]:
        """Return one fact that is a list of texts; empty where the recipient was not told it."""
        value = self.fact(group, member)
        return (
            tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
        )


def read_alert(body: bytes) -> Alert:
    """Read what `throughgate open` writes, or the alert in it by itself.

    Raises:
        MalformedAlert: with every fault; never quotes a value.

    Pure.
    """
    try:
        value = read_object(body)
    except Malformed as error:
        raise MalformedAlert(*error.problems) from None
    inner = value.get("alert")
    return parse_alert(inner if isinstance(inner, dict) else value)


def parse_alert(value: JsonObject) -> Alert:
    """Check an alert's JSON and return it as a value.

    Raises:
        MalformedAlert: with every fault; never quotes a value.

    Pure.
    """
    problems: list[Problem] = []
    facts = value.get("facts", {})
    problems += [
        Problem(path=problem.path.replace("$.data", "$.facts", 1), reason=problem.reason)
        for problem in group_problems(facts)
    ]
    kind = kind_of(str(value.get("event_type")))
    if kind is None:
        problems.append(Problem(path="$.event_type", reason="not a kind of this gateway"))
    if value.get("message_type") not in _MESSAGES:
        problems.append(
            Problem(path="$.message_type", reason=f"one of {', '.join(sorted(_MESSAGES))}")
        )
    for name in ("message_id", "recipient", "case_ref", "source"):
        if not isinstance(value.get(name), str):
            problems.append(Problem(path=f"$.{name}", reason="required, text"))
    times: dict[str, datetime | None] = {}
    for name in ("occurred_at", "ack_required_by"):
        times[name], problem = _time(name, value.get(name))
        problems += [problem] if problem else []
    if problems or kind is None or not isinstance(facts, dict):
        raise MalformedAlert(*problems)
    return Alert(
        id=str(value["message_id"]),
        message=value["message_type"],  # type: ignore[arg-type]  # checked above
        supersedes=_text(value, "supersedes"),
        kind=kind,
        recipient=str(value["recipient"]),
        case_ref=str(value["case_ref"]),
        source=str(value["source"]),
        for_action=value.get("recipient_type") == "FA",
        occurred_at=times["occurred_at"],
        acknowledge_by=times["ack_required_by"],
        review_due=_text(value, "review_due"),
        marking=_text(value, "marking") or "OFFICIAL-SENSITIVE",
        grade=_text(value, "intel_grade"),
        conditions=_text(value, "intel_conditions"),
        subject_category=_text(value, "subject_category"),
        reason=_text(value, "reason"),
        facts=facts,  # type: ignore[arg-type]  # group_problems proved the shape
        stated=_stated(value.get("groups")),
    )


def _stated(groups: Json) -> dict[str, Stated]:
    """Return the first row of each group: the newest statement."""
    found: dict[str, Stated] = {}
    for row in groups if isinstance(groups, list) else []:
        if isinstance(row, dict):
            found.setdefault(str(row.get("name")), _one_stated(row))
    return found


def _one_stated(row: JsonObject) -> Stated:
    return Stated(
        controller=_text(row, "controller"),
        source_system=_text(row, "source_system"),
        as_of=_text(row, "as_of"),
        assertion=_text(row, "assertion"),
        verified=_flag(row.get("verified")),
        completeness=_text(row, "completeness"),
    )


def _text(value: JsonObject, name: str) -> str | None:
    found = value.get(name)
    return found if isinstance(found, str) else None


def _flag(value: Json) -> bool | None:
    return value if isinstance(value, bool) else None


def _time(name: str, value: Json) -> tuple[datetime | None, Problem | None]:
    if value is None:
        return None, None
    try:
        return parse_time(str(value)), None
    except ValueError as error:
        return None, Problem(path=f"$.{name}", reason=str(error))
