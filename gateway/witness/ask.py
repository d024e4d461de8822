"""Asking a witness: one request, one answer, whatever it is. Never raises but for cancellation.

Nothing here is believed: a cosignature is for the policy to verify, a size or a refusal is a word.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final
from urllib.parse import urlsplit

from gateway.channels.addresses import BadAddress, check_https_url
from gateway.channels.http_client import GuardedClient, Reply
from gateway.channels.outbound import OutboundPolicy
from gateway.disclosure_log.note import parse_signatures
from gateway.disclosure_log.problem import BadCheckpoint
from gateway.witness.request import origin_hash, parse_size

# Witnesses are named by the operator, on whatever network they are; plain HTTP is for loopback.
WITNESS_POLICY: Final = OutboundPolicy(
    allowed_networks=(IPv4Network("0.0.0.0/0"), IPv6Network("::/0")), allow_plain_http=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """It answered with signatures, as (key name, key id || signature). None is verified."""

    signatures: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """It says that it knows the log at another size."""

    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """It will not: 422 says that the log does not follow from what it knows."""

    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreached:
    """No answer that means anything."""

    reason: str  # a stable code


WitnessAnswer = Cosigned | Conflict | Refused | Unreached


def check_url(url: str) -> str:
    """Return a submission prefix without its trailing slash.

    Raises:
        BadAddress: no https URL without a query; http is only for a loopback address.
    """
    checked = check_https_url(url, policy=WITNESS_POLICY)
    if urlsplit(checked).query:
        raise BadAddress("url-form")
    return checked.rstrip("/")


async def ask(client: GuardedClient, url: str, body: str) -> WitnessAnswer:
    """Post a checkpoint and its proof to a witness; return its answer."""
    reply = await client.exchange(
        "POST",
        f"{url}/add-checkpoint",
        headers={"Content-Type": "text/plain; charset=utf-8"},
        body=body.encode(),
        keep_reply=True,
    )
    if not isinstance(reply, Reply):
        return Unreached(reason=reply.reason)
    if reply.status == 409:
        size = parse_size(reply.body)
        return Conflict(size=size) if size is not None else Unreached(reason="bad-size")
    if reply.status != 200:
        refusals = 400 <= reply.status < 500 and reply.status not in {408, 429}
        return (
            Refused(status=reply.status) if refusals else Unreached(reason=f"http-{reply.status}")
        )
    try:
        return Cosigned(signatures=parse_signatures(reply.body.decode()))
    except (BadCheckpoint, UnicodeDecodeError):
        return Unreached(reason="bad-answer")


async def latest(client: GuardedClient, url: str, origin: str) -> str | None:
    """Return what a witness shows as the newest checkpoint of a log, or None. Not verified."""
    reply = await client.exchange(
        "GET", f"{url}/{origin_hash(origin)}/checkpoint", headers={}, keep_reply=True
    )
    if not isinstance(reply, Reply) or reply.status != 200:
        return None
    try:
        return reply.body.decode()
    except UnicodeDecodeError:
        return None
