"""The annual return: the published years, cell by cell, in both kinds of file."""

import csv
import io
from datetime import date
from itertools import chain, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from adapters.contract import NotRendered, Rendition
from adapters.kit.csv_text import safe_cell
from adapters.mappa_forms.annual_return import LEGEND, NOT_APPLICABLE, TITLE, XLSX, annual_return
from gateway.model.strict_json import Json, JsonObject
from gateway.statistics.printing import as_json, printed
from gateway.statistics.suppression import suppress
from tests.statistics.histories import AREA
from tests.statistics.test_published import HISTORIES, PUBLISHED, count

YEARS = sorted(PUBLISHED)
Grid = list[list[Any]]


@pytest.fixture(scope="module")
def reports() -> dict[str, JsonObject]:
    """What ``throughgate stats --format json`` prints of the published years."""
    return {year: report(year) for year in YEARS}


def report(year: str, *, publish: bool = False) -> JsonObject:
    found = count(list(HISTORIES[year]()), year)
    shown = as_json(printed(one, suppress(one, 5) if publish else None) for one in found)
    return {"year": year, "area": AREA, "tables": shown, "faults": []}


def small(**changes: Any) -> JsonObject:
    values: JsonObject = {"Category 1": 3, "Category 3": "-"}
    rows: list[Json] = [{"label": "Level 1", "values": values}]
    table: JsonObject = {"table": "T1", "title": "Eligible", "rows": rows}
    return {"year": "2021-22", "area": "Example", "tables": [table], "faults": [], **changes}


def made(report: JsonObject, form: Any) -> Rendition:
    rendition = annual_return(report, form)
    assert isinstance(rendition, Rendition)
    assert rendition.file_name == f"mappa-annual-return-{report['year']}.{form}"
    return rendition


def grid(report: JsonObject) -> list[list[str]]:
    rendition = made(report, "csv")
    assert rendition.media_type == "text/csv"
    return list(csv.reader(io.StringIO(rendition.body.decode(), newline=""), strict=True))


def sheets(report: JsonObject) -> dict[str, Grid]:
    rendition = made(report, "xlsx")
    assert rendition.media_type == XLSX
    book = load_workbook(io.BytesIO(rendition.body))
    return {one.title: [list(row) for row in one.iter_rows(values_only=True)] for one in book}


def cells(rows: list[list[Any]]) -> dict[str, str]:
    """Return the rows of one table as the published years are kept."""
    return {
        str(row[0]): " ".join(
            "-" if one == NOT_APPLICABLE else str(one) for one in row[1:] if one not in (None, "")
        )
        for row in rows
    }


@pytest.mark.parametrize("year", YEARS)
def test_the_file_has_the_published_tables(reports: dict[str, JsonObject], year: str) -> None:
    rows = grid(reports[year])
    assert rows[0][0] == TITLE
    assert len({len(row) for row in rows}) == 1
    starts = [i for i, row in enumerate(rows) if not any(row)]
    found = {rows[a + 1][0]: cells(rows[a + 3 : b]) for a, b in pairwise(starts)}
    assert found == PUBLISHED[year]


@pytest.mark.parametrize("year", YEARS)
def test_the_workbook_has_the_published_tables(reports: dict[str, JsonObject], year: str) -> None:
    found = sheets(reports[year])
    cover = found.pop("Return")
    assert cover[0][0] == TITLE
    assert {name: cells(rows[2:]) for name, rows in found.items()} == PUBLISHED[year]
    assert [row[0] for row in cover if str(row[0]).startswith("T") and row[1]] == list(found)


def test_a_count_is_a_number_and_a_mark_is_text() -> None:
    row = sheets(small())["T1"][2]
    assert row == ["Level 1", 3, NOT_APPLICABLE]


def test_the_cover_says_the_year_its_days_and_the_area() -> None:
    told = {row[0]: row[1] for row in grid(small())}
    assert told["Year"] == "2021-22"
    assert told["Period"] == "1 April 2021 to 31 March 2022"
    assert told["Area"] == "Example"
    assert told.items() >= dict(LEGEND).items()
    turn = {row[0]: row[1] for row in grid(small(year="1999-00"))}
    assert turn["Period"] == "1 April 1999 to 31 March 2000"


def test_what_is_withheld_stays_withheld() -> None:
    published = report("2021-22", publish=True)
    marks = {one for row in chain.from_iterable(sheets(published).values()) for one in row}
    assert "<5" in marks
    assert marks >= {"<5", "*"}
    assert {one for row in grid(published) for one in row} >= {"<5", "*"}


def test_tables_at_fault_are_not_returned() -> None:
    answer = annual_return(small(faults=["T1: Level 1, Category 3: 1 recorded where none can be"]))
    assert isinstance(answer, NotRendered)
    assert "contradict" in answer.reasons[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"year": "2021-23"}, {"year": None}, {"year": "21-22"}, {"area": ""}, {"area": None},
        {"tables": []}, {"tables": None}, {"tables": [{}]},
        {"tables": [{"table": "T1/..", "title": "", "rows": [{"label": "a", "values": {"b": 1}}]}]},
        {"tables": [{"table": "T1", "title": "", "rows": []}]},
        {"tables": [{"table": "T1", "rows": [{"label": "a", "values": {"b": 1.5}}]}]},
        {"tables": [{"table": "T1", "rows": [{"label": "a", "values": {"b": 1}},
                                             {"label": "c", "values": {"d": 1}}]}]},
        {"tables": [{"table": "T1", "rows": [{"label": "a", "values": {"b": 1}}]}] * 2},
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_what_is_no_report_is_declined_with_a_reason(changes: dict[str, Any], form: Any) -> None:
    answer = annual_return(small(**changes), form)
    assert isinstance(answer, NotRendered)
    assert answer.reasons


def test_a_year_with_nothing_in_a_table_by_division_is_still_returned() -> None:
    total: JsonObject = {"label": "Total", "values": {"Level 3": 0}}
    table: JsonObject = {"table": "T11d", "title": "By division", "rows": [total]}
    assert sheets(small(tables=[table]))["T11d"][2] == ["Total", 0]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_the_same_report_gives_the_same_bytes(form: Any) -> None:
    assert made(small(), form).body == made(small(), form).body
    if form == "xlsx":
        book = load_workbook(io.BytesIO(made(small(), form).body))
        assert book.properties.creator in (None, "openpyxl")
        assert str(date.today().year).encode() not in made(small(), form).body  # noqa: DTZ011


@given(st.text(min_size=1).filter(lambda one: one.isprintable() or "\n" in one))
def test_no_text_becomes_a_formula_or_breaks_a_file(text: str) -> None:
    for hostile in (text, "=" + text, "\t@" + text):
        given = small(area=hostile)
        for row in grid(given):
            assert all(safe_cell(cell) == cell for cell in row if not cell.isdecimal())
        book = load_workbook(io.BytesIO(made(given, "xlsx").body))
        for sheet in book:
            for cells_ in sheet.iter_rows():
                assert all(cell.data_type in ("s", "n") for cell in cells_)
