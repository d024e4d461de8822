"""From what an agency says to a canonical event: provenance on every group, an id that a repeat
repeats, every fact checked against its published form."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from hashlib import sha256
from typing import Final, Literal

from gateway.model.event import CanonicalEvent, group_problems
from gateway.model.groups import parse_time
from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import Json, JsonObject

Assertion = Literal["fact", "assessment", "intelligence"]

# Judgements rather than facts (DPA 2018 s.38(2)), unless the statement says otherwise.
_ASSESSMENTS: Final = frozenset({"rosh", "risk_narrative"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one message says, in the gateway's words, before it is checked."""

    kind: str  # of gateway.model.kinds
    system: str  # whose record it is: NOMIS, nDelius, SystmOne, ... ; names no person
    as_of: str  # RFC 3339: when that record said so
    facts: Mapping[str, Mapping[str, Json]]  # group -> members; None and empty lists state nothing
    told_apart_by: Sequence[str] = ()  # what but kind, person and time makes it another event
    occurred_at: str | None = None  # RFC 3339; `as_of` where not stated
    verified: bool = True  # False: the sender itself says it may yet be taken back
    assertions: Mapping[str, Assertion] = field(default_factory=dict)  # where not the usual one
    corrects: str | None = None


def canonical_event(prefix: str, statement: Statement, source: str) -> CanonicalEvent:
    """Return the event as the gateway takes it.

    Args:
        prefix: Of the id: the adapter's name or a short form of it.
        statement: What the message says.
        source: The sending agency's URN.

    Raises:
        MalformedEvent: a fact or time is not in its published form; names every fault.

    Pure.
    """
    groups: JsonObject = {}
    for name, members in statement.facts.items():
        stated: JsonObject = {
            key: value for key, value in members.items() if value not in (None, [], {}, "")
        }
        if stated:
            groups[name] = stated | _provenance(name, statement)
    if problems := group_problems(groups):
        raise MalformedEvent(*problems)
    occurred_at = statement.occurred_at or statement.as_of
    return CanonicalEvent(
        id=_id(prefix, statement, groups, occurred_at),
        source=source,
        kind=statement.kind,
        occurred_at=parse_time(occurred_at),
        groups=groups,  # type: ignore[arg-type]  # each was built as an object above
        corrects=statement.corrects,
    )


def _provenance(group: str, statement: Statement) -> JsonObject:
    usual: Assertion = "assessment" if group in _ASSESSMENTS else "fact"
    return {
        "assertion": statement.assertions.get(group, usual),
        "as_of": statement.as_of,
        "source_system": statement.system,
        "verified": statement.verified,
    }


def _id(prefix: str, statement: Statement, groups: JsonObject, occurred_at: str) -> str:
    # JSON, so that no two lists of parts can run together into the same text.
    parts = [
        statement.kind,
        groups.get("identifiers"),
        list(statement.told_apart_by),
        parse_time(occurred_at).astimezone(UTC).isoformat(),
    ]
    digest = sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
    return f"{prefix}-{digest}"
