"""What GOV.UK Notify posts back: delivery receipts, and the texts people answer with.

Both bodies quote a number or a text. Nothing of them is stored or logged; what matters is handed
on as a `Receipt` or a `Reply`, and the answer says the same whether or not it concerned anyone.
Receipts come more than once and in any order: whoever takes them must not mind.

Source: GOV.UK Notify callbacks (5 s, repeated on a lost connection, 429 and 5xx).
"""

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from aiohttp import web

from gateway.channels.sms.reply import read_reply
from gateway.http.problems import problem
from gateway.metrics import TEXTS_HEARD
from gateway.model.ids import AlertId
from gateway.model.outcome import Receipt, Reply
from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import JsonObject, read_object
from gateway.store.sqlite import StoreUnavailable

Receipts = Callable[[Receipt], Awaitable[bool]]
Replies = Callable[[Reply], Awaitable[bool]]
What = Literal["receipt", "reply"]
Verdict = Literal["matched", "unknown", "ignored"]

MIN_TOKEN_LENGTH: Final = 16
MAX_BODY_BYTES: Final = 16 * 1024

_ALERT: Final = re.compile(r"alt_[0-9A-Za-z-]{1,60}")
# Every one of these is Notify's last word on a text: it sends none again by itself.
_STATES: Final[dict[str, Literal["delivered", "failed"]]] = {
    "delivered": "delivered",
    "permanent-failure": "failed",
    "temporary-failure": "failed",
    "technical-failure": "failed",
}


def routes(receipts: Receipts, replies: Replies, token: str) -> list[web.RouteDef]:
    """Return the routes Notify calls.

    Args:
        receipts: Takes a receipt and says whether it is of an alert known here.
        replies: Takes a reply and says whether it answered an alert told to that number.
        token: What Notify was told to authenticate with; at least 16 characters.

    Raises:
        ValueError: the token is shorter.
    """
    if len(token) < MIN_TOKEN_LENGTH:
        raise ValueError(f"the callback token must have {MIN_TOKEN_LENGTH} characters or more")
    expected = _digest(f"Bearer {token}")

    async def receipt(request: web.Request) -> web.Response:
        async def take(body: JsonObject) -> bool | None:
            found = read_receipt(body)
            return await receipts(found) if found else None

        return await _answer(request, expected, "receipt", take)

    async def reply(request: web.Request) -> web.Response:
        async def take(body: JsonObject) -> bool | None:
            sender, text = body.get("source_number"), body.get("message")
            if not isinstance(sender, str) or not isinstance(text, str):
                return None
            found = read_reply(sender, text)
            return await replies(found) if found else None

        return await _answer(request, expected, "reply", take)

    return [
        web.post("/v1/receipts/notify", receipt),
        web.post("/v1/replies/notify", reply),
    ]


def read_receipt(body: JsonObject) -> Receipt | None:
    """Return the receipt in a callback's members, or None when it is of no text of ours. Pure."""
    alert, status = body.get("reference"), body.get("status")
    if body.get("notification_type") != "sms" or not isinstance(status, str):
        return None
    state = _STATES.get(status)
    if state is None or not isinstance(alert, str) or not _ALERT.fullmatch(alert):
        return None
    return Receipt(alert=AlertId(alert), channel="sms", state=state, code=f"sms-{status}")


async def _answer(
    request: web.Request,
    expected: bytes,
    what: What,
    take: Callable[[JsonObject], Awaitable[bool | None]],
) -> web.Response:
    """Check who calls, hand on what it says, and answer alike whatever came of that."""
    given = _digest(request.headers.get("Authorization", ""))
    if not hmac.compare_digest(given, expected):
        return problem(
            401, "untrusted-source", "Not the token", headers={"WWW-Authenticate": "Bearer"}
        )
    if request.headers.get("Content-Encoding", "identity").lower() not in {"identity", ""}:
        return problem(415, "unsupported-content", "Send the body without Content-Encoding")
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        return _too_large()
    if len(raw) > MAX_BODY_BYTES:
        return _too_large()
    try:
        matched = await take(read_object(raw))
    except MalformedEvent:
        return problem(400, "malformed-callback", "Not a callback")
    except StoreUnavailable as error:
        # Notify calls again, five minutes on.
        return problem(503, error.code, "Not now", headers={"Retry-After": "60"})
    TEXTS_HEARD.labels(what, _verdict(matched)).inc()
    return web.json_response({})


def _verdict(matched: bool | None) -> Verdict:
    if matched is None:
        return "ignored"
    return "matched" if matched else "unknown"


def _digest(text: str) -> bytes:
    """Return a digest, so that comparing takes as long for every length."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _too_large() -> web.Response:
    return problem(413, "too-large", "Body too large", detail=f"at most {MAX_BODY_BYTES} bytes")
