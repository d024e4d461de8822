"""A workbook is read within bounds, by its values, and refused for anything it should not hold."""

import io
import zipfile
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from adapters.contract import Adapter
from adapters.table import read_mapping, table_adapter, workbook
from gateway.model.problem import MalformedEvent
from tests.adapters.test_table_mapping import WORKED
from tests.contract.test_adapter import InboundContract

SOURCE = "urn:example:agency"
MAPPING = read_mapping(WORKED.replace('format = "csv"', 'format = "xlsx"\nsheet = "Changes"'))
ADAPTER: Adapter = table_adapter(MAPPING)
HEADING = ["Ref", "Change", "Changed at", "CRN", "Surname", "Born", "MAPPA level", "Tagged"]
AT = datetime.fromisoformat("2026-02-02T09:30")
BORN = datetime.fromisoformat("1981-03-17")
ROW = [1, "PLACED", AT, "X999001", "Example", BORN, 2, True]


def book(*rows: list[Any], heading: list[Any] = HEADING, sheet: str = "Changes") -> bytes:
    made = Workbook()
    page = made.active
    assert page is not None
    page.title = sheet
    for row in (heading, *rows):
        page.append(row)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def repacked(body: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """Return a workbook with its parts changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(out, "w", 8) as new:
        for part in old.infolist():
            new.writestr(part.filename, change(part.filename, old.read(part)))
    return out.getvalue()


class TestWorkbook(InboundContract):
    adapter = ADAPTER
    samples = (book(ROW),)


def refused(body: bytes) -> str:
    with pytest.raises(MalformedEvent) as caught:
        ADAPTER.translate(body, source=SOURCE)
    return str(caught.value)


def test_dates_numbers_and_truths_are_read_as_what_they_are() -> None:
    (event,) = ADAPTER.translate(book(ROW, []), source=SOURCE).events
    assert event.kind == "accommodation.placed"
    assert event.groups["identity"]["date_of_birth"] == "1981-03-17"
    assert event.groups["identity"]["as_of"] == "2026-02-02T09:30:00Z"
    assert event.groups["mappa"]["level"] == 2
    assert event.groups["licence"]["electronic_monitoring"] is True


def test_dates_kept_as_text_are_read_in_the_mappings_form() -> None:
    row = [*ROW[:2], "02/02/2026 09:30", *ROW[3:5], "17/03/1981", *ROW[6:]]
    (event,) = ADAPTER.translate(book(row), source=SOURCE).events
    (same,) = ADAPTER.translate(book(ROW), source=SOURCE).events
    assert event == same


def test_each_row_is_an_event_and_blank_ones_are_passed_over() -> None:
    body = book(ROW, [], [2, *ROW[1:]], [None, None])
    assert len(ADAPTER.translate(body, source=SOURCE).events) == 2


def test_a_formula_is_never_read_only_the_value_it_was_saved_with() -> None:
    # Saved by a program that computes nothing: there is no value.
    assert "$.CRN: required" in refused(book([*ROW[:3], "=1+1", *ROW[4:]]))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (book(ROW, sheet="Other"), "no sheet of the name"),
        (book(ROW, heading=[*HEADING[:-1], "CRN"]), "one heading of its own"),
        (book(ROW, heading=[*HEADING[:3], None, *HEADING[4:]]), "one heading of its own"),
        (book([*ROW, "more"]), "more cells than headings"),
        (book(), "no row under the heading"),
        (book([*ROW[:4], "#N/A", *ROW[5:]]), "holds an error"),
        (book([*ROW, *[None] * 400, "far"]), "more than 200 columns"),
        (b"PK\x03\x04" + b"\x00" * 100, "not a workbook"),
        (b"Ref,Change\r\n1,PLACED\r\n", "not a workbook"),
        (b"", "not a workbook"),
        (b"\x00" * (workbook.MAX_FILE_BYTES + 1), "larger than"),
    ],
)
def test_what_cannot_be_read_for_certain_is_refused(body: bytes, reason: str) -> None:
    assert reason in refused(body)


def test_a_workbook_of_two_sheets_needs_one_named() -> None:
    made = Workbook()
    made.create_sheet("Second")
    out = io.BytesIO()
    made.save(out)
    any_sheet = read_mapping(WORKED.replace('format = "csv"', 'format = "xlsx"'))
    with pytest.raises(MalformedEvent, match="more than one sheet"):
        table_adapter(any_sheet).translate(out.getvalue(), source=SOURCE)


def test_a_part_that_unpacks_to_more_than_it_may_is_refused_unread() -> None:
    bomb = repacked(
        book(ROW),
        lambda name, body: body + b" " * workbook.MAX_UNPACKED_BYTES if "sheet1" in name else body,
    )
    assert len(bomb) < 200_000
    assert "bytes unpacked" in refused(bomb)


def test_a_part_that_lies_about_its_size_is_cut_off_and_refused() -> None:
    body = bytearray(
        repacked(
            book(ROW), lambda name, part: part + b" " * 9_000_000 if "sheet1" in name else part
        )
    )
    with zipfile.ZipFile(io.BytesIO(bytes(body))) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    for at in range(len(body) - 4):
        if body[at : at + 4] == size.to_bytes(4, "little"):
            body[at : at + 4] = (100).to_bytes(4, "little")
    assert "not a workbook" in refused(bytes(body))


@pytest.mark.parametrize(
    "declaration",
    [b'<!DOCTYPE r [<!ENTITY a "b">]>', b"<!doctype r>", b'<!ENTITY % x SYSTEM "file:///x">'],
)
@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml"])
def test_a_declaration_in_any_part_is_refused(declaration: bytes, part: str) -> None:
    body = repacked(book(ROW), lambda name, old: declaration + old if name == part else old)
    assert "DOCTYPE" in refused(body)


def test_a_part_in_another_encoding_is_refused() -> None:
    body = repacked(
        book(ROW),
        lambda name, old: old.decode().encode("utf-16") if "sheet1" in name else old,
    )
    assert "not UTF-8" in refused(body)


@pytest.mark.parametrize("where", [b'r="1000000000"', b'r="99999999999999999999"'])
def test_a_row_said_to_be_very_far_down_is_refused_in_time(where: bytes) -> None:
    body = repacked(book(ROW), lambda name, old: old.replace(b'<row r="2"', b"<row " + where, 1))
    assert "rows" in refused(body)


@pytest.mark.parametrize("column", [b"ZZZZZZZZ2", b"XFE2"])
def test_a_cell_said_to_be_very_far_out_is_refused(column: bytes) -> None:
    body = repacked(book(ROW), lambda name, old: old.replace(b'r="H2"', b'r="' + column + b'"', 1))
    assert refused(body)


@pytest.mark.parametrize("number", [b"1", b"2"])
def test_rows_out_of_order_are_refused_and_not_passed_over(number: bytes) -> None:
    body = repacked(
        book(ROW, [2, *ROW[1:]]),
        lambda name, old: old.replace(b'<row r="3"', b'<row r="' + number + b'"', 1),
    )
    assert "out of order" in refused(body)


@pytest.mark.parametrize("text", [b"<row ", b"<row r ", b"<row r=", b"<!", b" r"])
def test_a_part_made_to_be_searched_over_and_over_is_refused_in_time(text: bytes) -> None:
    body = repacked(book(ROW), lambda name, old: text * 2_000_000 if "sheet1" in name else old)
    assert refused(body)


def test_rows_past_the_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MAX_ROWS", 3)
    rows = [[number, *ROW[1:]] for number in range(9)]
    assert len(ADAPTER.translate(book(*rows[:2]), source=SOURCE).events) == 2
    assert "more than 3 rows" in refused(book(*rows))


@given(drawn=st.data())
def test_a_damaged_part_is_refused_or_still_read(drawn: st.DataObject) -> None:
    start = drawn.draw(st.integers(0, 400))
    patch = drawn.draw(st.binary(max_size=6))

    def damaged(name: str, old: bytes) -> bytes:
        return old[:start] + patch + old[start + len(patch) :] if "sheet1" in name else old

    try:
        told = ADAPTER.translate(repacked(SAMPLE, damaged), source=SOURCE).events
    except MalformedEvent as error:
        told = error.problems  # type: ignore[assignment]
    assert told


SAMPLE = book(ROW)
