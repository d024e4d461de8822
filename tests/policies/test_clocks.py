"""The clocks: the file as shipped, and what its reader refuses."""

import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

import policies
from policies.clocks import load_clocks
from policies.problem import BadRulebook

FOLDER = Path(policies.__file__).parent
TEXT = (FOLDER / "clocks.toml").read_text("utf-8")
ROLES = frozenset(tomllib.loads((FOLDER / "roles.toml").read_text("utf-8")))
CLOCKS = load_clocks(TEXT, roles=ROLES)

ONE = """\
[C1]
title = "A clock"
automated = true
owner = "prison_public_protection"
anchor = "release"
offset = { months = -3 }
met = { kinds = ["release.planned"] }
source = "D1"
verified = "V"
"""


def test_every_clock_is_there_in_order_and_says_whether_it_is_automated() -> None:
    assert list(CLOCKS) == [f"C{number}" for number in range(1, 20)]
    by_hand = {name for name, clock in CLOCKS.items() if not clock.automated}
    assert by_hand == {"C14", "C15", "C16", "C17", "C18"}
    assert all(CLOCKS[name].note for name in by_hand)


def test_the_owner_is_warned_a_fortnight_before_unless_the_clock_says_otherwise() -> None:
    assert CLOCKS["C1"].warning == timedelta(days=14)
    assert CLOCKS["C11"].warning == timedelta(days=56)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('title = "A clock"', 'title = "A clock"\nremark = "x"'),
        ("months = -3", "fortnights = -3"),
        ("months = -3", "months = -3, days = 1"),
        ("{ months = -3 }", "{}"),
        ('anchor = "release"', 'anchor = "easter"'),
        ('anchor = "release"', 'anchor = "release"\nwhen = ["tall"]'),
        ('anchor = "release"', 'anchor = "event"'),
        ('anchor = "release"', 'anchor = "release"\nstarts = ["release.planned"]'),
        ('kinds = ["release.planned"]', 'kinds = ["release.imagined"]'),
        ('kinds = ["release.planned"]', 'kinds = ["duty.missed"]'),
        ('kinds = ["release.planned"]', 'told = "gp_practice", kinds = ["release.planned"]'),
        ('kinds = ["release.planned"]', 'kinds = ["release.planned"], within = { months = 1 }'),
        ('met = { kinds = ["release.planned"] }', ""),
        ("automated = true", "automated = false"),
        ('verified = "V"', 'verified = "yes"'),
        ('verified = "V"', 'verified = "V"\nwarn_before = "two weeks"'),
        ("[C1]", "[D1]"),
        ('source = "D1"', "source = 2005-03-31T10:00:00Z"),
    ],
)
def test_what_is_not_in_the_vocabulary_is_refused(old: str, new: str) -> None:
    assert load_clocks(ONE, roles=ROLES)
    with pytest.raises(BadRulebook) as refused:
        load_clocks(ONE.replace(old, new), roles=ROLES)
    assert refused.value.code == "catalogue-invalid"


def test_a_clock_names_roles_of_the_catalogue_only() -> None:
    with pytest.raises(BadRulebook, match="C1: role-unknown"):
        load_clocks(ONE.replace("prison_public_protection", "town_crier"), roles=ROLES)


def test_text_that_is_not_toml_is_refused() -> None:
    with pytest.raises(BadRulebook) as refused:
        load_clocks("[C1", roles=ROLES)
    assert refused.value.code == "not-toml"
