"""What the forms to partner agencies have in common, out: an allow-list, and what they trace to.

A form copies what its allow-list names and the alert tells, and nothing else, so a group the form
has no room for stays out even of a form for someone who was told it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, TypeAlias

from adapters.contract import NotRendered, Outbound, Rendition
from adapters.kit.dates import LONDON, rfc3339
from gateway.model.alert import Alert, Stated
from gateway.model.strict_json import Json, JsonObject

NOT_STATED: Final = "NOT_STATED"
JSON_FORM: Final = "application/json"
CONTACT: Final = ("community_offender_manager",)
NAMES: Final = ("family_name", "given_names", "aliases", "date_of_birth", "sex")

AllowList: TypeAlias = Mapping[str, tuple[str, ...]]

_STATUS: Final = {
    "NOTIFY": "ISSUED", "UPDATE": "UPDATED", "CORRECTION": "CORRECTED", "RECALL": "WITHDRAWN",
}  # fmt: skip


def _nothing(_alert: Alert) -> JsonObject:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form: what it may carry, when it cannot serve, and what it says besides."""

    name: str
    title: str
    allowed: AllowList  # group -> members
    declines: Callable[[Alert], tuple[str, ...]]  # reasons; none: it serves. Not asked of a recall
    adds: Callable[[Alert], JsonObject] = _nothing  # the form's own words; facts are copied only

    def content(self, alert: Alert) -> JsonObject | NotRendered:
        """Return what the form says of an alert, or why it has no way to. Never raises; pure."""
        head = heading(alert, self.name, self.title)
        if alert.message == "RECALL":
            return head | {"reason": alert.reason or NOT_STATED}
        if reasons := self.declines(alert):
            return NotRendered(reasons=reasons)
        told = allowed(alert, self.allowed)
        return head | {"told": told, "statements": _statements(alert, told)} | self.adds(alert)

    def outbound(self) -> Outbound:
        """Return the form as JSON."""
        return Outbound(form=self.name, media_type=JSON_FORM, render=self.render)

    def render(self, alert: Alert) -> Rendition | NotRendered:
        """Return the form as a JSON document. Never raises; pure."""
        content = self.content(alert)
        if isinstance(content, NotRendered):
            return content
        text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        # A lone surrogate, which no event can state, is written as JSON would escape it.
        body = text.encode("utf-8", "backslashreplace")
        return Rendition(media_type=JSON_FORM, file_name=f"{self.name}.json", body=body)


def heading(alert: Alert, name: str, title: str) -> JsonObject:
    """Return what every form starts with: what it is, and the disclosure it traces to."""
    head: JsonObject = {"form": name, "title": title, "status": _STATUS[alert.message]}
    head |= {"event": alert.kind}
    trace: JsonObject = {
        "alert": alert.id,
        "supersedes": alert.supersedes,
        "gateway": alert.source,
        "recipient": alert.recipient,
        "case_ref": alert.case_ref,
        "for": "ACTION" if alert.for_action else "INFORMATION",
        "occurred_at": _time(alert.occurred_at),
        "acknowledge_by": _time(alert.acknowledge_by),
        "review_due": alert.review_due,
        "marking": alert.marking,
        "grade": alert.grade,
        "handling_conditions": alert.conditions,
        "subject_category": alert.subject_category,
    }
    return head | {"disclosure": _present(trace)}


def allowed(alert: Alert, allow: AllowList) -> JsonObject:
    """Return what the alert tells of what a form may carry, group by group."""
    told: JsonObject = {}
    for group, members in allow.items():
        facts: JsonObject = {name: alert.fact(group, name) for name in members}
        if stated := _present(facts):
            told[group] = stated
    return told


def lacks(alert: Alert, allow: AllowList) -> bool:
    """Whether the alert tells nothing of these members."""
    return not allowed(alert, allow)


def unless_about(kinds: frozenset[str], what: str) -> Callable[[Alert], tuple[str, ...]]:
    """Return the reason why a form of certain kinds declines others."""
    return lambda alert: () if alert.kind in kinds else (f"this form is for {what}",)


def return_by(alert: Alert) -> str:
    """Return the day in London by which an answer is asked for, or that none is stated."""
    by = london_day(alert.acknowledge_by)
    return by.isoformat() if by else NOT_STATED


def london_day(time: datetime | None) -> date | None:
    """Return the day of a time in London; None for none, or one past the calendar there."""
    try:
        return time.astimezone(LONDON).date() if time else None
    except OverflowError:
        return None


def _statements(alert: Alert, told: JsonObject) -> Json:
    """Return what a reader needs to judge each group by (DPA 2018 s.38)."""
    return {group: _statement(alert.stated[group]) for group in told if group in alert.stated}


def _statement(stated: Stated) -> JsonObject:
    parts: JsonObject = {
        "controller": stated.controller,
        "source_system": stated.source_system,
        "as_of": stated.as_of,
        "assertion": stated.assertion,
        "verified": stated.verified,
    }
    return _present(parts)


def _present(members: JsonObject) -> JsonObject:
    return {name: one for name, one in members.items() if one is not None}


def _time(time: datetime | None) -> str | None:
    return rfc3339(time) if time else None
