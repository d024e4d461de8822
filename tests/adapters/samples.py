"""Own HMPPS domain events, one per outcome, in the shapes their producers publish; of nobody."""

import json
from typing import Any

NOMS = "Z0001ZZ"
CRN = "X999001"
OCCURRED = "2026-02-04T07:03:50.912169123+00:00"


def movement(
    code: str | None = "CR",
    *,
    kind: str = "released",
    family: str = "prison-offender-events",
    **more: Any,
) -> dict[str, Any]:
    """A prison movement; keyword arguments set additionalInformation, None takes a member out."""
    additional = {
        "nomsNumber": NOMS,
        "reason": "RELEASED",
        "nomisMovementReasonCode": code,
        "details": f"Movement reason code {code}",
        "currentLocation": "OUTSIDE_PRISON",
        "prisonId": "WSI",
        "currentPrisonStatus": "NOT_UNDER_PRISON_CARE",
    } | more
    return {
        "eventType": f"{family}.prisoner.{kind}",
        "additionalInformation": {
            name: value for name, value in additional.items() if value is not None
        },
        "version": 1,
        "occurredAt": OCCURRED,
        "publishedAt": "2026-02-04T08:00:33.477735848+00:00",
        "description": f"A prisoner has been {kind}",
        "personReference": {"identifiers": [{"type": "NOMS", "value": NOMS}]},
    }


def recall() -> dict[str, Any]:
    """An admission whose probable cause is a recall to custody."""
    return movement(
        "24",
        kind="received",
        reason="ADMISSION",
        probableCause="RECALL",
        source="PRISON",
        details="ACTIVE IN:ADM-24",
        currentLocation="IN_PRISON",
        currentPrisonStatus="UNDER_PRISON_CARE",
    )


def death() -> dict[str, Any]:
    """A death: no details, and no personReference."""
    event = movement("DEC", details=None)
    del event["personReference"]
    return event


def registration(
    register: str = "MAPP", *, change: str = "added", category: str = "M1", level: str = "M3"
) -> dict[str, Any]:
    """A probation registration; empty category and level, as producers send when not applicable."""
    return {
        "eventType": f"probation-case.registration.{change}",
        "version": 1,
        "occurredAt": OCCURRED,
        "description": "A new registration has been added to the probation case",
        "personReference": {
            "identifiers": [{"type": "CRN", "value": CRN}, {"type": "NOMS", "value": NOMS}]
        },
        "additionalInformation": {
            "registerTypeCode": register,
            "registerTypeDescription": "MAPPA",
            "registrationId": "1234567890",
            "registrationDate": "Fri Jun 14 00:00:00 BST 2024",
            "createdDateAndTime": "Fri Jun 14 09:06:52 BST 2024",
            "registrationCategoryCode": category,
            "registrationCategoryDescription": "MAPPA Cat 1",
            "registrationLevelCode": level,
            "registrationLevelDescription": "MAPPA Level 3",
        },
    }


def simple(event_type: str, **additional: Any) -> dict[str, Any]:
    """Any other domain event about a person known by NOMS and CRN."""
    return {
        "eventType": event_type,
        "version": 1,
        "occurredAt": OCCURRED,
        "detailUrl": None,
        "additionalInformation": additional,
        "personReference": {
            "identifiers": [{"type": "CRN", "value": CRN}, {"type": "NOMS", "value": NOMS}]
        },
    }


def merge() -> dict[str, Any]:
    """Two prison records found to be one person's."""
    return simple(
        "prison-offender-events.prisoner.merged",
        bookingId="1",
        nomsNumber=NOMS,
        removedNomsNumber="Z0002ZZ",
        reason="MERGE",
    )


def body(event: dict[str, Any]) -> bytes:
    """The event as it goes over the wire, bare."""
    return json.dumps(event).encode()


def notification(event: dict[str, Any]) -> bytes:
    """The event as SNS wraps it."""
    wrapped = {"Type": "Notification", "MessageId": "0", "Message": json.dumps(event)}
    return json.dumps(wrapped).encode()


def alert(code: str, *, change: str = "created", **more: Any) -> dict[str, Any]:
    """An alert on a prison's record, reported by its code; of a person known by NOMS alone."""
    event = simple(
        f"person.alert.{change}",
        alertCode=code,
        alertUuid="6a0783ee-024e-4201-8e1f-3ead5fd2492a",
        source="DPS",
        **more,
    )
    event["personReference"] = {"identifiers": [{"type": "NOMS", "value": NOMS}]}
    return event


def mappa_information(category: Any, *, change: str = "updated") -> dict[str, Any]:
    """MAPPA information on a probation case; of a person known by CRN alone."""
    event = simple(
        f"probation-case.mappa-information.{change}", contactId=1, mappa={"category": category}
    )
    event["personReference"] = {"identifiers": [{"type": "CRN", "value": CRN}]}
    return event


HMPPS_SAMPLES: dict[str, bytes] = {
    "release": notification(movement()),
    "abscond": body(movement("UAL") | {"occurredAt": "2026-02-04T09:00:00Z"}),
    "merge by movement": body(movement("MRG") | {"occurredAt": "2026-02-04T10:00:00Z"}),
    "death": body(death() | {"occurredAt": "2026-02-04T11:00:00Z"}),
    "recall": body(recall()),
    "merge": body(merge()),
    "MAPPA": notification(registration()),
    "risk": body(registration("RHRH", category="", level="")),
    "children": body(registration("RCCO", category="", level="")),
    "MAPPA ended": body(registration(change="deregistered")),
    "MAPPA information": body(mappa_information(2)),
    "overdue": body(simple("person.temporary-absence.overdue", id="1", source="DPS")),
    "licence": body(simple("create-and-vary-a-licence.licence.activated", licenceId="1")),
    "alert": body(alert("P33")),
    "alert ended": body(alert("RDV", change="inactive")),
    "dates": body(
        simple(
            "prison-offender-events.prisoner.sentence-dates-changed",
            nomsNumber=NOMS,
            bookingId="1",
            sentenceCalculationId="2",
        )
    ),
    "link": body(simple("probation-case.prison-identifier.added", bookingNumber="1")),
}
