"""Several alerts in one post: what leaves, and what each reply comes to for each of them."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels import webhook_batch
from gateway.channels.contract import Together
from gateway.channels.http_client import Reply
from gateway.channels.outbound import OutboundPolicy
from gateway.channels.webhook import webhook_body
from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.demo.servers.webhook import Answer, WebhookReceiver
from gateway.model.disclosure import Parcel
from gateway.model.ids import AlertId
from gateway.model.outcome import Accepted, Deferred, Outcome, Rejected
from tests.channels.parcels import NOW, a_parcel
from tests.channels.scripted import answering, listening
from tests.channels.test_webhook import _sign, a_channel

MANY = 1_000_000
_UNREAD = Deferred(reason="bad-reply", outcome_unknown=True)
_NOT_TAKEN = Deferred(reason="http-not-taken")


def parcels(address: str, count: int = 3) -> list[Parcel]:
    return [a_parcel(address=address, alert=AlertId(f"alt_{n}")) for n in range(count)]


def told(*rejected: object) -> Answer:
    return Answer(status=200, body=orjson.dumps({"rejected": rejected}))


async def answered(
    certificates: LoopbackCertificates,
    loopback: OutboundPolicy,
    answer: int | Answer,
    most_bytes: int = MANY,
) -> tuple[Together, WebhookReceiver]:
    async with WebhookReceiver(certificates, answers=[answer]) as receiver:
        channel = a_channel(certificates, loopback)
        came = await channel.deliver_together(parcels(receiver.url), most_bytes=most_bytes)
        await channel.close()
    return came, receiver


async def test_a_batch_holds_the_very_events_that_would_leave_alone(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    came, receiver = await answered(certificates, loopback, 204)
    assert came == Together(said=Accepted(), each=(Accepted(),) * 3)
    (post,) = receiver.received
    alone = [webhook_body(one, source="urn:throughgate:test") for one in parcels("")]
    assert post.body == b"[" + b",".join(alone) + b"]"
    assert post.headers["content-type"] == "application/cloudevents-batch+json"
    id_ = post.headers["webhook-id"]
    assert id_ == webhook_batch.batch_id([AlertId(f"alt_{n}") for n in (2, 0, 1)])
    assert post.headers["webhook-signature"] == _sign(
        "police-north/webhook", id_, int(NOW), post.body
    )


async def test_what_finds_no_room_stays(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    one = len(webhook_body(a_parcel(alert=AlertId("alt_0")), source="urn:throughgate:test"))
    came, receiver = await answered(certificates, loopback, 204, most_bytes=2 * one + 3)
    assert len(came.each) == 2
    (post,) = receiver.received
    assert len(post.body) == 2 * one + 3
    came, receiver = await answered(certificates, loopback, 204, most_bytes=2 * one + 2)
    assert len(came.each) == 1


@pytest.mark.parametrize(
    ("answer", "each"),
    [
        (told({"id": "alt_1", "reason": "full"}), (Accepted(), _NOT_TAKEN, Accepted())),
        (
            told({"id": "alt_2", "reason": "never"}),
            (Accepted(), Accepted(), Rejected(reason="http-refused")),
        ),
        (told({"id": "alt_9"}), (Accepted(),) * 3),
        (told(), (Accepted(),) * 3),
        (told("alt_1"), (_UNREAD,) * 3),
        (Answer(status=200, body=b'{"rejected": "alt_1"}'), (_UNREAD,) * 3),
        (Answer(status=200, body=b"thank you"), (Accepted(),) * 3),
        (Answer(status=202, body=b'{"status": "ok"}'), (Accepted(),) * 3),
        (Answer(status=200, body=b"[" * 70_000), (_UNREAD,) * 3),
        (410, (Deferred(reason="http-410"),) * 3),
        (500, (Deferred(reason="http-500"),) * 3),
    ],
)
async def test_the_reply_decides_of_each(
    certificates: LoopbackCertificates,
    loopback: OutboundPolicy,
    answer: int | Answer,
    each: tuple[Outcome, ...],
) -> None:
    came, _receiver = await answered(certificates, loopback, answer)
    assert came.each == each
    whole = each[0] if len(set(each)) == 1 else Accepted()
    assert came.said == whole


async def test_of_a_reply_that_breaks_off_nothing_is_known(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    cut = b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"rejected": [{"id": "al'
    async with listening(answering(cut), tls=certificates.server_context) as server:
        channel = a_channel(certificates, loopback)
        url = f"https://127.0.0.1:{server.port}/hook"
        came = await channel.deliver_together(parcels(url), most_bytes=MANY)
        await channel.close()
    assert came == Together(said=_UNREAD, each=(_UNREAD,) * 3)


async def test_one_that_cannot_be_written_keeps_nobody_else_back(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with WebhookReceiver(certificates, answers=[500]) as receiver:
        given = parcels(receiver.url)
        given[1] = a_parcel(address=receiver.url, alert=AlertId("alt_1"), sealed=b"not sealed")
        channel = a_channel(certificates, loopback)
        came = await channel.deliver_together(given, most_bytes=MANY)
        nothing = await channel.deliver_together([given[1]] * 2, most_bytes=MANY)
        await channel.close()
    refused, failed = Rejected(reason="not-sealed"), Deferred(reason="http-500")
    assert came.each == (failed, refused, failed)
    assert [event["id"] for event in orjson.loads(receiver.received[0].body)] == ["alt_0", "alt_2"]
    assert nothing.each == (refused, refused)
    assert len(receiver.received) == 1


async def test_a_long_post_leaves_whole(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with WebhookReceiver(certificates) as receiver:
        given = [
            replace(one, form="notice", sealed=b"x" * 700_000) for one in parcels(receiver.url)
        ]
        channel = a_channel(certificates, loopback)
        came = await channel.deliver_together(given, most_bytes=4_000_000)
        await channel.close()
    assert came.each == (Accepted(),) * 3
    (post,) = receiver.received
    assert [len(event["data"]["notice"]) for event in orjson.loads(post.body)] == [700_000] * 3


async def test_nothing_leaves_unsigned(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    def no_key(*_of: object) -> str:
        raise LookupError

    async with WebhookReceiver(certificates) as receiver:
        channel = a_channel(certificates, loopback, sign=no_key)
        came = await channel.deliver_together(parcels(receiver.url), most_bytes=MANY)
        await channel.close()
    assert came.each == (Deferred(reason="not-signed"),) * 3
    assert receiver.received == []


@given(st.lists(st.binary(min_size=2, max_size=40), min_size=1, max_size=20), st.integers(0, 500))
def test_no_post_is_longer_than_agreed_unless_one_alert_alone_is(
    bodies: list[bytes], most_bytes: int
) -> None:
    count = webhook_batch.fitting(bodies, most_bytes)
    assert count == 1 or len(webhook_batch.batch_body(bodies[:count])) <= most_bytes
    if count < len(bodies):
        assert len(webhook_batch.batch_body(bodies[: count + 1])) > most_bytes


@given(st.binary(max_size=200), st.booleans())
def test_no_reply_makes_it_fail(body: bytes, whole: bool) -> None:
    reply = Reply(status=200, retry_after=None, body=body, whole=whole)
    assert len(webhook_batch.outcomes(reply, [AlertId("alt_0"), AlertId("alt_1")])) == 2
