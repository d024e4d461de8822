"""Checking a whole log: nothing edited, deleted, reordered, truncated or signed twice.

1. Every entry is canonical JSON of a known operation, and hashes to its stored leaf.
2. Every stored tile is the tile those entries give.
3. Every checkpoint is signed, and its root is the root of those entries at its size.
4. Every checkpoint is proved a prefix of the next; every checkpoint someone kept fits too.
5. Every entry is covered by the last checkpoint.

What this cannot see alone: a log cut back to one of its own earlier checkpoints, or rewritten by
the holder of its key. For that, give it a checkpoint someone else kept.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from gateway.disclosure_log.canonical import canonical_json
from gateway.disclosure_log.checkpoint import (
    Checkpoint,
    VerifierKey,
    parse_checkpoint,
    verify_checkpoint,
)
from gateway.disclosure_log.entry import OPERATIONS
from gateway.disclosure_log.merkle import HASH_LENGTH, leaf_hash, verify_consistency
from gateway.disclosure_log.problem import BadCheckpoint, BadKey, BadProof
from gateway.disclosure_log.rebuild import Rebuild
from gateway.disclosure_log.sources import END, LogSource, StoredHashes
from gateway.disclosure_log.tree import TILE_HEIGHT, TILE_WIDTH
from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import read_object

MAX_PROBLEMS: Final = 100  # one early edit spoils every root after it; the first few tell

Progress = Callable[[int, int], None]  # (entries checked, entries the last checkpoint covers)

_PROGRESS_EVERY: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that does not add up."""

    code: str
    index: int | None  # first entry it concerns; None when it concerns the log's key


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """What the check found. `verdict` is "ok" only when there is no problem at all."""

    size: int  # entries read and covered by the last checkpoint reached
    checkpoints: int  # stored checkpoints that hold
    root: bytes  # rebuilt, at `size`
    verdict: Literal["ok", "bad"]
    problems: tuple[Fault, ...]  # in the order of the log; at most 100


def check_log(
    source: LogSource,
    *,
    verifier: VerifierKey | None,
    progress: Progress | None = None,
    held: Sequence[str] = (),
) -> LogReport:
    """Rebuild a log from its entries and hold everything else it stores against that.

    Args:
        source: The log; if it also has `StoredHashes`, those are checked too.
        verifier: The log's key as the auditor knows it. None takes the log's own word, and then
            nothing is shown about who wrote it.
        progress: Called now and then.
        held: Checkpoints kept by someone else, in any order: the log must have grown from each.

    Raises:
        CannotRead: the source fails; nothing is then said either way.

    Reads only. One pass over the entries, memory O(log size).
    """
    audit = _Audit(source, _last_size(source) if progress else 0, progress)
    audit.take_key(verifier)
    with suppress(_Enough):
        audit.run(sorted(audit.keepsakes(held), key=lambda kept: kept.size))
    return audit.report()


class _Enough(Exception):
    """Nothing that follows could be told from what is already wrong."""


