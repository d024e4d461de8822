"""Reading a log laid out as tlog-tiles, wherever its resources lie. Nothing read here is trusted.

Source: c2sp.org/tlog-tiles, and two resources of our own: ``vkey``, and ``checkpoints``, every
signed note as one JSON string a line.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Final

from gateway.disclosure_log.checkpoint import parse_checkpoint
from gateway.disclosure_log.note import MAX_NOTE_BYTES
from gateway.disclosure_log.problem import BadCheckpoint, CannotRead
from gateway.disclosure_log.tiles import tile_path, unpack_bundle
from gateway.disclosure_log.tree import TILE_BYTES, TILE_WIDTH

MAX_LINE: Final = 8 * MAX_NOTE_BYTES  # JSON may spell a character in six bytes

_MAX_BUNDLE: Final = TILE_WIDTH * (2 + 0xFFFF)
_HASH: Final = 32


class TiledSource(ABC):
    """A log as it stood at the checkpoint read first. Every method may raise CannotRead."""

    def __init__(self) -> None:
        self._size: int | None = None

    @abstractmethod
    def _bytes(self, path: str, limit: int) -> bytes:
        """Return a resource.

        Raises:
            CannotRead: it cannot be had; too-long: it is longer than `limit` bytes.
        """

    @abstractmethod
    def _lines(self, path: str) -> Iterator[bytes]:
        """Yield the lines of a resource, none longer than `MAX_LINE`.

        Raises:
            CannotRead: as `_bytes`.
        """

    def origin_key(self) -> str | None:
        """Return the vkeys the log states, one a line."""
        return self._text("vkey").strip()

    def checkpoints(self) -> Iterator[str]:
        """Yield the stored signed notes up to the size first seen."""
        size = self._seen()
        for line in self._lines("checkpoints"):
            note = _note(line)
            yield note
            if _size_of(note) >= size:
                return

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        """Yield entries; a bundle cut short or too wide ends them."""
        for index, width, skip, stop in self._tiles(start, end):
            bundle = self._bytes(f"tile/{tile_path(None, index, width)}", _MAX_BUNDLE)
            found = list(unpack_bundle(bundle))
            yield from found[skip:stop]
            if len(found) != width:
                return

    def leaf_hashes(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the leaf hashes of the level 0 tiles; a tile cut short ends them."""
        for index, width, skip, stop in self._tiles(start, end):
            tile = self._bytes(f"tile/{tile_path(0, index, width)}", TILE_BYTES)
            whole = range(0, len(tile) - len(tile) % _HASH, _HASH)
            yield from [tile[i : i + _HASH] for i in whole][skip:stop]
            if len(tile) != width * _HASH:
                return

    def tile(self, level: int, index: int) -> bytes | None:
        """Return a full tile as it is."""
        return self._bytes(f"tile/{tile_path(level, index)}", TILE_BYTES)

    def edge(self, level: int, index: int, width: int) -> bytes | None:
        """Return the partial tile at the right edge of a level, as it is."""
        return self._bytes(f"tile/{tile_path(level, index, width)}", TILE_BYTES)

    def _tiles(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield (index, width, first, stop) of each level 0 tile that holds part of a range."""
        size = self._seen()
        end = min(end, size)
        while start < end:
            index, skip = divmod(start, TILE_WIDTH)
            width = min(TILE_WIDTH, size - index * TILE_WIDTH)
            stop = min(width, end - index * TILE_WIDTH)
            yield index, width, skip, stop
            start = index * TILE_WIDTH + stop

    def _seen(self) -> int:
        """Return the size of the checkpoint read first; 0 if it is none (fsck says so)."""
        if self._size is None:
            self._size = _size_of(self._text("checkpoint"))
        return self._size

    def _text(self, path: str) -> str:
        try:
            return self._bytes(path, MAX_NOTE_BYTES).decode()
        except UnicodeDecodeError:
            raise CannotRead("not-utf8") from None


def _note(line: bytes) -> str:
    """Return the note of one ndjson line; anything else comes back as no note at all."""
    try:
        note = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    return note if isinstance(note, str) else ""


def _size_of(note: str) -> int:
    try:
        return parse_checkpoint(note).size
    except BadCheckpoint:
        return 0
