"""Cosignatures: a witness says it saw a log grow and never change. Two kinds of key make them.

A cosignature is a line on a checkpoint like any other; who does not know its key passes over it.

Source: c2sp.org/tlog-cosignature, types 0x04 (Ed25519) and 0x06 (ML-DSA-44). Pure but for
`CosigningKey.generate`.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from gateway.disclosure_log.checkpoint import read_text
from gateway.disclosure_log.note import (
    SECRET_PREFIX,
    check_name,
    join_key,
    signature_line,
    split_key,
)
from gateway.disclosure_log.problem import BadCheckpoint, BadKey

Algorithm = Literal["ed25519", "ml-dsa-44"]

MAX_TIMESTAMP: Final = 2**63 - 1

_TYPES: Final[dict[Algorithm, bytes]] = {"ed25519": b"\x04", "ml-dsa-44": b"\x06"}
_PUBLIC_LENGTHS: Final[dict[Algorithm, int]] = {"ed25519": 32, "ml-dsa-44": 1312}
_SEED_LENGTH: Final = 32  # of both
_TIMESTAMP_LENGTH: Final = 8
_MAX_NAME_BYTES: Final = 255  # of the cosigner and of the log, in `cosigned_message`
_LABEL: Final = b"subtree/v1\n\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class CosignerKey:
    """The public key of a cosigner, under its name. What it signs is a checkpoint, timestamped."""

    name: str
    algorithm: Algorithm
    public: bytes  # 32 bytes (RFC 8032) or 1312 (FIPS 204)

    @classmethod
    def parse(cls, vkey: str) -> "CosignerKey":
        """Return the key of a ``name+hash+base64`` text; surrounding white space is ignored.

        Raises:
            BadKey: malformed, not of a cosigner's type, or the hash does not match.
        """
        stripped = vkey.strip()
        for algorithm, kind in _TYPES.items():
            try:
                name, key_id, public = split_key(stripped, kind, _PUBLIC_LENGTHS[algorithm])
            except BadKey as error:
                if error.code == "signature-type":
                    continue
                raise
            _check_cosigner(name)
            key = cls(name=name, algorithm=algorithm, public=public)
            if key.id.hex() != key_id:
                raise BadKey("key-hash")
            return key
        raise BadKey("signature-type")

    @property
    def id(self) -> bytes:
        """Four bytes that, with the name, say which key signed. Not a fingerprint."""
        material = _TYPES[self.algorithm] + self.public
        return sha256(self.name.encode() + b"\n" + material).digest()[:4]

    def __str__(self) -> str:
        """Return the vkey text, which `parse` reads."""
        return join_key(self.name, self.id, _TYPES[self.algorithm] + self.public)

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Return whether this key cosigned exactly this checkpoint's text. Never raises.

        Args:
            text: Of the checkpoint, without signatures.
            signature: A `timestamped_signature`: 8 bytes of POSIX seconds, then the signature.
        """
        timestamp = timestamp_of(signature)
        if timestamp is None:
            return False
        own = signature[_TIMESTAMP_LENGTH:]
        try:
            message = _message(self.name, self.algorithm, text, timestamp)
            if self.algorithm == "ed25519":
                Ed25519PublicKey.from_public_bytes(self.public).verify(own, message)
            else:
                MLDSA44PublicKey.from_public_bytes(self.public).verify(own, message)
        except (InvalidSignature, ValueError, BadCheckpoint):
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class CosigningKey:
    """A cosigner's key pair."""

    name: str
    algorithm: Algorithm
    _private: Ed25519PrivateKey | MLDSA44PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, name: str, algorithm: Algorithm) -> "CosigningKey":
        """Return a new key under this name, e.g. ``witness.example.org/1``. Draws randomness.

        Raises:
            BadKey: key-name: empty, over 255 bytes, or with white space, a plus or a control.
        """
        _check_cosigner(name)
        private = (
            Ed25519PrivateKey.generate() if algorithm == "ed25519" else MLDSA44PrivateKey.generate()
        )
        return cls(name=name, algorithm=algorithm, _private=private)

    @classmethod
    def parse_secret(cls, text: str) -> "CosigningKey":
        """Return the key of a `secret_text`; surrounding white space is ignored.

        Raises:
            BadKey: as `CosignerKey.parse`; never quotes the text.
        """
        stripped = text.strip()
        if not stripped.startswith(SECRET_PREFIX):
            raise BadKey("not-a-secret-key")
        for algorithm, kind in _TYPES.items():
            try:
                name, key_id, seed = split_key(stripped[len(SECRET_PREFIX) :], kind, _SEED_LENGTH)
            except BadKey as error:
                if error.code == "signature-type":
                    continue
                raise
            key = cls(name=name, algorithm=algorithm, _private=_private_key(algorithm, seed))
            if key.public_key.id.hex() != key_id:
                raise BadKey("key-hash")
            return key
        raise BadKey("signature-type")

    @property
    def secret_text(self) -> str:
        """The ``PRIVATE+KEY+name+hash+base64`` form. Secret: its holder is this witness."""
        material = _TYPES[self.algorithm] + self._private.private_bytes_raw()
        return SECRET_PREFIX + join_key(self.name, self.public_key.id, material)

    @property
    def public_key(self) -> CosignerKey:
        """The public half."""
        public = self._private.public_key().public_bytes_raw()
        return CosignerKey(name=self.name, algorithm=self.algorithm, public=public)

    def cosign(self, text: str, *, at: int) -> str:
        """Return the signature line over a checkpoint's text.

        Whoever calls has seen that the checkpoint is consistent with every one cosigned before.

        Args:
            text: Of the checkpoint, without signatures.
            at: POSIX seconds, 1 to 2**63 - 1.

        Raises:
            BadCheckpoint: the text is no checkpoint's.
            ValueError: no such time; or the log's name is too long for this kind of key.
        """
        if not 0 < at <= MAX_TIMESTAMP:
            raise ValueError("not a time a cosignature can have")
        read_text(text)
        message = _message(self.name, self.algorithm, text.encode(), at)
        signature = at.to_bytes(_TIMESTAMP_LENGTH, "big") + self._private.sign(message)
        return signature_line(self.name, self.public_key.id + signature)


