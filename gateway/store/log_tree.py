"""The tree as the database holds it: full tiles, leaf hashes, one head."""

from collections.abc import Sequence

import apsw

from gateway.disclosure_log.tree import Tree
from gateway.store.sqlite import StoreUnavailable


def restore_tree(connection: apsw.Connection) -> Tree:
    """Return the committed tree; its tiles are read through the connection as they are needed."""
    head = connection.execute("SELECT size FROM log_head").fetchone()

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

    return Tree.restore(head[0] if head else 0, load_tile, load_leaf_hashes)
