"""What holds for every person, recipient, event and sender, not only for the examples."""

from dataclasses import replace
from functools import lru_cache

import cedarpy
import pytest
from hypothesis import given, settings

from gateway.model.decision import Permit, Refusal
from gateway.model.groups import PROVENANCE
from gateway.model.party import Recipient
from gateway.model.person import Person, StatedGroup
from policies.evaluate import evaluate
from policies.facts import FactClass, classify
from policies.rulebook import Rulebook, load_rulebook
from tests.policies.cases import (
    FILES,
    KIND,
    RULEBOOK,
    SENDER,
    TODAY,
    codes,
    decide,
    members_of,
    people,
    person,
    recipient,
    recipients,
)
from tests.support.examples import examples

# Who may ever have a group without a named person's decision: need-to-know matrix 3.2.
VICTIM = {"police_offender_manager", "probation_offender_manager", "victim_liaison_officer"}
NARRATIVE = {"police_offender_manager", "probation_offender_manager", "mappa_coordinator"}
HEALTH = {
    "mental_health_in_reach",
    "prison_discharge_coordinator",
    "community_mental_health_team",
    "gp_practice",
}


@lru_cache(maxsize=128)
def with_rules(text: str, name: str = "rulebook/added.cedar") -> Rulebook:
    return load_rulebook({**FILES, name: text})


@given(about=people(), to=recipients(), kind=KIND, sender=SENDER)
@settings(max_examples=examples(250))
def test_victims_narrative_and_clinical_facts_stay_where_they_belong(
    about: Person, to: Recipient, kind: str, sender: str
) -> None:
    members = members_of(decide(to, about, kind=kind, sender_class=sender))
    groups = {member.partition(".")[0] for member in members}
    assert "victim" not in groups or to.role in VICTIM
    assert "risk_narrative" not in groups or to.role in NARRATIVE
    assert "health_clinical" not in groups or to.role in HEALTH
    assert "identifiers.nhs_number" not in members or to.role in HEALTH
    assert "identifiers.nino" not in members or to.role == "jobcentre_plus"
    assert "location.housing_referral" not in members or to.role == "housing_authority"
    assert "handling.restricted" not in members


@given(about=people(), to=recipients(), kind=KIND, sender=SENDER)
@settings(max_examples=examples(200))
def test_a_permit_needs_this_country_and_an_unrestricted_case(
    about: Person, to: Recipient, kind: str, sender: str
) -> None:
    decision = decide(to, about, kind=kind, sender_class=sender)
    if isinstance(decision, Refusal):
        assert decision.reasons
        assert "evaluation-error" not in codes(decision)
        return
    assert to.country == "GB"
    assert not ("handling" in about.facts and about.facts["handling"].members["restricted"])


@given(about=people(), to=recipients(), kind=KIND, sender=SENDER)
@settings(max_examples=examples(200))
def test_every_fact_held_is_granted_or_its_group_is_withheld_with_a_reason(
    about: Person, to: Recipient, kind: str, sender: str
) -> None:
    decision = decide(to, about, kind=kind, sender_class=sender)
    if isinstance(decision, Refusal):
        return
    held = {
        f"{group}.{member}"
        for group, stated in about.facts.items()
        for member, value in stated.members.items()
        if value is not None and member not in PROVENANCE
    }
    granted = set(decision.members)
    assert granted <= held
    withheld = {withheld.group for withheld in decision.withheld}
    assert withheld == {path.partition(".")[0] for path in held - granted}
    assert all(w.reason.code and w.reason.text for w in decision.withheld)


