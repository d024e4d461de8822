"""The golden matrix: every cell of domain matrix 3.2, and every role by every kind.

After a change of the rulebook that is meant, write it anew and read the difference:
``python -m tests.policies.need_to_know > tests/policies/matrix.csv``
"""

import csv
import io
import sys
from collections.abc import Iterator

from gateway.model.ids import BasisId
from gateway.model.kinds import KINDS
from policies.review.matrix import RELEASE_NOTIFICATION, Matrix, Row, applying, matrix_of
from tests.policies.cases import RULEBOOK

HEADER = ("table", "role", "kind_or_group", "cell", "members", "rules")

# One role, two powers: R15 is the homelessness referral, R16 the disclosure under s.325.
_APART = {"R15": BasisId("LB10"), "R16": BasisId("LB01")}


def release_rows() -> Iterator[tuple[str, Row]]:
    """Yield the release notification's row for every role code, R01 to R25."""
    whole = matrix_of(RULEBOOK, RELEASE_NOTIFICATION)
    for row in whole.rows:
        for code in RULEBOOK.catalogues.roles[row.role].codes:
            if code in _APART:
                yield code, _on(_APART[code], row.role).rows[0]
            else:
                yield code, row


def _on(basis: BasisId, role: str) -> Matrix:
    return matrix_of(RULEBOOK, RELEASE_NOTIFICATION, basis=basis, roles={role})


def told_of(role: str, kind: str) -> tuple[str, tuple[str, ...]]:
    """Return what a role is told of a kind for, at best, and the rules some model case meets."""
    ids = applying(RULEBOOK, role, kind)
    rules = [RULEBOOK.rules[id_] for id_ in ids]
    granting = [rule for rule in rules if not rule.decided_by]
    if not granting:
        return ("decision" if rules else "-"), ids
    return ("action" if any(rule.for_action for rule in granting) else "information"), ids


def table() -> str:
    """Return both tables as CSV text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(_release())
    writer.writerows(_kinds())
    return out.getvalue()


def _release() -> Iterator[tuple[str, ...]]:
    for code, row in release_rows():
        for group, cell in row.cells.items():
            members = "" if cell.letter in "Y-" else " ".join(cell.members)
            yield ("release", code, group, cell.letter, members, " ".join(cell.rules))


def _kinds() -> Iterator[tuple[str, ...]]:
    for kind in sorted(KINDS):
        for role in RULEBOOK.catalogues.roles:
            told, rules = told_of(role, kind)
            yield ("kinds", role, kind, told, "", " ".join(rules))


if __name__ == "__main__":
    sys.stdout.write(table())
