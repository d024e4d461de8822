"""Sessions of the console: the cookie, who is behind it, and the tokens of its forms.

The cookie is 256 random bits that mean nothing; what it stands for is looked up with every request,
so that whoever is signed out, revoked or timed out is so with their next one.
Source: OWASP ASVS 5.0 V3.3, V3.5, V7.
"""

import base64
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from gateway.audit.scope import NOTHING, Scope
from gateway.config.console import ConsoleConfig
from gateway.console.page import Visitor
from gateway.model.staff import Staff
from gateway.store import sessions, staff
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from gateway.store.sessions import Limits, Session, SignInMeans
from gateway.store.store import Store

COOKIE: Final = "__Host-throughgate"
DOOR: Final = "__Host-throughgate-door"  # of a browser that asks to sign in: its forms are ours
FRESH: Final = timedelta(minutes=5)  # a proof of who one is counts as just given

_COOKIE_BYTES: Final = 32
_SHAPE: Final = re.compile(r"[A-Za-z0-9_\-]{43}", re.ASCII)
_DOOR_S: Final = 3600

Use = Callable[[Connection], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A session that stands, with the digest of its cookie."""

    mac: bytes
    session: Session
    visitor: Visitor

    def is_csrf(self, token: str) -> bool:
        """Return whether a form is one that this session was shown."""
        return same(token, self.visitor.csrf)


class Sessions:
    """Who is behind a request."""

    def __init__(
        self,
        store: Store,
        config: ConsoleConfig,
        *,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._store = store
        self._now = now
        self._random_bytes = random_bytes
        self._limits = Limits(
            idle=timedelta(seconds=config.idle_s), absolute=timedelta(seconds=config.absolute_s)
        )
        # Noting every request would make a commit of each look at a page.
        self._note_after = timedelta(seconds=min(30, config.idle_s / 10))

    async def present(self, request: web.Request) -> Present | None:
        """Return whose request it is; None: nobody's that is signed in.

        A session beyond its limits is ended, and that is logged, before this returns.
        """
        cookie = request.cookies.get(COOKIE, "")
        if not _SHAPE.fullmatch(cookie):
            return None
        mac = self._mac(cookie)
        found = sessions.find(self._store.reader, mac)
        now = self._now()
        if found is None:
            return None
        if not found.lasts(self._limits, now) or not found.staff.active:
            await self._store.commit(sessions.end(mac, outcome="expired", now=now))
            return None
        if now >= found.seen_at + self._note_after:
            await self._store.commit(sessions.seen(mac, now=now))
        visitor = Visitor(
            staff=found.staff.id,
            roles=found.staff.roles,
            scope=_scope(found.staff),
            csrf=self.csrf_of(cookie),
            fresh=now < found.began_at + FRESH,
        )
        return Present(mac=mac, session=found, visitor=visitor)

    async def begin(
        self,
        who: Staff,
        means: SignInMeans,
        *,
        before: bytes | None,
        use: Use | None = None,
        enters: bool = True,
    ) -> str | None:
        """Begin a session in place of the one before; return its cookie, or None: not any more.

        Args:
            who: Has just proved to be themselves.
            means: How.
            before: Digest of the session the same browser had, which ends with it.
            use: Takes note of what was shown, in the same transaction; False refuses.
            enters: False: they are refused, and what was shown is used up all the same.
        """
        cookie = self._random()
        mac, now = self._mac(cookie), self._now()

        def unit(connection: Connection) -> Staged[bool]:
            known = staff.find(connection, who.id)
            proven = use is None or use(connection)
            if known is None or not (known.active and proven and enters):
                return Staged(False, while_behind=True)
            logged = sessions.begin(
                connection, mac, known, means, replaces=before, limits=self._limits, now=now
            )
            return Staged(True, logged)

        return cookie if await self._store.commit(unit) else None

    async def end(self, present: Present) -> None:
        """End a session. Its cookie opens nothing from here on."""
        unit = sessions.end(present.mac, outcome="signed-out", now=self._now())
        await self._store.commit(unit)

    def csrf_of(self, cookie: str) -> str:
        """Return the token of the forms a session is shown."""
        return self._token("console-csrf", cookie)

    def door(self, request: web.Request) -> str:
        """Return what marks a browser that is not signed in: what it had, or something new."""
        had = request.cookies.get(DOOR, "")
        return had if _SHAPE.fullmatch(had) else self._random()

    def door_token(self, door: str) -> str:
        """Return the token of the forms that browser is shown."""
        return self._token("console-door", door)

    def is_door(self, request: web.Request, token: str) -> bool:
        """Return whether a form was shown to the browser that sends it."""
        had = request.cookies.get(DOOR, "")
        return _SHAPE.fullmatch(had) is not None and same(token, self.door_token(had))

    def _mac(self, cookie: str) -> bytes:
        return self._store.sealed.mac("console-session", cookie)

    def _token(self, purpose: str, cookie: str) -> str:
        return _base64url(self._store.sealed.mac(purpose, cookie))

    def _random(self) -> str:
        return _base64url(self._random_bytes(_COOKIE_BYTES))


def same(given: str, right: str) -> bool:
    """Return whether two tokens are the same, in constant time."""
    return hmac.compare_digest(given.encode(), right.encode())


def set_cookie(answer: web.StreamResponse, cookie: str) -> None:
    """Give a browser its session. It ends with the browser, if not before."""
    answer.set_cookie(COOKIE, cookie, path="/", secure=True, httponly=True, samesite="Strict")


def set_door(answer: web.StreamResponse, door: str) -> None:
    """Mark a browser that is shown a form to sign in."""
    answer.set_cookie(
        DOOR, door, path="/", secure=True, httponly=True, samesite="Strict", max_age=_DOOR_S
    )


def drop_cookies(answer: web.StreamResponse) -> None:
    """Have a browser forget its session."""
    for name in (COOKIE, DOOR):
        answer.del_cookie(name, path="/", secure=True, httponly=True, samesite="Strict")


def _scope(who: Staff) -> Scope:
    """Return what somebody may look at. An operator sees no person at all."""
    if "operator" in who.roles:
        return NOTHING
    return Scope(agencies=who.agencies, organisations=who.organisations)


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
