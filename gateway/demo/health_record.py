"""A prison healthcare record as SystmOne sends it: FHIR R4 UK Core. Nobody here exists."""

import datetime as dt
from typing import Any, Final

import orjson

from gateway.demo.messages import NHS_NUMBER, NOMS

_UK_CORE: Final = "https://fhir.hl7.org.uk"
_ODS: Final = "https://fhir.nhs.uk/Id/ods-organization-code"
_URN: Final = "urn:throughgate:fhir"


def care_team(now: dt.datetime) -> bytes:
    """Return the whole record's Bundle: who treated the person before, who does now, and the
    community mental health team."""
    resources = [
        _patient(),
        _organization("community", "Example Street Surgery", "Z99901"),
        _organization("prison", "HMP Exampleton Healthcare", "Z99902"),
        _organization("trust", "Exampleshire Mental Health Trust", "Z99903"),
        _team(),
    ]
    return orjson.dumps(
        {
            "resourceType": "Bundle",
            "meta": {"profile": [f"{_URN}:prison-health-record"]},
            "type": "collection",
            "timestamp": now.isoformat(),
            "entry": [{"fullUrl": _url(one["id"]), "resource": one} for one in resources],
        }
    )


def _url(name: str) -> str:
    return f"urn:throughgate:demo:{name}"


def _reference(name: str) -> dict[str, str]:
    return {"reference": _url(name)}


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _patient() -> dict[str, Any]:
    status = _concept(f"{_UK_CORE}/CodeSystem/UKCore-NHSNumberVerificationStatusEngland", "01")
    verified = f"{_UK_CORE}/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"
    return {
        "resourceType": "Patient",
        "id": "patient",
        "extension": [
            {
                "url": f"{_URN}:prior-community-practice",
                "extension": [{"url": "practice", "valueReference": _reference("community")}],
            },
            {"url": f"{_URN}:in-reach-caseload", "valueBoolean": True},
            {"url": f"{_URN}:medication-continuity-arranged", "valueBoolean": True},
        ],
        "identifier": [
            {
                "extension": [{"url": verified, "valueCodeableConcept": status}],
                "system": "https://fhir.nhs.uk/Id/nhs-number",
                "value": NHS_NUMBER,
            },
            {"system": "urn:throughgate:id:prison-number", "value": NOMS},
        ],
        "generalPractitioner": [_reference("prison")],
    }


def _organization(id_: str, name: str, ods: str) -> dict[str, Any]:
    return {
        "resourceType": "Organization",
        "id": id_,
        "identifier": [{"system": _ODS, "value": ods}],
        "name": name,
    }


def _team() -> dict[str, Any]:
    return {
        "resourceType": "CareTeam",
        "id": "team",
        "status": "active",
        "category": [_concept(f"{_URN}:care-team", "community-mental-health")],
        "name": "Exampleshire CMHT",
        "subject": _reference("patient"),
        "managingOrganization": [_reference("trust")],
        "telecom": [{"system": "phone", "value": "07700 900001"}],
    }
