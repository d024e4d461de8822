"""Canonical JSON against the published vectors, and the quick way against the slow one."""

import json
from enum import StrEnum
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gateway.disclosure_log import canonical
from gateway.disclosure_log.entry import canonical_json
from gateway.model.strict_json import MAX_SAFE_INTEGER, Json
from tests.third_party import vector_files, vectors

INPUTS = vector_files("jcs/input", "*.json")

names = st.text(st.characters(max_codepoint=0x7F), max_size=8) | st.text(max_size=8)
integers = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
leaves = st.none() | st.booleans() | integers | st.text(max_size=20)
plain = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4)
)
values = st.recursive(
    leaves | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_published_input_gives_the_published_bytes(path: Path) -> None:
    output = path.parent.parent / "output" / path.name
    found = canonical_json(json.loads(path.read_bytes()))
    assert found == output.read_bytes()
    written = (path.parent.parent / "outhex" / path.name).with_suffix(".txt").read_text()
    assert found == bytes.fromhex(written)


def test_the_published_vectors_are_there() -> None:
    assert len(list(vectors("jcs/input").iterdir())) == len(INPUTS) >= 6


@given(values)
def test_any_value_gives_the_bytes_of_the_reference(value: Json) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


@given(plain)
def test_without_floats_and_foreign_names_the_quick_way_is_taken_and_right(value: Json) -> None:
    expected = rfc8785.dumps(value)
    assert canonical_json(value) == expected
    assert json.loads(expected) == value


@given(values)
def test_canonical_bytes_are_a_fixed_point(value: Json) -> None:
    once = canonical_json(value)
    # A large double is written without a point; read back as a double it is the same number.
    assert canonical_json(json.loads(once, parse_int=float)) == once


def test_every_string_from_the_naughty_list_is_as_the_reference_writes_it() -> None:
    naughty = json.loads(vectors("blns/blns.json").read_bytes())
    assert len(naughty) > 400
    for text in naughty:
        assert canonical_json({"text": text, "list": [text]}) == rfc8785.dumps(
            {"text": text, "list": [text]}
        )
        assert canonical_json({text: 1, "a": 2}) == rfc8785.dumps({text: 1, "a": 2})


def test_every_control_and_every_ascii_character_is_written_as_rfc_8785_says() -> None:
    for code in range(0x80):
        assert canonical_json(chr(code)) == rfc8785.dumps(chr(code))


def test_names_past_the_basic_plane_are_sorted_by_utf_16() -> None:
    # UTF-8 order would put U+FB33 before U+1F600; UTF-16 puts the surrogate pair first.
    assert canonical_json({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


class Colour(StrEnum):
    RED = "red"


def test_only_exact_plain_types_go_the_quick_way() -> None:
    assert canonical._is_plain({"a": ["x", 1, True, None]}, 8)
    for value in (1.0, {"é": 1}, 2**53, Colour.RED, (1,), {1: 2}, [[[1]]]):
        assert not canonical._is_plain(value, 2)


def test_numbers_are_written_as_ecmascript_writes_them() -> None:
    assert canonical_json([1.0, -0.0, 1e21, 1e-7, 333333333.33333329]) == (
        b"[1,0,1e+21,1e-7,333333333.3333333]"
    )


def cycle() -> list[Json]:
    inner: list[Json] = []
    inner.append(inner)
    return inner


@pytest.mark.parametrize(
    "value",
    [
        2**53,
        -(2**53),
        float("nan"),
        float("inf"),
        "\ud800",
        {"\udfff": 1},
        {"a": ["\ud800"]},
        {1: 2},
        {"a": b"bytes"},
        cycle(),
    ],
)
def test_a_value_without_a_canonical_form_is_refused_and_not_quoted(value: Json) -> None:
    with pytest.raises(ValueError, match=r"^not a value with a canonical JSON form$") as caught:
        canonical_json(value)
    assert caught.value.__suppress_context__
