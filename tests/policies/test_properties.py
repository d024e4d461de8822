"""What a change of the rulebook, or of facts no rule may know, can never do. Not by example."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import cedarpy
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from gateway.model.decision import Permit
from gateway.model.groups import PROVENANCE
from gateway.model.party import Recipient
from gateway.model.person import Person, StatedGroup
from policies.engine import Question
from policies.facts import classify, facing
from policies.minimise import select
from policies.rulebook import Rulebook, load_rulebook
from tests.policies.cases import (
    FILES,
    KIND,
    ROLES,
    RULEBOOK,
    SENDER,
    TODAY,
    WHOLE,
    decide,
    members_of,
    people,
    person,
    recipient,
    recipients,
)
from tests.support.examples import examples

CONDITIONS = st.sampled_from(
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
GROUPS = st.lists(
    st.sampled_from(["identity", "custody", "mappa.summary", "rosh", "location.area", "offence"]),
    min_size=1,
    max_size=3,
    unique=True,
).map(" ".join)


@lru_cache(maxsize=64)
def with_rules(text: str, name: str = "rulebook/added.cedar") -> Rulebook:
    return load_rulebook({**FILES, name: text})


@lru_cache(maxsize=2)
def without_permits_for(roles: tuple[str, ...]) -> Rulebook:
    files = dict(FILES)
    for name, text in FILES.items():
        if not name.endswith(".cedar"):
            continue
        parsed = json.loads(cedarpy.policies_to_json_str(text))
        kept = {
            key: policy
            for key, policy in parsed["staticPolicies"].items()
            if policy["effect"] == "forbid"
            or RULEBOOK.rules[policy["annotations"]["id"]].role not in roles
        }
        files[name] = cedarpy.policies_from_json_str(json.dumps({**parsed, "staticPolicies": kept}))
    return load_rulebook(files)


def forbid(condition: str, action: str = "action") -> str:
    return (
        '@id("forbid-added") @reason("Added.") @source("test") '
        f"forbid (principal, {action}, resource) when {{ {condition} }};"
    )


def permit(role: str, condition: str, groups: str, basis: str = "LB01") -> str:
    return (
        f'@id("permit-added") @basis("{basis}") @purpose("risk_management") @groups("{groups}")'
        f' @for("action") @source("test") permit (principal in Role::"{role}",'
        f' action == Action::"disclose", resource) when {{ {condition} }};'
    )


@given(about=people(), to=recipients(), kind=KIND, sender=SENDER)
@settings(max_examples=examples(200))
def test_a_view_shows_no_member_that_its_permit_does_not_name(
    about: Person, to: Recipient, kind: str, sender: str
) -> None:
    decision = decide(to, about, kind=kind, sender_class=sender)
    if not isinstance(decision, Permit):
        return
    shown = {
        f"{group}.{member}"
        for group, members in select(about, decision).groups.items()
        for member in members
        if member not in PROVENANCE
    }
    assert shown
    assert shown <= set(decision.members)


@given(about=people(), to=recipients(), kind=KIND, condition=CONDITIONS)
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
    narrower = with_rules(forbid(condition))
    before = members_of(decide(to, about, kind=kind))
    after = members_of(decide(to, about, kind=kind, rulebook=narrower))
    assert after in (before, set())
    if condition == "true":
        assert not after


@given(
    about=people(),
    to=recipients(),
    kind=KIND,
    condition=CONDITIONS,
    group=st.sampled_from(sorted(WHOLE)),
)
@settings(max_examples=30)
def test_locking_a_group_takes_that_group_and_nothing_else(
    about: Person, to: Recipient, kind: str, condition: str, group: str
) -> None:
    text = forbid(f'({condition}) && context.group == "{group}"', 'action == Action::"include"')
    before = members_of(decide(to, about, kind=kind))
    after = members_of(decide(to, about, kind=kind, rulebook=with_rules(text)))
    locked = {path for path in before if path.startswith(f"{group}.")}
    assert after in (before, before - locked)
    if condition == "true":
        assert after == before - locked


@given(
    about=people(),
    to=recipients(),
    kind=KIND,
    role=st.none() | st.sampled_from(ROLES),
    condition=CONDITIONS,
    groups=GROUPS,
)
@settings(max_examples=25)
def test_adding_a_rule_never_changes_what_another_role_is_told(
    about: Person, to: Recipient, kind: str, role: str | None, condition: str, groups: str
) -> None:
    role = role or to.role
    wider = with_rules(permit(role, condition, groups))
    before, after = decide(to, about, kind=kind), decide(to, about, kind=kind, rulebook=wider)
    if to.role == role:
        assert members_of(before) <= members_of(after)
    else:
        assert replace(after, rulebook=before.rulebook) == before


@given(about=people(), to=recipients(), kind=KIND, order=st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_the_order_and_file_of_rules_decide_nothing(
    about: Person, to: Recipient, kind: str, order: Any
) -> None:
    rules = list(ALL_RULES)
    order.shuffle(rules)
    half = len(rules) // 2
    others = {name: text for name, text in FILES.items() if not name.endswith(".cedar")}
    shuffled = load_rulebook(
        {**others, "b.cedar": "\n".join(rules[:half]), "a.cedar": "\n".join(rules[half:])}
    )
    assert shuffled.rules.keys() == RULEBOOK.rules.keys()
    before = decide(to, about, kind=kind)
    after = decide(to, about, kind=kind, rulebook=shuffled)
    assert replace(after, rulebook=before.rulebook) == before


def _each_rule() -> list[str]:
    texts = []
    for name, text in FILES.items():
        if name.endswith(".cedar"):
            parsed = json.loads(cedarpy.policies_to_json_str(text))
            for key, policy in parsed["staticPolicies"].items():
                one = {**parsed, "staticPolicies": {key: policy}}
                texts.append(cedarpy.policies_from_json_str(json.dumps(one)))
    return texts


ALL_RULES = _each_rule()
COLD = load_rulebook(FILES)


@given(about=people(), to=recipients(), kind=KIND, sender=SENDER)
@settings(max_examples=examples(150))
def test_a_role_with_no_rule_is_told_nothing_of_anything(
    about: Person, to: Recipient, kind: str, sender: str
) -> None:
    half = next(roles for roles in (ROLES[::2], ROLES[1::2]) if to.role in roles)
    decision = decide(to, about, kind=kind, sender_class=sender, rulebook=without_permits_for(half))
    assert members_of(decision) == set()


# What no rule may know. Each keeps the class of facts the same.
UNSEEN: Mapping[str, Mapping[str, Any]] = {
    "identity": {"family_name": "Another", "aliases": ["Bo"], "sex": "female"},
    "identifiers": {"noms": "Z0009ZZ", "crn": "X000009", "nhs_number": "9990000026"},
    "custody": {"reason_code": "XX", "sentence_expiry_date": "2031-06-01"},
    "mappa": {"coordinator_contact": "Another desk", "lead_agency": "police"},
    "risk_narrative": {"nature": "told otherwise", "triggers": "told otherwise"},
    "offence": {"index_category": "another", "sentence": "60 months"},
    "licence": {"conditions": ["another"], "exclusion_zones": ["another zone"]},
    "location": {"address": {"lines": ["9 Example Street"]}, "tenancy": "private"},
    "victim": {"relationship": "neighbour", "liaison_officer": "Another Officer"},
    "health_clinical": {"diagnosis": "another", "self_harm": "another"},
    "professionals": {"plan_ref": "RMP-9"},
    "handling": {"agreement_ref": "ISA-9"},
}


@given(about=people(), to=recipients(), kind=KIND, group=st.sampled_from(sorted(UNSEEN)))
@settings(max_examples=examples(200))
def test_facts_outside_the_schema_change_no_verdict(
    about: Person, to: Recipient, kind: str, group: str
) -> None:
    assume(group in about.facts)
    stated = about.facts[group]
    changed = replace(stated, members={**stated.members, **UNSEEN[group]})
    otherwise = Person(ref=about.ref, facts={**about.facts, group: changed})
    assert decide(to, otherwise, kind=kind) == decide(to, about, kind=kind)


@given(about=people(), to=recipients(), kind=KIND, group=st.sampled_from(sorted(WHOLE)))
@settings(max_examples=examples(100))
def test_a_member_or_group_nobody_defined_goes_nowhere(
    about: Person, to: Recipient, kind: str, group: str
) -> None:
    assume(group in about.facts)
    stated = about.facts[group]
    more = replace(stated, members={**stated.members, "shoe_size": 9})
    unheard_of = StatedGroup(members={"a": 1}, controller=stated.controller, as_of=stated.as_of)
    otherwise = Person(ref=about.ref, facts={**about.facts, group: more, "hobbies": unheard_of})
    before, after = decide(to, about, kind=kind), decide(to, otherwise, kind=kind)
    assert members_of(after) == members_of(before)
    if isinstance(after, Permit):
        shown = select(otherwise, after).groups
        assert "hobbies" not in shown
        assert "shoe_size" not in shown.get(group, {})


@given(about=people(), to=recipients(), kind=KIND, sender=SENDER)
@settings(max_examples=examples(150))
def test_the_remembered_answer_is_the_answer(
    about: Person, to: Recipient, kind: str, sender: str
) -> None:
    asked = question(about, to, kind, sender)
    engine = RULEBOOK.engine
    assert engine.ask(asked) == engine.ask(asked) == engine.ask_afresh(asked)
    groups = tuple(sorted(WHOLE))
    locks = engine.locks_afresh(asked, groups, "sealed")
    assert engine.locks(asked, groups, "sealed") == engine.locks(asked, groups, "sealed") == locks


@given(about=people(), to=recipients(), kind=KIND, sender=SENDER)
@settings(max_examples=examples(100))
def test_a_rulebook_that_remembers_nothing_decides_the_same(
    about: Person, to: Recipient, kind: str, sender: str
) -> None:
    warm = decide(to, about, kind=kind, sender_class=sender)
    engine: Any = COLD.engine
    engine.ask.cache_clear()
    engine.locks.cache_clear()
    assert decide(to, about, kind=kind, sender_class=sender, rulebook=COLD) == warm


@given(about=people(), to=recipients(), kind=KIND, condition=CONDITIONS)
@settings(max_examples=60)
def test_two_rulebooks_never_share_an_answer(
    about: Person, to: Recipient, kind: str, condition: str
) -> None:
    other = with_rules(forbid(condition))
    asked = question(about, to, kind, "prison")
    for rulebook in (RULEBOOK, other, RULEBOOK, other):
        assert rulebook.engine.ask(asked) == rulebook.engine.ask_afresh(asked)
        assert decide(to, about, kind=kind, rulebook=rulebook).rulebook == rulebook.digest
    assert other.digest != RULEBOOK.digest
    if condition == "true":
        assert "forbid-added" in other.engine.ask(asked).forbids
        assert "forbid-added" not in RULEBOOK.engine.ask(asked).forbids


def question(about: Person, to: Recipient, kind: str, sender: str) -> Question:
    facts = classify(kind, about.facts, sender_class=sender, today=TODAY)
    return Question(
        role=to.role,
        standing=RULEBOOK.catalogues.standing_of(to.organisation_class),
        areas=to.areas,
        country="GB" if to.country == "GB" else "other",
        facts=facing(facts, about.facts, to),
    )
