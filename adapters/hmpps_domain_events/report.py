"""From what a domain event reports to the canonical event: identifiers, provenance, fixed id."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from hashlib import sha256
from typing import Final

from adapters.hmpps_domain_events.envelope import DomainEvent
from adapters.kit.statement import Assertion
from gateway.model.event import CanonicalEvent, group_problems
from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import JsonObject

NOMIS: Final = "NOMIS"
NDELIUS: Final = "nDelius"

# Judgements rather than facts (DPA 2018 s.38(2)); every other group here is a recorded fact.
_ASSESSMENTS: Final = frozenset({"rosh"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one domain event says, in the gateway's words."""

    kind: str
    system: str  # whose record it is: NOMIS, nDelius, ...
    told_apart_by: tuple[str, ...]  # what but type, person and time makes it another event
    facts: Mapping[str, JsonObject] = field(default_factory=dict)  # without provenance
    verified: bool = True  # False: the sender itself says it may yet be taken back
    assertions: Mapping[str, Assertion] = field(default_factory=dict)  # where not the usual one


def canonical_event(event: DomainEvent, report: Report, *, source: str) -> CanonicalEvent:
    """Return the event as the gateway takes it; a repeat, which HMPPS says to expect, gets the
    same id.

    Raises:
        MalformedEvent: whom it is about cannot be said, or a fact is not in its published form.

    Pure.
    """
    identifiers = event.identifiers()
    stated = dict(report.facts)
    stated["identifiers"] = identifiers | stated.get("identifiers", {})
    groups: JsonObject = {
        name: members | _provenance(name, event, report) for name, members in stated.items()
    }
    problems = group_problems(groups)
    if problems:
        raise MalformedEvent(*problems)
    return CanonicalEvent(
        id=_id(event, identifiers, report.told_apart_by),
        source=source,
        kind=report.kind,
        occurred_at=event.occurred_at,
        groups=groups,  # type: ignore[arg-type]  # each was built as an object above
    )


def _provenance(group: str, event: DomainEvent, report: Report) -> JsonObject:
    usual: Assertion = "assessment" if group in _ASSESSMENTS else "fact"
    return {
        "assertion": report.assertions.get(group, usual),
        "as_of": event.occurred_text,
        "source_system": report.system,
        "verified": report.verified,
    }


def _id(event: DomainEvent, identifiers: JsonObject, told_apart_by: tuple[str, ...]) -> str:
    # JSON, so that no two lists of parts can run together into the same text.
    parts = [
        event.event_type,
        sorted(identifiers.items()),
        told_apart_by,
        event.occurred_at.astimezone(UTC).isoformat(),
    ]
    return "hmpps-" + sha256(json.dumps(parts).encode()).hexdigest()[:32]
