"""One sign-in under way at a provider, kept by the browser that asked for it, sealed."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import orjson
from aiohttp import web

from gateway.model.staff import StaffId
from keys.at_rest import DataKey
from keys.problem import KeyProblem

LASTS: Final = timedelta(minutes=10)
# Sent with the way back from the provider, which another site starts: so not "Strict".
_COOKIE: Final = "__Host-throughgate-provider"
_CONTEXT: Final = b"console-oidc"
_MAX_LENGTH: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What has to come back, and where to go then."""

    state: str
    nonce: str
    verifier: str  # RFC 7636: 43 characters
    at: datetime
    onward: str | None
    again: str | None  # set: who they are has to be proven anew
    staff: StaffId | None  # who is signed in while asking: the way back brings no session
    before: bytes | None  # digest of their session, which ends with the new one

    def __repr__(self) -> str:
        return "Transaction(...)"

    @classmethod
    def begin(
        cls,
        random_bytes: Callable[[int], bytes],
        *,
        at: datetime,
        onward: str | None,
        again: str | None,
        staff: StaffId | None,
        before: bytes | None,
    ) -> "Transaction":
        """Return a new one."""
        state, nonce, verifier = (_base64url(random_bytes(32)) for _ in range(3))
        return cls(
            state=state,
            nonce=nonce,
            verifier=verifier,
            at=at,
            onward=onward,
            again=again,
            staff=staff,
            before=before,
        )

    def sealed(self, key: DataKey) -> str:
        """Return it as the browser keeps it."""
        plain = {
            "state": self.state,
            "nonce": self.nonce,
            "verifier": self.verifier,
            "at": self.at.timestamp(),
            "onward": self.onward,
            "again": self.again,
            "staff": self.staff,
            "before": None if self.before is None else self.before.hex(),
        }
        return _base64url(key.seal(orjson.dumps(plain), _CONTEXT))


def opened(request: web.Request, key: DataKey, *, now: datetime) -> Transaction | None:
    """Return what a browser asked a provider for, within its time, or None."""
    text = request.cookies.get(_COOKIE, "")
    if not 0 < len(text) <= _MAX_LENGTH:
        return None
    try:
        plain = key.open(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), _CONTEXT)
    except (KeyProblem, ValueError):
        return None
    kept = orjson.loads(plain)
    begun = datetime.fromtimestamp(kept.pop("at"), now.tzinfo)
    if not begun <= now <= begun + LASTS:
        return None
    before = kept.pop("before")
    return Transaction(at=begun, before=None if before is None else bytes.fromhex(before), **kept)


def set_transaction(answer: web.StreamResponse, sealed: str) -> None:
    """Have the browser keep it until it is back."""
    lasts = int(LASTS.total_seconds())
    answer.set_cookie(
        _COOKIE, sealed, path="/", secure=True, httponly=True, samesite="Lax", max_age=lasts
    )


def drop_transaction(answer: web.StreamResponse) -> None:
    """Have the browser forget it: each is good once."""
    answer.del_cookie(_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
