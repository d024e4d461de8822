"""The proof that travels with an alert: index, path and signed checkpoint, checkable offline.

Source: c2sp.org/tlog-proof. Pure.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.disclosure_log import merkle
from gateway.disclosure_log.checkpoint import Checkpoint, verify_checkpoint
from gateway.disclosure_log.note import MAX_NOTE_BYTES, NoteVerifier, decode_base64
from gateway.disclosure_log.problem import BadCheckpoint, BadProof
from gateway.disclosure_log.trust_policy import TrustPolicy

__all__ = ["BadCheckpoint", "BadProof", "Proof", "parse", "render", "verify"]

_HEADER: Final = "c2sp.org/tlog-proof@v1"
_MAX_PATH: Final = 64  # a tree of 2**64 leaves
_MAX_HEAD: Final = 64 * 1024  # header, extra line and path; ours need under 4 KiB
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,19})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """An inclusion proof as written down. Proves nothing until `verify` returned it."""

    index: int
    path: tuple[bytes, ...]  # from the leaf's sibling to the root's child
    checkpoint: str  # the signed note, verbatim
    extra: bytes | None = None  # never authenticated; we write none


def render(*, index: int, path: Sequence[bytes], checkpoint: str) -> str:
    """Return the proof text. The checkpoint goes in verbatim; nothing is checked. Never fails."""
    hashes = "".join(base64.b64encode(one).decode() + "\n" for one in path)
    return f"{_HEADER}\nindex {index}\n{hashes}\n{checkpoint}"


def parse(text: str) -> Proof:
    """Take a proof text apart.

    Raises:
        BadProof: malformed or too-long. The checkpoint inside is not looked at.
    """
    if len(text) > _MAX_HEAD + MAX_NOTE_BYTES:
        raise BadProof("too-long")
    head, gap, checkpoint = text.partition("\n\n")
    header, *lines = head.split("\n")
    if not gap or header != _HEADER:
        raise BadProof("malformed")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = _decode(lines.pop(0).removeprefix("extra "))
    found = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if found is None:
        raise BadProof("malformed")
    if len(lines) > _MAX_PATH:
        raise BadProof("path-length")
    path = tuple(_decode(line) for line in lines)
    return Proof(index=int(found[1]), path=path, checkpoint=checkpoint, extra=extra)


def verify(
    text: str,
    *,
    entry: bytes,
    verifiers: Sequence[NoteVerifier],
    policy: TrustPolicy | None = None,
) -> Proof:
    """Check that this very entry is in a log a known key signed for, at the proof's index.

    Args:
        text: The proof, as `render` gives it.
        entry: The entry's exact bytes, at most 65535.
        verifiers: As for `verify_checkpoint`; without one, here or in the policy, nothing holds.
        policy: Whose witnesses must have cosigned too, and whose logs are known besides.

    Raises:
        BadProof: malformed, or the path does not lead from the entry to the signed root.
        BadCheckpoint: the checkpoint is malformed or not signed by a known key of its log; or
            no-quorum: not cosigned by enough of the policy's witnesses.

    Source: c2sp.org/tlog-proof "Verifying a tlog proof".
    """
    proof = parse(text)
    logs = (*verifiers, *(log.key for log in policy.logs)) if policy else verifiers
    signed: Checkpoint = verify_checkpoint(proof.checkpoint, logs)
    if policy is not None and not policy.satisfied(proof.checkpoint, log_keys=verifiers):
        raise BadCheckpoint("no-quorum")
    merkle.verify_inclusion(
        index=proof.index,
        size=signed.size,
        leaf=merkle.leaf_hash(entry),
        path=proof.path,
        root=signed.root,
    )
    return proof


def _decode(text: str) -> bytes:
    found = decode_base64(text)
    if found is None:
        raise BadProof("malformed")
    return found
