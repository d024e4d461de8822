"""Lengths every form of sealing keeps to, checked before any parser or cipher runs."""

from typing import Final

from keys.problem import CannotSeal

MAX_BLOB: Final = 1 << 20  # a sealed HPKE object or JWE token, bytes
MAX_MAIL: Final = 4 << 20  # a whole S/MIME message: base64 within base64
MAX_PLAINTEXT: Final = 512 << 10
MAX_KEY_ID: Final = 128  # characters
MAX_CONTEXT: Final = 512  # bytes


def check_plaintext(plaintext: bytes) -> None:
    """Refuse content no recipient could open within `MAX_BLOB`.

    Raises:
        CannotSeal: ``too-long``.
    """
    if len(plaintext) > MAX_PLAINTEXT:
        raise CannotSeal("too-long", f"content is longer than {MAX_PLAINTEXT} bytes")


def check_labels(key_id: str, context: bytes) -> None:
    """Refuse labels that would not fit a JOSE header.

    Raises:
        CannotSeal: ``labels``.
    """
    printable = key_id.isascii() and key_id.isprintable()
    if not (printable and 0 < len(key_id) <= MAX_KEY_ID):
        raise CannotSeal("labels", f"a key id is 1 to {MAX_KEY_ID} printable ASCII characters")
    if len(context) > MAX_CONTEXT:
        raise CannotSeal("labels", f"a context is at most {MAX_CONTEXT} bytes")
