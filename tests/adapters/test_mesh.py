"""MNS signals: the few that say enough are translated; what an alert becomes says no more."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import NotRendered, Rendition, UnsupportedEvent
from adapters.mesh import ADAPTER, NAMED_BY_CODE, render
from gateway.model.alert import Alert, parse_alert
from gateway.model.identifiers import check_nhs_number
from gateway.model.kinds import KINDS
from gateway.model.problem import MalformedEvent
from tests.adapters.examples import FOLDER, SOURCE
from tests.contract.test_adapter import AdapterContract, share
from tests.support.every import every
from tests.third_party import missing

EXAMPLES = FOLDER / "mesh"
SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "adapters" / "mesh.schema.json"
SIGNAL: dict[str, Any] = json.loads((EXAMPLES / "change-of-gp.in.json").read_text("utf-8"))
RELEASE: dict[str, Any] = json.loads((EXAMPLES / "release.alert.json").read_text("utf-8"))


class TestMesh(AdapterContract):
    adapter = ADAPTER


def signal(**changes: Any) -> bytes:
    value = {name: one for name, one in (SIGNAL | changes).items() if one is not ...}
    return json.dumps(value).encode()


def translate(body: bytes) -> Any:
    return ADAPTER.translate(body, source=SOURCE)


def refused(**changes: Any) -> MalformedEvent:
    with pytest.raises(MalformedEvent) as error:
        translate(signal(**changes))
    return error.value


# What a change of practice says.


def test_a_change_of_practice_states_the_practice_by_its_code_and_no_name_of_it() -> None:
    translation = translate(signal())
    (event,) = translation.events
    assert event.kind == "health.care_team_recorded"
    routing = event.groups["health_routing"]
    assert routing["registered_practice"] == {"name": "ODS code Z99901", "ods": "Z99901"}
    assert {"community_gp", "mental_health_team"}.isdisjoint(routing)
    assert routing["source_system"] == "PDS"
    assert [str(note) for note in translation.notes] == [
        f"$.filtering.generalpractitioner: {NAMED_BY_CODE}"
    ]


def test_the_number_is_the_one_pds_keeps_its_record_under() -> None:
    (event,) = translate(signal()).events
    assert event.groups["identifiers"]["nhs_number"] == "9990000018"
    assert event.groups["identifiers"]["nhs_number_status"] == "01"


def test_the_time_and_the_age_of_the_facts_are_the_signal_s() -> None:
    (event,) = translate(signal(time="2026-06-01T14:00:00.123+01:00")).events
    assert event.occurred_at.isoformat() == "2026-06-01T14:00:00.123000+01:00"
    assert event.groups["health_routing"]["as_of"] == "2026-06-01T14:00:00.123+01:00"


@pytest.mark.parametrize("time", [..., "", "yesterday", "2026-02-30T10:00:00Z", 3])
def test_a_signal_without_a_time_is_malformed(time: object) -> None:
    assert not isinstance(refused(time=time), UnsupportedEvent)


def test_two_signals_are_two_events_and_one_sent_again_is_the_same() -> None:
    first, again, other = (
        translate(body).events[0].id for body in (signal(), signal(), signal(id="another"))
    )
    assert first == again != other


@pytest.mark.parametrize("subject", ["9990000019", "1111111111", "999000001", "Specimen", "", ...])
def test_a_subject_that_is_no_nhs_number_is_malformed(subject: object) -> None:
    error = refused(subject=subject, dataref=...)
    assert not isinstance(error, UnsupportedEvent)
    assert str(subject) not in str(error) or subject in ("", ...)


@pytest.mark.parametrize("code", ["Z9", "Z99901 ", "Z99-901", "ÄÖÜ", "Z" * 11])
def test_a_code_that_is_none_is_malformed(code: str) -> None:
    if code == "Z99901 ":
        assert translate(signal(filtering={"generalpractitioner": code})).events
        return
    error = refused(filtering={"generalpractitioner": code})
    assert "$.filtering.generalpractitioner: must be an ODS code" in str(error)


@given(ods=st.from_regex(r"[A-Z0-9]{3,10}", fullmatch=True))
@share(20)
def test_any_code_in_form_comes_out_as_it_went_in(ods: str) -> None:
    (event,) = translate(signal(filtering={"generalpractitioner": ods})).events
    practice = event.groups["health_routing"]["registered_practice"]
    assert isinstance(practice, dict)
    assert practice["ods"] == ods


# What needs a human.


@every(
    ("changes", "path"),
    [
        ({"type": "pds-death-notification-2"}, "$.type"),
        ({"type": "pds-death-notification-1"}, "$.type"),
        ({"type": "pds-death-notification-3"}, "$.type"),
        ({"type": "nhs-number-change-2"}, "$.type"),
        ({"type": "nhs-number-change-1"}, "$.type"),
        ({"type": "pds-change-of-gp-1"}, "$.type"),
        ({"type": "pds-change-of-gp-3"}, "$.type"),
        ({"filtering": ...}, "$.filtering"),
        ({"filtering": {}}, "$.filtering"),
        ({"filtering": {"generalpractitioner": ""}}, "$.filtering"),
        ({"filtering": {"generalpractitioner": "Z99901", "action": "DELETE"}}, "$.filtering.act"),
        ({"dataref": "https://pds.example/Patient/9990000026"}, "$.dataref"),
    ],
)
def test_what_may_matter_and_cannot_be_told_is_for_a_human(
    changes: dict[str, Any], path: str
) -> None:
    error = refused(**changes)
    assert isinstance(error, UnsupportedEvent)
    assert error.needs_human
    assert str(error).startswith(path)
    assert "needs a human: " in str(error)
    assert "999000" not in str(error)


def test_a_death_is_never_told_as_a_death_in_custody() -> None:
    error = refused(type="pds-death-notification-2")
    assert isinstance(error, UnsupportedEvent)
    assert error.event_type == "pds-death-notification-2"
    assert "PDS says which" in str(error)


# What is none of the gateway's business.


@every(
    "type_",
    [
        "pds-record-change-2",
        "patientflags-change-1",
        "gpreg-change-gp-req-1",
        "vrs-proxy-role-created-1",
        "vrs-proxy-role-changed-1",
        "vrs-proxy-role-deleted-1",
        "nhshco-hc-complete-1",
        "imms-vaccination-record-change-1",
        "pathology-laboratory-reporting-test-result-stored-1",
        "pdm-resource-change-1",
        "something-else",
        "Arthur Specimen",
    ],
)
def test_any_other_signal_is_passed_over_with_its_reason(type_: str) -> None:
    error = refused(type=type_)
    assert isinstance(error, UnsupportedEvent)
    assert not error.needs_human
    assert "Specimen" not in str(error)


@pytest.mark.parametrize(
    "changes",
    [{"specversion": "0.3"}, {"specversion": ...}, {"type": ...}, {"id": ...}, {"filtering": []}],
)
def test_what_is_no_signal_is_malformed(changes: dict[str, Any]) -> None:
    assert not isinstance(refused(**changes), UnsupportedEvent)


def test_a_fhir_signal_is_told_how_to_subscribe() -> None:
    with pytest.raises(MalformedEvent, match="subscribe with the payload application/json"):
        translate(b'{"resourceType":"Bundle","type":"history"}')


def test_a_member_nobody_knows_is_reported_by_name() -> None:
    assert translate(signal(novelty=1)).unread == ("$.novelty",)
    body = signal(filtering={"generalpractitioner": "Z99901", "ward": "7"})
    assert translate(body).unread == ("$.filtering.ward",)


# What an alert becomes.


def alert(**changes: Any) -> Alert:
    return parse_alert(RELEASE | changes)


def rendered(**changes: Any) -> dict[str, Any]:
    made = render(alert(**changes))
    assert isinstance(made, Rendition)
    said: dict[str, Any] = json.loads(made.body)
    return said


def test_the_signals_keep_to_the_published_schema() -> None:
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        missing("the package jsonschema")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    golden = sorted(EXAMPLES.glob("*.signal.out.json"))
    assert len(golden) == 3
    said = [json.loads(path.read_text("utf-8")) for path in golden]
    said += [rendered(event_type=f"org.throughgate.{kind}.v1") for kind in sorted(KINDS)]
    said.append(rendered(message_type="RECALL", facts={}, reason="retracted", supersedes="alt_1"))
    for one in said:
        Draft202012Validator(schema).validate(one)


def test_the_published_schema_names_every_member_that_is_written() -> None:
    properties = json.loads(SCHEMA.read_text("utf-8"))["properties"]
    graded = rendered(intel_grade="1AC", intel_conditions="x", supersedes="alt_1")
    recall = rendered(message_type="RECALL", facts={}, reason="retracted")
    assert graded.keys() | recall.keys() == set(properties)
    assert graded["filtering"].keys() == properties["filtering"]["properties"].keys()


def test_a_signal_says_whom_and_where_and_nothing_of_what() -> None:
    said = rendered()
    assert said["subject"] == "9990000018"
    assert said["filtering"] == {"generalpractitioner": "Z99902", "action": "CREATE"}
    assert said["dataref"] == f"urn:throughgate:gateway.example:alert:{RELEASE['message_id']}"
    facts = json.dumps(RELEASE["facts"]["custody"])
    assert all(word not in json.dumps(said) for word in ("Surgery", "XXA", "2026-03-16")), facts


@pytest.mark.parametrize("group", ["identifiers", "health_routing"])
def test_what_was_not_told_is_not_in_the_signal(group: str) -> None:
    facts = {name: one for name, one in RELEASE["facts"].items() if name != group}
    said = rendered(facts=facts)
    assert ("subject" in said) is (group != "identifiers")
    assert ("generalpractitioner" in said["filtering"]) is (group != "health_routing")


@pytest.mark.parametrize("status", ["02", "03", "04", "05", "06", "07", "08"])
def test_an_untraced_number_names_nobody(status: str) -> None:
    facts = {"identifiers": {"nhs_number": "9990000018", "nhs_number_status": status}}
    assert "subject" not in rendered(facts=facts)


@pytest.mark.parametrize("practice", ["NOT_RECORDED", {"name": "Example Street Surgery"}])
def test_a_practice_without_a_code_is_no_filter(practice: object) -> None:
    facts = {"health_routing": {"registered_practice": practice}}
    assert rendered(facts=facts)["filtering"] == {"action": "CREATE"}


@every("kind", sorted(KINDS))
def test_every_kind_has_a_type_of_its_own_in_mns_s_form(kind: str) -> None:
    type_ = rendered(event_type=f"org.throughgate.{kind}.v1")["type"]
    assert type_ == f"throughgate-{kind.replace('.', '-').replace('_', '-')}-1"


@pytest.mark.parametrize(
    ("message", "action"),
    [("NOTIFY", "CREATE"), ("UPDATE", "UPDATE"), ("CORRECTION", "UPDATE"), ("RECALL", "DELETE")],
)
def test_each_message_is_an_action_and_names_what_it_supersedes(message: str, action: str) -> None:
    facts = {} if message == "RECALL" else RELEASE["facts"]
    said = rendered(message_type=message, supersedes="alt_earlier", facts=facts)
    assert said["filtering"]["action"] == action
    assert (said["alertmessage"], said["supersedes"]) == (message, "alt_earlier")


def test_how_the_alert_is_to_be_handled_goes_with_it() -> None:
    said = rendered(intel_grade="1AC", intel_conditions="Ask first.", recipient_type="FI")
    assert said["marking"] == "OFFICIAL-SENSITIVE"
    assert (said["handlinggrade"], said["handlingconditions"]) == ("1AC", "Ask first.")
    assert (said["caseref"], said["recipienttype"]) == (RELEASE["case_ref"], "FI")
    assert said["acknowledgeby"] == "2026-02-03T09:30:00Z"
    quiet = rendered(ack_required_by=None)
    assert {"handlinggrade", "handlingconditions", "acknowledgeby"}.isdisjoint(quiet)


@pytest.mark.parametrize(
    "changes", [{"source": "gateway example"}, {"source": ""}, {"message_id": "a b"}]
)
def test_an_id_that_makes_no_reference_is_not_rendered(changes: dict[str, str]) -> None:
    made = render(alert(**changes))
    assert isinstance(made, NotRendered)
    assert "example" not in made.reasons[0]


def test_attribute_names_keep_to_cloudevents() -> None:
    said = rendered(intel_grade="1AC", intel_conditions="x", supersedes="alt_1")
    assert all(name.isascii() and name.isalnum() and name.islower() for name in said)


def test_the_numbers_in_the_examples_are_synthetic() -> None:
    for path in EXAMPLES.iterdir():
        for word in path.read_text("utf-8").replace('"', " ").replace("/", " ").split():
            if len(word) == 10 and word.isdigit():
                assert word.startswith("999")
                assert check_nhs_number(word) == word
