"""The small MIME entities inside and around sealed mail: write one, read one, nothing more.

Source: RFC 2045, RFC 8551 sections 3.1 and 3.2.
"""

import base64
import binascii
from collections.abc import Collection, Sequence
from email import policy
from email.message import Message
from email.parser import BytesParser
from typing import Final

from keys.problem import CannotOpen

PKCS7: Final = ("application/pkcs7-mime", "application/x-pkcs7-mime")

_LINE: Final = 57  # bytes to a line: 76 characters of base64
_PARSER: Final = BytesParser(policy=policy.compat32)


def write_entity(headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
    """Return the headers and the body in base64, every line ended by CRLF.

    The values are this package's own: ASCII, short, folded if at all.
    """
    head = [f"{name}: {value}".encode("ascii") for name, value in headers]
    lines = [base64.b64encode(body[start : start + _LINE]) for start in range(0, len(body), _LINE)]
    return b"\r\n".join([*head, b"Content-Transfer-Encoding: base64", b"", *lines, b""])


def read_entity(entity: bytes, content_types: Collection[str]) -> bytes:
    """Return the decoded body of an entity or whole message of one of these content types.

    Raises:
        CannotOpen: ``malformed`` (also for any transfer encoding but base64), or
            ``unsupported`` for another content type.
    """
    message: Message[str, str] = _PARSER.parsebytes(entity)
    for name in ("content-type", "content-transfer-encoding"):
        if len(message.get_all(name, [])) != 1:
            raise CannotOpen("malformed", "the content type and encoding must each be stated once")
    if message.get_content_type() not in content_types:
        raise CannotOpen("unsupported", "not a content type sealed mail has")
    payload = message.get_payload()
    encoding = str(message["content-transfer-encoding"]).strip().lower()
    if encoding != "base64" or not isinstance(payload, str) or not payload.isascii():
        raise CannotOpen("malformed", "the body must be in base64")
    try:
        return base64.b64decode("".join(payload.split()), validate=True)
    except binascii.Error:
        raise CannotOpen("malformed", "the body must be in base64") from None


def read_pem(text: bytes, labels: Collection[str]) -> bytes:
    """Return the bytes of a message that is one PEM block and nothing else.

    Raises:
        CannotOpen: ``malformed``.
    """
    lines = text.strip().splitlines()
    known = {f"-----BEGIN {label}-----".encode("ascii") for label in labels}
    if not lines or lines[0] not in known or lines[-1] != lines[0].replace(b"BEGIN", b"END"):
        raise CannotOpen("malformed", "not one PEM block of a known kind")
    try:
        return base64.b64decode(b"".join(lines[1:-1]), validate=True)
    except binascii.Error:
        raise CannotOpen("malformed", "the PEM block is not base64") from None
