"""Two rulebooks compared: what a reviewer must see, and nothing that did not change."""

import pytest

from policies.problem import BadRulebook
from policies.review.difference import Change, Difference, compare
from tests.policies.cases import FILES

POLICE = "rulebook/police.cedar"
RULE = """
@id("gp-extra") @basis("LB01") @purpose("continuity_of_care") @groups("mappa.summary")
@for("information") @source("test")
permit (principal in Role::"gp_practice", action == Action::"disclose", resource)
when { resource.kind == "release.planned" && resource.treats_person };
"""


def changed(difference: Difference) -> dict[str, Change]:
    return {rule.rule: rule.change for rule in difference.rules}


def test_a_rulebook_is_no_different_from_itself() -> None:
    found = compare(FILES, FILES)
    assert found.same
    assert (found.rules, found.files, found.kinds) == ((), (), ())


def test_layout_comments_and_file_names_change_no_rule() -> None:
    files = {name: text for name, text in FILES.items() if name != POLICE}
    found = compare(FILES, {**files, "rulebook/forces.cedar": "// moved\n\n" + FILES[POLICE]})
    assert not found.same
    assert found.rules == ()
    assert found.kinds == ()


def test_a_rule_added_says_what_it_gives_and_which_cells_it_changes() -> None:
    found = compare(FILES, {**FILES, "rulebook/extra.cedar": RULE})
    assert changed(found) == {"gp-extra": "added"}
    stated = {one.name: one.new for one in found.rules[0].fields}
    assert stated["groups"] == "mappa.category mappa.level"
    assert "treats_person" in stated["condition"]
    assert found.kinds == ("release.planned",)
    cells = list(found.cells("release.planned"))
    assert {one.role for one in cells} == {"gp_practice"}
    (cell,) = [one for one in cells if one.gained or one.lost]
    assert (cell.group, cell.old.letter) == ("mappa", "-")
    assert cell.new.letter in "SC"
    assert cell.gained == ("mappa.category", "mappa.level")
    assert cell.lost == ()


def test_a_rule_removed_is_the_same_the_other_way_round() -> None:
    found = compare({**FILES, "rulebook/extra.cedar": RULE}, FILES)
    assert changed(found) == {"gp-extra": "removed"}
    cells = list(found.cells("release.planned"))
    assert [one.lost for one in cells if one.lost] == [("mappa.category", "mappa.level")]


def test_a_condition_changed_is_shown_before_and_after() -> None:
    old = {**FILES, "rulebook/extra.cedar": RULE}
    new = {**FILES, "rulebook/extra.cedar": RULE.replace("resource.treats", "!resource.treats")}
    found = compare(old, new)
    assert changed(found) == {"gp-extra": "changed"}
    (field,) = found.rules[0].fields
    assert field.name == "condition"
    assert "!resource.treats_person" not in field.old.replace(" ", "")
    assert "!" in field.new


def test_a_catalogue_changed_is_named_and_its_effect_looked_for_everywhere() -> None:
    text = FILES["policy_documents.toml"]
    expired = text.replace("\nreview_date = ", "\nexpires_on = 2026-01-01\nreview_date = ")
    assert expired != text
    found = compare(FILES, {**FILES, "policy_documents.toml": expired})
    assert found.files == ("policy_documents.toml",)
    assert len(found.kinds) > 10
    lost = {(one.role, one.group) for one in found.cells("release.planned") if one.lost}
    assert ("gp_practice", "health_routing") in lost
    assert {group for _, group in lost} <= {"health_routing", "health_clinical"}


def test_vectors_beside_a_rulebook_are_no_part_of_it() -> None:
    assert compare(FILES, {**FILES, "vectors.toml": "# others"}).files == ()


def test_a_folder_that_is_no_rulebook_is_refused() -> None:
    with pytest.raises(BadRulebook):
        compare(FILES, {**FILES, POLICE: "permit ("})
