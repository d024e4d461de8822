"""What in-reach and resettlement are told before a release: a FHIR R4 Communication.

Each point of the hand-over is one payload, and each is a fact that was told (D21, D22).
"""

from collections.abc import Iterator
from typing import Final

from adapters.contract import NotRendered, Rendition
from adapters.kit.fhir_text import concept, stated, write_json
from adapters.systmone.codes import NOT_RECORDED, OURS
from adapters.systmone.told import (
    ALERT,
    FHIR_JSON,
    HEALTH,
    RECIPIENT_TYPE,
    is_gap,
    leaving,
    meta,
    organisation,
    patient,
    recipient_type,
    trail,
)
from gateway.model.alert import Alert
from gateway.model.strict_json import Json, JsonObject

_KINDS: Final = ("release.", "health.", "custody.transferred", "custody.hospital_transfer")
_CARE: Final = {
    "community_gp": "Community GP",
    "mental_health_team": "Mental health team",
    "registered_practice": "Registered practice",
    "onward_referral": "Onward referral",
}
_YES_OR_NO: Final = {
    "in_reach_caseload": "On the in-reach caseload",
    "medication_continuity": "Medication continuity arranged",
}
_CONTACTS: Final = {
    "prison_offender_manager": "Prison offender manager",
    "community_offender_manager": "Community offender manager",
}


def render_communication(alert: Alert) -> Rendition | NotRendered:
    """Return the communication, or why there is none. Pure; never raises."""
    if not alert.kind.startswith(_KINDS):
        return NotRendered(reasons=("in-reach is told here of release and of care",))
    recalled = alert.message == "RECALL"
    points = [] if recalled else list(_points(alert))
    if not points and not recalled:
        return NotRendered(reasons=("no point of a hand-over was told",))
    said: JsonObject = {
        "resourceType": "Communication",
        "meta": meta(alert),
        "contained": [patient(alert) | {"id": "person"}],
        "extension": trail(alert),
        "identifier": [{"system": ALERT, "value": alert.id}],
        "status": "entered-in-error" if recalled else "completed",
        "statusReason": concept(f"{OURS}recall-reason", alert.reason)
        if recalled and alert.reason
        else None,
        "category": [concept(RECIPIENT_TYPE, recipient_type(alert))],
        "subject": {"reference": "#person"},
        "topic": concept(f"{OURS}kind", alert.kind),
        "recipient": [{"identifier": {"system": f"{OURS}recipient", "value": alert.recipient}}],
        "payload": [{"contentString": point} for point in points],
    }
    return Rendition(
        media_type=FHIR_JSON, file_name="communication.json", body=write_json(stated(said))
    )


def _points(alert: Alert) -> Iterator[str]:
    told = leaving(alert)
    if told is not None:
        yield f"Release {told.state}: {told.date}"
    yield from _named(alert, "custody", {"prison": "Prison", "release_type": "Release type"})
    for member, shown in _CARE.items():
        if is_gap(alert, member):
            yield f"{shown}: {NOT_RECORDED}"
        elif practice := organisation(alert, member):
            yield f"{shown}: {_shown(practice)}"
    yield from _named(
        alert,
        HEALTH,
        {"care_coordinator": "Care coordinator", "mha_status": "Mental Health Act status (code)"},
    )
    for member, shown in _YES_OR_NO.items():
        fact = alert.fact(HEALTH, member)
        if isinstance(fact, bool):
            yield f"{shown}: {'yes' if fact else 'no'}"
    yield from _named(
        alert,
        "location",
        {
            "address_status": "Address on release",
            "home_area": "Area",
            "approved_premises": "Approved premises",
        },
    )
    lines = alert.object("location", "address").get("lines")
    if isinstance(lines, list):
        yield f"Release address: {', '.join(str(line) for line in lines)}"
    for member, shown in _CONTACTS.items():
        person = alert.object("professionals", member)
        if person:
            yield f"{shown}: {_shown(person)}"


def _named(alert: Alert, group: str, members: dict[str, str]) -> Iterator[str]:
    for member, shown in members.items():
        fact = alert.text(group, member)
        if fact:
            yield f"{shown}: {fact}"


def _shown(part: JsonObject) -> str:
    """Return a practice or a contact on one line, in the order a reader looks for things."""
    ods: Json = part.get("ods")
    pieces = [str(part["name"]) if part.get("name") else ""]
    pieces.append(f"ODS {ods}" if ods else "")
    pieces += [str(part[one]) for one in ("telephone", "contact") if part.get(one)]
    if part.get("captured_on"):
        pieces.append(f"recorded {part['captured_on']}")
    return ", ".join(one for one in pieces if one)
