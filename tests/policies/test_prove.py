"""The proof is exact: its reading of the rules is Cedar's, its space misses nothing, its search
tries everything; and without any one forbid or reserved member some invariant falls."""

import json
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
from gateway.model.ids import RuleId
from gateway.model.person import Person
from policies.bases import holds, standing
from policies.engine import Engine, Question
from policies.facts import FactClass, classify, facing
from policies.problem import BadRulebook
from policies.proof.compiled import Compiled, compile_rulebook
from policies.proof.condition import ROLE, BeyondProof, parse, work_out
from policies.proof.fact_space import variables
from policies.proof.formula import (
    Domains,
    Every,
    Formula,
    Is,
    Some,
    Space,
    both,
    either,
    possible,
    settled,
    smallest,
)
from policies.proof.prove import Proof, Prover
from policies.proof.reliance import reliance
from policies.proof.variable import Choice, Variable
from policies.proof.whereabouts import whereabouts
from policies.rulebook import load_rulebook
from tests.policies.cases import (
    DESIGNATION,
    FILES,
    KIND,
    RULEBOOK,
    SENDER,
    TODAY,
    people,
    recipient,
    recipients,
)
from tests.support.examples import examples

INVARIANTS = (Path(policies.__file__).parent / "invariants.toml").read_text("utf-8")
PROVER = Prover(FILES, INVARIANTS)
LAW: Compiled = compile_rulebook(RULEBOOK, FILES)
SCHEMA = cedarpy.Schema.from_str(FILES["schema.cedarschema"])
FORBIDS = sorted(rule.id for rule in RULEBOOK.rules.values() if rule.effect == "forbid")
RESERVED = [
    (code, n)
    for code, group in tomllib.loads(FILES["groups.toml"]).items()
    for n, _ in enumerate(group.get("reserved", ()))
]


def prove(files: Mapping[str, str], invariants: str = INVARIANTS) -> dict[str, Proof]:
    return {proof.id: proof for proof in Prover(files, invariants).proofs()}


def broken(files: Mapping[str, str], invariants: str = INVARIANTS) -> set[str]:
    return {name for name, proof in prove(files, invariants).items() if not proof.holds}


def without_rule(unwanted: str) -> dict[str, str]:
    """Return the shipped rulebook but for one rule."""
    files = dict(FILES)
    for name, text in FILES.items():
        if not name.endswith(".cedar"):
            continue
        parsed = json.loads(cedarpy.policies_to_json_str(text))
        kept = {
            key: policy
            for key, policy in parsed["staticPolicies"].items()
            if policy["annotations"]["id"] != unwanted
        }
        if len(kept) < len(parsed["staticPolicies"]):
            files[name] = cedarpy.policies_from_json_str(
                json.dumps({**parsed, "staticPolicies": kept})
            )
    return files


def with_rule(text: str) -> dict[str, str]:
    return {**FILES, "rulebook/added.cedar": text}


# What holds


def test_every_invariant_of_the_rulebook_holds() -> None:
    assert broken(FILES) == set()


@pytest.mark.parametrize("forbid", FORBIDS)
def test_without_any_one_forbid_an_invariant_falls(forbid: RuleId) -> None:
    fallen = [proof for proof in PROVER.without(forbid).proofs() if not proof.holds]
    assert fallen, f"nothing else is proved to need {forbid}"
    assert all(proof.counterexample and proof.counterexample.role for proof in fallen)


@pytest.mark.parametrize("rule", [FORBIDS[0], FORBIDS[-1], "lock-victim", "forbid-third-country"])
def test_a_copy_of_the_files_without_a_rule_falls_by_the_same_invariants(rule: RuleId) -> None:
    files = without_rule(rule)
    assert rule not in load_rulebook(files).rules
    assert broken(files) == {p.id for p in PROVER.without(rule).proofs() if not p.holds} != set()


