"""What the pages look like and do: the design system's style and script, and our own few lines.

GOV.UK Frontend is installed beside this file (`npm ci`), and read from there: nothing is copied
into the project and no page fetches anything from elsewhere. Its typeface, GDS Transport, and the
crown are licensed to services on GOV.UK alone, and this is none: the rules that would load them are
taken out, and the reader's own system typeface stands in.
"""

import gzip
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from aiohttp import web

MISSING: Final = (
    "The console cannot be shown: its style and script are not installed.\n"
    "Run `make demo`, or `npm ci --prefix gateway/console`, and start the gateway again.\n"
    "Everything else works.\n"
)
_FRONTEND: Final = "node_modules/govuk-frontend/dist/govuk/"
_FONT_FACES: Final = re.compile(r"@font-face\{[^}]*\}")
_PICTURES: Final = re.compile(r"url\(/assets/[^)]*\)")
_SYSTEM_TYPEFACE: Final = 'system-ui,-apple-system,"Segoe UI",roboto,arial,sans-serif'
_SOURCE_MAP: Final = re.compile(r"(//|/\*)# sourceMappingURL=\S+( \*/)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file the pages refer to, under a name that changes with it."""

    path: str
    content: bytes
    packed: bytes  # gzip
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """Everything the pages refer to."""

    style: Asset  # the design system's
    own_style: Asset
    frontend: Asset  # the design system's script, a module
    script: Asset  # ours, which imports it
    icon: Asset

    def all(self) -> tuple[Asset, ...]:
        """Return each."""
        return (self.style, self.own_style, self.frontend, self.script, self.icon)


@cache
def load() -> Assets | None:
    """Read the assets once; None: they are not installed."""
    try:
        style = _read(_FRONTEND + "govuk-frontend.min.css")
        frontend = _read(_FRONTEND + "govuk-frontend.min.js")
    except FileNotFoundError:
        return None
    module = _asset("govuk-frontend.js", "text/javascript", _SOURCE_MAP.sub("", frontend))
    own = _read("static/console.js").replace("./govuk-frontend.js", module.path)
    script = (files("gateway.pages") / "static/passkeys.js").read_text("utf-8") + own
    return Assets(
        style=_asset("govuk-frontend.css", "text/css", _without_the_crown(style)),
        own_style=_asset("console.css", "text/css", _read("static/console.css")),
        frontend=module,
        script=_asset("console.js", "text/javascript", script),
        icon=_asset("console.svg", "image/svg+xml", _read("static/console.svg")),
    )


def routes(assets: Assets) -> Iterable[web.RouteDef]:
    """Return the routes of the assets. They say nothing of anybody: no session is asked for."""
    for asset in assets.all():
        yield web.get(asset.path, _serve(asset))


def _read(name: str) -> str:
    return (files("gateway.console") / name).read_text("utf-8")


def _without_the_crown(style: str) -> str:
    plain = _PICTURES.sub("none", _FONT_FACES.sub("", _SOURCE_MAP.sub("", style)))
    return plain.replace("GDS Transport,arial,sans-serif", _SYSTEM_TYPEFACE)


def _asset(name: str, content_type: str, text: str) -> Asset:
    content = text.encode()
    stem, _, suffix = name.rpartition(".")
    digest = hashlib.sha256(content).hexdigest()[:16]
    return Asset(
        path=f"/console/assets/{stem}.{digest}.{suffix}",
        content=content,
        packed=gzip.compress(content, 9, mtime=0),
        content_type=content_type,
    )


def _serve(asset: Asset) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        packed = "gzip" in request.headers.get("Accept-Encoding", "")
        if packed:
            headers["Content-Encoding"] = "gzip"
        return web.Response(
            body=asset.packed if packed else asset.content,
            content_type=asset.content_type,
            charset="utf-8",
            headers=headers,
        )

    return serve
