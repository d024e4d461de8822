"""Standard Webhooks v1.0.0, both ways: agencies' posts to us and our alerts to receivers.

Signed bytes are ``{id}.{timestamp}.{body}``; the header is a space-separated list of
``v1a,<base64 Ed25519>`` and ``v1,<base64 HMAC-SHA256>``.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterator, Sequence
from typing import Final

from keys.problem import BadKey, BadSignature
from keys.signer import Signer
from keys.signing import PUBLIC_PREFIX, parse_public, parse_shared

MAX_SIGNATURES: Final = 16
MAX_HEADER_LENGTH: Final = 4096

# A full stop in either would let one signature cover two readings of the same bytes.
_MESSAGE_ID = re.compile(r"[!-\-/-~]{1,256}")
_TIMESTAMP = re.compile(r"0|[1-9][0-9]{0,11}")


def sign(signers: Sequence[Signer | str], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the ``webhook-signature`` header value: each v1a, then each v1, in the order given.

    Args:
        signers: Ed25519 keys, or ``whsec_`` texts; several during a rotation, at most 16.
        message_id: 1 to 256 visible ASCII characters without a full stop; fixed over retries.
        timestamp: Unix seconds of this attempt.
        body: The exact bytes sent.

    Raises:
        BadSignature: ``id`` or ``timestamp`` cannot be signed unambiguously.
        BadKey: no signer, too many, or a text that is no shared secret.
        KeyProblem: where a signer's key lives cannot or will not sign.
    """
    if not 0 < len(signers) <= MAX_SIGNATURES:
        raise BadKey("signers", f"sign with 1 to {MAX_SIGNATURES} keys")
    content = _content(message_id, str(timestamp), body)
    pairs = [signer.sign(content) for signer in signers if not isinstance(signer, str)]
    shared = [_mac(signer, content) for signer in signers if isinstance(signer, str)]
    return " ".join(
        [f"v1a,{base64.b64encode(signature).decode('ascii')}" for signature in pairs]
        + [f"v1,{mac.decode('ascii')}" for mac in shared]
    )


def verify(
    public_keys: Sequence[str],
    *,
    message_id: str,
    timestamp: str,
    signature: str,
    body: bytes,
    now: int,
    tolerance_s: int = 300,
) -> None:
    """Return if any signature is by any of the keys and the attempt is fresh.

    Args:
        public_keys: ``whpk_`` or ``whsec_`` texts; parsed ones are cached.
        message_id: ``webhook-id`` as received; an absent header is the empty string.
        timestamp: ``webhook-timestamp`` as received.
        signature: ``webhook-signature`` as received. Unknown versions and malformed parts are
            passed over; a header beyond 16 signatures or 4096 characters is refused unread.
        body: The exact bytes received.
        now: Unix seconds.
        tolerance_s: How far the attempt may lie from now, either way, inclusive.

    Raises:
        BadSignature: ``id``, ``timestamp``, ``stale`` or ``no-match``.
        BadKey: one of our own stored keys does not parse.

    Pure; at most 16 verifications per key.
    """
    content = _content(message_id, timestamp, body)
    if abs(now - int(timestamp)) > tolerance_s:
        raise BadSignature("stale", "the attempt is too old or too far ahead")
    parts = list(_parts(signature))
    if not any(_matches(key, parts, content) for key in public_keys):
        raise BadSignature("no-match", "no signature in the header is by a known key")


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    if not _MESSAGE_ID.fullmatch(message_id):
        raise BadSignature("id", "the message id must be visible ASCII without a full stop")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise BadSignature("timestamp", "the timestamp must be whole Unix seconds")
    return f"{message_id}.{timestamp}.".encode("ascii") + body


def _mac(secret_text: str, content: bytes) -> bytes:
    return base64.b64encode(hmac.digest(parse_shared(secret_text), content, "sha256"))


def _parts(header: str) -> Iterator[tuple[str, bytes]]:
    if len(header) > MAX_HEADER_LENGTH or not header.isascii():
        return
    parts = header.split(" ")
    if len(parts) > MAX_SIGNATURES:
        return
    for part in parts:
        version, comma, value = part.partition(",")
        if comma and value:
            yield version, value.encode("ascii")


def _matches(key: str, parts: Sequence[tuple[str, bytes]], content: bytes) -> bool:
    if key.startswith(PUBLIC_PREFIX):
        public = parse_public(key)
        return any(public.verifies(_decoded(value), content) for value in _of(parts, "v1a"))
    expected = _mac(key, content)
    # Compared as base64 text, so only the canonical spelling of the MAC matches.
    return any(hmac.compare_digest(expected, value) for value in _of(parts, "v1"))


def _of(parts: Sequence[tuple[str, bytes]], version: str) -> list[bytes]:
    return [value for named, value in parts if named == version]


def _decoded(value: bytes) -> bytes:
    """Return the signature bytes, or none (which never verify) when the text is not base64."""
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return b""
