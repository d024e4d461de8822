"""What a human is asked to look at is read strictly, and gaps are those that were stated."""

import pytest

from policies.attention import load_attention
from policies.catalogue import paths_of
from policies.problem import BadRulebook
from tests.policies.cases import FILES, RULEBOOK, person

TEXT = FILES["attention.toml"]
PATHS = paths_of(RULEBOOK.catalogues.groups.values())
GAPS = RULEBOOK.catalogues.attention.gaps


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("agencies = 3", "agencies = 1", "catalogue-invalid"),
        ("agencies = 3", 'agencies = "3"', "catalogue-invalid"),
        ('within = "P90D"', 'within = "PT0S"', "catalogue-invalid"),
        ('within = "P90D"', 'within = "P9000D"', "catalogue-invalid"),
        ('"police.arrested"', '"police.suspected"', "kind-unknown"),
        ('"release.planned"', '"event.retracted"', "kind-unknown"),
        ("health_routing.community_gp", "health_routing.dentist", "member-unknown"),
        ("[gaps]", "[gaps]\ncolour = 1", "catalogue-invalid"),
        ("[gaps]", "[gaps", "not-toml"),
    ],
)
def test_a_faulty_file_is_refused(old: str, new: str, code: str) -> None:
    assert old in TEXT
    with pytest.raises(BadRulebook) as caught:
        load_attention(TEXT.replace(old, new), paths=PATHS)
    assert (caught.value.code, caught.value.file) == (code, "attention.toml")


def test_a_gap_is_one_that_was_stated() -> None:
    stated = person(health_routing={"community_gp": "NOT_RECORDED"})
    assert GAPS.found("release.planned", stated.facts) == ("health_routing.community_gp",)
    both = person(
        health_routing={"community_gp": "NOT_RECORDED", "mental_health_team": "NOT_RECORDED"}
    )
    assert len(GAPS.found("release.planned", both.facts)) == 2


@pytest.mark.parametrize("value", [None, {"name": "Example Surgery"}])
def test_what_is_recorded_or_never_mentioned_is_no_gap(value: object) -> None:
    about = person(health_routing={"community_gp": value, "mental_health_team": value})
    assert GAPS.found("release.planned", about.facts) == ()
    assert GAPS.found("release.planned", {}) == ()


def test_only_some_kinds_ask() -> None:
    about = person(health_routing={"community_gp": "NOT_RECORDED"})
    assert GAPS.found("custody.escaped", about.facts) == ()
