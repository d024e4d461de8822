"""Texts: a reference and nothing else, and never the same one twice."""

import gzip
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson
import pytest

from gateway.channels.addresses import BadAddress
from gateway.channels.outbound import OutboundPolicy
from gateway.channels.sms import Caps, NotifyProvider, Rule, SmsChannel, SmsProvider
from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.demo.servers.notify import NotifyServer
from gateway.model.outcome import Accepted, Deferred, Rejected
from tests.channels.parcels import ALERT, NOW, a_parcel, clock
from tests.channels.scripted import Handler, answering, listening, never_answer

SHORT_S = 0.4
ISSUER = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
API_KEY = f"test-key-{ISSUER}-6ba7b811-9dad-11d1-80b4-00c04fd430c8"
TEMPLATE = "f33517ff-2a88-4f6e-b855-c550268ce08a"
ID = "740e5834-3a29-46b4-9a6f-16142fde533a"


def a_channel(
    certificates: LoopbackCertificates, policy: OutboundPolicy, base_url: str, **changes: Any
) -> SmsChannel:
    timeout_s = changes.pop("timeout_s", 5)
    return over([a_notify(certificates, policy, base_url, **changes)], timeout_s=timeout_s)


def a_notify(
    certificates: LoopbackCertificates, policy: OutboundPolicy, base_url: str, **changes: Any
) -> NotifyProvider:
    settings: dict[str, Any] = {
        "base_url": base_url,
        "api_key": API_KEY,
        "template_id": TEMPLATE,
        "policy": policy,
        "ssl_context": certificates.client_context,
        "clock": clock,
    }
    return NotifyProvider(**(settings | changes))


def over(providers: Sequence[SmsProvider], **changes: Any) -> SmsChannel:
    settings: dict[str, Any] = {
        "providers": providers,
        "caps": Caps(routine=1000, urgent=1000, identical=1000),
        "rule": Rule(),
        "key": bytes(32),
        "monotonic": time.monotonic,
        "timeout_s": 5,
    }
    return SmsChannel(**(settings | changes))


def a_server(certificates: LoopbackCertificates, **changes: Any) -> NotifyServer:
    settings: dict[str, Any] = {"api_key": API_KEY, "template_id": TEMPLATE, "clock": clock}
    return NotifyServer(certificates, **(settings | changes))


async def test_a_pointer_becomes_a_text_with_its_reference_in_it(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with a_server(certificates) as server:
        channel = a_channel(certificates, loopback, server.url)
        outcome = await channel.deliver(a_parcel("sms"))
        await channel.close()
    (text,) = server.texts
    assert outcome == Accepted(detail=text.id)
    assert text.phone_number == "+447700900123"
    assert text.reference == ALERT
    assert text.body == "Throughgate: message K7-QQ2-9XD is waiting. Read it at "
    assert server.lookups == 0


@pytest.mark.parametrize(
    "sealed",
    [b"", b"Arthur Sample", b"k7", b"A" * 41, b"A\n", b"A B", "Ａ".encode(), b'{"reference":"A"}'],
)
async def test_what_is_not_a_pointer_is_never_sent(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, sealed: bytes
) -> None:
    async with a_server(certificates) as server:
        channel = a_channel(certificates, loopback, server.url)
        outcome = await channel.deliver(a_parcel("sms", sealed=sealed))
        await channel.close()
    assert outcome == Rejected(reason="not-a-pointer")
    assert server.texts == []


async def test_what_is_not_a_number_is_refused(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with a_server(certificates) as server:
        channel = a_channel(certificates, loopback, server.url)
        outcome = await channel.deliver(a_parcel("sms", address="duty desk"))
        await channel.close()
    assert outcome == Rejected(reason="address-refused")


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (400, "ValidationError", Rejected(reason="notify-400")),
        (400, "BadRequestError", Rejected(reason="notify-400")),
        (401, "AuthError", Deferred(reason="notify-401")),
        (403, "AuthError", Deferred(reason="notify-403")),
        (404, "NoResultFound", Deferred(reason="notify-404")),
        (429, "RateLimitError", Deferred(reason="notify-429")),
        (429, "", Deferred(reason="notify-429")),
        (
            429,
            "TooManyRequestsError",
            Deferred(reason="notify-429-today", after=timedelta(hours=14, minutes=30)),
        ),
        (500, "Exception", Deferred(reason="notify-500", outcome_unknown=True)),
        (504, "Timeout", Deferred(reason="notify-504", outcome_unknown=True)),
    ],
)
async def test_each_answer_comes_to_its_outcome(
    certificates: LoopbackCertificates,
    loopback: OutboundPolicy,
    status: int,
    error: str,
    expected: object,
) -> None:
    async with a_server(certificates, answers=[(status, error)]) as server:
        channel = a_channel(certificates, loopback, server.url)
        assert await channel.deliver(a_parcel("sms")) == expected
        assert isinstance(await channel.deliver(a_parcel("sms", attempt=2)), Accepted)
        await channel.close()
    assert len(server.texts) == 1


