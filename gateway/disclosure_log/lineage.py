"""Who may sign a log at which size: its keys as they come and go, its origin after a gap. Pure.

1. A key that an entry says was added counts once a checkpoint over that entry is signed by a key
   that counts already. One that was retired signs nothing larger alone.
2. The origin changes at a gap and nowhere else: to a later epoch, right after the last checkpoint
   under the one before.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.disclosure_log.checkpoint import Checkpoint, VerifierKey, epoch_of, parse_checkpoint
from gateway.disclosure_log.note import open_note
from gateway.disclosure_log.problem import BadCheckpoint, BadKey
from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import JsonObject, read_object

_TOLD: Final = (b'"op":"gap"', b'"op":"log-key"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Where a log was restored from before what was published of it, and went on."""

    index: int  # of the entry that says so
    size: int  # entries it had then
    known_size: int  # entries that had been published: what lies between is lost
    known_root: bytes | None  # None: only the size was known
    origin: str  # under which it went on


class Lineage:
    """What is known of a log's keys and origin, as far as its entries have been read."""

    def __init__(self, trusted: Sequence[VerifierKey]) -> None:
        self.gaps: list[Gap] = []
        self._name = min((key.name for key in trusted), key=len, default="")
        self._trusted = [key.public for key in trusted]
        self._added: list[tuple[int, bytes]] = []  # not yet vouched for
        self._retired: dict[bytes, int] = {}
        self._origin: str | None = None

    def open(self, note: str) -> tuple[Checkpoint, list[bytes], str | None]:
        """Return a note's checkpoint, the public keys that signed it, and what is wrong, if
        anything is.

        Raises:
            BadCheckpoint: it cannot be read at all.
        """
        found = parse_checkpoint(note)
        if epoch_of(found.origin, self._name) is not None and not self.gaps:
            self._name = found.origin  # the keys given are of a later epoch
        known = epoch_of(self._name, found.origin) is not None
        keys = [
            VerifierKey(name=found.origin if known else self._name, public=one)
            for one in self._trusted
        ]
        try:
            _text, signers = open_note(note, keys)
        except BadCheckpoint as error:
            return found, [], error.code
        if not known:
            return found, [], "origin-mismatch"
        return found, [key.public for key in signers], None

    def see(self, index: int, entry: bytes) -> str | None:
        """Take in an entry, and return what is wrong with what it says of the log."""
        if index and not any(one in entry for one in _TOLD):
            return None
        try:
            value = read_object(entry)
        except MalformedEvent:
            return None  # it is no entry, which is said elsewhere
        if value.get("op") == "genesis" and not index and isinstance(value.get("origin"), str):
            self._origin = str(value["origin"])
        if value.get("op") == "gap":
            return self._see_gap(index, value)
        return self._see_key(index, value) if value.get("op") == "log-key" else None

    def flaw(self, checkpoint: Checkpoint, signers: Sequence[bytes]) -> str | None:
        """Return what is wrong with who signed a checkpoint all of whose entries were seen."""
        if self._origin is None:
            self._origin = checkpoint.origin
        if checkpoint.origin != self._origin:
            return "origin"
        alive = [
            one for one in signers if self._retired.get(one, checkpoint.size) >= checkpoint.size
        ]
        return None if alive or not signers else "retired-key"

    def vouch(self, checkpoint: Checkpoint, signers: Sequence[bytes]) -> None:
        """Trust the keys that entries under a sound checkpoint say were added."""
        if signers:
            ripe = [key for index, key in self._added if index < checkpoint.size]
            self._trusted += [key for key in ripe if key not in self._trusted]
            self._added = [one for one in self._added if one[0] >= checkpoint.size]

    def trusts(self, key: VerifierKey) -> bool:
        """Return whether a key is one of this log's."""
        return key.public in self._trusted

    def lost(self, kept: Checkpoint) -> tuple[str, int] | None:
        """Return how a checkpoint somebody kept fell into a gap, and the first entry lost; None:
        it did not."""
        for gap in self.gaps:
            before = (epoch_of(self._name, kept.origin) or 0) < (
                epoch_of(self._name, gap.origin) or 0
            )
            if before and kept.size > gap.size:
                same = kept.size == gap.known_size
                wrong = same and gap.known_root is not None and gap.known_root != kept.root
                told = kept.size <= gap.known_size and not wrong
                return ("lost" if told else "gap-misstated"), gap.size
        return None

    def _see_gap(self, index: int, value: JsonObject) -> str | None:
        origin, size, known = value.get("origin"), value.get("size"), value.get("known_size")
        if not isinstance(origin, str) or type(size) is not int or type(known) is not int:
            return "gap-malformed"
        before = epoch_of(self._name, self._origin or self._name) or 1
        if (epoch_of(self._name, origin) or 0) <= before or size > index:
            return "gap-origin"
        root = _bytes(value.get("known_root"))
        self._origin = origin
        self.gaps.append(
            Gap(
                index=index,
                size=size,
                known_size=known,
                known_root=root if root is not None and any(root) else None,
                origin=origin,
            )
        )
        return None

    def _see_key(self, index: int, value: JsonObject) -> str | None:
        try:
            key = VerifierKey.parse(str(value.get("verifier")))
        except BadKey:
            return "log-key-malformed"
        if value.get("action") == "added":
            self._added.append((index, key.public))
            self._retired.pop(key.public, None)
        else:
            self._retired[key.public] = index
        return None


def _bytes(value: object) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except binascii.Error:
        return None
