"""How the console answers: one set of headers, bounded forms, one page for each trouble."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

from aiohttp import web

from gateway.console import rendering
from gateway.console.assets import Assets
from gateway.console.page import Download, Shown, Visitor
from gateway.console.rendering import NavItem

HOME: Final = "/console"
SIGN_IN: Final = "/console/sign-in"

_MAX_FORM_BYTES: Final = 64 * 1024
_MAX_FIELDS: Final = 60
_FORM: Final = "application/x-www-form-urlencoded"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": rendering.CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self),"
    " camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Not "no-referrer": under it browsers send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}
_SAFE_NAME: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class NoForm(Exception):
    """What was posted is no form of the console's."""


class Answers:
    """Lays pages out and answers with them."""

    def __init__(self, assets: Assets, *, instance: str) -> None:
        self._assets = assets
        self._instance = instance

    def page(
        self,
        shown: Shown,
        visitor: Visitor | None = None,
        nav: Sequence[NavItem] = (),
        *,
        here: str = "",
        more: Mapping[str, str] | None = None,
    ) -> web.Response:
        """Return a page."""
        text = rendering.page(
            shown.template,
            shown.title,
            shown.values,
            assets=self._assets,
            instance=self._instance,
            visitor=visitor,
            nav=nav,
            here=here,
        )
        return web.Response(
            text=text,
            status=shown.status,
            content_type="text/html",
            headers={**_HEADERS, **(more or {})},
        )

    def plain(self, title: str, *paragraphs: str, status: int = 200) -> web.Response:
        """Return a page of a few sentences, for whoever reads it."""
        values = {"paragraphs": paragraphs, "link": HOME, "link_text": "Go to the console"}
        return self.page(Shown(template="plain.html", title=title, values=values, status=status))

    def not_found(self) -> web.Response:
        """Return the one answer for what does not exist, or not for this visitor."""
        return self.plain(
            "Page not found",
            "If you typed the address, check that it is right.",
            "If you need a page that you do not have, ask whoever keeps your account.",
            status=404,
        )

    def no_form(self) -> web.Response:
        """Return that a form was not taken."""
        return self.plain(
            "The form was not accepted",
            "Nothing was changed. The page may have been open for too long.",
            "Go back to the console and try again.",
            status=400,
        )

    def failed(self) -> web.Response:
        """Return that something went wrong, and nothing of what."""
        return self.plain(
            "Sorry, there is a problem with the service",
            "Try again later. If it goes on, tell whoever runs this gateway, and when it happened.",
            status=500,
        )

    def behind(self) -> web.Response:
        """Return that nothing is done while the log is behind, and where that is explained."""
        values = {
            "paragraphs": (
                "Nothing was changed, and nothing was read. The log is behind what was published.",
                "The page of the log says what happened and what to do.",
            ),
            "link": "/console/log",
            "link_text": "Go to the log",
        }
        title = "This has to wait"
        return self.page(Shown(template="plain.html", title=title, values=values, status=503))

    def unavailable(self) -> web.Response:
        """Return that the store cannot be used now."""
        answer = self.plain(
            "Sorry, the service is not available",
            "Nothing was changed. Try again in a minute.",
            status=503,
        )
        answer.headers["Retry-After"] = "10"
        return answer


def moved(to: str) -> web.Response:
    """Return where to look next."""
    return web.Response(status=303, headers={**_HEADERS, "Location": to})


def download(file: Download) -> web.Response:
    """Return a file to keep: never shown, whatever it says it is."""
    name = "".join(one if one in _SAFE_NAME else "-" for one in file.name) or "download"
    headers = {
        **_HEADERS,
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Type": file.content_type,
    }
    return web.Response(body=file.body, headers=headers)


def is_ours(request: web.Request, origin: str) -> bool:
    """Return whether a browser says that our own page sent this. One that says nothing does not."""
    said = request.headers.get("Sec-Fetch-Site")
    stated = request.headers.get("Origin")
    if said is None and stated is None:
        return False
    return said in {None, "same-origin"} and stated in {None, origin}


def origin_of(public_url: str) -> str:
    """Return the origin of a URL as browsers write it."""
    parts = urlsplit(public_url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in {None, default} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


async def form_of(request: web.Request) -> dict[str, str]:
    """Return the fields of a form.

    Raises:
        NoForm: another content type, beyond the bounds, or a field given twice.
    """
    if request.content_type != _FORM or (request.content_length or 0) > _MAX_FORM_BYTES:
        raise NoForm
    body = await request.content.read(_MAX_FORM_BYTES + 1)
    while not request.content.at_eof() and len(body) <= _MAX_FORM_BYTES:
        body += await request.content.read(_MAX_FORM_BYTES + 1 - len(body))
    if len(body) > _MAX_FORM_BYTES:
        raise NoForm
    try:
        fields = parse_qs(
            body.decode("utf-8"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            max_num_fields=_MAX_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise NoForm from None
    if any(len(values) != 1 for values in fields.values()):
        raise NoForm
    return {name: values[0] for name, values in fields.items()}


def path_of(request: web.Request) -> str:
    """Return the path asked for, as it may go into an address of ours."""
    return quote(request.path, safe="/")
