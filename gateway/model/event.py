"""Events: as an agency states them (canonical), and as the gateway holds them (resolved)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.model.groups import Groups, parse_time
from gateway.model.ids import AgencyName, EventRef, PersonRef
from gateway.model.kinds import REVISING_KINDS, kind_of, type_of
from gateway.model.problem import MalformedEvent, Problem
from gateway.model.strict_json import Json, JsonObject

MAX_ID_LENGTH = 200
EXERCISE: Final = "exercise"

_REQUIRED = ("specversion", "id", "source", "type", "data")
_OPTIONAL = (
    "time",
    "subject",
    "datacontenttype",
    "dataschema",
    "recordedtime",
    "corrects",
    "status",
)
_KNOWN = frozenset((*_REQUIRED, *_OPTIONAL))

# What pydantic puts in a path for the branch of a union it tried; not part of the document.
_UNION_TAGS = frozenset({"Practice", "literal['NOT_RECORDED']"})
_PLAIN_NAME = re.compile(r"[A-Za-z_]{1,40}")

FactsByGroup = Mapping[str, JsonObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalEvent:
    """One fact an agency reports, in the published CloudEvents form, checked member by member."""

    id: str  # 1..200 characters; with source, unique for ever
    source: str  # the agency's URN
    kind: str  # one of gateway.model.kinds.KINDS
    occurred_at: datetime | None  # aware; None when the sender stated no time
    groups: FactsByGroup  # group name -> members, as sent
    corrects: str | None = None  # id of the same source's event that this one corrects or retracts
    exercise: bool = False  # status "exercise": about nobody real, told to no live route

    def to_cloudevent(self) -> JsonObject:
        """Return the structured-mode CloudEvents object; `parse_cloudevent` is its inverse."""
        envelope: JsonObject = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": type_of(self.kind),
            "datacontenttype": "application/json",
        }
        if self.occurred_at is not None:
            envelope["time"] = self.occurred_at.isoformat().replace("+00:00", "Z")
        if self.corrects is not None:
            envelope["corrects"] = self.corrects
        if self.exercise:
            envelope["status"] = EXERCISE
        envelope["data"] = {name: dict(members) for name, members in self.groups.items()}
        return envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A canonical event the gateway has accepted: durable, signed for, about a known person."""

    ref: EventRef
    agency: AgencyName  # who posted it; the controller of its facts
    person: PersonRef
    kind: str
    occurred_at: datetime  # aware UTC
    received_at: datetime  # aware UTC
    groups: FactsByGroup
    corrects: EventRef | None = None  # the event of the same agency that this one revises
    exercise: bool = False  # about nobody real, told to no live route


def parse_cloudevent(value: Json) -> CanonicalEvent:
    """Check a structured-mode CloudEvents 1.0 object against the published types.

    Args:
        value: As read by `strict_json.read_json`.

    Returns:
        The event; its groups are the very objects given, not copies.

    Raises:
        MalformedEvent: with every fault found; reasons never quote a value.

    Source: CloudEvents 1.0 sections 3 and 4. Pure.
    """
    if not isinstance(value, dict):
        raise MalformedEvent(Problem(path="$", reason="must be a JSON object"))
    # An attribute of null is one left out (JSON event format section 2.2).
    value = {name: attribute for name, attribute in value.items() if attribute is not None}
    problems = list(_envelope_problems(value))
    problems += group_problems(value.get("data"))
    if problems:
        raise MalformedEvent(*problems)
    time = value.get("time")
    return CanonicalEvent(
        id=str(value["id"]),
        source=str(value["source"]),
        kind=kind_of(str(value["type"])) or "",
        occurred_at=parse_time(time) if isinstance(time, str) else None,
        groups=value["data"],  # type: ignore[arg-type]  # group_problems proved the shape
        corrects=str(value["corrects"]) if "corrects" in value else None,
        exercise=value.get("status") == EXERCISE,
    )


def group_problems(groups: Json) -> list[Problem]:
    """Return every fault in the ``data`` of an event; an empty list means it is well formed."""
    if not isinstance(groups, dict):
        return [Problem(path="$.data", reason="must be an object of field groups")]
    try:
        Groups.model_validate(groups)
    except ValidationError as error:
        return [
            _problem(details) for details in error.errors(include_input=False, include_url=False)
        ]
    return []


def _problem(details: ErrorDetails) -> Problem:
    path = "$.data" + "".join(_step(step) for step in details["loc"] if step not in _UNION_TAGS)
    reason = {
        "extra_forbidden": "no such member in this field group",
        "string_pattern_mismatch": "not in the form this member takes",
    }.get(details["type"], str(details["msg"]).removeprefix("Value error, "))
    return Problem(path=path, reason=reason)


def _step(step: int | str) -> str:
    """Return one step of a path. A sender may hide a value in a member's name: only a plain name
    is repeated."""
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_NAME.fullmatch(step) else ".*"


def _envelope_problems(value: JsonObject) -> list[Problem]:
    found = [
        Problem(path=f"$.{name}", reason="required by CloudEvents 1.0 and this gateway")
        for name in _REQUIRED
        if name not in value
    ]
    if "data_base64" in value:
        found.append(Problem(path="$.data_base64", reason="send the facts as JSON in data"))
    for name, attribute in value.items():
        reason = _attribute_problem(name, attribute)
        if reason:
            found.append(Problem(path=f"${_step(name)}", reason=reason))
    revises = kind_of(str(value.get("type"))) in REVISING_KINDS
    if revises != ("corrects" in value):
        reason = "names the event that this one corrects or retracts, and only such an event has it"
        found.append(Problem(path="$.corrects", reason=reason))
    return found


def _attribute_problem(name: str, attribute: Json) -> str | None:
    if name == "data":
        return None
    if name not in _KNOWN and not (name.isascii() and name.isalnum() and name == name.lower()):
        return "attribute names are lower-case letters and digits"
    if name in _KNOWN and not isinstance(attribute, str):
        return "must be a string"
    if isinstance(attribute, dict | list):
        return "attributes take simple values"
    check = _CHECKS.get(name)
    return check(str(attribute)) if check else None


def _time_problem(text: str) -> str | None:
    try:
        parse_time(text)
    except ValueError as error:
        return str(error)
    return None


_CHECKS: Final[dict[str, Callable[[str], str | None]]] = {
    "specversion": lambda text: None if text == "1.0" else "must be 1.0",
    "id": lambda text: None if 0 < len(text) <= MAX_ID_LENGTH else "must be 1 to 200 characters",
    "source": lambda text: None if text else "must be the agency's URN",
    "type": lambda text: None if kind_of(text) else "not a kind this gateway takes",
    "corrects": lambda text: None if 0 < len(text) <= MAX_ID_LENGTH else "must be an event's id",
    "time": _time_problem,
    "status": lambda text: (
        None if text in {"actual", EXERCISE} else 'must be "actual" or "exercise"'
    ),
    "datacontenttype": lambda text: (
        None if text.partition(";")[0].strip() == "application/json" else "must be JSON"
    ),
}
