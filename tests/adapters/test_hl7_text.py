"""HL7 v2: what is read strictly, and what is written so that it reads back the same."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kit.hl7_text import (
    Message,
    escaped,
    messages,
    read_day,
    read_message,
    read_time,
    write_message,
)
from gateway.model.problem import MalformedEvent
from tests.third_party import vector_files, vectors

HEADER = "MSH|^~\\&|A|B|C|D|20260101120000||ADT^A01|1|P|2.4"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


def message(*rows: str, end: str = "\r") -> Message:
    return read_message(end.join((HEADER, *rows)).encode())


def value(field: str, component: int = 1) -> str:
    found = message(f"PID|{field}").segment("PID")
    assert found is not None
    repetition = found.one(1)
    assert repetition is not None
    return repetition.exact(component)


def refused(body: bytes) -> str:
    with pytest.raises(MalformedEvent) as error:
        read_message(body)
    assert error.value.problems
    return error.value.problems[0].reason


# Writing.


@given(
    values=st.lists(TEXTS, min_size=1, max_size=5), parts=st.lists(TEXTS, min_size=2, max_size=4)
)
def test_what_is_written_reads_back_the_same_in_as_many_segments(
    values: list[str], parts: list[str]
) -> None:
    body = write_message(
        [
            ("MSH", ["A", "B", "C", "D", "20260101120000+0000", None, ("ADT", "A03"), "1", "P"]),
            ("PID", list(values)),
            ("ZTG", [tuple(parts), [tuple(parts), tuple(parts)]]),
        ]
    )
    read = read_message(body)
    assert [one.name for one in read.segments] == ["MSH", "PID", "ZTG"]
    person, more = read.segments[1:]
    assert [person.repetitions(field)[0].exact() for field in range(1, len(values) + 1)] == values
    assert len(person.fields) == len(values)
    for repetition in (*more.repetitions(1), *more.repetitions(2)):
        assert [repetition.exact(index) for index in range(1, len(parts) + 1)] == parts
    assert len(more.repetitions(2)) == 2


def test_the_probed_values_stay_inside_their_field() -> None:
    probes = json.loads((vectors("own-probes") / "hl7-injection.json").read_text("utf-8"))
    for probe in probes["field_values_to_encode"]:
        written = escaped(probe)
        assert not set(written) & set("|^~&\r\n\x0b\x1c"), written
        assert value(written) == probe


def test_two_quotes_are_a_value_and_not_the_end_of_one() -> None:
    assert escaped('""') != '""'
    assert value(escaped('""')) == '""'


def test_a_lone_surrogate_is_written_as_something_utf_8_has() -> None:
    assert escaped("a\ud800b").encode() == b"a?b"


# Reading.


def test_the_separators_are_those_the_header_states() -> None:
    body = b"MSH$%*!@$A$B$C$D$20260101120000$$ADT%A01$1$P$2.4\rPID$$$1%%%NHS*2%%%NOMIS\rZZZ$a!S!b"
    read = read_message(body)
    person = read.segment("PID")
    assert person is not None
    assert [(one.text(1), one.text(4)) for one in person.repetitions(3)] == [
        ("1", "NHS"),
        ("2", "NOMIS"),
    ]
    last = read.segments[-1].one(1)
    assert last is not None
    assert last.text() == "a%b"
    assert read.segments[0].text(9, 2) == "A01"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_segment_ends_in_any_of_three_ways(end: str) -> None:
    read = message("EVN||20260101120000", "PID|1", end=end)
    assert [one.name for one in read.segments] == ["MSH", "EVN", "PID"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a\\F\\b", "a|b"),
        ("a\\S\\b", "a^b"),
        ("a\\T\\b", "a&b"),
        ("a\\R\\b", "a~b"),
        ("a\\E\\b", "a\\b"),
        ("\\X41\\", "A"),
        ("\\XE28099\\", "\u2019"),
        ("\\X0D\\", "\r"),
        ("\\H\\bold\\N\\", "bold"),
        ("\\E\\X0D\\E\\", "\\X0D\\"),
    ],
)
def test_an_escape_means_its_character(written: str, meant: str) -> None:
    assert value(written) == meant


@pytest.mark.parametrize(
    "written", ["\\", "a\\F", "\\Q\\", "\\X0\\", "\\XFF\\", "\\.br\\", "\\C2842\\"]
)
def test_an_escape_that_is_not_known_is_refused_where_it_is_read(written: str) -> None:
    found = message(f"PID|{written}|read").segment("PID")
    assert found is not None
    assert found.text(2) == "read"
    with pytest.raises(MalformedEvent):
        found.text(1)


def test_a_control_character_out_of_an_escape_is_no_text() -> None:
    found = message("PID|\\X0B\\").segment("PID")
    assert found is not None
    with pytest.raises(MalformedEvent, match="control character"):
        found.text(1)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "must begin with MSH"),
        ("msh|^~\\&|A", "must begin with MSH"),
        ("MSH", "five different"),
        ("MSH|^~\\&", "five different"),
        ("MSH|^^\\&|A", "five different"),
        ("MSH|^~\\&#|A", "five different"),
        ("MSHA^~\\&A", "marks of ASCII"),
        ("MSH |^~\\|", "five different"),
        (f"{HEADER}\rMSH|^~\\&|EVIL", "second header"),
        (f"{HEADER}\rBHS|^~\\&|EVIL", "second header"),
        (f"{HEADER}\rPID|a\x0bb", "control character"),
        (f"{HEADER}\rPID|a\x00b", "control character"),
        (f"\x0b{HEADER}", "must begin with MSH"),
        (f"{HEADER}\x1c\r", "control character"),
        (f"{HEADER}\rpid|1", "three capitals"),
        (f"{HEADER}\rPIDX|1", "three capitals"),
        (f"{HEADER}||||||8859/1", "character set"),
        (f"{HEADER}||||||UNICODE UTF-16", "character set"),
        (f"{HEADER}||||||ASCII~UNICODE", "character set"),
        (f"{HEADER}||||||ASCII\rPID|\u00e9", "not of the character set"),
        (HEADER + "\rPID" * 1001, "more than 1000 segments"),
    ],
)
def test_what_is_not_one_sound_message_is_refused(body: str, reason: str) -> None:
    assert reason in refused(body.encode())


@pytest.mark.parametrize("charset", ["", "ASCII", "UNICODE", "UNICODE UTF-8", "UTF-8"])
def test_ascii_and_utf_8_are_read(charset: str) -> None:
    text = "plain" if charset == "ASCII" else "O\u2019Brien"
    read = read_message(f"{HEADER}||||||{charset}\rPID|{text}".encode())
    assert read.segments[1].text(1) == text


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    assert "character set" in refused(HEADER.encode() + b"\rPID|\xe9")


def test_a_repetition_where_one_is_meant_is_refused() -> None:
    found = message("PID|a~b").segment("PID")
    assert found is not None
    with pytest.raises(MalformedEvent, match="repeated"):
        found.text(1)


def test_a_segment_where_one_is_meant_is_refused_twice_over() -> None:
    with pytest.raises(MalformedEvent, match="segment repeated"):
        message("PID|1", "PID|2").segment("PID")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("202602201115", ("2026-02-20T11:15:00Z", True)),
        ("20260720111530", ("2026-07-20T11:15:30+01:00", True)),
        ("20260220111530.1234+0000", ("2026-02-20T11:15:30Z", False)),
        ("202602201115-0530", ("2026-02-20T11:15:00-05:30", False)),
    ],
)
def test_a_time_is_read_with_its_zone_or_as_londons(written: str, meant: tuple[str, bool]) -> None:
    assert read_time(written, "$.EVN-2") == meant


@pytest.mark.parametrize(
    "written", ["2026", "20260220", "202602301115", "202603290130", "20260220111a", "202602202500"]
)
def test_no_time_is_guessed(written: str) -> None:
    with pytest.raises(MalformedEvent):
        read_time(written, "$.EVN-2")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("19800101", "1980-01-01"), ("198001010930", "1980-01-01"), ("1980", None), ("198001", None)],
)
def test_a_day_is_read_from_a_date_or_a_time(written: str, meant: str | None) -> None:
    assert read_day(written, "$.PID-7") == meant


@pytest.mark.parametrize("written", ["1980010", "19800101x", "1980010109", "19800231", "\u0661980"])
def test_no_day_is_guessed(written: str) -> None:
    with pytest.raises(MalformedEvent):
        read_day(written, "$.PID-7")


# Cutting a file.


def test_messages_are_cut_inside_a_wrapper_and_nowhere_else() -> None:
    one = HEADER.encode() + b"\rPID|1\r"
    assert list(messages([b"FHS|^~\\&\rBHS|^~\\&\r" + one + one + b"BTS|2\rFTS|1\r"])) == [one, one]
    (together,) = messages([one + one])
    assert "second header" in refused(together)


@pytest.mark.parametrize("path", vector_files("hl7v2", "*.hl7"), ids=lambda path: path.name)
def test_every_sample_is_read_or_refused_with_a_reason(path: Any) -> None:
    read, reasons = 0, []
    for body in messages([path.read_bytes()]):
        try:
            assert read_message(body).segments[0].name == "MSH"
            read += 1
        except MalformedEvent as error:
            reasons += [problem.reason for problem in error.problems]
    assert read or reasons
    assert all(reasons)
    if path.name.startswith("sample_bad"):
        assert reasons


def test_the_samples_are_there() -> None:
    assert len(list(vectors("hl7v2").glob("*.hl7"))) >= 20


def test_every_probe_is_refused_or_harmless() -> None:
    probes = json.loads((vectors("own-probes") / "hl7-injection.json").read_text("utf-8"))
    repeated, other_marks, lower_case, utf_16 = (one.encode() for one in probes["messages"])
    assert "must begin with MSH" in refused(lower_case)
    assert "character set" in refused(utf_16)
    assert len(read_message(other_marks).segments) == 1
    twice = read_message(repeated)
    with pytest.raises(MalformedEvent, match="segment repeated"):
        twice.segment("PID")
    for frame in probes["mllp_frames_b64"]:  # whoever unframes has done so before
        assert "must begin with MSH" in refused(base64.b64decode(frame))