@pytest.mark.parametrize(("code", "number"), RESERVED)
def test_without_any_one_reserved_entry_an_invariant_falls(code: str, number: int) -> None:
    text = FILES["groups.toml"]
    heads = re.finditer(rf"^\[\[{code}\.reserved\]\]", text, re.MULTILINE)
    start = [head.start() for head in heads][number]
    end = re.compile(r"^\[", re.MULTILINE).search(text, start + 2)
    cut = text[:start] + (text[end.start() :] if end else "")
    files = {**FILES, "groups.toml": cut}
    assert load_rulebook(files).digest != RULEBOOK.digest
    assert broken(files)


# A counterexample


def test_a_counterexample_says_the_fewest_facts_and_the_rule_that_does_it() -> None:
    invariant = """
    [never.jobcentre]
    text = "The Jobcentre is never told where a person of category 2 at level 3 lives."
    source = "test"
    what = ["location.address"]
    to = ["jobcentre_plus"]
    when = "resource.category == 2 && resource.level >= 3 && resource.told_before"
    rules = "present"
    """
    silenced = [one for one in FORBIDS if RULEBOOK.rules[one].role == "jobcentre_plus"]
    files: Mapping[str, str] = with_rule(
        '@id("too-much") @basis("LB01") @purpose("risk_management") @groups("location.residence")'
        ' @for("action") @source("test")'
        'permit (principal in Role::"jobcentre_plus", action == Action::"disclose", resource)'
        'when { resource.kind == "release.actual" && (resource.level == 3 || resource.imminent) };'
    )
    for one in silenced:
        files = {**files, **{k: v for k, v in without_rule(one).items() if "added" not in k}}
    proof = prove(files, invariant)["jobcentre"]
    assert proof.counterexample is not None
    assert proof.counterexample.rule == "too-much"
    assert proof.counterexample.role == "Jobcentre Plus"
    assert proof.counterexample.told == "location.address"
    assert set(proof.counterexample.facts) == {
        "event release.actual",
        "MAPPA category 2",
        "MAPPA level 3",
        "the recipient was told before",
    }


def test_the_case_found_is_one_the_engine_would_let_through() -> None:
    """Strip the forbids one at a time and ask Cedar about each counterexample's own world."""
    law = LAW
    for forbid, silent in law.no_forbid.items():
        others = [formula for one, formula in law.no_forbid.items() if one != forbid]
        case = smallest(law.space, [law.space.negated(silent), *others], law.space.whole)
        assert case is not None, f"{forbid} never decides anything by itself"
        world = world_of(law.space, case)
        assert RULEBOOK.engine.ask_afresh(question(world)).forbids == (forbid,)


# The reading of conditions is Cedar's


def world_of(space: Space, case: Domains) -> dict[str, Any]:
    """Return the plainest world of a case."""
    world: dict[str, Any] = {}
    for variable, mask in zip(space.variables, case, strict=True):
        wanted = mask & variable.plain or mask
        world.update(variable.choices[(wanted & -wanted).bit_length() - 1].reads)
    return world


def question(world: Mapping[str, Any]) -> Question:
    facts = {
        name.removeprefix("resource."): value
        for name, value in world.items()
        if name.startswith("resource.")
    }
    return Question(
        role=world[ROLE],
        standing=world["principal.standing"],
        areas=world["principal.areas"],
        country=world["principal.country"],
        facts=FactClass(**facts),
    )


CEILING = RuleId("forbid-marking-above-ceiling")


def compile_with(text: str) -> Compiled:
    files = with_rule(text)
    return compile_rulebook(load_rulebook(files), files)


@st.composite
def cases(draw: st.DrawFn, space: Space = LAW.space) -> Domains:
    """Draw one combination of facts, half of its variables plain."""
    return tuple(
        1 << draw(st.integers(0, len(one.choices) - 1))
        if draw(st.booleans())
        else one.plain & -one.plain
        for one in space.variables
    )


