"""CSV in and out. What is written is safe in a spreadsheet: no cell starts a formula.

Source: RFC 4180; OWASP ASVS 1.2.10 (a quote before = + - @, tab, CR, LF, NUL and their full-width
forms). Numbers the gateway wrote itself go out as they are. A cell with a tab or semicolon in it is
quoted, since some spreadsheets split there as well.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Final

from adapters.kit.members import refuse
from gateway.model.strict_json import JsonObject

MAX_COLUMNS: Final = 200
_STARTS_A_FORMULA: Final = tuple("=+-@|\t\r\n\x00\uff1d\uff0b\uff0d\uff20\u2212")
# What some readers drop or split at before they look. Not the quote: what starts with one is text.
_PASSED_OVER: Final = ' \u00a0\u200b\ufeff",;'
_NEEDS_QUOTES: Final = re.compile(r'[",;\t\r\n]')
_LINE_ENDS: Final = re.compile(r"[\r\n\x00\x0b\x0c\x85\u2028\u2029]+")
_QUOTE: Final = "'"


def read_row(body: bytes) -> JsonObject:
    """Return one row under its heading, as `adapters.kit.framing.csv_rows` cuts them.

    Headings lose outer spaces; cells lose outer spaces and the quote that `safe_cell` puts before
    what looks like a formula. Empty cells are left out.

    Raises:
        MalformedEvent: not UTF-8; no row; a heading missing or twice; more cells than headings.

    Pure.
    """
    try:
        text = body.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except UnicodeDecodeError:
        refuse("not UTF-8")
    except csv.Error:
        refuse("not CSV: a quote or a line end out of place")
    if len(rows) != 2:
        refuse("no row under the heading" if len(rows) < 2 else "more than one row")
    heading = [name.strip() for name in rows[0]]
    if len(heading) > MAX_COLUMNS or "" in heading or len(set(heading)) != len(heading):
        refuse("every column needs one heading of its own")
    if len(rows[1]) > len(heading):
        refuse("more cells than headings")
    cells = {name: _bare(cell.strip()) for name, cell in zip(heading, rows[1], strict=False)}
    return {name: cell for name, cell in cells.items() if cell}


def write_rows(heading: Sequence[str], rows: Iterable[Sequence[str | int | bool | None]]) -> bytes:
    """Return a CSV file, CRLF at line ends, UTF-8, every text cell safe and on one line. Pure."""
    cells = [tuple(heading), *([_cell(value) for value in row] for row in rows)]
    # One empty cell is written as such: a bare line end would be no row at all.
    lines = ((",".join(map(_quoted, row)) or '""') + "\r\n" for row in cells)
    return "".join(lines).encode("utf-8", "replace")


def safe_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: a quote stands before what might be.

    Pure; the same again for what is safe already. `read_row` takes the quote away again.
    """
    bare = text.lstrip(_PASSED_OVER)
    return _QUOTE + text if bare.startswith(_STARTS_A_FORMULA) else text


def _bare(cell: str) -> str:
    return cell[1:] if cell[:1] == _QUOTE and safe_cell(cell[1:]) == cell else cell


def _cell(value: str | int | bool | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else safe_cell(_LINE_ENDS.sub(" ", value))


def _quoted(cell: str) -> str:
    if not _NEEDS_QUOTES.search(cell):
        return cell
    return '"' + cell.replace('"', '""') + '"'
