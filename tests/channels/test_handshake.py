"""Consent is a header nobody sends by chance, and nothing else is."""

import asyncio
from collections.abc import Mapping

import pytest

from gateway.channels.addresses import BadAddress
from gateway.channels.handshake import Allowed, Refused, Silent, ask
from gateway.channels.http_client import GuardedClient
from gateway.channels.outbound import OutboundPolicy
from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.demo.servers.webhook import Answer, WebhookReceiver
from tests.channels.scripted import answering, listening, never_answer

ORIGIN = "alerts.gateway.example"
RATE = 120


def _client(certificates: LoopbackCertificates, policy: OutboundPolicy) -> GuardedClient:
    return GuardedClient(
        policy=policy, ssl_context=certificates.client_context, timeout_s=0.6, user_agent="test"
    )


async def _asked(
    certificates: LoopbackCertificates, policy: OutboundPolicy, answer: Answer
) -> object:
    async with WebhookReceiver(certificates, answers=[answer]) as receiver:
        client = _client(certificates, policy)
        said = await ask(client, receiver.url, origin=ORIGIN, rate=RATE)
        await client.close()
    assert len(receiver.received) == 1
    return said


async def test_the_question_names_the_origin_and_the_rate_and_nothing_else(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    heard = bytearray()

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(65536))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()

    async with listening(keep, tls=certificates.server_context) as server:
        client = _client(certificates, loopback)
        url = f"https://127.0.0.1:{server.port}/in?tenant=7"
        await ask(client, url, origin=ORIGIN, rate=RATE)
        await client.close()
    head, _, body = bytes(heard).partition(b"\r\n\r\n")
    line, *headers = head.decode().lower().split("\r\n")
    assert line == "options /in?tenant=7 http/1.1"
    assert f"webhook-request-origin: {ORIGIN}" in headers
    assert "webhook-request-rate: 120" in headers
    assert not any(header.startswith("webhook-request-callback") for header in headers)
    assert body == b""


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"WebHook-Allowed-Origin": ORIGIN, "WebHook-Allowed-Rate": "60"}, Allowed(rate=60)),
        (
            {"webhook-allowed-origin": ORIGIN.upper(), "WebHook-Allowed-Rate": "*"},
            Allowed(rate=None),
        ),
        ({"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "1000"}, Allowed(rate=1000)),
        ({"WebHook-Allowed-Origin": "*"}, Allowed(rate=RATE)),
        ({"WebHook-Allowed-Origin": "gateway.example"}, Refused(code="other-origin")),
        ({"WebHook-Allowed-Origin": "*.gateway.example"}, Refused(code="other-origin")),
        ({"WebHook-Allowed-Origin": f"{ORIGIN}, *"}, Refused(code="other-origin")),
        ({"WebHook-Allowed-Origin": "null"}, Refused(code="other-origin")),
        ({"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "0"}, Refused(code="bad-rate")),
        ({"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "-1"}, Refused(code="bad-rate")),
        ({"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "1.5"}, Refused(code="bad-rate")),
        (
            {"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "9" * 40},
            Refused(code="bad-rate"),
        ),
        ({"WebHook-Allowed-Origin": " "}, Silent(code="no-allowed-origin")),
        ({"Allow": "POST, OPTIONS"}, Silent(code="no-allowed-origin")),
        ({"Access-Control-Allow-Origin": "*"}, Silent(code="no-allowed-origin")),
        ({}, Silent(code="no-allowed-origin")),
    ],
    ids=str,
)
async def test_the_answer_is_in_the_headers(
    certificates: LoopbackCertificates,
    loopback: OutboundPolicy,
    headers: Mapping[str, str],
    expected: object,
) -> None:
    for status in (200, 204):
        answer = Answer(status=status, headers=headers)
        assert await _asked(certificates, loopback, answer) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, Refused),
        (307, Refused),
        (403, Refused),
        (410, Refused),
        (401, Silent),
        (404, Silent),
        (405, Silent),
        (429, Silent),
        (500, Silent),
        (503, Silent),
    ],
)
async def test_an_answer_that_is_no_success_is_no_consent_whatever_its_headers_say(
    certificates: LoopbackCertificates,
    loopback: OutboundPolicy,
    status: int,
    expected: type[Refused | Silent],
) -> None:
    async with WebhookReceiver(certificates) as elsewhere:
        headers = {
            "WebHook-Allowed-Origin": "*",
            "WebHook-Allowed-Rate": "*",
            "Location": elsewhere.url,
        }
        answer = Answer(status=status, headers=headers)
        assert await _asked(certificates, loopback, answer) == expected(code=f"http-{status}")
    assert elsewhere.received == []


async def test_two_answers_in_one_are_no_consent(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    twice = b"WebHook-Allowed-Origin: *\r\nWebHook-Allowed-Origin: other.example\r\n"
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + twice + b"\r\n"
    async with listening(answering(reply), tls=certificates.server_context) as server:
        client = _client(certificates, loopback)
        url = f"https://127.0.0.1:{server.port}/"
        assert await ask(client, url, origin=ORIGIN, rate=1) == Refused(code="other-origin")
        await client.close()


async def test_no_answer_is_silence_and_a_refused_address_is_a_refusal(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    client = _client(certificates, loopback)
    async with listening(never_answer, tls=certificates.server_context) as server:
        url = f"https://127.0.0.1:{server.port}/"
        assert await ask(client, url, origin=ORIGIN, rate=1) == Silent(code="timeout")
    assert await ask(client, url, origin=ORIGIN, rate=1) == Silent(code="connect")
    for refused in ("https://10.0.0.1/", "http://hook.example.org/", "file:///etc/hosts"):
        assert await ask(client, refused, origin=ORIGIN, rate=1) == Refused(code="address-refused")
    await client.close()


async def test_a_receiver_of_another_name_is_asked_nothing(
    certificates: LoopbackCertificates,
    other_name: LoopbackCertificates,
    loopback: OutboundPolicy,
) -> None:
    async with WebhookReceiver(other_name) as receiver:
        client = _client(certificates, loopback)
        assert await ask(client, receiver.url, origin=ORIGIN, rate=1) == Silent(code="tls")
        await client.close()
    assert receiver.received == []


async def test_an_origin_or_a_rate_that_is_none_is_an_error_of_ours(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    client = _client(certificates, loopback)
    with pytest.raises(BadAddress):
        await ask(client, "https://hook.example.org/", origin="a\r\nb", rate=1)
    with pytest.raises(ValueError, match="rate"):
        await ask(client, "https://hook.example.org/", origin=ORIGIN, rate=0)
    await client.close()
