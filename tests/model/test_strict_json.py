"""The one JSON reader, against every document made to divide parsers."""

import base64
import gc
import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import MAX_DEPTH, MAX_SAFE_INTEGER, Json, read_json, read_object
from tests.support.every import every
from tests.third_party import vector_files, vectors

SUITE = vector_files("jsontestsuite", "*.json")

LIMIT_S = 0.05


def answers(body: bytes) -> bool:
    """Whether the reader takes a body; it must say so soon, and only with MalformedEvent."""
    # The thread's own time, without the collector's: the rest of the run is not its doing.
    gc.disable()
    started = time.thread_time()
    try:
        read_json(body)
        taken = True
    except MalformedEvent:
        taken = False
    finally:
        spent = time.thread_time() - started
        gc.enable()
    assert spent < LIMIT_S
    return taken


def reason(body: bytes) -> str:
    with pytest.raises(MalformedEvent) as caught:
        read_json(body)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


@every("path", SUITE, ids=lambda path: path.stem)
def test_the_suites_verdict_is_ours(path: Path) -> None:
    taken = answers(path.read_bytes())
    if path.name.startswith("n_"):
        assert not taken
    elif path.name.startswith("y_"):
        assert taken is ("duplicated_key" not in path.name)


def test_the_suite_is_there() -> None:
    files = list(vectors("jsontestsuite").glob("*.json"))
    assert len(files) == len(SUITE)
    assert sum(path.name.startswith("n_") for path in files) > 180
    assert sum(path.name.startswith("y_") for path in files) > 90


HOSTILE: dict[str, bool] = {
    "dup-key": False,
    "dup-nested": False,
    "inf": False,
    "int-5000-digits": False,
    "neg-zero": True,
    "depth-100000": False,
    "lone-surrogate": False,
    "nul-escape": True,
    "bom": False,
    "utf8-overlong": False,
    "trailing": False,
    "comment": False,
    "top-array": True,  # JSON, but no object: see read_object
    "empty": False,
    "id-1MiB": True,  # JSON: its length is for the event's types to refuse
    "time-dst-gap": True,
    "time-year-0000": True,
    "time-ns": True,
}

GENERATED = {
    "'{\"a\":'+'9'*5000+'}'": b'{"a":' + b"9" * 5000 + b"}",
    "'['*100000": b"[" * 100_000,
    "id of 1 MiB": b'{"id":"' + b"i" * 1024 * 1024 + b'"}',
}


def body_of(probe: dict[str, str]) -> bytes:
    if "raw_generate" in probe:
        return GENERATED[probe["raw_generate"]]
    return probe["raw"].encode() if "raw" in probe else base64.b64decode(probe["raw_b64"])


def test_every_hostile_probe_is_judged() -> None:
    probes = json.loads(vectors("own-probes/json-hostile.json").read_bytes())["events"]
    verdicts = {probe["id"]: answers(body_of(probe)) for probe in probes}
    assert verdicts == HOSTILE


def test_every_naughty_string_is_read_as_the_platform_reads_it() -> None:
    naughty = json.loads(vectors("blns/blns.json").read_bytes())
    assert len(naughty) > 400
    body = json.dumps(naughty).encode()
    assert read_json(body) == naughty
    for text in naughty:
        assert read_json(json.dumps({text: text}, ensure_ascii=False).encode()) == {text: text}


text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


@given(values, st.booleans())
def test_what_is_written_is_read_back(value: Json, ascii_only: bool) -> None:
    assert read_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=200) | st.text('[]{}",:\\u0d8e1 -+.tn', max_size=200).map(str.encode))
def test_any_bytes_are_read_as_the_platform_reads_them_or_refused(body: bytes) -> None:
    try:
        value = read_json(body)
    except MalformedEvent:
        return
    assert value == json.loads(body)


@given(st.integers())
def test_integers_are_read_exactly_or_not_at_all(number: int) -> None:
    body = str(number).encode()
    if abs(number) <= MAX_SAFE_INTEGER:
        assert read_json(body) == number
    else:
        assert reason(body).startswith("$: integer")


