"""Webhooks: what leaves, and what each reply, or the lack of one, comes to."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import orjson
import pytest

from gateway.channels.outbound import OutboundPolicy
from gateway.channels.webhook import WebhookChannel, webhook_body
from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.demo.servers.webhook import Answer, WebhookReceiver
from gateway.model.outcome import Accepted, Deferred, Rejected
from tests.channels.parcels import ALERT, HPKE, JWE, NOW, a_parcel, clock
from tests.channels.scripted import answering, full_backlog, listening, never_answer

SHORT_S = 0.3


def _sign(endpoint: str, alert: str, timestamp: int, body: bytes) -> str:
    return f"v1,{endpoint}|{alert}|{timestamp}|{len(body)}"


def a_channel(
    certificates: LoopbackCertificates, policy: OutboundPolicy, **changes: Any
) -> WebhookChannel:
    settings: dict[str, Any] = {
        "source": "urn:throughgate:test",
        "sign": _sign,
        "policy": policy,
        "ssl_context": certificates.client_context,
        "clock": clock,
        "timeout_s": 5,
        "user_agent": "throughgate-test",
    }
    return WebhookChannel(**(settings | changes))


async def test_a_sealed_alert_arrives_as_a_signed_cloudevent(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with WebhookReceiver(certificates) as receiver:
        channel = a_channel(certificates, loopback)
        parcel = a_parcel(address=receiver.url)
        assert await channel.deliver(parcel) == Accepted()
        await channel.close()
    (post,) = receiver.received
    assert orjson.loads(post.body) == {
        "specversion": "1.0",
        "id": ALERT,
        "source": "urn:throughgate:test",
        "type": "org.throughgate.alert.v1",
        "time": "2026-11-20T09:29:58.250000Z",
        "datacontenttype": "application/json",
        "data": {"sealed": orjson.loads(HPKE), "proof": parcel.proof},
    }
    assert post.headers["content-type"] == "application/cloudevents+json"
    assert post.headers["webhook-id"] == ALERT
    assert post.headers["webhook-timestamp"] == str(int(NOW))
    assert post.headers["webhook-signature"] == _sign(parcel.endpoint, ALERT, int(NOW), post.body)
    assert post.headers["user-agent"] == "throughgate-test"
    assert "cookie" not in post.headers


async def test_body_and_id_are_the_same_over_attempts_and_the_timestamp_is_not(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    times = iter([NOW, NOW + 5])
    cookie = Answer(status=503, headers={"Set-Cookie": "a=b"})
    async with WebhookReceiver(certificates, answers=[cookie]) as receiver:
        for attempt in (1, 2):
            # A new channel each time: nothing is remembered, as after a restart.
            channel = a_channel(certificates, loopback, clock=lambda: next(times))
            await channel.deliver(a_parcel(address=receiver.url, attempt=attempt))
            await channel.close()
    first, second = receiver.received
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert "cookie" not in second.headers


@pytest.mark.parametrize(
    ("sealed", "member"),
    [(HPKE, orjson.loads(HPKE)), (JWE, JWE.decode())],
    ids=["hpke", "jwe"],
)
def test_the_sealed_member_is_the_envelope_itself(sealed: bytes, member: object) -> None:
    body = webhook_body(a_parcel(sealed=sealed), source="urn:x")
    assert orjson.loads(body)["data"]["sealed"] == member


@pytest.mark.parametrize("form", ["notice", "pointer"])
def test_content_free_text_is_named_for_its_form(form: str) -> None:
    body = webhook_body(a_parcel(form=form, sealed=b"Sign in"), source="urn:x")
    assert orjson.loads(body)["data"].keys() == {form, "proof"}


@pytest.mark.parametrize(
    "changes",
    [
        {"sealed": b"Arthur Sample was released today"},
        {"sealed": b'"text"'},
        {"sealed": b"[1]"},
        {"sealed": b"a.b.c"},
        {"form": "notice", "sealed": b"\xff"},
        {"proof": "\ud800"},
    ],
    ids=ascii,
)
async def test_what_is_not_sealed_or_not_text_never_leaves(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, changes: dict[str, Any]
) -> None:
    async with WebhookReceiver(certificates) as receiver:
        channel = a_channel(certificates, loopback)
        outcome = await channel.deliver(a_parcel(address=receiver.url, **changes))
        await channel.close()
    assert outcome in (Rejected(reason="not-sealed"), Rejected(reason="not-text"))
    assert receiver.received == []


async def test_what_cannot_be_signed_never_leaves(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    def no_key(*_: object) -> str:
        raise LookupError("canary")

    async with WebhookReceiver(certificates) as receiver:
        channel = a_channel(certificates, loopback, sign=no_key)
        outcome = await channel.deliver(a_parcel(address=receiver.url))
        await channel.close()
    assert outcome == Deferred(reason="not-signed")
    assert receiver.received == []


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_accepted(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, status: int
) -> None:
    assert await _answered(certificates, loopback, Answer(status=status)) == Accepted()


async def test_410_is_final(certificates: LoopbackCertificates, loopback: OutboundPolicy) -> None:
    outcome = await _answered(certificates, loopback, Answer(status=410))
    assert outcome == Rejected(reason="http-410")


@pytest.mark.parametrize("status", [304, 400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503])
async def test_every_other_status_is_tried_again(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, status: int
) -> None:
    outcome = await _answered(certificates, loopback, Answer(status=status))
    assert outcome == Deferred(reason=f"http-{status}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, status: int
) -> None:
    async with WebhookReceiver(certificates) as other:
        answer = Answer(status=status, headers={"Location": other.url, "Refresh": "0"})
        outcome = await _answered(certificates, loopback, answer)
    assert outcome == Deferred(reason=f"http-{status}")
    assert other.received == []


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize(
    ("retry_after", "wait_s"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("9" * 30, 3600),
        ("Fri, 20 Nov 2026 09:32:00 GMT", 120),
        ("Sat, 21 Nov 2026 09:30:00 GMT", 3600),
        ("Thu, 19 Nov 2026 09:30:00 GMT", None),
        ("0", None),
        ("-5", None),
        ("soon", None),
        ("١٢٠", None),
        ("Fri, 99 Nov 99999 09:32:00 GMT", None),
    ],
)
async def test_retry_after_lengthens_the_wait_by_at_most_an_hour(
    certificates: LoopbackCertificates,
    loopback: OutboundPolicy,
    status: int,
    retry_after: str,
    wait_s: int | None,
) -> None:
    answer = Answer(status=status, headers={"Retry-After": retry_after})
    outcome = await _answered(certificates, loopback, answer)
    after = None if wait_s is None else timedelta(seconds=wait_s)
    assert outcome == Deferred(reason=f"http-{status}", after=after)


async def test_an_unreadable_address_is_refused_without_a_connection(
    certificates: LoopbackCertificates,
) -> None:
    channel = a_channel(certificates, OutboundPolicy())
    for address in ("https://127.0.0.1/", "hook.example.org", "", "https://a\r\nb.example/"):
        outcome = await channel.deliver(a_parcel(address=address))
        assert outcome == Rejected(reason="address-refused")
    await channel.close()


async def test_a_certificate_for_another_name_or_of_another_authority_ends_the_attempt(
    certificates: LoopbackCertificates,
    other_name: LoopbackCertificates,
    loopback: OutboundPolicy,
) -> None:
    async with WebhookReceiver(other_name) as receiver:
        for trusting in (other_name, certificates):
            channel = a_channel(trusting, loopback)
            outcome = await channel.deliver(a_parcel(address=receiver.url))
            await channel.close()
            assert outcome == Deferred(reason="tls")
    assert receiver.received == []


async def test_a_context_that_checks_nothing_is_not_taken(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    with pytest.raises(ValueError, match="TLS context"):
        a_channel(certificates, loopback, ssl_context=certificates.server_context)


async def test_nothing_listening_is_deferred_as_surely_not_delivered(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with listening(never_answer) as gone:
        pass
    channel = a_channel(certificates, loopback)
    outcome = await channel.deliver(a_parcel(address=f"https://127.0.0.1:{gone.port}/"))
    await channel.close()
    assert outcome == Deferred(reason="connect")


async def test_a_deadline_before_the_connection_stands_leaves_no_doubt(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with listening(never_answer) as no_handshake:
        with full_backlog() as no_connection:
            for port in (no_handshake.port, no_connection):
                outcome, took_s = await _timed(certificates, loopback, port)
                assert outcome == Deferred(reason="timeout")
                assert took_s < SHORT_S + 1


async def test_a_deadline_after_the_body_left_leaves_the_outcome_unknown(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    endless_informational = answering(b"HTTP/1.1 100 Continue\r\n\r\n" * 50, then="hang")
    half_a_header = answering(b"HTTP/1.1 200 OK\r\nX-Hal", then="hang")
    for handler in (never_answer, half_a_header, endless_informational):
        async with listening(handler, tls=certificates.server_context) as server:
            outcome, took_s = await _timed(certificates, loopback, server.port)
        assert outcome == Deferred(reason="timeout", outcome_unknown=True)
        assert took_s < SHORT_S + 1


async def test_a_connection_cut_before_the_status_line_leaves_the_outcome_unknown(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with listening(answering(b""), tls=certificates.server_context) as server:
        outcome, _ = await _timed(certificates, loopback, server.port)
    assert outcome == Deferred(reason="connection-lost", outcome_unknown=True)


async def test_a_reply_that_is_not_http_leaves_the_outcome_unknown(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    for reply in (b"220 mail.example ESMTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000):
        async with listening(answering(reply), tls=certificates.server_context) as server:
            outcome, _ = await _timed(certificates, loopback, server.port)
        assert outcome == Deferred(reason="bad-reply", outcome_unknown=True)


@pytest.mark.parametrize("then", ["hang", "repeat", "close"])
@pytest.mark.parametrize(
    ("status", "expected"),
    [(b"200", Accepted()), (b"503", Deferred(reason="http-503"))],
)
async def test_an_endless_slow_or_cut_reply_body_is_judged_by_its_status_line(
    certificates: LoopbackCertificates,
    loopback: OutboundPolicy,
    then: str,
    status: bytes,
    expected: object,
) -> None:
    head = b"HTTP/1.1 " + status + b" x\r\nContent-Length: 99999999999\r\n\r\nsome"
    async with listening(answering(head, then=then), tls=certificates.server_context) as server:
        outcome, took_s = await _timed(certificates, loopback, server.port)
    assert outcome == expected
    assert took_s < SHORT_S + 1


async def test_an_endless_reply_is_cut_long_before_the_deadline(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n"
    handler = answering(head, then="repeat")
    async with listening(handler, tls=certificates.server_context) as server:
        channel = a_channel(certificates, loopback, timeout_s=30)
        began = time.monotonic()
        outcome = await channel.deliver(a_parcel(address=f"https://127.0.0.1:{server.port}/"))
        assert time.monotonic() - began < 5
        await channel.close()
    assert outcome == Accepted()


async def test_attempts_share_a_connection_and_a_cancelled_one_is_not_used_again(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    seen: list[str] = []
    reached = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            seen.append(orjson.loads(await reader.readexactly(length))["id"])
            if seen[-1] == "alt_hangs":
                reached.set()
                await asyncio.Event().wait()
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with listening(answer, tls=certificates.server_context) as server:
        channel = a_channel(certificates, loopback)
        url = f"https://127.0.0.1:{server.port}/"
        for _ in range(3):
            assert await channel.deliver(a_parcel(address=url)) == Accepted()
        assert server.connections == 1
        attempt = asyncio.ensure_future(channel.deliver(a_parcel(address=url, alert="alt_hangs")))
        await reached.wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        assert await channel.deliver(a_parcel(address=url)) == Accepted()
        assert server.connections == 2
        await channel.close()


async def test_attempts_at_a_silent_receiver_do_not_hold_up_a_good_one(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    tls = certificates.server_context
    async with WebhookReceiver(certificates) as good, listening(never_answer, tls=tls) as silent:
        channel = a_channel(certificates, loopback, timeout_s=1)
        parcel = a_parcel(address=f"https://127.0.0.1:{silent.port}/")
        stuck = [asyncio.ensure_future(channel.deliver(parcel)) for _ in range(64)]
        assert await channel.deliver(a_parcel(address=good.url)) == Accepted()
        assert not any(attempt.done() for attempt in stuck)
        outcomes = await asyncio.gather(*stuck)
        await channel.close()
    assert {outcome.reason for outcome in outcomes if isinstance(outcome, Deferred)} == {"timeout"}
    assert len(outcomes) == 64


async def test_a_receiver_that_answers_before_reading_a_large_body_does_not_hold_the_attempt(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    large = orjson.dumps({"ciphertext": "A" * 8_000_000})
    reply = b"HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n"
    handler = answering(reply, then="hang-unread")
    async with listening(handler, tls=certificates.server_context) as server:
        outcome, took_s = await _timed(certificates, loopback, server.port, sealed=large)
    assert isinstance(outcome, Deferred)
    assert took_s < SHORT_S + 1


async def _answered(
    certificates: LoopbackCertificates, policy: OutboundPolicy, answer: Answer
) -> object:
    async with WebhookReceiver(certificates, answers=[answer]) as receiver:
        channel = a_channel(certificates, policy)
        outcome = await channel.deliver(a_parcel(address=receiver.url))
        await channel.close()
    assert len(receiver.received) == 1
    return outcome


async def _timed(
    certificates: LoopbackCertificates, policy: OutboundPolicy, port: int, **changes: Any
) -> tuple[object, float]:
    channel = a_channel(certificates, policy, timeout_s=SHORT_S)
    began = time.monotonic()
    outcome = await channel.deliver(a_parcel(address=f"https://127.0.0.1:{port}/", **changes))
    took_s = time.monotonic() - began
    await channel.close()
    return outcome, took_s
