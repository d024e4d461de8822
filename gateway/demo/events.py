"""What the agencies post in the demonstration: bodies of our own, in the real shapes.

The person is synthetic: NHS number from the 999 test range, fictional address and numbers.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Final

import orjson

from gateway.demo.cast import AREA, HOUSING, PRISON
from gateway.model.kinds import type_of

NOMS: Final = "Z0001ZZ"
CRN: Final = "Z000001"
NHS_NUMBER: Final = "9990000018"
FAMILY_NAME: Final = "Specimen-Quartz"
STREET: Final = "14 Nowhere Lane"
NEW_STREET: Final = "3 Elsewhere Row"

# Marks that must be found nowhere but inside sealed content.
CANARIES: Final = (
    NOMS, CRN, NHS_NUMBER, FAMILY_NAME, STREET, NEW_STREET, "Whittlestone Fictional",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One post of the story."""

    title: str
    agency: str
    body: bytes
    adapter: str | None = None


def story(now: dt.datetime) -> tuple[Step, ...]:
    """Return the posts in order. Release is today, at sentence end, with no licence."""
    prison, healthcare = "hmp-exampleton", "hmp-exampleton-healthcare"
    return (
        _hmpps("abscond, posted as released", prison, released(now, "Z0002ZZ", "UAL")),
        _hmpps("death, posted as released", prison, released(now, "Z0003ZZ", "DEC")),
        _hmpps("record merge, posted as released", prison, released(now, "Z0004ZZ", "MRG")),
        Step(title="care team: GP and CMHT", agency=healthcare, body=_care_team(now)),
        _hmpps("MAPPA category 2, level 3", "exampleshire-probation", _registration(now)),
        Step(title="release planned, no licence", agency=prison, body=_planned(now)),
        _hmpps("release", prison, released(now, NOMS, "NCS")),
        Step(title="the address is corrected", agency=prison, body=_corrected(now)),
    )


def _hmpps(title: str, agency: str, body: bytes) -> Step:
    return Step(title=title, agency=agency, body=body, adapter="hmpps_domain_events")


def _sns(message: dict[str, object], event_type: str, now: dt.datetime) -> bytes:
    """Wrap a domain event as it comes out of the topic."""
    return orjson.dumps(
        {
            "Type": "Notification",
            "MessageId": "00000000-0000-4000-8000-000000000001",
            "TopicArn": "arn:aws:sns:eu-west-2:000000000000:example-domain-events",
            "Message": orjson.dumps(message).decode(),
            "Timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "SignatureVersion": "1",
            "Signature": "",
            "SigningCertURL": "",
            "UnsubscribeURL": "",
            "MessageAttributes": {"eventType": {"Type": "String", "Value": event_type}},
        }
    )


def released(now: dt.datetime, noms: str, code: str) -> bytes:
    """Return a released message in its envelope, with this movement reason code."""
    event_type = "prison-offender-events.prisoner.released"
    message: dict[str, object] = {
        "eventType": event_type,
        "additionalInformation": {
            "nomsNumber": noms,
            "reason": "RELEASED",
            "details": f"Movement reason code {code}",
            "nomisMovementReasonCode": code,
            "currentLocation": "OUTSIDE_PRISON",
            "prisonId": PRISON,
            "currentPrisonStatus": "NOT_UNDER_PRISON_CARE",
        },
        "version": 1,
        "occurredAt": now.isoformat(),
        "publishedAt": now.isoformat(),
        "description": "A prisoner has been released from prison",
        "personReference": {"identifiers": [{"type": "NOMS", "value": noms}]},
    }
    return _sns(message, event_type, now)


def _registration(now: dt.datetime) -> bytes:
    event_type = "probation-case.registration.added"
    message: dict[str, object] = {
        "eventType": event_type,
        "version": 1,
        "occurredAt": (now - dt.timedelta(minutes=2)).isoformat(),
        "description": "A new registration has been added to the probation case",
        "personReference": {
            "identifiers": [{"type": "CRN", "value": CRN}, {"type": "NOMS", "value": NOMS}]
        },
        "additionalInformation": {
            "registerTypeCode": "MAPP",
            "registerTypeDescription": "MAPPA",
            "registrationId": "1000000001",
            "registrationDate": "Fri Jun 14 00:00:00 BST 2024",
            "createdDateAndTime": "Fri Jun 14 09:06:52 BST 2024",
            "registrationCategoryCode": "M2",
            "registrationCategoryDescription": "MAPPA Cat 2",
            "registrationLevelCode": "M3",
            "registrationLevelDescription": "MAPPA Level 3",
        },
    }
    return _sns(message, event_type, now)


