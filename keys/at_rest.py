"""Keys for what rests in the store: a data key per person, wrapped by one key-encryption key.

Destroying a person's wrapped data key erases everything sealed under it, while every proof in
the disclosure log still verifies (UK GDPR art. 17, DPA 2018 s.47).
Source: NIST SP 800-38D (AES-GCM); RFC 5869 (HKDF).
"""

import os
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from keys.problem import BadKey, CannotOpen

KEY_LENGTH: Final = 32

_VERSION: Final = b"\x01"
_NONCE_LENGTH: Final = 12
_TAG_LENGTH: Final = 16
_OVERHEAD: Final = len(_VERSION) + _NONCE_LENGTH + _TAG_LENGTH


class KeyEncryptionKey(Protocol):
    """What a provider (file, HSM, KMS) offers. None of it ever yields the key itself."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a data key; `context` (what it belongs to) is bound, not stored."""

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the data key.

        Raises:
            CannotOpen: another key-encryption key, another context, or altered.
        """

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for one named purpose (a keyed digest, an index). Deterministic."""


class DataKey:
    """A 32-byte AES-256-GCM key. Make one with `generate`, or from what a provider unwrapped.

    Seal fewer than 2**32 values under one key: the nonces are random (SP 800-38D section 8.3).
    """

    __slots__ = ("_cipher", "_raw")

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_LENGTH:
            raise BadKey("length", f"a data key is {KEY_LENGTH} bytes")
        self._raw = raw
        self._cipher = AESGCM(raw)

    def __repr__(self) -> str:
        return "DataKey(...)"

    @classmethod
    def generate(cls) -> "DataKey":
        """Return a fresh key from the operating system's randomness."""
        return cls(os.urandom(KEY_LENGTH))

    @property
    def raw(self) -> bytes:
        """The key itself, to be wrapped and nothing else."""
        return self._raw

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Return version (1), nonce (12), ciphertext and tag (16).

        Args:
            plaintext: Any length.
            context: Which row this is (``b"event:evt_..."``); the same is needed to open, so a
                value moved to another row does not open there.
        """
        nonce = os.urandom(_NONCE_LENGTH)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plaintext, _VERSION + context)

    def open(self, blob: bytes, context: bytes) -> bytes:
        """Return the plaintext.

        Raises:
            CannotOpen: ``malformed``, ``unsupported`` version, or ``undecryptable`` (another
                key, another context, or altered).
        """
        if len(blob) < _OVERHEAD:
            raise CannotOpen("malformed", "too short for a sealed value")
        if blob[:1] != _VERSION:
            raise CannotOpen("unsupported", "sealed under an unknown version")
        nonce, ciphertext = blob[1 : 1 + _NONCE_LENGTH], blob[1 + _NONCE_LENGTH :]
        try:
            return self._cipher.decrypt(nonce, ciphertext, _VERSION + context)
        except InvalidTag:
            raise CannotOpen("undecryptable", "another key or row, or altered since") from None


class RootKey:
    """A key-encryption key held in memory: what a file provider loads.

    Wrapping and each derived purpose use keys of their own, so no output of one helps another.
    """

    __slots__ = ("_root", "_wrapping")

    def __init__(self, root: bytes) -> None:
        if len(root) != KEY_LENGTH:
            raise BadKey("length", f"a key-encryption key is {KEY_LENGTH} bytes")
        self._root = root
        self._wrapping = DataKey(_expand(root, b"wrap"))

    def __repr__(self) -> str:
        return "RootKey(...)"

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a 32-byte data key, bound to what it belongs to."""
        if len(key) != KEY_LENGTH:
            raise BadKey("length", f"a data key is {KEY_LENGTH} bytes")
        return self._wrapping.seal(key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the 32-byte data key.

        Raises:
            CannotOpen: as `DataKey.open`.
        """
        return self._wrapping.open(wrapped, context)

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for one purpose: HKDF-SHA256, purpose in ``info``. Deterministic."""
        return _expand(self._root, b"derive/" + purpose.encode("utf-8"))


def _expand(root: bytes, label: bytes) -> bytes:
    """Expand only: the root is uniform already (RFC 5869 section 3.3)."""
    return HKDFExpand(SHA256(), KEY_LENGTH, b"throughgate/at-rest/v1/" + label).derive(root)
