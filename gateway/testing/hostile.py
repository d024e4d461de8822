"""Bytes made to break a parser, and texts made to break what is written around them."""

from typing import Final

_MANY: Final = 20_000

HOSTILE_BODIES: Final[dict[str, bytes]] = {
    "empty": b"",
    "nul": b"\x00" * 100,
    "not utf-8": b"\xff\xfe\xfd",
    "utf-16": "{}".encode("utf-16"),
    "lone surrogate": b'{"a":"\\ud800"}',
    "not a number": b'{"a":NaN}',
    "twice": b'{"a":1,"a":2}',
    "deep array": b"[" * 100_000,
    "deep object": b'{"a":' * 50_000,
    "many digits": b'{"a":' + b"9" * 5000 + b"}",
    "long text": b'"' + b"a" * 2_000_000 + b'"',
    "one quote": b'"',
    "quotes": b'"' * 10_001,
    "commas": b"," * 10_000,
    "line ends": b"\r\n" * 10_000,
    "entities": b'<!DOCTYPE r [<!ENTITY a "' + b"A" * _MANY + b'">]><r>' + b"&a;" * _MANY + b"</r>",
    "external entity": b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/hostname">]><r>&a;</r>',
    "deep elements": b"<a>" * 50_000 + b"</a>" * 50_000,
    "attributes": b"<a " + b" ".join(b'b%d="1"' % number for number in range(_MANY)) + b"/>",
    "include": b'<r xmlns:x="http://www.w3.org/2001/XInclude"><x:include href="file:///x"/></r>',
    "segments": b"MSH|^~\\&|" + b"|" * _MANY + b"\rPID" * 1000,
    "own separators": b"MSH|||||\rPID|||||",
}

# As one fact of an alert that is put into an agency's own form.
HOSTILE_TEXTS: Final[tuple[str, ...]] = (
    "=1+1", "+1", "-1", "@SUM(A1)", "|cmd", "\t=1", " =1", "\uff1d1", "'=1", '"=1',
    "</r>", "]]>", "<!DOCTYPE r>", "&x;", '"', "'", "\\", "a\nb", "a\rb", "a\u2028b",
    "|", "^", "~", "&", "\x0b", "\x1c\r", "\u202eabc", "\u0000", "{{x}}", "%s", "a,b;c", "é😀",
)  # fmt: skip
