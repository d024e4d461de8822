"""Reading an exported log from a folder, such as one on a USB stick. Writes nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gateway.disclosure_log.problem import CannotRead
from gateway.disclosure_log.tiled_source import MAX_LINE, TiledSource


class BundleSource(TiledSource):
    """A folder laid out as tlog-tiles: what ``log export`` writes, or a mirror of a log server.

    Raises:
        CannotRead: bundle: there is no checkpoint in it, or a file of it is missing or unreadable;
            too-long.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        if not self.is_one(folder):
            raise CannotRead("bundle")

    @staticmethod
    def is_one(folder: Path) -> bool:
        """Return whether a folder looks like a bundle."""
        return (folder / "checkpoint").is_file()

    def origin_key(self) -> str | None:
        """Return the vkeys the bundle states, or None when there is no such file."""
        return super().origin_key() if (self._folder / "vkey").exists() else None

    def checkpoints(self) -> Iterator[str]:
        """Yield the notes of ``checkpoints``, or the one note of a mirror without it."""
        if (self._folder / "checkpoints").exists():
            yield from super().checkpoints()
        else:
            yield self._text("checkpoint")

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        """Yield entries; a bundle that is missing, cut short or too wide ends them."""
        try:
            yield from super().entries(start, end)
        except FileNotFoundError:
            return

    def leaf_hashes(self, start: int, end: int) -> Iterator[bytes]:
        """Yield leaf hashes; a tile that is missing or cut short ends them."""
        try:
            yield from super().leaf_hashes(start, end)
        except FileNotFoundError:
            return

    def tile(self, level: int, index: int) -> bytes | None:
        """Return a full tile, or None if it is missing."""
        try:
            return super().tile(level, index)
        except FileNotFoundError:
            return None

    def edge(self, level: int, index: int, width: int) -> bytes | None:
        """Return the partial tile at the right edge of a level, or None if it is missing."""
        try:
            return super().edge(level, index, width)
        except FileNotFoundError:
            return None

    def _bytes(self, path: str, limit: int) -> bytes:
        with self._open(path) as file:
            body = file.read(limit + 1)
        if len(body) > limit:
            raise CannotRead("too-long")
        return body

    def _lines(self, path: str) -> Iterator[bytes]:
        with self._open(path) as file:
            while line := file.readline(MAX_LINE):
                if len(line) == MAX_LINE:
                    raise CannotRead("too-long")
                yield line

    def _open(self, path: str) -> BinaryIO:
        try:
            return (self._folder / path).open("rb")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise CannotRead("bundle") from error