def held(formulas: Mapping[RuleId, Formula], case: Domains) -> set[RuleId]:
    return {name for name, formula in formulas.items() if settled([formula], case) is not None}


@given(case=cases())
@settings(max_examples=examples(400))
def test_the_formulas_say_what_cedar_says(case: Domains) -> None:
    world = world_of(LAW.space, case)
    answer = RULEBOOK.engine.ask_afresh(question(world))
    forbids = LAW.no_forbid.keys() - held(LAW.no_forbid, case)
    assert set(answer.forbids) == forbids
    assert set(answer.permits) == (set() if forbids else held(LAW.permits, case))
    group, form = world["context.group"], world["context.form"]
    locks = RULEBOOK.engine.locks_afresh(question(world), (group,), form)
    assert set(locks.get(group, ())) == LAW.no_lock.keys() - held(LAW.no_lock, case)


PERMITS = sorted(rule.id for rule in RULEBOOK.rules.values() if rule.effect == "permit")


def aimed(case: Domains, formula: Formula, *names: str) -> Domains:
    """Return the case with some variables moved to where a formula may hold."""
    left = settled([formula], LAW.space.whole)
    assert left is not None
    moved = list(case)
    for number in (LAW.space.number(name) for name in names):
        if not moved[number] & left[1][number]:
            moved[number] = left[1][number] & -left[1][number]
    return tuple(moved)


@given(case=cases(), id_=st.sampled_from(PERMITS), aim=st.booleans())
@settings(max_examples=examples(300))
def test_a_basis_lets_a_member_go_where_the_weighing_would(
    case: Domains, id_: RuleId, aim: bool
) -> None:
    rule = RULEBOOK.rules[id_]
    relied_on = reliance(rule, RULEBOOK.catalogues, LAW.space)
    if aim:
        case = aimed(case, both([LAW.permits[id_], relied_on]), ROLE, "told")
    world = world_of(LAW.space, case)
    group = RULEBOOK.catalogues.groups[world["context.group"]]
    to = recipient(
        world[ROLE],
        organisation_class=world["principal.class"],
        associate=DESIGNATION if "associate" in world["principal.standing"] else None,
    )
    bases = [
        entry
        for basis in rule.bases
        if (entry := RULEBOOK.catalogues.bases[basis])
        and (entry.only is None or world["told"] in entry.only)
        and (entry.condition or not group.sensitive)
        and any(
            holds(
                basis,
                controller_class=sender,
                recipient=to,
                facts=question(world).facts,
                today=TODAY,
                catalogues=RULEBOOK.catalogues,
                by_human=bool(rule.decided_by),
            )
            is None
            for sender in RULEBOOK.catalogues.organisations
        )
    ]
    named = {path for _, pairs in rule.groups for _, path in pairs}
    expected = bool(bases) and world["told"] in named
    assert (settled([relied_on], case) is not None) == expected


