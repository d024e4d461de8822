"""Whom a police record is about, in the members that all our police forms share.

Names and numbers only; each number is checked where the event is made.
"""

from collections.abc import Collection
from typing import Final

from adapters.kit.members import Members
from gateway.model.alert import Alert
from gateway.model.strict_json import Json, JsonObject

# member of the form -> member of the group
IDENTIFIERS: Final = {
    "visorRef": "visor_ref",
    "pncId": "pnc",
    "croNumber": "cro",
    "prisonNumber": "noms",
    "crn": "crn",
}
_MATCHED: Final = frozenset({"pnc", "cro", "noms", "crn"})
_IDENTITY: Final = {"familyName": "family_name", "givenNames": "given_names"}
_SEXES: Final = {
    "MALE": "male", "FEMALE": "female", "OTHER": "other", "NOT_KNOWN": "not_known",
}  # fmt: skip


def identifiers_of(members: Members) -> JsonObject:
    """Return the numbers that name the person.

    Raises:
        MalformedEvent: none by which people are matched: a ViSOR reference alone names a record.
    """
    found: JsonObject = {to: members.text(name) for name, to in IDENTIFIERS.items()}
    if not any(found[name] for name in _MATCHED):
        reason = "one of pncId, croNumber, prisonNumber, crn is required: they name the person"
        raise members.malformed("pncId", reason)
    return found


def identity_of(members: Members, *, event_type: str) -> JsonObject:
    """Return the names, date of birth and sex that are stated.

    Raises:
        MalformedEvent: a member is not in its form.
        UnsupportedEvent: a sex with no known meaning, for a human.
    """
    found: JsonObject = {to: members.text(name) for name, to in _IDENTITY.items()}
    return found | {
        "aliases": list(members.texts("alias")),
        "date_of_birth": members.date("dateOfBirth"),
        "sex": members.code("sex", _SEXES, event_type=event_type),
    }


def person_told(alert: Alert) -> JsonObject:
    """Return what the recipient was told of who the person is, in the form's members. Pure."""
    told: dict[str, Json] = {
        name: alert.text("identifiers", of) for name, of in IDENTIFIERS.items()
    }
    told |= {name: alert.text("identity", of) for name, of in _IDENTITY.items()}
    sexes = {of: name for name, of in _SEXES.items()}
    told |= {
        "alias": list(alert.texts("identity", "aliases")),
        "dateOfBirth": alert.text("identity", "date_of_birth"),
        "sex": sexes.get(alert.text("identity", "sex") or ""),
    }
    return {name: value for name, value in told.items() if value not in (None, [])}


def traced(alert: Alert) -> JsonObject:
    """Return what ties a form to the alert it was made from, and so to the logged disclosure. Pure.

    Source: DPA 2018 s.38(5)(b), s.62(3).
    """
    when = alert.acknowledge_by
    told: dict[str, Json] = {
        "alertId": alert.id,
        "message": alert.message,
        "supersedes": alert.supersedes,
        "caseRef": alert.case_ref,
        "kind": alert.kind,
        "recipient": alert.recipient,
        "for": "action" if alert.for_action else "information",
        "acknowledgeBy": when.isoformat().replace("+00:00", "Z") if when else None,
        "reviewDue": alert.review_due,
        "subjectCategory": alert.subject_category,
        "reason": alert.reason,
        "marking": alert.marking,
        "grading": alert.grade,
        "conditions": alert.conditions,
    }
    return {name: value for name, value in told.items() if value is not None}


# What `traced` writes, for a reader that must know it again; marking, grading and conditions aside.
TRACE: Final = (
    "alertId", "message", "supersedes", "caseRef", "kind", "recipient", "for", "acknowledgeBy",
    "reviewDue", "subjectCategory", "reason", "stated",
)  # fmt: skip


def provenance_told(alert: Alert, groups: Collection[str]) -> list[Json]:
    """Return, for each of these groups that is told, whose statement it is, how old and of what
    nature. Pure."""
    rows: list[Json] = []
    for name, one in alert.stated.items():
        if name not in alert.facts or name not in groups:
            continue
        row: dict[str, Json] = {
            "group": name,
            "controller": one.controller,
            "system": one.source_system,
            "asOf": one.as_of,
            "assertion": one.assertion,
            "verified": one.verified,
            "completeness": one.completeness,
        }
        rows.append({key: value for key, value in row.items() if value is not None})
    return rows


def provenance_lines(alert: Alert, groups: Collection[str]) -> list[str]:
    """Return the same as text, a line per group, without commas inside a value. Pure."""
    rows = [row for row in provenance_told(alert, groups) if isinstance(row, dict)]
    return [", ".join(f"{name} {_word(one)}" for name, one in row.items()) for row in rows]


def _word(value: Json) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.replace(",", " ").replace(";", " ")


def happened_at(alert: Alert) -> str | None:
    """Return when what the alert is about happened, RFC 3339, or None. Pure."""
    when = alert.occurred_at
    return when.isoformat().replace("+00:00", "Z") if when else None