@given(about=people(), to=recipients(), kind=KIND, sender=SENDER)
@settings(max_examples=examples(200))
def test_every_grant_rests_on_a_basis_its_rule_names_and_carries_its_citation(
    about: Person, to: Recipient, kind: str, sender: str
) -> None:
    decision = decide(to, about, kind=kind, sender_class=sender)
    for grant in decision.grants if isinstance(decision, Permit) else ():
        rule, basis = RULEBOOK.rules[grant.rule], RULEBOOK.catalogues.bases[grant.basis]
        allowed = {path for _, members in rule.groups for _, path in members}
        assert grant.basis in rule.bases
        assert rule.role == to.role
        assert set(grant.members) <= allowed
        assert basis.only is None or set(grant.members) <= basis.only
        assert list(grant.members) == sorted(set(grant.members))
        assert (grant.citation, grant.regime) == (basis.citation, basis.regime)
        sensitive = any(m.startswith(("health_routing", "health_clinical")) for m in grant.members)
        assert not sensitive or grant.condition


@pytest.mark.parametrize("effect", ["permit", "forbid"])
@given(about=people(), to=recipients(), kind=KIND)
@settings(max_examples=40)
def test_a_rule_that_errs_refuses_though_cedar_alone_would_skip_it(
    effect: str, about: Person, to: Recipient, kind: str
) -> None:
    annotations = (
        '@reason("Errs.")'
        if effect == "forbid"
        else '@basis("LB01") @purpose("risk_management") @groups("identity") @for("action")'
    )
    head = (
        "principal, action"
        if effect == "forbid"
        else f'principal in Role::"{to.role}", action == Action::"disclose"'
    )
    erring = with_rules(
        f'@id("errs") @source("test") {annotations} '
        f"{effect} ({head}, resource) "
        "when { resource.level + 9223372036854775807 > resource.level - 9223372036854775807 - 9 };"
    )
    assert codes(decide(to, about, kind=kind, rulebook=erring)) == {"evaluation-error"}


@given(about=people(), to=recipients())
@settings(max_examples=60)
def test_designating_an_associate_never_takes_anything_away(about: Person, to: Recipient) -> None:
    undesignated = replace(to, associate=None)
    assert members_of(decide(undesignated, about)) <= members_of(
        decide(replace(to, associate=recipient("gp_practice").associate), about)
    )


@pytest.mark.parametrize(
    ("group", "members"),
    [
        ("mappa", {"category": "2"}),
        ("mappa", {"level": True}),
        ("rosh", {"overall": "severe"}),
        ("rosh", {"children": ["high"]}),
        ("location", {"areas_of_interest": "west_midlands"}),
    ],
)
def test_facts_of_the_wrong_form_have_no_class(group: str, members: dict[str, object]) -> None:
    about = person(**{group: members})
    with pytest.raises((TypeError, KeyError, ValueError, AttributeError)):
        classify("release.planned", about.facts, sender_class="prison", today=TODAY)


def test_text_the_engine_cannot_take_is_a_refusal_that_says_so() -> None:
    about = person(custody={"prison": "\ud800"})
    assert codes(decide(recipient("police_offender_manager"), about)) == {"evaluation-error"}


def test_a_failure_while_deciding_names_neither_the_person_nor_the_fault() -> None:
    broken = StatedGroup(members=None, controller="hmp", as_of=None)  # type: ignore[arg-type]
    about = Person(ref="per_1", facts={"location": broken, "rosh": broken})  # type: ignore[arg-type]
    decision = evaluate(
        RULEBOOK,
        event="evt_1",  # type: ignore[arg-type]
        recipient=recipient("police_offender_manager"),
        person=about,
        facts=FactClass(kind="release.planned", sender_class="prison"),
        controller_classes={},
        today=TODAY,
    )
    assert codes(decision) == {"evaluation-error"}
    assert isinstance(decision, Refusal)
    assert "None" not in decision.reasons[0].text


def test_cedar_alone_would_have_skipped_the_forbid_that_errs() -> None:
    text = (
        '@id("p") permit (principal, action, resource);'
        '@id("f") forbid (principal, action, resource) when { 1 + 9223372036854775807 > 0 };'
    )
    request = {"principal": 'A::"a"', "action": 'Action::"d"', "resource": 'A::"a"'}
    result = cedarpy.is_authorized(request, text, [])
    assert result.allowed
    assert result.diagnostics.errors
