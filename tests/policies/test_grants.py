"""What a permit grants, on whose basis, and what it withholds."""

from datetime import date

import pytest

from gateway.model.ids import AgencyName
from gateway.model.party import AssociateDesignation
from tests.policies.cases import (
    DESIGNATION,
    codes,
    decide,
    permitted,
    person,
    recipient,
)

SED = {"release_type": "SED_NO_LICENCE", "licence": False}
LOW = dict.fromkeys(("overall", "public", "known_adult", "staff"), "low")


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
def test_a_hostel_whose_designation_is_not_in_force_is_told_nothing(
    designation: AssociateDesignation,
) -> None:
    to = recipient("accommodation_associate", associate=designation)
    assert codes(decide(to, person(custody=SED))) == {"associate-not-in-force"}


def test_police_are_not_subject_to_the_duty_to_refer() -> None:
    about = person(mappa={"category": 2, "level": 1}, rosh=LOW, location={"address_status": "NFA"})
    decision = decide(recipient("housing_authority"), about, sender_class="police")
    assert codes(decision) == {"sender-may-not-rely"}


def test_clinical_facts_are_dropped_for_police_and_said_to_be() -> None:
    permit = permitted(decide(recipient("police_offender_manager"), person()))
    assert "health_clinical" not in permit.groups
    assert [w.reason.code for w in permit.withheld if w.group == "health_clinical"] == ["no-need"]


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
