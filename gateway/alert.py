"""The alert a recipient reads: the view, and all they need to judge and use it.

Source: DPA 2018 s.38(2), (3) and (5)(b): facts apart from assessments, whose they are, how old, how
sure, and what kind of person they are about; domain facts 9.1.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from gateway.disclosure_log.entry import timestamp
from gateway.model.decision import Grant, Permit, View
from gateway.model.disclosure import Message, RecallReason
from gateway.model.event import Event
from gateway.model.groups import GROUP_NAMES, PROVENANCE
from gateway.model.ids import AlertId, RecipientId
from gateway.model.kinds import type_of
from gateway.model.party import Recipient
from gateway.model.person import Person, StatedGroup
from gateway.model.reference import reference
from gateway.model.strict_json import Json, JsonObject

CEILING: Final = "OFFICIAL-SENSITIVE"  # the marking of what states none

# That such a group is held, or held back in part, may itself tell of a victim, a child, an illness
# or a source (minimisation rule 3.4(5)).
UNSAID: Final = frozenset(
    {
        "victim", "children", "health_clinical", "health_routing", "handling", "risk_narrative",
        "licence",
    }
)  # fmt: skip

_PROVENANCE: Final = frozenset(PROVENANCE)
_CODES: Final = {name: f"G{number}" for number, name in enumerate(GROUP_NAMES, start=1)}
_SUBJECT: Final[dict[Json, str]] = {True: "CONVICTED", False: "SUSPECT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What is the same in every kind of alert."""

    id: AlertId
    message: Message
    supersedes: AlertId | None
    event: Event
    recipient: Recipient
    rulebook: str
    instance: str


def alert_of(
    envelope: Envelope,
    permit: Permit,
    person: Person,
    view: View,
    *,
    acknowledge_by: datetime | None,
    review_due: date,
) -> JsonObject:
    """Return an alert that tells something. Pure."""
    shown = view.groups
    handling = shown.get("handling", {})
    return _head(envelope) | {
        "recipient_type": "FA" if permit.for_action else "FI",
        "occurred_at": timestamp(envelope.event.occurred_at),
        "grants": [_grant(grant) for grant in permit.grants],
        "groups": [
            row
            for name in GROUP_NAMES
            if name in shown
            for row in _group(name, person.facts[name], shown[name])
        ],
        "withheld_groups": list(_withheld(permit)),
        "intel_grade": handling.get("grade"),
        "intel_conditions": handling.get("conditions"),
        "marking": _stated(person, "handling", "marking") or CEILING,
        "subject_category": _SUBJECT.get(_stated(person, "offence", "convicted"), "UNKNOWN"),
        "review_due": review_due.isoformat(),
        "ack_required_by": timestamp(acknowledge_by) if acknowledge_by else None,
        "facts": dict(shown),
    }


def recall_of(envelope: Envelope, reason: RecallReason) -> JsonObject:
    """Return the alert that an earlier one is to be disregarded: no fact, no grant. Pure.

    Source: DPA 2018 s.38(5)(c).
    """
    return _head(envelope) | {"recipient_type": "FA", "reason": reason, "marking": CEILING}


def chase_of(
    envelope: Envelope, unanswered: AlertId, addressee: RecipientId, answer_by: datetime
) -> JsonObject:
    """Return the alert that somebody else's is unanswered: whose, and its reference. Pure.

    It names neither the case nor the kind of event: its reader may know neither.
    """
    return _bare(envelope, answer_by) | {
        "unanswered": {"reference": reference(unanswered), "recipient": addressee},
    }


def test_of(envelope: Envelope, answer_by: datetime) -> JsonObject:
    """Return an alert about nobody, to be answered like a real one. Pure."""
    return _bare(envelope, answer_by) | {"text": "A test. It is about nobody. Answer it."}


def _bare(envelope: Envelope, answer_by: datetime) -> JsonObject:
    return {
        "message_id": envelope.id,
        "message_type": envelope.message,
        "recipient": envelope.recipient.id,
        "recipient_type": "FA",
        "source": envelope.instance,
        "marking": CEILING,
        "ack_required_by": timestamp(answer_by),
    }


def months_after(day: date, months: int) -> date:
    """Return the same day so many months on, or that month's last day. Pure."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def _head(envelope: Envelope) -> JsonObject:
    exercise: JsonObject = {"status": "exercise"} if envelope.event.exercise else {}
    return exercise | {
        "message_id": envelope.id,
        "message_type": envelope.message,
        "supersedes": envelope.supersedes,
        "recipient": envelope.recipient.id,
        "event_type": type_of(envelope.event.kind),
        "case_ref": envelope.event.person,
        "agreement_ref": envelope.recipient.agreement_ref,
        "policy_version": envelope.rulebook,
        "source": envelope.instance,
    }


def _grant(grant: Grant) -> Json:
    return {
        "rule_id": grant.rule,
        "legal_basis_id": grant.basis,
        "citation": grant.citation,
        "regime": grant.regime,
        "condition": grant.condition,
        "policy_document": grant.policy_document or None,
        "purpose": grant.purpose,
        "decided_by": grant.decided_by or None,
        "members": list(grant.members),
    }


def _group(name: str, stated: StatedGroup, shown: JsonObject) -> Iterator[Json]:
    """Yield what a reader needs to judge one group by: a row for each agency whose facts they
    see, the newest statement first."""
    completeness = _completeness(name, stated.members, shown)
    for origin, members in stated.by_origin(shown.keys() - _PROVENANCE):
        assertion = origin.provenance.get("assertion")
        yield {
            "code": _CODES[name],
            "name": name,
            "members": list[Json](members),
            "assertion": assertion.upper() if isinstance(assertion, str) else None,
            "completeness": completeness,
            "as_of": timestamp(origin.as_of),
            "source_system": origin.provenance.get("source_system"),
            "verified": origin.provenance.get("verified"),
            "controller": origin.controller,
        }


def _completeness(name: str, held: JsonObject, shown: JsonObject) -> str:
    if name in UNSAID:
        return "NOT_STATED"
    left = held.keys() - shown.keys() - _PROVENANCE
    return "MINIMISED" if any(held[one] is not None for one in left) else "COMPLETE"


def _withheld(permit: Permit) -> Iterator[Json]:
    """Name the groups wholly held back, where it is safe that the reader knows they are held."""
    held_back = {one.group for one in permit.withheld} - UNSAID - permit.by_group.keys()
    yield from (_CODES[name] for name in GROUP_NAMES if name in held_back)


def _stated(person: Person, group: str, member: str) -> Json:
    stated = person.facts.get(group)
    return stated.members.get(member) if stated else None
