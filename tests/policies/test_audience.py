"""Who is told of a release: the audience table (3.3) and the failures it answers."""

import pytest

from tests.policies.cases import (
    RELEASES,
    ROLES,
    codes,
    decide,
    members_of,
    permitted,
    person,
    recipient,
)

SED = {"release_type": "SED_NO_LICENCE", "licence": False}
NO_REFERRAL = {"housing_referral": None}
FULL_AUDIENCE = set(ROLES) - {"childrens_services"}
CORE = {"police_offender_manager", "probation_offender_manager"}
HIGH = CORE | {"mappa_coordinator", "mental_health_in_reach", "community_mental_health_team"}


def told(**changes: dict[str, object]) -> set[str]:
    changes.setdefault("location", NO_REFERRAL)
    about = person(**changes)
    return {role for role in ROLES if members_of(decide(recipient(role), about))}


@pytest.mark.parametrize("level", [1, 2, 3, None])
def test_a_release_at_sentence_end_without_licence_has_the_full_audience(level: int | None) -> None:
    low = dict.fromkeys(("overall", "public", "known_adult", "staff"), "low")
    assert told(custody=SED, mappa={"level": level}, rosh=low) == FULL_AUDIENCE


def test_level_3_tells_health_housing_and_a_designated_hostel() -> None:
    assert told(mappa={"level": 3}) == FULL_AUDIENCE - {"gp_practice"}


def test_level_2_tells_health_but_not_housing() -> None:
    assert told(mappa={"level": 2}) == HIGH


def test_level_1_at_high_risk_tells_the_gp_too() -> None:
    assert told(mappa={"level": 1}) == HIGH | {"gp_practice"}


def test_level_1_at_medium_risk_on_licence_still_tells_police_and_probation() -> None:
    medium = {"overall": "medium", "public": "medium"}
    assert told(mappa={"level": 1}, rosh=medium) == CORE


@pytest.mark.parametrize(
    "risk",
    [
        {"rosh": {"children": "medium"}},
        {"children": {"at_risk": True}},
        {"children": {"pprc": True}},
    ],
    ids=["rosh", "at risk", "pprc"],
)
def test_a_risk_to_children_tells_childrens_services(risk: dict[str, dict[str, object]]) -> None:
    assert "childrens_services" in told(mappa={"level": 1}, **risk)
    assert "childrens_services" not in told(mappa={"level": 1})


def test_childrens_services_are_told_of_a_person_with_no_mappa_category() -> None:
    about = person(mappa={"category": None, "level": None}, children={"pprc": True})
    permit = permitted(decide(recipient("childrens_services"), about))
    assert {grant.basis for grant in permit.grants} == {"LB06"}


@pytest.mark.parametrize("role", ROLES)
def test_a_release_carried_out_or_cancelled_reaches_those_told_of_the_plan(role: str) -> None:
    about = person(custody=SED, children={"pprc": True})
    told = {kind: members_of(decide(recipient(role), about, kind=kind)) for kind in RELEASES}
    assert told["release.planned"]
    assert told["release.actual"] == told["release.cancelled"] == told["release.planned"]


@pytest.mark.parametrize("role", sorted(CORE))
def test_without_a_category_police_and_probation_are_told_the_outline_under_s14(role: str) -> None:
    about = person(mappa={"category": None, "level": None})
    permit = permitted(decide(recipient(role), about))
    assert {grant.basis for grant in permit.grants} == {"LB05"}
    assert not {"victim", "risk_narrative", "health_routing", "mappa"} & set(permit.groups)


@pytest.mark.parametrize("role", sorted(CORE | {"mappa_coordinator"}))
def test_with_no_known_area_every_force_is_told_the_outline_and_none_the_whole(role: str) -> None:
    about = person(location={"home_area": None, "areas_of_interest": None})
    outline = permitted(decide(recipient(role), about))
    assert not {"victim", "risk_narrative", "offence", "location"} & set(outline.groups)
    everywhere = permitted(decide(recipient(role, areas=frozenset()), about))
    assert set(outline.members) < set(everywhere.members)


def test_with_no_known_area_others_are_refused_and_the_reason_says_so() -> None:
    about = person(location={"home_area": None, "areas_of_interest": None}, children={"pprc": True})
    decision = decide(recipient("childrens_services"), about)
    assert codes(decision) == {"no-rule", "area-unknown"}


def test_another_area_is_told_nothing_and_the_reason_says_so() -> None:
    elsewhere = recipient("police_offender_manager", areas=frozenset({"kent"}))
    assert codes(decide(elsewhere, person())) == {"no-rule", "outside-area"}


def test_an_area_of_interest_is_told_as_the_home_area_is() -> None:
    interested = recipient("police_offender_manager", areas=frozenset({"west_mercia"}))
    assert members_of(decide(interested, person()))


def test_an_in_reach_team_is_found_by_its_prison() -> None:
    about = person(location={"home_area": None, "areas_of_interest": None})
    at_prison = recipient("mental_health_in_reach", areas=frozenset({"ZZI"}))
    elsewhere = recipient("mental_health_in_reach", areas=frozenset({"YYI"}))
    assert members_of(decide(at_prison, about))
    assert "no-rule" in codes(decide(elsewhere, about))


def test_a_practice_the_person_is_not_a_patient_of_is_told_nothing() -> None:
    other = recipient("gp_practice", organisation="Another Surgery")
    assert codes(decide(other, person(custody=SED))) == {"no-rule", "not-recorded-carer"}


def test_a_practice_is_known_by_its_ods_code_too() -> None:
    by_code = recipient("gp_practice", organisation="z99999")
    assert members_of(decide(by_code, person(custody=SED)))


def test_a_practice_without_a_designation_is_outside_s325() -> None:
    undesignated = recipient("gp_practice", associate=None)
    assert codes(decide(undesignated, person(custody=SED))) == {"associate-not-designated"}


def test_the_recorded_mental_health_team_is_told_though_it_serves_another_area() -> None:
    theirs = recipient("community_mental_health_team", areas=frozenset({"kent"}))
    assert members_of(decide(theirs, person()))


def test_a_hostel_is_not_told_of_a_person_who_will_lodge_elsewhere() -> None:
    about = person(custody=SED, location={"approved_premises": "Another House"})
    decision = decide(recipient("accommodation_associate"), about)
    assert codes(decision) == {"no-rule", "lodges-elsewhere"}


def test_nothing_held_is_nothing_disclosed() -> None:
    about = person(custody=SED)
    bare = type(about)(
        ref=about.ref,
        facts={
            "health_clinical": about.facts["health_clinical"],
            "children": about.facts["children"],
        },
    )
    everywhere = recipient("police_offender_manager", areas=frozenset())
    # The rule for an unknown category applies, and names neither of these groups.
    assert codes(decide(everywhere, bare)) == {"nothing-to-disclose"}