def timestamp_of(signature: bytes) -> int | None:
    """Return when a `timestamped_signature` says it was made, in POSIX seconds; None: it is none.

    Zero, in ML-DSA-44 alone: the cosigner does not say that it knows of no larger tree.
    """
    if len(signature) <= _TIMESTAMP_LENGTH:
        return None
    timestamp = int.from_bytes(signature[:_TIMESTAMP_LENGTH], "big")
    return timestamp if timestamp <= MAX_TIMESTAMP else None


def _message(name: str, algorithm: Algorithm, text: bytes, timestamp: int) -> bytes:
    """Return what is signed.

    Raises:
        BadCheckpoint, ValueError: the text is no checkpoint's, or a name is too long.
    """
    if algorithm == "ed25519":
        return b"cosignature/v1\ntime %d\n" % timestamp + text
    checkpoint = read_text(text.decode())
    return b"".join(
        (
            _LABEL,
            _short(name),
            timestamp.to_bytes(8, "big"),
            _short(checkpoint.origin),
            (0).to_bytes(8, "big"),  # a checkpoint is the subtree from the first leaf on
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def _short(name: str) -> bytes:
    encoded = name.encode()
    if not 0 < len(encoded) <= _MAX_NAME_BYTES:
        raise ValueError("a name of 1 to 255 bytes")
    return bytes([len(encoded)]) + encoded


def _private_key(algorithm: Algorithm, seed: bytes) -> Ed25519PrivateKey | MLDSA44PrivateKey:
    if algorithm == "ed25519":
        return Ed25519PrivateKey.from_private_bytes(seed)
    return MLDSA44PrivateKey.from_seed_bytes(seed)


def _check_cosigner(name: str) -> None:
    check_name(name)
    if len(name.encode()) > _MAX_NAME_BYTES:
        raise BadKey("key-name")
