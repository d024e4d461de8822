"""`policy prove`: exit 0 where every invariant holds, 1 with the case that breaks one, 3 where it
cannot be told."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.application import app
from tests.policies.cases import FILES

ADDED = '@id("added") @reason("r") @source("s") forbid (principal, action, resource) when {{ {} }};'


def prove(*words: object) -> Result:
    return CliRunner().invoke(app, ["policy", "prove", *(str(word) for word in words)])


@pytest.fixture
def rulebook(tmp_path: Path) -> Path:
    """The rulebook as shipped, in a folder of its own."""
    (tmp_path / "rulebook").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def test_the_shipped_rulebook_is_proved_and_says_how_much_was_covered() -> None:
    done = prove()
    assert done.exit_code == 0, done.output
    assert "holds  victim-groups" in done.stdout
    assert "hold over all" in done.stdout.splitlines()[-1]
    report = json.loads(prove("--json").stdout)
    assert report["ok"] is True
    assert int(report["combinations"]) > 10**20
    assert all(one["holds"] and one["counterexample"] is None for one in report["invariants"])


def test_a_broken_invariant_is_shown_by_its_smallest_case(rulebook: Path) -> None:
    forbids = rulebook / "rulebook" / "forbids.cedar"
    text = forbids.read_text("utf-8")
    forbids.write_text(text.replace('principal.country != "GB"', 'principal.country == "XX"'))
    done = prove("--rulebook", rulebook)
    assert done.exit_code == 1
    assert "BROKEN outside-the-united-kingdom" in done.stdout
    assert "outside the United Kingdom" in done.stdout
    report = json.loads(prove("--rulebook", rulebook, "--json").stdout)
    broken = [one for one in report["invariants"] if not one["holds"]]
    assert [one["id"] for one in broken] == ["outside-the-united-kingdom"]
    assert broken[0]["counterexample"]["role"]


def test_invariants_of_ones_own_are_proved_instead(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[never.anything]\ntext = "Nothing is ever told."\nsource = "test"\nwhat = ["*"]\n'
    )
    done = prove(own)
    assert done.exit_code == 1
    assert "BROKEN anything" in done.stdout
    assert "holds" not in done.stdout
    own.write_text("[never.a]")
    wrong = prove(own)
    assert wrong.exit_code == 2
    assert "invariant-invalid" in wrong.stderr
    own.write_bytes(b"\xff")
    assert prove(own).exit_code == 2


def test_what_cannot_be_followed_exactly_is_neither_yes_nor_no(rulebook: Path) -> None:
    added = rulebook / "rulebook" / "added.cedar"
    added.write_text(ADDED.format('resource.marking like "S*"'))
    done = prove("--rulebook", rulebook)
    assert done.exit_code == 3
    assert "rule added" in done.stderr
