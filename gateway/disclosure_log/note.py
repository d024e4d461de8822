"""Signed notes and their Ed25519 keys. A note's text is to be ignored until `open_note` returns.

Source: c2sp.org/signed-note. Keys of signature type 0x01 (Ed25519) are here, those of cosigners in
`cosignature`; lines of keys nobody named are checked for form and otherwise ignored.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Protocol, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.disclosure_log.problem import BadCheckpoint, BadKey

MAX_NOTE_BYTES: Final = 128 * 1024  # sixteen post-quantum signatures and more
MAX_SIGNATURES: Final = 64
MAX_NAME_LENGTH: Final = 300

_ED25519: Final = b"\x01"
SECRET_PREFIX: Final = "PRIVATE+KEY+"  # noqa: S105 - a marker of the format, not a secret
_DASH: Final = "\u2014 "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class NoteVerifier(Protocol):
    """A public key that signatures of notes are checked with, whatever its type."""

    @property
    def name(self) -> str:
        """The name it signs under."""

    @property
    def id(self) -> bytes:
        """Four bytes that, with the name, say which key signed."""

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Return whether this key made the signature over exactly this text. Never raises."""


V = TypeVar("V", bound=NoteVerifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """An Ed25519 key that signs notes under a name. Public."""

    name: str
    public: bytes  # 32 bytes, RFC 8032

    @classmethod
    def parse(cls, vkey: str) -> "VerifierKey":
        """Return the key of a ``name+hash+base64`` text; surrounding white space is ignored.

        Raises:
            BadKey: malformed, of another signature type, or the hash does not match.
        """
        name, key_id, material = split_key(vkey.strip(), _ED25519, 32)
        key = cls(name=name, public=material)
        if key.id.hex() != key_id:
            raise BadKey("key-hash")
        return key

    @property
    def id(self) -> bytes:
        """Four bytes that, with the name, say which key signed. Not a fingerprint."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        """Return the vkey text, which `parse` reads."""
        return join_key(self.name, self.id, _ED25519 + self.public)

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Return whether this key made the signature over exactly this text. Never raises."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


class NoteSigner(Protocol):
    """An Ed25519 key pair that signs notes, wherever its private half lives."""

    @property
    def public(self) -> bytes:
        """The 32-byte public key, RFC 8032."""

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature."""


class _InMemory:
    """A key pair whose seed is here."""

    __slots__ = ("_private",)

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @property
    def public(self) -> bytes:
        return self._private.public_key().public_bytes_raw()

    @property
    def seed(self) -> bytes:
        return self._private.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKey:
    """The Ed25519 key a log signs its checkpoints with; its name is the log's origin."""

    origin: str
    _signer: NoteSigner = field(repr=False)

    @classmethod
    def of(cls, origin: str, signer: NoteSigner) -> "LogKey":
        """Return the key of this origin whose private half a signer keeps.

        Raises:
            BadKey: as `generate`.
        """
        check_name(origin)
        return cls(origin=origin, _signer=signer)

    @classmethod
    def generate(cls, origin: str) -> "LogKey":
        """Return a new key for this origin, e.g. ``log.example.org/2026``. Draws randomness.

        Raises:
            BadKey: the origin is empty, too long, or holds white space, a plus or a control.
        """
        check_name(origin)
        return cls(origin=origin, _signer=_InMemory(Ed25519PrivateKey.generate()))

    @classmethod
    def parse_secret(cls, text: str) -> "LogKey":
        """Return the key of a `secret_text`; surrounding white space is ignored.

        Raises:
            BadKey: as `VerifierKey.parse`; never quotes the text.
        """
        stripped = text.strip()
        if not stripped.startswith(SECRET_PREFIX):
            raise BadKey("not-a-secret-key")
        name, key_id, seed = split_key(stripped[len(SECRET_PREFIX) :], _ED25519, 32)
        key = cls(origin=name, _signer=_InMemory(Ed25519PrivateKey.from_private_bytes(seed)))
        if key.verifier_key.id.hex() != key_id:
            raise BadKey("key-hash")
        return key

    @property
    def secret_text(self) -> str:
        """The ``PRIVATE+KEY+name+hash+base64`` form. Secret: whoever holds it can fork the log.

        Raises:
            BadKey: the private half is kept elsewhere and never leaves it.
        """
        if not isinstance(self._signer, _InMemory):
            raise BadKey("kept-elsewhere")
        return SECRET_PREFIX + join_key(
            self.origin, self.verifier_key.id, _ED25519 + self._signer.seed
        )

    @property
    def verifier_key(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(name=self.origin, public=self._signer.public)

    @property
    def verifier(self) -> str:
        """The public half as vkey text."""
        return str(self.verifier_key)

    def sign(self, text: str) -> str:
        """Return the signed note over a text.

        Raises:
            ValueError: the text does not end in a newline or holds a control character.
        """
        if not text.endswith("\n") or _CONTROL.search(text):
            raise ValueError("a note's text ends in a newline and holds no control characters")
        signature = self._signer.sign(text.encode())
        line = base64.b64encode(self.verifier_key.id + signature).decode()
        return f"{text}\n{_DASH}{self.origin} {line}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note whose form is right and whose signatures nobody has looked at yet."""

    text: str  # ends in a newline
    signatures: tuple[tuple[str, bytes], ...]  # (key name, 4-byte key id || signature), >= 1

    def __str__(self) -> str:
        """Return the signed note, which `parse_note` reads."""
        return f"{self.text}\n" + "".join(signature_line(*one) for one in self.signatures)


def signature_line(name: str, blob: bytes) -> str:
    """Return one signature as a line of a note: key name, then 4-byte key id || signature."""
    return f"{_DASH}{name} {base64.b64encode(blob).decode()}\n"


def parse_signatures(lines: str) -> tuple[tuple[str, bytes], ...]:
    """Return the signatures of bare signature lines, as a witness answers with. Proves nothing.

    Raises:
        BadCheckpoint: as `parse_note`.
    """
    return parse_note(f"unread\n\n{lines}").signatures


def merge(note: str, signatures: Iterable[tuple[str, bytes]]) -> str:
    """Return a note with more signatures on it; a newer one of the same key takes the place of
    the one before. Checks no signature.

    Raises:
        BadCheckpoint: as `parse_note`; or too-many: no verifier would read the result.
    """
    parsed = parse_note(note)
    by_key = {(name, blob[:4]): (name, blob) for name, blob in (*parsed.signatures, *signatures)}
    merged = str(Note(text=parsed.text, signatures=tuple(by_key.values())))
    if len(by_key) > MAX_SIGNATURES or len(merged.encode()) > MAX_NOTE_BYTES:
        raise BadCheckpoint("too-many")
    return merged


def parse_note(note: str) -> Note:
    """Take a signed note apart. Proves nothing: see `open_note`.

    Raises:
        BadCheckpoint: too-long, not-utf8, control-character, or malformed.
    """
    try:
        length = len(note.encode())
    except UnicodeEncodeError:
        raise BadCheckpoint("not-utf8") from None
    if length > MAX_NOTE_BYTES:
        raise BadCheckpoint("too-long")
    if _CONTROL.search(note):
        raise BadCheckpoint("control-character")
    before, gap, after = note.rpartition("\n\n")
    lines = after.split("\n")
    if not gap or not before or lines.pop() != "" or not 1 <= len(lines) <= MAX_SIGNATURES:
        raise BadCheckpoint("malformed")
    return Note(text=before + "\n", signatures=tuple(_signature(line) for line in lines))


def open_note(note: str, verifiers: Sequence[V]) -> tuple[str, tuple[V, ...]]:
    """Return a note's text and the known keys that signed it, at least one.

    Signatures by unknown keys are ignored; one bad signature by a known key spoils the note.

    Raises:
        BadCheckpoint: as `parse_note`; bad-signature; or no-known-signature.
        BadKey: two different verifiers share a name and id.
    """
    parsed = parse_note(note)
    known = _by_name_and_id(verifiers)
    signers: list[V] = []
    for name, blob in parsed.signatures:
        key = known.get((name, blob[:4]))
        if key is None:
            continue
        if not key.verifies(parsed.text.encode(), blob[4:]):
            raise BadCheckpoint("bad-signature")
        signers.append(key)
    if not signers:
        raise BadCheckpoint("no-known-signature")
    return parsed.text, tuple(signers)


def decode_base64(text: str) -> bytes | None:
    """Return the bytes of canonical standard base64, or None: no second spelling is taken."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if base64.b64encode(found).decode() == text else None


def _by_name_and_id(verifiers: Sequence[V]) -> dict[tuple[str, bytes], V]:
    known: dict[tuple[str, bytes], V] = {}
    for key in verifiers:
        if known.setdefault((key.name, key.id), key) != key:
            raise BadKey("ambiguous")
    return known


def _signature(line: str) -> tuple[str, bytes]:
    name, space, encoded = line.removeprefix(_DASH).rpartition(" ")
    blob = decode_base64(encoded)
    if not line.startswith(_DASH) or not space or not _is_name(name) or blob is None:
        raise BadCheckpoint("malformed")
    if len(blob) <= 4:
        raise BadCheckpoint("malformed")
    return name, blob


def _is_name(name: str) -> bool:
    return (
        0 < len(name) <= MAX_NAME_LENGTH
        and "+" not in name
        and not any(one.isspace() for one in name)
        and not _CONTROL.search(name)
    )


def check_name(name: str) -> None:
    """Check that a key may be named so.

    Raises:
        BadKey: key-name: empty, too long, or with white space, a plus or a control in it.
    """
    if not _is_name(name):
        raise BadKey("key-name")


def join_key(name: str, key_id: bytes, material: bytes) -> str:
    """Return ``name+hash+base64``; the material begins with the byte of its type. Never fails."""
    return f"{name}+{key_id.hex()}+{base64.b64encode(material).decode()}"


def split_key(text: str, kind: bytes, length: int) -> tuple[str, str, bytes]:
    """Return name, hex id and key material of one type. Base64 may itself hold a plus.

    Raises:
        BadKey: malformed, key-name, or signature-type: another type, or of another length.
    """
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise BadKey("malformed")
    name, key_id, encoded = parts
    check_name(name)
    material = decode_base64(encoded)
    if material is None or not re.fullmatch(r"[0-9a-f]{8}", key_id):
        raise BadKey("malformed")
    if len(material) != 1 + length or material[:1] != kind:
        raise BadKey("signature-type")
    return name, key_id, material[1:]
