"""Checkpoints: the log's size and root, signed. What the gateway signs, it may never unsign.

Source: c2sp.org/tlog-checkpoint over c2sp.org/signed-note. Pure but for `LogKey.generate`.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.disclosure_log.merkle import HASH_LENGTH, MAX_SIZE
from gateway.disclosure_log.note import (
    LogKey,
    NoteVerifier,
    VerifierKey,
    decode_base64,
    open_note,
    parse_note,
)
from gateway.disclosure_log.problem import BadCheckpoint, BadKey

__all__ = [
    "BadCheckpoint",
    "BadKey",
    "Checkpoint",
    "LogKey",
    "VerifierKey",
    "parse_checkpoint",
    "read_text",
    "sign_checkpoint",
    "verify_checkpoint",
]

_SIZE = re.compile(r"0|[1-9][0-9]{0,19}")
_EPOCH = re.compile(r"/([2-9]|[1-9][0-9]{1,8})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state of a log at one size."""

    origin: str
    size: int  # leaves, 0 <= size < 2**64
    root: bytes  # 32 bytes
    extensions: tuple[str, ...] = ()  # opaque lines; we write none


def sign_checkpoint(key: LogKey, *others: LogKey, size: int, root: bytes) -> str:
    """Return the signed note for this tree, under the first key's origin.

    Args:
        key: Signs first.
        others: Sign as well, in this order: keys that are coming into use or going out of it.
        size: Leaves.
        root: 32 bytes.

    The caller makes sure it is consistent with every checkpoint signed before.

    Raises:
        ValueError: size or root cannot be those of a tree, or the keys are of several origins.
    """
    if not 0 <= size <= MAX_SIZE or len(root) != HASH_LENGTH:
        raise ValueError("not the size and root of a tree")
    if any(one.origin != key.origin for one in others):
        raise ValueError("a checkpoint is signed under one origin")
    text = f"{key.origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    return key.sign(text) + "".join(one.sign(text).rpartition("\n\n")[2] for one in others)


def parse_keys(text: str) -> tuple[VerifierKey, ...]:
    """Return the verifier keys of a ``log.vkey``: one a line, the one in force first.

    Raises:
        BadKey: there is none, or a line is no key.
    """
    found = tuple(VerifierKey.parse(line) for line in text.split("\n") if line.strip())
    if not found:
        raise BadKey("malformed")
    return found


def origin_in(name: str, epoch: int) -> str:
    """Return the origin line of the log called `name` in an epoch, counted from 1."""
    return name if epoch == 1 else f"{name}/{epoch}"


def epoch_of(name: str, origin: str) -> int | None:
    """Return in which epoch the log called `name` has this origin; None: another log has."""
    if origin == name:
        return 1
    found = _EPOCH.fullmatch(origin.removeprefix(name)) if origin.startswith(name) else None
    return int(found[1]) if found else None


def parse_checkpoint(note: str) -> Checkpoint:
    """Read a checkpoint WITHOUT looking at its signatures: only for notes from our own store.

    Raises:
        BadCheckpoint: the note or its text is not in exactly the published form.
    """
    return read_text(parse_note(note).text)


def verify_checkpoint(note: str, verifiers: Sequence[NoteVerifier]) -> Checkpoint:
    """Read a checkpoint that a known key signed as its own log.

    Args:
        note: At most 64 KiB as UTF-8.
        verifiers: Log and witness keys; the log's is the one named like the origin line.

    Raises:
        BadCheckpoint: malformed; bad-signature (by any known key); no-known-signature; or
            origin-mismatch: signed, but by no known key of the log it speaks for.
        BadKey: two different verifiers share a name and id.
    """
    text, signers = open_note(note, verifiers)
    checkpoint = read_text(text)
    if all(key.name != checkpoint.origin for key in signers):
        raise BadCheckpoint("origin-mismatch")
    return checkpoint


def read_text(text: str) -> Checkpoint:
    """Read the text of a checkpoint, the note's without its signatures. Proves nothing.

    Raises:
        BadCheckpoint: malformed.
    """
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines):
        raise BadCheckpoint("malformed")
    origin, size, encoded, *extensions = lines
    root = decode_base64(encoded)
    if root is None or len(root) != HASH_LENGTH or not _SIZE.fullmatch(size):
        raise BadCheckpoint("malformed")
    if int(size) > MAX_SIZE:
        raise BadCheckpoint("malformed")
    return Checkpoint(origin=origin, size=int(size), root=root, extensions=tuple(extensions))
