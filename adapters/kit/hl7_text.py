"""HL7 v2 messages in and out: strict, one message at a time, every written value escaped.

Read: the separators come from MSH-1 and MSH-2, segments end in CR, LF or CRLF, text is ASCII or
UTF-8, and a second header, a control character or an unknown version of the separators is refused
rather than repaired. A value is decoded when it is asked for, so that only what is read must be
sound. Source: HL7 v2.4 chapter 2 (2.6 delimiters, 2.10 escapes, table 0211 character sets).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final, NamedTuple, TypeAlias

from adapters.kit.dates import civil_time, parse_date, rfc3339
from adapters.kit.framing import MAX_MESSAGE_BYTES, lines
from adapters.kit.members import refuse

MAX_SEGMENTS: Final = 1000
NULL: Final = '""'  # stated to be empty, where no text states nothing (2.10.6)

HEADERS: Final = (b"MSH", b"FHS", b"BHS")
_WRAPPERS: Final = (b"FHS", b"BHS", b"FTS", b"BTS")
_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_ENDS: Final = re.compile(r"\r\n|\r|\n")
# Tab is left: agencies type it. Everything else below space is a frame, an end or a mistake.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_UTF_8: Final = frozenset({"", "UNICODE", "UNICODE UTF-8", "UTF-8", "UTF8"})
_TIME: Final = re.compile(
    r"(?P<date>[0-9]{8})(?P<clock>[0-9]{4}([0-9]{2})?)?(\.[0-9]{1,4})?(?P<zone>[+-][0-9]{4})?"
)
_MARKS: Final = "|^~\\&"
_ESCAPES: Final = {"|": "F", "^": "S", "&": "T", "~": "R", "\\": "E"}
# Outside ASCII, what some reader takes for the end of a line.
_UNSAFE: Final = re.compile("[|^&~\\\\\x00-\x1f\x7f-\x9f\u2028\u2029]")

# A field to write: nothing, one value, its components, or a list of repetitions of those.
Components: TypeAlias = tuple[str | None, ...]
Field: TypeAlias = str | None | Components | list[Components]


class Marks(NamedTuple):
    """The separators of a message, in the order in which its first bytes state them."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """One value of a field, in components counted from 1."""

    raw: str
    marks: Marks
    path: str

    @property
    def is_null(self) -> bool:
        """Whether it says that there is no value, rather than nothing."""
        return self.raw == NULL

    def exact(self, component: int = 1, subcomponent: int = 1) -> str:
        """Return a value, decoded; empty where nothing is stated.

        Raises:
            MalformedEvent: an escape sequence that is unknown or does not end.
        """
        parts = self.raw.split(self.marks.component)
        part = parts[component - 1] if component <= len(parts) else ""
        parts = part.split(self.marks.subcomponent)
        part = parts[subcomponent - 1] if subcomponent <= len(parts) else ""
        return "" if part == NULL else _decoded(part, self.marks, f"{self.path}.{component}")

    def text(self, component: int = 1, subcomponent: int = 1) -> str | None:
        """Return a value as text of one line without outer spaces; None where none is stated.

        Raises:
            MalformedEvent: as `exact`; or a control character came out of an escape.
        """
        value = self.exact(component, subcomponent)
        if _CONTROL.search(value):
            refuse("a control character in a text", f"{self.path}.{component}")
        return value.strip() or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One segment; fields count from 1, of MSH the field separator being the first."""

    name: str
    fields: tuple[str, ...]
    marks: Marks

    def repetitions(self, field: int) -> tuple[Repetition, ...]:
        """Return the values of a field, empty ones left out."""
        index = field - 2 if self.name == "MSH" else field - 1
        raw = self.fields[index] if 0 <= index < len(self.fields) else ""
        path = f"$.{self.name}-{field}"
        return tuple(
            Repetition(raw=one, marks=self.marks, path=path)
            for one in raw.split(self.marks.repetition)
            if one
        )

    def one(self, field: int) -> Repetition | None:
        """Return the only value of a field, or None.

        Raises:
            MalformedEvent: it is repeated.
        """
        found = self.repetitions(field)
        if len(found) > 1:
            refuse("repeated", f"$.{self.name}-{field}")
        return found[0] if found else None

    def text(self, field: int, component: int = 1) -> str | None:
        """Return a component of the only value of a field, or None."""
        found = self.one(field)
        return found.text(component) if found else None

    def needed(self, field: int, component: int = 1) -> str:
        """Return a component that must be there.

        Raises:
            MalformedEvent: nothing stated, or as `one`.
        """
        return self.text(field, component) or refuse("required", f"$.{self.name}-{field}")

    def time(self, field: int) -> tuple[str | None, bool]:
        """Return a time (RFC 3339), and whether London's was taken for want of a zone.

        Raises:
            MalformedEvent: no time, or only a date.
        """
        text = self.text(field)
        return read_time(text, f"$.{self.name}-{field}") if text else (None, False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, its header first."""

    segments: tuple[Segment, ...]

    def segment(self, name: str) -> Segment | None:
        """Return the only segment of a name, or None.

        Raises:
            MalformedEvent: it is repeated.
        """
        found = [one for one in self.segments if one.name == name]
        if len(found) > 1:
            refuse("segment repeated", f"$.{name}")
        return found[0] if found else None


def read_message(body: bytes) -> Message:
    """Return one message.

    Raises:
        MalformedEvent: anything the module does not read; never quotes the message.

    Pure.
    """
    if len(body) > MAX_MESSAGE_BYTES:
        refuse(f"longer than {MAX_MESSAGE_BYTES} bytes")
    marks = _marks(body)
    text = _text(body, marks)
    rows = [row for row in _ENDS.split(text) if row]
    if len(rows) > MAX_SEGMENTS:
        refuse(f"more than {MAX_SEGMENTS} segments")
    segments = tuple(_segment(row, marks) for row in rows)
    if any(one.name.encode() in HEADERS for one in segments[1:]):
        refuse("a second header: one message at a time")
    return Message(segments=segments)


def messages(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the messages of a file (see `adapters.kit.framing`): cut at MSH inside FHS or BHS.

    Bytes that begin with MSH are one message, whatever they hold: a second header in it is not a
    batch but an injection, and is left for the reader to refuse.
    """
    held: list[bytes] = []
    wrapped, length = False, 0
    for row in lines(pieces):
        name = row[:3]
        wrapped = wrapped or (not held and name in _WRAPPERS)
        if held and wrapped and name in (*_WRAPPERS, b"MSH"):
            yield b"\r".join(held) + b"\r"
            held, length = [], 0
        if wrapped and name in _WRAPPERS:
            continue
        held.append(row)
        length += len(row) + 1
        if length > MAX_MESSAGE_BYTES:
            refuse(f"a message longer than {MAX_MESSAGE_BYTES} bytes")
    if held:
        yield b"\r".join(held) + b"\r"
    elif not wrapped:
        yield b""


def read_time(text: str, path: str) -> tuple[str, bool]:
    """Return a time stamp (TS) as RFC 3339, and whether London's was taken for want of a zone.

    Raises:
        MalformedEvent: another form, no such time, or a date alone.

    Pure.
    """
    match = _TIME.fullmatch(text)
    if match is None or not match["clock"]:
        refuse("must be a time, YYYYMMDDHHMM[SS][+ZZZZ]", path)
    clock = f"{match['clock'][:2]}:{match['clock'][2:4]}:{match['clock'][4:] or '00'}"
    zone = match["zone"]
    try:
        if not zone:
            return rfc3339(civil_time(f"{match['date']}T{clock}", "YYYYMMDD")), True
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
        aware = timezone(-offset if zone[0] == "-" else offset)
        day = parse_date(match["date"], "YYYYMMDD")
        return rfc3339(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=aware)), False
    except ValueError:
        refuse("no such time, or one the clocks skip or repeat", path)


