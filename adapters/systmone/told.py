"""What every form of an alert says: which disclosure it is, what was told, what was not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from adapters.kit.fhir_text import NHS_NUMBER, concept, stated, urn_of
from adapters.systmone.codes import (
    NOT_RECORDED,
    OURS,
    PRISON_NUMBER,
    SEXES,
    VERIFICATION,
)
from gateway.model.alert import Alert
from gateway.model.strict_json import Json, JsonObject

FHIR_JSON: Final = "application/fhir+json"
HEALTH: Final = "health_routing"
CASE: Final = f"{OURS}case-ref"
ALERT: Final = f"{OURS}alert"
DISCLOSURE: Final = f"{OURS}disclosure"
MARKING: Final = f"{OURS}marking"
RECIPIENT_TYPE: Final = f"{OURS}recipient-type"
ODS: Final = "https://fhir.nhs.uk/Id/ods-organization-code"
_GENDERS: Final[Mapping[str, str]] = {ours: theirs for theirs, ours in SEXES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """When the person leaves, and how sure that is."""

    date: str  # YYYY-MM-DD, or RFC 3339 once they have
    state: str  # planned, confirmed or released

    @property
    def is_over(self) -> bool:
        """Whether they have left."""
        return self.state == "released"


def leaving(alert: Alert) -> Leaving | None:
    """Return the date of release that was told, the surest there is. Pure."""
    for member, state in (
        ("released_at", "released"), ("confirmed_date", "confirmed"), ("planned_date", "planned"),
    ):  # fmt: skip
        date = alert.text("custody", member)
        if date:
            return Leaving(date=date, state=state)
    return None


def organisation(alert: Alert, member: str) -> JsonObject:
    """Return a practice or team that was told; empty where none was, or none is recorded. Pure."""
    return alert.object(HEALTH, member)


def is_gap(alert: Alert, member: str) -> bool:
    """Say whether the record was told to hold none. Pure."""
    return alert.fact(HEALTH, member) == NOT_RECORDED


def trail(alert: Alert) -> list[Json]:
    """Return the extension by which a form is traced to the logged disclosure. Pure."""
    parts = (
        ("id", "valueString", alert.id),
        ("caseRef", "valueString", alert.case_ref),
        ("source", "valueString", alert.source),
        ("message", "valueCode", alert.message),
        ("supersedes", "valueString", alert.supersedes),
        ("recipientType", "valueCode", recipient_type(alert)),
        ("marking", "valueString", alert.marking),
        ("handlingGrade", "valueString", alert.grade),
        ("handlingConditions", "valueString", alert.conditions),
        (
            "acknowledgeBy",
            "valueDateTime",
            alert.acknowledge_by.isoformat() if alert.acknowledge_by else None,
        ),
    )
    inner: list[Json] = [{"url": url, kind: value} for url, kind, value in parts if value]
    return [{"url": DISCLOSURE, "extension": inner}]


def recipient_type(alert: Alert) -> str:
    """Return FA, for action, or FI, for information: as ITK3 has them. Pure."""
    return "FA" if alert.for_action else "FI"


def meta(alert: Alert) -> JsonObject:
    """Return the marking and whether for action, where a FHIR reader looks for labels. Pure."""
    return {
        "security": [{"system": MARKING, "code": alert.marking}],
        "tag": [{"system": RECIPIENT_TYPE, "code": recipient_type(alert)}],
    }


def patient_identifiers(alert: Alert, *, verification: str = VERIFICATION) -> list[Json]:
    """Return the gateway's reference of the person, and the numbers that were told. Pure."""
    found: list[Json] = [{"system": CASE, "value": alert.case_ref}]
    nhs, status = (alert.text("identifiers", one) for one in ("nhs_number", "nhs_number_status"))
    if nhs:
        traced = (
            concept(
                "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland",
                status,
            )
            if status
            else None
        )
        extension: Json = (
            [{"url": verification, "valueCodeableConcept": traced}] if traced else None
        )
        found.append(stated({"extension": extension, "system": NHS_NUMBER, "value": nhs}))
    noms = alert.text("identifiers", "noms")
    if noms:
        found.append({"system": PRISON_NUMBER, "value": noms})
    return found


def patient(alert: Alert) -> JsonObject:
    """Return the person as a Patient of R4: what was told of who they are. Pure."""
    given = alert.text("identity", "given_names")
    name = stated(
        {"family": alert.text("identity", "family_name"), "given": [given] if given else None}
    )
    return stated(
        {
            "resourceType": "Patient",
            "identifier": patient_identifiers(alert),
            "name": [{**name, "use": "official"}] if name else None,
            "gender": _GENDERS.get(alert.text("identity", "sex") or ""),
            "birthDate": alert.text("identity", "date_of_birth"),
        }
    )


def gender(alert: Alert) -> str | None:
    """Return the sex that was told, in FHIR's words. Pure."""
    return _GENDERS.get(alert.text("identity", "sex") or "")


def ods_identifier(told: JsonObject) -> list[Json]:
    """Return an organisation's ODS code as an Identifier, or nothing. Pure."""
    ods = told.get("ods")
    return [{"system": ODS, "value": ods}] if ods else []


def phone(told: JsonObject) -> list[Json]:
    """Return an organisation's telephone as a ContactPoint, or nothing. Pure."""
    telephone = told.get("telephone")
    return [{"system": "phone", "value": telephone, "use": "work"}] if telephone else []


def address_of(alert: Alert, what: str) -> str:
    """Return the address by which one part of a form refers to another. Pure."""
    return urn_of(alert.id, what)
