"""HL7 v2 acknowledgements: what a listener reads of a message, and the answer it owes. Pure.

Reads the MSH segment alone. Delimiters are those the message states; everything echoed is escaped
under them, so that no field of an answer can begin another.

Source: HL7 v2.5.1 chapter 2, sections 2.7 (escapes), 2.9 (acknowledgement), 2.15.1, 2.15.5, 2.15.8.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.feeds.contract import Answer

MAX_CONTROL_ID: Final = 199  # MSH-10 since v2.7; 20 before
MAX_ERRORS: Final = 10  # ERR segments in one answer

_PUNCTUATION: Final = frozenset(string.punctuation.encode())
_USUAL: Final = b"|^~\\&"
_VERSIONS: Final = frozenset({"2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7"})
_WITH_ERR_8: Final = frozenset({"2.5", "2.5.1", "2.6", "2.7"})  # older ERR has no place for text

# Segment -> the field that is made of delimiters, and those that have components.
_COMPONENTS: Final[Mapping[bytes, tuple[int | None, frozenset[int]]]] = {
    b"MSH": (1, frozenset({2, 3, 4, 5})),
    b"ERR": (None, frozenset({3})),
}

# The first reason of a refusal that says "not here", whatever the content.
_REJECTED: Final = frozenset({"not-allowed", "unsupported-content", "not-hl7"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What an answer needs of a message's MSH segment, as sent: still escaped."""

    delimiters: bytes = _USUAL  # field, component, repetition, escape, subcomponent
    sending: tuple[bytes, bytes] = (b"", b"")  # MSH-3, MSH-4
    receiving: tuple[bytes, bytes] = (b"", b"")  # MSH-5, MSH-6
    control_id: bytes = b""  # MSH-10
    processing_id: bytes = b"P"  # MSH-11
    version: str = "2.4"  # MSH-12
    accept: str = ""  # MSH-15: AL, NE, ER, SU or nothing
    application: str = ""  # MSH-16


class NotHl7(Exception):
    """Not an HL7 v2 message: no MSH segment, unusable delimiters, or no control id to answer to."""


def read_header(body: bytes) -> Header:
    """Return what an answer to a message needs.

    Raises:
        NotHl7.
    """
    delimiters = _delimiters(body)
    line = body.split(b"\r", 1)[0]
    fields = [b"", *line.split(delimiters[:1])]  # fields[n] is MSH-n from 2 on
    fields += [b""] * (20 - len(fields))
    control_id = fields[10]
    if not control_id or len(control_id) > MAX_CONTROL_ID:
        raise NotHl7
    version = fields[12].split(delimiters[1:2])[0].decode("ascii", "replace")
    return Header(
        delimiters=delimiters,
        sending=(fields[3], fields[4]),
        receiving=(fields[5], fields[6]),
        control_id=control_id,
        processing_id=fields[11][:1] if fields[11][:1] in (b"P", b"T", b"D") else b"P",
        version=version if version in _VERSIONS else "2.4",
        accept=_condition(fields[15]),
        application=_condition(fields[16]),
    )


def acknowledgement(header: Header, answer: Answer, *, own_id: str, now: datetime) -> bytes | None:
    """Return the answer to a message that was accepted or refused, or None if it asks for none.

    Original mode (neither MSH-15 nor MSH-16): AA, AE or AR. Enhanced mode: CA, CE or CR, for what
    is told here is that the message is in safe storage, where MSH-15 asks for it; else AA, AE or
    AR where MSH-16 does; never both.

    MSA-3 is a code and ERR-8 a path with what is wrong there; neither holds a value.
    """
    level = _level(header, accepted=answer.verdict == "accepted")
    if level is None:
        return None
    outcome = "A" if answer.verdict == "accepted" else "E"
    if outcome == "E" and answer.reasons[:1] and answer.reasons[0] in _REJECTED:
        outcome = "R"
    code = answer.reasons[0] if answer.reasons and outcome != "A" else ""
    segments = [
        _msh(header, own_id, now),
        [b"MSA", f"{level}{outcome}".encode(), header.control_id, code.encode()],
    ]
    if outcome != "A" and header.version in _WITH_ERR_8:
        segments += [_err(reason, header) for reason in answer.reasons[:MAX_ERRORS]]
    field = header.delimiters[:1]
    return b"".join(_line(segment, header, field) for segment in segments)


