"""The log's tree in memory: its right edge, and the few full tiles a recent path needs.

A tile is 256 hashes wide (tlog-tiles): at tile level 0 they are leaf hashes, above it each is the
root of a full tile below. What is not held is asked of `load_tile`.

1. A tile this tree completed is held until it was taken and a later `take_full_tiles` or `fork`
   finds 32 newer ones: whoever takes tiles stores them before taking again.
2. Tiles asked of `load_tile` are shared between forks; tiles completed are not, so a dropped
   fork leaves nothing behind.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

from gateway.disclosure_log import merkle
from gateway.disclosure_log.merkle import EMPTY_ROOT, HASH_LENGTH, node_hash
from gateway.disclosure_log.problem import LogCorrupt

__all__ = ["LogCorrupt", "Tree"]

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
TILE_BYTES: Final = TILE_WIDTH * HASH_LENGTH
TILES_HELD: Final = 32  # of each sort; a tile with its inner rows takes about 40 KB

LoadTile = Callable[[int, int], bytes]  # (tile level, index) of a full tile -> 8192 bytes
LoadLeafHashes = Callable[[int, int], Sequence[bytes]]

_Rows = list[list[bytes]]  # the tile's own hashes, then each row of nodes above them, 8 in all
_TileId = tuple[int, int]


class Tree:
    """An append-only Merkle tree for one writer. `Tree(load_tile)` is empty.

    Memory is bounded: 64 tiles and one partial tile per tile level. Pure but for `load_tile`,
    whose errors pass through.
    """

    __slots__ = ("_completed", "_edge", "_load_tile", "_loaded", "_size", "_untaken")

    def __init__(self, load_tile: LoadTile) -> None:
        self._size = 0
        self._load_tile = load_tile
        self._edge: list[_Rows] = []  # by tile level: the partial tile at the right
        self._completed: dict[_TileId, _Rows] = {}  # by this line of forks, oldest first
        self._untaken: list[_TileId] = []
        self._loaded: OrderedDict[_TileId, _Rows] = OrderedDict()  # least recently read first

    @classmethod
    def restore(cls, size: int, load_tile: LoadTile, load_leaf_hashes: LoadLeafHashes) -> "Tree":
        """Rebuild the tree of `size` leaves from storage.

        Args:
            size: Leaves, >= 0.
            load_tile: Returns a stored full tile; asked for at most 255 per tile level.
            load_leaf_hashes: Returns the leaf hashes [start, end), at most 255.

        Raises:
            LogCorrupt: tile-length or leaf-hashes: storage gave hashes too many or too few.
        """
        tree = cls(load_tile)
        tree._size = size
        level, rest = 0, size
        while rest:
            width = rest % TILE_WIDTH
            if level == 0:
                hashes = load_leaf_hashes(size - width, size)
                if len(hashes) != width or any(len(one) != HASH_LENGTH for one in hashes):
                    raise LogCorrupt("leaf-hashes")
            else:
                below = range(rest - width, rest)
                hashes = [_tile_root(_rows_of(load_tile(level - 1, i))) for i in below]
            tree._edge.append(_grow(hashes))
            level, rest = level + 1, rest // TILE_WIDTH
        return tree

    @property
    def size(self) -> int:
        """Leaves appended so far."""
        return self._size

    def append(self, leaf_hash: bytes) -> int:
        """Append a leaf hash and return its index.

        Raises:
            ValueError: the hash is not 32 bytes.
        """
        if len(leaf_hash) != HASH_LENGTH:
            raise ValueError("a leaf hash is 32 bytes")
        index = self._size
        if not self._edge:
            self._edge.append(_empty_rows())
        root = _add(self._edge[0], leaf_hash)
        if root is not None:
            self._complete(0, root)
        self._size = index + 1
        return index

    def _complete(self, level: int, root: bytes | None) -> None:
        """Put full edge tiles aside, from `level` up, each root becoming a hash one level up."""
        while root is not None:
            tile = (level, self._size >> TILE_HEIGHT * (level + 1))
            self._completed[tile] = self._edge[level]
            self._untaken.append(tile)
            self._edge[level] = _empty_rows()
            level += 1
            if level == len(self._edge):
                self._edge.append(_empty_rows())
            root = _add(self._edge[level], root)

    def root(self) -> bytes:
        """Return the root over every leaf, 32 bytes; `EMPTY_ROOT` of none."""
        return merkle.range_hash(0, self._size, self._read) if self._size else EMPTY_ROOT

    def inclusion_path(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the path of leaf `index` in the tree as it was at `size` (default: now).

        Raises:
            ValueError: unless 0 <= index < size <= self.size.
        """
        size = self._size if size is None else size
        if size > self._size:
            raise ValueError("the tree is not that large")
        return merkle.inclusion_path(index, size, self._read)

    def consistency_path(self, size1: int, size2: int) -> list[bytes]:
        """Return the proof that the tree at `size1` is a prefix of the tree at `size2`.

        Raises:
            ValueError: unless 1 <= size1 <= size2 <= self.size.
        """
        if size2 > self._size:
            raise ValueError("the tree is not that large")
        return merkle.consistency_path(size1, size2, self._read)

    def take_full_tiles(self) -> list[tuple[int, int, bytes]]:
        """Return (tile level, index, 8192 bytes) of each tile completed since the last call.

        The caller stores them with the entries, and calls once per transaction.
        """
        self._forget_stored()
        taken = [(*tile, b"".join(self._completed[tile][0])) for tile in self._untaken]
        self._untaken = []
        return taken

    def fork(self) -> "Tree":
        """Return a copy to append to and keep, or drop; neither then changes the other.

        Call it on a tree whose taken tiles are stored. Microseconds, whatever the size.
        """
        self._forget_stored()
        twin = Tree(self._load_tile)
        twin._size = self._size
        twin._edge = [[row.copy() for row in rows] for rows in self._edge]
        twin._completed = self._completed.copy()  # a full tile's rows are never written again
        twin._untaken = self._untaken.copy()
        twin._loaded = self._loaded
        return twin

    def _forget_stored(self) -> None:
        surplus = len(self._completed) - len(self._untaken) - TILES_HELD
        if surplus > 0:  # oldest first, and untaken ones are the newest
            for tile in list(self._completed)[:surplus]:
                del self._completed[tile]

    def _read(self, level: int, index: int) -> bytes:
        """Return the hash of a full subtree that lies within the tree."""
        tile_level, row = divmod(level, TILE_HEIGHT)
        tile_index = index >> (TILE_HEIGHT - row)
        if tile_index == self._size >> TILE_HEIGHT * (tile_level + 1):
            rows = self._edge[tile_level]
        else:
            rows = self._full_tile((tile_level, tile_index))
        return rows[row][index & ((TILE_WIDTH >> row) - 1)]

    def _full_tile(self, tile: _TileId) -> _Rows:
        rows = self._completed.get(tile)
        if rows is not None:
            return rows
        rows = self._loaded.get(tile)
        if rows is None:
            rows = _rows_of(self._load_tile(*tile))
            if len(self._loaded) >= TILES_HELD:
                self._loaded.popitem(last=False)
            self._loaded[tile] = rows
        else:
            self._loaded.move_to_end(tile)
        return rows


def _empty_rows() -> _Rows:
    return [[] for _ in range(TILE_HEIGHT)]


def _add(rows: _Rows, node: bytes) -> bytes | None:
    """Add a hash to a partial tile, and each node it completes; return the root of a full one."""
    for row in rows:
        row.append(node)
        if len(row) & 1:
            return None
        node = sha256(b"\x01" + row[-2] + node).digest()  # node_hash, inlined: the hot loop
    return node


def _grow(hashes: Sequence[bytes]) -> _Rows:
    rows = _empty_rows()
    for one in hashes:
        _add(rows, one)
    return rows


def _rows_of(tile: bytes) -> _Rows:
    if len(tile) != TILE_BYTES:
        raise LogCorrupt("tile-length")
    return _grow([tile[i : i + HASH_LENGTH] for i in range(0, TILE_BYTES, HASH_LENGTH)])


def _tile_root(rows: _Rows) -> bytes:
    return node_hash(*rows[-1])
