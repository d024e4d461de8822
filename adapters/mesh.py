"""Signals of the NHS Multicast Notification Service (MNS), as a MESH mailbox receives them.

A signal says that something changed about one patient and where a system with access may read
what; of the change itself it says next to nothing. So few are translated:

| signal | becomes |
|---|---|
| a change of general practitioner that names the practice | ``health.care_team_recorded`` |
| the same without a practice; a death notification; a change of NHS number | a human looks |
| any other | passed over |

A death notification is told when a death is reported, formally recorded or taken back, and does
not say which; no kind of event is that vague, and ``custody.died`` states custody, which PDS does
not. A changed NHS number is not followed by the new one. Either may concern someone under
supervision, so somebody looks them up in PDS.

Source: MNS specification, CloudEvents signals (``application/json``); CloudEvents 1.0.
"""

import json
import re
from datetime import datetime
from typing import Final

from adapters.contract import (
    Adapter,
    Inbound,
    NotRendered,
    Outbound,
    Rendition,
    Translation,
)
from adapters.kit.dates import rfc3339
from adapters.kit.framing import json_values
from adapters.kit.members import Members
from adapters.kit.statement import Statement, canonical_event
from gateway.model.alert import Alert
from gateway.model.identifiers import is_placeholder
from gateway.model.strict_json import JsonObject, read_object

SYSTEM: Final = "PDS"
CHANGE_OF_GP: Final = "pds-change-of-gp"
GP_VERSION: Final = "2"

# Families of signals that may concern someone under supervision; why each is not translated.
_FOR_A_HUMAN: Final = {
    "pds-death-notification": "a death was reported, recorded or taken back; PDS says which",
    "nhs-number-change": "an NHS number was replaced or made invalid; PDS says by which",
}
_PASSED_OVER: Final = {
    "pds-record-change": "says that some detail changed, and not which",
    "patientflags-change": "adjustments to care concern nobody the gateway tells",
    "gpreg-change-gp-req": "a request to register is no registration",
}
_NAMED: Final = re.compile(r"(?P<family>[a-z0-9-]{1,80}?)-(?P<version>[0-9]{1,4})")
_PATIENT: Final = re.compile(r".*/Patient/(?P<number>[0-9]{10})/?")
_ODS: Final = re.compile(r"[A-Z0-9]{3,10}")
_GATEWAY: Final = re.compile(r"[A-Za-z0-9./\-]{1,100}")
_ALERT_ID: Final = re.compile(r"[A-Za-z0-9_.\-]{1,100}")

NAMED_BY_CODE: Final = "names the practice by its code alone: its name is not known"


def translate(body: bytes, source: str) -> Translation:
    """Return what one signal reports.

    Args:
        body: A CloudEvent as MNS delivers it under ``application/json``.
        source: The sending agency's URN.

    Raises:
        MalformedEvent, UnsupportedEvent: as the contract says.

    Pure.
    """
    signal = Members(read_object(body))
    if "resourceType" in signal:
        raise signal.malformed(
            "resourceType", "a FHIR signal: subscribe with the payload application/json"
        )
    if signal.needed("specversion") != "1.0":
        raise signal.malformed("specversion", "must be 1.0")
    type_ = signal.needed("type")
    named = _NAMED.fullmatch(type_)
    family, version = (named["family"], named["version"]) if named else (type_, "")
    if family in _FOR_A_HUMAN:
        raise signal.unclear("type", _FOR_A_HUMAN[family], event_type=type_)
    if family != CHANGE_OF_GP:
        reason = _PASSED_OVER.get(family, "signals of this type are not translated")
        raise signal.unsupported("type", reason, event_type=type_)
    if version != GP_VERSION:
        raise signal.unclear("type", "not the version this adapter knows", event_type=type_)
    event = canonical_event("mns", _change_of_gp(signal, type_), source)
    return Translation(events=(event,), unread=signal.unread(), notes=signal.notes())


def _change_of_gp(signal: Members, type_: str) -> Statement:
    number = signal.needed("subject").replace(" ", "")
    if is_placeholder(number):
        raise signal.malformed("subject", "a placeholder, which is nobody's NHS number")
    time = signal.time("time")
    if time is None:
        raise signal.malformed("time", "required")
    # Who published it within the NHS: the agency is the one whose mailbox it came from.
    signal.ignore("source", "datacontenttype")
    # The version of the record in PDS, where nobody here follows it.
    signal.ignore("versionid")
    _same_patient(signal, number, type_)
    return Statement(
        kind="health.care_team_recorded",
        system=SYSTEM,
        as_of=time,
        facts={
            # The number PDS itself keeps its record under: present and verified (01).
            "identifiers": {"nhs_number": number, "nhs_number_status": "01"},
            "health_routing": {"registered_practice": _practice(signal, type_)},
        },
        told_apart_by=(signal.needed("id"),),
    )


