"""The thin event that goes out: something changed, here is the reference, and no fact."""

import json
from datetime import datetime
from typing import Any

import pytest

from adapters.contract import NotRendered, Rendition, UnsupportedEvent
from adapters.hmpps_domain_events import ADAPTER
from adapters.hmpps_domain_events.notice import render
from gateway.model.alert import parse_alert
from gateway.model.groups import parse_time
from gateway.model.kinds import KINDS, type_of
from tests.adapters.examples import outbound_of
from tests.model.test_schemas import satisfies
from tests.third_party import vectors

ALERT: dict[str, Any] = {
    "message_id": "alt_01",
    "message_type": "NOTIFY",
    "supersedes": None,
    "event_type": "org.throughgate.mappa.level_changed.v1",
    "recipient": "probation-example",
    "case_ref": "per_01",
    "source": "throughgate.example.org",
    "recipient_type": "FA",
    "occurred_at": "2026-02-04T08:03:50+01:00",
    "ack_required_by": "2026-02-06T07:03:50Z",
    "marking": "OFFICIAL-SENSITIVE",
    "intel_grade": "2BC",
    "intel_conditions": "Not to be told to Jo Example",
    "facts": {
        "identity": {"family_name": "Example"},
        "identifiers": {"noms": "Z0001ZZ", "crn": "X999001", "visor_ref": "V-1"},
        "mappa": {"category": 2, "level": 3},
    },
}


def rendered(**change: Any) -> dict[str, Any]:
    made = render(parse_alert({**ALERT, **change}))
    assert isinstance(made, Rendition)
    event: dict[str, Any] = json.loads(made.body)
    return event


def valid(event: dict[str, Any]) -> bool:
    """Whether an event is what the published schema says, its times included."""
    schema = json.loads(vectors("hmpps-events/hmpps-domain-event.json").read_text("utf-8"))
    identifiers = schema["properties"]["personReference"]["properties"]["identifiers"]
    identifiers["items"] = schema["$defs"]["identifier"]
    try:
        parse_time(event["occurredAt"])
    except (KeyError, ValueError):
        return False
    return satisfies(schema, event)


def test_a_thin_event_refers_to_the_alert_and_says_no_more() -> None:
    assert rendered() == {
        "eventType": "throughgate.mappa.level-changed",
        "version": 1,
        "occurredAt": "2026-02-04T07:03:50Z",
        "description": "A public-protection alert has been issued",
        "additionalInformation": {
            "alertId": "alt_01",
            "caseReference": "per_01",
            "kind": "mappa.level_changed",
            "messageType": "NOTIFY",
            "for": "ACTION",
            "marking": "OFFICIAL-SENSITIVE",
            "handlingGrade": "2BC",
            "conditionsApply": True,
            "acknowledgeBy": "2026-02-06T07:03:50Z",
        },
        "personReference": {
            "identifiers": [
                {"type": "NOMS", "value": "Z0001ZZ"},
                {"type": "CRN", "value": "X999001"},
            ]
        },
    }


def test_it_validates_against_the_published_schema_and_a_spoilt_one_does_not() -> None:
    for example in outbound_of(ADAPTER.name):
        made = render(parse_alert(json.loads(example.given.read_bytes())))
        assert isinstance(made, Rendition)
        assert valid(json.loads(made.body))
    assert all(valid(rendered(event_type=type_of(kind))) for kind in KINDS)
    assert not valid(rendered() | {"version": "1"})
    assert not valid(rendered() | {"occurredAt": "2026-02-04"})
    assert not valid(rendered() | {"personReference": {"identifiers": [{"type": "NOMS"}]}})


def test_only_numbers_the_alert_tells_are_in_it() -> None:
    assert rendered(facts={"identifiers": {"crn": "X999001"}})["personReference"] == {
        "identifiers": [{"type": "CRN", "value": "X999001"}]
    }
    assert "personReference" not in rendered(facts={})
    assert "visor_ref" not in json.dumps(rendered())


@pytest.mark.parametrize(
    ("message", "word"),
    [("UPDATE", "updated"), ("CORRECTION", "corrected"), ("RECALL", "recalled")],
)
def test_a_later_message_says_what_it_supersedes(message: str, word: str) -> None:
    event = rendered(message_type=message, supersedes="alt_00", reason="retracted", facts={})
    assert event["additionalInformation"]["supersedes"] == "alt_00"
    assert event["additionalInformation"]["messageType"] == message
    assert word in event["description"]


def test_what_is_not_stated_is_left_out() -> None:
    bare = {"occurred_at": ALERT["occurred_at"], "event_type": ALERT["event_type"]}
    bare |= {name: ALERT[name] for name in ("message_id", "message_type", "recipient")}
    bare |= {name: ALERT[name] for name in ("case_ref", "source")}
    made = render(parse_alert(bare))
    assert isinstance(made, Rendition)
    assert set(json.loads(made.body)["additionalInformation"]) == {
        "alertId", "caseReference", "kind", "messageType", "for", "marking",
    }  # fmt: skip
    assert json.loads(made.body)["additionalInformation"]["for"] == "INFORMATION"


def test_an_alert_that_does_not_say_when_has_no_thin_event() -> None:
    made = render(parse_alert({**ALERT, "occurred_at": None}))
    assert made == NotRendered(
        reasons=("a domain event must say when it occurred, and the alert does not",)
    )


def test_it_is_read_back_as_an_event_of_nobodys_catalogue() -> None:
    made = render(parse_alert(ALERT))
    assert isinstance(made, Rendition)
    with pytest.raises(UnsupportedEvent) as caught:
        ADAPTER.translate(made.body, source="urn:example:agency")
    assert not caught.value.needs_human
    occurred = parse_time(json.loads(made.body)["occurredAt"])
    assert occurred == datetime.fromisoformat(ALERT["occurred_at"])
