"""A workbook (XLSX) to one object a row: values, never formulas; the file is held whole, bounded.

A workbook's own index stands at its end, so unlike other files it cannot be read as it comes.
"""

import io
import json
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time
from itertools import pairwise
from typing import Any, Final, TypeVar

from adapters.kit.csv_text import MAX_COLUMNS
from adapters.kit.members import refuse
from gateway.model.problem import MalformedEvent

T = TypeVar("T")

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
MAX_UNPACKED_BYTES: Final = 48 * 1024 * 1024  # all parts together
MAX_PARTS: Final = 200
MAX_ROWS: Final = 50_000
_LAST_COLUMN: Final = 18_278  # ZZZ: the library takes no more, and no program writes more
_DECLARES: Final = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
_ROW_NUMBER: Final = re.compile(rb"<(?:\w+:)?row\s(?:[^<>]*?\s)?r\s*=\s*[\"']([0-9]{1,20})[\"']")
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00<", b"<\x00")


def workbook_rows(sheet: str | None) -> Callable[[Iterable[bytes]], Iterator[bytes]]:
    """Return a split (see `adapters.kit.framing`) that yields each row of a sheet as a JSON object.

    Args:
        sheet: Its name; None for the only one there is.
    """

    def split(pieces: Iterable[bytes]) -> Iterator[bytes]:
        body = bytearray()
        for piece in pieces:
            body += piece
            if len(body) > MAX_FILE_BYTES:
                refuse(f"a workbook larger than {MAX_FILE_BYTES} bytes")
        yield from _messages(_rows(bytes(body), sheet))

    return split


def _messages(rows: Iterator[tuple[Any, ...]]) -> Iterator[bytes]:
    heading: list[str] | None = None
    found = False
    for row in rows:
        cells = [_text(value) for value in row]
        if not any(cells):
            continue
        if heading is None:
            heading = _heading(cells)
            continue
        if any(cells[len(heading) :]):
            refuse("more cells than headings")
        found = True
        stated = {name: cell for name, cell in zip(heading, cells, strict=False) if cell}
        yield json.dumps(stated, ensure_ascii=False).encode()
    if not found:
        refuse("no row under the heading")


_ERRORS: Final = frozenset(("#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"))


def _heading(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells.pop()
    if "" in cells or len(set(cells)) != len(cells):
        refuse("every column needs one heading of its own")
    return cells


def _rows(body: bytes, sheet: str | None) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a sheet, blank ones included.

    Raises:
        MalformedEvent: not a workbook, or past a bound; never anything else.
    """
    from openpyxl import load_workbook  # late: few messages are workbooks

    _guarded(lambda: _check_parts(body))
    # keep_links off: other files that it refers to are none of ours.
    book = _guarded(
        lambda: load_workbook(io.BytesIO(body), read_only=True, data_only=True, keep_links=False)
    )
    names = book.sheetnames
    if sheet is not None and sheet not in names:
        refuse("has no sheet of the name in the mapping")
    if sheet is None and len(names) != 1:
        refuse("more than one sheet: say in the mapping which")
    rows = _guarded(lambda: _cells(book[sheet or names[0]]))
    for _ in range(MAX_ROWS + 1):
        row = _guarded(lambda: next(rows, None))
        if row is None:
            return
        if row[MAX_COLUMNS:].count(None) != len(row) - MAX_COLUMNS:
            refuse(f"more than {MAX_COLUMNS} columns")
        yield row[:MAX_COLUMNS]
    refuse(f"more than {MAX_ROWS} rows")


def _cells(sheet: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - two classes, of no common base
    sheet.reset_dimensions()  # what the file says of its own size is not relied on
    rows: Iterator[tuple[Any, ...]] = sheet.iter_rows(max_col=_LAST_COLUMN, values_only=True)
    return rows


def _guarded(read: Callable[[], T]) -> T:
    """Read with the library, which raises many kinds of error on a damaged file, and warns of
    styles and such that no row depends on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read()
        except MalformedEvent:
            raise
        except Exception:  # noqa: BLE001 - any of them means the same
            refuse("not a workbook that can be read")


def _check_parts(body: bytes) -> None:
    """Refuse what would unpack to more than it may, and XML that declares a DOCTYPE or entities.

    No part gives more bytes than the index says: the reader of the archive stops there.
    """
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        parts = archive.infolist()
        if len(parts) > MAX_PARTS or sum(one.file_size for one in parts) > MAX_UNPACKED_BYTES:
            refuse(f"a workbook of more than {MAX_UNPACKED_BYTES} bytes unpacked")
        for part in parts:
            with archive.open(part) as stream:
                _check_part(part.filename, stream.read(part.file_size))


def _check_part(name: str, content: bytes) -> None:
    if content.startswith(_WIDE) or _DECLARES.search(content):
        refuse("a DOCTYPE or entity declaration, or a part that is not UTF-8")
    if name.startswith("xl/worksheets/"):
        # The library passes over a row whose number is not above the last.
        numbers = [int(match[1]) for match in _ROW_NUMBER.finditer(content)]
        if any(later <= number for number, later in pairwise(numbers)):
            refuse("rows out of order")


def _text(value: object) -> str:
    """Return a cell as text: a date in ISO form, a number by its digits."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    if text in _ERRORS:
        refuse("a cell holds an error in place of a value")
    return text
