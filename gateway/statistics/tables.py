"""The tables of a year, counted in one pass over every person, one person in memory at a time."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from gateway.statistics.counting import Observation, Period, observations
from gateway.statistics.definitions import (
    TOTAL,
    Definitions,
    Line,
    Selector,
    TableDefinition,
    Year,
)
from gateway.statistics.history import PersonHistory

Cell = int | None  # None: not applicable, printed "-"; never 0

_Counted = Mapping[Observation, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: its cells without totals, which follow from them."""

    definition: TableDefinition
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]  # by row, then column
    of: int = 0  # for a rate: how many it was computed from
    faults: tuple[str, ...] = ()  # what is wrong with the events counted; names nobody
    left_out: int = 0  # observations that belong in this table and fall in no cell

    @property
    def id(self) -> str:
        """T1, T2, ..."""
        return self.definition.id

    def lines(self) -> Iterator[tuple[str, tuple[Cell, ...]]]:
        """Yield each row as printed, with its label, totals included."""
        width = "column" in self.definition.totals
        for label, cells in zip(self.rows, self.cells, strict=True):
            yield label, (*cells, add(cells)) if width else cells
        if "row" in self.definition.totals:
            sums = tuple(  # of no rows at all, 0
                add(line[i] for line in self.cells) if self.cells else 0
                for i in range(len(self.columns))
            )
            yield TOTAL, (*sums, add(sums)) if width else sums

    @property
    def headings(self) -> tuple[str, ...]:
        """The labels of the columns as printed, totals included."""
        return (*self.columns, TOTAL) if "column" in self.definition.totals else self.columns


def add(cells: Iterable[Cell]) -> Cell:
    """Return the sum of what is applicable; of nothing applicable, not applicable. Pure."""
    counted = [cell for cell in cells if cell is not None]
    return sum(counted) if counted else None


def tables(
    histories: Iterable[PersonHistory],
    *,
    year: Year,
    area: str,
    definitions: Definitions,
    population: int | None = None,
) -> list[Table]:
    """Count a year's tables for an area.

    Args:
        histories: Every person's, of every area; read once.
        year: Of the report.
        area: As stated in `location.home_area`; ``area/part`` belongs to ``area``.
        definitions: Of every year.
        population: Aged 10 and over; without it tables of rates are left out.

    Returns:
        The tables of the year's edition, in its order.

    Raises:
        BadDefinitions: no edition covers the year.

    Pure.
    """
    wanted = [one for one in definitions.of(year).table if not one.rate or population]
    counted: dict[date, Counter[Observation]] = {one.first_day(year): Counter() for one in wanted}
    for history in histories:
        for first, counter in counted.items():
            counter.update(observations(history, Period(first=first, last=year.last, area=area)))
    return _checked([_table(one, counted[one.first_day(year)], population or 0) for one in wanted])


def _table(definition: TableDefinition, counted: _Counted, population: int) -> Table:
    rows = definition.rows or _rows_found(definition, counted)
    faults: list[str] = []
    cells: list[tuple[Cell, ...]] = []
    placed = 0
    for row in rows:
        line: list[Cell] = []
        for column in definition.columns:
            found = _count(counted, definition.selector(row, column))
            placed += found
            why = definition.why_not(row, column)
            if why is not None and why.impossible and found:
                faults.append(_misplaced(definition.id, row.label, column.label, found, why.why))
            line.append(None if why is not None else found)
        cells.append(tuple(line))
    return Table(
        definition=definition,
        rows=tuple(row.label for row in rows),
        columns=tuple(column.label for column in definition.columns),
        cells=_per_100k(cells, population) if definition.rate else tuple(cells),
        of=placed,
        faults=tuple(faults),
        left_out=_count(counted, definition.where) - placed if definition.every else 0,
    )


def _rows_found(definition: TableDefinition, counted: _Counted) -> tuple[Line, ...]:
    name = definition.rows_by or "division"
    values = {
        value
        for one in counted
        if definition.where.items() <= one
        for dimension, value in one
        if dimension == name
    }
    return tuple(
        Line(label=value or "(not stated)", where={name: value}) for value in sorted(values)
    )


def _count(counted: _Counted, asked: Selector) -> int:
    return sum(number for one, number in counted.items() if asked.items() <= one)


def _per_100k(cells: Sequence[tuple[Cell, ...]], population: int) -> tuple[tuple[Cell, ...], ...]:
    return tuple(
        tuple(None if cell is None else per_100k(cell, population) for cell in line)
        for line in cells
    )


def per_100k(count: int, population: int) -> int:
    """Return the rate per 100,000, rounded half up; population > 0. Pure."""
    return (200_000 * count + population) // (2 * population)


def _misplaced(table: str, row: str, column: str, found: int, why: str) -> str:
    return f"{table}: {row}, {column}: {found} recorded where none can be: {why}"


def _checked(found: list[Table]) -> list[Table]:
    """Hold each table to the one it may not exceed: a snapshot is part of its year. Both come
    from one pass over the same events, so a fault here is one of the definitions or of ours."""
    by_id = {one.id: one for one in found}
    checked = []
    for table in found:
        other = by_id.get(table.definition.at_most or "")
        more = (
            [
                f"{table.id}: {row}, {column} exceeds the same cell of {other.id}"
                for row, column in _exceeding(table, other)
            ]
            if other
            else []
        )
        checked.append(replace(table, faults=(*table.faults, *more)) if more else table)
    return checked


def _exceeding(table: Table, other: Table) -> Iterator[tuple[str, str]]:
    theirs = {
        (row, column): cell
        for row, line in zip(other.rows, other.cells, strict=True)
        for column, cell in zip(other.columns, line, strict=True)
    }
    for row, line in zip(table.rows, table.cells, strict=True):
        for column, cell in zip(table.columns, line, strict=True):
            bound = theirs.get((row, column))
            if cell is not None and bound is not None and cell > bound:
                yield row, column
