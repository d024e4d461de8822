"""Cutting into messages: the same wherever the pieces end, bounded, and nothing lost in silence."""

import csv
import io
import json
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import Split
from adapters.kit import framing
from adapters.kit.csv_text import read_row, write_rows
from adapters.kit.framing import csv_rows, json_values, lines, whole
from gateway.model.problem import MalformedEvent

SPLITS: dict[str, Split] = {
    "whole": whole, "json_values": json_values, "lines": lines, "csv_rows": csv_rows,
}  # fmt: skip
JSON_BYTES = st.text('{}[]",\\:1a \n\r\u00e9', max_size=60).map(str.encode)
CSV_BYTES = st.text('a,"\r\n \u00e9', max_size=60).map(str.encode)
BODIES = JSON_BYTES | CSV_BYTES | st.binary(max_size=60)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=3), min_size=1, max_size=5)


def cut(body: bytes, at: Iterable[int]) -> Iterator[bytes]:
    """Yield a body in pieces that end at these places."""
    start = 0
    for end in sorted({min(place, len(body)) for place in at} | {len(body)}):
        yield body[start:end]
        start = end


def outcome(split: Split, pieces: Iterable[bytes]) -> list[bytes] | str:
    try:
        return list(split(pieces))
    except MalformedEvent as error:
        return str(error)


@pytest.mark.parametrize("name", SPLITS)
@given(body=BODIES, at=st.lists(st.integers(0, 60), max_size=8))
def test_where_the_pieces_end_changes_nothing(name: str, body: bytes, at: list[int]) -> None:
    at_once = outcome(SPLITS[name], [body])
    assert outcome(SPLITS[name], cut(body, at)) == at_once
    assert outcome(SPLITS[name], (body[i : i + 1] for i in range(len(body)))) == at_once


@pytest.mark.parametrize("name", SPLITS)
@given(body=BODIES)
def test_something_is_always_yielded_or_it_was_an_empty_array(name: str, body: bytes) -> None:
    if not list(SPLITS[name]([body])):
        assert name == "json_values"
        assert body.lstrip(framing._BLANK).startswith(b"[")


@given(values=OBJECTS, indent=st.sampled_from([None, 1]))
def test_an_array_and_lines_of_json_are_cut_into_the_same_values(
    values: list[Any], indent: int | None
) -> None:
    array = json.dumps(values, indent=indent).encode()
    each = "\n".join(json.dumps(value, indent=indent) for value in values).encode()
    for body in (array, each):
        assert [json.loads(one) for one in json_values([body])] == values


@given(value=VALUES)
def test_one_document_is_one_message(value: Any) -> None:
    if isinstance(value, list):
        return
    (one,) = json_values([json.dumps(value).encode()])
    assert json.loads(one) == value


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (b"", [b""]),
        (b"  \n", [b""]),
        (b"[]", []),
        (b"[ ]\n", []),
        (b"{}", [b"{}"]),
        (b"[{},{}]", [b"{}", b"{}"]),
        (b"{}\n{}\n", [b"{}", b"{}"]),
        (b'{"a":"]}"}', [b'{"a":"]}"}']),
        (b'{"a":"\\""}{}', [b'{"a":"\\""}', b"{}"]),
        (b'{"a":"\\\\"}{}', [b'{"a":"\\\\"}', b"{}"]),
        (b"[1,2]", [b"1,2"]),
        (b"[{},1]", [b"{}", b"1"]),
        (b'{"a":1', [b'{"a":1']),
        (b"nonsense", [b"nonsense"]),
        (b"{}}", [b"{}", b"}"]),
        (b"{} trailing", [b"{}", b"trailing"]),
    ],
)
def test_json_is_cut_at_brackets_and_what_cannot_be_is_left_to_its_reader(
    body: bytes, messages: list[bytes]
) -> None:
    assert list(json_values([body])) == messages


