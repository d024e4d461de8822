"""MASH forms in: a child-protection referral or enquiry about an adult who may harm a child. The
children's notification out, as a document and as a row.

The person an event is about is that adult; a child is a third party and is never named.
Source: D5, D9, C4; Children Act 1989 s.47; matrix R10. The forms are our own published contract.
"""

from datetime import date, timedelta
from typing import Final

from adapters.contract import Adapter, NotRendered, Outbound, Rendition, Translation
from adapters.kit.csv_text import write_rows
from adapters.kit.members import Members
from adapters.kit.referral import Said, area_of, read_referral, reads
from adapters.kit.referral_conference import rosh_of
from adapters.kit.referral_form import (
    CONTACT,
    NAMES,
    NOT_STATED,
    AllowList,
    Form,
    london_day,
    unless_about,
)
from gateway.model.alert import Alert
from gateway.model.strict_json import Json, JsonObject

_NAME: Final = "mash"
_SIX_WEEKS: Final = timedelta(weeks=6)  # D5, C4
# What became of it. An enquiry that found nothing is no concern of anyone's here.
_STAGES: Final = {
    "referral": True,
    "strategy_discussion": True,
    "section_47_enquiry": True,
    "child_protection_conference": True,
    "closed_no_concern": False,
}
_ABOUT: Final = frozenset(
    {
        "release.planned", "release.date_changed", "release.cancelled", "release.temporary",
        "release.actual",
    }
)  # fmt: skip
_AHEAD: Final = frozenset({"release.planned", "release.date_changed"})
_ALLOWED: Final[AllowList] = {
    "identity": NAMES,
    "identifiers": ("crn",),
    "custody": ("prison", "release_type", "planned_date", "confirmed_date", "released_at",
                "cancelled_because"),
    "rosh": ("children", "assessed_on"),
    "children": ("at_risk", "pprc", "contact_restrictions", "known_to"),
    "licence": ("child_conditions",),
    "location": ("address_status", "address", "home_area", "areas_of_interest"),
    "professionals": (*CONTACT, "plan_agencies"),
    "handling": ("agreement_ref",),
}  # fmt: skip
# The Public Protection Manual names them; who they are is for the sender's own directory (D5).
_BY_DUTY: Final = ("police", "probation, or the youth offending team for a person under 18")
_COLUMNS: Final = (
    "status", "event", "alert", "supersedes", "case_ref", "for", "acknowledge_by", "marking",
    "grade", "handling_conditions", "family_name", "given_names", "date_of_birth", "crn",
    "release_date", "released_at", "cancelled_because", "notice_from", "days_of_notice",
    "weeks_of_notice", "due_by", "risk_to_children", "risk_assessed_on", "risk_stated_as",
    "children_at_risk", "pprc", "contact_restrictions", "child_conditions", "address_status",
    "address", "home_area", "offender_manager", "offender_manager_contact", "copy_by_duty",
    "copy_as_told", "reason",
)  # fmt: skip


def translate(body: bytes, source: str) -> Translation:
    """Return the concern that one form reports.

    Raises:
        MalformedEvent: the form cannot be read.
        UnsupportedEvent: it found no concern; or needs a human: a code with no known meaning.

    Pure.
    """
    form = read_referral(body, _NAME, "MASH", ("child-protection-referral", "enquiry"))
    members = form.members
    members.needed("stage")
    if not members.code("stage", _STAGES, event_type=form.event_type):
        reason = "closed without a concern: nobody is told of it"
        raise members.unsupported("stage", reason, event_type=form.event_type)
    # A concern for a child waits for nobody's consent (Children Act 1989 s.47; D9).
    members.ignore("consent")
    risk = members.object("risk")
    said = Said(
        facts={
            "children": _children(members),
            "rosh": rosh_of(risk, form.event_type) if risk else {},
            "risk_narrative": {"nature": risk.text("narrative")} if risk else {},
            "location": area_of(form),
        },
        assertions={"children": "assessment"},  # a concern is judged, not found
        told_apart_by=(str(members.text("stage")),),
    )
    return form.reports("safeguarding.child_concern", source, said)


def _children(members: Members) -> JsonObject:
    children = members.object("children")
    if children is None:
        return {}
    # Third parties' particulars stay on the form.
    children.ignore("names", "dates_of_birth", "schools", "addresses")
    return {
        "at_risk": children.flag("at_risk"),
        "pprc": children.flag("pprc"),
        "contact_restrictions": list(children.texts("contact_restrictions")),
        "known_to": list(children.texts("known_to")),
    }


