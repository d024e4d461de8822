"""PND-style records: graded or refused, intelligence and never fact, and back again."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import NotRendered, Rendition, Translation, UnsupportedEvent
from adapters.pnd import ADAPTER, EVENTS
from gateway.model.alert import read_alert
from gateway.model.kinds import KINDS
from gateway.model.problem import MalformedEvent
from tests.adapters.examples import FOLDER
from tests.contract.test_adapter import RoundTripContract
from tests.support.every import every
from tests.third_party import missing

ARREST = (FOLDER / "pnd" / "arrest.alert.json").read_bytes()
GOLDEN: list[dict[str, Any]] = json.loads((FOLDER / "pnd" / "records.in.json").read_text("utf-8"))
SCHEMA = json.loads(
    Path(__file__).parents[2].joinpath("docs/reference/adapters/pnd.schema.json").read_text("utf-8")
)
LEAST: dict[str, Any] = {
    "system": "PND",
    "recordId": "R-1",
    "recordedAt": "2026-02-06T09:10:00Z",
    "grading": "2BP",
    "person": {"pncId": "1988/0000512V"},
    "event": {"type": "ARREST"},
}


def schema() -> Any:
    """The published schema, as a validator not our own."""
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        missing("the package jsonschema")
    return Draft202012Validator(SCHEMA)


class TestPnd(RoundTripContract):
    adapter = ADAPTER
    round_trip = frozenset(
        {
            "identity.family_name", "identity.given_names", "identity.aliases",
            "identity.date_of_birth", "identity.sex", "identifiers.pnc", "identifiers.visor_ref",
            "identifiers.cro", "identifiers.noms", "identifiers.crn", "offence.convicted",
            "children.at_risk", "location.home_area", "location.areas_of_interest",
            "handling.grade", "handling.conditions", "handling.marking",
        }
    )  # fmt: skip


def record(**more: Any) -> dict[str, Any]:
    """A record; keyword arguments set members, None takes one out."""
    made = {**copy.deepcopy(LEAST), **more}
    return {name: value for name, value in made.items() if value is not None}


def translated(**more: Any) -> Translation:
    body = json.dumps(record(**more)).encode()
    return ADAPTER.translate(body, source="urn:example:agency")


def groups(**more: Any) -> Any:
    (event,) = translated(**more).events
    return event.groups


def refusal(**more: Any) -> MalformedEvent:
    with pytest.raises(MalformedEvent) as caught:
        translated(**more)
    return caught.value


@every(("type_", "kind"), EVENTS.items())
def test_every_event_is_the_kind_it_is_said_to_be(type_: str, kind: str) -> None:
    (event,) = translated(event={"type": type_}).events
    assert event.kind == kind
    assert kind in KINDS
    assert len(set(EVENTS.values())) == len(EVENTS)


@pytest.mark.parametrize("system", ["PND", "IMPACT", "SENTINEL", "Local intelligence"])
def test_the_system_may_be_the_one_before_or_any(system: str) -> None:
    assert groups(system=system)["identifiers"]["source_system"] == system


def test_what_a_record_says_is_intelligence_and_never_fact() -> None:
    for told in (groups(location={"area": "Otherton"}), groups(**GOLDEN[0])):
        said = {name: group["assertion"] for name, group in told.items()}
        assert said.pop("handling") == "fact"
        assert set(said.values()) == {"intelligence"}


@pytest.mark.parametrize("letter", "ABCDE")
@pytest.mark.parametrize("source", "123")
def test_only_what_is_known_or_corroborated_counts_as_verified(source: str, letter: str) -> None:
    told = groups(grading=f"{source}{letter}P")
    assert told["identifiers"]["verified"] is (letter in "AB")


@every(
    ("members", "path"),
    [
        ({"grading": None}, "$.grading: required"),
        ({"grading": ""}, "$.grading: required"),
        ({"grading": "2B"}, "$.grading: must be a 3x5x2 grade"),
        ({"grading": "B24"}, "$.grading: graded 5x5x5"),
        ({"grading": "2BC"}, "$.conditions: required"),
        ({"marking": "TOP SECRET"}, "$.marking: above"),
        ({"marking": "CONFIDENTIAL"}, "$.marking: of the former scheme"),
        ({"system": None}, "$.system: required"),
        ({"recordId": None}, "$.recordId: required"),
        ({"recordedAt": None}, "$.recordedAt: required"),
        ({"person": None}, "$.person: required"),
        ({"person": {"visorRef": "99/1"}}, "$.person.pncId: one of"),
        ({"person": {"pncId": "1988/0000512A"}}, "$.data.identifiers.pnc"),
        ({"person": []}, "$.person: must be an object"),
        ({"event": None}, "$.event: required"),
        ({"event": {}}, "$.event.type: required"),
        ({"event": {"type": "ARREST", "occurredAt": "yesterday"}}, "$.event.occurredAt"),
        ({"location": "Otherton"}, "$.location: must be an object"),
    ],
)
def test_what_is_not_in_its_form_is_refused_by_its_path(members: dict[str, Any], path: str) -> None:
    error = refusal(**members)
    assert not isinstance(error, UnsupportedEvent)
    assert str(error).startswith(path)


@pytest.mark.parametrize(
    "members",
    [
        {"event": {"type": "STOP_AND_SEARCH"}},
        {"event": {"type": "arrest"}},
        {"person": {"pncId": "1988/0000512V", "sex": "M1"}},
        {"marking": "SENSITIVE"},
        {"withdrawn": True},
    ],
)
def test_what_has_no_known_meaning_needs_a_human(members: dict[str, Any]) -> None:
    error = refusal(**members)
    assert isinstance(error, UnsupportedEvent)
    assert error.needs_human


def test_things_and_free_text_are_known_and_not_carried() -> None:
    translation = translated(object=[{"type": "VEHICLE"}], text="a long story", more="x")
    assert translation.unread == ("$.more",)
    assert "story" not in json.dumps(translation.events[0].to_cloudevent())


def test_another_record_of_the_same_time_is_another_event() -> None:
    (one,), (other,) = translated().events, translated(recordId="R-2").events
    assert one.id != other.id
    assert one.id == translated().events[0].id


def test_an_area_is_told_and_an_address_is_no_member() -> None:
    told = translated(location={"area": "Otherton", "address": "1 Example Street"})
    assert told.unread == ("$.location.address",)
    assert told.events[0].groups["location"]["home_area"] == "Otherton"


@pytest.mark.parametrize("value", [LEAST, *GOLDEN])
def test_the_schema_takes_what_the_adapter_takes(value: dict[str, Any]) -> None:
    schema().check_schema(SCHEMA)
    schema().validate(value)
    assert ADAPTER.translate(json.dumps(value).encode(), source="urn:x").events


@every("name", LEAST)
def test_the_schema_and_the_adapter_require_the_same(name: str) -> None:
    less = {key: value for key, value in LEAST.items() if key != name}
    assert not schema().is_valid(less)
    refusal(**{name: None})


@pytest.mark.parametrize(
    "change",
    [
        {"grading": "4AP"},
        {"grading": "1AC"},
        {"event": {"type": "OTHER"}},
        {"marking": "SECRET"},
    ],
)
def test_the_schema_refuses_what_the_adapter_refuses(change: dict[str, Any]) -> None:
    assert not schema().is_valid(record(**change))
    refusal(**change)


def test_the_schema_names_every_event() -> None:
    assert set(SCHEMA["properties"]["event"]["properties"]["type"]["enum"]) == set(EVENTS)


def test_what_is_written_keeps_to_the_schema() -> None:
    for path in (FOLDER / "pnd").glob("*.pole.out.json"):
        schema().validate(json.loads(path.read_text("utf-8")))


def rendered(**change: Any) -> Rendition | NotRendered:
    outbound = ADAPTER.form("pole")
    assert outbound
    return outbound.render(read_alert(json.dumps(json.loads(ARREST) | change).encode()))


def written(**change: Any) -> Any:
    made = rendered(**change)
    assert isinstance(made, Rendition)
    return json.loads(made.body)


@pytest.mark.parametrize(
    "change",
    [
        {"intel_grade": None},
        {"event_type": "org.throughgate.release.planned.v1"},
        {"facts": {"identity": {"family_name": "Specimen"}}},
        {"facts": {"identifiers": {"visor_ref": "99/1"}}},
    ],
)
def test_what_this_form_cannot_do_without_is_said(change: dict[str, Any]) -> None:
    assert isinstance(rendered(**change), NotRendered)


def test_a_record_is_traceable_and_says_whose_statements_these_are() -> None:
    made, alert = written(), json.loads(ARREST)
    assert made["alert"]["alertId"] == alert["message_id"]
    assert made["alert"]["caseRef"] == alert["case_ref"]
    assert made["alert"]["for"] == "action"
    assert made["alert"]["acknowledgeBy"] == alert["ack_required_by"]
    assert (made["grading"], made["conditions"]) == ("2BC", alert["intel_conditions"])
    assert {one["group"] for one in made["alert"]["stated"]} == {
        "identity", "identifiers", "location",
    }  # fmt: skip
    assert "mappa" not in json.dumps(made)


def test_a_record_made_from_an_alert_is_noted_where_it_comes_back() -> None:
    made = rendered()
    assert isinstance(made, Rendition)
    notes = ADAPTER.translate(made.body, source="urn:x").notes
    assert [note.path for note in notes] == ["$.alert"]


def test_a_recall_withdraws_and_is_for_a_human_where_it_comes_back() -> None:
    made = rendered(message_type="RECALL", supersedes="alt_earlier", facts={}, reason="retracted")
    assert isinstance(made, Rendition)
    value = json.loads(made.body)
    assert value["withdrawn"] is True
    assert value["alert"]["supersedes"] == "alt_earlier"
    with pytest.raises(UnsupportedEvent) as caught:
        ADAPTER.translate(made.body, source="urn:x")
    assert caught.value.needs_human


@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=50))
def test_any_name_is_carried_as_it_is(text: str) -> None:
    told = groups(person={"pncId": "1988/0000512V", "familyName": text})
    assert told.get("identity", {}).get("family_name", "") == text.strip()
