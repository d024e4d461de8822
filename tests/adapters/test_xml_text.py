"""XML: nothing hostile gets in, nothing is lost in silence, what is written reads back."""

import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kit.framing import MAX_MESSAGE_BYTES
from adapters.kit.xml_text import MAX_ATTRIBUTES, MAX_DEPTH, read_xml, write_xml, xml_records
from gateway.model.problem import MalformedEvent
from tests.adapters.probes import xml_probes
from tests.third_party import vectors

PROBES = dict(xml_probes())
MIB = 1024 * 1024

# Network and disk are what a hostile document asks for; the interpreter reports both.
_OPENS = ("open", "socket.")


def split(body: bytes, record: str = "r", size: int | None = None) -> list[bytes]:
    cut = [body[at : at + size] for at in range(0, len(body), size)] if size else [body]
    return list(xml_records(record)(cut))


READERS: dict[str, Callable[[bytes], object]] = {
    "whole": read_xml,
    "records r": lambda body: split(body, "r"),
    "records a": lambda body: split(body, "a"),
    "small pieces": lambda body: split(body, "r", 1000),
}


@pytest.fixture(autouse=True, scope="module")
def _probes_are_there() -> None:
    vectors("own-probes/xml-hostile.json")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("probe", sorted(PROBES))
def test_a_hostile_document_is_refused_soon_and_in_little_memory(probe: str, reader: str) -> None:
    began = time.perf_counter()
    with pytest.raises(MalformedEvent) as caught:
        READERS[reader](PROBES[probe])
    assert time.perf_counter() - began < 1
    assert all(problem.reason.isprintable() for problem in caught.value.problems)
    tracemalloc.start()
    with pytest.raises(MalformedEvent):
        READERS[reader](PROBES[probe])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * MIB


@pytest.mark.parametrize("reader", READERS)
def test_a_hostile_document_opens_nothing(reader: str) -> None:
    opened: list[str] = []
    watching = True

    def watch(event: str, arguments: Any) -> None:
        if watching and event.startswith(_OPENS):
            opened.append(event)

    sys.addaudithook(watch)
    Path(__file__).read_bytes()
    assert opened, "the watch sees what is opened"
    opened.clear()
    for body in PROBES.values():
        with pytest.raises(MalformedEvent):
            READERS[reader](body)
    watching = False
    assert opened == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not well-formed"),
        (b"<r>", "not well-formed"),
        (b"<r/><r/>", "not well-formed"),
        (b"<r>\xff</r>", "not well-formed"),
        (b"<r>&nbsp;</r>", "not well-formed"),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?><r/>', "another encoding"),
        (b'<?xml version="1.0" encoding="UTF-16"?><r/>', "another encoding"),
        (b"\xfe\xff\x00<", "not well-formed"),
        (b"<!DOCTYPE r><r/>", "DOCTYPE"),
        (b"<r><?php x?></r>", "processing instructions"),
        (b"<r" + b"".join(b' a%d=""' % n for n in range(MAX_ATTRIBUTES + 1)) + b"/>", "attributes"),
        (
            b"<r" + b"".join(b' xmlns:a%d="u"' % n for n in range(MAX_ATTRIBUTES + 1)) + b"/>",
            "namespaces",
        ),
        (b"<r>" + b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH + b"</r>", "nested deeper"),
        (b'<r xmlns:p="u" a="1" p:a="2"/>', "two attributes of one name"),
        ("<r><é/></r>".encode(), "plain letters"),
        ('<r é="1"/>'.encode(), "plain letters"),
        (b"<r>" + b"A" * MAX_MESSAGE_BYTES + b"</r>", "longer than"),
    ],
)
def test_what_is_forbidden_is_refused_and_the_reason_said(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedEvent) as caught:
        read_xml(body)
    assert reason in caught.value.problems[0].reason


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<r/>", ("r", {"#text": ""})),
        (b"<r> a </r>", ("r", {"#text": "a"})),
        (b"\xef\xbb\xbf<r>a</r>", ("r", {"#text": "a"})),
        (b'<?xml version="1.0" encoding="utf-8"?><r>a</r>', ("r", {"#text": "a"})),
        (b'<r a="1">t</r>', ("r", {"@a": "1", "#text": "t"})),
        (b"<r><a>1</a></r>", ("r", {"a": "1"})),
        (b"<r><a>1</a><a>2</a><a/></r>", ("r", {"a": ["1", "2", ""]})),
        (b'<r><a b="1"/></r>', ("r", {"a": {"@b": "1"}})),
        (b"<r><!-- no --><a>1<!-- no -->2</a></r>", ("r", {"a": "12"})),
        (b"<r><a><![CDATA[<&>]]></a></r>", ("r", {"a": "<&>"})),
        (b'<p:r xmlns:p="u"><p:a p:b="1"/></p:r>', ("r", {"a": {"@b": "1"}})),
        (b'<r xmlns="u"><a>&#65;&lt;</a></r>', ("r", {"a": "A<"})),
    ],
)
def test_elements_become_plain_objects(body: bytes, expected: object) -> None:
    assert read_xml(body) == expected


def test_a_document_as_deep_and_as_wide_as_allowed_is_read() -> None:
    deep = b"<r>" + b"<a>" * (MAX_DEPTH - 1) + b"</a>" * (MAX_DEPTH - 1) + b"</r>"
    assert read_xml(deep)[0] == "r"
    wide = b"<r" + b"".join(b' a%d="1"' % n for n in range(MAX_ATTRIBUTES)) + b"/>"
    assert len(read_xml(wide)[1]) == MAX_ATTRIBUTES


