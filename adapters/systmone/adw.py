"""Discharge and withdrawal notices in the shape of ADW messages: FHIR DSTU2, as JSON.

A notice proposes a date; its withdrawal names the same referral and says why. Source: NHS Digital
Assessment, Discharge and Withdrawal messaging (ADW), MessageHeader events and WithdrawalReason-1.
"""

from collections.abc import Mapping
from typing import Final

from adapters.contract import NotRendered, Rendition
from adapters.kit.fhir_text import SNOMED, concept, stated, urn_of, write_json
from adapters.systmone.told import (
    ALERT,
    CASE,
    address_of,
    gender,
    leaving,
    meta,
    ods_identifier,
    organisation,
    patient_identifiers,
    trail,
)
from gateway.model.alert import Alert
from gateway.model.strict_json import Json, JsonObject

FHIR_DSTU2: Final = "application/json+fhir"  # as DSTU2 named it
DISCHARGE: Final = "975731000000100"
WITHDRAWAL: Final = "975841000000102"
REASONS: Final = "https://fhir.nhs.uk/ADW-WithdrawalReason-1"
SENT_IN_ERROR: Final = "12"
OTHER: Final = "13"

_PROPOSALS: Final = frozenset(
    {"release.planned", "release.date_changed", "health.discharge_planned"}
)
_VERIFICATION: Final = (
    "https://fhir.hl7.org.uk/StructureDefinition/"
    "Extension-CareConnect-NHSNumberVerificationStatus-1"
)
# What a recall says of the notice: only a fact undone since is no error of sending.
_RECALLS: Final[Mapping[str, str]] = {"reversed": OTHER}


def render_discharge(alert: Alert) -> Rendition | NotRendered:
    """Return the discharge notice, or why there is none. Pure; never raises."""
    if alert.message == "RECALL":
        return NotRendered(reasons=("a recall is a withdrawal notice",))
    if alert.kind not in _PROPOSALS:
        return NotRendered(reasons=("a discharge notice proposes a date of release",))
    told = leaving(alert)
    if told is None or told.is_over:
        return NotRendered(reasons=("no date of a release still to come was told",))
    if alert.occurred_at is None:
        return NotRendered(reasons=("a notice needs a time, and none was told",))
    encounter: JsonObject = {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": "inpatient",
        "patient": _reference(alert, "patient"),
        "period": {"end": told.date},  # proposed, while in progress
    }
    practice = _practice(alert)
    referral = _referral(alert, "requested", alert.id)
    if practice:
        referral["supportingInformation"] = [_reference(alert, "practice")]
    bundle = _bundle(alert, (DISCHARGE, None), referral, encounter, practice)
    return Rendition(media_type=FHIR_DSTU2, file_name="adw-discharge.json", body=write_json(bundle))


def render_withdrawal(alert: Alert) -> Rendition | NotRendered:
    """Return the withdrawal of a notice sent before, or why there is none. Pure; never raises."""
    if alert.message != "RECALL" and alert.kind != "release.cancelled":
        return NotRendered(reasons=("nothing is withdrawn",))
    if alert.message == "RECALL" and alert.kind not in _PROPOSALS:
        return NotRendered(reasons=("no notice proposed a date for this",))
    if alert.supersedes is None:
        return NotRendered(reasons=("does not say which notice it withdraws",))
    code = _RECALLS.get(alert.reason or "", SENT_IN_ERROR) if alert.message == "RECALL" else OTHER
    encounter: JsonObject = {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": "inpatient",
        "patient": _reference(alert, "patient"),
    }
    referral = _referral(alert, "cancelled", alert.supersedes)
    bundle = _bundle(alert, (WITHDRAWAL, code), referral, encounter, None)
    return Rendition(
        media_type=FHIR_DSTU2, file_name="adw-withdrawal.json", body=write_json(bundle)
    )


def _bundle(
    alert: Alert,
    event_and_reason: tuple[str, str | None],
    referral: JsonObject,
    encounter: JsonObject,
    practice: JsonObject | None,
) -> JsonObject:
    event, reason = event_and_reason
    header = stated(
        {
            "resourceType": "MessageHeader",
            "extension": trail(alert),
            "timestamp": alert.occurred_at.isoformat() if alert.occurred_at else None,
            "event": {"system": SNOMED, "code": event},
            "source": {"name": alert.source, "endpoint": urn_of("source", alert.source)},
            "destination": [
                {"name": alert.recipient, "endpoint": urn_of("recipient", alert.recipient)}
            ],
            "reason": concept(REASONS, reason) if reason else None,
            "data": [_reference(alert, "referral")],
        }
    )
    parts = {
        "header": header,
        "referral": referral,
        "encounter": encounter,
        "patient": _patient(alert, practice),
        "practice": practice,
    }
    entries: list[Json] = [
        {"fullUrl": address_of(alert, what), "resource": part}
        for what, part in parts.items()
        if part is not None
    ]
    return {
        "resourceType": "Bundle",
        "id": address_of(alert, "bundle").removeprefix("urn:uuid:"),
        "meta": meta(alert),
        "type": "message",
        "entry": entries,
    }


def _referral(alert: Alert, status: str, notice: str) -> JsonObject:
    """Return the referral that ties a notice to its withdrawal: by the notice's alert."""
    return stated(
        {
            "resourceType": "ReferralRequest",
            "status": status,
            "identifier": [
                {"system": ALERT, "value": notice},
                {"system": CASE, "value": alert.case_ref},
                *_earlier(alert, notice),
            ],
            "patient": _reference(alert, "patient"),
            "recipient": [{"display": alert.recipient}],
            "encounter": _reference(alert, "encounter"),
        }
    )


def _earlier(alert: Alert, notice: str) -> list[Json]:
    """Return the notice that this one takes the place of, so that it is found by either."""
    if alert.supersedes in (None, notice):
        return []
    return [{"system": ALERT, "value": alert.supersedes}]


def _patient(alert: Alert, practice: JsonObject | None) -> JsonObject:
    family, given = (alert.text("identity", one) for one in ("family_name", "given_names"))
    name = stated({"family": [family] if family else None, "given": [given] if given else None})
    return stated(
        {
            "resourceType": "Patient",
            "identifier": patient_identifiers(alert, verification=_VERIFICATION),
            "name": [{**name, "use": "usual"}] if name else None,
            "gender": gender(alert),
            "birthDate": alert.text("identity", "date_of_birth"),
            "careProvider": [_reference(alert, "practice")] if practice else None,
        }
    )


def _practice(alert: Alert) -> JsonObject | None:
    """Return the community GP, where one was told: DSTU2 has no place to say that none is."""
    told = organisation(alert, "community_gp")
    if not told:
        return None
    return stated(
        {
            "resourceType": "Organization",
            "identifier": ods_identifier(told),
            "name": told.get("name"),
        }
    )


def _reference(alert: Alert, what: str) -> JsonObject:
    return {"reference": address_of(alert, what)}
