"""Facts become classes that hold nothing personal."""

from dataclasses import asdict, replace

import pytest
from hypothesis import given

from gateway.model.ids import RecipientId
from gateway.model.person import Person
from policies.facts import FactClass, classify, facing
from tests.policies.cases import FILES, TODAY, people, person, recipient


def of(**changes: dict[str, object]) -> FactClass:
    return classify("release.planned", person(**changes).facts, sender_class="prison", today=TODAY)


def test_nothing_held_is_the_class_of_everything_unknown() -> None:
    facts = classify("release.planned", {}, sender_class="prison", today=TODAY)
    assert facts == FactClass(kind="release.planned", sender_class="prison")


def test_risk_is_the_highest_stated_for_the_community() -> None:
    lower = dict.fromkeys(("overall", "public", "known_adult", "staff", "children"), "low")
    assert of(rosh={**lower, "known_adult": "very_high"}).rosh == 4
    assert of(rosh={**lower, "prisoners": "very_high"}).rosh == 1
    assert of(rosh={**lower, "imminence": "very_high"}).rosh == 1
    assert of(rosh=dict.fromkeys((*lower, "prisoners"))).rosh == 0


def test_those_at_medium_risk_or_more_are_at_risk() -> None:
    assert of().risk_to == {"public", "known_adult"}
    assert not of(rosh={"children": "low"}).children
    assert of(rosh={"children": "medium"}).children


@pytest.mark.parametrize(
    ("custody", "expected"),
    [
        ({"licence": True}, "yes"),
        ({"licence": False}, "no"),
        ({"licence": None}, "unknown"),
        ({"licence": True, "release_type": "SED_NO_LICENCE"}, "no"),
    ],
)
def test_a_release_at_sentence_end_has_no_licence_whatever_else_is_said(
    custody: dict[str, object], expected: str
) -> None:
    assert of(custody=custody).licence == expected


def test_areas_are_the_home_area_and_the_areas_of_interest() -> None:
    assert of().areas == {"west_midlands", "west_mercia"}
    assert of(location={"home_area": None, "areas_of_interest": []}).areas == frozenset()


def test_only_facing_compares_names_and_only_the_answers_are_kept() -> None:
    about = person(location={"approved_premises": "Another House"})
    facts = classify("release.planned", about.facts, sender_class="prison", today=TODAY)
    council = recipient("housing_authority", organisation="EXAMPLE city council")
    seen = facing(facts, about.facts, council)
    assert seen == replace(facts, chosen_authority_is_recipient=True, lodges_elsewhere=True)


def test_a_practice_that_is_not_recorded_treats_nobody() -> None:
    gaps = dict.fromkeys(
        ("community_gp", "registered_practice", "mental_health_team"), "NOT_RECORDED"
    )
    about = person(health_routing=gaps)
    facts = classify("release.planned", about.facts, sender_class="prison", today=TODAY)
    for name in ("NOT_RECORDED", "Example Surgery"):
        to = recipient("gp_practice", organisation=name)
        assert not facing(facts, about.facts, to).treats_person


@given(people())
def test_a_class_holds_no_name_identifier_or_free_text(about: Person) -> None:
    facts = classify("release.planned", about.facts, sender_class="prison", today=TODAY)
    text = repr(facing(facts, about.facts, recipient("gp_practice")))
    for secret in ("Testcase", "Alex", "Z0001ZZ", "9990000018", "narrative", "1980", "Example"):
        assert secret not in text
    assert hash(facts) == hash(replace(facts))


def test_the_schema_names_exactly_the_facts_a_class_has() -> None:
    block = FILES["schema.cedarschema"].split("entity Event {")[1].split("};")[0]
    lines = [line.strip() for line in block.strip().splitlines()]
    named = [line.split(":")[0] for line in lines if not line.startswith("//")]
    facts = FactClass(kind="release.planned", sender_class="prison")
    assert sorted(named) == sorted(asdict(facts))


@pytest.mark.parametrize(
    ("born", "age"),
    [
        ("2008-03-02", "adult"),
        ("2008-03-03", "child"),
        ("2008-02-29", "adult"),
        (None, "unknown"),
    ],
)
def test_a_person_is_a_child_until_the_eighteenth_birthday(born: str | None, age: str) -> None:
    assert of(identity={"date_of_birth": born}).age == age


@pytest.mark.parametrize(
    ("status", "leaves", "soon"),
    [
        ("NFA", "2026-04-27", True),
        ("NFA", "2026-04-28", False),
        ("NFA", None, True),
        ("UNKNOWN", None, False),
        ("PROPOSED", "2026-03-03", True),
        ("CONFIRMED", "2026-03-03", False),
        (None, "2026-03-03", False),
    ],
)
def test_homelessness_is_of_those_without_a_home_within_56_days(
    status: str | None, leaves: str | None, soon: bool
) -> None:
    facts = of(
        location={"address_status": status},
        custody={"planned_date": leaves, "confirmed_date": None},
    )
    assert facts.homeless_within_56_days is soon


@pytest.mark.parametrize(("convicted", "word"), [(True, "yes"), (False, "no"), (None, "unknown")])
def test_a_suspect_is_not_someone_of_whom_nothing_is_said(
    convicted: bool | None, word: str
) -> None:
    assert of(offence={"convicted": convicted}).convicted == word


@pytest.mark.parametrize("code", ["09", "15", "17", "37", "38"])
def test_hospital_orders_with_restrictions_make_a_restricted_patient(code: str) -> None:
    assert of(health_routing={"mha_status": code}).restricted_patient
    assert not of(health_routing={"mha_status": "10"}).restricted_patient


def test_risk_rises_only_against_what_was_known_before() -> None:
    now = person(rosh={"overall": "very_high"})

    def rose(before: Person | None) -> bool:
        return classify(
            "risk.assessed",
            now.facts,
            sender_class="probation",
            today=TODAY,
            before=before.facts if before else None,
        ).rosh_rose

    assert rose(None)
    assert rose(person())
    assert not rose(now)


@pytest.mark.parametrize(
    ("group", "member", "fact"),
    [
        ("handling", "restricted_to", "allowed"),
        ("handling", "excluded", "excluded"),
        ("handling", "vetoed", "vetoed"),
        ("professionals", "plan_agencies", "in_plan"),
        ("victim", "known_to", "knows_victim"),
        ("children", "known_to", "knows_child"),
    ],
)
@pytest.mark.parametrize("named", ["EXAMPLE Desk", "example/DESK"])
def test_a_list_names_an_organisation_or_a_recipient_without_regard_to_case(
    group: str, member: str, fact: str, named: str
) -> None:
    about = person(**{group: {member: ["Somebody Else", named]}})
    facts = classify("risk.assessed", about.facts, sender_class="probation", today=TODAY)
    us = recipient(
        "police_offender_manager", organisation="Example Desk", id=RecipientId("example/desk")
    )
    assert getattr(facing(facts, about.facts, us), fact) is True
    other = replace(us, organisation="Example Desk 2", id=RecipientId("example/desk-2"))
    assert getattr(facing(facts, about.facts, other), fact) is False
