"""PND-style records: Person, Object, Location, Event (POLE), graded 3x5x2.

The Police National Database succeeds IMPACT, and SENTINEL before it: `system` may name any of them.
No public interface exists: this is our own published contract,
``docs/reference/adapters/pnd.md`` and ``pnd.schema.json``.
"""

import json
from collections.abc import Mapping
from typing import Final

from adapters.contract import Adapter, Inbound, NotRendered, Outbound, Rendition, Translation
from adapters.kit.framing import json_values
from adapters.kit.grading import handling_of, is_confirmed
from adapters.kit.members import Members
from adapters.kit.police_person import (
    TRACE,
    happened_at,
    identifiers_of,
    identity_of,
    person_told,
    provenance_told,
    traced,
)
from adapters.kit.statement import Assertion, Statement, canonical_event
from gateway.model.alert import Alert
from gateway.model.strict_json import Json, JsonObject, read_object

_JSON: Final = "application/json"
_EVENT_TYPE: Final = "pnd.record"
# Also read the other way round: keep it one to one.
EVENTS: Final[Mapping[str, str]] = {
    "ARREST": "police.arrested",
    "CHARGE": "police.charged",
    "VISIT": "police.visit_recorded",
    "CONCERN": "risk.flag_raised",
    "CONCERN_ENDED": "risk.flag_ended",
    "CHILD_CONCERN": "safeguarding.child_concern",
    "ADULT_CONCERN": "safeguarding.adult_concern",
    "ADDRESS_CHANGE": "address.changed",
    "WHEREABOUTS_UNKNOWN": "address.unknown",
    "ORDER_BREACH": "order.breached",
    "NOTIFICATION_BREACH": "notification.breached",
}
_EVENT_OF: Final = {kind: event for event, kind in EVENTS.items()}
_ABOUT: Final = ("identity", "identifiers", "offence", "children", "location")
_INTELLIGENCE: Final[Mapping[str, Assertion]] = dict.fromkeys(_ABOUT, "intelligence")


def translate(body: bytes, source: str) -> Translation:
    """Return what one record reports.

    Raises:
        MalformedEvent: not a record of the published form, or one without a grade.
        UnsupportedEvent: for a human: a type of event with no known meaning.

    Pure.
    """
    record = Members(read_object(body))
    # Things are not persons, and free text is never carried on from intelligence. What an alert
    # said of itself is no fact of the person.
    record.ignore("object", "text")
    if "alert" in record:
        record.note("alert", "made from an alert: whose statements these are stands there alone")
    record.ignore("alert")
    if record.flag("withdrawn"):
        reason = "an earlier record is withdrawn: find out which, and retract its event"
        raise record.unclear("withdrawn", reason, event_type=_EVENT_TYPE)
    handling = handling_of(record, event_type=_EVENT_TYPE)
    grade = handling["grade"]
    if not isinstance(grade, str):
        raise record.malformed("grading", "required: intelligence is graded 3x5x2")
    recorded = record.time("recordedAt")
    if recorded is None:
        raise record.malformed("recordedAt", "required")
    event = _needed(record, "event")
    kind = event.code("type", EVENTS, event_type=_EVENT_TYPE)
    if kind is None:
        raise event.malformed("type", "required")
    statement = Statement(
        kind=kind,
        system=record.needed("system"),
        as_of=recorded,
        occurred_at=event.time("occurredAt"),
        facts=_about(record, event) | {"handling": handling},
        told_apart_by=(record.needed("recordId"),),
        verified=is_confirmed(grade),
        assertions=_INTELLIGENCE,
    )
    made = canonical_event("pnd", statement, source)
    return Translation(events=(made,), unread=record.unread(), notes=record.notes())


def _about(record: Members, event: Members) -> dict[str, JsonObject]:
    person = _needed(record, "person")
    place = record.object("location") or Members({})
    return {
        "identity": identity_of(person, event_type=_EVENT_TYPE),
        "identifiers": identifiers_of(person),
        "offence": {"convicted": person.flag("convicted")},
        "children": {"at_risk": event.flag("childrenAtRisk")},
        "location": {
            "home_area": place.text("area"),
            "areas_of_interest": list(place.texts("areasOfInterest")),
        },
    }


def _needed(record: Members, name: str) -> Members:
    inner = record.object(name)
    if inner is None:
        raise record.malformed(name, "required")
    return inner


def render(alert: Alert) -> Rendition | NotRendered:
    """Return an alert as a record; one that states no grade cannot be one. Never raises. Pure."""
    if alert.message == "RECALL":
        return _rendition({"system": alert.source, "withdrawn": True, "alert": traced(alert)})
    event = _EVENT_OF.get(alert.kind)
    if event is None:
        return NotRendered(reasons=("this form has no event of this kind",))
    if alert.grade is None:
        return NotRendered(reasons=("states no 3x5x2 grade: this form cannot do without",))
    person = person_told(alert)
    if not {"pncId", "croNumber", "prisonNumber", "crn"} & set(person):
        return NotRendered(reasons=("names nobody by a number this form knows",))
    convicted = alert.fact("offence", "convicted")
    trace = {name: one for name, one in traced(alert).items() if name in TRACE}
    happened = _stated({"type": event, "occurredAt": happened_at(alert)})
    return _rendition(
        {
            "system": alert.source,
            "recordId": alert.id,
            "recordedAt": happened_at(alert),
            "grading": alert.grade,
            "conditions": alert.conditions,
            "marking": alert.marking,
            "person": person | _stated({"convicted": convicted}),
            "event": happened | _stated({"childrenAtRisk": alert.fact("children", "at_risk")}),
            "location": _stated(
                {
                    "area": alert.text("location", "home_area"),
                    "areasOfInterest": list(alert.texts("location", "areas_of_interest")),
                }
            ),
            "alert": trace | {"stated": provenance_told(alert, _ABOUT)},
        }
    )


def _stated(members: Mapping[str, Json]) -> JsonObject:
    return {name: one for name, one in members.items() if one not in (None, [], {})}


def _rendition(record: JsonObject) -> Rendition:
    text = json.dumps(_stated(record), indent=2, ensure_ascii=False) + "\n"
    body = text.encode("utf-8", "replace")
    return Rendition(media_type=_JSON, file_name="pnd-record.json", body=body)


ADAPTER: Final = Adapter(
    name="pnd",
    title="PND-style record: person, object, location, event",
    inbound=Inbound(media_types=(_JSON,), translate=translate, split=json_values),
    outbound=(Outbound(form="pole", media_type=_JSON, render=render),),
)
