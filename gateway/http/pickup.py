"""The pages of a recipient: read an alert once, answer it, register a passkey.

1. What a GET or HEAD answers says nothing of its link and changes nothing: scanners, previews and
   prefetching browsers follow links.
2. Whatever is wrong with a link or a proof, the answer is one page, and comes at a multiple of a
   fixed time after the request.
3. What is shown is never kept: no cookie, no cache, no history.

There is no session: a form proves by the token in its own address that its page was this gateway's.
Source: OWASP ASVS 5.0 V3, V6, V8; promise P19.
"""

import asyncio
import math
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web

from gateway.collecting import Collecting, Opened
from gateway.model.alert_answer import REJECTIONS, Means
from gateway.model.alert_state import Answer
from gateway.pages import rendering
from gateway.pages.alert_view import view_of
from gateway.second_factor import (
    CHALLENGE_NONCE_BYTES,
    MAX_CREDENTIAL_BYTES,
    Assertion,
    Code,
    Shown,
    user_handle,
)
from gateway.store.sqlite import StoreUnavailable

_MAX_FORM_BYTES: Final = 2 * MAX_CREDENTIAL_BYTES
_MAX_FIELDS: Final = 10
_FORM: Final = "application/x-www-form-urlencoded"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": rendering.CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self),"
    " camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PickUp:
    """What the pages need."""

    collecting: Collecting
    wrong_after_s: float  # no wrong answer comes sooner; well above what any check takes


def routes(pick_up: PickUp) -> list[web.RouteDef]:
    """Return the routes of the pages."""
    pages = _Pages(pick_up)
    return [
        web.get("/pick-up/{alert}/{token}", pages.ask),
        web.post("/pick-up/{alert}/{token}", pages.read),
        web.get("/answer/{alert}/{token}", pages.ask_answer),
        web.post("/answer/{alert}/{token}", pages.take_answer),
        web.get("/enrol/{token}", pages.ask_enrol),
        web.post("/enrol/{token}", pages.enrol),
        web.get(rendering.CHECKING_PATH, _checking),
        web.get(rendering.STYLE.path, _serve(rendering.STYLE)),
        web.get(rendering.SCRIPT.path, _serve(rendering.SCRIPT)),
    ]


