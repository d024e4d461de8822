"""Who is told of a release: the audience table (3.3) and the failures it answers."""

from typing import Any

import pytest

from gateway.model.decision import Permit
from tests.policies.cases import (
    ORGANISATION_OF_ROLE,
    ROLES,
    RULEBOOK,
    codes,
    decide,
    members_of,
    permitted,
    person,
    recipient,
)

SED = {"release_type": "SED_NO_LICENCE", "licence": False}
LOW = dict.fromkeys(("overall", "public", "known_adult", "staff"), "low")
CORE = {"police_offender_manager", "probation_offender_manager"}
EVERYONE_NAMED = [f"Example {role}" for role in ROLES] + list(ORGANISATION_OF_ROLE.values())
PLAN = {"professionals": {"plan_agencies": EVERYONE_NAMED}}
CODE = {name: role.codes[-1] for name, role in RULEBOOK.catalogues.roles.items()}


def audience(kind: str, *, told_before: bool = False, **changes: Any) -> tuple[set[str], set[str]]:
    """Return the codes of who is told for action, and of who is told for information."""
    changes.setdefault("location", {"housing_referral": None})
    about = person(**changes)
    action: set[str] = set()
    information: set[str] = set()
    for role in ROLES:
        decision = decide(recipient(role), about, kind=kind, told_before=told_before)
        if isinstance(decision, Permit):
            (action if decision.for_action else information).add(CODE[role])
    return action, information


def told(kind: str = "release.planned", **changes: Any) -> set[str]:
    action, information = audience(kind, **changes)
    return action | information


def case(
    kind: str, action: str, information: str, /, **changes: Any
) -> tuple[str, set[str], set[str], dict[str, Any]]:
    return kind, set(action.split()), set(information.split()), changes


TABLE = [  # of the domain, 3.3; what this rulebook adds to a row stands in a comment
    case("release.planned", "R01 R03 R05", "R04 R06 R07 R08 R14 R16 R17", mappa={"level": 3}),
    case("release.planned", "R01 R03 R05", "R04 R06 R08 R14", mappa={"level": 2}),
    case("release.planned", "R01 R03", "R05 R06 R08 R09 R14", mappa={"level": 1}),
    # A release without licence at sentence end has the full audience (D21).
    case(
        "release.planned",
        "R01 R03",
        "R05 R06 R07 R08 R09 R14 R16 R17",
        mappa={"level": 1},
        rosh=LOW,
        custody=SED,
    ),
    # Level 1 at low risk: police visit every managed person (D18), probation leads.
    case("release.planned", "R01 R03", "R14", mappa={"level": 1}, rosh=LOW),
    case(
        "release.planned",
        "R01 R03 R10",
        "R14",
        mappa={"level": 1},
        rosh=LOW,
        children={"at_risk": True},
    ),
    case("release.date_change_proposed", "R01 R03", "R05 R14"),
    case(
        "custody.hospital_transfer",
        "R03 R06 R08",
        "R01 R05",
        health_routing={"mha_status": "15"},
    ),
    case("sentence.terminated", "", "R01 R03 R05 R14"),
    case("custody.recalled", "R01 R03 R04", "R05 R14 R17"),
    case("custody.received", "R01 R03 R04", "R05 R14 R17"),
    case("mappa.level_changed", "R01 R03 R05", ""),
    case("mappa.category_changed", "R01 R03 R05", ""),
    case("risk.assessed", "R01 R03 R05", "R17"),
    case("risk.assessed", "R01 R03 R05 R10", "R17", children={"at_risk": True}),
    case("order.imposed", "R01", "R03 R05"),
    case("order.expired", "R01", "R03 R05"),
    case("address.changed", "R01 R03", "R08 R17"),
    case("health.discharge_planned", "R06 R07 R08", "R03"),
    # An escape is no row of the table: police and probation act on it at once.
    case("custody.escaped", "R01 R02 R03 R14", "R04 R05"),
    case("safeguarding.child_concern", "R10", "R01 R03"),
    case("custody.sent_to_court", "", ""),
    case("consultation.missing", "R01 R03 R04 R05", ""),
]


@pytest.mark.parametrize(
    ("kind", "action", "information", "changes"),
    TABLE,
    ids=[f"{number}-{row[0]}" for number, row in enumerate(TABLE)],
)
def test_the_audience_is_that_of_the_table(
    kind: str, action: set[str], information: set[str], changes: dict[str, Any]
) -> None:
    assert audience(kind, **changes) == (action, information)


def test_plan_agencies_act_on_the_end_of_a_sentence() -> None:
    action, information = audience("sentence.terminated", **PLAN)
    assert action == {"R04", "R06", "R08", "R10", "R12", "R16", "R17", "R18", "R20"}
    assert {"R01", "R05"} <= information


@pytest.mark.parametrize("kind", ["release.actual", "release.cancelled"])
def test_everyone_told_of_a_release_is_told_what_became_of_it(kind: str) -> None:
    after = told(kind, told_before=True, mappa={"level": 1}, rosh=LOW)
    never = {"R11", "R22", "R23", "R24", "R25"}  # an adult, not category 4, or never by rule
    assert after == set(CODE.values()) - never


def test_under_eighteen_the_youth_offending_team_is_told_as_probation_is() -> None:
    child = {"date_of_birth": "2010-01-01"}
    assert "R11" in told(identity=child)
    assert "R11" not in told()


@pytest.mark.parametrize("code", ["R06", "R08", "R09", "R14", "R16", "R17"])
def test_a_category_4_case_reaches_its_roles_and_asks_a_human_for_the_others(code: str) -> None:
    assert told(mappa={"category": 4, "level": 3}) == {"R01", "R03", "R04", "R05", "R22"}
    role = next(name for name, its in CODE.items() if its == code)
    decision = decide(recipient(role), person(mappa={"category": 4, "level": 3}, custody=SED))
    assert codes(decision) == {"forbidden"}
    assert decision.proposals


def test_counter_terrorism_hears_of_nothing_else() -> None:
    for category in (1, 2, 3, None):
        assert "R22" not in told(mappa={"category": category, "level": 3})


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
    assert "R10" in told(mappa={"level": 1}, **risk)
    assert "R10" not in told(mappa={"level": 1})


def test_childrens_services_are_told_of_a_person_with_no_mappa_category() -> None:
    about = person(mappa={"category": None, "level": None}, children={"pprc": True})
    permit = permitted(decide(recipient("childrens_services"), about))
    assert {grant.basis for grant in permit.grants} == {"LB06"}


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
