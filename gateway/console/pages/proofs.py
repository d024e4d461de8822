"""An entry's proof, worked out anew step by step, from its exact bytes to a signed root.

Source: RFC 9162 section 2.1.3.2; c2sp.org/tlog-proof.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.disclosure_log import merkle, proof
from gateway.disclosure_log.checkpoint import BadCheckpoint, VerifierKey, parse_checkpoint
from gateway.disclosure_log.note import NoteVerifier, parse_note
from gateway.disclosure_log.problem import BadProof
from gateway.store.engine import Connection
from gateway.store.log_paths import paths_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One hash on the way to the root, hex."""

    number: int
    side: str  # where the sibling stands: "left" or "right"
    sibling: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signed the checkpoint."""

    name: str
    own: bool  # the log itself; else a witness
    known: bool  # its key is known here, so that its signature can be checked
    holds: bool  # its signature, checked now


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The proof of one entry, as the page shows it."""

    index: int
    size: int
    origin: str
    leaf: str
    steps: tuple[Step, ...]
    root: str  # that the steps lead to
    signed_root: str
    holds: bool
    witnessed: bool  # the checkpoint was signed by enough witnesses
    signers: tuple[Signer, ...]
    text: str  # tlog-proof


def prove(
    connection: Connection,
    index: int,
    body: bytes,
    verifiers: Sequence[VerifierKey],
    witnesses: Sequence[NoteVerifier] = (),
) -> Shown | None:
    """Return the proof of an entry under the newest witnessed checkpoint that covers it, else under
    the newest there is; None if none covers it. Reads only.

    Args:
        connection: Of the log.
        index: Of the entry.
        body: Its exact bytes.
        verifiers: Keys of the log.
        witnesses: Keys of those who co-sign it, where they are known.
    """
    with connection:  # one snapshot: a commit in between would part path and checkpoint
        found = _checkpoint(connection, index)
        if found is None:
            return None
        note, witnessed = found
        stated = parse_checkpoint(note)
        path = paths_of(connection).inclusion(index, stated.size)
    text = proof.render(index=index, path=path, checkpoint=note)
    leaf = merkle.leaf_hash(body)
    steps, root = _climb(index, stated.size, leaf, path)
    return Shown(
        index=index,
        size=stated.size,
        origin=stated.origin,
        leaf=leaf.hex(),
        steps=steps,
        root=root.hex(),
        signed_root=stated.root.hex(),
        holds=_holds(text, index, body, verifiers),
        witnessed=witnessed,
        signers=tuple(_signers(note, verifiers, witnesses)),
        text=text,
    )


def _checkpoint(connection: Connection, index: int) -> tuple[str, bool] | None:
    for table, witnessed in (("log_witnessed", True), ("log_checkpoint", False)):
        note = connection.execute(
            f"SELECT note FROM {table} WHERE size > ? ORDER BY size DESC LIMIT 1",  # noqa: S608 - a literal
            (index,),
        ).get
        if note is not None:
            return str(note), witnessed
    return None


def _climb(
    index: int, size: int, leaf: bytes, path: Sequence[bytes]
) -> tuple[tuple[Step, ...], bytes]:
    """Return each step of RFC 9162 2.1.3.2, and the root they lead to."""
    node, last, found = index, size - 1, leaf
    steps = []
    for number, sibling in enumerate(path, start=1):
        if node & 1 or node == last:
            found, side = merkle.node_hash(sibling, found), "left"
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found, side = merkle.node_hash(found, sibling), "right"
        node, last = node >> 1, last >> 1
        steps.append(Step(number=number, side=side, sibling=sibling.hex(), result=found.hex()))
    return tuple(steps), found


def _holds(text: str, index: int, body: bytes, verifiers: Sequence[VerifierKey]) -> bool:
    try:
        return proof.verify(text, entry=body, verifiers=verifiers).index == index
    except (BadProof, BadCheckpoint):
        return False


def _signers(
    note: str, verifiers: Sequence[VerifierKey], witnesses: Sequence[NoteVerifier]
) -> list[Signer]:
    parsed = parse_note(note)
    found = []
    for name, blob in parsed.signatures:
        keys: list[NoteVerifier] = [*verifiers, *witnesses]
        known = [one for one in keys if (one.name, one.id) == (name, blob[:4])]
        held = any(one.verifies(parsed.text.encode(), blob[4:]) for one in known)
        own = any(one in verifiers for one in known)
        found.append(Signer(name=name, own=own, known=bool(known), holds=held))
    return found
