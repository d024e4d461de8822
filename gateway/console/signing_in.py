"""Signing in to the console and out of it, and registering a passkey: the pages of the door itself.

A page to sign in says nothing of anybody: no user name is asked for, and whatever is wrong, the
answer is one page. Source: OWASP ASVS 5.0 V6, V7; W3C WebAuthn level 3.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Final, Literal

import structlog
from aiohttp import web

from gateway.console.accounts import Accounts
from gateway.console.answers import HOME, SIGN_IN, Answers, NoForm, form_of, is_ours, moved
from gateway.console.oidc import BadAnswer, Provider, Terms
from gateway.console.own import ConsoleOwn
from gateway.console.page import Shown
from gateway.console.patience import Patience
from gateway.console.session import Sessions, drop_cookies, set_cookie, set_door
from gateway.console.transaction import (
    LASTS,
    Transaction,
    drop_transaction,
    opened,
    set_transaction,
)
from gateway.model.staff import Staff, StaffId
from gateway.second_factor import user_handle
from gateway.store import sessions as session_store
from gateway.store import staff as staff_store
from gateway.store.engine import Connection
from gateway.store.sessions import SignInMeans
from keys.at_rest import DataKey

Work = Callable[[web.Request], Awaitable[web.StreamResponse]]

SIGNED_OUT: Final = "/console/signed-out"
PROVIDER: Final = "/console/sign-in/provider"
RETURNED: Final = "/console/sign-in/returned"

_LOG = structlog.get_logger()
_OUR_PATH: Final = re.compile(r"/console(/[A-Za-z0-9_~%-][A-Za-z0-9._~%-]{0,99}){0,8}", re.ASCII)


class SigningIn:
    """The pages of the door."""

    def __init__(
        self, own: ConsoleOwn, answers: Answers, sessions: Sessions, *, origin: str
    ) -> None:
        self._own = own
        self._answers = answers
        self._sessions = sessions
        self._origin = origin
        self._accounts = Accounts(own)
        self._patience = Patience(own.now)
        self._transaction_key = DataKey(own.store.sealed.derive("console-oidc"))
        terms = Terms.of(own.config, redirect_uri=own.config.instance.public_url + RETURNED)
        self._provider = None if terms is None else Provider(terms, now=own.now)

    def routes(self) -> Iterable[tuple[Literal["GET", "POST"], str, Work]]:
        """Yield the method, path and work of each."""
        yield "GET", SIGN_IN, self._ask
        yield "POST", "/console/sign-out", self._leave
        yield "GET", SIGNED_OUT, self._left
        if self._own.config.console.passkeys:
            yield "POST", SIGN_IN, self._enter
            yield "GET", "/console/enrol/{token}", self._ask_enrol
            yield "POST", "/console/enrol/{token}", self._enrol
        if self._provider is not None:
            yield "GET", PROVIDER, self._go_to_provider
            yield "GET", RETURNED, self._return_from_provider

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        present = await self._sessions.present(request)
        again, onward = _path(request.query, "again"), _path(request.query, "next")
        if present is not None and (again is None or present.visitor.fresh):
            return moved(again or onward or HOME)
        return self._form(request, onward=onward, again=again)

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        fields = await self._posted(request)
        again, onward = _path(fields, "again"), _path(fields, "next")
        if not self._sessions.is_door(request, fields.get("csrf", "")):
            return self._form(request, onward=onward, again=again, wrong="late")
        before = await self._sessions.present(request)
        door = self._sessions.door(request)
        shown = self._accounts.shown(fields.get("assertion", ""), door)
        cookie = None
        if shown is not None:
            cookie = await self._sessions.begin(
                shown.staff,
                "passkey",
                before=before.mac if before else None,
                use=shown.use,
                enters=_may_enter(shown.staff, before.visitor.staff if before else None, again),
            )
        if cookie is None:
            who = shown.staff.id if shown else None
            wrong = await self._refused(request, who, "passkey")
            return self._form(request, onward=onward, again=again, wrong=wrong)
        return _let_in(moved(again or onward or HOME), cookie)

    async def _go_to_provider(self, request: web.Request) -> web.StreamResponse:
        assert self._provider is not None  # noqa: S101 - there is no route without it
        again, onward = _path(request.query, "again"), _path(request.query, "next")
        present = await self._sessions.present(request)
        transaction = Transaction.begin(
            self._own.random_bytes,
            at=self._own.now(),
            again=again,
            onward=onward,
            staff=present.visitor.staff if present else None,
            before=present.mac if present else None,
        )
        try:
            to = await self._provider.ask(transaction)
        except BadAnswer as error:
            _LOG.warning("provider of sign-ins failed", code=error.code)
            return self._form(request, onward=onward, again=again, wrong="provider")
        answer = moved(to)
        set_transaction(answer, transaction.sealed(self._transaction_key))
        return answer

    async def _return_from_provider(self, request: web.Request) -> web.StreamResponse:
        assert self._provider is not None  # noqa: S101 - as above
        transaction = opened(request, self._transaction_key, now=self._own.now())
        if transaction is None:
            return self._form(request, onward=None, again=None, wrong="late")
        staff, cookie = None, None
        try:
            subject = await self._provider.subject_of(request.query, transaction)
        except BadAnswer as error:
            _LOG.warning("sign-in not vouched for", code=error.code)
        else:
            staff = staff_store.vouched_for(self._own.store.reader, subject)
        if staff is not None:
            cookie = await self._sessions.begin(
                staff,
                "oidc",
                before=transaction.before,
                use=partial(self._use, transaction),
                enters=_may_enter(staff, transaction.staff, transaction.again),
            )
        if cookie is None:
            wrong = await self._refused(request, None, "oidc")
            answer = self._form(
                request, onward=transaction.onward, again=transaction.again, wrong=wrong
            )
        else:
            answer = _let_in(self._onward(transaction.again or transaction.onward), cookie)
        drop_transaction(answer)
        return answer

    def _use(self, transaction: Transaction, connection: Connection) -> bool:
        """Take note that a way back was taken; False: it was before."""
        mac = self._own.store.sealed.mac("console-transaction", transaction.state)
        until = transaction.at + LASTS + timedelta(seconds=1)  # its last moment counts
        return session_store.use_once(connection, mac, until=until, now=self._own.now())

    async def _leave(self, request: web.Request) -> web.StreamResponse:
        present = await self._sessions.present(request)
        fields = await self._posted(request)
        if present is not None:
            if not present.is_csrf(fields.get("csrf", "")):
                raise NoForm
            await self._sessions.end(present)
        answer = moved(SIGNED_OUT)
        drop_cookies(answer)
        answer.headers["Clear-Site-Data"] = '"cache", "storage"'
        return answer

    async def _left(self, _request: web.Request) -> web.StreamResponse:
        return self._answers.page(Shown(template="signed_out.html", title="You are signed out"))

    async def _ask_enrol(self, request: web.Request) -> web.StreamResponse:
        return self._enrol_form(request)

    async def _enrol(self, request: web.Request) -> web.StreamResponse:
        fields = await self._posted(request)
        token = request.match_info["token"]
        made = await self._accounts.register(token, fields.get("attestation", ""))
        if made is None:
            over = self._patience.is_over(request.remote)
            return self._enrol_form(request, wrong=True, status=429 if over else 403)
        return self._answers.page(
            Shown(template="enrolled_staff.html", title="Your passkey is registered")
        )

    async def _posted(self, request: web.Request) -> dict[str, str]:
        if not is_ours(request, self._origin):
            raise NoForm
        return await form_of(request)

    async def _refused(
        self, request: web.Request, staff: StaffId | None, means: SignInMeans
    ) -> str:
        """Log a refused sign-in, unless there are too many; return which words to answer with."""
        if self._patience.is_over(request.remote):
            _LOG.warning("too many wrong sign-ins", kind=means)
            return "often"
        await self._own.store.commit(session_store.refused(staff, means, now=self._own.now()))
        return "refused"

    def _form(
        self,
        request: web.Request,
        *,
        onward: str | None,
        again: str | None,
        wrong: str | None = None,
    ) -> web.Response:
        door = self._sessions.door(request)
        values = {
            "csrf": self._sessions.door_token(door),
            "challenge": self._accounts.challenge(door),
            "rp_id": self._accounts.rp_id,
            "passkeys": self._own.config.console.passkeys,
            "provider": PROVIDER if self._provider is not None else None,
            "onward": onward,
            "again": again,
            "wrong": wrong,
        }
        title = "Sign in" if again is None else "Prove that it is you"
        status = {None: 200, "often": 429, "provider": 503}.get(wrong, 403)
        shown = Shown(template="sign_in.html", title=title, values=values, status=status)
        answer = self._answers.page(shown)
        set_door(answer, door)
        return answer

    def _enrol_form(
        self, request: web.Request, *, wrong: bool = False, status: int = 200
    ) -> web.Response:
        token = request.match_info["token"]
        values = {
            "challenge": self._accounts.challenge(token),
            "rp_id": self._accounts.rp_id,
            "user": user_handle(token),
            "wrong": wrong,
        }
        return self._answers.page(
            Shown(
                template="enrol_staff.html",
                title="Register a passkey",
                values=values,
                status=status,
            )
        )

    def _onward(self, to: str | None) -> web.Response:
        """Return a page that moves on by itself: a redirect would still count as coming from the
        provider's site, and the browser would keep the session's cookie back."""
        values = {"to": to or HOME}
        return self._answers.page(
            Shown(template="signed_in.html", title="You are signed in", values=values)
        )


def _may_enter(staff: Staff, before: StaffId | None, again: str | None) -> bool:
    """Return whether it is who it has to be: to prove anew who one is, whoever is signed in."""
    return again is None or before is None or before == staff.id


def _let_in(answer: web.Response, cookie: str) -> web.Response:
    drop_cookies(answer)
    set_cookie(answer, cookie)
    return answer


def _path(stated: Mapping[str, str], name: str) -> str | None:
    """Return where to go next: a page of ours, whatever was asked for."""
    path = stated.get(name, "")
    return path if _OUR_PATH.fullmatch(path) and not path.startswith(SIGN_IN) else None
