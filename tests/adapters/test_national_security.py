"""Category 4: a marker that never says why, and a notice that tells next to nothing."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from adapters.contract import NotRendered, Rendition, Translation, UnsupportedEvent
from adapters.national_security import ADAPTER
from gateway.model.alert import read_alert
from gateway.model.problem import MalformedEvent
from tests.adapters.examples import FOLDER
from tests.contract.test_adapter import AdapterContract
from tests.third_party import missing

NAME = "national_security"
RELEASE = (FOLDER / NAME / "release.alert.json").read_bytes()
SCHEMA = json.loads(
    Path(__file__).parents[2].joinpath(f"docs/reference/adapters/{NAME}.schema.json").read_text("utf-8")
)  # fmt: skip
LEAST: dict[str, Any] = {
    "system": "Panel register",
    "recordedAt": "2026-02-07T11:30:00Z",
    "marker": "ON",
    "person": {"pncId": "2001/0000064J"},
    "restrictedTo": ["Counter Terrorism Policing Example"],
}


def schema() -> Any:
    """The published schema, as a validator not our own."""
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        missing("the package jsonschema")
    return Draft202012Validator(SCHEMA)


class TestNationalSecurity(AdapterContract):
    adapter = ADAPTER


def marker(**more: Any) -> dict[str, Any]:
    """A marker; keyword arguments set members, None takes one out."""
    made = {**copy.deepcopy(LEAST), **more}
    return {name: value for name, value in made.items() if value is not None}


def translated(**more: Any) -> Translation:
    body = json.dumps(marker(**more)).encode()
    return ADAPTER.translate(body, source="urn:example:agency")


def event(**more: Any) -> Any:
    (made,) = translated(**more).events
    return made


def refusal(**more: Any) -> MalformedEvent:
    with pytest.raises(MalformedEvent) as caught:
        translated(**more)
    return caught.value


@pytest.mark.parametrize(
    ("members", "kind", "mappa"),
    [
        ({"category": 4}, "mappa.category_changed", {"category": 4}),
        ({"category": 4, "level": 3}, "mappa.category_changed", {"category": 4, "level": 3}),
        ({"category": 4, "level": 0}, "mappa.category_changed", {"category": 4}),
        ({}, "risk.flag_raised", {}),
        ({"level": 2}, "risk.flag_raised", {"level": 2}),
        ({"marker": "OFF"}, "risk.flag_ended", {}),
    ],
)
def test_a_marker_says_that_and_never_more(
    members: dict[str, Any], kind: str, mappa: dict[str, int]
) -> None:
    made = event(**members)
    assert made.kind == kind
    told = made.groups.get("mappa", {})
    assert {name: told[name] for name in ("category", "level") if name in told} == mappa


@pytest.mark.parametrize("category", [1, 2, 3, 5, 0])
def test_another_category_contradicts_the_marker(category: int) -> None:
    error = refusal(category=category)
    assert isinstance(error, UnsupportedEvent)
    assert error.needs_human


@pytest.mark.parametrize(
    "members",
    [
        {"marker": "OFF", "category": 4},
        {"marker": "MAYBE"},
        {"level": 4},
        {"marking": "SENSITIVE"},
    ],
)
def test_what_contradicts_itself_or_has_no_known_meaning_needs_a_human(
    members: dict[str, Any],
) -> None:
    error = refusal(**members)
    assert isinstance(error, UnsupportedEvent)
    assert error.needs_human


@pytest.mark.parametrize("name", ["reason", "grounds", "why", "narrative", "intelligence"])
def test_a_marker_that_says_why_is_refused_and_not_quoted(name: str) -> None:
    text = str(refusal(**{name: "the whole story"}))
    assert text == f"$.{name}: this form never says why"
    assert translated(**{name: ""}).unread == ()


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"restrictedTo": None}, "$.restrictedTo: required"),
        ({"restrictedTo": []}, "$.restrictedTo: required"),
        ({"restrictedTo": [" "]}, "$.restrictedTo: required"),
        ({"marker": None}, "$.marker: required"),
        ({"recordedAt": None}, "$.recordedAt: required"),
        ({"system": None}, "$.system: required"),
        ({"person": None}, "$.person: required"),
        ({"person": {}}, "$.person.pncId: one of"),
        ({"caseContact": {"contact": "01632 960105"}}, "$.caseContact.unit: required"),
        ({"marking": "SECRET"}, "$.marking: above OFFICIAL-SENSITIVE"),
        ({"marking": "TOP SECRET"}, "$.marking: above OFFICIAL-SENSITIVE"),
        ({"marking": "CONFIDENTIAL"}, "$.marking: of the former scheme"),
        ({"grading": "1AC"}, "$.conditions: required"),
    ],
)
def test_what_is_not_in_its_form_is_refused_by_its_path(members: dict[str, Any], path: str) -> None:
    error = refusal(**members)
    assert not isinstance(error, UnsupportedEvent)
    assert str(error).startswith(path)


@pytest.mark.parametrize("on", ["ON", "OFF"])
def test_a_case_is_restricted_to_those_named_whether_marked_or_no_longer(on: str) -> None:
    handling = event(marker=on).groups["handling"]
    assert handling["restricted"] is True
    assert handling["restricted_to"] == LEAST["restrictedTo"]


def test_the_contact_of_the_case_is_the_unit() -> None:
    told = event(caseContact={"unit": "Unit Example", "contact": "01632 960105"}).groups["mappa"]
    assert told["coordinator_contact"] == "Unit Example, 01632 960105"
    told = event(caseContact={"unit": "Unit Example"}).groups["mappa"]
    assert told["coordinator_contact"] == "Unit Example"


def test_a_marker_sent_again_is_the_same_event_and_off_is_another() -> None:
    assert event().id == event().id
    assert len({event().id, event(marker="OFF").id, event(panelRef="P-2").id}) == 3


GOLDEN = [json.loads(path.read_text("utf-8")) for path in sorted((FOLDER / NAME).glob("*.in.json"))]


@pytest.mark.parametrize("value", [LEAST, *GOLDEN])
def test_the_schema_takes_what_the_adapter_takes(value: dict[str, Any]) -> None:
    schema().check_schema(SCHEMA)
    schema().validate(value)
    assert ADAPTER.translate(json.dumps(value).encode(), source="urn:x").events


@pytest.mark.parametrize("name", LEAST)
def test_the_schema_and_the_adapter_require_the_same(name: str) -> None:
    assert not schema().is_valid({key: value for key, value in LEAST.items() if key != name})
    refusal(**{name: None})


@pytest.mark.parametrize(
    "change",
    [
        {"category": 1},
        {"marker": "MAYBE"},
        {"reason": "x"},
        {"restrictedTo": []},
        {"marking": "SECRET"},
        {"marker": "OFF", "category": 4},
        {"grading": "1AC"},
    ],
)
def test_the_schema_refuses_what_the_adapter_refuses(change: dict[str, Any]) -> None:
    assert not schema().is_valid(marker(**change))
    refusal(**change)


def rendered(**change: Any) -> Rendition | NotRendered:
    outbound = ADAPTER.form("panel-notice")
    assert outbound
    return outbound.render(read_alert(json.dumps(json.loads(RELEASE) | change).encode()))


def notice(**change: Any) -> Any:
    made = rendered(**change)
    assert isinstance(made, Rendition)
    return json.loads(made.body)


def test_a_notice_is_reference_dates_level_contact_and_what_is_asked() -> None:
    made, alert = notice(), json.loads(RELEASE)
    assert set(made) == {
        "notice", "alert", "occurredAt", "reference", "category", "level", "dates", "contact",
        "asked",
    }  # fmt: skip
    assert made["alert"]["alertId"] == alert["message_id"]
    assert made["alert"]["caseRef"] == alert["case_ref"]
    assert made["alert"]["conditions"] == "Specialist panel only."
    assert made["dates"] == {"planned": "2026-06-10", "nextReview": "2026-03-12"}
    assert made["contact"] == "mappa.example@example.org"


def test_a_notice_names_nobody_and_tells_no_place_and_no_risk() -> None:
    made = rendered()
    assert isinstance(made, Rendition)
    for word in (b"Specimen", b"Ffion", b"1990", b"2001/0000064J", b"Z0006ZZ", b"Close", b"high"):
        assert word not in made.body


@pytest.mark.parametrize("mappa", [{}, {"category": 1}, {"category": 3, "level": 2}, {"level": 3}])
def test_only_a_case_told_to_be_of_category_4_is_for_the_panel(mappa: dict[str, int]) -> None:
    facts = json.loads(RELEASE)["facts"] | {"mappa": mappa}
    assert isinstance(rendered(facts=facts), NotRendered)


def test_what_is_asked_is_what_the_alert_is_for() -> None:
    assert notice()["asked"].startswith("Acknowledge")
    assert notice(recipient_type="FI")["asked"].startswith("Nothing")


def test_without_a_coordinator_the_professional_is_the_contact() -> None:
    facts = json.loads(RELEASE)["facts"]
    facts["mappa"].pop("coordinator_contact")
    assert notice(facts=facts)["contact"]["contact"] == "01632 960104"


def test_a_recall_withdraws_the_notice_of_the_alert_it_names() -> None:
    made = notice(message_type="RECALL", supersedes="alt_earlier", facts={}, reason="retracted")
    assert set(made) == {"notice", "alert"}
    assert made["notice"] == "WITHDRAWN"
    assert made["alert"]["supersedes"] == "alt_earlier"


@pytest.mark.parametrize("message", ["UPDATE", "CORRECTION"])
def test_a_revision_names_what_it_supersedes(message: str) -> None:
    made = notice(message_type=message, supersedes="alt_earlier")["alert"]
    assert (made["message"], made["supersedes"]) == (message, "alt_earlier")