async def test_a_clock_more_than_thirty_seconds_off_and_a_foreign_key_are_turned_away(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    foreign = API_KEY[:-1] + "9"
    async with a_server(certificates) as server:
        for changes, accepted in (
            ({"clock": lambda: NOW + 29}, True),
            ({"clock": lambda: NOW + 40}, False),
            ({"clock": lambda: NOW - 40}, False),
            ({"api_key": foreign}, False),
            ({"api_key": API_KEY.replace(ISSUER, ISSUER[:-1] + "9")}, False),
        ):
            channel = a_channel(certificates, loopback, server.url, **changes)
            outcome = await channel.deliver(a_parcel("sms"))
            await channel.close()
            expected = (
                Accepted(detail=server.texts[0].id) if accepted else Deferred(reason="notify-403")
            )
            assert outcome == expected
    assert len(server.texts) == 1


async def test_a_lost_answer_is_looked_up_and_the_text_is_not_repeated(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with a_server(certificates, lost_answers=1) as server:
        channel = a_channel(certificates, loopback, server.url)
        first = await channel.deliver(a_parcel("sms"))
        assert first == Deferred(reason="connection-lost", outcome_unknown=True)
        second = await channel.deliver(a_parcel("sms", attempt=2, outcome_unknown=True))
        await channel.close()
    assert second == Accepted(detail=server.texts[0].id)
    assert len(server.texts) == 1


async def test_a_text_in_doubt_that_the_provider_never_took_is_sent(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with a_server(certificates) as server:
        channel = a_channel(certificates, loopback, server.url)
        await channel.deliver(a_parcel("sms", alert="alt_another"))
        outcome = await channel.deliver(a_parcel("sms", attempt=2, outcome_unknown=True))
        await channel.close()
    assert server.lookups == 1
    assert [text.reference for text in server.texts] == ["alt_another", ALERT]
    assert outcome == Accepted(detail=server.texts[1].id)


async def test_a_text_for_the_same_alert_to_another_number_says_nothing_of_this_one(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with a_server(certificates) as server:
        channel = a_channel(certificates, loopback, server.url)
        await channel.deliver(a_parcel("sms", address="07700 900456", endpoint="deputy/sms"))
        for _ in range(2):
            channel_after_restart = a_channel(certificates, loopback, server.url)
            outcome = await channel_after_restart.deliver(a_parcel("sms", outcome_unknown=True))
            assert outcome == Accepted(detail=server.texts[1].id)
            await channel_after_restart.close()
        await channel.close()
    assert [text.phone_number for text in server.texts] == ["+447700900456", "+447700900123"]


@pytest.mark.parametrize(
    ("statuses", "expected", "sent"),
    [
        (["created"], Accepted(detail=ID), 0),
        (["pending"], Accepted(detail=ID), 0),
        (["delivered"], Accepted(detail=ID), 0),
        (["something new"], Accepted(detail=ID), 0),
        (["temporary-failure", "sending"], Accepted(detail=ID), 0),
        (["permanent-failure"], Rejected(reason="notify-permanent-failure"), 0),
        (["temporary-failure"], Accepted(detail=ID), 1),
        (["technical-failure", "temporary-failure"], Accepted(detail=ID), 1),
        ([], Accepted(detail=ID), 1),
    ],
)
async def test_only_a_text_known_not_to_arrive_is_sent_again(
    certificates: LoopbackCertificates,
    loopback: OutboundPolicy,
    statuses: list[str],
    expected: object,
    sent: int,
) -> None:
    found = {"notifications": [{"id": ID, "status": status} for status in statuses]}
    posts: list[bytes] = []
    handler = _provider(posts, lookup=(200, orjson.dumps(found)))
    async with listening(handler, tls=certificates.server_context) as server:
        channel = a_channel(certificates, loopback, f"https://127.0.0.1:{server.port}")
        outcome = await channel.deliver(a_parcel("sms", outcome_unknown=True))
        await channel.close()
    assert outcome == expected
    assert len(posts) == sent


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (503, b"", "notify-503"),
        (403, b"{}", "notify-403"),
        (404, b"{}", "notify-404"),
        (302, b"", "notify-302"),
        (200, b"<html>", "notify-malformed"),
        (200, b'{"notifications":null}', "notify-malformed"),
        (200, b"[]", "notify-malformed"),
    ],
)
async def test_while_the_doubt_lasts_nothing_is_sent(
    certificates: LoopbackCertificates,
    loopback: OutboundPolicy,
    status: int,
    body: bytes,
    reason: str,
) -> None:
    posts: list[bytes] = []
    handler = _provider(posts, lookup=(status, body))
    async with listening(handler, tls=certificates.server_context) as server:
        channel = a_channel(certificates, loopback, f"https://127.0.0.1:{server.port}")
        outcome = await channel.deliver(a_parcel("sms", outcome_unknown=True))
        await channel.close()
    assert outcome == Deferred(reason=reason, outcome_unknown=True)
    assert posts == []


async def test_a_provider_that_does_not_answer_leaves_the_outcome_unknown(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with listening(never_answer, tls=certificates.server_context) as server:
        for doubt in (False, True):
            channel = a_channel(
                certificates, loopback, f"https://127.0.0.1:{server.port}", timeout_s=SHORT_S
            )
            began = time.monotonic()
            outcome = await channel.deliver(a_parcel("sms", outcome_unknown=doubt))
            assert time.monotonic() - began < SHORT_S + 1
            await channel.close()
            assert outcome == Deferred(reason="timeout", outcome_unknown=True)


async def test_a_lookup_that_cannot_connect_keeps_the_doubt(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with listening(never_answer) as gone:
        pass
    for doubt in (False, True):
        channel = a_channel(certificates, loopback, f"https://127.0.0.1:{gone.port}")
        outcome = await channel.deliver(a_parcel("sms", outcome_unknown=doubt))
        assert outcome == Deferred(reason="connect", outcome_unknown=doubt)
        await channel.close()


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[]", b'{"id":7}', b'{"id":"+447700900123"}', b"x" * 100_000]
)
async def test_a_created_text_is_accepted_whatever_else_the_answer_holds(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, body: bytes
) -> None:
    reply = b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with listening(answering(reply), tls=certificates.server_context) as server:
        channel = a_channel(certificates, loopback, f"https://127.0.0.1:{server.port}")
        assert await channel.deliver(a_parcel("sms")) == Accepted(detail="")
        await channel.close()


async def test_a_compressed_answer_is_not_opened(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    body = gzip.compress(orjson.dumps({"id": ID}))
    head = b"HTTP/1.1 201 x\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with listening(answering(head + body), tls=certificates.server_context) as server:
        channel = a_channel(certificates, loopback, f"https://127.0.0.1:{server.port}")
        assert await channel.deliver(a_parcel("sms")) == Accepted(detail="")
        await channel.close()


@pytest.mark.parametrize("api_key", ["", "canary", f"canary-{ISSUER}", f"{API_KEY}-canary"])
def test_a_key_of_another_form_is_refused_and_not_shown(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, api_key: str
) -> None:
    with pytest.raises(ValueError, match="API key") as refusal:
        a_channel(certificates, loopback, "https://api.example.org", api_key=api_key)
    assert "canary" not in str(refusal.value)


def test_a_provider_outside_the_policy_is_refused(certificates: LoopbackCertificates) -> None:
    with pytest.raises(BadAddress):
        a_channel(certificates, OutboundPolicy(), "https://127.0.0.1:6012")


def _provider(posts: list[bytes], *, lookup: tuple[int, bytes]) -> Handler:
    """Answer look-ups as told, and take every text."""

    async def answer(reader: Any, writer: Any) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET /v2/notifications?template_type=sms&reference=alt_"):
                status, body = lookup
            else:
                assert head.startswith(b"POST /v2/notifications/sms ")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                posts.append(await reader.readexactly(length))
                status, body = 201, orjson.dumps({"id": ID})
            writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (status, len(body)))
            writer.write(body)

    return answer
