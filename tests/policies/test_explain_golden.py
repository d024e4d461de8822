"""Every verdict of the golden decisions in words: what decided it, and nothing of the person."""

import csv
from collections import Counter
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from gateway.model.decision import Permit, Refusal
from gateway.model.person import Person
from policies.explain import explain
from tests.policies.cases import RULEBOOK, decide, person, recipient
from tests.policies.decisions import _CASES

GOLDEN = Path(__file__).with_name("decisions.csv")
# Another test holds the golden file to what is decided.
LINES = list(csv.DictReader(GOLDEN.read_text("utf-8").splitlines()))
BY_KIND = {kind: list(lines) for kind, lines in groupby(LINES, key=lambda line: line["kind"])}

# What the synthetic person's record says. A recipient's own name is left out of the way below.
VALUES = (
    "Testcase", "Alex", "1980-01-01", "Z0001ZZ", "X000001", "2000/0000001A", "1/00A", "9990000018",
    "QQ000000A", "Z0002ZZ", "2026-06-01", "2026-06-02", "2027-06-01", "2026-05-01", "Example desk",
    "48 months", "1 Example Street", "ZZ1 1ZZ", "west_mercia", "07700 900123", "ex-partner",
    "Example Officer", "Example Surgery", "Z99999", "Example Prison Healthcare", "Example Hostels",
    "Example Mental Health Trust", "Example Coordinator", "Another Organisation", "RMP-1", "NOMIS",
    "Example City Council",
)  # fmt: skip


def said(kind: str, about: Person, role: str) -> tuple[Permit | Refusal, str]:
    """Decide, and explain under a name that is not in the record."""
    to = recipient(role)
    decision = decide(to, about, kind=kind)
    return decision, explain(decision, replace(to, organisation="The recipient"), RULEBOOK)


@pytest.mark.parametrize("kind", BY_KIND)
def test_every_golden_verdict_of_a_kind_is_explained_and_quotes_nothing(kind: str) -> None:
    for line in BY_KIND[kind]:
        decision, text = said(kind, person(**_CASES[line["case"]]), line["role"])
        opening = text.splitlines()[0]
        told = line["verdict"] in {"action", "information"}
        assert opening.endswith(f"may be told, for {line['verdict']}." if told else "told nothing.")
        assert [value for value in VALUES if value in text] == []
        assert_whole(decision, text)


def assert_whole(decision: Permit | Refusal, text: str) -> None:
    """Insist that rule, law and source, what is withheld and what a human could decide are said."""
    for one in (*(decision.grants if isinstance(decision, Permit) else ()), *decision.proposals):
        for part in (one.rule, one.citation, f"[{one.basis}]", RULEBOOK.rules[one.rule].source):
            assert part in text
        for member in one.members:
            assert member.partition(".")[2] in text
    for one in decision.proposals:
        assert f"A {one.decided_by.replace('_', ' ')} may decide" in text
    reasons = decision.reasons if isinstance(decision, Refusal) else ()
    held = decision.withheld if isinstance(decision, Permit) else ()
    for reason in (*reasons, *(one.reason for one in held)):
        assert reason.text in text
        assert reason.code in text
    for one in held:
        assert f"Withheld, {one.group}:" in text


def test_the_golden_decisions_hold_every_sort_of_verdict() -> None:
    found = Counter(line["verdict"] for line in LINES)
    assert set(found) >= {"action", "information", "refused", "a human decides"}
