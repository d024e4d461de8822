"""Header fields inside the seal: the true subject, signed and encrypted with the content.

The outside of a mail then needs to say nothing. Each field that stands outside is repeated
inside as ``HP-Outer``, so that a reader knows what was added, removed or changed on the way.
Source: RFC 9788 sections 2.1, 2.2 and 5.2 (``hp="cipher"``); RFC 2047, RFC 5322 section 2.2.
"""

import re
from collections.abc import Iterator, Mapping
from email import policy
from email.errors import HeaderParseError
from email.header import Header, decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Final

from keys.problem import CannotOpen, CannotSeal

PROTECTED: Final = 'hp="cipher"'
PROTECTABLE: Final = frozenset(
    {"Subject", "From", "To", "Cc", "Date", "Message-ID", "Reply-To", "In-Reply-To", "References"}
)
MAX_VALUE: Final = 900  # characters; a line may hold 998 octets

_NAMES: Final = {name.lower(): name for name in PROTECTABLE}
_OUTER: Final = "HP-Outer"
_PLAIN: Final = re.compile(r"[ -~]*")
_PARSER: Final = BytesHeaderParser(policy=policy.compat32)


def fields(headers: Mapping[str, str], outer: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the fields to write inside: the protected ones, then what stands outside.

    Args:
        headers: By name, of `PROTECTABLE`; text, unencoded, without line breaks.
        outer: What the mail shows outside, likewise.

    Raises:
        CannotSeal: ``headers``.
    """
    for name, value in headers.items():
        yield _named(name), _written(name, value)
    for name, value in outer.items():
        yield _OUTER, f"{_named(name)}: {_written(f'{_OUTER}: {name}', value)}"


def protected(entity: bytes) -> Mapping[str, str]:
    """Return the protected fields of a signed entity by name; none if it protects none.

    Raises:
        CannotOpen: ``malformed``: a field stated twice, or one that cannot be read.
    """
    message: Message[str, str] = _PARSER.parsebytes(entity)
    if message.get_param("hp") != "cipher":
        return {}
    found: dict[str, str] = {}
    for written, value in message.items():
        name = _NAMES.get(written.lower())
        if name is None:
            continue
        if name in found:
            raise CannotOpen("malformed", "a protected header field is stated twice")
        found[name] = _read(str(value))
    return found


def outside(entity: bytes) -> Mapping[str, str]:
    """Return what a signed entity says stood outside it, by name.

    Raises:
        CannotOpen: ``malformed``.
    """
    found: dict[str, str] = {}
    for value in _PARSER.parsebytes(entity).get_all(_OUTER, []):
        name, colon, text = str(value).partition(":")
        if not colon or name.lower() not in _NAMES:
            raise CannotOpen("malformed", "HP-Outer must hold a header field")
        found[_NAMES[name.lower()]] = _read(text.strip())
    return found


def _named(name: str) -> str:
    known = _NAMES.get(name.lower())
    if known is None:
        raise CannotSeal("headers", "a header field that is not protected this way")
    return known


def _written(name: str, value: str) -> str:
    if len(value) > MAX_VALUE or not value.isprintable():
        raise CannotSeal("headers", "a header value is one printable line")
    if _PLAIN.fullmatch(value) and "=?" not in value:
        return value
    encoded = Header(value, "utf-8", header_name=name).encode(linesep="\r\n")
    return str(encoded)


def _read(value: str) -> str:
    unfolded = re.sub(r"\r?\n(?=[ \t])", "", value)
    try:
        return str(make_header(decode_header(unfolded)))
    except (HeaderParseError, LookupError, ValueError):
        raise CannotOpen("malformed", "a header field cannot be read") from None
