"""The newest checkpoint that witnesses signed, and a proof of any entry; for anyone.

Both are hashes and signatures: they say nothing of what an entry holds.
"""

import re
from typing import Final

from aiohttp import web

from gateway.store import witnessed
from gateway.store.engine import Connection

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_MUTABLE: Final = {"Cache-Control": "no-cache"}


def routes(reader: Connection) -> list[web.RouteDef]:
    """Return ``/log/witnessed`` and ``/log/proof/{index}``, read over this connection."""

    async def newest(_request: web.Request) -> web.Response:
        found = witnessed.newest(reader)
        if found is None:
            raise web.HTTPNotFound
        return _text(found[1])

    async def proof(request: web.Request) -> web.Response:
        """Answer with tlog-proof text against the newest witnessed checkpoint that covers it."""
        index = request.match_info["index"]
        text = witnessed.prove(reader, int(index)) if _INDEX.fullmatch(index) else None
        if text is None:
            raise web.HTTPNotFound
        return _text(text)

    return [
        web.get("/log/witnessed", newest),
        web.get("/log/proof/{index}", proof),
    ]


def _text(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/plain", headers=_MUTABLE)
