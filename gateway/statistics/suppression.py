"""Small numbers, before a table is published: none shown, and none to be worked out from totals.

A count of 1..4 is printed "<5". Where sums would still give it away, other cells are withheld
("*") until at least one other table of the same publication exists with another number there.
Each table is protected by itself: differences between tables and years are for a person to judge.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from gateway.statistics.definitions import TOTAL
from gateway.statistics.printing import HIDDEN, Position
from gateway.statistics.tables import Table

THRESHOLD: Final = 5
_MOST_STEPS: Final = 20_000  # of one search; giving up only withholds more

_Line = Sequence[Position]  # the parts, then their total


def suppress(table: Table, threshold: int = THRESHOLD) -> dict[Position, str]:
    """Return what is printed instead of which cells.

    Args:
        table: As counted.
        threshold: Counts above 0 and below this are hidden; 1 or less hides nothing.

    Pure.
    """
    mark = f"<{threshold}"
    values = _values(table)
    if table.definition.rate:
        return {one: mark for one in values if 0 < table.of < threshold}
    small = {one for one, value in values.items() if 0 < value < threshold}
    withheld: set[Position] = set()
    lines = list(_lines(table, values))
    while exposed := _exposed(values, lines, small, withheld, threshold):
        choice = _cover(exposed, values, lines, small | withheld)
        if choice is None:
            # Every cell is hidden, and that they are small still tells: 1 + 1 + 1 + 1 is below 5.
            return dict.fromkeys(values, HIDDEN)
        withheld.add(choice)
    return dict.fromkeys(small, mark) | dict.fromkeys(withheld, HIDDEN)


def _values(table: Table) -> dict[Position, int]:
    return {
        (label, heading): cell
        for label, cells in table.lines()
        for heading, cell in zip(table.headings, cells, strict=True)
        if cell is not None
    }


def _lines(table: Table, values: Mapping[Position, int]) -> Iterator[_Line]:
    """Yield every sum the table prints."""
    labels = [label for label, _ in table.lines()]
    if "column" in table.definition.totals:
        for label in labels:
            yield [(label, one) for one in table.headings if (label, one) in values]
    if "row" in table.definition.totals:
        for heading in table.headings:
            yield [(label, heading) for label in labels if (label, heading) in values]


def _exposed(
    values: Mapping[Position, int],
    lines: Sequence[_Line],
    small: set[Position],
    withheld: set[Position],
    threshold: int,
) -> Position | None:
    """Return a small cell that only one number fits, if there is one."""
    choices = {one: range(1, threshold) for one in small} | {
        # A withheld number is known to be none of the small ones.
        one: [n for n in _around(values[one], threshold) if n == 0 or n >= threshold]
        for one in withheld
    }
    for cell in sorted(small):
        others = [n for n in choices[cell] if n != values[cell]]
        if not _Search(values, lines, {**choices, cell: others}).succeeds():
            return cell
    return None


def _around(value: int, threshold: int) -> range:
    return range(max(0, value - threshold), value + threshold + 1)


def _cover(
    exposed: Position, values: Mapping[Position, int], lines: Sequence[_Line], hidden: set[Position]
) -> Position | None:
    """Return the next cell to withhold. A line with one hidden cell gives it away, so first one
    that covers most such lines; rather not a total, rather not a 0, rather a small number."""
    lone = [line for line in lines if len(hidden.intersection(line)) == 1]
    covers = {
        one: sum(one in line for line in lone) for line in lone for one in line if one not in hidden
    }
    beside = covers or {one: 0 for line in lines if exposed in line for one in line}
    rest = (beside.keys() - hidden) or (values.keys() - hidden)
    return min(
        rest,
        default=None,
        key=lambda one: (TOTAL in one, -covers.get(one, 0), values[one] == 0, values[one], one),
    )


class _Search:
    """Looks for numbers that fit every hidden cell and every sum."""

    def __init__(
        self,
        values: Mapping[Position, int],
        lines: Sequence[_Line],
        choices: Mapping[Position, Sequence[int]],
    ) -> None:
        self._values = {one: value for one, value in values.items() if one not in choices}
        self._choices = choices
        self._lines = [line for line in lines if any(one in choices for one in line)]
        self._of = {one: [line for line in self._lines if one in line] for one in choices}
        self._steps = 0

    def succeeds(self) -> bool:
        """Return whether some numbers fit; False too when the search grows too long."""
        return self._fill(sorted(self._choices, key=lambda one: len(self._choices[one])))

    def _fill(self, left: list[Position]) -> bool:
        if not left:
            return all(self._possible(line) for line in self._lines)
        cell, rest = left[0], left[1:]
        for number in self._choices[cell]:
            self._steps += 1
            if self._steps > _MOST_STEPS:
                break
            self._values[cell] = number
            if all(self._possible(line) for line in self._of[cell]) and self._fill(rest):
                return True
        self._values.pop(cell, None)
        return False

    def _possible(self, line: _Line) -> bool:
        *parts, total = line
        least = sum(self._least(one) for one in parts)
        most = sum(self._most(one) for one in parts)
        return least <= self._most(total) and most >= self._least(total)

    def _least(self, cell: Position) -> int:
        return self._values[cell] if cell in self._values else min(self._choices[cell], default=0)

    def _most(self, cell: Position) -> int:
        return self._values[cell] if cell in self._values else max(self._choices[cell], default=0)
