"""Growing the tree again from its leaves, holding only its peaks. For audit.

Written apart from `tree.Tree` on purpose: a fault in one is caught by the other.
"""

from collections.abc import Callable, Iterator

from gateway.disclosure_log import merkle
from gateway.disclosure_log.merkle import EMPTY_ROOT, node_hash
from gateway.disclosure_log.tree import TILE_HEIGHT, TILE_WIDTH

SeeTile = Callable[[int, int, bytes], None]  # (tile level, index, 8192 bytes) of each full tile


class Rebuild:
    """A tree that is fed leaf hashes in order; memory is O(log size). Pure but for `see_tile`."""

    def __init__(self, see_tile: SeeTile) -> None:
        self.size = 0
        self._see_tile = see_tile
        self._peaks: list[bytes] = []  # the full subtrees of the tree, widest first
        self._tiles: list[list[bytes]] = []  # by tile level: hashes of the tile being filled
        self._marked_size = 0
        self._kept: dict[tuple[int, int], bytes] = {}  # nodes the next consistency path needs

    def append(self, leaf_hash: bytes) -> None:
        """Append one leaf hash, 32 bytes."""
        level, index, node = 0, self.size, leaf_hash
        self._complete(level, index, node)
        while index & 1:
            level, index, node = level + 1, index >> 1, node_hash(self._peaks.pop(), node)
            self._complete(level, index, node)
        self._peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root over every leaf so far."""
        if not self._peaks:
            return EMPTY_ROOT
        found = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            found = node_hash(peak, found)
        return found

    def edges(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (tile level, index, hashes) of each partial tile of hashes of tiles."""
        for level, hashes in enumerate(self._tiles):
            if level and hashes:
                yield level, self.size >> TILE_HEIGHT * (level + 1), b"".join(hashes)

    def mark(self, next_size: int) -> None:
        """Remember this size, and from here on keep what `path_from_mark` at `next_size` needs."""
        self._marked_size = self.size
        self._kept = {}
        if 1 <= self.size <= next_size:
            merkle.consistency_path(self.size, next_size, self._want)

    def path_from_mark(self) -> list[bytes]:
        """Return the consistency path from the marked size to this one, which was announced."""
        return merkle.consistency_path(
            self._marked_size, self.size, lambda level, index: self._kept[level, index]
        )

    def _want(self, level: int, index: int) -> bytes:
        """Note a node of a path to come: a peak now, or else completed on the way there."""
        if (index + 1) << level <= self.size:
            self._kept[level, index] = self._peaks[(self.size >> (level + 1)).bit_count()]
        else:
            self._kept[level, index] = b""
        return b""

    def _complete(self, level: int, index: int, node: bytes) -> None:
        if (level, index) in self._kept:
            self._kept[level, index] = node
        if level % TILE_HEIGHT:
            return
        tile_level = level // TILE_HEIGHT
        if tile_level == len(self._tiles):
            self._tiles.append([])
        tile = self._tiles[tile_level]
        tile.append(node)
        if len(tile) == TILE_WIDTH:
            self._see_tile(tile_level, index // TILE_WIDTH, b"".join(tile))
            tile.clear()
