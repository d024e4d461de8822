"""Every decision of the golden table is the decision made today."""

import csv
from pathlib import Path

from tests.policies.cases import ROLES
from tests.policies.decisions import HEADER, KINDS, table

GOLDEN = Path(__file__).with_name("decisions.csv")


def test_the_golden_decisions_are_made_again() -> None:
    written = GOLDEN.read_text(encoding="utf-8").splitlines()
    made = table().splitlines()
    assert [line for line in made if line not in set(written)] == []
    assert made == written


def test_the_golden_table_covers_every_role_and_both_verdicts() -> None:
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == HEADER
    assert {row["role"] for row in rows} == set(ROLES)
    assert {row["kind"] for row in rows} == set(KINDS)
    assert {row["verdict"] for row in rows} == {"action", "information", "refused"}
    for role in ROLES:
        assert {"refused"} < {row["verdict"] for row in rows if row["role"] == role}
