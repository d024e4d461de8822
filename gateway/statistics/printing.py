"""Tables as they are printed and exchanged: texts, "-" for not applicable, and long-form CSV."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.model.strict_json import Json, JsonObject
from gateway.statistics.tables import Cell, Table

NOT_APPLICABLE: Final = "-"
HIDDEN: Final = "*"  # withheld, so that totals do not reveal another cell
HEADER: Final = ("year", "area", "table", "row", "column", "value")

Position = tuple[str, str]  # labels of row and column, "Total" among them


class BadTable(Exception):
    """A file is not a printed table in the form this program reads. The text says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """One table as text, totals included."""

    id: str
    title: str
    headings: tuple[str, ...]
    lines: tuple[tuple[str, tuple[str, ...]], ...]  # label, one text per heading
    note: str = ""


def printed(table: Table, hidden: Mapping[Position, str] | None = None) -> Printed:
    """Return a table as it is printed; `hidden` says what stands for which cell. Pure."""
    marks = hidden or {}
    return Printed(
        id=table.id,
        title=table.definition.title,
        headings=table.headings,
        lines=tuple(
            (
                label,
                tuple(
                    marks.get((label, heading)) or _text(cell)
                    for heading, cell in zip(table.headings, cells, strict=True)
                ),
            )
            for label, cells in table.lines()
        ),
        note=_left_out(table) if hidden is None else "",
    )


def _text(cell: Cell) -> str:
    return NOT_APPLICABLE if cell is None else str(cell)


def _left_out(table: Table) -> str:
    if not table.left_out:
        return ""
    return f"{table.left_out} more belong here but state no level or category that it has"


def as_csv(found: Iterable[Printed], *, year: str, area: str) -> str:
    """Return long-form CSV: one line a cell, totals included, lines ended by CRLF (RFC 4180).

    A text that a spreadsheet would run as a formula is quoted with an apostrophe. Pure.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for table in found:
        for label, texts in table.lines:
            for heading, text in zip(table.headings, texts, strict=True):
                writer.writerow((year, _inert(area), table.id, _inert(label), heading, text))
    return out.getvalue()


def _inert(text: str) -> str:
    return "'" + text if text[:1] in {"=", "+", "-", "@", "\t"} else text


def as_json(found: Iterable[Printed]) -> list[Json]:
    """Return the tables as JSON values: counts are numbers, marks are texts. Pure."""
    return [_json(one) for one in found]


def _json(table: Printed) -> JsonObject:
    rows: list[Json] = [
        {
            "label": label,
            "values": {
                heading: int(text) if text.isdecimal() else text
                for heading, text in zip(table.headings, texts, strict=True)
            },
        }
        for label, texts in table.lines
    ]
    note: JsonObject = {"note": table.note} if table.note else {}
    return {"table": table.id, "title": table.title, "rows": rows, **note}


def as_text(table: Printed) -> Iterator[str]:
    """Yield the lines of a table for a terminal. Pure."""
    yield f"{table.id}  {table.title}"
    grid = [("", table.headings), *table.lines]
    first = max(len(label) for label, _ in grid)
    widths = [max(len(texts[i]) for _, texts in grid) for i in range(len(table.headings))]
    for label, texts in grid:
        cells = "  ".join(text.rjust(width) for text, width in zip(texts, widths, strict=True))
        yield f"    {label.ljust(first)}  {cells}".rstrip()
    if table.note:
        yield f"    ({table.note})"


def read_csv(text: str) -> dict[str, dict[Position, str]]:
    """Return the cells of each table in a file of the form `as_csv` writes; `year` and `area` may
    be left out.

    Raises:
        BadTable: a column is missing, a cell appears twice, or a value is no count and no mark.

    Pure.
    """
    reader = csv.DictReader(io.StringIO(text), strict=True)
    if not {"table", "row", "column", "value"} <= set(reader.fieldnames or ()):
        raise BadTable(f"the first line must name the columns {','.join(HEADER[2:])}")
    found: dict[str, dict[Position, str]] = {}
    try:
        for line in reader:
            texts = [(line[name] or "").strip() for name in HEADER[2:]]
            table, row, column, value = texts
            if not (value.isdecimal() or value in {NOT_APPLICABLE, HIDDEN} or _below(value)):
                raise BadTable(f"line {reader.line_num}: a value is a count, -, * or <5")
            cells = found.setdefault(table, {})
            if (row, column) in cells:
                raise BadTable(f"line {reader.line_num}: that cell appears twice")
            cells[row, column] = value
    except csv.Error:
        raise BadTable(f"line {reader.line_num}: not CSV") from None
    return found


def _below(value: str) -> bool:
    return value[:1] == "<" and value[1:].isdecimal() and int(value[1:]) > 1


def bounds(value: str) -> tuple[int, int | None] | None:
    """Return the least and greatest count a printed value may stand for (None: no greatest), or
    None for one that is not applicable. Pure."""
    if value == NOT_APPLICABLE:
        return None
    if value == HIDDEN:
        return 0, None
    if value.startswith("<"):
        return 1, int(value[1:]) - 1
    return int(value), int(value)
