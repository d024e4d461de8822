"""Ask a webhook receiver, before anything is ever posted to it, whether it agrees to be told.

Whoever mistypes an address, or registers somebody else's, is found out here: consent is a header
that no server sends by chance, never a status code.
Source: CloudEvents http-webhook.md section 4, without the callback.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from gateway.channels.addresses import check_host_name
from gateway.channels.http_client import GuardedClient, Reply
from gateway.model.outcome import Deferred, Rejected

_ALLOWED_ORIGIN: Final = "WebHook-Allowed-Origin"
_ALLOWED_RATE: Final = "WebHook-Allowed-Rate"
_ANY: Final = "*"
_RATE: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
# It is there, it understood, and it wants no part of this.
_REFUSALS: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.GONE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The receiver agrees, to so many posts a minute; None for any number."""

    rate: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The receiver answered and does not agree: nothing may be posted to it."""

    code: str  # address-refused, other-origin, bad-rate, or http-3xx, http-403, http-410


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """Neither yes nor no: no answer, or one by a server that knows nothing of the handshake."""

    code: str  # no-allowed-origin, http-404, timeout, tls, dns, connect, ...


Answer = Allowed | Refused | Silent


async def ask(client: GuardedClient, url: str, *, origin: str, rate: int) -> Answer:
    """Ask the receiver at a URL for consent. Posts nothing, follows nothing, never raises.

    Args:
        client: Its own deadline and address policy hold.
        url: The very URL that alerts would be posted to.
        origin: DNS name of this gateway; the same in every post afterwards.
        rate: Posts a minute wished for, 1 or more. A receiver that agrees without a rate agrees to
            this one.

    Raises:
        BadAddress: origin is no DNS name.
        ValueError: rate is none.
    """
    if rate < 1:
        raise ValueError("the rate must be 1 or more a minute")
    reply = await client.exchange(
        "OPTIONS",
        url,
        headers={
            "WebHook-Request-Origin": check_host_name(origin),
            "WebHook-Request-Rate": str(rate),
        },
        keep_headers=(_ALLOWED_ORIGIN, _ALLOWED_RATE),
    )
    if isinstance(reply, Rejected):
        return Refused(code=reply.reason)
    if isinstance(reply, Deferred):
        return Silent(code=reply.reason)
    return _judge(reply, origin=origin, rate=rate)


def _judge(reply: Reply, *, origin: str, rate: int) -> Answer:
    status = reply.status
    if 300 <= status < 400 or status in _REFUSALS:
        return Refused(code=f"http-{status}")
    if not 200 <= status < 300:
        return Silent(code=f"http-{status}")
    allowed = reply.headers.get(_ALLOWED_ORIGIN, "").strip()
    if not allowed:
        return Silent(code="no-allowed-origin")
    if allowed != _ANY and allowed.lower() != origin.lower():
        return Refused(code="other-origin")
    return _allowed(reply.headers.get(_ALLOWED_RATE, str(rate)).strip())


def _allowed(rate: str) -> Answer:
    if rate == _ANY:
        return Allowed(rate=None)
    return Allowed(rate=int(rate)) if _RATE.fullmatch(rate) else Refused(code="bad-rate")
