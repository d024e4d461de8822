"""The body of ``add-checkpoint``, written and read. Source: c2sp.org/tlog-witness. Pure."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from gateway.disclosure_log.merkle import HASH_LENGTH, MAX_SIZE
from gateway.disclosure_log.note import MAX_NOTE_BYTES, Note, decode_base64, parse_note
from gateway.disclosure_log.problem import BadCheckpoint, LogProblem

MAX_PROOF: Final = 63
MAX_BODY: Final = MAX_NOTE_BYTES + 4096  # the old size and 63 hashes take under 3 KiB
SIZE_TYPE: Final = "text/x.tlog.size"

_OLD = re.compile(r"old (0|[1-9][0-9]{0,19})")
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,19})\n")


class BadRequest(LogProblem):
    """The body is not in exactly the published form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """A checkpoint, and the proof that it grew from the size a witness knows."""

    old: int
    proof: tuple[bytes, ...]  # consistency, RFC 6962 section 2.1.2
    note: Note
    text: str  # the note verbatim


def render(old: int, proof: Sequence[bytes], note: str) -> str:
    """Return the body. Never fails."""
    hashes = "".join(base64.b64encode(one).decode() + "\n" for one in proof)
    return f"old {old}\n{hashes}\n{note}"


def parse(body: bytes) -> AddCheckpoint:
    """Take a body apart.

    Raises:
        BadRequest: malformed, or too-long.
    """
    if len(body) > MAX_BODY:
        raise BadRequest("too-long")
    try:
        head, gap, note = body.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise BadRequest("malformed") from None
    first, *lines = head.split("\n")
    old = _OLD.fullmatch(first)
    if not gap or old is None or int(old[1]) > MAX_SIZE or len(lines) > MAX_PROOF:
        raise BadRequest("malformed")
    try:
        parsed = parse_note(note)
    except BadCheckpoint:
        raise BadRequest("malformed") from None
    proof = tuple(_hash(line) for line in lines)
    return AddCheckpoint(old=int(old[1]), proof=proof, note=parsed, text=note)


def parse_size(body: bytes) -> int | None:
    """Return the size a witness answers a conflict with, or None if that is none."""
    found = _SIZE.fullmatch(body)
    return int(found[1]) if found and int(found[1]) <= MAX_SIZE else None


def origin_hash(origin: str) -> str:
    """Return what a witness serves the newest checkpoint of a log under: 64 hex digits."""
    return sha256(origin.encode()).hexdigest()


def _hash(line: str) -> bytes:
    found = decode_base64(line)
    if found is None or len(found) != HASH_LENGTH:
        raise BadRequest("malformed")
    return found
