"""Each legal basis, between every two classes of organisation."""

from datetime import date
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.ids import BasisId
from gateway.model.party import AssociateDesignation, Recipient
from policies.bases import holds
from policies.facts import FactClass
from tests.policies.cases import CLASSES, RULEBOOK, TODAY, recipient
from tests.support.every import every

RESPONSIBLE = {"prison", "probation", "police", "mappa_coordination", "gateway"}
CO_OPERATING = {
    "prison_healthcare",
    "nhs_mental_health_trust",
    "childrens_services",
    "youth_offending_team",
    "adult_social_care",
    "local_housing_authority",
    "registered_social_landlord",
    "electronic_monitoring_provider",
    "work_and_pensions",
}
PAIRS = list(product(CLASSES, CLASSES))
S14_CORE = {"prison", "probation", "gateway"}
S14_LISTED = {
    "police",
    "childrens_services",
    "youth_offending_team",
    "adult_social_care",
    "electronic_monitoring_provider",
    "work_and_pensions",
    "immigration",
}
S11 = {
    "prison",
    "probation",
    "police",
    "prison_healthcare",
    "nhs_mental_health_trust",
    "childrens_services",
    "youth_offending_team",
    "adult_social_care",
    "local_housing_authority",
}
SUITED = FactClass(
    kind="release.planned",
    sender_class="prison",
    category=1,
    children=True,
    homeless_within_56_days=True,
    housing_consent=True,
    chosen_authority_is_recipient=True,
)


def code(
    basis: str, sender: str, to: Recipient, facts: FactClass = SUITED, today: date = TODAY
) -> str | None:
    reason = holds(
        BasisId(basis),
        controller_class=sender,
        recipient=to,
        facts=facts,
        today=today,
        catalogues=RULEBOOK.catalogues,
    )
    return None if reason is None else reason.code


def of_class(name: str, **changes: object) -> Recipient:
    return recipient(
        "police_offender_manager", organisation_class=name, **{"associate": None, **changes}
    )


@every(("sender", "receiver"), PAIRS)
def test_s325_runs_among_the_responsible_and_co_operating_bodies_only(
    sender: str, receiver: str
) -> None:
    within = RESPONSIBLE | CO_OPERATING
    expected = sender in within and receiver in within
    assert (code("LB01", sender, of_class(receiver)) is None) is expected


@every(("sender", "receiver"), PAIRS)
def test_s14_is_hub_and_spoke_and_never_reaches_the_nhs_or_housing(
    sender: str, receiver: str
) -> None:
    expected = (sender in S14_CORE and receiver in S14_CORE | S14_LISTED) or (
        sender in S14_LISTED and receiver in S14_CORE
    )
    assert (code("LB05", sender, of_class(receiver)) is None) is expected


@every(("sender", "receiver"), PAIRS)
def test_the_childrens_duty_runs_to_childrens_services_only(sender: str, receiver: str) -> None:
    expected = sender in S11 and receiver == "childrens_services"
    assert (code("LB06", sender, of_class(receiver)) is None) is expected


@every(("sender", "receiver"), PAIRS)
def test_the_duty_to_refer_runs_from_specified_authorities_to_housing_only(
    sender: str, receiver: str
) -> None:
    referrers = {
        "prison",
        "probation",
        "nhs_mental_health_trust",
        "childrens_services",
        "youth_offending_team",
        "adult_social_care",
        "work_and_pensions",
    }
    expected = sender in referrers and receiver == "local_housing_authority"
    assert (code("LB10", sender, of_class(receiver)) is None) is expected


@given(st.sampled_from(CLASSES), st.sampled_from(CLASSES), st.sampled_from([None, 0, 1]))
def test_common_law_disclosure_is_never_automatic(
    sender: str, receiver: str, designation: int | None
) -> None:
    associate = (
        None if designation is None else AssociateDesignation(reference="r", designated_on=TODAY)
    )
    assert code("LB12", sender, of_class(receiver, associate=associate)) == "human-only"


@pytest.mark.parametrize(
    ("basis", "receiver", "facts", "expected"),
    [
        ("LB01", "police", {"category": 0}, "not-a-mappa-person"),
        ("LB01", "police", {"convicted": "no"}, "not-convicted"),
        (
            "LB10",
            "local_housing_authority",
            {"homeless_within_56_days": False},
            "not-homeless-within-56-days",
        ),
        ("LB06", "childrens_services", {"children": False}, "no-risk-to-children"),
        ("LB10", "local_housing_authority", {"housing_consent": False}, "housing-consent-missing"),
        (
            "LB10",
            "local_housing_authority",
            {"chosen_authority_is_recipient": False},
            "authority-not-chosen",
        ),
    ],
)
def test_an_open_route_still_needs_its_tests_met(
    basis: str, receiver: str, facts: dict[str, object], expected: str
) -> None:
    changed = FactClass(
        **{name: getattr(SUITED, name) for name in FactClass.__dataclass_fields__} | facts
    )
    assert code(basis, "prison", of_class(receiver)) is None
    assert code(basis, "prison", of_class(receiver), changed) == expected


@given(
    begins=st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    ends=st.none() | st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    today=st.dates(date(2020, 1, 1), date(2030, 1, 1)),
)
def test_a_designation_opens_s325_on_its_days_and_no_other(
    begins: date, ends: date | None, today: date
) -> None:
    designation = AssociateDesignation(reference="r", designated_on=begins, ends_on=ends)
    hostel = of_class("charity", associate=designation)
    expected = begins <= today and (ends is None or today <= ends)
    assert (code("LB01", "prison", hostel, today=today) is None) is expected


def test_a_designation_opens_no_other_basis() -> None:
    designated = of_class("charity", associate=recipient("gp_practice").associate)
    assert {code(basis, "prison", designated) for basis in ("LB05", "LB06", "LB10")} == {
        "route-not-open"
    }


def test_an_unknown_basis_is_an_error_and_not_an_answer() -> None:
    with pytest.raises(KeyError):
        code("LB99", "prison", of_class("police"))


def test_a_basis_that_gives_no_power_carries_nothing() -> None:
    for basis in ("LB02", "LB15"):
        assert code(basis, "police", of_class("police")) == "no-power"


def test_a_refusal_under_s325_names_where_to_look_instead() -> None:
    """Vector 7: a dangerous person without a conviction is outside s.325(2)."""
    facts = FactClass(kind="risk.assessed", sender_class="police", category=3, convicted="no")
    reason = holds(
        BasisId("LB01"),
        controller_class="police",
        recipient=of_class("local_housing_authority"),
        facts=facts,
        today=TODAY,
        catalogues=RULEBOOK.catalogues,
    )
    assert reason is not None
    assert reason.code == "not-convicted"
    assert "[LB04]" in reason.text
    assert "[LB12], by a person's decision" in reason.text
