"""Reading a log over HTTP for audit: the routes of tlog-tiles, with bounded answers.

No redirects and no proxies: what answers is what was named. Nothing read here is trusted.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from typing import IO, Final
from urllib.parse import urlsplit

from gateway.disclosure_log.checkpoint import parse_checkpoint
from gateway.disclosure_log.note import MAX_NOTE_BYTES
from gateway.disclosure_log.problem import BadCheckpoint, CannotRead
from gateway.disclosure_log.tiles import tile_path, unpack_bundle
from gateway.disclosure_log.tree import TILE_BYTES, TILE_WIDTH

TIMEOUT_S: Final = 30.0

_MAX_BUNDLE: Final = TILE_WIDTH * (2 + 0xFFFF)
_MAX_LINE: Final = 8 * MAX_NOTE_BYTES  # JSON may spell a character in six bytes
_HASH: Final = 32


class UrlSource:
    """A log behind a URL, as it stood at the checkpoint fetched first.

    Args:
        url: http or https, with or without the trailing ``/log``.

    Raises:
        CannotRead: not-a-url. Every method may raise it with unreachable, refused (any status
            but 200, so also entries that are not for us), redirect or too-long.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise CannotRead("not-a-url")
        self._base = url.rstrip("/").removesuffix("/log") + "/log/"
        self._size: int | None = None
        self._opener = urllib.request.build_opener(_NoRedirect(), urllib.request.ProxyHandler({}))

    def origin_key(self) -> str | None:
        """Return the vkey the server states."""
        return self._text("vkey").strip()

    def checkpoints(self) -> Iterator[str]:
        """Yield the stored signed notes up to the size first seen."""
        size = self._seen()
        with self._get("checkpoints") as answer:
            while line := self._read_line(answer):
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
        """Return a full tile as served."""
        return self._bytes(f"tile/{tile_path(level, index)}", TILE_BYTES)

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
        """Return the size of the checkpoint fetched first; 0 if it is none (fsck says so)."""
        if self._size is None:
            self._size = _size_of(self._text("checkpoint"))
        return self._size

    def _text(self, path: str) -> str:
        try:
            return self._bytes(path, MAX_NOTE_BYTES).decode()
        except UnicodeDecodeError:
            raise CannotRead("not-utf8") from None

    def _bytes(self, path: str, limit: int) -> bytes:
        with self._get(path) as answer:
            try:
                body = answer.read(limit + 1)
            except (OSError, HTTPException) as error:
                raise CannotRead("unreachable") from error
        if len(body) > limit:
            raise CannotRead("too-long")
        return body

    def _read_line(self, answer: HTTPResponse) -> bytes:
        try:
            line = answer.readline(_MAX_LINE)
        except (OSError, HTTPException) as error:
            raise CannotRead("unreachable") from error
        if len(line) == _MAX_LINE:
            raise CannotRead("too-long")
        return line

    def _get(self, path: str) -> HTTPResponse:
        request = urllib.request.Request(self._base + path)  # noqa: S310 - http(s) only, above
        try:
            answer: HTTPResponse = self._opener.open(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            error.close()
            raise CannotRead("redirect" if 300 <= error.code < 400 else "refused") from None
        except (OSError, HTTPException, ValueError) as error:
            raise CannotRead("unreachable") from error
        return answer


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: object,
        newurl: str,
    ) -> None:
        """Follow nothing: the status then surfaces as an HTTPError."""


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
