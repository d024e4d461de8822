"""FHIR on plain objects: XML in the shape of JSON, references inside one message."""

import json

import pytest

from adapters.contract import UnsupportedEvent
from adapters.kit.fhir_text import (
    References,
    Resource,
    concept,
    day,
    extensions,
    json_resource,
    moment,
    read_resource,
    resources_of,
    stated,
    urn_of,
    write_json,
)
from adapters.kit.members import Members
from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import JsonObject

XML = b"""<?xml version="1.0"?>
<Bundle xmlns="http://hl7.org/fhir">
  <type value="collection"/>
  <entry>
    <fullUrl value="urn:uuid:1"/>
    <resource>
      <Patient>
        <id value="p"/>
        <contained><Organization><id value="o"/><name value="Example"/></Organization></contained>
        <extension url="urn:example:x"><valueBoolean value="true"/></extension>
        <active value="true"/>
        <name><family value="Specimen"/><given value="A"/><given value="B"/></name>
        <birthDate value="1980-01-01"><extension url="urn:example:y"/></birthDate>
      </Patient>
    </resource>
  </entry>
</Bundle>"""

JSON: JsonObject = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": {
        "fullUrl": "urn:uuid:1",
        "resource": {
            "resourceType": "Patient",
            "id": "p",
            "contained": {"resourceType": "Organization", "id": "o", "name": "Example"},
            "extension": {"url": "urn:example:x", "valueBoolean": "true"},
            "active": "true",
            "name": {"family": "Specimen", "given": ["A", "B"]},
            "birthDate": "1980-01-01",
        },
    },
}


def resources(*entries: JsonObject) -> tuple[Resource, ...]:
    bundle: JsonObject = {"resourceType": "Bundle", "entry": list(entries)}
    return resources_of(Members(bundle))


def find(reference: str, *entries: JsonObject) -> Resource | None:
    found = resources(*entries)
    return References(found).find(Members({"reference": reference}), found[0])


PATIENT: JsonObject = {
    "fullUrl": "https://a.example/fhir/Patient/p",
    "resource": {
        "resourceType": "Patient",
        "id": "p",
        "contained": [{"resourceType": "Organization", "id": "inner"}],
    },
}
PRACTICE: JsonObject = {
    "fullUrl": "https://a.example/fhir/Organization/o",
    "resource": {"resourceType": "Organization", "id": "o"},
}
BY_URN: JsonObject = {"fullUrl": "urn:uuid:7", "resource": {"resourceType": "Organization"}}


def test_xml_is_brought_into_the_shape_of_json() -> None:
    assert read_resource(XML) == JSON


def test_the_parts_of_primitives_are_not_read() -> None:
    value: JsonObject = {"resourceType": "Patient", "birthDate": "1980-01-01", "_birthDate": {}}
    assert json_resource(value) == {"resourceType": "Patient", "birthDate": "1980-01-01"}


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"resourceType": 1}',
        b'{"resourceType": "patient"}',
        b"[]",
        b"<a/>",
        b"<Patient",
        b"x",
    ],
)
def test_what_is_no_resource_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedEvent):
        read_resource(body)


def test_an_entry_of_two_resources_is_refused() -> None:
    body = b"<Bundle><entry><resource><Patient/><Patient/></resource></entry></Bundle>"
    with pytest.raises(MalformedEvent):
        read_resource(body)


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("https://a.example/fhir/Organization/o", "Organization"),
        ("https://a.example/fhir/Organization/o/_history/3", "Organization"),
        ("Organization/o", "Organization"),
        ("urn:uuid:7", "Organization"),
        ("#inner", "Organization"),
        ("https://b.example/fhir/Organization/o", None),
        ("Organization/other", None),
        ("urn:uuid:8", None),
        ("#outer", None),
    ],
)
def test_a_reference_is_found_in_the_message_or_not_at_all(
    reference: str, kind: str | None
) -> None:
    found = find(reference, PATIENT, PRACTICE, BY_URN)
    assert (found.type if found else None) == kind


def test_a_relative_reference_is_to_what_stands_beside() -> None:
    beside: JsonObject = {
        "fullUrl": "https://a.example/fhir/Organization/x",
        "resource": {"resourceType": "Organization"},
    }
    assert find("Organization/x", PATIENT, beside) is not None
    assert find("Organization/x", BY_URN, beside) is None


def test_two_resources_of_one_name_need_a_human() -> None:
    with pytest.raises(UnsupportedEvent) as error:
        find("Organization/o", PATIENT, PRACTICE, {**PRACTICE, "fullUrl": "urn:uuid:9"})
    assert error.value.needs_human


def test_a_reference_by_identifier_alone_is_not_looked_for() -> None:
    found = resources(PATIENT, PRACTICE)
    assert References(found).find(Members({"identifier": {"value": "o"}}), found[0]) is None


@pytest.mark.parametrize(
    ("text", "of_day", "of_time"),
    [
        ("1980", None, None),
        ("1980-01", None, None),
        ("1980-01-31", "1980-01-31", None),
        ("2026-02-02T09:30:00+01:00", "2026-02-02", "2026-02-02T09:30:00+01:00"),
        ("2026-02-02T09:30:00.123Z", "2026-02-02", "2026-02-02T09:30:00.123Z"),
    ],
)
def test_a_date_says_as_much_as_it_says(text: str, of_day: str | None, of_time: str | None) -> None:
    assert day(Members({"on": text}), "on") == of_day
    assert moment(Members({"on": text}), "on") == of_time


@pytest.mark.parametrize(
    "text", ["2026-02-02T09:30:00", "2026-02-30", "02/02/2026", "2026-13", "26"]
)
def test_a_date_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedEvent):
        day(Members({"on": text}), "on")


def test_extensions_go_by_their_url_and_none_is_left_unread() -> None:
    members = Members({"extension": [{"url": "urn:a", "valueCode": "x"}, {"url": "urn:b", "z": 1}]})
    assert sorted(extensions(members)) == ["urn:a", "urn:b"]
    assert members.unread() == ()


def test_a_urn_is_a_version_8_uuid_that_the_same_parts_give_again() -> None:
    urn = urn_of("alt_1", "patient")
    assert urn == urn_of("alt_1", "patient") != urn_of("alt_1p", "atient")
    digits = urn.removeprefix("urn:uuid:")
    assert (len(digits), digits[14], digits[19] in "89ab") == (36, "8", True)


def test_what_states_nothing_is_not_written() -> None:
    assert stated({"a": None, "b": [], "c": {}, "d": "", "e": False, "f": 0}) == {
        "e": False,
        "f": 0,
    }
    assert concept("urn:s", "c") == {"coding": [{"system": "urn:s", "code": "c"}]}
    assert json.loads(write_json({"a": "\u2019\n"})) == {"a": "\u2019\n"}
