"""The domain's table of expected verdicts (9.3), for the rows that policy decides."""

from datetime import date

import pytest

from gateway.model.decision import Reason
from gateway.model.ids import AgencyName, BasisId
from gateway.model.party import AssociateDesignation, Recipient
from policies.bases import holds
from policies.facts import classify, facing
from tests.policies.cases import (
    DESIGNATION,
    RULEBOOK,
    TODAY,
    WHOLE,
    codes,
    decide,
    permitted,
    person,
    recipient,
)

SED = {"release_type": "SED_NO_LICENCE", "licence": False}
LEVEL_1 = {"category": 2, "level": 1}


def obstacle(basis: str, sender_class: str, to: Recipient, **changes: object) -> Reason | None:
    about = person(**changes)  # type: ignore[arg-type]
    facts = facing(
        classify("release.planned", about.facts, sender_class=sender_class), about.facts, to
    )
    return holds(
        BasisId(basis),
        controller_class=sender_class,
        recipient=to,
        facts=facts,
        today=TODAY,
        catalogues=RULEBOOK.catalogues,
    )


def test_1_police_are_told_of_a_category_2_level_1_release_without_licence_or_visor_record() -> (
    None
):
    about = person(custody=SED, mappa=LEVEL_1, identifiers={"visor_ref": None})
    permit = permitted(decide(recipient("police_offender_manager"), about))
    assert {grant.basis for grant in permit.grants} == {"LB01"}
    assert permit.for_action
    assert {"identity", "custody", "mappa", "rosh", "location", "victim"} <= set(permit.groups)


def test_2_probation_may_not_tell_a_mental_health_team_under_offender_management_s14() -> None:
    reason = obstacle("LB05", "probation", recipient("community_mental_health_team"))
    assert reason is not None
    assert reason.code == "route-not-open"


def test_3_a_mental_health_team_is_told_under_s325_in_part_3() -> None:
    to = recipient("community_mental_health_team")
    permit = permitted(decide(to, person(), sender_class="probation"))
    assert {"identity", "custody", "rosh", "location", "health_routing"} <= set(permit.groups)
    assert {grant.regime for grant in permit.grants} == {"P3"}
    assert {grant.basis for grant in permit.grants} == {"LB01"}
    assert {m for m in permit.members if m.startswith("rosh.")} == {
        "rosh.overall",
        "rosh.imminence",
        "rosh.assessed_on",
    }


@pytest.mark.parametrize("role", ["housing_authority", "childrens_services"])
def test_4_police_may_not_tell_a_council_under_offender_management_s14(role: str) -> None:
    assert obstacle("LB05", "police", recipient(role)) is not None
    assert obstacle("LB01", "police", recipient(role)) is None


def test_5_a_hostel_without_a_designation_is_told_nothing() -> None:
    to = recipient("accommodation_associate", associate=None)
    assert codes(decide(to, person(custody=SED))) == {"associate-not-designated"}


@pytest.mark.parametrize(
    "designation",
    [
        AssociateDesignation(
            reference="r", designated_on=date(2025, 1, 1), ends_on=date(2026, 3, 1)
        ),
        AssociateDesignation(reference="r", designated_on=date(2026, 3, 3)),
    ],
    ids=["ended yesterday", "begins tomorrow"],
)
def test_5_a_hostel_whose_designation_is_not_in_force_is_told_nothing(
    designation: AssociateDesignation,
) -> None:
    to = recipient("accommodation_associate", associate=designation)
    assert codes(decide(to, person(custody=SED))) == {"associate-not-in-force"}


def test_6_a_designated_hostel_is_given_its_profile_and_no_more() -> None:
    permit = permitted(decide(recipient("accommodation_associate"), person(custody=SED)))
    assert set(permit.groups) == {
        "identity",
        "custody",
        "rosh",
        "location",
        "children",
        "professionals",
        "handling",
    }
    assert "children.contact_restrictions" not in permit.members
    assert "custody.reason_code" not in permit.members


def test_7_a_person_with_no_mappa_category_is_not_within_s325() -> None:
    to = recipient("community_mental_health_team")
    about = person(mappa={"category": None}, custody=SED)
    assert codes(decide(to, about, sender_class="police")) == {"not-a-mappa-person"}


def referral(**changes: object) -> dict[str, object]:
    return {"housing_referral": {**WHOLE["location"]["housing_referral"], **changes}}


@pytest.mark.parametrize("missing", ["consent_to_referral", "consent_to_contact"])
def test_8_a_housing_referral_needs_both_consents(missing: str) -> None:
    about = person(mappa=LEVEL_1, location=referral(**{missing: False}))
    assert codes(decide(recipient("housing_authority"), about)) == {"housing-consent-missing"}


def test_9_a_housing_referral_goes_to_the_chosen_authority_only() -> None:
    about = person(mappa=LEVEL_1, location=referral(chosen_authority="Another Council"))
    assert codes(decide(recipient("housing_authority"), about)) == {"authority-not-chosen"}


