"""Coverage: for every role and every kind of event, whether the rulebook says anything at all.

Silence tells nobody, which is safe; but nobody can tell silence that was meant from a rule that was
forgotten. So what is meant is written: a permit, or a forbid that holds for every ordinary case.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from gateway.model.ids import RuleId
from gateway.model.kinds import KINDS
from policies.review.matrix import told_kinds, unreached
from policies.review.model_cases import CASES, model_questions
from policies.rulebook import Rulebook

Said = Literal["permitted", "forbidden", "silent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a rulebook says of each (role, kind), and the permits no model case satisfies."""

    permitted: frozenset[tuple[str, str]]
    forbidden: frozenset[tuple[str, str]]
    silent: tuple[tuple[str, str], ...]  # sorted
    unreached: tuple[RuleId, ...]

    @property
    def complete(self) -> bool:
        """Whether every cell has a permit or a forbid."""
        return not self.silent


def cover(rulebook: Rulebook, *, roles: Collection[str] | None = None) -> Coverage:
    """Look at every kind for some roles; None: every role.

    Pure, but for the answers the rulebook's engine remembers.
    """
    looked_at = rulebook.catalogues.roles.keys() if roles is None else roles
    cells = dict(_cells(rulebook, looked_at))
    return Coverage(
        permitted=frozenset(cell for cell, said in cells.items() if said == "permitted"),
        forbidden=frozenset(cell for cell, said in cells.items() if said == "forbidden"),
        silent=tuple(sorted(cell for cell, said in cells.items() if said == "silent")),
        unreached=unreached(rulebook, looked_at),
    )


def _cells(rulebook: Rulebook, roles: Collection[str]) -> Iterator[tuple[tuple[str, str], Said]]:
    for role in roles:
        told = set(told_kinds(rulebook, role))
        for kind in sorted(KINDS):
            if kind in told:
                yield (role, kind), "permitted"
            else:
                forbidden = _forbidden(rulebook, role, kind)
                yield (role, kind), "forbidden" if forbidden else "silent"


# As unlike one another as ordinary cases get: what is forbidden in all is forbidden as such.
_UNLIKE: Final = tuple(
    case
    for case in CASES
    if case.name in {"level 3, every risk", "level 1, no particular risk", "told before"}
)


def _forbidden(rulebook: Rulebook, role: str, kind: str) -> bool:
    """Return whether a forbid holds whatever the ordinary case."""
    return all(
        rulebook.engine.ask(question).forbids
        for question in model_questions(rulebook, role, kind, _UNLIKE)
    )
