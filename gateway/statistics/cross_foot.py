"""Does a printed table add up, and is it possible at all? For tables from anywhere."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.statistics.definitions import TOTAL, Edition, Line, TableDefinition
from gateway.statistics.printing import Position, bounds

Cells = Mapping[Position, str]


def check_printed(found: Mapping[str, Cells], edition: Edition) -> list[str]:
    """Return every fault of printed tables, by a year's definitions; none means they hold.

    Row sums, column sums and the grand total; cells where nothing can be counted; tables that may
    not exceed another. A suppressed cell is held to what it may stand for. Pure.
    """
    faults: list[str] = []
    for id_, cells in found.items():
        definition = edition.by_id(id_)
        if definition is None:
            faults.append(f"{id_}: the year has no such table")
            continue
        faults += _of_one(definition, cells)
        other = found.get(definition.at_most or "")
        if other is not None:
            faults += _exceeding(definition, cells, other)
    return faults


def _of_one(definition: TableDefinition, cells: Cells) -> Iterator[str]:
    rows = definition.rows or _rows_printed(definition, cells)
    yield from _strangers(definition, rows, cells)
    for row in rows:
        for column in definition.columns:
            yield from _cell(definition, row, column, cells)
    labels = [row.label for row in rows]
    columns = [column.label for column in definition.columns]
    across = "column" in definition.totals
    for label in (*labels, TOTAL) if "row" in definition.totals else labels:
        if across:
            yield from _sum(definition.id, label, [(label, one) for one in columns], label, cells)
    if "row" in definition.totals:
        for column_label in (*columns, TOTAL) if across else columns:
            parts = [(label, column_label) for label in labels]
            yield from _sum(definition.id, column_label, parts, TOTAL, cells, column=column_label)


def _rows_printed(definition: TableDefinition, cells: Cells) -> Sequence[Line]:
    name = definition.rows_by or "division"
    labels = dict.fromkeys(row for row, _ in cells if row != TOTAL)
    return [Line(label=label, where={name: label}) for label in labels]


def _strangers(definition: TableDefinition, rows: Sequence[Line], cells: Cells) -> Iterator[str]:
    row_labels = {row.label for row in rows} | ({TOTAL} & _total(definition, "row"))
    columns = {one.label for one in definition.columns} | ({TOTAL} & _total(definition, "column"))
    for row, column in cells:
        if row not in row_labels or column not in columns:
            yield f"{definition.id}: the year's table has no cell {row}, {column}"


def _total(definition: TableDefinition, way: str) -> set[str]:
    return {TOTAL} if way in definition.totals else set()


def _cell(definition: TableDefinition, row: Line, column: Line, cells: Cells) -> Iterator[str]:
    place = f"{definition.id}: {row.label}, {column.label}"
    value = cells.get((row.label, column.label))
    why = definition.why_not(row, column)
    if value is None:
        yield f"{place} is missing"
    elif why is not None and bounds(value) is not None:
        yield f"{place}: {value} printed where none can be: {why.why}"
    elif why is None and bounds(value) is None:
        yield f"{place}: not applicable is printed where a count belongs; none is 0"


def _sum(
    table: str,
    name: str,
    parts: Sequence[Position],
    row: str,
    cells: Cells,
    *,
    column: str = TOTAL,
) -> Iterator[str]:
    stated = cells.get((row, column))
    if stated is None:
        yield f"{table}: {name} has no total"
        return
    held = [bounds(cells[part]) for part in parts if part in cells]
    known = [one for one in held if one is not None]
    total = bounds(stated)
    if total is None:
        if known:
            yield f"{table}: {name} has counts but no total"
        return
    least = sum(low for low, _ in known)
    most = None if any(high is None for _, high in known) else sum(high or 0 for _, high in known)
    low, high = total
    if (most is None or low <= most) and (high is None or high >= least):
        return
    adds = str(least) if least == most else f"at least {least}"
    yield f"{table}: {name} adds up to {adds}, printed {stated}"


def _exceeding(definition: TableDefinition, cells: Cells, other: Cells) -> Iterator[str]:
    for position, value in cells.items():
        ours, theirs = bounds(value), bounds(other.get(position, "*"))
        if TOTAL in position or ours is None or theirs is None or theirs[1] is None:
            continue
        if ours[0] > theirs[1]:
            row, column = position
            yield (
                f"{definition.id}: {row}, {column} is {value}, more than the {other[position]} of "
                f"{definition.at_most}, which counts the same over the whole year"
            )