def read_day(text: str, path: str) -> str | None:
    """Return the day of a time stamp as ``YYYY-MM-DD``; None for a year or month alone.

    Raises:
        MalformedEvent: another form, or no such day.

    Pure.
    """
    if re.fullmatch(r"[0-9]{4}([0-9]{2})?", text, re.ASCII):
        return None
    if not _TIME.fullmatch(text):
        refuse("must be a date, YYYYMMDD, a time after it or none", path)
    try:
        return parse_date(text[:8], "YYYYMMDD")
    except ValueError:
        refuse("no such day in the calendar", path)


def write_message(segments: Iterable[tuple[str, Sequence[Field]]]) -> bytes:
    r"""Return a message in UTF-8, every value escaped: what is written reads back the same.

    Args:
        segments: Name and fields from the first on; of MSH from MSH-3 on. Separators, control
            characters and line ends in a value become escapes, ``\Xdd..\`` for those with no name.

    Pure.
    """
    rows = []
    for name, fields in segments:
        head = [name, _MARKS[1:]] if name == "MSH" else [name]
        rows.append("|".join([*head, *map(_field, fields)]).rstrip("|"))
    return "".join(f"{row}\r" for row in rows).encode()


def stamp(time: datetime) -> str:
    """Return an aware time as a time stamp with its zone. Pure."""
    return time.strftime("%Y%m%d%H%M%S%z")


