"""What is published: no small number shown, and none that totals give away."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.statistics.definitions import Line, TableDefinition
from gateway.statistics.printing import (
    BadTable,
    Printed,
    as_csv,
    as_json,
    as_text,
    printed,
    read_csv,
)
from gateway.statistics.suppression import suppress
from gateway.statistics.tables import Cell, Table

Numbers = list[list[int]]


def table(cells: list[list[Cell]], *, totals: tuple[str, ...] = ("row", "column")) -> Table:
    rows = [f"r{i}" for i in range(len(cells))]
    columns = [f"c{i}" for i in range(len(cells[0]))]
    definition = TableDefinition(
        id="T1",
        title="Test",
        rows=tuple(Line(label=one, where={"count": "eligible"}) for one in rows),
        columns=tuple(Line(label=one) for one in columns),
        totals=frozenset(totals),  # type: ignore[arg-type]
    )
    return Table(
        definition=definition,
        rows=tuple(rows),
        columns=tuple(columns),
        cells=tuple(tuple(line) for line in cells),
    )


def shown(cells: list[list[Cell]]) -> Printed:
    one = table(cells)
    return printed(one, suppress(one))


# The smallest numbers tell most.
_NUMBERS = st.one_of(st.integers(0, 2), st.integers(0, 9))


def fits(page: Printed, a: int, b: int, c: int, d: int) -> bool:
    """Whether this 2 by 2 table, published, could look like this page to its reader."""
    numbers = (a, b, a + b, c, d, c + d, a + c, b + d, a + b + c + d)
    texts = [text for _, line in page.lines for text in line]
    if set(texts) == {"*"}:
        return True
    for text, value in zip(texts, numbers, strict=True):
        if text == "<5" or text == "*":
            if (0 < value < 5) is not (text == "<5"):
                return False
        elif int(text) != value:
            return False
    return True


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(_NUMBERS, min_size=2, max_size=2), min_size=2, max_size=2))
def test_no_small_number_can_be_worked_out(cells: Numbers) -> None:
    page = shown(cells)  # type: ignore[arg-type]
    possible = [one for one in itertools.product(range(11), repeat=4) if fits(page, *one)]
    true = tuple(itertools.chain(*cells))
    assert true in possible
    if len(possible) == 11**4:
        return  # nothing at all is shown
    for i, value in enumerate(true):
        if 0 < value < 5:
            assert len({one[i] for one in possible}) > 1, (cells, page.lines)


@given(st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=2, max_size=3))
@settings(max_examples=40, deadline=None)
def test_small_numbers_are_never_shown_and_what_is_shown_is_true(cells: Numbers) -> None:
    one = table(cells)  # type: ignore[arg-type]
    page = printed(one, suppress(one))
    for (_, texts), (_, true) in zip(page.lines, printed(one).lines, strict=True):
        for text, value in zip(texts, true, strict=True):
            assert not (text.isdecimal() and 0 < int(text) < 5)
            assert text in {value, "<5", "*"}
            assert text in {"<5", "*"} or not 0 < int(value) < 5


def test_a_single_small_cell_is_covered_by_another_in_each_of_its_lines() -> None:
    page = shown([[30, 3, 50], [20, 40, 60], [70, 80, 90]])
    hidden = {
        (label, heading)
        for label, texts in page.lines
        for heading, text in zip(page.headings, texts, strict=True)
        if not text.isdecimal()
    }
    assert hidden == {("r0", "c0"), ("r0", "c1"), ("r1", "c0"), ("r1", "c1")}


def test_two_small_cells_whose_total_leaves_one_way_are_covered_too() -> None:
    # 1 + 1 = 2 is the only way: without more hidden, "<5" and "<5" would be no secret.
    one = table([[1, 1, 60], [50, 40, 30]])
    assert "*" in suppress(one).values()


def test_what_is_not_applicable_stays_and_covers_nothing() -> None:
    page = shown([[3669, 1763, None], [11, 29, 5], [2, 5, 2]])
    assert page.lines[0][1][2] == "-"
    marks = [text for _, texts in page.lines for text in texts]
    assert "<5" in marks
    assert "2" not in marks


def test_tables_without_totals_hide_only_small_cells() -> None:
    one = table([[4, 0], [5, 9]], totals=())
    assert suppress(one) == {("r0", "c0"): "<5"}
    assert suppress(one, 10) == {
        ("r0", "c0"): "<10", ("r1", "c0"): "<10", ("r1", "c1"): "<10",
    }  # fmt: skip


def test_csv_comes_back_as_it_went() -> None:
    page = shown([[3669, 1763, None], [11, 29, 5], [2, 5, 2]])
    text = as_csv([page], year="2021-22", area="=cmd()")
    assert ",'=cmd()," in text
    assert read_csv(text)["T1"] == {
        (label, heading): value
        for label, texts in page.lines
        for heading, value in zip(page.headings, texts, strict=True)
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n", "first line must name"),
        ("table,row,column,value\nT1,a,b,many\n", "line 2: a value is"),
        ("table,row,column,value\nT1,a,b,1\nT1,a,b,1\n", "line 3: that cell appears twice"),
        ("table,row,column,value\nT1,a,b,<1\n", "line 2: a value is"),
    ],
)
def test_a_file_that_is_no_table_is_refused(text: str, told: str) -> None:
    with pytest.raises(BadTable, match=told):
        read_csv(text)


def test_json_and_text_tell_none_from_not_applicable() -> None:
    page = printed(table([[0, None], [7, 8]]))
    [one] = as_json([page])
    assert isinstance(one, dict)
    assert one["rows"][0] == {"label": "r0", "values": {"c0": 0, "c1": "-", "Total": 0}}  # type: ignore[index, call-overload]
    assert [" ".join(line.split()) for line in as_text(page)] == [
        "T1 Test", "c0 c1 Total", "r0 0 - 0", "r1 7 8 15", "Total 7 8 15",
    ]  # fmt: skip
