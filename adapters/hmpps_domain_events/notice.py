"""An alert as a thin event in the way of HMPPS: something changed, and here is the reference.

Nobody is told a fact by it: it may pass through topics that many services read. What the alert
says is opened by whoever it is for.
Source: hmpps-domain-events ``schema/hmpps-domain-event.json``.
"""

import json
from datetime import UTC
from typing import Final

from adapters.contract import NotRendered, Rendition
from gateway.model.alert import Alert
from gateway.model.strict_json import Json

_PREFIX: Final = "throughgate."
_VERSION: Final = 1
# HMPPS's names of the two numbers its services know people by.
_IDENTIFIERS: Final = {"noms": "NOMS", "crn": "CRN"}
_DESCRIPTIONS: Final = {
    "NOTIFY": "A public-protection alert has been issued",
    "UPDATE": "A public-protection alert has been updated",
    "CORRECTION": "A public-protection alert has been corrected",
    "RECALL": "A public-protection alert has been recalled",
}


def render(alert: Alert) -> Rendition | NotRendered:
    """Return the event that refers to an alert. Never raises. Pure."""
    if alert.occurred_at is None:
        return NotRendered(
            reasons=("a domain event must say when it occurred, and the alert does not",)
        )
    event: dict[str, Json] = {
        "eventType": _PREFIX + alert.kind.replace("_", "-"),
        "version": _VERSION,
        "occurredAt": alert.occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "description": _DESCRIPTIONS[alert.message],
        "additionalInformation": _reference(alert),
    }
    identifiers: list[Json] = [
        {"type": type_, "value": value}
        for name, type_ in _IDENTIFIERS.items()
        if (value := alert.text("identifiers", name)) is not None
    ]
    if identifiers:
        event["personReference"] = {"identifiers": identifiers}
    return Rendition(
        media_type="application/json",
        file_name="domain-event.json",
        body=json.dumps(event, ensure_ascii=False, indent=2).encode() + b"\n",
    )


def _reference(alert: Alert) -> dict[str, Json]:
    """Return what leads to the alert, how it is to be handled and by when."""
    stated: dict[str, Json] = {
        "alertId": alert.id,
        "caseReference": alert.case_ref,
        "kind": alert.kind,
        "messageType": alert.message,
        "for": "ACTION" if alert.for_action else "INFORMATION",
        "supersedes": alert.supersedes,
        "marking": alert.marking,
        "handlingGrade": alert.grade,
        # That there are conditions, never their words: they are in the alert.
        "conditionsApply": True if alert.conditions else None,
        "acknowledgeBy": (
            alert.acknowledge_by.astimezone(UTC).isoformat().replace("+00:00", "Z")
            if alert.acknowledge_by
            else None
        ),
    }
    return {name: value for name, value in stated.items() if value is not None}