class _Audit:
    """One check under way."""

    def __init__(self, source: LogSource, total: int, progress: Progress | None) -> None:
        self._source = source
        self._stored = source if isinstance(source, StoredHashes) else None
        self._total, self._progress = total, progress
        self._entries = source.entries(0, END)
        self._leaves: Iterator[bytes] = (
            self._stored.leaf_hashes(0, END) if self._stored else iter(())
        )
        self._tree = Rebuild(self._see_tile)
        self._key: VerifierKey | None = None
        self._last: Checkpoint | None = None  # the stored checkpoint before this one
        self._sound_size = 0  # up to here, signed roots and entries agree
        self._kept_size = 0  # up to here, entries and kept roots agree
        self._good = 0
        self._problems: list[Fault] = []

    def take_key(self, verifier: VerifierKey | None) -> None:
        """Settle whose signatures count."""
        self._key = verifier
        try:
            claimed = self._source.origin_key()
            stated = VerifierKey.parse(claimed) if claimed is not None else None
        except BadKey:
            self._fault("key-malformed", None)
            return
        if verifier is None:
            self._key = stated
        if self._key is None:
            self._fault("key-missing", None)
        elif stated is not None and stated != self._key:
            self._fault("key-not-the-one-given", None)

    def keepsakes(self, held: Sequence[str]) -> Iterator[Checkpoint]:
        """Yield the kept checkpoints that the log's key signed."""
        for note in held:
            kept = self._open(note, "held-checkpoint")
            if kept is not None:
                yield kept

    def run(self, held: Sequence[Checkpoint]) -> None:
        """Walk the stored checkpoints upward, and the kept ones between them."""
        waiting = list(held)
        for note in self._source.checkpoints():
            before = len(self._problems)
            checkpoint = self._open(note, "checkpoint")
            if checkpoint is None:
                continue
            signed = len(self._problems) == before
            if self._last is not None and checkpoint.size <= self._last.size:
                self._fault("checkpoint-order", checkpoint.size)
                continue
            self._tree.mark(checkpoint.size)
            while waiting and waiting[0].size < checkpoint.size:
                self._meet_kept(waiting.pop(0))
            self._meet(checkpoint, signed=signed)
        if self._last is None:
            self._fault("checkpoint-missing", 0)
        for kept in waiting:
            self._meet_kept(kept)
        if next(self._entries, None) is not None:
            self._fault("entry-unsigned", self._tree.size)

    def report(self) -> LogReport:
        """Return what was found so far."""
        return LogReport(
            size=self._tree.size,
            checkpoints=self._good,
            root=self._tree.root(),
            verdict="bad" if self._problems else "ok",
            problems=tuple(self._problems),
        )

    def _meet(self, checkpoint: Checkpoint, *, signed: bool) -> None:
        """Grow to a stored checkpoint's size; check its root, and that the last is its prefix."""
        last, before = self._last, len(self._problems)
        self._last = checkpoint
        self._grow(checkpoint.size, missing="entry-missing")
        if self._tree.root() != checkpoint.root:
            self._fault("root-mismatch", self._sound_size)
        else:
            self._sound_size = checkpoint.size
        if last is not None and last.size:
            self._prove(last, checkpoint)
        self._good += signed and len(self._problems) == before

    def _prove(self, last: Checkpoint, checkpoint: Checkpoint) -> None:
        try:
            verify_consistency(
                size1=last.size,
                size2=checkpoint.size,
                root1=last.root,
                root2=checkpoint.root,
                path=self._tree.path_from_mark(),
            )
        except BadProof:
            self._fault("checkpoints-inconsistent", last.size)

    def _meet_kept(self, kept: Checkpoint) -> None:
        """Check a kept checkpoint against the entries at its size, passed on the way or beyond."""
        self._grow(kept.size, missing="rolled-back")
        if self._tree.root() != kept.root:
            self._fault("held-checkpoint-root-mismatch", self._kept_size)
        else:
            self._kept_size = kept.size

    def _grow(self, size: int, *, missing: str) -> None:
        while self._tree.size < size:
            entry = next(self._entries, None)
            if entry is None:
                self._fault(missing, self._tree.size)
                raise _Enough
            self._take(entry)

    def _take(self, entry: bytes) -> None:
        index = self._tree.size
        found = leaf_hash(entry)
        if self._stored is not None and next(self._leaves, None) != found:
            self._fault("leaf-mismatch", index)
        flaw = entry_flaw(entry)
        if flaw is not None:
            self._fault(flaw, index)
        self._tree.append(found)
        if self._progress is not None and index % _PROGRESS_EVERY == 0:
            self._progress(index, self._total)

    def _see_tile(self, level: int, index: int, hashes: bytes) -> None:
        if self._stored is None:
            return
        stored = self._stored.tile(level, index)
        if stored == hashes:
            return
        offset = 0 if stored is None else _first_difference(stored, hashes)
        first = (index * TILE_WIDTH + offset) << TILE_HEIGHT * level
        self._fault("tile-missing" if stored is None else "tile-mismatch", first)

    def _open(self, note: str, what: str) -> Checkpoint | None:
        """Return the checkpoint of a note, even a wrongly signed one if it can be read at all."""
        try:
            if self._key is None:
                return parse_checkpoint(note)
            return verify_checkpoint(note, [self._key])
        except BadCheckpoint as error:
            code = error.code
        try:
            checkpoint = parse_checkpoint(note)
        except BadCheckpoint:
            self._fault(f"{what}-{code}", self._tree.size)
            return None
        self._fault(f"{what}-{code}", checkpoint.size)
        return checkpoint if what == "checkpoint" else None

    def _fault(self, code: str, index: int | None) -> None:
        self._problems.append(Fault(code=code, index=index))
        if len(self._problems) >= MAX_PROBLEMS:
            raise _Enough


def entry_flaw(entry: bytes) -> str | None:
    """Return the code of what is wrong with an entry's form, or None. Pure; never raises."""
    try:
        value = read_object(entry)
    except MalformedEvent:
        return "entry-not-json"
    if canonical_json(value) != entry:  # whatever `read_object` gives has a canonical form
        return "entry-not-canonical"
    if type(value.get("v")) is not int or value["v"] != 1 or not isinstance(value.get("at"), str):
        return "entry-version"
    op = value.get("op")
    return None if isinstance(op, str) and op in OPERATIONS else "entry-operation"


def _first_difference(stored: bytes, rebuilt: bytes) -> int:
    """Return the position of the first hash of 32 bytes in which two tiles differ."""
    for place in range(0, len(rebuilt), HASH_LENGTH):
        if stored[place : place + HASH_LENGTH] != rebuilt[place : place + HASH_LENGTH]:
            return place // HASH_LENGTH
    return 0  # the stored tile is longer than a tile


def _last_size(source: LogSource) -> int:
    size = 0
    for note in source.checkpoints():
        try:
            size = parse_checkpoint(note).size
        except BadCheckpoint:
            continue
    return size
