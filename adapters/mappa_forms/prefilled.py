"""The referral form prefilled from an alert; what the alert does not say is left to complete.

The level an alert tells goes to `current_level`: which level to refer to, nobody but the referring
agency can say.
"""

import json
from collections.abc import Iterator
from typing import Final

from adapters.contract import NotRendered, Rendition
from adapters.kit.csv_text import write_rows
from adapters.mappa_forms.columns import (
    COLUMNS,
    DATES,
    FLAGS,
    LEVELS_OF_RISK,
    LISTS,
    OFFICERS,
    TEXTS,
    TICKS,
    TO_COMPLETE,
)
from gateway.model.alert import Alert
from gateway.model.strict_json import Json, JsonObject

_PERSONAL: Final = ("noms", "crn", "pnc", "cro")


def as_json(alert: Alert) -> Rendition | NotRendered:
    """Return the form as one JSON object; a column with nothing in it is left out."""
    form = _form(alert)
    if isinstance(form, NotRendered):
        return form
    text = json.dumps(form, ensure_ascii=False, indent=2) + "\n"
    return Rendition(
        media_type="application/json", file_name="mappa-referral.json", body=text.encode()
    )


def as_csv(alert: Alert) -> Rendition | NotRendered:
    """Return the form as CSV: every heading and one row; lists with semicolons between."""
    form = _form(alert)
    if isinstance(form, NotRendered):
        return form
    row = [_cell(form.get(column)) for column in COLUMNS]
    return Rendition(
        media_type="text/csv", file_name="mappa-referral.csv", body=write_rows(COLUMNS, [row])
    )


def _cell(value: Json) -> str | int | bool | None:
    if isinstance(value, list):
        return "; ".join(str(one) for one in value)
    return value if isinstance(value, str | int | bool | None) else str(value)


def _form(alert: Alert) -> JsonObject | NotRendered:
    if alert.message == "RECALL":
        reason = "a referral is withdrawn by whoever made it: the form has no withdrawal"
        return NotRendered(reasons=(reason,))
    if all(alert.text("identifiers", name) is None for name in _PERSONAL):
        return NotRendered(reasons=("no identifier that the form can be read back by was told",))
    stated = {**dict(_copied(alert)), **_address(alert), **_status(alert), **_trace(alert)}
    return {
        column: value for column in COLUMNS if (value := stated.get(column)) not in (None, "", [])
    }


def _copied(alert: Alert) -> Iterator[tuple[str, Json]]:
    for columns in (TEXTS, DATES, LEVELS_OF_RISK, FLAGS, LISTS):
        for column, (group, member) in columns.items():
            yield column, alert.fact(group, member)
    for column, member in OFFICERS.items():
        officer = alert.object("professionals", member)
        yield column, officer.get("name")
        yield f"{column}_contact", officer.get("contact")


def _address(alert: Alert) -> JsonObject:
    """Return the release address where it is confirmed: one only proposed is not approved."""
    status = alert.text("location", "address_status")
    address = alert.object("location", "address") if status == "CONFIRMED" else {}
    return {
        "no_fixed_abode": True if status == "NFA" else None,
        "approved_release_address": address.get("lines"),
        "approved_release_postcode": address.get("postcode"),
    }


def _status(alert: Alert) -> JsonObject:
    category = alert.fact("mappa", "category")
    return {
        "form": "MAPPA A",
        "marking": alert.marking,
        "current_level": alert.fact("mappa", "level"),
        # A conviction for some offence; the form asks of the index offence and is told no other.
        "index_outcome": "conviction" if alert.fact("offence", "convicted") is True else None,
        **{tick: True for number, tick in enumerate(TICKS, start=1) if number == category},
    }


def _trace(alert: Alert) -> JsonObject:
    return {
        "handling_grade": alert.grade,
        "handling_conditions": alert.conditions,
        "alert_id": alert.id,
        "alert_message": alert.message,
        "supersedes": alert.supersedes,
        "case_ref": alert.case_ref,
        "gateway": alert.source,
        "recipient_type": "FOR_ACTION" if alert.for_action else "FOR_INFORMATION",
        "acknowledge_by": alert.acknowledge_by.isoformat() if alert.acknowledge_by else None,
        "review_due": alert.review_due,
        "stated_at": alert.occurred_at.isoformat() if alert.occurred_at else None,
        "sources": [*_sources(alert)],
        "to_complete": list(TO_COMPLETE),
    }


def _sources(alert: Alert) -> Iterator[str]:
    """Yield who stated what, as of when, and whether as fact (DPA 2018 s.38)."""
    for group, stated in alert.stated.items():
        if group in alert.facts:
            parts = (stated.controller, stated.source_system, stated.assertion, stated.as_of)
            yield f"{group}: {', '.join(part for part in parts if part is not None)}"