_STRINGS = ["kind", "release_type", "age", "sender_class", "address_status", "licence"]
_SETS = ["principal.areas", "resource.areas", "resource.risk_to"]
_WORDS = ["release.actual", "PAROLE", "child", "prison", "yes", "children", "public", ""]
_NUMBERS = ["resource.category", "resource.level", "resource.rosh", "0", "1", "2", "-1", "4"]
_NUMBER = st.recursive(
    st.sampled_from(_NUMBERS),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(" ".join).map("({})".format),
    max_leaves=3,
)
_LITERALS = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=3).map(json.dumps)
_ATOMS = st.one_of(
    st.sampled_from(["resource.restricted", "resource.decided", "true", "false"]),
    st.tuples(_NUMBER, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), _NUMBER).map(" ".join),
    st.tuples(
        st.sampled_from(_STRINGS), st.sampled_from(["==", "!="]), st.sampled_from(_WORDS)
    ).map(lambda parts: f"resource.{parts[0]} {parts[1]} {json.dumps(parts[2])}"),
    st.tuples(_LITERALS, st.sampled_from(_STRINGS)).map(
        lambda parts: f"{parts[0]}.contains(resource.{parts[1]})"
    ),
    st.tuples(
        st.sampled_from(_SETS), st.sampled_from(["containsAny", "containsAll"]), _LITERALS
    ).map(lambda parts: f"{parts[0]}.{parts[1]}({parts[2]})"),
    st.tuples(
        st.sampled_from(_SETS[:2]),
        st.sampled_from(["containsAny", "containsAll"]),
        st.sampled_from(_SETS[:2]),
    ).map(lambda parts: f"{parts[0]}.{parts[1]}({parts[2]})"),
    st.sampled_from(
        [
            "principal.areas == resource.areas",
            "principal.areas.contains(resource.prison)",
            "resource.areas.isEmpty()",
            "[resource.prison].containsAll(principal.areas)",
            'principal.standing.contains("associate")',
            'principal in Role::"gp_practice"',
            'principal in [Role::"gp_practice", Role::"police_response"]',
            "principal is Recipient",
            "resource has kind",
            'resource.kind like "release.*"',
            'resource.release_type like "*A*L*"',
            'principal.country == "GB"',
        ]
    ),
)
CONDITIONS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(" ".join).map("({})".format),
        inner.map("!({})".format),
        st.tuples(inner, inner, inner).map(lambda p: f"(if {p[0]} then {p[1]} else {p[2]})"),
    ),
    max_leaves=6,
)


@cache
def wider_space() -> Space:
    spelt_out = parse('resource.areas.containsAny(["children", "public"])')
    return Space(variables(RULEBOOK.catalogues, [spelt_out]))


@given(condition=CONDITIONS, case=cases(wider_space()))
@settings(max_examples=examples(250))
def test_any_condition_is_worked_out_as_cedar_does(condition: str, case: Domains) -> None:
    text = f'@id("tried") forbid (principal, action, resource) when {{ {condition} }};'
    world = world_of(wider_space(), case)
    engine = Engine({("", ""): text}, SCHEMA)
    expected = bool(engine.ask_afresh(question(world)).forbids)
    assert work_out(parse(condition), world) is expected
    formula = wider_space().formula(parse(condition))
    assert (settled([formula], case) is not None) is expected


def test_what_cannot_be_followed_is_said_and_never_guessed() -> None:
    with pytest.raises(BeyondProof, match="overflow"):
        work_out(parse("resource.level + 9223372036854775807 > 0"), {"resource.level": 1})
    for condition, why in {
        'resource.marking like "S*"': "wildcard",
        'resource.prison like "S*"': "wildcard",
        'resource.sender_class like "p*"': "wildcard",
        "resource.areas.contains(resource.sender_class)": "comparison",
        'principal == Recipient::"one"': "does not follow",
    }.items():
        with pytest.raises(BeyondProof, match=why):
            wider_space().formula(parse(condition))
    for head, why in {
        'principal is Recipient in Role::"gp_practice", action, resource': "head of one role",
        'principal == Recipient::"one", action, resource': "head of one role",
        'principal, action, resource == Event::"one"': "no single event",
    }.items():
        with pytest.raises(BeyondProof, match=why):
            Prover(with_rule(f'@id("h") @reason("r") @source("s") forbid ({head});'), INVARIANTS)
    both_actions = (
        '@id("h") @reason("r") @source("s") forbid (principal, action, resource)'
        ' when { context has form && context.form == "notice" };'
    )
    with pytest.raises(BeyondProof, match="without being of include"):
        Prover(with_rule(both_actions), INVARIANTS)
    added = with_rule(
        '@id("narrow") @reason("r") @source("s") forbid (principal, action, resource)'
        'when { resource.areas.containsAny(["a", "b", "c", "d"]) };'
    )
    with pytest.raises(BeyondProof, match="more than 3 areas"):
        Prover(added, INVARIANTS)