def _same_patient(signal: Members, number: str, type_: str) -> None:
    """Refuse a reference to another patient's record than the subject's."""
    reference = signal.text("dataref")
    match = _PATIENT.fullmatch(reference) if reference else None
    if match is not None and match["number"] != number:
        raise signal.unclear("dataref", "is about another patient than subject", event_type=type_)


def _practice(signal: Members, type_: str) -> JsonObject:
    filtering = signal.object("filtering")
    if filtering is None or "generalpractitioner" not in filtering:
        reason = "the practice is not named; PDS names it"
        raise signal.unclear("filtering", reason, event_type=type_)
    # An age in years is no date of birth.
    filtering.ignore("subjectage")
    filtering.code("action", {}, event_type=type_)  # none is published for this signal
    ods = filtering.needed("generalpractitioner").upper()
    if not _ODS.fullmatch(ods):
        raise filtering.malformed("generalpractitioner", "must be an ODS code")
    filtering.note("generalpractitioner", NAMED_BY_CODE)
    return {"name": f"ODS code {ods}", "ods": ods}


# What the gateway's message is to a subscriber's filter on `action`, as other signals have it.
_ACTIONS: Final = {
    "NOTIFY": "CREATE",
    "UPDATE": "UPDATE",
    "CORRECTION": "UPDATE",
    "RECALL": "DELETE",
}


def render(alert: Alert) -> Rendition | NotRendered:
    """Return the alert as an MNS-style signal: whom it is about, and which alert to open.

    No fact of it is in the signal but the NHS number and the practice's ODS code, each only if
    this recipient was told it. Extension attributes carry what the alert asks of its reader.
    Never raises. Pure.
    """
    if not _GATEWAY.fullmatch(alert.source) or not _ALERT_ID.fullmatch(alert.id):
        return NotRendered(reasons=("the alert's id or gateway cannot be put in a reference",))
    gateway = f"urn:throughgate:{alert.source}"
    signal: JsonObject = {
        "specversion": "1.0",
        "id": alert.id,
        "source": gateway,
        "type": f"throughgate-{re.sub('[._]', '-', alert.kind)}-1",
        "time": _rfc3339(alert.occurred_at),
        "subject": _subject(alert),
        "dataref": f"{gateway}:alert:{alert.id}",
        "filtering": _filtering(alert),
        **_asked(alert),
    }
    stated = {name: value for name, value in signal.items() if value is not None}
    return Rendition(
        media_type="application/cloudevents+json",
        file_name=f"signal-{alert.id}.json",
        body=json.dumps(stated, ensure_ascii=False, indent=2).encode("utf-8", "replace") + b"\n",
    )


def _subject(alert: Alert) -> str | None:
    """Return the NHS number, if it was told, and unless it was told to be untraced."""
    if alert.text("identifiers", "nhs_number_status") not in (None, "01"):
        return None
    return alert.text("identifiers", "nhs_number")


def _filtering(alert: Alert) -> JsonObject:
    ods = alert.object("health_routing", "registered_practice").get("ods")
    told: JsonObject = {"action": _ACTIONS[alert.message]}
    return {"generalpractitioner": ods, **told} if isinstance(ods, str) else told


def _asked(alert: Alert) -> JsonObject:
    """Return extension attributes: what makes the signal traceable, and how it is handled."""
    return {
        "alertmessage": alert.message,
        "supersedes": alert.supersedes,
        "caseref": alert.case_ref,
        "recipienttype": "FA" if alert.for_action else "FI",
        "marking": alert.marking,
        "handlinggrade": alert.grade,
        "handlingconditions": alert.conditions,
        "acknowledgeby": _rfc3339(alert.acknowledge_by),
        "recallreason": alert.reason if alert.message == "RECALL" else None,
    }


def _rfc3339(time: datetime | None) -> str | None:
    return None if time is None else rfc3339(time)


ADAPTER: Final = Adapter(
    name="mesh",
    title="NHS MESH: signals as the Multicast Notification Service sends them",
    inbound=Inbound(media_types=("application/json",), translate=translate, split=json_values),
    outbound=(Outbound(form="signal", media_type="application/cloudevents+json", render=render),),
)
