"""The envelope: bare or notified, whom it is about, when it happened, and its fixed id."""

import copy
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import UnsupportedEvent
from adapters.hmpps_domain_events import ADAPTER
from gateway.model.event import CanonicalEvent
from gateway.model.problem import MalformedEvent
from tests.adapters.samples import (
    HMPPS_SAMPLES,
    NOMS,
    body,
    movement,
    notification,
    registration,
    simple,
)
from tests.contract.test_adapter import JSON_VALUES


def translate(message: bytes) -> CanonicalEvent:
    (translated,) = ADAPTER.translate(message, source="urn:example:agency").events
    return translated


def fault(message: bytes) -> str:
    with pytest.raises(MalformedEvent) as caught:
        translate(message)
    return str(caught.value)


def test_a_notified_event_is_the_same_event_as_a_bare_one() -> None:
    assert translate(notification(movement())) == translate(body(movement()))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"occurredAt": "2026-02-04T07:03:50"}, "$.occurredAt"),
        ({"occurredAt": "2026-02-04 07:03:50Z"}, "$.occurredAt"),
        ({"occurredAt": None}, "$.occurredAt"),
        ({"eventType": None}, "$.eventType"),
        ({"eventType": ""}, "$.eventType"),
        ({"version": None}, "$.version"),
        ({"version": "1.0"}, "$.version"),
        ({"version": True}, "$.version"),
        ({"additionalInformation": []}, "$.additionalInformation"),
        ({"personReference": []}, "$.personReference"),
        ({"personReference": {"identifiers": {"a": 1}}}, "$.personReference.identifiers"),
        ({"personReference": {"identifiers": [1]}}, "$.personReference.identifiers[0]"),
        (
            {"personReference": {"identifiers": [{"type": "NOMS"}]}},
            "$.personReference.identifiers[0]",
        ),
    ],
)
def test_a_fault_in_the_envelope_is_named_by_its_path(change: dict[str, Any], path: str) -> None:
    assert fault(body(movement() | change)).startswith(f"{path}:")
    assert fault(notification(movement() | change)).startswith(f"{path}:".replace("$", "$.Message"))


def test_faults_of_the_notification_itself_are_named() -> None:
    assert fault(b'{"Type":"Notification"}').startswith("$.Message:")
    assert fault(b'{"Type":"Notification","Message":"[]"}').startswith("$.Message:")
    assert fault(b'{"Type":"Notification","Message":"{\\"a\\":1,\\"a\\":2}"}').startswith(
        "$.Message..a:"
    )
    assert fault(b"{}").startswith("$.eventType:")


