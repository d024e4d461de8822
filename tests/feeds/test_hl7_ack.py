"""Acknowledgements: right codes in both modes, and nothing echoed that could mean something."""

import datetime as dt
import string

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.feeds.contract import Answer
from gateway.feeds.hl7_ack import NotHl7, acknowledgement, escaped, read_header
from tests.feeds.ward import adt

NOW = dt.datetime(2026, 3, 2, 9, 30, tzinfo=dt.UTC)
ACCEPTED = Answer(verdict="accepted")
REFUSED = Answer(verdict="refused", reasons=("malformed-event", "$.PID: required"))
REJECTED = Answer(verdict="refused", reasons=("not-allowed", "source is not this agency's URN"))


def ack(body: bytes, answer: Answer = ACCEPTED) -> bytes | None:
    return acknowledgement(read_header(body), answer, own_id="ack-1", now=NOW)


def test_an_answer_goes_back_the_way_the_message_came() -> None:
    assert ack(adt()) == (
        b"MSH|^~\\&|THROUGHGATE|GW|WARD|EXI^Z99901|20260302093000+0000||ACK|ack-1|P|2.4\r"
        b"MSA|AA|evt-1|\r"
    )


@pytest.mark.parametrize(
    ("conditions", "accepted", "refused", "rejected"),
    [
        ("", "AA", "AE", "AR"),
        ("|", "AA", "AE", "AR"),
        ("AL|NE", "CA", "CE", "CR"),
        ("AL|AL", "CA", "CE", "CR"),
        ("NE|AL", "AA", "AE", "AR"),
        ("|AL", "AA", "AE", "AR"),
        ("NE|NE", None, None, None),
        ("ER|NE", None, "CE", "CR"),
        ("SU|NE", "CA", None, None),
        ("ER|SU", "AA", "CE", "CR"),
        ("NE|ER", None, "AE", "AR"),
        ("x|y", "AA", "AE", "AR"),
    ],
)
def test_each_mode_has_its_codes(
    conditions: str, accepted: str | None, refused: str | None, rejected: str | None
) -> None:
    body = adt(conditions=conditions)
    for answer, code in ((ACCEPTED, accepted), (REFUSED, refused), (REJECTED, rejected)):
        given = ack(body, answer)
        if code is None:
            assert given is None
        else:
            assert given is not None
            message = hl7.parse(given.decode())
            assert str(message.segment("MSA")[1]) == code
            assert str(message.segment("MSA")[2]) == "evt-1"
            reason = "" if answer is ACCEPTED else answer.reasons[0]
            assert str(message.segment("MSA")[3]) == reason


def test_since_2_5_the_reasons_are_said_too() -> None:
    given = ack(adt(version="2.5.1"), REFUSED)
    assert given is not None
    message = hl7.parse(given.decode())
    assert [str(one[8]) for one in message.segments("ERR")] == list(REFUSED.reasons)
    assert str(message.segments("ERR")[0][3]) == "207^Application internal error^HL70357"
    assert b"ERR" not in (ack(adt(version="2.4"), REFUSED) or b"")


def test_the_delimiters_are_the_messages_own() -> None:
    given = ack(adt(delimiters="#!*?$"), REJECTED)
    assert given is not None
    assert given.startswith(b"MSH#!*?$#THROUGHGATE#GW#WARD#EXI!Z99901#")
    assert b"MSA#AR#evt-1#not-allowed\r" in given


@pytest.mark.parametrize(
    "body",
    [
        b"", b"MSH", b"MSH|", b"MSH|^~\\&|A", b"msh|^~\\&|A|B|C|D|E||ADT^A01|1|P|2.4",
        b"MSH|^^\\&|A|B|C|D|E||ADT^A01|1|P|2.4", b"MSH|^~|A|B|C|D|E||ADT^A01|1|P|2.4",
        b"MSHA^~\\&A", b"MSH\r^~\\&\rA\rB", b"MSH|\x1c~\\&|A|B|C|D|E||ADT^A01|1|P|2.4",
        b"MSH|^~\\&|A|B|C|D|E||ADT^A01||P|2.4", b"PID|1\rMSH|^~\\&|A|B|C|D|E||ADT^A01|1|P|2.4",
        b"MSH|^~\\&|A|B|C|D|E||ADT^A01|" + b"1" * 200 + b"|P|2.4", b'{"specversion": "1.0"}',
    ],
)  # fmt: skip
def test_what_is_not_hl7_has_no_header(body: bytes) -> None:
    with pytest.raises(NotHl7):
        read_header(body)


@pytest.mark.parametrize(
    ("sent", "back"),
    [
        ("A^B", rb"A\S\B"),
        ("A\\E\\B", rb"A\E\B"),
        ("A\\B", rb"A\E\B"),
        ("\\X0D\\MSA", rb"\E\X0D\E\MSA"),
        ("a\nb", rb"a\X0A\b"),
        ("\x0b", rb"\X0B\ "[:-1]),
        ("é", rb"\XC3\\XA9\ "[:-1]),
    ],
)
def test_a_control_id_comes_back_without_its_teeth(sent: str, back: bytes) -> None:
    given = ack(adt(sent))
    assert given is not None
    assert b"MSA|AA|" + back + b"|\r" in given


@given(st.binary(max_size=60), st.permutations(sorted(string.punctuation)))
def test_no_text_can_end_its_field(text: bytes, punctuation: list[str]) -> None:
    delimiters = "".join(punctuation[:5]).encode()
    out = escaped(text, delimiters)
    assert all(0x20 <= one < 0x7F for one in out)
    # The escape character stays, in pairs, around what it names; no other delimiter does.
    assert not set(out) & (set(delimiters) - {delimiters[3]})
    assert out.count(delimiters[3:4]) % 2 == 0


@given(st.binary(max_size=200))
def test_any_bytes_have_a_header_or_are_not_hl7(junk: bytes) -> None:
    for body in (junk, b"MSH|^~\\&|" + junk, b"MSH|^~\\&|A|B|C|D|E||" + junk + b"|1|P|2.5||||AL"):
        try:
            header = read_header(body)
        except NotHl7:
            continue
        given = acknowledgement(header, REFUSED, own_id="ack-1", now=NOW)
        assert given is None or given.count(b"\r") == given.count(b"\rERR") + 2
        assert given is None or not {b"\x0b"[0], b"\x1c"[0]} & set(given)