def test_an_area_the_rulebook_spells_out_is_told_apart() -> None:
    invariant = """
    [never.there]
    text = "Nothing where the area is spelt out."
    source = "test"
    what = ["*"]
    when = 'resource.areas.contains("kent")'
    """
    assert broken(FILES, invariant) == {"there"}
    added = with_rule(
        '@id("not-there") @reason("r") @source("s") forbid (principal, action, resource)'
        'when { resource.areas.contains("kent") };'
    )
    assert broken(added, invariant) == set()


def test_a_marking_the_rulebook_spells_out_is_told_apart() -> None:
    invariant = """
    [never.secret]
    text = "Nothing marked SECRET."
    source = "test"
    what = ["*"]
    when = 'resource.marking == "SECRET"'
    """
    assert broken(FILES, invariant) == set()
    assert {p.id for p in Prover(FILES, invariant).without(CEILING).proofs() if not p.holds} == {
        "secret"
    }


def test_a_forbid_of_several_actions_is_of_each() -> None:
    law = compile_with(
        '@id("several") @reason("r") @source("s") forbid (principal,'
        ' action in [Action::"include"], resource) when { resource.restricted };'
    )
    assert "several" in law.no_lock
    assert "several" not in law.no_forbid


# The space misses nothing


@given(about=people(), to=recipients(), kind=KIND, sender=SENDER)
@settings(max_examples=examples(100))
def test_every_class_of_facts_is_in_the_space(
    about: Person, to: Any, kind: str, sender: str
) -> None:
    facts = facing(classify(kind, about.facts, sender_class=sender, today=TODAY), about.facts, to)
    for name in FactClass.__dataclass_fields__.keys() - {"areas", "prison"}:
        number = LAW.space.number(f"resource.{name}")
        extent = [one.reads[f"resource.{name}"] for one in LAW.space.variables[number].choices]
        assert getattr(facts, name) in extent, name
    standings = LAW.space.variables[LAW.space.number(ROLE)].choices
    mine = standing(to, TODAY, RULEBOOK.catalogues)
    assert any(
        one.reads[ROLE] == to.role and one.reads["principal.standing"] == mine
        for one in standings
        if one.reads["principal.class"] == to.organisation_class
    )


PLACES = st.frozensets(st.sampled_from(["kent", "essex", "ZZI", "wales", "devon"]))
ASKED = [
    parse(text)
    for text in (
        "principal.areas.isEmpty()",
        "resource.areas.isEmpty()",
        "principal.areas.containsAny(resource.areas)",
        "principal.areas.containsAll(resource.areas)",
        "resource.areas.containsAll(principal.areas)",
        "principal.areas == resource.areas",
        'resource.prison == ""',
        "principal.areas.contains(resource.prison)",
        "resource.areas.contains(resource.prison)",
        "[resource.prison].containsAll(principal.areas)",
        "[resource.prison].containsAll(resource.areas)",
        '["kent", resource.prison].containsAll(principal.areas)',
        'principal.areas.contains("kent")',
        'resource.areas.contains("kent")',
        'resource.prison == "kent"',
        'principal.areas.containsAny(["kent", resource.prison])',
    )
]


@given(ours=PLACES, theirs=PLACES, prison=st.sampled_from(["", "ZZI", "ZZA", "kent"]))
def test_however_areas_lie_one_case_answers_every_question_alike(
    ours: frozenset[str], theirs: frozenset[str], prison: str
) -> None:
    there = {"principal.areas": ours, "resource.areas": theirs, "resource.prison": prison}
    answers = [work_out(one, there) for one in ASKED]
    assert answers in [
        [work_out(one, choice.reads) for one in ASKED] for choice in whereabouts(["kent"]).choices
    ]


# The search tries everything