def _field(field: Field) -> str:
    if isinstance(field, list):
        return "~".join(_field(one) for one in field)
    if field is None or isinstance(field, str):
        return escaped(field or "")
    return "^".join(escaped(one or "") for one in field).rstrip("^")


def escaped(value: str) -> str:
    """Return a value without separators, line ends or control characters. Pure."""
    value = value.encode("utf-8", "replace").decode()  # a lone surrogate has no UTF-8
    if value == NULL:
        return '\\X22\\"'  # two quotes by themselves would take the value away
    return _UNSAFE.sub(_escape, value)


def _escape(match: re.Match[str]) -> str:
    mark = match.group()
    return f"\\{_ESCAPES.get(mark) or 'X' + mark.encode().hex().upper()}\\"


def _marks(body: bytes) -> Marks:
    if body[:3] != b"MSH":
        refuse("must begin with MSH")
    head = body[3:9].decode("latin-1")
    marks = head[:5]
    if len(head) < 6 or head[5] != head[0] or len(set(marks)) != 5:
        refuse("must state five different separators", "$.MSH-2")
    if any(not one.isascii() or one.isalnum() or not "!" <= one <= "~" for one in marks):
        refuse("separators must be marks of ASCII", "$.MSH-2")
    return Marks(*marks)


def _text(body: bytes, marks: Marks) -> str:
    header = _ENDS.split(body[:4096].decode("latin-1"), maxsplit=1)[0].split(marks.field)
    stated = "".join(header[17:18]).strip()
    if stated != "ASCII" and stated not in _UTF_8:
        refuse("a character set other than ASCII and UTF-8", "$.MSH-18")
    try:
        text = body.decode("ascii" if stated == "ASCII" else "utf-8")
    except UnicodeDecodeError:
        refuse("bytes that are not of the character set stated")
    if _CONTROL.search(_ENDS.sub("", text)):
        refuse("a control character")
    return text


def _segment(row: str, marks: Marks) -> Segment:
    name, rest = row[:3], row[3:]
    if not _NAME.fullmatch(name) or (rest and rest[0] != marks.field):
        refuse("a segment without a name of three capitals")
    fields = rest[1:].split(marks.field) if rest else []
    return Segment(name=name, fields=tuple(fields), marks=marks)


def _decoded(raw: str, marks: Marks, path: str) -> str:
    if marks.escape not in raw:
        return raw
    pieces = raw.split(marks.escape)
    if len(pieces) % 2 == 0:
        refuse("an escape sequence that does not end", path)
    named = dict(zip("FSRET", marks, strict=True)) | {"H": "", "N": ""}  # no highlighting
    out: list[bytes] = []
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            out.append(piece.encode())
        elif piece in named:
            out.append(named[piece].encode())
        elif re.fullmatch(r"X([0-9A-Fa-f]{2}){1,64}", piece):
            out.append(bytes.fromhex(piece[1:]))
        else:
            refuse("an escape sequence that is not known", path)
    try:
        return b"".join(out).decode()
    except UnicodeDecodeError:
        refuse("an escape sequence that is not UTF-8", path)
