"""Coverage: nothing is left unsaid, and what is left unsaid is found."""

import functools

import pytest

from gateway.model.kinds import KINDS
from policies.review.coverage import Coverage, cover
from policies.rulebook import load_rulebook
from tests.policies.cases import FILES, RULEBOOK

LIAISON = ["victim_liaison_officer"]


@functools.cache
def covered() -> Coverage:
    """Return what the rulebook covers: late, for it takes seconds and every worker imports this."""
    return cover(RULEBOOK)


def test_the_rulebook_says_something_of_every_role_and_kind() -> None:
    assert covered().silent == ()
    assert covered().complete
    cells = {(role, kind) for role in RULEBOOK.catalogues.roles for kind in KINDS}
    assert covered().permitted | covered().forbidden == cells
    assert not covered().permitted & covered().forbidden


def test_every_permit_is_met_by_some_model_case() -> None:
    assert covered().unreached == ()


@pytest.mark.parametrize("role", ["strategic_management_board", "data_protection_officer"])
def test_a_role_that_gets_no_fact_is_forbidden_every_kind(role: str) -> None:
    assert {cell for cell in covered().forbidden if cell[0] == role} == {
        (role, kind) for kind in KINDS
    }


def without(file: str) -> dict[str, str]:
    """Return the rulebook less one file of rules."""
    return {name: text for name, text in FILES.items() if not name.endswith(file)}


def test_a_file_of_rules_left_out_leaves_its_role_unsaid() -> None:
    found = cover(load_rulebook(without("/victim_liaison.cedar")), roles=LIAISON)
    assert not found.complete
    assert {role for role, _ in found.silent} == {"victim_liaison_officer"}
    assert ("victim_liaison_officer", "victim.contact_opted_in") in found.silent


def test_a_permit_that_no_case_can_meet_is_found() -> None:
    never = """
    @id("police-never") @basis("LB01") @purpose("risk_management") @groups("identity")
    @for("action") @source("test")
    permit (principal in Role::"police_offender_manager", action == Action::"disclose", resource)
    when { resource.kind == "release.planned" && resource.category == 4 && resource.level == 9 };
    """
    rulebook = load_rulebook({**FILES, "rulebook/never.cedar": never})
    found = cover(rulebook, roles=["police_offender_manager"])
    assert found.unreached == ("police-never",)


def test_a_forbid_of_some_cases_only_is_not_coverage() -> None:
    some = """
    @id("liaison-sometimes") @reason("only sometimes") @source("test")
    forbid (principal in Role::"victim_liaison_officer", action == Action::"disclose", resource)
    when { resource.level == 3 };
    """
    files = {**without("/victim_liaison.cedar"), "rulebook/sometimes.cedar": some}
    assert ("victim_liaison_officer", "release.planned") in cover(
        load_rulebook(files), roles=LIAISON
    ).silent
