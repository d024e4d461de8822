"""Keys for what rests in the store: a data key per person, wrapped by one key-encryption key.

Destroying a person's wrapped data key erases everything sealed under it, while every proof in
the disclosure log still verifies (UK GDPR art. 17, DPA 2018 s.47).
Source: NIST SP 800-38D (AES-GCM); RFC 5869 (HKDF).
"""

import os
import re
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from keys.problem import BadKey, CannotOpen
from keys.unpickled import NeverPickled

KEY_LENGTH: Final = 32

_VERSION: Final = b"\x01"
_NONCE_LENGTH: Final = 12
_TAG_LENGTH: Final = 16
_OVERHEAD: Final = len(_VERSION) + _NONCE_LENGTH + _TAG_LENGTH
_WRAPPED: Final = b"\x02"  # a wrapped key that names what wrapped it
_KEY_ID = re.compile(r"[a-z0-9-]{1,10}:[A-Za-z0-9._-]{1,100}")


class KeyEncryptionKey(Protocol):
    """What a provider (file, HSM, KMS) offers. None of it ever yields the key itself."""

    @property
    def id(self) -> str:
        """Which key this is: ``provider:name``, stable for the key's whole life, no secret."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a 32-byte key; `context` (what it belongs to) is bound, not stored.

        What comes back begins with `header(self.id)`.

        Raises:
            KeyProblem: the provider cannot or will not; ``length``.
        """

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the 32-byte key.

        Raises:
            CannotOpen: ``unknown-key`` (wrapped under another), ``malformed``, or
                ``undecryptable``: another context, or altered.
            KeyProblem: the provider cannot or will not.
        """


class DataKey(NeverPickled):
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


class RootKey(NeverPickled):
    """Thirty-two bytes in memory that wrap keys, and that others are derived from: the key a file
    provider loads, or an instance's own root secret.

    Wrapping, the id and each derived purpose use keys of their own, so no output of one helps
    another.
    """

    __slots__ = ("_id", "_root", "_wrapping")

    def __init__(self, root: bytes) -> None:
        if len(root) != KEY_LENGTH:
            raise BadKey("length", f"a key-encryption key is {KEY_LENGTH} bytes")
        self._root = root
        self._wrapping = DataKey(_expand(root, b"wrap"))
        self._id = f"file:{_expand(root, b'id')[:8].hex()}"

    def __repr__(self) -> str:
        return f"RootKey({self._id})"

    @property
    def id(self) -> str:
        """``file:`` and 16 hex digits that only the key gives; they tell nothing of it."""
        return self._id

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a 32-byte key, bound to what it belongs to."""
        check_length(key)
        head = header(self._id)
        return head + self._wrapping.seal(key, head + context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the 32-byte key.

        Raises:
            CannotOpen: as `KeyEncryptionKey.unwrap`.
        """
        body = body_under(self._id, wrapped)
        return self._wrapping.open(body, header(self._id) + context)

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for one purpose: HKDF-SHA256, purpose in ``info``. Deterministic."""
        return _expand(self._root, b"derive/" + purpose.encode("utf-8"))


def check_length(key: bytes) -> None:
    """Return if a key to be wrapped is of the one length there is.

    Raises:
        BadKey: ``length``.
    """
    if len(key) != KEY_LENGTH:
        raise BadKey("length", f"a data key is {KEY_LENGTH} bytes")


def header(key_id: str) -> bytes:
    """Return what every key wrapped under this one begins with: version (1), length (1), id.

    Raises:
        BadKey: ``key-id``: not of the form ``provider:name``.
    """
    if not _KEY_ID.fullmatch(key_id):
        raise BadKey("key-id", "a key's id is provider:name")
    return _WRAPPED + bytes([len(key_id)]) + key_id.encode("ascii")


def key_id_of(wrapped: bytes) -> str:
    """Return the id of the key something was wrapped under, as it claims.

    Raises:
        CannotOpen: ``erased`` when nothing is left of it, or ``malformed``.
    """
    if not wrapped:
        raise CannotOpen("erased", "the key was destroyed")
    if len(wrapped) < 2 or wrapped[:1] != _WRAPPED or len(wrapped) < 2 + wrapped[1]:
        raise CannotOpen("malformed", "not a wrapped key")
    found = wrapped[2 : 2 + wrapped[1]].decode("ascii", "replace")
    if not _KEY_ID.fullmatch(found):
        raise CannotOpen("malformed", "not a wrapped key")
    return found


def body_under(key_id: str, wrapped: bytes) -> bytes:
    """Return what follows the header, if that names this key.

    Raises:
        CannotOpen: as `key_id_of`; ``unknown-key`` when it names another.
    """
    if key_id_of(wrapped) != key_id:
        raise CannotOpen("unknown-key", "wrapped under a key that is not known here")
    return wrapped[len(header(key_id)) :]


def _expand(root: bytes, label: bytes) -> bytes:
    """Expand only: the root is uniform already (RFC 5869 section 3.3)."""
    return HKDFExpand(SHA256(), KEY_LENGTH, b"throughgate/at-rest/v1/" + label).derive(root)