def _delimiters(body: bytes) -> bytes:
    if not body.startswith(b"MSH") or len(body) < 9:
        raise NotHl7
    field = body[3:4]
    encoding = body[4:].split(field, 1)[0][:6]
    # A fifth one, the truncation character, came with v2.7.
    given = field + encoding
    if len(encoding) not in (4, 5) or len(set(given)) != len(given) or set(given) - _PUNCTUATION:
        raise NotHl7
    return given[:5]


def _condition(field: bytes) -> str:
    text = field[:2].decode("ascii", "replace").upper()
    return text if text in {"AL", "NE", "ER", "SU"} else ""


def _level(header: Header, *, accepted: bool) -> str | None:
    """Return C for an accept acknowledgement, A for an application one, None for none."""
    if not header.accept and not header.application:
        return "A"
    wanted = {"AL", "SU" if accepted else "ER"}
    if header.accept in wanted:
        return "C"
    return "A" if header.application in wanted else None


def _msh(header: Header, own_id: str, now: datetime) -> list[bytes]:
    encoding = header.delimiters[1:]
    message_type = b"ACK"
    at = now.strftime("%Y%m%d%H%M%S+0000").encode()
    ours, theirs = header.receiving, header.sending
    return [
        b"MSH", encoding, *ours, *theirs, at, b"", message_type, own_id.encode(),
        header.processing_id, header.version.encode(),
    ]  # fmt: skip


def _err(reason: str, header: Header) -> list[bytes]:
    """Return an ERR segment: 207 is the table's one code for what it has no other for."""
    component = header.delimiters[1:2]
    coded = component.join([b"207", b"Application internal error", b"HL70357"])
    return [b"ERR", b"", b"", coded, b"E", b"", b"", b"", reason.encode()]


def _line(segment: list[bytes], header: Header, field: bytes) -> bytes:
    """Join a segment's fields, each escaped; those with components, component by component."""
    component = header.delimiters[1:2]
    whole, parted = _COMPONENTS.get(segment[0], (None, frozenset[int]()))
    fields = [
        one
        if at == whole
        else component.join(escaped(part, header.delimiters) for part in one.split(component))
        if at in parted
        else escaped(one, header.delimiters)
        for at, one in enumerate(segment)
    ]
    return field.join(fields) + b"\r"


def escaped(text: bytes, delimiters: bytes) -> bytes:
    """Return a field's text with delimiters and all but printable ASCII escaped.

    An escape sequence the sender wrote is kept as it is: it means the same in the answer.
    """
    field, component, repetition, escape, subcomponent = (bytes([one]) for one in delimiters)
    named = {field: b"F", component: b"S", repetition: b"R", escape: b"E", subcomponent: b"T"}
    out = bytearray()
    at = 0
    while at < len(text):
        one = text[at : at + 1]
        sequence = _sequence(text, at, escape)
        if sequence:
            out += sequence
        elif one in named:
            out += escape + named[one] + escape
        elif 0x20 <= one[0] < 0x7F:
            out += one
        else:
            out += escape + b"X%02X" % one[0] + escape
        at += len(sequence) or 1
    return bytes(out)


def _sequence(text: bytes, at: int, escape: bytes) -> bytes:
    """Return the delimiter escape that begins at a place in a text, if one does."""
    found = text[at : at + 3]
    whole = len(found) == 3 and found[:1] == escape == found[2:]
    return found if whole and found[1:2] in (b"F", b"S", b"T", b"R", b"E") else b""