def _release_day(alert: Alert) -> str | None:
    if alert.kind == "release.cancelled":
        return None  # the day it was to be may still be told, and is no day of release
    return alert.text("custody", "confirmed_date") or alert.text("custody", "planned_date")


def _notice(alert: Alert) -> JsonObject:
    """Return the notice given, reckoned from the alert's own two dates, if it has both."""
    told, stated = london_day(alert.occurred_at), _release_day(alert)
    if alert.kind not in _AHEAD or told is None or stated is None:
        return {}
    release = date.fromisoformat(stated)
    days = (release - told).days
    # A day already past leaves no notice to reckon.
    due = {"due_by": (release - _SIX_WEEKS).isoformat()} if release.year > 1 else {}
    return {"from": told.isoformat(), "days": days, "weeks": days // 7, **due} if days >= 0 else {}


def _adds(alert: Alert) -> JsonObject:
    as_told = (*alert.texts("children", "known_to"), *alert.texts("professionals", "plan_agencies"))
    copied: JsonObject = {"by_duty": list(_BY_DUTY), "as_told": list(dict.fromkeys(as_told))}
    return {
        "release_date": _release_day(alert) or NOT_STATED,
        "notice": _notice(alert) or NOT_STATED,
        "copy_list": copied,
    }


_NOTIFICATION: Final = Form(
    name="childrens-notification",
    title="Children's notification of release",
    allowed=_ALLOWED,
    declines=unless_about(_ABOUT, "a release"),
    adds=_adds,
)


def render_row(alert: Alert) -> Rendition | NotRendered:
    """Return the notification as a CSV file of one row. Never raises; pure."""
    content = _NOTIFICATION.content(alert)
    if isinstance(content, NotRendered):
        return content
    cells = _cells(alert, content)
    return Rendition(
        media_type="text/csv",
        file_name="childrens-notification.csv",
        body=write_rows(_COLUMNS, [[_cell(cells.get(name)) for name in _COLUMNS]]),
    )


def _cells(alert: Alert, content: JsonObject) -> JsonObject:
    cells: JsonObject = {name: content.get(name) for name in ("status", "event", "reason")}
    cells |= _columns_of(_part(content, "disclosure"))
    if alert.message == "RECALL":
        return cells
    told, notice = _part(content, "told"), _part(content, "notice")
    for group in ("identity", "identifiers", "custody", "licence", "location", "children"):
        cells |= _columns_of(_part(told, group))
    lead = _part(_part(told, "professionals"), CONTACT[0])
    copied = _part(content, "copy_list")
    return cells | {
        "address": _one_line(_part(_part(told, "location"), "address")),
        "release_date": content["release_date"],
        "notice_from": notice.get("from"),
        "days_of_notice": notice.get("days"),
        "weeks_of_notice": notice.get("weeks"),
        "due_by": notice.get("due_by"),
        "risk_to_children": _part(told, "rosh").get("children"),
        "risk_assessed_on": _part(told, "rosh").get("assessed_on"),
        "risk_stated_as": _part(_part(content, "statements"), "rosh").get("assertion"),
        "children_at_risk": _part(told, "children").get("at_risk"),
        "offender_manager": lead.get("name"),
        "offender_manager_contact": lead.get("contact"),
        "copy_by_duty": copied.get("by_duty"),
        "copy_as_told": copied.get("as_told"),
    }


def _columns_of(members: JsonObject) -> JsonObject:
    return {name: one for name, one in members.items() if name in _COLUMNS}


def _one_line(address: JsonObject) -> Json:
    lines = address.get("lines")
    parts = [*(lines if isinstance(lines, list) else []), address.get("postcode")]
    return ", ".join(str(one) for one in parts if one)


def _part(value: JsonObject, name: str) -> JsonObject:
    part = value.get(name)
    return part if isinstance(part, dict) else {}


def _cell(value: Json) -> str | int | bool | None:
    if isinstance(value, list):
        return "; ".join(str(one) for one in value)
    return value if isinstance(value, str | int | bool) else None


ADAPTER: Final = Adapter(
    name=_NAME,
    title="Multi-agency safeguarding hub form",
    inbound=reads(translate),
    outbound=(
        _NOTIFICATION.outbound(),
        Outbound(form="childrens-notification-csv", media_type="text/csv", render=render_row),
    ),
)
