"""MAPPA status and risk of serious harm from probation registrations."""

from typing import Any

import pytest

from adapters.contract import UnsupportedEvent
from adapters.hmpps_domain_events import ADAPTER
from gateway.model.event import CanonicalEvent
from gateway.model.problem import MalformedEvent
from tests.adapters.samples import CRN, NOMS, body, mappa_information, registration


def translate(event: dict[str, Any]) -> CanonicalEvent:
    (translated,) = ADAPTER.translate(body(event), source="urn:example:probation").events
    return translated


def refused(event: dict[str, Any]) -> UnsupportedEvent:
    with pytest.raises(UnsupportedEvent) as caught:
        translate(event)
    return caught.value


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


CHANGES = ("added", "updated", "deregistered", "deleted")
FLAGS = {
    "RCCO": ("safeguarding.child_concern", {"children": {"at_risk": True}}),
    "RCPR": ("safeguarding.child_concern", {"children": {"at_risk": True}}),
    "RVAD": ("safeguarding.adult_concern", {}),
    "STRG": ("risk.flag_raised", {}),
    "AVIS": ("risk.flag_raised", {}),
    "WEAP": ("risk.flag_raised", {}),
    "WRSM": ("risk.flag_raised", {}),
    "ASFO": ("risk.flag_raised", {"offence": {"serious_further_offence": True}}),
}


@pytest.mark.parametrize("register", FLAGS)
def test_a_register_without_levels_raises_a_flag_and_states_what_it_is_named_for(
    register: str,
) -> None:
    kind, facts = FLAGS[register]
    event = translate(registration(register, category="", level=""))
    assert event.kind == kind
    which = {"rosh": {"flags": [f"NDELIUS:{register}"]}}
    told = {name: stated(event, name) for name in event.groups if name != "identifiers"}
    assert told == (facts or which)
    if "children" in facts:
        assert event.groups["children"]["assertion"] == "assessment"


@pytest.mark.parametrize("change", ["deregistered", "deleted"])
@pytest.mark.parametrize("register", FLAGS)
def test_a_flag_that_no_longer_applies_states_the_opposite_of_nothing(
    register: str, change: str
) -> None:
    event = translate(registration(register, change=change, category="", level=""))
    assert event.kind == "risk.flag_ended"
    assert set(event.groups) == {"identifiers", "rosh"}
    assert stated(event, "rosh") == {"flags": [f"NDELIUS:{register}"]}
    assert event.groups["rosh"]["assertion"] == "fact"


@pytest.mark.parametrize("register", FLAGS)
def test_an_update_of_a_flag_says_nothing_new(register: str) -> None:
    error = refused(registration(register, change="updated"))
    assert not error.needs_human
    assert "not said what changed" in str(error)


@pytest.mark.parametrize("register", ["INVI", "", "mapp", "XXXX"])
@pytest.mark.parametrize("change", CHANGES)
def test_other_registers_are_not_translated(register: str, change: str) -> None:
    assert not refused(registration(register, change=change)).needs_human


@pytest.mark.parametrize("change", CHANGES)
def test_victim_contact_is_not_taken_for_a_victims_own_choice(change: str) -> None:
    assert "not that a victim opted in" in str(refused(registration("INVI", change=change)))


def test_leaving_mappa_ends_eligibility_and_states_no_level() -> None:
    event = translate(registration(change="deregistered"))
    assert event.kind == "mappa.eligibility_ended"
    assert set(event.groups) == {"identifiers"}


@pytest.mark.parametrize("change", ["deregistered", "deleted"])
@pytest.mark.parametrize("register", ["RLRH", "RMRH", "RHRH"])
def test_the_end_of_one_level_of_risk_waits_for_the_next(register: str, change: str) -> None:
    assert not refused(registration(register, change=change)).needs_human


def test_a_deleted_mappa_registration_waits_for_a_human() -> None:
    error = refused(registration(change="deleted"))
    assert error.needs_human
    assert "not said which" in str(error)


def test_a_registration_and_its_end_are_different_events() -> None:
    ended = registration("RCCO", change="deregistered", category="", level="")
    again = registration("RCCO", change="deregistered", category="", level="")
    for event, id_ in ((ended, "1"), (again, "2")):
        del event["additionalInformation"]["registrationId"]
        event["additionalInformation"]["deregistrationId"] = id_
    assert translate(ended).id != translate(again).id


@pytest.mark.parametrize("change", ["created", "updated"])
@pytest.mark.parametrize("category", [1, 2, 3, 4, "2"])
def test_mappa_information_states_the_category_and_no_level(category: Any, change: str) -> None:
    event = translate(mappa_information(category, change=change))
    assert event.kind == "mappa.category_changed"
    assert stated(event, "mappa") == {"category": int(category)}
    assert stated(event, "identifiers") == {"crn": CRN}


def test_category_0_is_unknown_and_never_stated() -> None:
    error = refused(mappa_information(0))
    assert not error.needs_human
    assert "unknown" in str(error)


@pytest.mark.parametrize("category", [-1, 5, 99])
def test_a_category_nobody_knows_waits_for_a_human(category: int) -> None:
    assert refused(mappa_information(category)).needs_human


@pytest.mark.parametrize("category", [None, "M1", True, 1.5])
def test_mappa_information_without_a_category_is_malformed(category: Any) -> None:
    with pytest.raises(MalformedEvent, match=r"mappa\.category") as caught:
        translate(mappa_information(category))
    assert not isinstance(caught.value, UnsupportedEvent)
