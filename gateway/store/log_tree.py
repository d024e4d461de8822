"""The tree as the database holds it: full tiles, leaf hashes, one head."""

from collections.abc import Sequence

from gateway.disclosure_log.checkpoint import BadCheckpoint, VerifierKey, verify_checkpoint
from gateway.disclosure_log.merkle import EMPTY_ROOT
from gateway.disclosure_log.tree import LogCorrupt, Tree
from gateway.store.engine import Connection
from gateway.store.sqlite import StoreUnavailable


def restore_tree(connection: Connection) -> Tree:
    """Return the committed tree; its tiles are read through the connection as they are needed.

    Raises:
        StoreUnavailable: log-corrupt: what is stored does not give the stored root.
    """
    size, root = connection.execute("SELECT size, root FROM log_head").fetchone() or (0, EMPTY_ROOT)

    def load_tile(level: int, index: int) -> bytes:
        row = connection.execute(
            "SELECT hashes FROM log_tile WHERE level = ? AND idx = ?", (level, index)
        ).fetchone()
        if row is None:
            raise StoreUnavailable("log-corrupt", f"tile {level}/{index} of the log is missing")
        return bytes(row[0])

    def load_leaf_hashes(start: int, end: int) -> Sequence[bytes]:
        rows = connection.execute(
            "SELECT leaf FROM log_entry WHERE idx >= ? AND idx < ? ORDER BY idx", (start, end)
        )
        return [leaf for (leaf,) in rows]

    try:
        tree = Tree.restore(size, load_tile, load_leaf_hashes)
        adds_up = tree.root() == root
    except LogCorrupt as error:
        raise StoreUnavailable("log-corrupt", _CORRUPT) from error
    if not adds_up:
        raise StoreUnavailable("log-corrupt", _CORRUPT)
    return tree


def newest_checkpoint(connection: Connection) -> tuple[int, str] | None:
    """Return the newest signed checkpoint with its size; None before the first. Reads only."""
    row = connection.execute(
        "SELECT size, note FROM log_checkpoint ORDER BY size DESC LIMIT 1"
    ).fetchone()
    return (int(row[0]), str(row[1])) if row else None


def check_head(connection: Connection, verifiers: Sequence[VerifierKey]) -> None:
    """Check that the newest checkpoint is one of these keys' and states the head: what was signed
    stands.

    Raises:
        StoreUnavailable: wrong-log-key, or log-corrupt.
    """
    size, root, note = connection.execute(_NEWEST).get
    if size is None and note is None:
        return
    try:
        newest = verify_checkpoint(note or "", verifiers)
    except BadCheckpoint as error:
        raise StoreUnavailable("wrong-log-key", "the log is signed by another key") from error
    if (newest.size, newest.root) != (size, root):
        raise StoreUnavailable("log-corrupt", _CORRUPT)


_CORRUPT = "the stored log does not give its stored root"
_NEWEST = (  # one statement: one moment, whatever other workers commit meanwhile
    "SELECT (SELECT size FROM log_head), (SELECT root FROM log_head),"
    " (SELECT note FROM log_checkpoint ORDER BY size DESC LIMIT 1)"
)
