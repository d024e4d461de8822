"""Asking the owners of webhooks, as they are registered, whether they agree to be posted to.

Source: CloudEvents http-webhook.md section 4 (abuse protection).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.channels.handshake import Allowed, Answer, Refused, ask
from gateway.channels.http_client import GuardedClient
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.party import Endpoint, Recipient

RATE_WISHED: Final = 600  # posts a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Consents:
    """What the owners said."""

    recipients: tuple[Recipient, ...]  # each endpoint with the rate its owner allows
    refused: tuple[tuple[EndpointId, str], ...]  # and the code of why
    silent: tuple[tuple[EndpointId, str], ...]


async def ask_owners(
    client: GuardedClient,
    found: Sequence[Recipient],
    held: Mapping[RecipientId, Recipient],
    *,
    origin: str,
) -> Consents:
    """Ask the owner of each webhook that is new or has another address. Never raises.

    Args:
        client: To ask by.
        found: Those to be registered.
        held: Those registered now: who was asked before is not asked again.
        origin: DNS name of this gateway.
    """
    known = {
        (endpoint.id, endpoint.address): endpoint.per_minute
        for one in held.values()
        for endpoint in one.endpoints
    }
    asked = [
        endpoint
        for one in found
        for endpoint in one.endpoints
        if endpoint.channel == "webhook" and (endpoint.id, endpoint.address) not in known
    ]
    answers = await asyncio.gather(
        *(ask(client, one.address, origin=origin, rate=RATE_WISHED) for one in asked)
    )
    said: dict[EndpointId, Answer] = {
        one.id: answer for one, answer in zip(asked, answers, strict=True)
    }
    refused = tuple((id_, one.code) for id_, one in said.items() if isinstance(one, Refused))
    silent = tuple(
        (id_, one.code) for id_, one in said.items() if not isinstance(one, Allowed | Refused)
    )

    def rated(endpoint: Endpoint) -> Endpoint:
        answer = said.get(endpoint.id)
        rate = known.get((endpoint.id, endpoint.address))
        return replace(endpoint, per_minute=answer.rate if isinstance(answer, Allowed) else rate)

    return Consents(
        recipients=tuple(
            replace(one, endpoints=tuple(rated(endpoint) for endpoint in one.endpoints))
            for one in found
        ),
        refused=refused,
        silent=silent,
    )
