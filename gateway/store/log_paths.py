"""Proofs about the committed log at any size it ever had, read from its tiles as they are needed.

What a full subtree hashes to never changes, so what was once worked out is kept. Reads only.
"""

from collections import OrderedDict
from typing import Final
from weakref import WeakKeyDictionary, ref

from gateway.disclosure_log import merkle
from gateway.disclosure_log.merkle import EMPTY_ROOT, HASH_LENGTH, node_hash, root_of
from gateway.disclosure_log.tree import TILE_HEIGHT, TILE_WIDTH
from gateway.store.engine import Connection, Rows
from gateway.store.sqlite import StoreUnavailable

_TILES_KEPT: Final = 32  # with their inner rows about 40 KB each
_ROOTS_KEPT: Final = 8192  # of full tiles, 32 bytes each

_Rows = list[list[bytes]]  # a full tile's own hashes, then each row of nodes above them


class LogPaths:
    """Inclusion and consistency paths of one database, over one connection."""

    def __init__(self, connection: Connection) -> None:
        # Weakly: what is kept for a connection must not keep it from being let go.
        self._connection = ref(connection)
        self._tiles: OrderedDict[tuple[int, int], _Rows] = OrderedDict()
        self._roots: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the path of an entry in the log as it was at a size.

        Raises:
            ValueError: unless 0 <= index < size.
            StoreUnavailable: log-corrupt: the log is not that large, or a part is missing.
        """
        return merkle.inclusion_path(index, size, self._read)

    def consistency(self, size1: int, size2: int) -> list[bytes]:
        """Return the proof that the log at one size is a prefix of the log at another.

        Raises:
            ValueError: unless 1 <= size1 <= size2.
            StoreUnavailable: as `inclusion`.
        """
        return merkle.consistency_path(size1, size2, self._read)

    def root(self, size: int) -> bytes:
        """Return the root of the log as it was at a size.

        Raises:
            StoreUnavailable: as `inclusion`.
        """
        return merkle.range_hash(0, size, self._read) if size else EMPTY_ROOT

    def _rows(self, statement: str, bindings: tuple[int, int]) -> Rows:
        connection = self._connection()
        if connection is None:
            raise StoreUnavailable("closed", "the connection of these proofs was let go")
        return connection.execute(statement, bindings)

    def _read(self, level: int, index: int) -> bytes:
        """Return the hash of a full subtree."""
        tile_level, row = divmod(level, TILE_HEIGHT)
        tile = self._full_tile(tile_level, index >> (TILE_HEIGHT - row))
        if tile is not None:
            return tile[row][index & ((TILE_WIDTH >> row) - 1)]
        return root_of(self._hashes(tile_level, index << row, 1 << row))

    def _hashes(self, level: int, first: int, count: int) -> list[bytes]:
        """Return hashes of a tile that is not full yet."""
        if level == 0:
            rows = self._rows(_LEAVES, (first, first + count))
            leaves = [bytes(leaf) for (leaf,) in rows]
            if len(leaves) != count:
                raise _corrupt()
            return leaves
        return [self._root(level - 1, index) for index in range(first, first + count)]

    def _root(self, level: int, index: int) -> bytes:
        found = self._roots.get((level, index))
        if found is None:
            tile = self._full_tile(level, index)
            if tile is None:
                raise _corrupt()
            found = self._roots[level, index] = node_hash(*tile[-1])
            if len(self._roots) > _ROOTS_KEPT:
                self._roots.popitem(last=False)
        return found

    def _full_tile(self, level: int, index: int) -> _Rows | None:
        found = self._tiles.get((level, index))
        if found is not None:
            self._tiles.move_to_end((level, index))
            return found
        row = self._rows(_TILE, (level, index)).fetchone()
        if row is None:
            return None
        found = self._tiles[level, index] = _rows_of(bytes(row[0]))
        if len(self._tiles) > _TILES_KEPT:
            self._tiles.popitem(last=False)
        return found


def paths_of(connection: Connection) -> LogPaths:
    """Return the paths over a connection: the same each time, with what it has learnt."""
    found = _PATHS.get(connection)
    if found is None:
        found = _PATHS[connection] = LogPaths(connection)
    return found


_PATHS: WeakKeyDictionary[Connection, LogPaths] = WeakKeyDictionary()
_LEAVES: Final = "SELECT leaf FROM log_entry WHERE idx >= ? AND idx < ? ORDER BY idx"
_TILE: Final = "SELECT hashes FROM log_tile WHERE level = ? AND idx = ?"


def _rows_of(tile: bytes) -> _Rows:
    if len(tile) != TILE_WIDTH * HASH_LENGTH:
        raise _corrupt()
    row = [tile[i : i + HASH_LENGTH] for i in range(0, len(tile), HASH_LENGTH)]
    rows = [row]
    while len(row) > 2:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
        rows.append(row)
    return rows


def _corrupt() -> StoreUnavailable:
    return StoreUnavailable("log-corrupt", "a part of the stored log is missing")