def test_records_are_cut_out_one_by_one_with_their_namespaces_dropped() -> None:
    body = b'<p:all xmlns:p="u">\n <p:r n="1"/>\n <in><p:r><a>2</a></p:r></in>\n</p:all>'
    assert [read_xml(one) for one in split(body)] == [
        ("r", {"@n": "1"}),
        ("r", {"a": "2"}),
    ]


def test_a_record_within_a_record_is_part_of_it() -> None:
    assert [read_xml(one) for one in split(b"<all><r><r>1</r></r></all>")] == [("r", {"r": "1"})]


def test_a_document_that_is_one_record_is_one_message() -> None:
    assert [read_xml(one) for one in split(b'<r n="1">t</r>')] == [("r", {"@n": "1", "#text": "t"})]


@pytest.mark.parametrize("size", [1, 7, 100, None])
def test_pieces_of_any_size_give_the_same_records(size: int | None) -> None:
    body = b"<all>" + b"".join(b"<r><n>%d \xc3\xa9</n></r>" % n for n in range(40)) + b"</all>"
    records = split(body, size=size)
    assert [read_xml(one)[1]["n"] for one in records] == [f"{n} é" for n in range(40)]


@pytest.mark.parametrize(
    "body",
    [
        b'<all marking="SECRET"><r/></all>',
        b"<all><marking>SECRET</marking><r/></all>",
        b"<all>SECRET<r/></all>",
        b"<all><r/></all>".replace(b"</all>", b"<x y='1'/></all>"),
    ],
)
def test_what_stands_around_the_records_is_never_lost_in_silence(body: bytes) -> None:
    with pytest.raises(MalformedEvent, match="what stands around r is not read"):
        split(body)


def test_where_a_schema_is_found_may_stand_around_the_records() -> None:
    schema = b'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:schemaLocation="a b"'
    assert len(split(b"<all " + schema + b"><r/></all>")) == 1


def test_a_document_without_a_record_is_refused() -> None:
    with pytest.raises(MalformedEvent, match="has no element r"):
        split(b"<all/>")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<all><r>" + b"A" * (3 * MIB) + b"</r></all>", "an element longer"),
        (b'<all><r a="' + b"A" * (3 * MIB) + b'"/></all>', "a token longer"),
        (b"<all><!--" + b"A" * (3 * MIB) + b"--></all>", "a token longer"),
        (b"<all><r>" + b"<a/>" * MIB + b"</r></all>", "an element longer"),
    ],
)
def test_a_record_without_end_is_refused_before_it_is_held(body: bytes, reason: str) -> None:
    began = time.perf_counter()
    with pytest.raises(MalformedEvent, match=reason):
        split(body, size=5000)
    assert time.perf_counter() - began < 5


def test_a_large_file_streams_in_flat_memory() -> None:
    record = b"<r><name>Example</name><n>" + b"1" * 2000 + b"</n></r>"

    def file(records: int) -> Iterator[bytes]:
        yield b"<all>"
        for _ in range(records):
            yield record
        yield b"</all>"

    def peak(records: int) -> int:
        tracemalloc.start()
        found = sum(1 for _ in xml_records("r")(file(records)))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found == records
        return used

    small = peak(500)
    assert peak(5000) < small + 512 * 1024
    assert small < 4 * MIB


def test_a_large_file_in_one_piece_holds_one_record_at_a_time() -> None:
    body = b"<all>" + (b"<r><n>" + b"1" * 2000 + b"</n></r>") * 5000 + b"</all>"
    tracemalloc.start()
    assert sum(1 for _ in xml_records("r")((body,))) == 5000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * MIB


# Text as XML can carry it, without the outer space that reading takes away.
TEXT = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
    .map(str.strip)
    .filter(bool)
)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.\-]{0,8}", fullmatch=True)
OBJECTS: st.SearchStrategy[Any] = st.recursive(
    st.dictionaries(NAMES | NAMES.map(lambda name: f"@{name}"), TEXT, min_size=1, max_size=4),
    lambda inner: st.dictionaries(
        NAMES, inner | TEXT | st.lists(inner | TEXT, min_size=2, max_size=3), min_size=1, max_size=3
    ),
    max_leaves=8,
)


@given(name=NAMES, value=OBJECTS)
def test_what_is_written_is_read_back(name: str, value: Any) -> None:
    attributes = {key for key in value if key.startswith("@")}
    assert len({key.lower() for key in attributes}) <= MAX_ATTRIBUTES
    assert read_xml(write_xml(name, value)) == (name, value)


@given(text=st.text())
def test_any_text_is_carried_or_marked_as_not_to_be_carried(text: str) -> None:
    document = write_xml("r", {"a": text, "@b": text})
    value = read_xml(document)[1]
    if all(ord(one) >= 32 and not 0xD800 <= ord(one) <= 0xDFFF for one in text):
        expected = text.replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")
        assert value["@b"] == expected
        assert value["a"] == expected.strip()


@pytest.mark.parametrize("text", ["a\rb", "a\r\nb", "a\tb", "]]>", "<", '"', "'", "&amp;"])
def test_telling_characters_are_escaped(text: str) -> None:
    assert read_xml(write_xml("r", {"@b": text, "a": text}))[1] == {"@b": text, "a": text}


def test_what_states_nothing_is_not_written() -> None:
    document = write_xml("r", {"a": None, "b": [], "c": True, "d": False, "e": 3, "f": [None, "x"]})
    assert read_xml(document) == ("r", {"c": "true", "d": "false", "e": "3", "f": "x"})


def test_a_name_that_is_none_is_never_written() -> None:
    with pytest.raises(ValueError, match="not a name"):
        write_xml("r><x", {})
    with pytest.raises(ValueError, match="not a name"):
        write_xml("r", {'@a="1" b': "2"})
