"""The matrix of one kind of event, worked out beside everything else a role at a time, and kept."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.review.matrix import Matrix, Row, matrix_of
from policies.rulebook import Rulebook

_KEPT = 64


@dataclass(slots=True, kw_only=True)
class Working:
    """A matrix in the making."""

    rows: list[Row] = field(default_factory=list)
    of: int  # roles in all
    done: Matrix | None = None
    task: asyncio.Task[None] | None = None


class Matrices:
    """Matrices by rulebook and kind. It takes a second to make one: no page waits for that."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], Working] = {}

    def get(self, rulebook: Rulebook, kind: str) -> Working:
        """Return a matrix, or how far it is; begins it if nobody has yet."""
        key = (rulebook.digest, kind)
        found = self._made.get(key)
        if found is None:
            found = Working(of=len(rulebook.catalogues.roles))
            if len(self._made) >= _KEPT:
                self._made.pop(next(iter(self._made)))
            self._made[key] = found
            found.task = asyncio.create_task(_make(found, rulebook, kind))
        return found


async def _make(working: Working, rulebook: Rulebook, kind: str) -> None:
    for role in rulebook.catalogues.roles:
        made = await asyncio.to_thread(matrix_of, rulebook, (kind,), roles=(role,))
        working.rows += made.rows
    working.done = Matrix(kinds=(kind,), rulebook=rulebook.digest, rows=tuple(working.rows))


def letters(matrix: Matrix, titles: Mapping[str, str]) -> list[tuple[str, str, list[str]]]:
    """Return each role with how it is told and one letter for each group. Pure."""
    told = {"action": "For action", "information": "For information", "decision": "By decision"}
    return [
        (
            titles.get(row.role, row.role),
            told.get(row.told, "Never"),
            [cell.letter for cell in row.cells.values()],
        )
        for row in matrix.rows
    ]
