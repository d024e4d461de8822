"""An answer as evidence: CSV, PDF, and a ZIP that anybody can check without trusting the gateway.

Every form is made from the same `Answer`, and from the entries it rests on with their proofs.
The same pack gives the same bytes.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.audit.answer import Answer, Cell
from gateway.disclosure_log import proof
from gateway.disclosure_log.checkpoint import VerifierKey, parse_checkpoint
from gateway.disclosure_log.merkle import leaf_hash
from gateway.disclosure_log.problem import BadCheckpoint, BadProof
from gateway.disclosure_log.tree import Tree
from gateway.store import witnessed
from gateway.store.engine import Connection
from gateway.store.log_tree import newest_checkpoint, restore_tree

MAX_PROVEN: Final = 1000  # entries of one pack that are proved

# What a spreadsheet may take for a formula, its full-width forms, and the mark of a guarded cell.
_DANGEROUS: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20'")


class NoPdf(Exception):
    """PDFs cannot be made here. The text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """One signed checkpoint that proofs of a pack lead to."""

    size: int
    note: str
    witnessed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """One entry with its proof."""

    index: int
    entry: bytes  # as it was hashed
    proof: str  # tlog-proof text
    holds: bool  # checked against the log's keys when the pack was made

    @property
    def leaf(self) -> str:
        """Its leaf hash, hex."""
        return leaf_hash(self.entry).hex()

    @property
    def name(self) -> str:
        """What its files are called: the index, ten digits."""
        return f"{self.index:010d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """An answer and what proves it."""

    answer: Answer
    proven: tuple[Proven, ...]  # ascending by index
    checkpoints: tuple[Noted, ...]  # ascending by size
    keys: tuple[str, ...]  # vkeys of the log
    witnesses: tuple[str, ...]  # vkeys of those who co-sign it
    left_out: int  # entries the answer rests on beyond `MAX_PROVEN`: not proved here
    made_at: datetime

    @property
    def broken(self) -> tuple[int, ...]:
        """Entries whose proof does not hold: the log is not whole."""
        return tuple(one.index for one in self.proven if not one.holds)


def as_csv(answer: Answer) -> bytes:
    """Return the rows as RFC 4180 CSV: UTF-8 without a byte order mark, columns by name.

    Text that a spreadsheet might take for a formula, or that begins with an apostrophe, is given
    one apostrophe in front; nothing else changes, so that taking it away gives the text back.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([_guarded(column.name) for column in answer.columns])
    writer.writerows([_cell(cell) for cell in row] for row in answer.rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def shown(cell: Cell) -> str:
    """Return a cell as people read it."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return "" if cell is None else str(cell)


def pack_of(
    answer: Answer,
    connection: Connection,
    verifiers: Sequence[VerifierKey],
    *,
    now: datetime,
    witnesses: Iterable[str] = (),
) -> Pack:
    """Gather the entries an answer rests on and prove each. Reads only.

    An entry is proved against the newest checkpoint that witnesses signed, if it covers it; else
    against the newest there is.

    Args:
        answer: At most `MAX_PROVEN` of its entries are proved, the earliest first.
        connection: Of the log.
        verifiers: Keys of the log, to check each proof with.
        now: When the pack is made.
        witnesses: vkeys of the witnesses, for whoever checks.

    Raises:
        StoreUnavailable: log-corrupt.
    """
    with connection:  # one snapshot: a commit in between would part path and checkpoint
        tree = restore_tree(connection)
        notes = _checkpoints(connection) if answer.checkpoint else ()
        wanted = answer.entries[:MAX_PROVEN]
        proven = tuple(
            _proven(connection, tree, index, _covering(notes, index), verifiers)
            for index in wanted
            if notes and index < notes[-1].size
        )
    return Pack(
        answer=answer,
        proven=proven,
        checkpoints=_with_own(notes, answer),
        keys=tuple(str(one) for one in verifiers),
        witnesses=tuple(witnesses),
        left_out=len(answer.entries) - len(proven),
        made_at=now,
    )


def as_pdf(pack: Pack) -> bytes:
    """Return the pack as a tagged PDF (PDF/UA-1). Takes seconds: not on an event loop.

    Raises:
        NoPdf: what makes PDFs is not installed.
    """
    from gateway.audit.pack_pdf import render  # half a second and a system library to import

    return render(pack)


def as_zip(pack: Pack, *, pdf: bytes | None = None) -> bytes:
    """Return the pack as a ZIP: CSV, entries, proofs, checkpoints, keys, instructions, and the PDF
    if one is given."""
    from gateway.audit.pack_zip import render

    return render(pack, pdf=pdf)


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def _cell(cell: Cell) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if cell is None or isinstance(cell, int):
        return "" if cell is None else str(cell)
    return _guarded(cell)


def _checkpoints(connection: Connection) -> tuple[Noted, ...]:
    """Return the newest witnessed checkpoint and the newest of all, ascending."""
    found = [(newest_checkpoint(connection), False), (witnessed.newest(connection), True)]
    notes = {one[0]: Noted(size=one[0], note=one[1], witnessed=by) for one, by in found if one}
    return tuple(notes[size] for size in sorted(notes))


def _covering(notes: Sequence[Noted], index: int) -> Noted:
    covering = [one for one in notes if index < one.size]
    return next((one for one in covering if one.witnessed), covering[-1])


def _proven(
    connection: Connection,
    tree: Tree,
    index: int,
    under: Noted,
    verifiers: Sequence[VerifierKey],
) -> Proven:
    row = connection.execute("SELECT body FROM log_entry WHERE idx = ?", (index,)).fetchone()
    body = bytes(row[0]) if row else b""
    path = tree.inclusion_path(index, under.size)
    text = proof.render(index=index, path=path, checkpoint=under.note)
    try:
        holds = (
            row is not None and proof.verify(text, entry=body, verifiers=verifiers).index == index
        )
    except (BadProof, BadCheckpoint):
        holds = False
    return Proven(index=index, entry=body, proof=text, holds=holds)


def _with_own(notes: Sequence[Noted], answer: Answer) -> tuple[Noted, ...]:
    """Return the checkpoints, with the one the answer was given under; none where it rests on
    no log."""
    try:
        size = parse_checkpoint(answer.checkpoint).size
    except BadCheckpoint:
        return tuple(notes)
    own = Noted(size=size, note=answer.checkpoint, witnessed=False)
    by_size = {own.size: own} | {one.size: one for one in notes}
    return tuple(by_size[size] for size in sorted(by_size))
