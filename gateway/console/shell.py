"""The console's door: sessions, roles, forgery, headers and layout around every page.

1. Whoever is not signed in learns nothing but where to sign in, whatever they ask for.
2. What is not for a visitor answers as what does not exist.
3. Nothing is changed by a GET, nor by a form that our own page did not send.
Source: OWASP ASVS 5.0 V3, V7, V8; promise P19.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from aiohttp import web

from gateway.console import assets as console_assets
from gateway.console.answers import (
    HOME,
    SIGN_IN,
    Answers,
    NoForm,
    download,
    form_of,
    is_ours,
    moved,
    origin_of,
    path_of,
)
from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Form, Given, Moved, Page, Shown, Visitor
from gateway.console.rendering import NavItem
from gateway.console.session import Present, Sessions
from gateway.console.signing_in import SigningIn
from gateway.model.staff import StaffRole
from gateway.store.sqlite import StoreUnavailable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOG = structlog.get_logger()
_EVERYTHING: Final = "/console/{tail:.*}"
_ANYBODY: Final[frozenset[StaffRole]] = frozenset({"dpo", "coordinator", "operator"})


def routes(own: ConsoleOwn, pages: Sequence[ConsoleRoute]) -> list[web.RouteDef]:
    """Return the routes of the console: its pages, signing in, and what they look like."""
    if not own.config.console.enabled:
        return []
    found = console_assets.load()
    if found is None:
        return [web.route("*", path, _not_installed) for path in (HOME, _EVERYTHING)]
    sessions = Sessions(own.store, own.config.console, now=own.now, random_bytes=own.random_bytes)
    shell = _Shell(own, Answers(found, instance=own.config.instance.name), sessions, pages)
    return [*console_assets.routes(found), *shell.routes()]


async def _not_installed(_request: web.Request) -> web.Response:
    return web.Response(
        text=console_assets.MISSING,
        status=503,
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )


class _Shell:
    def __init__(
        self,
        own: ConsoleOwn,
        answers: Answers,
        sessions: Sessions,
        pages: Sequence[ConsoleRoute],
    ) -> None:
        self._answers = answers
        self._sessions = sessions
        self._pages = list(pages)
        if all(one.path != HOME for one in pages):
            self._pages.insert(0, ConsoleRoute(path=HOME, roles=_ANYBODY, get=_welcome))
        self._origin = origin_of(own.config.instance.public_url)
        self._signing_in = SigningIn(own, answers, sessions, origin=self._origin)

    def routes(self) -> list[web.RouteDef]:
        found = [
            (web.get if method == "GET" else web.post)(path, self._guarded(work))
            for method, path, work in self._signing_in.routes()
        ]
        for page in self._pages:
            if page.get is not None:
                found.append(web.get(page.path, self._guarded(self._getting(page, page.get))))
            if page.post is not None:
                found.append(web.post(page.path, self._guarded(self._posting(page, page.post))))
        # Whatever else there is, and whatever a page has no form for.
        nothing = self._guarded(self._nothing)
        return [*found, *(web.route("*", path, nothing) for path in (HOME, _EVERYTHING))]

    def _getting(self, route: ConsoleRoute, get: Page) -> Handler:
        async def work(request: web.Request) -> web.StreamResponse:
            present = await self._sessions.present(request)
            refusal = self._refusal(request, present, route)
            if present is None or refusal is not None:
                return refusal or self._answers.not_found()
            return self._given(request, present.visitor, await get(request, present.visitor))

        return work

    def _posting(self, route: ConsoleRoute, post: Form) -> Handler:
        async def work(request: web.Request) -> web.StreamResponse:
            present = await self._sessions.present(request)
            # Whose form it is comes first: another site learns nothing by making a visitor post.
            if present is not None and not is_ours(request, self._origin):
                return self._answers.no_form()
            refusal = self._refusal(request, present, route)
            if present is None or refusal is not None:
                return refusal or self._answers.not_found()
            fields = await form_of(request)
            if not present.is_csrf(fields.pop("csrf", "")):
                return self._answers.no_form()
            given = await post(request, present.visitor, fields)
            return self._given(request, present.visitor, given)

        return work

    def _refusal(
        self, request: web.Request, present: Present | None, route: ConsoleRoute
    ) -> web.Response | None:
        """Return why a page is not for whoever asks, or None."""
        if present is None:
            return moved(f"{SIGN_IN}?next={path_of(request)}")
        if not present.visitor.roles & route.roles:
            return self._answers.not_found()
        if route.fresh and not present.visitor.fresh:
            return moved(f"{SIGN_IN}?again={path_of(request)}")
        return None

    async def _nothing(self, request: web.Request) -> web.StreamResponse:
        present = await self._sessions.present(request)
        if present is None:
            return moved(f"{SIGN_IN}?next={path_of(request)}")
        if request.method not in {"GET", "HEAD"} and not is_ours(request, self._origin):
            return self._answers.no_form()
        return self._answers.not_found()

    def _given(self, request: web.Request, visitor: Visitor, given: Given) -> web.Response:
        match given:
            case Shown():
                nav = self._nav(visitor)
                return self._answers.page(given, visitor, nav, here=request.path)
            case Moved(to=to):
                return moved(to)
            case _:
                return download(given)

    def _nav(self, visitor: Visitor) -> list[NavItem]:
        return [
            NavItem(href=one.path, text=one.nav)
            for one in self._pages
            if one.nav is not None and visitor.roles & one.roles
        ]

    def _guarded(self, work: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                return await work(request)
            except NoForm:
                return self._answers.no_form()
            except web.HTTPNotFound:
                return self._answers.not_found()
            except StoreUnavailable as error:
                _LOG.warning("console unavailable", code=error.code)
                behind = error.code == "log-behind"
                return self._answers.behind() if behind else self._answers.unavailable()
            except Exception as error:  # noqa: BLE001 - whatever it is, a visitor learns nothing of it
                _LOG.error("console failed", error=type(error).__name__, route=_pattern(request))
                return self._answers.failed()

        return guarded


async def _welcome(_request: web.Request, _visitor: Visitor) -> Shown:
    return Shown(template="welcome.html", title="Console")


def _pattern(request: web.Request) -> str | None:
    """Return which page it was, without what stood in its address."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else None
