"""What only a person may decide: proposals, decisions carried out, and locks on field groups."""

from datetime import date
from typing import Any

import pytest

from gateway.model.decision import Permit, Proposal, Refusal
from gateway.model.ids import BasisId, RuleId
from policies.rulebook import Rulebook, load_rulebook
from tests.policies.cases import (
    FILES,
    RULEBOOK,
    codes,
    decide,
    members_of,
    permitted,
    person,
    recipient,
)

HEAD = 'principal in Role::"gp_practice", action == Action::"disclose", resource'
BY_DECISION = (
    '@id("gp-orders") @basis("LB01") @purpose("continuity_of_care") @groups("offence.orders") '
    '@for("information") @decided_by("clinician") @source("test") '
    f'permit ({HEAD}) when {{ resource.kind == "order.imposed" }};'
)
ALONE = (
    '@id("gp-dates") @basis("LB01") @purpose("continuity_of_care") @groups("custody.dates") '
    '@for("information") @source("test") '
    f'permit ({HEAD}) when {{ resource.kind == "order.imposed" }};'
)
LIFTABLE = (
    '@id("gp-forbidden") @reason("Not by itself.") @decided_by("mappa_chair") @source("test") '
    f'forbid ({HEAD}) when {{ resource.kind == "order.imposed" && !resource.decided }};'
)
NEVER = LIFTABLE.replace('@decided_by("mappa_chair") ', "").replace(" && !resource.decided", "")
LOCK = (
    '@id("lock-custody") @reason("Locked.") @source("test") '
    'forbid (principal, action == Action::"include", resource) '
    'when { context.group == "custody" && !resource.decided };'
)


def adding(*texts: str) -> Rulebook:
    """Return the rulebook as shipped, without what it says of practices and orders."""
    files = {
        name: text for name, text in FILES.items() if not name.endswith("community_health.cedar")
    }
    return load_rulebook({**files, "rulebook/added.cedar": "\n".join(texts)})


def judged(
    rulebook: Rulebook, *, decided: frozenset[str] = frozenset(), **changes: Any
) -> Permit | Refusal:
    return decide(
        recipient("gp_practice"),
        person(**changes),
        kind="order.imposed",
        rulebook=rulebook,
        decided=frozenset(RuleId(rule) for rule in decided),
    )


def proposed(decision: Permit | Refusal) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {one.rule: (one.decided_by, one.members) for one in decision.proposals}


def test_a_rule_for_a_human_grants_nothing_by_itself_and_says_what_it_would() -> None:
    decision = judged(adding(BY_DECISION))
    assert codes(decision) == {"human-decision"}
    assert proposed(decision) == {"gp-orders": ("clinician", ("offence.orders",))}


def test_beside_an_automatic_rule_it_is_proposed_on_the_permit() -> None:
    decision = permitted(judged(adding(BY_DECISION, ALONE)))
    assert all(member.startswith("custody.") for member in decision.members)
    assert proposed(decision) == {"gp-orders": ("clinician", ("offence.orders",))}


def test_what_was_decided_is_granted_and_nothing_else() -> None:
    decision = permitted(judged(adding(BY_DECISION, ALONE), decided=frozenset({"gp-orders"})))
    assert decision.members == ("offence.orders",)
    assert [grant.decided_by for grant in decision.grants] == ["clinician"]
    assert decision.proposals == ()


def test_a_decision_about_a_rule_that_no_longer_applies_grants_nothing() -> None:
    assert members_of(judged(adding(BY_DECISION, ALONE), decided=frozenset({"gp-gone"}))) == set()


def test_a_forbid_that_a_human_may_lift_proposes_what_lies_behind_it() -> None:
    decision = judged(adding(ALONE, LIFTABLE))
    assert codes(decision) == {"forbidden"}
    assert {rule: who for rule, (who, _) in proposed(decision).items()} == {
        "gp-dates": "mappa_chair"
    }
    lifted = permitted(judged(adding(ALONE, LIFTABLE), decided=frozenset({"gp-dates"})))
    assert lifted.groups == ("custody",)


def test_a_forbid_that_nobody_may_lift_proposes_nothing_even_beside_one_that_may() -> None:
    hard = NEVER.replace("gp-forbidden", "gp-never")
    decision = judged(adding(ALONE, LIFTABLE, hard))
    assert codes(decision) == {"forbidden"}
    assert decision.proposals == ()
    assert codes(judged(adding(ALONE, LIFTABLE, hard), decided=frozenset({"gp-dates"}))) == {
        "forbidden"
    }


def test_a_lock_holds_a_group_back_whatever_a_rule_grants() -> None:
    decision = judged(adding(ALONE, LOCK))
    assert codes(decision) == {"forbidden-group"}
    assert {reason.rule for reason in decision.reasons} == {"lock-custody"}  # type: ignore[union-attr]


def test_a_lock_names_the_group_and_leaves_the_rest() -> None:
    both = ALONE.replace('"custody.dates"', '"custody.dates identity.sex"')
    decision = permitted(judged(adding(both, LOCK)))
    assert decision.members == ("identity.sex",)
    withheld = {held.group: held.reason for held in decision.withheld}
    assert (withheld["custody"].code, withheld["custody"].rule) == (
        "forbidden-group",
        "lock-custody",
    )


def test_a_decision_opens_a_lock_that_says_so() -> None:
    decision = permitted(judged(adding(ALONE, LOCK), decided=frozenset({"gp-dates"})))
    assert decision.groups == ("custody",)


def in_reach(rulebook: Rulebook, today: date) -> Permit:
    return permitted(
        decide(recipient("mental_health_in_reach"), person(), rulebook=rulebook, today=today)
    )


def without_documents() -> Rulebook:
    return load_rulebook({**FILES, "policy_documents.toml": ""})


def test_sensitive_facts_want_the_controllers_policy_document() -> None:
    """Vector 15."""
    with_document = in_reach(RULEBOOK, date(2026, 3, 2))
    assert "health_routing" in with_document.groups
    assert any(grant.policy_document for grant in with_document.grants)
    bare = in_reach(without_documents(), date(2026, 3, 2))
    assert "health_routing" not in bare.groups
    assert "identity" in bare.groups
    reasons = {held.reason.code for held in bare.withheld if held.group == "health_routing"}
    assert reasons == {"policy-document-missing"}


@pytest.mark.parametrize(
    ("basis", "expected"), [("LB05", {"route-not-open"}), ("LB02", {"no-power"})]
)
def test_a_claimed_basis_is_judged_alone(basis: str, expected: set[str]) -> None:
    """Vector 2: section 14 opens no route from probation to a community team."""
    decision = decide(
        recipient("community_mental_health_team"),
        person(),
        sender_class="probation",
        claimed=BasisId(basis),
    )
    assert codes(decision) == expected


def test_a_proposal_is_a_value_with_everything_a_decider_needs() -> None:
    decision = judged(adding(BY_DECISION))
    (proposal,) = decision.proposals
    assert proposal == Proposal(
        rule=RuleId("gp-orders"),
        basis=BasisId("LB01"),
        citation=RULEBOOK.catalogues.bases[BasisId("LB01")].citation,
        purpose="continuity_of_care",
        members=("offence.orders",),
        decided_by="clinician",
    )
