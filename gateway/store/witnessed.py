"""Checkpoints that enough witnesses signed, and proofs against them."""

from datetime import datetime
from typing import Final

from gateway.disclosure_log import proof
from gateway.disclosure_log.checkpoint import parse_checkpoint
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.log_paths import paths_of
from gateway.store.log_tree import newest_checkpoint
from gateway.store.sqlite import StoreUnavailable
from gateway.store.times import milliseconds, moment

KEPT: Final = 1000  # the newest; what was published is also with those it was published to


def put(note: str, now: datetime, *, keep: int = KEPT) -> Unit[None]:
    """Return the unit that keeps a checkpoint with the signatures of enough witnesses.

    It writes no entry. An entry would make a checkpoint, which would want witnessing, whose entry
    would make another, for ever; and it would say nothing that the witnesses' own signatures do
    not prove better. That witnesses are missing, or refuse, is an incident.

    Args:
        note: Signed; that the quorum is met is for the caller to know.
        now: When it was.
        keep: So many are kept, the newest.
    """
    size = parse_checkpoint(note).size

    def unit(connection: Connection) -> Staged[None]:
        connection.execute(_PUT, (size, note, milliseconds(now)))
        connection.execute(_FORGET, (keep,))
        return Staged(None)

    return unit


_PUT: Final = (  # more witnesses may sign the same checkpoint later: when it was enough stands
    "INSERT INTO log_witnessed (size, note, witnessed_at) VALUES (?, ?, ?)"
    " ON CONFLICT (size) DO UPDATE SET note = excluded.note"
)
_FORGET: Final = (
    "DELETE FROM log_witnessed WHERE size <"
    " (SELECT min(size) FROM (SELECT size FROM log_witnessed ORDER BY size DESC LIMIT ?) AS kept)"
)


def newest(connection: Connection) -> tuple[int, str] | None:
    """Return the size and the note of the newest witnessed checkpoint, or None. Reads only."""
    row = connection.execute(
        "SELECT size, note FROM log_witnessed ORDER BY size DESC LIMIT 1"
    ).fetchone()
    return (int(row[0]), str(row[1])) if row else None


def witnessed_at(connection: Connection, size: int) -> datetime | None:
    """Return when a checkpoint of this size had enough witnesses, or None. Reads only."""
    row = connection.execute(
        "SELECT witnessed_at FROM log_witnessed WHERE size = ?", (size,)
    ).fetchone()
    return moment(row[0]) if row else None


def covering(connection: Connection, index: int) -> tuple[int, str] | None:
    """Return the newest witnessed checkpoint if it covers an entry, or None. Reads only."""
    found = newest(connection)
    return found if found is not None and index < found[0] else None


def prove(connection: Connection, index: int) -> str | None:
    """Return the tlog-proof of an entry against the newest witnessed checkpoint that covers it,
    else the newest checkpoint; None: there is no such entry. Reads only.

    Raises:
        StoreUnavailable: log-corrupt.
    """
    found = covering(connection, index) or newest_checkpoint(connection)
    if found is None or not 0 <= index < found[0]:
        return None
    size, note = found
    path = paths_of(connection).inclusion(index, size)
    return proof.render(index=index, path=path, checkpoint=note)


def better(connection: Connection, text: str) -> str:
    """Return the proof of the same entry against the newest witnessed checkpoint that covers it;
    the proof itself where there is none. Reads only. Never fails: a proof in hand still holds.

    Args:
        connection: To the database the proof is of.
        text: As its outbox row has it: against the checkpoint of its own commit.
    """
    found = newest(connection)
    if found is None:
        return text
    size, note = found
    try:
        index = proof.parse(text).index
        if index >= size:
            return text
        path = paths_of(connection).inclusion(index, size)
    except (proof.BadProof, StoreUnavailable):  # what is wrong with it, `log verify` says
        return text
    return proof.render(index=index, path=path, checkpoint=note)
