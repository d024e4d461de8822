"""The annual statistics return: a year's tables as CSV, or as a workbook of one sheet a table.

Counts come as computed, totals included; nothing is counted here. A count is a number and a mark is
text: "n/a" is not applicable, which is not 0; "<5" and "*" stand for what is withheld.
Source: CJA 2003 s.326(5)-(6): each responsible authority, for the twelve months from 1 April.
"""

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from adapters.contract import NotRendered, Rendition
from adapters.kit.csv_text import safe_cell, write_rows
from gateway.model.strict_json import Json, JsonObject

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

NOT_APPLICABLE: Final = "n/a"  # a lone "-" would begin a formula
TITLE: Final = "MAPPA annual statistics return"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LEGEND: Final = (
    ("n/a", "not applicable; 0 is none"),
    ("<n", "from 1 to one less than n"),
    ("*", "withheld, so that totals do not reveal another number"),
)

_YEAR: Final = re.compile(r"([0-9]{4})-([0-9]{2})")
_TABLE: Final = re.compile(r"T[0-9]{1,2}[a-z]?")
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# A workbook says when it was made; this one has no clock, and the year is on its first sheet.
_CORE: Final = "docProps/core.xml"
_NO_CLOCK: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<cp:coreProperties xmlns:cp='
    '"http://schemas.openxmlformats.org/package/2006/metadata/core-properties"/>'
)
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)

Cell = str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    id: str
    title: str
    headings: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Cell, ...]], ...]
    note: str


def annual_return(
    report: JsonObject, form: Literal["csv", "xlsx"] = "csv"
) -> Rendition | NotRendered:
    """Return a year's tables as an area returns them.

    Args:
        report: What ``throughgate stats --format json`` prints: ``year``, ``area``, ``tables`` of
            ``{table, title, rows: [{label, values: {heading: count or mark}}], note}``, ``faults``.
        form: The kind of file.

    Pure: the same report gives the same bytes.
    """
    problem = _problem(report)
    if problem is not None:
        return NotRendered(reasons=(problem,))
    tables = [_table(one) for one in _objects(report.get("tables"))]
    name = f"mappa-annual-return-{report['year']}.{form}"
    if form == "csv":
        return Rendition(media_type="text/csv", file_name=name, body=_csv(report, tables))
    return Rendition(media_type=XLSX, file_name=name, body=_workbook(report, tables))


def _problem(report: JsonObject) -> str | None:
    """Return why these tables are not returned, or None."""
    year = report.get("year")
    match = _YEAR.fullmatch(year) if isinstance(year, str) else None
    if match is None or int(match[2]) != (int(match[1]) + 1) % 100:
        return "a reporting year is written like 2021-22"
    if not isinstance(report.get("area"), str) or not report.get("area"):
        return "no area is stated"
    if report.get("faults"):
        return "the tables contradict themselves or the law: correct the events first"
    tables = _objects(report.get("tables"))
    if not tables or any(not _well_formed(one) for one in tables):
        return "the tables are not as the statistics print them"
    if len({one["table"] for one in tables}) != len(tables):
        return "a table appears twice"
    return None


def _well_formed(table: JsonObject) -> bool:
    id_, rows = table.get("table"), _objects(table.get("rows"))
    if not isinstance(id_, str) or not _TABLE.fullmatch(id_) or not rows:
        return False
    return all(
        isinstance(row.get("label"), str)
        and isinstance(values := row.get("values"), dict)
        and list(values) == _headings(rows)
        and all(isinstance(value, str | int) for value in values.values())
        for row in rows
    )


def _table(table: JsonObject) -> _Table:
    rows = _objects(table.get("rows"))
    return _Table(
        id=str(table["table"]),
        title=str(table.get("title", "")),
        headings=tuple(_headings(rows)),
        lines=tuple((str(row["label"]), tuple(_cells(row["values"]))) for row in rows),
        note=str(table.get("note", "")),
    )


def _headings(rows: Sequence[JsonObject]) -> list[str]:
    values = rows[0].get("values")
    return list(values) if isinstance(values, dict) else []


def _cells(values: Json) -> Iterator[Cell]:
    for value in values.values() if isinstance(values, dict) else ():
        if isinstance(value, int):
            yield int(value)
        else:
            yield NOT_APPLICABLE if value == "-" else str(value)


def _objects(value: Json) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _cover(report: JsonObject) -> Iterator[tuple[str, str]]:
    year = str(report["year"])
    first = int(year[:4])
    yield "Year", year
    yield "Period", f"1 April {first} to 31 March {first + 1}"
    yield "Area", str(report["area"])
    yield "Required by", "Criminal Justice Act 2003 s.326(5)"


def _rows(table: _Table) -> Iterator[tuple[Cell, ...]]:
    yield table.id, table.title
    yield "", *table.headings
    for label, cells in table.lines:
        yield label, *cells
    if table.note:
        yield "Note", table.note


def _csv(report: JsonObject, tables: Sequence[_Table]) -> bytes:
    rows: list[tuple[Cell, ...]] = [*_cover(report)]
    for table in tables:
        rows += [(), *_rows(table)]
    rows += [(), *LEGEND]
    width = max(len(row) for row in rows)
    heading = (TITLE, *[""] * (width - 1))
    return write_rows(heading, [(*row, *[""] * (width - len(row))) for row in rows])


def _workbook(report: JsonObject, tables: Sequence[_Table]) -> bytes:
    from openpyxl import Workbook

    book = Workbook(write_only=False)
    cover = book.worksheets[0]
    cover.title = "Return"
    contents = [(table.id, table.title) for table in tables]
    _fill(cover, [(TITLE,), *_cover(report), (), *contents, (), *LEGEND])
    for table in tables:
        _fill(book.create_sheet(table.id), _rows(table))
    out = io.BytesIO()
    book.save(out)
    return _without_clock(out.getvalue())


def _fill(sheet: "Worksheet", rows: Iterator[tuple[Cell, ...]] | list[tuple[Cell, ...]]) -> None:
    for number, row in enumerate(rows, start=1):
        for column, value in enumerate(row, start=1):
            cell = sheet.cell(row=number, column=column)
            if isinstance(value, int):
                cell.value = value
            elif value:
                cell.value = safe_cell(_NOT_XML.sub("\ufffd", value))
                cell.data_type = "s"  # text, even where it begins like a formula


def _without_clock(archive: bytes) -> bytes:
    """Return the same archive with every time in it taken out."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as given,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made,
    ):
        for name in given.namelist():
            content = _NO_CLOCK.encode() if name == _CORE else given.read(name)
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 0  # the same wherever it was made
            made.writestr(entry, content)
    return out.getvalue()
