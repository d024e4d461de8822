"""Victim contact: opting in comes in, the release-area notice to the liaison officer goes out."""

import json

import pytest

from adapters.victim_contact import ADAPTER
from tests.adapters.referral_samples import (
    GONE,
    changed,
    content,
    declined,
    event,
    kept,
    malformed_at,
    needs_human,
    of_no_concern,
    refused,
    stated,
)
from tests.contract.test_adapter import AdapterContract

FORM = kept("victim_contact", "opt-in.in.json")
REQUEST = changed(
    FORM,
    form="licence-condition-request",
    status="requested",
    conditions=["Not to enter Exampleton."],
    opted_in=GONE,
)
RELEASE = kept("victim_contact", "release.alert.json")


class TestVictimContact(AdapterContract):
    adapter = ADAPTER


def test_an_opting_in_names_the_officer_and_never_the_victim() -> None:
    one = event(ADAPTER, FORM)
    assert one.kind == "victim.contact_opted_in"
    assert stated(one, "victim") == {
        "recorded": True,
        "relationship": "former partner",
        "address_area": "Example Borough North",
        "known_to": ["Example Probation"],
        "contact_opted_in": True,
        "liaison_officer": "B. Example",
    }
    assert stated(one, "professionals") == {
        "victim_liaison_officer": {"name": "B. Example", "contact": "01632 960104"}
    }
    said = json.dumps(one.to_cloudevent())
    for private in ("Sam Specimen", "2 Sample Street", "ZZ99 2AA", "telephoned"):
        assert private not in said


def test_an_opting_in_without_an_officer_or_a_word_on_the_victim_is_still_one() -> None:
    one = event(ADAPTER, changed(FORM, liaison_officer=GONE, victim=GONE))
    assert stated(one, "victim") == {"contact_opted_in": True}
    assert "professionals" not in one.groups


def test_an_officer_without_a_name_is_malformed() -> None:
    form = changed(FORM, liaison_officer={"contact": "01632 960104"})
    assert malformed_at(ADAPTER, form) == "$.liaison_officer.name"


def test_a_victim_who_does_not_opt_in_waits_for_a_human() -> None:
    assert needs_human(ADAPTER, changed(FORM, opted_in=False)) == "$.opted_in"


def test_opting_in_is_never_assumed() -> None:
    assert malformed_at(ADAPTER, changed(FORM, opted_in=GONE)) == "$.opted_in"


def test_a_condition_asked_for_is_not_in_force_and_waits_for_a_human() -> None:
    assert needs_human(ADAPTER, REQUEST) == "$.status"
    assert "not in force" in str(refused(ADAPTER, REQUEST))
    assert "Exampleton" not in str(refused(ADAPTER, REQUEST))


@pytest.mark.parametrize("status", ["agreed", "refused", "withdrawn"])
def test_a_request_already_decided_is_for_the_licences_own_record_to_state(status: str) -> None:
    assert of_no_concern(ADAPTER, changed(REQUEST, status=status)) == "$.status"


def test_a_status_nobody_knows_waits_for_a_human_and_none_is_malformed() -> None:
    assert needs_human(ADAPTER, changed(REQUEST, status="pending")) == "$.status"
    assert malformed_at(ADAPTER, changed(REQUEST, status=GONE)) == "$.status"


def test_a_notice_tells_day_area_and_the_conditions_that_protect_the_victim() -> None:
    told = content(ADAPTER, RELEASE)["told"]
    assert told == {
        "identity": {"family_name": "Specimen", "given_names": "Robin Jay"},
        "identifiers": {"crn": "X999001"},
        "custody": {"planned_date": "2026-03-23"},
        "location": {"home_area": "Example Borough"},
        "licence": RELEASE["facts"]["licence"],
    }


def test_a_notice_never_tells_an_address() -> None:
    address = {"lines": ["1 Marker Road"], "postcode": "ZZ99 1AA"}
    more = {"address": address, "address_status": "CONFIRMED", "approved_premises": "Marker House"}
    alert = changed(RELEASE, facts__location=RELEASE["facts"]["location"] | more)
    assert "Marker" not in json.dumps(content(ADAPTER, alert))


@pytest.mark.parametrize(
    "member",
    ["conditions", "exclusion_zones", "residence_conditions", "child_conditions"],
)
def test_a_notice_tells_no_condition_that_protects_another(member: str) -> None:
    alert = changed(RELEASE, **{f"facts__licence__{member}": ["marker"]})
    assert "marker" not in json.dumps(content(ADAPTER, alert))


def test_a_notice_without_day_area_or_condition_is_declined() -> None:
    less = changed(RELEASE, facts__custody=GONE, facts__location=GONE, facts__licence=GONE)
    assert "protects a victim" in declined(ADAPTER, less)


def test_an_update_says_what_it_supersedes() -> None:
    moved = content(ADAPTER, kept("victim_contact", "moved.alert.json"))
    assert moved["status"] == "UPDATED"
    assert moved["disclosure"]["supersedes"] == "alt_01example0017"
    assert moved["told"]["custody"] == {"planned_date": "2026-03-30"}
