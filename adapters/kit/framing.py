"""Cutting a file or a stream of bytes into whole messages, one in memory at a time.

Each function takes pieces of any size and yields messages in order. One that grows past
`MAX_MESSAGE_BYTES` is refused; what cannot be cut is yielded as it stands, for whoever reads it to
say what is wrong with it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NoReturn

from gateway.model.problem import MalformedEvent, Problem

MAX_MESSAGE_BYTES: Final = 1024 * 1024

_JSON_MARK: Final = re.compile(rb'["\\{}\[\]]')
_BLANK: Final = b" \t\r\n,"
_MARK: Final = b"\xef\xbb\xbf"  # spreadsheets put one before their first heading


def whole(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield everything as one message."""
    body = bytearray()
    for piece in pieces:
        body += piece
        _bounded(len(body))
    yield bytes(body)


def json_values(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the values of a JSON array, of lines of JSON, or of one document.

    Raises:
        MalformedEvent: one value is longer than `MAX_MESSAGE_BYTES`.
    """
    cutter = _JsonCutter()
    found = False
    for piece in pieces:
        for value in cutter.feed(piece):
            found = True
            yield value
    rest = cutter.rest()
    if rest or not (found or cutter.in_array):
        yield rest


class _JsonCutter:
    """Follows brackets outside strings; what stands inside them is for the reader to judge."""

    def __init__(self) -> None:
        self._held = bytearray()  # from where the value being read begins
        self._depth = 0
        self._quoted = False
        self._escaped = -1  # index of a character that a backslash takes its meaning from
        self._begun = False
        self.in_array = False  # an array at the top: its elements are the messages

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the values that end in this piece."""
        looked, begins = len(self._held), 0
        self._held += piece
        for match in _JSON_MARK.finditer(self._held, looked):
            if self._is_bracket(match.start(), match.group()):
                begins, ended = self._bracket(match.start(), match.group(), begins)
                if ended:
                    yield ended
        self._escaped -= begins
        del self._held[:begins]
        _bounded(len(self._held))

    def rest(self) -> bytes:
        """Return what is left over."""
        return bytes(self._held.strip(_BLANK))

    def _is_bracket(self, at: int, mark: bytes) -> bool:
        if at == self._escaped:
            return False
        if mark == b"\\":
            self._escaped = at + 1
        elif mark == b'"':
            self._quoted = not self._quoted
        else:
            return not self._quoted
        return False

    def _bracket(self, at: int, mark: bytes, begins: int) -> tuple[int, bytes]:
        """Return where the value now being read begins, and the one that ended here, if any."""
        if mark in b"[{":
            if mark == b"[" and not self._begun and not self._held[begins:at].strip(_BLANK):
                self.in_array, begins = True, at + 1
            else:
                self._depth += 1
            self._begun = True
            return begins, b""
        self._depth -= 1
        if self._depth > 0:
            return begins, b""
        if self._depth == 0:
            return at + 1, bytes(self._held[begins : at + 1].strip(_BLANK))
        self._depth = 0  # the end of the array; or a bracket too many, which the reader will see
        stray = b"" if mark == b"]" and self.in_array else bytes(self._held[begins : at + 1])
        between = bytes(self._held[begins:at].strip(_BLANK))
        return at + 1, stray.strip(_BLANK) or between


def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines without their ends; blank ones are passed over."""
    found = False
    for line in _rows(pieces, quotes=False):
        if line.strip():
            found = True
            yield line
    if not found:
        yield b""


def csv_rows(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each row of a CSV file under its heading: two records, so that a row reads by itself.

    Quoted line ends are part of their field (RFC 4180 section 2.6).
    """
    heading: bytes | None = None
    found = False
    for row in _rows(pieces, quotes=True):
        if not row.strip():
            continue
        if heading is None:
            heading = row.removeprefix(_MARK)
            continue
        found = True
        yield heading + b"\r\n" + row + b"\r\n"
    if not found:
        yield heading or b""


def _rows(pieces: Iterable[bytes], *, quotes: bool) -> Iterator[bytes]:
    """Yield records up to a line end outside quotes, CRLF, LF or CR."""
    held = bytearray()
    open_ = False
    looked = 0
    for piece in pieces:
        held += piece
        while (end := _line_end(held, looked)) >= 0:
            open_ ^= quotes and held.count(b'"', looked, end) % 2 == 1
            if open_:
                looked = end + 1
                continue
            yield bytes(held[:end])
            del held[: end + (2 if held[end : end + 2] == b"\r\n" else 1)]
            looked = 0
        open_ ^= quotes and held.count(b'"', looked) % 2 == 1
        # A CR at the very end may be half of CRLF: it is looked at again with the next piece.
        looked = len(held) - held.endswith(b"\r")
        _bounded(len(held))
    if held:
        yield bytes(held.rstrip(b"\r\n"))


def _line_end(held: bytearray, start: int) -> int:
    """Return where the next line end is, or -1; a CR that is the last byte is not yet one."""
    feed = held.find(b"\n", start)
    carriage = held.find(b"\r", start, feed if feed >= 0 else len(held) - 1)
    return carriage if carriage >= 0 else feed


def _bounded(length: int) -> None:
    if length > MAX_MESSAGE_BYTES:
        _too_long()


def _too_long() -> NoReturn:
    raise MalformedEvent(
        Problem(path="$", reason=f"a message longer than {MAX_MESSAGE_BYTES} bytes")
    )
