"""A probation registration note: what an alert told, in the codes and members of nDelius.

Each entry of `registrations` reads like a registration of nDelius; a level that nDelius has no
register for is said in the note alone.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from adapters.contract import NotRendered, Rendition
from adapters.kit.dates import LONDON
from gateway.model.alert import Alert
from gateway.model.strict_json import Json, JsonObject

_REGISTERS: Final[Mapping[str, tuple[str, str]]] = {
    "low": ("RLRH", "Low RoSH"),
    "medium": ("RMRH", "Medium RoSH"),
    "high": ("RHRH", "High RoSH"),
}  # very_high: no register code is published for it
_AT_RISK: Final = ("children", "public", "known_adult", "staff", "prisoners")
_CUSTODY: Final[Mapping[str, str]] = {
    "prison": "Prison",
    "release_type": "Release type",
    "planned_date": "Planned release date",
    "confirmed_date": "Confirmed release date",
    "released_at": "Released at",
    "sentence_expiry_date": "Sentence expiry date",
    "licence_expiry_date": "Licence expiry date",
    "return_reason": "Returned to custody for",
}
_NOTED: Final = frozenset({"identifiers", "identity", "handling", "mappa", "rosh", "custody"})


def render(alert: Alert) -> Rendition | NotRendered:
    """Return the note; of a recall, the note that withdraws an earlier one."""
    if alert.message == "RECALL":
        note: JsonObject = {
            "status": "WITHDRAWN",
            "note": "Disregard the note made of the alert that this one supersedes.",
            "reason": alert.reason,
        }
        return _rendition(alert, note)
    crn, noms = alert.text("identifiers", "crn"), alert.text("identifiers", "noms")
    if crn is None and noms is None:
        return NotRendered(reasons=("neither a CRN nor a prison number was told",))
    return _rendition(
        alert,
        {
            "status": "CURRENT" if alert.message == "NOTIFY" else alert.message,
            "crn": crn,
            "noms": noms,
            "pnc": alert.text("identifiers", "pnc"),
            "eventType": alert.kind,
            "eventDate": _day(alert),
            "registrations": [*_registrations(alert)],
            "note": " ".join(_sentences(alert)) or "No fact beyond the event was told.",
        },
    )


def _rendition(alert: Alert, note: JsonObject) -> Rendition:
    document = {"document": "registration-note", **_stated(note), "alert": _stated(_trace(alert))}
    body = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    return Rendition(
        media_type="application/json", file_name="registration-note.json", body=body.encode()
    )


def _trace(alert: Alert) -> JsonObject:
    """Return what ties the note to the logged disclosure, and what its reader is asked to do."""
    return {
        "alertId": alert.id,
        "supersedes": alert.supersedes,
        "caseRef": alert.case_ref,
        "gateway": alert.source,
        "recipientType": "FOR_ACTION" if alert.for_action else "FOR_INFORMATION",
        "acknowledgeBy": alert.acknowledge_by.isoformat() if alert.acknowledge_by else None,
        "marking": alert.marking,
        "handlingGrade": alert.grade,
        "handlingConditions": alert.conditions,
        "reviewDue": alert.review_due,
    }


def _registrations(alert: Alert) -> Iterator[Json]:
    category, level = alert.fact("mappa", "category"), alert.fact("mappa", "level")
    ended = alert.kind == "mappa.eligibility_ended"
    if category is not None or level is not None or ended:
        yield _stated(
            {
                "registerTypeCode": "MAPP",
                "registerTypeDescription": "MAPPA",
                "registrationCategoryCode": None if category is None else f"M{category}",
                "registrationCategoryDescription": category and f"MAPPA Cat {category}",
                "registrationLevelCode": None if level is None else f"M{level}",
                "registrationLevelDescription": level and f"MAPPA Level {level}",
                "nextReviewDate": alert.text("mappa", "next_review"),
                "deregistrationDate": _day(alert) if ended else None,
                **_provenance(alert, "mappa"),
            }
        )
    register = _REGISTERS.get(alert.text("rosh", "overall") or "")
    if register is not None:
        code, description = register
        yield _stated(
            {
                "registerTypeCode": code,
                "registerTypeDescription": description,
                "registrationDate": alert.text("rosh", "assessed_on"),
                **_provenance(alert, "rosh"),
            }
        )


def _provenance(alert: Alert, group: str) -> JsonObject:
    stated = alert.stated.get(group)
    if stated is None:
        return {}
    return {
        "statedBy": stated.controller,
        "sourceSystem": stated.source_system,
        "asOf": stated.as_of,
        "assertion": stated.assertion,
        "verified": stated.verified,
    }


def _sentences(alert: Alert) -> Iterator[str]:
    for member, name in (("category", "MAPPA category"), ("level", "MAPPA level")):
        if (value := alert.fact("mappa", member)) is not None:
            yield f"{name}: {value}."
    if (overall := alert.text("rosh", "overall")) is not None:
        yield f"Risk of serious harm: {_words(overall)}."
    for who in _AT_RISK:
        if (risk := alert.text("rosh", who)) is not None:
            yield f"Risk to {_words(who)}: {_words(risk)}."
    for member, name in _CUSTODY.items():
        if (stated := alert.text("custody", member)) is not None:
            yield f"{name}: {stated}."
    if alert.fact("custody", "licence") is False:
        yield "Released without licence."
    if alert.facts.keys() - _NOTED:
        yield "The alert told more than this note holds."


def _words(code: str) -> str:
    return code.replace("_", " ")


def _day(alert: Alert) -> str | None:
    if alert.occurred_at is None:
        return None
    try:
        return alert.occurred_at.astimezone(LONDON).date().isoformat()
    except OverflowError:  # the calendar's very last hours have no day in London
        return None


def _stated(members: JsonObject) -> JsonObject:
    return {name: value for name, value in members.items() if value not in (None, "", [])}