@given(body=JSON_BYTES)
def test_no_byte_of_json_but_what_stands_between_values_is_lost(body: bytes) -> None:
    kept = b"".join(json_values([body]))
    between = b" \t\r\n,[]"
    assert kept.translate(None, between) == body.translate(None, between)


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (b"", [b""]),
        (b"\r\n\r\n", [b""]),
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"a\rb", [b"a", b"b"]),
        (b"a\n\n \nb\n", [b"a", b"b"]),
        (b'a"\nb"', [b'a"', b'b"']),
    ],
)
def test_lines_end_at_any_line_end_and_blank_ones_are_passed_over(
    body: bytes, messages: list[bytes]
) -> None:
    assert list(lines([body])) == messages


@given(rows=st.lists(st.lists(st.text('a,"\n\r ', max_size=6), min_size=2, max_size=2), max_size=5))
def test_what_the_csv_module_writes_is_cut_into_its_rows(rows: list[list[str]]) -> None:
    rows = [[f"x{cell}" for cell in row] for row in rows]  # none is blank
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["a", "b"], *rows])
    messages = list(csv_rows([out.getvalue().encode()]))
    read = [list(csv.reader(io.StringIO(one.decode(), newline=""))) for one in messages]
    assert read == ([[["a", "b"], row] for row in rows] or [[["a", "b"]]])


@given(cells=st.lists(st.text(max_size=12).map(str.strip), min_size=3, max_size=3))
def test_what_is_written_as_a_row_is_read_back(cells: list[str]) -> None:
    (message,) = csv_rows([write_rows(["a", "b", "c"], [["1", *cells[1:]]])])
    row = read_row(message)
    assert row["a"] == "1"
    plain = [cell for cell in cells[1:] if cell.isprintable() and not cell.startswith("'")]
    assert set(plain) - {""} <= set(row.values())


def test_a_mark_before_the_first_heading_is_not_part_of_it() -> None:
    assert list(csv_rows([b"\xef\xbb", b"\xbfa,b\r\n1,2"])) == [b"a,b\r\n1,2\r\n"]


@pytest.mark.parametrize(
    ("split", "body"),
    [
        (whole, b"a" * 3_000_000),
        (json_values, b'{"a":"' + b"a" * 3_000_000),
        (json_values, b'["' + b"a" * 3_000_000),
        (json_values, b"[" * 3_000_000),
        (json_values, b"1" * 3_000_000),
        (lines, b"a" * 3_000_000),
        (csv_rows, b'a\r\n"' + b"\r\n" * 1_500_000),
        (csv_rows, b"a" * 3_000_000),
    ],
)
def test_a_message_without_end_is_refused_before_it_is_held_whole(
    split: Split, body: bytes
) -> None:
    taken = 0

    def pieces() -> Iterator[bytes]:
        nonlocal taken
        for start in range(0, len(body), 4096):
            taken = start
            yield body[start : start + 4096]

    with pytest.raises(MalformedEvent, match="longer than"):
        list(split(pieces()))
    assert taken <= framing.MAX_MESSAGE_BYTES + 8192


MANY: dict[str, tuple[Split, Callable[[int], bytes]]] = {
    "array": (json_values, lambda at: b"[{}" if at == 0 else b',\n{"a":["]",{}]}'),
    "lines": (lines, lambda at: b"a line of text\r\n"),
    "rows": (csv_rows, lambda at: b"a,b\r\n" if at == 0 else b'1,"x\ny"\r\n'),
}


@pytest.mark.parametrize("name", MANY)
def test_a_long_file_is_cut_in_the_memory_of_one_message(name: str) -> None:
    split, piece = MANY[name]
    pieces = (b"".join(piece(at + batch) for batch in range(100)) for at in range(0, 60_000, 100))
    tracemalloc.start()
    try:
        count = sum(1 for _ in split(pieces))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count >= 59_999
    assert peak < 256 * 1024


@pytest.mark.parametrize("name", SPLITS)
def test_many_small_pieces_of_one_long_message_are_not_read_over_and_over(name: str) -> None:
    """Quadratic work on a megabyte in pieces of 64 bytes would take minutes."""
    text = b'"' + b"\\\\" * 500_000
    body = text if name != "json_values" else b'{"a":' + text + b'"}'
    pieces = (body[at : at + 64] for at in range(0, len(body), 64))
    assert len(list(SPLITS[name](pieces))) == 1
