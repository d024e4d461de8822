"""MAPPA status and risk of serious harm from probation registrations."""

from typing import Any

import pytest

from adapters.contract import UnsupportedEvent
from adapters.hmpps_domain_events import ADAPTER
from gateway.model.event import CanonicalEvent
from gateway.model.problem import MalformedEvent
from tests.adapters.samples import CRN, NOMS, body, registration, simple


def translate(event: dict[str, Any]) -> CanonicalEvent:
    (translated,) = ADAPTER.translate(body(event), source="urn:example:probation")
    return translated


def stated(event: CanonicalEvent, group: str) -> dict[str, Any]:
    provenance = {"assertion", "as_of", "source_system", "verified"}
    return {name: value for name, value in event.groups[group].items() if name not in provenance}


@pytest.mark.parametrize("change", ["added", "updated"])
@pytest.mark.parametrize(
    ("category", "level", "mappa"),
    [
        ("M1", "M1", {"category": 1, "level": 1}),
        ("M2", "M2", {"category": 2, "level": 2}),
        ("M3", "M3", {"category": 3, "level": 3}),
        ("M4", "M3", {"category": 4, "level": 3}),
        ("X9", "M2", {"level": 2}),
        ("M0", "M2", {"level": 2}),
        ("M1", "M0", {"category": 1}),
        ("M1", "", {"category": 1}),
        ("", "", {}),
    ],
)
def test_mappa_codes_become_numbers_and_unknown_ones_are_left_out(
    change: str, category: str, level: str, mappa: dict[str, int]
) -> None:
    event = translate(registration(change=change, category=category, level=level))
    assert event.kind == "mappa.level_changed"
    assert stated(event, "mappa") == mappa
    assert stated(event, "identifiers") == {"crn": CRN, "noms": NOMS}
    assert event.groups["mappa"]["assertion"] == "fact"
    assert event.groups["mappa"]["source_system"] == "nDelius"


@pytest.mark.parametrize(
    ("category", "level"), [("M5", "M1"), ("M1", "M4"), ("1", "M1"), ("M1", "X9")]
)
def test_a_code_with_no_known_meaning_waits_for_a_human(category: str, level: str) -> None:
    with pytest.raises(UnsupportedEvent) as caught:
        translate(registration(category=category, level=level))
    assert caught.value.needs_human


def test_category_3_at_level_1_is_malformed() -> None:
    with pytest.raises(MalformedEvent, match=r"\$\.data\.mappa: category 3 requires level 2 or 3"):
        translate(registration(category="M3", level="M1"))


@pytest.mark.parametrize(
    ("register", "overall"), [("RLRH", "low"), ("RMRH", "medium"), ("RHRH", "high")]
)
def test_risk_of_serious_harm_is_an_assessment_of_the_day_it_was_registered(
    register: str, overall: str
) -> None:
    event = translate(registration(register, category="", level=""))
    assert event.kind == "risk.assessed"
    assert stated(event, "rosh") == {"overall": overall, "assessed_on": "2024-06-14"}
    assert event.groups["rosh"]["assertion"] == "assessment"


@pytest.mark.parametrize("date", [None, ""])
def test_a_risk_registration_without_a_date_states_none(date: str | None) -> None:
    event = registration("RMRH", change="updated")
    event["additionalInformation"]["registrationDate"] = date
    assert stated(translate(event), "rosh") == {"overall": "medium"}


def test_a_risk_registration_with_an_unreadable_date_is_malformed() -> None:
    event = registration("RMRH")
    event["additionalInformation"]["registrationDate"] = "2024-06-14"
    with pytest.raises(
        MalformedEvent, match=r"\$\.additionalInformation\.registrationDate"
    ) as caught:
        translate(event)
    assert "2024" not in str(caught.value).replace("BST 2024", "")


@pytest.mark.parametrize("register", ["AVIS", "RCCO", "WEAP", "INVI", "", "mapp"])
@pytest.mark.parametrize("change", ["added", "updated", "deregistered"])
def test_other_registers_are_not_translated(register: str, change: str) -> None:
    with pytest.raises(UnsupportedEvent) as caught:
        translate(registration(register, change=change))
    assert not caught.value.needs_human


def test_leaving_mappa_ends_eligibility_and_states_no_level() -> None:
    event = translate(registration(change="deregistered"))
    assert event.kind == "mappa.eligibility_ended"
    assert set(event.groups) == {"identifiers"}


def test_the_end_of_a_risk_registration_is_not_taken_for_the_end_of_mappa() -> None:
    with pytest.raises(UnsupportedEvent):
        translate(registration("RHRH", change="deregistered"))


def test_an_activated_licence_is_told_without_conditions_nobody_stated() -> None:
    event = translate(simple("create-and-vary-a-licence.licence.activated", licenceId="1"))
    assert event.kind == "licence.activated"
    assert stated(event, "identifiers") == {"crn": CRN, "noms": NOMS}
    assert set(event.groups) == {"identifiers"}
