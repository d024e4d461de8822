"""Several alerts in one post, and what a receiver says of each. Pure.

The body is a CloudEvents batch: an array of the very events that would be posted alone, each sealed
and proven by itself. Source: CloudEvents 1.0 JSON format, section 4 (JSON Batch Format), and its
HTTP binding, section 3.3.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import orjson

from gateway.channels.http_client import Reply
from gateway.model.ids import AlertId
from gateway.model.outcome import Accepted, Deferred, Outcome, Rejected

MEDIA_TYPE: Final = "application/cloudevents-batch+json"
NEVER: Final = "never"  # the one reason of a receiver's that ends an alert

_ACCEPTED: Final = Accepted()
_NOT_TAKEN: Final = Deferred(reason="http-not-taken")
_REFUSED: Final = Rejected(reason="http-refused")
_UNREAD: Final = Deferred(reason="bad-reply", outcome_unknown=True)


def batch_id(alerts: Sequence[AlertId]) -> AlertId:
    """Return the ``webhook-id`` of a post of these alerts: the same for the same ones, whatever
    their order."""
    digest = hashlib.sha256("\n".join(sorted(alerts)).encode()).hexdigest()
    return AlertId(f"bat_{digest[:32]}")


def fitting(bodies: Sequence[bytes], most_bytes: int) -> int:
    """Return how many of the first bodies fit into one post: 1 or more."""
    room = most_bytes - 1
    for number, body in enumerate(bodies):
        room -= len(body) + 1
        if room < 0:
            return max(1, number)
    return len(bodies)


def batch_body(bodies: Sequence[bytes]) -> bytes:
    """Return the post of events already written."""
    return b"[" + b",".join(bodies) + b"]"


def outcomes(reply: Reply, alerts: Sequence[AlertId]) -> tuple[Outcome, ...]:
    """Return what a 2xx reply says of each alert, in order.

    All are accepted, but for those that ``{"rejected": [{"id": ..., "reason": ...}]}`` names: tried
    again later, or never where the reason is ``never``. A reply that breaks off, or that names
    rejected ones in another way, leaves it unknown of all. Anything else in it is not read.
    """
    named = _rejected(reply)
    if named is None:
        return (_UNREAD,) * len(alerts)
    return tuple(named.get(alert, _ACCEPTED) for alert in alerts)


def _rejected(reply: Reply) -> dict[str, Outcome] | None:
    """Return the alerts a reply names as not taken; None: it cannot be told."""
    if not reply.whole:
        return None
    try:
        told = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(told, dict) or "rejected" not in told:
        return {}
    listed = told["rejected"]
    if not isinstance(listed, list):
        return None
    named: dict[str, Outcome] = {}
    for one in listed:
        if not isinstance(one, dict) or not isinstance(one.get("id"), str):
            return None
        named[one["id"]] = _REFUSED if one.get("reason") == NEVER else _NOT_TAKEN
    return named