class _Pages:
    def __init__(self, pick_up: PickUp) -> None:
        self._collecting = pick_up.collecting
        self._wrong_after_s = pick_up.wrong_after_s
        self._passkeys = pick_up.collecting.passkeys

    async def ask(self, request: web.Request) -> web.Response:
        return _html(self._pick_up(request, wrong=False))

    async def read(self, request: web.Request) -> web.Response:
        return await self._guarded(self._read(request), lambda: self._pick_up(request, wrong=True))

    async def ask_answer(self, _request: web.Request) -> web.Response:
        return _html(rendering.answer(wrong=False))

    async def take_answer(self, request: web.Request) -> web.Response:
        form = await _form(request)
        answer, reason = _answer_of(form)
        if answer is None:  # says nothing of the link: it was not looked at
            return _html(rendering.answer(wrong=True), status=400)
        means: Means = "page" if form.get("means") == "page" else "link"
        taken = self._take(request, answer, means, reason)
        return await self._guarded(taken, rendering.not_answered)

    async def ask_enrol(self, request: web.Request) -> web.Response:
        return _html(self._enrol(request, wrong=False))

    async def enrol(self, request: web.Request) -> web.Response:
        return await self._guarded(
            self._register(request), lambda: self._enrol(request, wrong=True)
        )

    async def _read(self, request: web.Request) -> str | None:
        alert, token = request.match_info["alert"], request.match_info["token"]
        shown = _shown(await _form(request), scope=token)
        return await self._collecting.read(alert, token, shown, self._lay_out)

    def _lay_out(self, opened: Opened) -> str:
        token = self._collecting.links.answer_token(opened.alert)
        view = view_of(
            opened.alert,
            opened.content,
            answer_by=opened.answer_by,
            leaf_index=opened.leaf_index,
            proof=opened.proof,
            entry=opened.entry,
            followed_by=opened.followed_by,
            answer_path=f"/answer/{opened.alert}/{token}",
        )
        return rendering.alert(view)

    async def _take(
        self, request: web.Request, said: Answer, means: Means, reason: str | None
    ) -> str | None:
        alert, token = request.match_info["alert"], request.match_info["token"]
        taken = await self._collecting.answer(alert, token, said, means=means, reason=reason)
        return rendering.answered(said) if taken else None

    async def _register(self, request: web.Request) -> str | None:
        text = (await _form(request)).get("attestation", "")
        made = await self._collecting.register(request.match_info["token"], text)
        return rendering.enrolled() if made else None

    async def _guarded(self, work: Awaitable[str | None], wrong: Callable[[], str]) -> web.Response:
        """Answer with what the work gives; or else with the wrong page, no sooner than a fixed
        time from now, and where that is over by then, at the next multiple of it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            page = await work
        except StoreUnavailable:
            return _html(rendering.unavailable(), status=503, more={"Retry-After": "10"})
        if page is not None:
            return _html(page)
        taken = loop.time() - began
        waits = max(1, math.ceil(taken / self._wrong_after_s))
        await asyncio.sleep(waits * self._wrong_after_s - taken)
        return _html(wrong(), status=403)

    def _pick_up(self, request: web.Request, *, wrong: bool) -> str:
        return rendering.pick_up(
            challenge=self._challenge(request), rp_id=self._passkeys.rp_id, wrong=wrong
        )

    def _enrol(self, request: web.Request, *, wrong: bool) -> str:
        return rendering.enrol(
            challenge=self._challenge(request),
            rp_id=self._passkeys.rp_id,
            user=user_handle(request.match_info["token"]),
            wrong=wrong,
        )

    def _challenge(self, request: web.Request) -> str:
        return self._passkeys.challenge(
            request.match_info["token"],
            now=self._collecting.clock(),
            nonce=os.urandom(CHALLENGE_NONCE_BYTES),
        )


async def _checking(_request: web.Request) -> web.Response:
    return _html(rendering.checking())


async def _form(request: web.Request) -> dict[str, str]:
    """Return the fields of a form, each once; none where it is no form of ours."""
    if request.content_type != _FORM or (request.content_length or 0) > _MAX_FORM_BYTES:
        return {}
    body = await request.content.read(_MAX_FORM_BYTES + 1)
    while not request.content.at_eof() and len(body) <= _MAX_FORM_BYTES:
        body += await request.content.read(_MAX_FORM_BYTES + 1 - len(body))
    try:
        fields = parse_qs(
            body[:_MAX_FORM_BYTES].decode("utf-8"), strict_parsing=True, max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items() if len(values) == 1}


def _shown(form: Mapping[str, str], *, scope: str) -> Shown:
    assertion = form.get("assertion")
    if assertion is not None:
        return Assertion(text=assertion[:MAX_CREDENTIAL_BYTES], scope=scope)
    return Code(digits=form.get("code", "")[:20])


def _answer_of(form: Mapping[str, str]) -> tuple[Answer | None, str | None]:
    """Return the answer a form gives and, of a rejection, its reason; None: it gives none."""
    reason = form.get("reason")
    match form.get("answer"):
        case "acknowledged":
            return "acknowledged", None
        case "accepted":
            return "accepted", None
        case "actioned":
            return "actioned", None
        case "rejected" if reason in REJECTIONS:
            return "rejected", reason
    return None, None


def _serve(asset: rendering.Asset) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(_request: web.Request) -> web.Response:
        return web.Response(
            body=asset.content,
            content_type=asset.content_type,
            charset="utf-8",
            headers={
                "Cache-Control": "public, max-age=31536000, immutable",
                "X-Content-Type-Options": "nosniff",
                "Cross-Origin-Resource-Policy": "same-origin",
            },
        )

    return serve


def _html(page: str, *, status: int = 200, more: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        text=page, status=status, content_type="text/html", headers={**_HEADERS, **(more or {})}
    )
