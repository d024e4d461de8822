"""Sealed alerts too long to post, for the webhook receiver that was told where to collect them.

What is served is ciphertext, the very bytes the event's `collect` names by length and SHA-256.
The token in the path is all that lets anyone have them: every path that leads to nothing, be it
malformed, guessed, expired or never issued, gets the same answer, byte for byte.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from gateway.http.problems import problem
from gateway.store.sqlite import StoreUnavailable

Find = Callable[[str, str], Awaitable[bytes | None]]

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Accept-Ranges": "none",
}


def routes(find: Find) -> list[web.RouteDef]:
    """Return the route ``GET /v1/alerts/{alert}/sealed/{token}``.

    Args:
        find: Returns the ciphertext for an alert's id and a token, having recorded the fetch; None
            when they lead to nothing. It compares in constant time, and takes as long for an alert
            there never was as for a wrong token.

    HEAD and ranges are refused: a fetch is recorded once, and is of the whole.
    """

    async def collect(request: web.Request) -> web.Response:
        if "Range" in request.headers:
            return problem(416, "no-ranges", "Ask for the whole of it", headers=_HEADERS)
        try:
            sealed = await find(request.match_info["alert"], request.match_info["token"])
        except StoreUnavailable as error:
            retry = {**_HEADERS, "Retry-After": "10"}
            return problem(503, error.code, "The store cannot take this now", headers=retry)
        if sealed is None:
            return problem(404, "not-found", "Nothing is here", headers=_HEADERS)
        return web.Response(body=sealed, content_type="application/octet-stream", headers=_HEADERS)

    path = "/v1/alerts/{alert:[^/]*}/sealed/{token:[^/]*}"
    return [web.get(path, collect, allow_head=False)]
