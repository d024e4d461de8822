"""A release that happened, as HL7 v2.4 ADT^A03 in the shape ITK gives it.

The community practice and team, for which ADT has no field, and what traces the message to its
disclosure stand in a Z-segment, ZTG: see docs/reference/adapters/systmone.md.
"""

from collections.abc import Mapping
from typing import Final

from adapters.contract import NotRendered, Rendition
from adapters.kit.hl7_text import Components, Field, stamp, write_message
from adapters.systmone.adt import NHS, VERSION
from adapters.systmone.codes import NOT_RECORDED
from adapters.systmone.told import HEALTH, is_gap, leaving, organisation, recipient_type
from gateway.model.alert import Alert
from gateway.model.groups import parse_time

HL7: Final = "x-application/hl7-v2+er7"
US: Final = "THROUGHGATE"

_SEX: Final[Mapping[str, str]] = {"male": "1", "female": "2", "other": "9", "not_known": "0"}


def render_a03(alert: Alert) -> Rendition | NotRendered:
    """Return the message, or why there is none. Pure; never raises."""
    if alert.message == "RECALL":
        return NotRendered(
            reasons=("to take a discharge back, HL7 needs a name that no recall has",)
        )
    if alert.kind != "release.actual":
        return NotRendered(reasons=("A03 says that the person has left",))
    family = alert.text("identity", "family_name")
    if family is None:
        return NotRendered(reasons=("PID needs a name, and none was told",))
    if alert.occurred_at is None:
        return NotRendered(reasons=("MSH needs a time, and none was told",))
    body = write_message(
        [
            ("MSH", _header(alert, stamp(alert.occurred_at))),
            ("EVN", [None, stamp(alert.occurred_at), None, None, None, stamp(alert.occurred_at)]),
            ("PID", _person(alert, family)),
            ("PD1", [None, None, _organisation(alert, "registered_practice")]),
            ("PV1", _visit(alert)),
            ("ZTG", _trail(alert)),
        ]
    )
    return Rendition(media_type=HL7, file_name="adt-a03.hl7", body=body)


def _header(alert: Alert, time: str) -> list[Field]:
    return [
        US, alert.source, alert.recipient, alert.recipient, time, None, ("ADT", "A03", "ADT_A03"),
        alert.id, "P", VERSION, None, None, None, None, "GBR", "UNICODE UTF-8", "EN", None,
        "iTKv1.0",
    ]  # fmt: skip


def _person(alert: Alert, family: str) -> list[Field]:
    nhs, noms = (alert.text("identifiers", one) for one in ("nhs_number", "noms"))
    identifiers: list[Components] = [(alert.case_ref, None, None, US)]
    identifiers += [(nhs, None, None, NHS)] if nhs else []
    identifiers += [(noms, None, None, "NOMIS")] if noms else []
    born = alert.text("identity", "date_of_birth")
    fields: list[Field] = [None] * 32
    fields[2] = identifiers
    fields[4] = (family, alert.text("identity", "given_names"), None, None, None, None, "L")
    fields[6] = born.replace("-", "") if born else None
    fields[7] = _SEX.get(alert.text("identity", "sex") or "")
    fields[10] = _address(alert)
    fields[31] = alert.text("identifiers", "nhs_number_status") if nhs else None
    return fields


def _address(alert: Alert) -> Field:
    address = alert.object("location", "address")
    lines = address.get("lines")
    told = [str(line) for line in lines] if isinstance(lines, list) else []
    postcode = address.get("postcode")
    if not told and not postcode:
        return None
    first, *rest = told or [""]
    return (first, ", ".join(rest) or None, None, None, str(postcode) if postcode else None)


def _organisation(alert: Alert, member: str) -> Field:
    """Return name and ODS code as ITK has them; NOT_RECORDED where the record holds none."""
    if is_gap(alert, member):
        return NOT_RECORDED
    told = organisation(alert, member)
    if not told:
        return None
    name, ods, phone = (told.get(one) for one in ("name", "ods", "telephone"))
    return (str(name), None, str(ods) if ods else None, str(phone) if phone else None)


def _visit(alert: Alert) -> list[Field]:
    fields: list[Field] = [None] * 45
    fields[1] = "N"  # table 0004: not applicable
    told = leaving(alert)
    if told is not None and told.is_over:
        fields[44] = stamp(parse_time(told.date))
    return fields


def _trail(alert: Alert) -> list[Field]:
    return [
        alert.id, alert.message, alert.supersedes, alert.case_ref, recipient_type(alert),
        alert.marking, alert.grade, alert.conditions,
        stamp(alert.acknowledge_by) if alert.acknowledge_by else None,
        _organisation(alert, "community_gp"), _organisation(alert, "mental_health_team"),
        alert.text(HEALTH, "care_coordinator"),
    ]  # fmt: skip
