"""CSV in and out: nothing written runs in a spreadsheet, and what is written reads back."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kit.csv_text import MAX_COLUMNS, read_row, safe_cell, write_rows
from adapters.kit.framing import csv_rows
from gateway.model.problem import MalformedEvent
from tests.third_party import ROOT, vectors

_FILE = ROOT / "own-probes" / "csv-formula.json"
FORMULAS: list[str] = json.loads(_FILE.read_text("utf-8")) if _FILE.exists() else []
STARTS = tuple("=+-@|\t\r\n\uff1d\uff0b\uff0d\uff20\u2212")
LINE_ENDS = "\r\n\x00\x0b\x0c\x85\u2028\u2029"

CHARACTERS = st.characters(codec="utf-8", exclude_characters=LINE_ENDS)


@pytest.fixture(autouse=True, scope="module")
def _probes_are_there() -> None:
    vectors("own-probes/csv-formula.json")


def written(*cells: str) -> bytes:
    return write_rows([f"h{n}" for n in range(len(cells))], [cells])


def read_back(body: bytes) -> list[str]:
    """Read with the standard library alone, as a spreadsheet would."""
    return list(csv.reader(io.StringIO(body.decode(), newline=""), strict=True))[1]


def runs(cell: str) -> bool:
    """Say whether a spreadsheet might run a cell, looking past what some drop."""
    return cell.lstrip(' \u00a0\u200b\ufeff",;').startswith(STARTS)


@pytest.mark.parametrize("text", FORMULAS)
def test_no_formula_is_written_as_one(text: str) -> None:
    (cell,) = read_back(written(text))
    assert not runs(cell)
    if not set(text) & set(LINE_ENDS):
        assert read_row(written(text)) == {"h0": text}


@pytest.mark.parametrize("text", ["a;=1+1", "a\t=1+1", 'a"b', "a,b", "a;b"])
def test_a_cell_some_spreadsheet_would_split_is_quoted(text: str) -> None:
    line = written("x", text).decode().split("\r\n")[1]
    assert line == 'x,"' + text.replace('"', '""') + '"'
    assert read_row(written("x", text)) == {"h0": "x", "h1": text}


def test_line_ends_become_spaces_so_that_a_row_stays_a_line() -> None:
    body = written("a\r\nb\x00c\u2028d\x0be")
    assert body == b"h0\r\na b c d e\r\n"


def test_what_is_not_text_is_written_as_it_is() -> None:
    body = write_rows(["a", "b", "c", "d", "e"], [[-5, True, False, None, "-5"]])
    assert body == b"a,b,c,d,e\r\n-5,true,false,,'-5\r\n"


def test_half_a_surrogate_pair_never_stops_a_file() -> None:
    assert written("a\ud800b") == b"h0\r\na?b\r\n"


def test_one_empty_cell_is_still_a_row() -> None:
    assert write_rows(["a"], [[None], ["b"]]) == b'a\r\n""\r\nb\r\n'


@given(text=st.text())
def test_no_text_is_written_as_a_formula(text: str) -> None:
    (cell,) = read_back(written(text)) or [""]
    assert not runs(cell)
    assert safe_cell(cell) == cell


@given(text=st.sampled_from([*STARTS, *' \u00a0\'",;\u200b\ufeff']).flatmap(
    lambda start: st.text().map(lambda rest: start + rest)
))  # fmt: skip
def test_what_is_safe_is_not_changed_again(text: str) -> None:
    assert safe_cell(safe_cell(text)) == safe_cell(text)


@given(texts=st.lists(st.text(CHARACTERS), min_size=1, max_size=4))
def test_what_is_written_is_read_back(texts: list[str]) -> None:
    """But for outer space, and for a text with a quote of its own before a formula."""
    texts = [one.strip().lstrip("'") for one in (text.strip() for text in texts)]
    texts = [one if one == one.strip() else "x" for one in texts]
    assert read_row(written(*texts)) == {f"h{n}": one for n, one in enumerate(texts) if one}


@given(rows=st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=3, max_size=3)))
def test_what_is_written_is_cut_into_its_rows(rows: list[list[str]]) -> None:
    full = [[*row, "end"] for row in rows]
    body = write_rows(["a", "b", "c", "d"], full)
    cut = [one for one in csv_rows((body,)) if full]
    assert len(cut) == len(full)
    assert all(read_row(one)["d"] == "end" for one in cut)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no row"),
        (b"a,b\r\n", "no row"),
        (b"a,b\r\n1,2\r\n3,4\r\n", "more than one row"),
        (b"a,a\r\n1,2\r\n", "one heading of its own"),
        (b"a,\r\n1,2\r\n", "one heading of its own"),
        (b"a, a\r\n1,2\r\n", "one heading of its own"),
        (b"a,b\r\n1,2,3\r\n", "more cells"),
        (b"a,b\r\n\xff,2\r\n", "not UTF-8"),
        (b'a,b\r\n"1"x,2\r\n', "not CSV"),
        (b'a,b\r\n"1,2\r\n', "not CSV"),
        (",".join(f"h{n}" for n in range(MAX_COLUMNS + 1)).encode() + b"\r\n1\r\n", "one heading"),
        (b"a\r\n" + b"x" * 200_000 + b"\r\n", "not CSV"),
    ],
)
def test_what_is_no_row_is_refused_and_the_reason_said(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedEvent) as caught:
        read_row(body)
    assert reason in caught.value.problems[0].reason


def test_cells_lose_outer_space_and_empty_ones_state_nothing() -> None:
    assert read_row(b"\xef\xbb\xbf a , b,c\r\n 1 ,,'=x\r\n") == {"a": "1", "c": "=x"}


def test_a_quote_of_the_sender_s_own_stays() -> None:
    assert read_row(b"a,b\r\n'hello,O'Example\r\n") == {"a": "'hello", "b": "O'Example"}
