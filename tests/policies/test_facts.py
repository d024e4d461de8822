"""Facts become classes that hold nothing personal."""

from dataclasses import asdict, replace

import pytest
from hypothesis import given

from gateway.model.person import Person
from policies.facts import FactClass, classify, facing
from tests.policies.cases import FILES, people, person, recipient


def of(**changes: dict[str, object]) -> FactClass:
    return classify("release.planned", person(**changes).facts, sender_class="prison")


def test_nothing_held_is_the_class_of_everything_unknown() -> None:
    facts = classify("release.planned", {}, sender_class="prison")
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
    facts = classify("release.planned", about.facts, sender_class="prison")
    council = recipient("housing_authority", organisation="EXAMPLE city council")
    seen = facing(facts, about.facts, council)
    assert seen == replace(facts, chosen_authority_is_recipient=True, lodges_elsewhere=True)


def test_a_practice_that_is_not_recorded_treats_nobody() -> None:
    gaps = dict.fromkeys(
        ("community_gp", "registered_practice", "mental_health_team"), "NOT_RECORDED"
    )
    about = person(health_routing=gaps)
    facts = classify("release.planned", about.facts, sender_class="prison")
    for name in ("NOT_RECORDED", "Example Surgery"):
        to = recipient("gp_practice", organisation=name)
        assert not facing(facts, about.facts, to).treats_person


@given(people())
def test_a_class_holds_no_name_identifier_or_free_text(about: Person) -> None:
    facts = classify("release.planned", about.facts, sender_class="prison")
    text = repr(facing(facts, about.facts, recipient("gp_practice")))
    for secret in ("Testcase", "Alex", "Z0001ZZ", "9990000018", "narrative", "1980", "Example"):
        assert secret not in text
    assert hash(facts) == hash(replace(facts))


def test_the_schema_names_exactly_the_facts_a_class_has() -> None:
    block = FILES["schema.cedarschema"].split("entity Event {")[1].split("};")[0]
    named = [line.split(":")[0].strip() for line in block.strip().splitlines()]
    facts = FactClass(kind="release.planned", sender_class="prison")
    assert sorted(named) == sorted(asdict(facts))
