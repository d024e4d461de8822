"""An alert as a ViSOR-style nominal: one, with its reference, its flags and the release facts told.

Never a bulk copy (D14): address, conditions, narrative and the terms of orders stay in the alert,
which the record names by its id.
"""

from collections.abc import Callable
from typing import Final

from adapters.contract import NotRendered, Rendition
from adapters.kit.csv_text import write_rows
from adapters.kit.police_person import (
    happened_at,
    person_told,
    provenance_lines,
    provenance_told,
    traced,
)
from adapters.kit.xml_text import write_xml
from adapters.visor import codes
from adapters.visor.flat import joined
from gateway.model.alert import Alert
from gateway.model.strict_json import Json, JsonObject

XML: Final = "application/xml"
CSV: Final = "text/csv"
_NO_WORD: Final = "this form has no word for an event of this kind"

# (member of the form, group, member of the group)
_TOLD: Final = (
    ("mappaCategory", "mappa", "category"),
    ("mappaLevel", "mappa", "level"),
    ("leadAgency", "mappa", "lead_agency"),
    ("nextReview", "mappa", "next_review"),
    ("reviewedOn", "mappa", "reviewed_on"),
    ("riskAssessedOn", "rosh", "assessed_on"),
    ("childrenAtRisk", "children", "at_risk"),
    ("prison", "custody", "prison"),
    ("releaseType", "custody", "release_type"),
    ("plannedDate", "custody", "planned_date"),
    ("confirmedDate", "custody", "confirmed_date"),
    ("releasedAt", "custody", "released_at"),
    ("licence", "custody", "licence"),
    ("sentenceExpiry", "custody", "sentence_expiry_date"),
    ("licenceExpiry", "custody", "licence_expiry_date"),
    ("notificationFrom", "offence", "notification_from"),
    ("notificationUntil", "offence", "notification_until"),
    ("notificationIndefinite", "offence", "notification_indefinite"),
    ("planRef", "professionals", "plan_ref"),
)
_GROUPS: Final = frozenset({"identity", "identifiers", "rosh"} | {group for _, group, _ in _TOLD})
# Every column, whether or not it is told, so that one file may stand under another.
COLUMNS: Final = (
    "system", "recordedAt", "report", "visorRef", "pncId", "croNumber", "prisonNumber", "crn",
    "familyName", "givenNames", "alias", "dateOfBirth", "sex",
    *(name for name, _, _ in _TOLD), *codes.RISK_TO,
    "marking", "grading", "conditions",
    "alertId", "message", "supersedes", "caseRef", "kind", "recipient", "for", "acknowledgeBy",
    "reviewDue", "subjectCategory", "reason", "stated",
)  # fmt: skip


def render_xml(alert: Alert) -> Rendition | NotRendered:
    """Return an alert as a document ``nominals`` of exactly one ``nominal``. Never raises. Pure."""
    return _rendered(alert, XML, "visor-nominal.xml", _document)


def render_csv(alert: Alert) -> Rendition | NotRendered:
    """Return an alert as a heading and exactly one row. Never raises. Pure."""
    return _rendered(alert, CSV, "visor-nominal.csv", _row)


def _rendered(
    alert: Alert, media_type: str, file_name: str, write: Callable[[Alert, JsonObject], bytes]
) -> Rendition | NotRendered:
    report = "WITHDRAWN" if alert.message == "RECALL" else codes.REPORT_OF.get(alert.kind)
    if report is None:
        return NotRendered(reasons=(_NO_WORD,))
    told = _nominal(alert, report)
    body = write(alert, {name: told[name] for name in COLUMNS if told.get(name) is not None})
    return Rendition(media_type=media_type, file_name=file_name, body=body)


def _nominal(alert: Alert, report: str) -> JsonObject:
    levels = {level: name for name, level in reversed(codes.RISK_LEVELS.items())}
    told: dict[str, Json] = {name: alert.fact(group, member) for name, group, member in _TOLD}
    told |= {
        name: levels.get(alert.text("rosh", group) or "") for name, group in codes.RISK_TO.items()
    }
    return (
        told
        | person_told(alert)
        | traced(alert)
        | {
            "system": alert.source,
            "recordedAt": happened_at(alert),
            "report": report,
        }
    )


def _document(alert: Alert, nominal: JsonObject) -> bytes:
    rows = [row for row in provenance_told(alert, _GROUPS) if isinstance(row, dict)]
    stated: list[Json] = [{f"@{key}": one for key, one in row.items()} for row in rows]
    return write_xml("nominals", {"nominal": nominal | {"stated": stated}})


def _row(alert: Alert, nominal: JsonObject) -> bytes:
    told = nominal | {"stated": [*provenance_lines(alert, _GROUPS)]}
    return write_rows(COLUMNS, [[_cell(told.get(name)) for name in COLUMNS]])


def _cell(value: Json) -> str | int | bool | None:
    if isinstance(value, list):
        return joined(value)
    return value if isinstance(value, str | int) else None