_SMALL = Space(
    [
        Variable(
            name=f"v{n}",
            choices=tuple(
                Choice(reads={f"v{n}": value}, words=f"{value}", plain=value == 0)
                for value in range(size)
            ),
        )
        for n, size in enumerate((2, 3, 4, 2))
    ]
)
_LITERAL = st.integers(0, 3).flatmap(
    lambda n: st.builds(Is, st.just(n), st.integers(0, _SMALL.whole[n]))
)
_FORMULAS = st.recursive(
    _LITERAL,
    lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
        lambda parts: st.sampled_from([both(parts), either(parts), _SMALL.negated(both(parts))])
    ),
    max_leaves=12,
)


def true_at(formula: Formula, case: tuple[int, ...]) -> bool:
    if isinstance(formula, bool):
        return formula
    if isinstance(formula, Is):
        return bool(formula.mask >> case[formula.variable] & 1)
    assert isinstance(formula, Every | Some)
    return (all if isinstance(formula, Every) else any)(true_at(p, case) for p in formula.parts)


@given(formulas=st.lists(_FORMULAS, max_size=4))
@settings(max_examples=examples(150))
def test_the_search_finds_the_smallest_of_all_cases_or_none(formulas: list[Formula]) -> None:
    every = product(*(range(len(one.choices)) for one in _SMALL.variables))
    good = [case for case in every if all(true_at(one, case) for one in formulas)]
    found = smallest(_SMALL, formulas, _SMALL.whole)
    assert (found is not None) == bool(good) == possible(_SMALL, formulas, _SMALL.whole)
    if found is None:
        return
    said = sum(1 for mask in found if not mask & 1)
    assert said == min(sum(1 for value in case if value) for case in good)
    cases_left = product(
        *([n for n in range(mask.bit_length()) if mask >> n & 1] for mask in found)
    )
    assert all(case in set(good) for case in cases_left)


# Invariants are read strictly


_NEVER = '[never.a]\ntext = "t"\nsource = "s"\n'
_ROUTE = '[no_route.a]\ntext = "t"\nsource = "s"\n'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("never = 1", "invariant-invalid"),
        ("[sometimes.a]", "invariant-invalid"),
        ("[never.a", "not-toml"),
        ("[never.A]", "invariant-invalid"),
        ('[never.a]\nsource = "s"\nwhat = ["*"]', "invariant-invalid"),
        (_NEVER + 'what = ["identty"]', "member-unknown"),
        (_NEVER + 'what = ["*"]\nto = ["nobody"]', "role-unknown"),
        (_NEVER + 'what = ["*"]\nwho = ["nobody"]', "invariant-invalid"),
        (_NEVER + 'what = ["*"]\nwhen = "resource."', "not-cedar"),
        (_NEVER + 'what = ["*"]\nwhen = "true } when { true"', "not-cedar"),
        (_NEVER + 'what = ["*"]\nwhen = "resource.x"', "rule-invalid"),
        (_ROUTE + 'basis = "LB99"\nfrom = ["police"]\nto = ["police"]', "basis-unknown"),
        (_ROUTE + 'basis = "LB01"\nfrom = ["polce"]\nto = ["police"]', "standing-unknown"),
        ('[by_a_person.a]\ntext = "t"\nsource = "s"\nbases = ["LB99"]', "basis-unknown"),
    ],
)
def test_invariants_are_read_strictly(text: str, code: str) -> None:
    with pytest.raises(BadRulebook) as caught:
        Prover(FILES, text)
    assert caught.value.code == code


def test_a_route_that_is_open_and_a_rule_that_decides_alone_are_found() -> None:
    text = """
    [no_route.health]
    text = "No route to health."
    source = "test"
    basis = "LB01"
    from = ["police"]
    to = ["associate"]
    [by_a_person.all]
    text = "A person relies on this."
    source = "test"
    bases = ["LB01"]
    """
    assert broken(FILES, text) == {"health", "all"}


def test_a_recipient_outside_the_catalogue_is_nobody_in_the_space() -> None:
    roles = {one.reads[ROLE] for one in LAW.space.variables[LAW.space.number(ROLE)].choices}
    assert roles == set(RULEBOOK.catalogues.roles)
    assert recipient("gp_practice").role in roles