@pytest.mark.parametrize("type_", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_a_notification_that_notifies_of_no_event_is_unsupported(type_: str) -> None:
    with pytest.raises(UnsupportedEvent) as caught:
        translate(json.dumps({"Type": type_, "Message": "confirm"}).encode())
    assert caught.value.event_type is None


def test_an_unknown_type_is_unsupported_and_named_whatever_version_it_states() -> None:
    with pytest.raises(UnsupportedEvent) as caught:
        translate(body(simple("probation-case.something.new") | {"version": "1.0"}))
    assert caught.value.event_type == "probation-case.something.new"
    assert not caught.value.needs_human


@pytest.mark.parametrize("value", ["z0001zz", "Z0001Z", "Z0001ZZ ", "", "X999001"])
def test_a_prison_number_that_fails_its_check_is_refused_and_not_quoted(value: str) -> None:
    event = movement(nomsNumber=None)
    event["personReference"] = {"identifiers": [{"type": "NOMS", "value": value}]}
    text = fault(body(event))
    assert text.startswith("$.personReference.identifiers[0].value:")
    assert not value or value not in text


def test_a_case_reference_that_fails_its_check_is_refused() -> None:
    event = registration()
    event["personReference"]["identifiers"][0]["value"] = "D1974X"
    assert "$.personReference.identifiers[0].value:" in fault(body(event))


def test_an_event_about_nobody_is_refused() -> None:
    event = movement(nomsNumber=None) | {"personReference": None}
    assert fault(body(event)).startswith("$.personReference:")


def test_an_event_about_two_people_is_refused() -> None:
    text = fault(body(movement(nomsNumber="Z0002ZZ")))
    assert "differs from another number" in text
    assert NOMS not in text


def test_identifiers_of_other_types_are_passed_over() -> None:
    event = movement()
    event["personReference"]["identifiers"].append({"type": "PNC", "value": "anything"})
    members = translate(body(event)).groups["identifiers"]
    assert "pnc" not in members
    assert members["noms"] == NOMS


def test_a_repeat_gets_the_same_id_though_published_and_written_differently() -> None:
    again = movement(details="otherwise") | {
        "publishedAt": "2026-02-05T00:00:00Z",
        "occurredAt": "2026-02-04T08:03:50.912169123+01:00",
    }
    assert translate(body(again)).id == translate(body(movement())).id


@pytest.mark.parametrize(
    "other",
    [
        movement(nomsNumber="Z0002ZZ") | {"personReference": None},
        movement(reason="RELEASED_TO_HOSPITAL"),
        movement() | {"occurredAt": "2026-02-04T07:03:51Z"},
        movement(kind="received", reason="TRANSFERRED", currentPrisonStatus="UNDER_PRISON_CARE"),
    ],
)
def test_another_person_reason_time_or_type_gets_another_id(other: dict[str, Any]) -> None:
    assert translate(body(other)).id != translate(body(movement())).id


def test_the_id_is_the_prefix_and_128_bits_of_a_digest() -> None:
    id_ = translate(body(movement())).id
    assert id_.startswith("hmpps-")
    assert len(bytes.fromhex(id_.removeprefix("hmpps-"))) == 16


@pytest.mark.parametrize(
    "name", ["nomsNumber", "prisonerNumber", "prisonerId", "offenderNo", "prisonNumber"]
)
def test_a_prison_number_is_found_under_each_of_its_names(name: str) -> None:
    event = simple("calculate-release-dates.prisoner.changed", bookingId=1, **{name: NOMS})
    del event["personReference"]
    assert translate(body(event)).groups["identifiers"]["noms"] == NOMS


def test_members_nobody_knows_are_reported_by_path_and_known_ones_are_not() -> None:
    event = movement(somethingNew="Jo Example") | {"another": 1}
    assert ADAPTER.translate(body(event), source="urn:example:agency").unread == (
        "$.another",
        "$.additionalInformation.somethingNew",
    )
    around = json.loads(notification(event)) | {"Stamp": "x", "TopicArn": "arn:example"}
    unread = ADAPTER.translate(json.dumps(around).encode(), source="urn:example:agency").unread
    assert unread == (
        "$.Stamp",
        "$.Message.another",
        "$.Message.additionalInformation.somethingNew",
    )


def test_the_members_of_every_movement_are_known_whatever_its_code_says() -> None:
    for code in ("CR", "UAL", "DEC", "MRG", "HO", "DD"):
        translation = ADAPTER.translate(body(movement(code)), source="urn:example:agency")
        assert translation.unread == ()


def _places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    steps: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        steps = list(value.items())
    elif isinstance(value, list):
        steps = list(enumerate(value))
    return [path] * bool(path) + [
        place for step, inner in steps for place in _places(inner, (*path, step))
    ]


def _with(event: dict[str, Any], place: tuple[str | int, ...], value: object) -> dict[str, Any]:
    changed = copy.deepcopy(event)
    inner: Any = changed
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return changed


BARE = [json.loads(sample) for sample in HMPPS_SAMPLES.values() if b'"Message"' not in sample]


@given(drawn=st.data())
def test_any_member_may_hold_any_json_and_only_malformed_event_comes_of_it(
    drawn: st.DataObject,
) -> None:
    event = drawn.draw(st.sampled_from(BARE))
    place = drawn.draw(st.sampled_from(_places(event)))
    changed = _with(event, place, drawn.draw(JSON_VALUES))
    with suppress(MalformedEvent):
        translate(body(changed))


@given(drawn=st.data())
def test_no_error_quotes_what_a_member_holds(drawn: st.DataObject) -> None:
    event = drawn.draw(st.sampled_from(BARE))
    place = drawn.draw(st.sampled_from(_places(event)))
    changed = _with(event, place, "Jo Example 07700 900123")
    text = ""
    try:
        translate(body(changed))
    except MalformedEvent as error:
        text = f"{error} {getattr(error, 'event_type', '')}"
    assert "07700" not in text
    assert "Example" not in text
