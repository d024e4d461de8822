"""Keys that sign webhooks and agency posts: Ed25519 pairs and shared secrets, as text.

Texts follow Standard Webhooks v1.0.0: ``whsk_`` (secret), ``whpk_`` (public), ``whsec_`` (shared).
"""

import base64
import binascii
import os
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from keys.problem import BadKey, BadSignature
from keys.unpickled import NeverPickled

SECRET_PREFIX: Final = "whsk_"  # noqa: S105  # a prefix, not a secret
PUBLIC_PREFIX: Final = "whpk_"
SHARED_PREFIX: Final = "whsec_"
SHARED_LENGTHS: Final = range(24, 65)

_CACHED_KEYS: Final = 1024


class VerifyingKey:
    """The public half of a signing key."""

    __slots__ = ("_public", "public_text")

    def __init__(self, public: Ed25519PublicKey) -> None:
        self._public = public
        self.public_text = PUBLIC_PREFIX + _base64(public.public_bytes_raw())

    def __repr__(self) -> str:
        return f"VerifyingKey({self.public_text})"

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Return whether this key made the signature; never raises. Source: RFC 8032."""
        try:
            self._public.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return if this key made the signature.

        Raises:
            BadSignature: ``no-match``.
        """
        if not self.verifies(signature, message):
            raise BadSignature("no-match", "the signature is not by this key")


class SigningKey(NeverPickled):
    """An Ed25519 key pair. Make one with `generate` or `parse`."""

    __slots__ = ("_private", "public_text")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_text = VerifyingKey(private.public_key()).public_text

    def __repr__(self) -> str:
        return f"SigningKey({self.public_text})"

    @classmethod
    def generate(cls) -> "SigningKey":
        """Return a fresh key from the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """Read ``whsk_`` + base64 of the 32-byte seed and the 32-byte public key.

        Raises:
            BadKey: ``malformed``, ``length``, or ``mismatch`` when the halves are not one pair.
        """
        raw = _raw(text, SECRET_PREFIX)
        if len(raw) != 64:
            raise BadKey("length", "a signing key is a 32-byte seed and its 32-byte public key")
        private = Ed25519PrivateKey.from_private_bytes(raw[:32])
        if private.public_key().public_bytes_raw() != raw[32:]:
            raise BadKey("mismatch", "the public half does not belong to the seed")
        return cls(private)

    @property
    def public(self) -> bytes:
        """The 32-byte public key."""
        return self._private.public_key().public_bytes_raw()

    @property
    def secret_text(self) -> str:
        """The ``whsk_`` text. Keep it where keys are kept."""
        private = self._private
        return SECRET_PREFIX + _base64(
            private.private_bytes_raw() + private.public_key().public_bytes_raw()
        )

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature. Deterministic. Source: RFC 8032."""
        return self._private.sign(message)


@lru_cache(maxsize=_CACHED_KEYS)
def parse_public(text: str) -> VerifyingKey:
    """Read ``whpk_`` + base64 of the 32-byte public key.

    Raises:
        BadKey: ``malformed`` or ``length``.
    """
    raw = _raw(text, PUBLIC_PREFIX)
    if len(raw) != 32:
        raise BadKey("length", "an Ed25519 public key is 32 bytes")
    return VerifyingKey(Ed25519PublicKey.from_public_bytes(raw))


@lru_cache(maxsize=_CACHED_KEYS)
def parse_shared(text: str) -> bytes:
    """Read ``whsec_`` + base64 (padding optional) of 24 to 64 bytes.

    Raises:
        BadKey: ``malformed`` or ``length``.
    """
    raw = _raw(text, SHARED_PREFIX)
    if len(raw) not in SHARED_LENGTHS:
        raise BadKey("length", "a shared secret is 24 to 64 bytes")
    return raw


def public_text(public: bytes) -> str:
    """Return the ``whpk_`` text of a 32-byte Ed25519 public key, wherever its other half lives.

    Raises:
        BadKey: ``length``.
    """
    if len(public) != 32:
        raise BadKey("length", "an Ed25519 public key is 32 bytes")
    return PUBLIC_PREFIX + _base64(public)


def generate_shared_secret() -> str:
    """Return ``whsec_`` text of 32 fresh random bytes."""
    return SHARED_PREFIX + _base64(os.urandom(32))


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _raw(text: str, prefix: str) -> bytes:
    body = text.removeprefix(prefix)
    if body == text or not body.isascii():
        raise BadKey("malformed", f"must be {prefix} and base64")
    body = body.rstrip("=")
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except binascii.Error:
        raise BadKey("malformed", f"must be {prefix} and base64") from None