def _id(kind: str, now: dt.datetime) -> str:
    return f"{kind.replace('.', '-')}-{now:%Y%m%d%H%M%S%f}"


def _cloudevent(
    agency: str, kind: str, now: dt.datetime, data: dict[str, object], **attributes: str
) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": _id(kind, now),
            "source": f"urn:example:{agency}",
            "type": type_of(kind),
            "time": now.isoformat(),
            "datacontenttype": "application/json",
            "data": data,
            **attributes,
        }
    )


def _stated(system: str, now: dt.datetime, assertion: str = "fact") -> dict[str, object]:
    return {
        "assertion": assertion,
        "as_of": now.isoformat(),
        "source_system": system,
        "verified": True,
    }


def _care_team(now: dt.datetime) -> bytes:
    stated = _stated("SystmOne", now)
    data: dict[str, object] = {
        "identifiers": {
            "noms": NOMS,
            "nhs_number": NHS_NUMBER,
            "nhs_number_status": "01",
            **stated,
        },
        "health_routing": {
            "community_gp": {"name": "Example Street Surgery", "ods": "Z99901"},
            "registered_practice": {"name": "HMP Exampleton Healthcare", "ods": "Z99902"},
            "mental_health_team": {
                "name": "Exampleshire CMHT",
                "ods": "Z99903",
                "telephone": "07700 900001",
            },
            "care_coordinator": "Duty care co-ordinator",
            **stated,
        },
        "health_clinical": {"medication": "Synthetic depot, monthly", **stated},
    }
    return _cloudevent("hmp-exampleton-healthcare", "health.care_team_recorded", now, data)


def _planned(now: dt.datetime) -> bytes:
    today = now.date().isoformat()
    stated = _stated("NOMIS", now)
    assessed = _stated("OASys", now, "assessment")
    data: dict[str, object] = {
        "identity": {
            "family_name": FAMILY_NAME,
            "given_names": "Synthetic",
            "date_of_birth": "1980-01-01",
            **stated,
        },
        "identifiers": {"noms": NOMS, **stated},
        "custody": {
            "prison": PRISON,
            "release_type": "SED_NO_LICENCE",
            "planned_date": today,
            "sentence_expiry_date": today,
            "licence": False,
            **stated,
        },
        "rosh": {
            "overall": "very_high",
            "public": "high",
            "known_adult": "high",
            "children": "medium",
            "staff": "medium",
            "assessed_on": today,
            **assessed,
        },
        "risk_narrative": {"triggers": "Whittlestone Fictional, if approached", **assessed},
        "children": {
            "at_risk": True,
            "contact_restrictions": ["No unsupervised contact"],
            **stated,
        },
        "victim": {"recorded": True, "address_area": "Nowhere Vale", **stated},
        "location": {
            **_location("PROPOSED", STREET),
            **stated,
        },
    }
    return _cloudevent("hmp-exampleton", "release.planned", now, data)


def _location(status: str, street: str) -> dict[str, object]:
    return {
        "address_status": status,
        "address": {"lines": [street, "Exampleton"], "postcode": "ZZ99 3WZ"},
        "home_area": AREA,
        "housing_referral": {
            "consent_to_referral": True,
            "consent_to_contact": True,
            "chosen_authority": HOUSING,
        },
    }


def _corrected(now: dt.datetime) -> bytes:
    """Correct the address that was stated with the plan: everyone told of it must hear."""
    stated = _stated("NOMIS", now)
    data: dict[str, object] = {"location": {**_location("CONFIRMED", NEW_STREET), **stated}}
    planned = _id("release.planned", now)
    return _cloudevent("hmp-exampleton", "event.corrected", now, data, corrects=planned)