def test_10_a_housing_referral_carries_contact_and_reason_and_drops_risk() -> None:
    permit = permitted(decide(recipient("housing_authority"), person(mappa=LEVEL_1)))
    assert permit.members == (
        "custody.confirmed_date",
        "custody.planned_date",
        "identity.family_name",
        "identity.given_names",
        "location.housing_referral",
    )
    assert {grant.regime for grant in permit.grants} == {"GDPR"}
    assert "rosh" in {withheld.group for withheld in permit.withheld}


def test_10_police_are_not_subject_to_the_duty_to_refer() -> None:
    about = person(mappa=LEVEL_1)
    decision = decide(recipient("housing_authority"), about, sender_class="police")
    assert codes(decision) == {"sender-may-not-rely"}


def test_11_clinical_facts_are_dropped_for_police_and_said_to_be() -> None:
    permit = permitted(decide(recipient("police_offender_manager"), person()))
    assert "health_clinical" not in permit.groups
    assert [w.reason.code for w in permit.withheld if w.group == "health_clinical"] == ["no-need"]


def test_13_no_rule_may_rely_on_a_basis_only_a_person_may_use() -> None:
    reason = obstacle("LB12", "police", recipient("police_offender_manager"))
    assert reason is not None
    assert reason.code == "human-only"
    assert not any("LB03" in rule.bases for rule in RULEBOOK.rules.values())


def test_16_a_recipient_in_another_country_is_told_nothing() -> None:
    to = recipient("police_offender_manager", country="FR")
    assert codes(decide(to, person())) == {"forbidden"}


@pytest.mark.parametrize("role", sorted(RULEBOOK.catalogues.roles))
def test_19_a_person_sent_to_court_alerts_nobody_of_a_release(role: str) -> None:
    assert "no-rule" in codes(decide(recipient(role), person(), kind="custody.sent_to_court"))


@pytest.mark.parametrize("role", sorted(RULEBOOK.catalogues.roles))
def test_20_a_transfer_to_hospital_is_not_a_release_to_the_community(role: str) -> None:
    assert "no-rule" in codes(decide(recipient(role), person(), kind="custody.hospital_transfer"))


@pytest.mark.parametrize("role", sorted(RULEBOOK.catalogues.roles))
def test_26_a_restricted_case_is_told_to_nobody(role: str) -> None:
    about = person(handling={"restricted": True}, custody=SED)
    assert codes(decide(recipient(role), about)) == {"forbidden"}


def test_29_a_role_or_event_without_a_rule_is_told_nothing() -> None:
    to = recipient("police_offender_manager", role="lay_adviser")
    assert codes(decide(to, person())) == {"no-rule"}
    known = recipient("police_offender_manager")
    assert codes(decide(known, person(), kind="custody.escaped")) == {"no-rule"}


def test_each_controllers_facts_go_on_that_controllers_basis() -> None:
    about = person(controller="hmp", custody=SED)
    facts = dict(about.facts)
    facts["offence"] = type(facts["offence"])(
        members=facts["offence"].members,
        controller=AgencyName("hostel"),
        as_of=facts["offence"].as_of,
    )
    mixed = type(about)(ref=about.ref, facts=facts)
    permit = permitted(
        decide(
            recipient("police_offender_manager"),
            mixed,
            controller_classes={AgencyName("hmp"): "prison", AgencyName("hostel"): "charity"},
        )
    )
    assert "offence" not in permit.groups
    withheld = {w.group: w.reason for w in permit.withheld}
    assert withheld["offence"].code == "sender-may-not-rely"
    assert withheld["offence"].rule == "police-release"


def test_one_rule_may_rely_on_two_bases_and_keeps_them_apart() -> None:
    about = person(children={"at_risk": True})
    facts = dict(about.facts)
    facts["mappa"] = type(facts["mappa"])(
        members=facts["mappa"].members, controller=AgencyName("unit"), as_of=facts["mappa"].as_of
    )
    permit = permitted(
        decide(
            recipient("childrens_services"),
            type(about)(ref=about.ref, facts=facts),
            controller_classes={
                AgencyName("hmp"): "prison",
                AgencyName("unit"): "mappa_coordination",
            },
        )
    )
    by_basis = {grant.basis: grant for grant in permit.grants}
    assert by_basis["LB01"].members == ("mappa.category", "mappa.level")
    assert "children.at_risk" in by_basis["LB06"].members
    assert (by_basis["LB01"].regime, by_basis["LB06"].regime) == ("P3", "GDPR")


def test_a_role_held_by_the_wrong_class_of_organisation_is_told_nothing() -> None:
    impostor = recipient(
        "police_offender_manager", organisation_class="charity", associate=DESIGNATION
    )
    assert codes(decide(impostor, person())) == {"role-not-held"}


def test_facts_of_a_controller_without_a_class_are_withheld() -> None:
    decision = decide(
        recipient("police_offender_manager"),
        person(),
        controller_classes={AgencyName("somebody else"): "prison"},
    )
    assert codes(decision) == {"sender-may-not-rely"}
