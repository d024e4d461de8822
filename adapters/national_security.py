"""Category 4: the marker a counter-terrorism unit puts on a case, and the notice to its panel.

Neither ever says why. Category 4 is of relevant terrorist offenders and of persons at risk of
involvement in terrorism-related activity (CJA 2003 s.325(2)(aa) and (c), s.327(4B)-(4G)).
Our own published contract: ``docs/reference/adapters/national_security.md`` and its schema.
"""

import json
from typing import Final

from adapters.contract import Adapter, Inbound, NotRendered, Outbound, Rendition, Translation
from adapters.kit.framing import json_values
from adapters.kit.grading import handling_of, is_confirmed
from adapters.kit.members import Members
from adapters.kit.police_person import happened_at, identifiers_of, identity_of, traced
from adapters.kit.statement import Statement, canonical_event
from gateway.model.alert import Alert
from gateway.model.strict_json import Json, JsonObject, read_object

_JSON: Final = "application/json"
_EVENT_TYPE: Final = "national-security.marker"
_CATEGORY: Final = 4
_MARKERS: Final = {"ON": True, "OFF": False}
_LEVELS: Final = {0: None, 1: 1, 2: 2, 3: 3}  # 0 is unknown: nothing is stated
_NEVER_WHY: Final = ("reason", "grounds", "why", "narrative", "intelligence")
_FOR_ACTION: Final = "Acknowledge, and tell the contact what the panel decides."
_FOR_INFORMATION: Final = "Nothing: for information."


def translate(body: bytes, source: str) -> Translation:
    """Return that a case is marked category 4, or no longer is.

    Raises:
        MalformedEvent: not a marker of the published form; one that says why, or names nobody it
            is restricted to; a marking above OFFICIAL-SENSITIVE.
        UnsupportedEvent: for a human: a code with no known meaning, or facts that contradict.

    Pure.
    """
    marker = Members(read_object(body))
    for name in _NEVER_WHY:
        if name in marker:
            raise marker.malformed(name, "this form never says why")
    marker.ignore(*_NEVER_WHY)  # present and empty
    on = marker.code("marker", _MARKERS, event_type=_EVENT_TYPE)
    recorded = marker.time("recordedAt")
    for name, value in (("marker", on), ("recordedAt", recorded)):
        if value is None:
            raise marker.malformed(name, "required")
    handling = _handling(marker)
    grade = handling["grade"]
    mappa = _mappa(marker, on=bool(on))
    statement = Statement(
        kind=_kind(mappa, on=bool(on)),
        system=marker.needed("system"),
        as_of=recorded or "",
        occurred_at=marker.time("occurredAt"),
        facts=_person(marker)
        | {
            "mappa": mappa,
            "professionals": {"plan_ref": marker.text("panelRef")},
            "handling": handling,
        },
        told_apart_by=(marker.text("panelRef") or "",),
        verified=is_confirmed(grade if isinstance(grade, str) else None),
    )
    event = canonical_event("national-security", statement, source)
    return Translation(events=(event,), unread=marker.unread(), notes=marker.notes())


def _kind(mappa: JsonObject, *, on: bool) -> str:
    if not on:
        return "risk.flag_ended"
    return "risk.flag_raised" if mappa["category"] is None else "mappa.category_changed"


def _person(marker: Members) -> dict[str, JsonObject]:
    person = marker.object("person")
    if person is None:
        raise marker.malformed("person", "required")
    return {
        "identity": identity_of(person, event_type=_EVENT_TYPE),
        "identifiers": identifiers_of(person),
    }


def _mappa(marker: Members, *, on: bool) -> JsonObject:
    category, level = marker.number("category"), marker.number("level")
    if category not in (None, _CATEGORY) or (category is not None and not on):
        reason = "contradicts a marker that is of category 4, and on"
        raise marker.unclear("category", reason, event_type=_EVENT_TYPE)
    if level is not None and level not in _LEVELS:
        raise marker.unclear("level", "not a level with a known meaning", event_type=_EVENT_TYPE)
    if level == 0:
        marker.note("level", "0 is unknown: no level is stated")
    return {
        "category": category,
        "level": None if level is None else _LEVELS[level],
        "next_review": marker.date("nextReview"),
        "coordinator_contact": _contact(marker),
    }


def _contact(marker: Members) -> str | None:
    unit = marker.object("caseContact")
    if unit is None:
        return None
    stated = (unit.needed("unit"), unit.text("contact"))
    return ", ".join(one for one in stated if one)


def _handling(marker: Members) -> JsonObject:
    named = list(marker.texts("restrictedTo"))
    if not named:
        raise marker.malformed("restrictedTo", "required: the organisations that may know")
    return handling_of(marker, event_type=_EVENT_TYPE) | {
        "restricted": True,
        "restricted_to": [*named],
        "sar_restrict": marker.flag("notForSubject"),
    }


def render(alert: Alert) -> Rendition | NotRendered:
    """Return a notice to the specialist panel: reference, dates, level, contact, what is asked.

    No name, no address, no risk: who may know those opens the alert. Never raises. Pure.
    """
    trace = traced(alert)
    if alert.message == "RECALL":
        return _rendition({"notice": "WITHDRAWN", "alert": trace})
    if alert.fact("mappa", "category") != _CATEGORY:
        return NotRendered(reasons=("does not tell of category 4: not for this panel",))
    return _rendition(
        {
            "notice": "SPECIALIST_PANEL",
            "alert": trace,
            "occurredAt": happened_at(alert),
            "reference": alert.text("professionals", "plan_ref"),
            "category": _CATEGORY,
            "level": alert.fact("mappa", "level"),
            "dates": _dates(alert),
            "contact": _coordinator(alert),
            "asked": _FOR_ACTION if alert.for_action else _FOR_INFORMATION,
        }
    )


def _dates(alert: Alert) -> JsonObject:
    told: dict[str, Json] = {
        "planned": alert.text("custody", "planned_date"),
        "confirmed": alert.text("custody", "confirmed_date"),
        "released": alert.text("custody", "released_at"),
        "nextReview": alert.text("mappa", "next_review"),
    }
    return {name: one for name, one in told.items() if one is not None}


def _coordinator(alert: Alert) -> Json:
    named = alert.object("professionals", "public_protection_coordinator")
    return alert.text("mappa", "coordinator_contact") or named or None


def _rendition(notice: JsonObject) -> Rendition:
    told = {name: one for name, one in notice.items() if one not in (None, {})}
    text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    body = text.encode("utf-8", "replace")
    return Rendition(media_type=_JSON, file_name="panel-notice.json", body=body)


ADAPTER: Final = Adapter(
    name="national_security",
    title="Category 4 case marker and specialist panel notice",
    inbound=Inbound(media_types=(_JSON,), translate=translate, split=json_values),
    outbound=(Outbound(form="panel-notice", media_type=_JSON, render=render),),
)
