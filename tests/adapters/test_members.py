"""Reading member by member: what is asked for is checked, the rest reported, no value repeated."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import UnsupportedEvent
from adapters.kit.members import NAIVE, Members, refuse
from gateway.model.groups import parse_time
from gateway.model.problem import MalformedEvent, Problem

SECRET = "Secret-Z0001ZZ"
NAMES = st.sampled_from(["a", "b", "c d", "e.f", "@id", "x" * 90, "a\nb", "né", SECRET + "!", ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=6)
READERS: dict[str, Callable[[Members, str], Any]] = {
    "text": lambda members, name: members.text(name),
    "needed": lambda members, name: members.needed(name),
    "flag": lambda members, name: members.flag(name),
    "number": lambda members, name: members.number(name),
    "date": lambda members, name: members.date(name),
    "british date": lambda members, name: members.date(name, "DD/MM/YYYY"),
    "time": lambda members, name: members.time(name),
    "code": lambda members, name: members.code(name, {"A": 1}, event_type="x"),
    "object": lambda members, name: members.object(name),
    "objects": lambda members, name: members.objects(name),
    "texts": lambda members, name: members.texts(name),
}


def problem(read: Callable[[], object]) -> Problem:
    with pytest.raises(MalformedEvent) as caught:
        read()
    (one,) = caught.value.problems
    return one


@pytest.mark.parametrize("reader", READERS)
@given(value=OBJECTS, name=NAMES)
def test_whatever_is_there_is_read_or_refused_without_being_repeated(
    reader: str, value: dict[str, Any], name: str
) -> None:
    members = Members(value)
    try:
        READERS[reader](members, name)
    except MalformedEvent as error:
        for one in error.problems:
            assert one.path.startswith("$")
            assert one.path.isprintable()
            assert one.reason.isprintable()
            found = value.get(name)
            if isinstance(found, str) and len(found) > 3:
                assert found not in one.reason
    assert name not in {path.removeprefix("$.") for path in members.unread()}
    assert all(path.startswith("$") and path.isprintable() for path in members.unread())


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("value", [{}, {"a": None}, {"a": ""}])
def test_nothing_states_nothing(reader: str, value: dict[str, Any]) -> None:
    if reader == "needed":
        assert problem(lambda: Members(value).needed("a")) == Problem(path="$.a", reason="required")
    else:
        assert not READERS[reader](Members(value), "a")
    assert "a" not in Members(value)


@given(value=OBJECTS)
def test_every_member_is_read_ignored_or_reported(value: dict[str, Any]) -> None:
    members = Members(value)
    assert len(members.unread()) == len(value) == len(members.names)
    for name in list(value)[::2]:
        members.raw(name)
    assert len(members.unread()) == len(value) // 2
    members.ignore(*value)
    assert members.unread() == ()


def test_what_is_unread_further_in_is_reported_by_its_path() -> None:
    value = {"one": {"a": 1, "b": 2}, "many": [{"c": 3}, {"d": {"e": 4}}], SECRET + "?": 5}
    members = Members(value)
    one = members.object("one")
    assert one is not None
    assert one.number("a") == 1
    _, second = members.objects("many")
    assert second.object("d") is not None
    assert set(members.unread()) == {"$.*", "$.one.b", "$.many[0].c", "$.many[1].d.e"}


def test_notes_are_kept_from_further_in_too() -> None:
    members = Members({"at": "2026-02-02 09:30:00", "in": {"at": "2026-07-02T09:30"}})
    inner = members.object("in")
    assert inner is not None
    assert members.time("at") == "2026-02-02T09:30:00Z"
    assert inner.time("at") == "2026-07-02T09:30:00+01:00"
    assert [str(one) for one in members.notes()] == [f"$.at: {NAIVE}", f"$.in.at: {NAIVE}"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, True) for word in ("true", "TRUE", "yes", "Y", "1", " y ")),
        *((word, False) for word in ("false", "No", "n", "0")),
    ],
)
def test_the_words_agencies_write_are_truths(text: str, value: bool) -> None:
    assert Members({"a": text}).flag("a") is value


@pytest.mark.parametrize("value", ["maybe", "2", "t", 1, 0, [], {}])
def test_no_other_value_is_a_truth(value: object) -> None:
    members = Members({"a": value})  # type: ignore[dict-item]
    assert problem(lambda: members.flag("a")).path == "$.a"


@given(number=st.integers(-(10**14), 10**14))
def test_whole_numbers_are_read_from_json_and_from_digits(number: int) -> None:
    assert Members({"a": number}).number("a") == number
    assert Members({"a": str(number)}).number("a") == number


@pytest.mark.parametrize("value", [True, 1.5, "1.0", "1e3", "٣", "1_000", "0x1", "9" * 16, "+1"])
def test_nothing_else_is_a_whole_number(value: object) -> None:
    members = Members({"a": value})  # type: ignore[dict-item]
    assert problem(lambda: members.number("a")).path == "$.a"


@given(time=st.datetimes(timezones=st.timezones()))
def test_a_time_with_its_zone_stands_as_it_was_written(time: Any) -> None:
    text = time.replace(microsecond=0).isoformat()
    try:
        parse_time(text)
    except ValueError:  # offsets of seconds, and years before 1000
        return
    members = Members({"a": text})
    assert members.time("a") == text
    assert members.notes() == ()


def test_a_code_without_a_meaning_waits_for_a_human() -> None:
    members = Members({"a": SECRET}, "$.part")
    with pytest.raises(UnsupportedEvent) as caught:
        members.code("a", {"A": 1}, event_type="x.y")
    assert caught.value.needs_human
    assert caught.value.event_type == "x.y"
    assert str(caught.value) == "$.part.a: needs a human: not a code with a known meaning"
    assert Members({"a": "A"}).code("a", {"A": 1}, event_type="x") == 1


def test_of_no_concern_is_another_thing_than_unclear() -> None:
    members = Members({})
    assert not members.unsupported("a", "not ours", event_type="x").needs_human
    assert members.unclear("a", "contradicts itself", event_type="x").needs_human


def test_one_of_a_list_is_a_list_of_one() -> None:
    members = Members({"a": {"x": 1}, "b": "text", "c": [" one ", "", "two"], "d": []})
    assert len(members.objects("a")) == 1
    assert members.texts("b") == ("text",)
    assert members.texts("c") == ("one", "two")
    assert members.texts("d") == members.objects("d") == ()
    assert members.unread() == ("$.a.x",)


@pytest.mark.parametrize(
    ("value", "path"), [([{}, 1], "$.a[1]"), (1, "$.a"), ([[]], "$.a[0]"), ("x", "$.a")]
)
def test_what_is_no_object_is_refused_where_it_stands(value: object, path: str) -> None:
    members = Members({"a": value})  # type: ignore[dict-item]
    assert problem(lambda: members.objects("a")).path == path


def test_a_text_past_its_bound_is_refused() -> None:
    members = Members({"a": "x" * 4001})
    assert problem(lambda: members.text("a")).reason == "longer than 4000 characters"
    assert members.text("a", at_most=5000) is not None


def test_refuse_says_where_and_nothing_else() -> None:
    assert problem(lambda: refuse("not ours", "$.x")) == Problem(path="$.x", reason="not ours")
    assert json.dumps(str(problem(lambda: refuse("not ours")))) == '"$: not ours"'
