"""The failures of domain facts 1.4, each as the case it was: what the rulebook now does about it.

What happens on the way (correlation, delivery, chasing) is tested with the journey.
"""

import pytest

from gateway.model.decision import Permit, Refusal
from gateway.model.ids import BasisId
from policies.explain import explain
from policies.minimise import select
from tests.policies.cases import (
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
LOW = dict.fromkeys(("overall", "public", "children", "known_adult", "staff"), "low")
RELEASES = ("release.planned", "release.date_changed", "release.actual")


@pytest.mark.parametrize("kind", ["release.planned", "release.actual"])
def test_a_release_at_sentence_end_at_level_1_without_a_visor_record_still_alerts(
    kind: str,
) -> None:
    """Seed 001: Category 2, Level 1, no licence, no ViSOR record, and nobody was told (D16)."""
    about = person(
        custody=SED, mappa={"category": 2, "level": 1}, rosh=LOW, identifiers={"visor_ref": None}
    )
    for role in ("police_offender_manager", "probation_offender_manager"):
        permit = permitted(decide(recipient(role), about, kind=kind))
        assert permit.for_action
        assert {"custody.release_type", "location.address"} <= set(permit.members)
        assert "identifiers.visor_ref" not in permit.members


@pytest.mark.parametrize(
    "role", ["mental_health_in_reach", "community_mental_health_team", "gp_practice"]
)
def test_at_sentence_end_the_persons_health_services_are_told_whatever_the_level(role: str) -> None:
    """Seed 000: high-risk and unwell, and no provision for release at sentence end (D21)."""
    about = person(custody=SED, mappa={"level": 1}, rosh=LOW)
    assert members_of(decide(recipient(role), about))


def test_the_in_reach_team_is_told_where_and_when_the_person_will_be_resettled() -> None:
    """Seed 000: resettlement information never reached the in-reach team (D22)."""
    permit = permitted(decide(recipient("mental_health_in_reach"), person()))
    resettled = {"location.address", "location.address_status", "custody.planned_date"}
    assert resettled <= set(permit.members)


@pytest.mark.parametrize("role", ["mental_health_in_reach", "prison_discharge_coordinator"])
def test_a_gp_or_team_that_is_not_recorded_is_shown_as_not_recorded(role: str) -> None:
    """Seed 000: no GP and no team on the front screen, and nobody saw the gap (D20)."""
    about = person(
        health_routing={"community_gp": "NOT_RECORDED", "mental_health_team": "NOT_RECORDED"}
    )
    permit = permitted(
        decide(
            recipient(role),
            about,
            kind="health.discharge_planned",
            sender_class="prison_healthcare",
        )
    )
    shown = select(about, permit).groups["health_routing"]
    assert shown["community_gp"] == shown["mental_health_team"] == "NOT_RECORDED"


def test_the_gap_is_somebodys_to_act_on_by_a_deadline() -> None:
    """Whoever must find the person a team is told for action, and asked to acknowledge."""
    about = person(health_routing={"mental_health_team": "NOT_RECORDED"})
    permit = permitted(
        decide(
            recipient("mental_health_in_reach"),
            about,
            kind="health.discharge_planned",
            sender_class="prison_healthcare",
        )
    )
    assert permit.for_action
    assert any(grant.acknowledge_within for grant in permit.grants)


def test_the_discharge_coordinators_part_is_spelt_out() -> None:
    """Seed 000: the role was not understood, nor what must be shared in which cases (D23)."""
    to = recipient("prison_discharge_coordinator")
    permit = permitted(decide(to, person(mappa={"level": 3})))
    text = explain(permit, to, RULEBOOK)
    for rule in {grant.rule for grant in permit.grants}:
        assert f"Rule {rule} ({RULEBOOK.rules[rule].source})" in text
    for group in permit.groups:
        assert f"{group} (" in text
    for withheld in permit.withheld:
        assert f"Withheld, {withheld.group}: {withheld.reason.text}" in text


@pytest.mark.parametrize("role", ROLES)
def test_each_role_learns_why_it_is_or_is_not_told(role: str) -> None:
    to = recipient(role)
    decision = decide(to, person())
    text = explain(decision, to, RULEBOOK)
    if isinstance(decision, Permit):
        assert "relying on" in text
    else:
        assert text.count("Because: ") == len(decision.reasons) >= 1


def test_an_unconvicted_person_is_refused_under_s325_and_the_alternative_named() -> None:
    """Seed 003: a person out of scope put in Category 3; s.325(2)(b) wants offences committed."""
    about = person(mappa={"category": None, "level": None}, offence={"convicted": False})
    decision = decide(
        recipient("probation_offender_manager"),
        about,
        sender_class="police",
        claimed=BasisId("LB01"),
    )
    assert isinstance(decision, Refusal)
    assert codes(decision) == {"not-a-mappa-person"}
    (reason,) = decision.reasons
    assert "Look instead to" in reason.text
    for other in ("LB04", "LB12"):
        assert f"[{other}]" in reason.text
    assert "by a person's decision" in reason.text


@pytest.mark.parametrize("role", ["police_offender_manager", "probation_offender_manager"])
def test_contact_in_another_area_reaches_both_areas_and_no_third(role: str) -> None:
    """Seed 003, case G: the person contacted children in another force's area."""
    about = person(
        children={"at_risk": True},
        location={"home_area": "west_midlands", "areas_of_interest": ["west_mercia"]},
    )
    told = {
        area: bool(
            members_of(
                decide(
                    recipient(role, areas=frozenset({area})),
                    about,
                    kind="safeguarding.child_concern",
                    sender_class="police",
                )
            )
        )
        for area in ("west_midlands", "west_mercia", "kent")
    }
    assert told == {"west_midlands": True, "west_mercia": True, "kent": False}


NEED_TO_KNOW = {"police_offender_manager", "probation_offender_manager", "victim_liaison_officer"}


@pytest.mark.parametrize("kind", RELEASES)
def test_victims_are_told_of_to_nobody_without_the_need(kind: str) -> None:
    """Seed 003, case A: victims withdrew their statements for fear."""
    told = set()
    for role in ROLES:
        decision = decide(
            recipient(role), person(victim={"known_to": [f"Example {role}"]}), kind=kind
        )
        if any(path.startswith("victim.") for path in members_of(decision)):
            told.add(role)
    assert told == NEED_TO_KNOW


def test_a_victims_whereabouts_hide_in_no_other_group_either() -> None:
    """Unsorted licence conditions and exclusion zones may name where a victim lives."""
    seen = {
        role
        for role in ROLES
        if "licence.conditions" in members_of(decide(recipient(role), person()))
    }
    assert "housing_authority" not in seen
    assert "accommodation_associate" not in seen
    assert NEED_TO_KNOW - {"victim_liaison_officer"} <= seen
