"""Unpadded base64url with one spelling per value, so no two texts mean the same bytes.

Source: RFC 4648 section 5 and section 3.5 (canonical encoding); RFC 7515 section 2.
"""

import base64


def encode(raw: bytes) -> str:
    """Return the unpadded text. Pure."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes of canonical, unpadded text.

    Raises:
        ValueError: padding, white space, another alphabet, or stray bits in the last character.
    """
    if not text.isascii() or "=" in text:
        raise ValueError("not base64url")
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if encode(raw) != text:
        raise ValueError("not canonical base64url")
    return raw
