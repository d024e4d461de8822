"""The log over HTTP, for witnesses, recipients and auditors. Source: c2sp.org/tlog-tiles.

1. Nothing is served that the latest checkpoint does not cover.
2. Entries go only to this machine, unless the operator said otherwise; to anyone else they are
   not there. Each bundle is recorded as a reading *before* it is sent (DPA 2018 s.62), and is
   never cached, which is why it differs from tlog-tiles in that one header.
"""

import json
from collections import OrderedDict
from typing import Final, Protocol, runtime_checkable

from aiohttp import web

from gateway.disclosure_log.checkpoint import parse_checkpoint
from gateway.disclosure_log.merkle import HASH_LENGTH, root_of
from gateway.disclosure_log.tiles import pack_bundle, parse_tile_path
from gateway.disclosure_log.tree import TILE_WIDTH
from gateway.http.local import is_local

_ROOTS_KEPT: Final = 8192  # of full tiles, 32 bytes each: covers two million entries
_MUTABLE: Final = {"Cache-Control": "no-cache"}
_IMMUTABLE: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_NEVER_KEPT: Final = {"Cache-Control": "no-store"}


class LogReader(Protocol):
    """The committed log. Ranges are [start, end) and lie within the latest checkpoint."""

    async def latest_checkpoint(self) -> str | None:
        """Return the newest signed note, None for a log without one."""
        ...

    async def checkpoints(self) -> list[str]:
        """Return every signed note, ascending by size."""
        ...

    async def entries(self, start: int, end: int) -> list[bytes]:
        """Return entries, all of them."""
        ...

    async def leaf_hashes(self, start: int, end: int) -> list[bytes]:
        """Return leaf hashes of 32 bytes, all of them."""
        ...

    def verifier(self) -> str:
        """Return the vkeys the log is checked with, one a line, the one in force first."""
        ...

    async def record_reading(self, start: int, end: int) -> None:
        """Log that these entries are about to be read. MUST NOT return before it is durable."""
        ...


@runtime_checkable
class StoredTiles(Protocol):
    """What a `LogReader` may also be: then tiles above level 0 cost no hashing."""

    async def tile(self, level: int, index: int) -> bytes | None:
        """Return a stored full tile of 8192 bytes, or None."""
        ...


def routes(reader: LogReader, *, allow_remote: bool = False) -> list[web.RouteDef]:
    """Return the routes of the log under ``/log``.

    Args:
        reader: The log.
        allow_remote: Whether entries may leave this machine. A request that a proxy forwarded
            counts as remote, wherever the proxy runs.
    """
    log = _LogRoutes(reader, allow_remote=allow_remote)
    return [
        web.get("/log/checkpoint", log.checkpoint),
        web.get("/log/vkey", log.vkey),
        web.get("/log/checkpoints", log.checkpoints),
        web.get("/log/tile/{path:.+}", log.tile),
    ]


class _LogRoutes:
    def __init__(self, reader: LogReader, *, allow_remote: bool) -> None:
        self._reader = reader
        self._allow_remote = allow_remote
        self._roots: OrderedDict[tuple[int, int], bytes] = OrderedDict()  # of full tiles

    async def checkpoint(self, _request: web.Request) -> web.Response:
        note = await self._reader.latest_checkpoint()
        if note is None:
            raise web.HTTPNotFound
        return web.Response(text=note, content_type="text/plain", headers=_MUTABLE)

    async def vkey(self, _request: web.Request) -> web.Response:
        return web.Response(
            text=self._reader.verifier().strip() + "\n", content_type="text/plain", headers=_MUTABLE
        )

    async def checkpoints(self, _request: web.Request) -> web.Response:
        """Answer with one JSON string per line, each a signed note."""
        lines = [json.dumps(note) + "\n" for note in await self._reader.checkpoints()]
        return web.Response(
            body="".join(lines).encode(),
            content_type="application/x-ndjson",
            headers=_MUTABLE,
        )

    async def tile(self, request: web.Request) -> web.Response:
        named = parse_tile_path(request.match_info["path"])
        if named is None:
            raise web.HTTPNotFound
        level, index, width = named
        first = index * TILE_WIDTH
        if first + width > await self._size() >> 8 * (level or 0):
            raise web.HTTPNotFound
        if level is None:
            return await self._bundle(request, first, first + width)
        return _octets(b"".join(await self._hashes(level, first, width)), _IMMUTABLE)

    async def _size(self) -> int:
        note = await self._reader.latest_checkpoint()
        return parse_checkpoint(note).size if note is not None else 0

    async def _bundle(self, request: web.Request, start: int, end: int) -> web.Response:
        if not (self._allow_remote or is_local(request)):
            raise web.HTTPNotFound
        await self._reader.record_reading(start, end)
        return _octets(pack_bundle(await self._reader.entries(start, end)), _NEVER_KEPT)

    async def _hashes(self, level: int, first: int, width: int) -> list[bytes]:
        if level == 0:
            return await self._reader.leaf_hashes(first, first + width)
        return [await self._hash(level, index) for index in range(first, first + width)]

    async def _hash(self, level: int, index: int) -> bytes:
        """Return a hash of a tile at level >= 1: the root of the full tile below it."""
        below = (level - 1, index)
        if below in self._roots:
            self._roots.move_to_end(below)
            return self._roots[below]
        root = root_of(await self._full_tile(*below))
        self._roots[below] = root
        if len(self._roots) > _ROOTS_KEPT:
            self._roots.popitem(last=False)
        return root

    async def _full_tile(self, level: int, index: int) -> list[bytes]:
        if level and isinstance(self._reader, StoredTiles):
            stored = await self._reader.tile(level, index)
            if stored is not None:
                return [stored[i : i + HASH_LENGTH] for i in range(0, len(stored), HASH_LENGTH)]
        return await self._hashes(level, index * TILE_WIDTH, TILE_WIDTH)


def _octets(body: bytes, headers: dict[str, str]) -> web.Response:
    return web.Response(body=body, content_type="application/octet-stream", headers=headers)
