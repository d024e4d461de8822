"""The golden table of decisions: releases by case by role, every other kind by role.

After a change of the rulebook that is meant, write it anew and read the difference:
``python -m tests.policies.decisions > tests/policies/decisions.csv``
"""

import csv
import io
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.model.decision import Permit, Refusal
from gateway.model.kinds import KINDS
from tests.policies.cases import RELEASES, ROLES, RULEBOOK, decide, person, recipient

HEADER = ("kind", "case", "role", "verdict", "groups_or_reasons", "bases")
OTHERS = sorted(KINDS - set(RELEASES))

_MEDIUM = {"overall": "medium", "public": "medium"}
_CASES: Mapping[str, Mapping[str, Any]] = {
    "level 3": {"mappa": {"level": 3}},
    "level 2": {"mappa": {"level": 2}},
    "level 1, high risk": {"mappa": {"level": 1}},
    "level 1, medium risk": {"mappa": {"level": 1}, "rosh": _MEDIUM},
    "level 1, medium risk, no licence at sentence end": {
        "mappa": {"level": 1},
        "rosh": _MEDIUM,
        "custody": {"release_type": "SED_NO_LICENCE", "licence": False},
    },
    "level 1, medium risk, risk to children": {
        "mappa": {"level": 1},
        "rosh": _MEDIUM,
        "children": {"at_risk": True},
    },
    "category unknown, high risk": {"mappa": {"category": None, "level": None}},
    "level 3, area unknown": {
        "mappa": {"level": 3},
        "location": {"home_area": None, "areas_of_interest": None},
    },
    "level 3, another area": {
        "mappa": {"level": 3},
        "location": {"home_area": "kent", "areas_of_interest": None},
    },
    "level 3, no housing consent": {
        "mappa": {"level": 3},
        "location": {"housing_referral": None},
    },
    "level 3, restricted": {"mappa": {"level": 3}, "handling": {"restricted": True}},
}


def table() -> str:
    """Return the table as CSV text, one line per decision."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(_rows())
    return out.getvalue()


def _rows() -> Iterator[tuple[str, ...]]:
    cells = [(kind, name) for kind in RELEASES for name in _CASES]
    cells += [(kind, "level 2") for kind in OTHERS]
    for kind, name in cells:
        about = person(**_CASES[name])
        for role in ROLES:
            yield (kind, name, role, *_outcome(decide(recipient(role), about, kind=kind)))


def _outcome(decision: Permit | Refusal) -> tuple[str, str, str]:
    if isinstance(decision, Refusal) and decision.proposals:
        asked = sorted({one.decided_by for one in decision.proposals})
        return "a human decides", " ".join(asked), ""
    if isinstance(decision, Refusal):
        return "refused", " ".join(sorted({reason.code for reason in decision.reasons})), ""
    verdict = "action" if decision.for_action else "information"
    bases = sorted({grant.basis for grant in decision.grants})
    return verdict, " ".join(_summed(decision)), " ".join(bases)


def _summed(permit: Permit) -> Iterator[str]:
    """Yield a group's name where all of it is granted, else each member."""
    for group in permit.groups:
        granted = [path for path in permit.members if path.startswith(f"{group}.")]
        whole = len(granted) == len(RULEBOOK.catalogues.groups[group].members)
        yield from [group] if whole else granted


if __name__ == "__main__":
    sys.stdout.write(table())
