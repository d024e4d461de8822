"""Every decision of the golden table is the decision made today."""

import csv
from pathlib import Path

from gateway.model.kinds import KINDS
from tests.policies.cases import RULEBOOK
from tests.policies.decisions import HEADER, table

GOLDEN = Path(__file__).with_name("decisions.csv")


def test_the_golden_decisions_are_made_again() -> None:
    written = GOLDEN.read_text(encoding="utf-8").splitlines()
    made = table().splitlines()
    assert [line for line in made if line not in set(written)] == []
    assert made == written


def test_the_golden_table_covers_every_kind_and_role_and_every_verdict() -> None:
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == HEADER
    assert {row["kind"] for row in rows} == KINDS
    assert {row["verdict"] for row in rows} == {
        "action",
        "information",
        "refused",
        "a human decides",
    }
    roles = RULEBOOK.catalogues.roles
    assert {row["role"] for row in rows} == set(roles)
    for role in roles:
        assert "refused" in {row["verdict"] for row in rows if row["role"] == role}
