"""Checking a whole log: nothing edited, deleted, reordered, truncated or signed twice.

1. Every entry is canonical JSON of a known operation, and hashes to its stored leaf.
2. Every stored tile is the tile those entries give.
3. Every checkpoint is signed by a key of the log's, under the origin it then had, and its root is
   the root of those entries at its size.
4. Every checkpoint is proved a prefix of the next; every checkpoint someone kept fits too.
5. Every entry is covered by the last checkpoint.
6. Keys come and go, and the origin changes at a gap, only as entries say: see `lineage`.

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
    parse_keys,
)
from gateway.disclosure_log.entry import OPERATIONS
from gateway.disclosure_log.lineage import Gap, Lineage
from gateway.disclosure_log.merkle import HASH_LENGTH, leaf_hash, verify_consistency
from gateway.disclosure_log.problem import BadCheckpoint, BadKey, BadProof
from gateway.disclosure_log.rebuild import Rebuild
from gateway.disclosure_log.sources import END, LogSource, ShownEdge, StoredHashes
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
    gaps: tuple[Gap, ...] = ()  # where something published was lost, and acknowledged

    @property
    def lost(self) -> int:
        """How many published entries were lost, as the log itself acknowledges."""
        return sum(max(0, gap.known_size - gap.size) for gap in self.gaps)


def check_log(
    source: LogSource,
    *,
    verifier: VerifierKey | Sequence[VerifierKey] | None,
    progress: Progress | None = None,
    held: Sequence[str] = (),
) -> LogReport:
    """Rebuild a log from its entries and hold everything else it stores against that.

    Args:
        source: The log; if it also has `StoredHashes`, those are checked too.
        verifier: The log's keys as the auditor knows them: any it ever had will do, if it is the
            one at the start. None takes the log's own word, and then nothing is shown about who
            wrote it.
        progress: Called now and then.
        held: Checkpoints kept by someone else, in any order: the log must have grown from each.

    Raises:
        CannotRead: the source fails; nothing is then said either way.

    Reads only. One pass over the entries, memory O(log size).
    """
    audit = _Audit(source, _last_size(source) if progress else 0, progress)
    audit.take_keys([verifier] if isinstance(verifier, VerifierKey) else verifier)
    with suppress(_Enough):
        audit.run(sorted(audit.keepsakes(held), key=lambda kept: kept[0].size))
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
        self._lineage = Lineage(())
        self._stated: Sequence[VerifierKey] = ()
        self._last: Checkpoint | None = None  # the stored checkpoint before this one
        self._sound_size = 0  # up to here, signed roots and entries agree
        self._kept_size = 0  # up to here, entries and kept roots agree
        self._good = 0
        self._problems: list[Fault] = []

    def take_keys(self, given: Sequence[VerifierKey] | None) -> None:
        """Settle whose signatures count."""
        try:
            claimed = self._source.origin_key()
            self._stated = parse_keys(claimed) if claimed is not None else ()
        except BadKey:
            self._fault("key-malformed", None)
        self._lineage = Lineage(given if given is not None else self._stated)
        if not given and not self._stated:
            self._fault("key-missing", None)
        elif given and self._stated and not any(map(self._lineage.trusts, self._stated)):
            self._fault("key-not-the-one-given", None)

    def keepsakes(self, held: Sequence[str]) -> Iterator[tuple[Checkpoint, str]]:
        """Yield the kept checkpoints that can be read, each with its note."""
        for note in held:
            try:
                yield parse_checkpoint(note), note
            except BadCheckpoint as error:
                self._fault(f"held-checkpoint-{error.code}", 0)

    def run(self, held: Sequence[tuple[Checkpoint, str]]) -> None:
        """Walk the stored checkpoints upward, and the kept ones between them."""
        waiting = list(held)
        for note in self._source.checkpoints():
            opened = self._open(note, "checkpoint")
            if opened is None:
                continue
            checkpoint, signers = opened
            if self._last is not None and checkpoint.size <= self._last.size:
                self._fault("checkpoint-order", checkpoint.size)
                continue
            self._tree.mark(checkpoint.size)
            while waiting and waiting[0][0].size < checkpoint.size:
                self._meet_kept(*waiting.pop(0))
            self._meet(checkpoint, signers)
        if self._last is None:
            self._fault("checkpoint-missing", 0)
        for kept, note in waiting:
            self._meet_kept(kept, note)
        if next(self._entries, None) is not None:
            self._fault("entry-unsigned", self._tree.size)
        self._see_edges()
        if not all(map(self._lineage.trusts, self._stated)):
            self._fault("key-not-logged", None)

    def report(self) -> LogReport:
        """Return what was found so far."""
        return LogReport(
            size=self._tree.size,
            checkpoints=self._good,
            root=self._tree.root(),
            verdict="bad" if self._problems else "ok",
            problems=tuple(self._problems),
            gaps=tuple(self._lineage.gaps),
        )

    def _meet(self, checkpoint: Checkpoint, signers: Sequence[bytes]) -> None:
        """Grow to a stored checkpoint's size; check who signed it, its root, and that the last is
        its prefix."""
        last, before, gaps = self._last, len(self._problems), len(self._lineage.gaps)
        self._last = checkpoint
        self._grow(checkpoint.size, missing="entry-missing")
        for gap in self._lineage.gaps[gaps:]:
            if gap.size != (last.size if last is not None else 0):
                self._fault("gap-size", gap.index)
        flaw = self._lineage.flaw(checkpoint, signers)
        if flaw is not None:
            self._fault(f"checkpoint-{flaw}", checkpoint.size)
        if self._tree.root() != checkpoint.root:
            self._fault("root-mismatch", self._sound_size)
        else:
            self._sound_size = checkpoint.size
            if flaw is None:
                self._lineage.vouch(checkpoint, signers)
        if last is not None and last.size:
            self._prove(last, checkpoint)
        self._good += bool(signers) and len(self._problems) == before

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

    def _meet_kept(self, kept: Checkpoint, note: str) -> None:
        """Check a kept checkpoint that the log's key signed against the entries at its size,
        passed on the way or beyond."""
        opened = self._open(note, "held-checkpoint")
        if opened is None or not opened[1]:
            return
        lost = self._lineage.lost(kept)
        if lost is not None:
            self._fault(f"held-checkpoint-{lost[0]}", lost[1])
            return
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
        for one in (flaw, self._lineage.see(index, entry)):
            if one is not None:
                self._fault(one, index)
        self._tree.append(found)
        if self._progress is not None and index % _PROGRESS_EVERY == 0:
            self._progress(index, self._total)

    def _see_tile(self, level: int, index: int, hashes: bytes) -> None:
        if self._stored is not None:
            self._hold_against(level, index, hashes, self._stored.tile(level, index))

    def _see_edges(self) -> None:
        if not isinstance(self._source, ShownEdge):
            return
        for level, index, hashes in self._tree.edges():
            shown = self._source.edge(level, index, len(hashes) // HASH_LENGTH)
            self._hold_against(level, index, hashes, shown)

    def _hold_against(self, level: int, index: int, hashes: bytes, stored: bytes | None) -> None:
        if stored == hashes:
            return
        offset = 0 if stored is None else _first_difference(stored, hashes)
        first = (index * TILE_WIDTH + offset) << TILE_HEIGHT * level
        self._fault("tile-missing" if stored is None else "tile-mismatch", first)

    def _open(self, note: str, what: str) -> tuple[Checkpoint, Sequence[bytes]] | None:
        """Return the checkpoint of a note and the keys that signed it: none where it is wrongly
        signed. None: it cannot be read at all."""
        try:
            checkpoint, signers, flaw = self._lineage.open(note)
        except BadCheckpoint as error:
            self._fault(f"{what}-{error.code}", self._tree.size)
            return None
        if flaw is not None:
            self._fault(f"{what}-{flaw}", checkpoint.size)
        return checkpoint, signers

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
