"""The front-screen card: community GP and mental health team first, and never blank.

Source: seed 000 (D20): both belong on the front screen of the prison health record; HSSIB 2025: the
registered practice may be the prison, so that it is not the community's. A FHIR R4 Bundle of type
collection, in the profile of docs/reference/adapters/systmone.fhir.md.
"""

from typing import Final

from adapters.contract import NotRendered, Rendition
from adapters.kit.fhir_text import ACT_CODE, concept, stated, write_json
from adapters.systmone.codes import (
    CARE_TEAM,
    COMMUNITY_MENTAL_HEALTH,
    FLAG_CATEGORY,
    NOT_RECORDED,
    OURS,
    PRIOR_PRACTICE,
)
from adapters.systmone.told import (
    ALERT,
    FHIR_JSON,
    RECIPIENT_TYPE,
    address_of,
    is_gap,
    leaving,
    meta,
    ods_identifier,
    organisation,
    patient,
    phone,
    recipient_type,
    trail,
)
from gateway.model.alert import Alert
from gateway.model.strict_json import Json, JsonObject

GAP: Final = f"{OURS}gap"
PRACTICE: Final = f"{OURS}practice"
NOT_STATED: Final = "NOT_STATED"

_KINDS: Final = ("release.", "health.", "custody.transferred", "custody.hospital_transfer")
# member -> what a reader sees
_SLOTS: Final = {"community_gp": "Community GP", "mental_health_team": "Mental health team"}


def render_card(alert: Alert) -> Rendition | NotRendered:
    """Return the card, or why there is none. Pure; never raises."""
    if alert.message == "RECALL":
        return NotRendered(reasons=("a card takes nothing back: the next one stands in its place",))
    if not alert.kind.startswith(_KINDS):
        return NotRendered(reasons=("a card is of release and of care",))
    if not any(organisation(alert, one) or is_gap(alert, one) for one in _SLOTS):
        return NotRendered(
            reasons=("neither the community GP nor the mental health team was told",)
        )
    entries: list[Json] = [
        _entry(alert, "community_gp", _practice(alert, "community_gp", "community-gp")),
        _entry(alert, "mental_health_team", _team(alert)),
    ]
    entries += [_entry(alert, "release", one) for one in _release(alert)]
    entries.append(_entry(alert, "task", _task(alert)))
    entries.append(_entry(alert, "patient", _patient(alert)))
    if organisation(alert, "registered_practice"):
        practice = _practice(alert, "registered_practice", "registered-practice")
        entries.append(_entry(alert, "registered_practice", practice))
    bundle: JsonObject = {
        "resourceType": "Bundle",
        "meta": meta(alert),
        "identifier": {"system": ALERT, "value": alert.id},
        "type": "collection",
    }
    if alert.occurred_at is not None:
        bundle["timestamp"] = alert.occurred_at.isoformat()
    return Rendition(
        media_type=FHIR_JSON,
        file_name="front-screen-card.json",
        body=write_json(bundle | {"entry": entries}),
    )


def _entry(alert: Alert, what: str, resource: JsonObject) -> Json:
    return {"fullUrl": address_of(alert, what), "resource": resource}


def _reference(alert: Alert, what: str) -> JsonObject:
    return {"reference": address_of(alert, what)}


def _practice(alert: Alert, member: str, role: str) -> JsonObject:
    told = organisation(alert, member)
    if not told:
        return _gap(alert, member)
    return stated(
        {
            "resourceType": "Organization",
            "identifier": ods_identifier(told),
            "type": [concept(PRACTICE, role)],
            "name": told.get("name"),
            "telecom": phone(told),
        }
    )


def _team(alert: Alert) -> JsonObject:
    told = organisation(alert, "mental_health_team")
    if not told:
        return _gap(alert, "mental_health_team")
    coordinator = alert.text("health_routing", "care_coordinator")
    role: list[Json] = [concept(CARE_TEAM, "care-coordinator")]
    managing = ods_identifier(told)
    return stated(
        {
            "resourceType": "CareTeam",
            "status": "active",
            "category": [concept(CARE_TEAM, COMMUNITY_MENTAL_HEALTH)],
            "name": told.get("name"),
            "subject": _reference(alert, "patient"),
            "participant": (
                [{"role": role, "member": {"display": coordinator}}] if coordinator else None
            ),
            "managingOrganization": [{"identifier": managing[0]}] if managing else None,
            "telecom": phone(told),
        }
    )


def _gap(alert: Alert, member: str) -> JsonObject:
    """Return the warning that stands where a practice or team would: never blank."""
    code = NOT_RECORDED if is_gap(alert, member) else NOT_STATED
    return {
        "resourceType": "Flag",
        "status": "active",
        "category": [concept(FLAG_CATEGORY, "admin")],
        "code": concept(GAP, code, f"{_SLOTS[member]}: {code}"),
        "subject": _reference(alert, "patient"),
    }


def _release(alert: Alert) -> list[JsonObject]:
    told = leaving(alert)
    if told is None:
        return []
    return [
        {
            "resourceType": "Encounter",
            "status": "finished" if told.is_over else "in-progress",
            "class": {"system": ACT_CODE, "code": "IMP"},
            "subject": _reference(alert, "patient"),
            "period": {"end": told.date},
        }
    ]


def _task(alert: Alert) -> JsonObject:
    gaps = [shown for member, shown in _SLOTS.items() if is_gap(alert, member)]
    steps = [f"{shown} is not recorded: find out and record it before release." for shown in gaps]
    first = "For information." if not alert.for_action else "Acknowledge, and arrange continuity."
    return stated(
        {
            "resourceType": "Task",
            "extension": trail(alert),
            "status": "requested",
            "intent": "order" if alert.for_action else "proposal",
            "code": concept(RECIPIENT_TYPE, recipient_type(alert)),
            "description": " ".join((first, *steps)),
            "for": _reference(alert, "patient"),
            "restriction": (
                {"period": {"end": alert.acknowledge_by.isoformat()}}
                if alert.acknowledge_by
                else None
            ),
        }
    )


def _patient(alert: Alert) -> JsonObject:
    """Return the person, saying of each practice which it is, as the profile has it."""
    told = patient(alert)
    extension: list[Json] = []
    if is_gap(alert, "community_gp"):
        extension = [{"url": PRIOR_PRACTICE, "valueCode": NOT_RECORDED}]
    elif practice := organisation(alert, "community_gp"):
        parts: list[Json] = [
            {"url": "practice", "valueReference": _reference(alert, "community_gp")}
        ]
        if practice.get("captured_on"):
            parts.append({"url": "captured", "valueDate": practice["captured_on"]})
        extension = [{"url": PRIOR_PRACTICE, "extension": parts}]
    registered = organisation(alert, "registered_practice")
    general: Json = [_reference(alert, "registered_practice")] if registered else None
    return stated(told | {"extension": extension, "generalPractitioner": general})
