"""The mail message of one alert: ASCII, CRLF, and nothing in a header that says what it is about.

Subject, file name and Message-ID are constants or the alert's id; the content travels as base64,
so no byte of it can end the message or start a header (SMTP smuggling, CVE-2023-51764 and kin).
Source: RFC 5322; RFC 8551 section 3.2 for the S/MIME types; RFC 3834 for Auto-Submitted;
RFC 9788 section 3.2 for the subject of a message whose own subject is sealed inside.
"""

import base64
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.utils import format_datetime

from gateway.channels.contract import Undeliverable
from gateway.model.disclosure import Parcel

SUBJECT = "A message is waiting for you"
SEALED_SUBJECT = "[...]"  # readers that protect headers show the one inside in its place
PROOF_HEADER = "Throughgate-Proof"

_LINE_LENGTH = 76
_PROOF_INDENT = len(f"{PROOF_HEADER}: ")
# The content types of sealed mail: OIDs 1.2.840.113549.1.9.16.1.23 (authenticated) and
# 1.2.840.113549.1.7.3 (not; sealed so only where the directory says so).
_SMIME_TYPES = {
    bytes.fromhex("060b2a864886f70d0109100117"): "authEnveloped-data",
    bytes.fromhex("06092a864886f70d010703"): "enveloped-data",
}
_SEQUENCE, _EXPLICIT_0 = 0x30, 0xA0
_SHORT_FORM = 2  # bytes of the shortest element
_FIRST_LONG = 0x80  # the first length that needs the long form
_LINE_END = re.compile(rb"\r\n|\r|\n")

_TEXT_TYPE = (
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Content-Transfer-Encoding", "base64"),
)

Headers = Sequence[tuple[str, str]]


def mail_message(
    parcel: Parcel, *, sender: str, recipient: str, hostname: str, sent_at: float
) -> bytes:
    """Return the message for the DATA command, before dot-stuffing.

    Args:
        parcel: Form ``sealed``: DER of a CMS AuthEnvelopedData or EnvelopedData, whichever the
            directory asked for. Otherwise: content-free UTF-8.
        sender: Mailbox, as `check_mailbox` returned it; for the From header.
        recipient: Mailbox, likewise; for the To header.
        hostname: Right side of the Message-ID, which is the same over every attempt.
        sent_at: Unix seconds; for the Date header.

    Returns:
        ASCII bytes; every line ends in CRLF and none is longer than 78 characters, but for
        addresses. Parsed again and compared before it is returned.

    Raises:
        Undeliverable: not-sealed, not-text, or not-a-message (it would not read back the same).

    Pure.
    """
    kind, content = _content(parcel)
    headers = (
        ("From", sender),
        ("To", recipient),
        ("Subject", SEALED_SUBJECT if parcel.form == "sealed" else SUBJECT),
        ("Date", format_datetime(datetime.fromtimestamp(sent_at, UTC))),
        ("Message-ID", f"<{parcel.alert}@{hostname}>"),
        ("Auto-Submitted", "auto-generated"),
        ("MIME-Version", "1.0"),
        *kind,
        (PROOF_HEADER, "\r\n ".join(_base64_lines(parcel.proof.encode(), less=_PROOF_INDENT))),
    )
    body = "\r\n".join(_base64_lines(content)) + "\r\n"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    message = f"{lines}\r\n{body}".encode("ascii", "replace")
    if not _reads_back(message, headers, body):
        raise Undeliverable("not-a-message")
    return message


def _content(parcel: Parcel) -> tuple[Headers, bytes]:
    if parcel.form == "sealed":
        return _sealed_type(parcel.sealed), parcel.sealed
    try:
        parcel.sealed.decode()
    except UnicodeDecodeError:
        raise Undeliverable("not-text") from None
    return _TEXT_TYPE, _LINE_END.sub(b"\r\n", parcel.sealed)


def _sealed_type(sealed: bytes) -> Headers:
    """Return the headers of one whole ContentInfo of sealed mail.

    Not a check of the seal (that is the keys' work): it makes sure that what is called sealed
    cannot be a text, or a signed and open message, sent by mistake.
    """
    inside = _whole(sealed, _SEQUENCE)
    for oid, name in _SMIME_TYPES.items():
        if inside.startswith(oid) and _whole(inside[len(oid) :], _EXPLICIT_0):
            return (
                ("Content-Type", f"application/pkcs7-mime; smime-type={name}; name=smime.p7m"),
                ("Content-Transfer-Encoding", "base64"),
                ("Content-Disposition", "attachment; filename=smime.p7m"),
            )
    raise Undeliverable("not-sealed")


def _whole(der: bytes, tag: int) -> bytes:
    """Return the content of the one element these bytes are; empty if they are anything else.

    Source: X.690 section 10.1 (DER: the shortest definite length). Pure.
    """
    if len(der) < _SHORT_FORM or der[0] != tag:
        return b""
    long_form = der[1] & 0x80
    size = der[1] & 0x7F if long_form else 0
    length = int.from_bytes(der[2 : 2 + size]) if long_form else der[1]
    # The indefinite form (size 0) gives a length of 0 here, and a length that could have been
    # written shorter does not encode back to the same bytes.
    shortest = not long_form or (length >= _FIRST_LONG and (length.bit_length() + 7) // 8 == size)
    content = der[2 + size :]
    return content if shortest and len(content) == length else b""


def _base64_lines(content: bytes, *, less: int = 0) -> list[str]:
    """Return base64 in lines of 76 characters, the first shorter by `less`; never empty."""
    text = base64.b64encode(content).decode("ascii")
    first = _LINE_LENGTH - less
    rest = range(first, len(text), _LINE_LENGTH)
    return [text[:first], *(text[at : at + _LINE_LENGTH] for at in rest)]


def _reads_back(message: bytes, headers: Headers, body: str) -> bool:
    """Whether a parser sees exactly the headers that were written, in order, and the body."""
    parsed = BytesHeaderParser().parsebytes(message)
    return (
        all(end == b"\r\n" for end in _LINE_END.findall(message))
        and parsed.items() == list(headers)
        and parsed.get_payload() == body
    )