@pytest.mark.parametrize("number", [MAX_SAFE_INTEGER, -MAX_SAFE_INTEGER])
def test_the_outermost_safe_integers_pass_and_the_next_do_not(number: int) -> None:
    assert read_json(str(number).encode()) == number
    beyond = number + (1 if number > 0 else -1)
    assert "integer outside" in reason(str(beyond).encode())


def test_a_number_too_small_for_a_double_is_zero_and_one_too_large_is_refused() -> None:
    assert read_json(b"1e-400") == 0.0
    assert "number too large" in reason(b"-1e400")
    assert math.isclose(float(str(read_json(b"1.7976931348623157e308"))), 1.7976931348623157e308)


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
def test_what_is_no_number_is_refused(word: bytes) -> None:
    assert "not JSON" in reason(b'{"a":' + word + b"}")


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_nesting_is_taken_to_its_limit_and_no_further(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    body = opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH
    assert answers(body)
    assert "nested deeper" in reason(opening + body + closing)


def test_brackets_in_strings_are_not_nesting() -> None:
    assert answers(json.dumps(["[{" * 100, "\\" * 7 + '"[' * 100]).encode())
    assert answers(b'["\\\\",' + b'"[",' * 100 + b'"]"]')


def test_a_name_stated_twice_is_refused_however_it_is_spelled() -> None:
    assert reason(b'{"data":1,"d\\u0061ta":2}') == "$..data: member appears twice"
    assert reason(b'[{"x":{"p":1,"q":2,"p":1}}]') == "$..p: member appears twice"
    assert answers(b'{"a":{"b":1},"b":2}')


@pytest.mark.parametrize("name", ["Jo Bloggs", "JoBloggs", "Z0001ZZ", "a" * 50, "é", "a\\n"])
def test_a_name_that_may_be_somebodys_is_not_repeated(name: str) -> None:
    body = f'{{"{name}":1,"{name}":2}}'.encode()
    assert reason(body) == "$: member appears twice"


@pytest.mark.parametrize(
    "body",
    [
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'{"\\ud83d":1}',
        b'["\\ud83d\\ud83d\\ude00"]',
        b'"\xed\xa0\x80"',
    ],
)
def test_half_a_surrogate_pair_is_refused(body: bytes) -> None:
    assert reason(body)
    assert read_json(b'"\\ud83d\\ude00 \\\\ud800"') == "\U0001f600 \\ud800"


MANY = 150_000


@every(
    "body",
    [
        b"[" * 33 + b'"' + b'\\"' * MANY,
        b"[" * 33 + b'"' + b"\\" * (2 * MANY + 1),
        b"[" * 33 + b'\\"' * MANY,
        b"[" * 33 + b'"a' * (MANY // 4),
        b"0." + b"1" * MANY,
        b"1" * MANY + b".5",
        b"1e" + b"9" * MANY,
        b"9" * MANY,
        b"[" + b"[]," * (MANY // 8) + b"[]]",
        b'["' + b"\\u0041" * MANY + b'"]',
        b"{" + b'"a":1,' * (MANY // 8) + b'"a":1}',
        b" " * MANY,
    ],
    ids=lambda body: f"{body[:6]!r}{body[33:37]!r}",
)
def test_a_body_made_to_be_slow_is_answered_soon(body: bytes) -> None:
    # 300 kB that a backtracking pattern would read a hundred thousand times over
    answers(body)


@pytest.mark.parametrize("body", [b"[]", b"1", b'"a"', b"null", b"true"])
def test_only_an_object_is_an_object(body: bytes) -> None:
    assert read_json(body) != {}
    with pytest.raises(MalformedEvent, match="must be a JSON object"):
        read_object(body)


def test_an_object_keeps_its_order() -> None:
    value: dict[str, Any] = read_object(b'{"b":1,"a":{"d":1,"c":2}}')
    assert list(value) == ["b", "a"]
    assert list(value["a"]) == ["d", "c"]
