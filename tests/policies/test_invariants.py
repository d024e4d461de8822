"""What holds for every person, recipient, event and sender, not only for the examples."""

from dataclasses import replace

import cedarpy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.model.decision import Permit, Refusal
from gateway.model.groups import PROVENANCE
from gateway.model.party import Recipient
from gateway.model.person import Person, StatedGroup
from policies.engine import Question
from policies.evaluate import evaluate
from policies.facts import classify, facing
from policies.rulebook import Rulebook, load_rulebook
from tests.policies.cases import (
    FILES,
    KIND,
    RULEBOOK,
    SENDER,
    codes,
    decide,
    members_of,
    people,
    person,
    recipient,
    recipients,
)

JUSTICE = {"police_offender_manager", "probation_offender_manager"}
HEALTH = {"mental_health_in_reach", "community_mental_health_team", "gp_practice"}
JUSTICE_ONLY = {"victim", "risk_narrative", "licence"}

FORBIDS = st.sampled_from(
    [
        "true",
        "resource.level == 3",
        "resource.children",
        'resource.kind == "release.actual"',
        'principal in Role::"police_offender_manager"',
        'resource.sender_class == "prison" && resource.rosh >= 3',
        'principal.standing.contains("associate")',
        'resource.risk_to.contains("staff") || resource.licence == "no"',
    ]
)


def with_rules(text: str, name: str = "rulebook/added.cedar") -> Rulebook:
    return load_rulebook({**FILES, name: text})


@given(about=people(), to=recipients(), kind=KIND, sender=SENDER)
@settings(max_examples=400)
def test_victims_narrative_and_clinical_facts_stay_where_they_belong(
    about: Person, to: Recipient, kind: str, sender: str
) -> None:
    members = members_of(decide(to, about, kind=kind, sender_class=sender))
    groups = {member.partition(".")[0] for member in members}
    if to.role not in JUSTICE:
        assert not groups & JUSTICE_ONLY
    assert "health_clinical" not in groups
    assert "identifiers.nino" not in members
    assert "handling.restricted" not in members
    if to.role not in HEALTH:
        assert "identifiers.nhs_number" not in members
    if to.role != "housing_authority":
        assert "location.housing_referral" not in members


@given(about=people(), to=recipients(), kind=KIND, sender=SENDER)
@settings(max_examples=200)
def test_a_permit_needs_a_release_this_country_and_an_unrestricted_case(
    about: Person, to: Recipient, kind: str, sender: str
) -> None:
    decision = decide(to, about, kind=kind, sender_class=sender)
    if isinstance(decision, Refusal):
        assert decision.reasons
        assert "evaluation-error" not in codes(decision)
        return
    assert kind in {"release.planned", "release.actual", "release.cancelled"}
    assert to.country == "GB"
    assert not ("handling" in about.facts and about.facts["handling"].members["restricted"])


@given(about=people(), to=recipients(), kind=KIND, sender=SENDER)
@settings(max_examples=200)
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
@settings(max_examples=200)
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


@given(about=people(), to=recipients(), kind=KIND, condition=FORBIDS)
@settings(max_examples=80)
@example(
    about=person(),
    to=recipient("police_offender_manager"),
    kind="release.planned",
    condition="true",
)
def test_adding_a_forbid_never_widens(
    about: Person, to: Recipient, kind: str, condition: str
) -> None:
    narrower = with_rules(
        '@id("forbid-added") @reason("Added.") @source("test") '
        f"forbid (principal, action, resource) when {{ {condition} }};"
    )
    before = members_of(decide(to, about, kind=kind))
    after = members_of(decide(to, about, kind=kind, rulebook=narrower))
    assert after in (before, set())
    if condition == "true":
        assert not after


ALL_RULES = [
    "@id(" + part
    for name, text in FILES.items()
    if name.endswith(".cedar")
    for part in text.split("\n@id(")[1:]
]


@given(about=people(), to=recipients(), kind=KIND, order=st.permutations(ALL_RULES))
@settings(max_examples=40)
def test_the_order_and_file_of_rules_decide_nothing(
    about: Person, to: Recipient, kind: str, order: list[str]
) -> None:
    others = {name: text for name, text in FILES.items() if not name.endswith(".cedar")}
    shuffled = load_rulebook(
        {**others, "b.cedar": "\n".join(order[:7]), "a.cedar": "\n".join(order[7:])}
    )
    assert shuffled.rules.keys() == RULEBOOK.rules.keys()
    before = decide(to, about, kind=kind)
    after = decide(to, about, kind=kind, rulebook=shuffled)
    assert replace(after, rulebook=before.rulebook) == before


@pytest.mark.parametrize("effect", ["permit", "forbid"])
@given(about=people(), to=recipients(), kind=KIND)
@settings(max_examples=40)
def test_a_rule_that_errs_refuses_though_cedar_alone_would_skip_it(
    effect: str, about: Person, to: Recipient, kind: str
) -> None:
    annotations = (
        '@reason("Errs.")'
        if effect == "forbid"
        else '@basis("LB01") @purpose("test") @groups("identity") @for("action")'
    )
    principal = "principal" if effect == "forbid" else f'principal in Role::"{to.role}"'
    erring = with_rules(
        f'@id("errs") @source("test") {annotations} '
        f"{effect} ({principal}, action, resource) "
        "when { resource.level + 9223372036854775807 > resource.level - 9223372036854775807 - 9 };"
    )
    assert codes(decide(to, about, kind=kind, rulebook=erring)) == {"evaluation-error"}


@given(about=people(), to=recipients(), kind=KIND, sender=SENDER)
@settings(max_examples=150)
def test_the_remembered_answer_is_the_answer(
    about: Person, to: Recipient, kind: str, sender: str
) -> None:
    facts = facing(classify(kind, about.facts, sender_class=sender), about.facts, to)
    question = Question(
        role=to.role,
        standing=RULEBOOK.catalogues.standing_of(to.organisation_class),
        areas=to.areas,
        country="GB" if to.country == "GB" else "other",
        facts=facts,
    )
    engine = RULEBOOK.engine
    assert engine.ask(question) == engine.ask(question) == engine.ask_afresh(question)


@given(about=people(), to=recipients(), kind=KIND, sender=SENDER)
@settings(max_examples=60)
def test_a_rulebook_that_remembers_nothing_decides_the_same(
    about: Person, to: Recipient, kind: str, sender: str
) -> None:
    warm = decide(to, about, kind=kind, sender_class=sender)
    cold = decide(to, about, kind=kind, sender_class=sender, rulebook=load_rulebook(FILES))
    assert warm == cold


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
        ("custody", {"prison": "\ud800"}),
    ],
)
def test_facts_of_the_wrong_form_are_a_refusal_that_says_so(
    group: str, members: dict[str, object]
) -> None:
    about = person(**{group: members})
    assert codes(decide(recipient("police_offender_manager"), about)) == {"evaluation-error"}


def test_a_failure_while_deciding_names_neither_the_person_nor_the_fault() -> None:
    broken = StatedGroup(members=None, controller="hmp", as_of=None)  # type: ignore[arg-type]
    about = Person(ref="per_1", facts={"identity": broken, "rosh": broken})  # type: ignore[arg-type]
    decision = evaluate(
        RULEBOOK,
        event="evt_1",  # type: ignore[arg-type]
        kind="release.planned",
        recipient=recipient("police_offender_manager"),
        person=about,
        sender_class="prison",
        controller_classes={},
        today=None,  # type: ignore[arg-type]
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
