"""Owners of webhooks are asked as they are registered: their no is final, their rate is kept."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.channels.http_client import USER_AGENT, GuardedClient
from gateway.channels.outbound import OutboundPolicy
from gateway.consent import Consents, ask_owners
from gateway.demo.servers.certificates import LoopbackCertificates, make_certificates
from gateway.demo.servers.webhook import Answer, WebhookReceiver
from gateway.model.ids import RecipientId
from gateway.model.party import Recipient
from tests.gateway_in_process import police

ORIGIN = "alerts.example.org"
LOOPBACK = (ip_network("127.0.0.0/8"),)
GRANTED = Answer(
    status=200, headers={"WebHook-Allowed-Origin": ORIGIN, "WebHook-Allowed-Rate": "120"}
)


@pytest.fixture
def certificates(tmp_path: Path) -> LoopbackCertificates:
    return make_certificates(tmp_path)


async def asked(
    certificates: LoopbackCertificates, hook: WebhookReceiver, *held: Recipient
) -> Consents:
    client = GuardedClient(
        policy=OutboundPolicy(allowed_networks=LOOPBACK),
        ssl_context=certificates.client_context,
        timeout_s=5,
        user_agent=USER_AGENT,
    )
    try:
        known = {RecipientId(one.id): one for one in held}
        return await ask_owners(client, [police(hook.url)[0]], known, origin=ORIGIN)
    finally:
        await client.close()


async def test_a_yes_sets_the_rate(certificates: LoopbackCertificates) -> None:
    async with WebhookReceiver(certificates, answers=[GRANTED]) as hook:
        consents = await asked(certificates, hook)
    assert consents.recipients[0].endpoints[0].per_minute == 120
    assert (consents.refused, consents.silent) == ((), ())
    assert hook.received[0].headers["webhook-request-origin"] == ORIGIN
    assert hook.received[0].body == b""


async def test_a_no_is_told_with_its_code(certificates: LoopbackCertificates) -> None:
    async with WebhookReceiver(certificates, answers=[403]) as hook:
        consents = await asked(certificates, hook)
    assert consents.refused == (("police-ppu/webhook", "http-403"),)


async def test_a_receiver_that_knows_nothing_of_it_is_told_apart(
    certificates: LoopbackCertificates,
) -> None:
    async with WebhookReceiver(certificates) as hook:
        consents = await asked(certificates, hook)
    assert consents.silent == (("police-ppu/webhook", "no-allowed-origin"),)
    assert consents.recipients[0].endpoints[0].per_minute is None


async def test_who_was_asked_before_is_not_asked_again_and_keeps_the_rate(
    certificates: LoopbackCertificates,
) -> None:
    async with WebhookReceiver(certificates, answers=[GRANTED]) as hook:
        first = await asked(certificates, hook)
        again = await asked(certificates, hook, *first.recipients)
    assert len(hook.received) == 1
    assert again.recipients[0].endpoints[0].per_minute == 120
