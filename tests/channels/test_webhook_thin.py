"""Alerts too long to post: what is posted instead, and that what is collected was sealed."""

import hashlib
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, web

from gateway.channels.outbound import OutboundPolicy
from gateway.channels.webhook import MAX_POSTED_BYTES, webhook_body
from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.demo.servers.site import TlsSite
from gateway.demo.servers.webhook import WebhookReceiver
from gateway.http import sealed as sealed_routes
from gateway.model.disclosure import Parcel
from gateway.model.outcome import Accepted, Deferred, Rejected
from keys import hpke
from keys.seal import open_sealed
from tests.channels.parcels import ALERT, a_parcel
from tests.channels.test_webhook import a_channel

URL = "https://gateway.example/v1/alerts/alt_1/sealed/token"


def a_long_parcel(body_bytes: int = MAX_POSTED_BYTES + 1, **changes: Any) -> Parcel:
    """A parcel whose whole body has just so many bytes."""
    empty = a_parcel(sealed=b'{"ciphertext":""}', **changes)
    filler = body_bytes - len(webhook_body(empty, source="urn:throughgate:test"))
    return a_parcel(sealed=orjson.dumps({"ciphertext": "A" * filler}), **changes)


async def _posted(
    certificates: LoopbackCertificates, policy: OutboundPolicy, parcel: Parcel, **changes: Any
) -> tuple[object, list[Any]]:
    async with WebhookReceiver(certificates) as receiver:
        channel = a_channel(certificates, policy, **changes)
        changed = {name: getattr(parcel, name) for name in ("sealed", "form", "attempt")}
        outcome = await channel.deliver(a_parcel(address=receiver.url, **changed))
        await channel.close()
    return outcome, [orjson.loads(post.body) for post in receiver.received]


async def test_a_body_of_20_000_bytes_is_posted_whole_and_one_more_is_collected(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    for length, member in ((20_000, "sealed"), (20_001, "collect")):
        parcel = a_long_parcel(length)
        outcome, (event,) = await _posted(
            certificates, loopback, parcel, collect_url=lambda *_: URL
        )
        assert outcome == Accepted()
        assert event["data"].keys() == {member, "proof"}
    assert event["data"]["collect"] == {
        "url": URL,
        "bytes": len(parcel.sealed),
        "sha256": hashlib.sha256(parcel.sealed).hexdigest(),
    }
    assert event["id"] == ALERT
    assert event["data"]["proof"] == parcel.proof
    # An event whose data lies elsewhere may be relayed without its data, and so without its proof.
    assert "dataref" not in event


async def test_the_url_is_made_for_the_alert_and_the_endpoint_and_is_the_same_at_every_attempt(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    asked = []

    def collect_url(alert: str, endpoint: str) -> str:
        asked.append((alert, endpoint))
        return f"https://gateway.example/{alert}/{endpoint}"

    bodies = set()
    async with WebhookReceiver(certificates, answers=[503, 503]) as receiver:
        for attempt in (1, 2, 3):
            channel = a_channel(certificates, loopback, collect_url=collect_url)
            long = a_long_parcel(address=receiver.url, attempt=attempt)
            await channel.deliver(long)
            await channel.close()
        bodies = {post.body for post in receiver.received}
    assert len(receiver.received) == 3
    assert len(bodies) == 1
    assert set(asked) == {(ALERT, "police-north/webhook")}
    assert all(len(body) < 2000 for body in bodies)


async def test_a_signature_is_over_the_thin_body(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with WebhookReceiver(certificates) as receiver:
        channel = a_channel(certificates, loopback, collect_url=lambda *_: URL)
        await channel.deliver(a_long_parcel(address=receiver.url))
        await channel.close()
    (post,) = receiver.received
    assert post.headers["webhook-signature"].endswith(f"|{len(post.body)}")


@pytest.mark.parametrize("form", ["notice", "pointer"])
async def test_content_free_text_and_an_instance_without_collection_post_it_whole(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, form: str
) -> None:
    text = a_parcel(form=form, sealed=b"x" * 30_000)
    outcome, (event,) = await _posted(certificates, loopback, text, collect_url=lambda *_: URL)
    assert (outcome, event["data"].keys()) == (Accepted(), {form, "proof"})
    outcome, (event,) = await _posted(certificates, loopback, a_long_parcel())
    assert (outcome, event["data"].keys()) == (Accepted(), {"sealed", "proof"})


async def test_what_is_not_sealed_is_no_more_collected_than_posted(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    plain = a_parcel(sealed=b"Arthur Sample was released today. " * 1000)
    outcome, posted = await _posted(certificates, loopback, plain, collect_url=lambda *_: URL)
    assert (outcome, posted) == (Rejected(reason="not-sealed"), [])


async def test_without_a_url_nothing_is_posted_and_it_is_tried_again(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    def no_url(*_: object) -> str:
        raise LookupError("canary")

    outcome, posted = await _posted(certificates, loopback, a_long_parcel(), collect_url=no_url)
    assert (outcome, posted) == (Deferred(reason="no-collect-url"), [])
    outcome, posted = await _posted(certificates, loopback, a_parcel(), collect_url=no_url)
    assert (outcome, len(posted)) == (Accepted(), 1)


class _Gateway(TlsSite):
    """What serves the ciphertext."""

    def __init__(self, certificates: LoopbackCertificates, held: dict[str, bytes]) -> None:
        super().__init__(certificates)
        self._held = held

    def _application(self) -> web.Application:
        async def find(alert: str, token: str) -> bytes | None:
            return self._held.get(f"{alert}/{token}")

        application = web.Application()
        application.add_routes(sealed_routes.routes(find))
        return application


async def test_what_is_collected_is_what_was_sealed_and_opens(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    private, public = hpke.generate()
    plaintext = orjson.dumps({"alert": {"facts": "A" * 30_000}})
    sealed = hpke.seal(
        plaintext, public_text=public, key_id=hpke.key_id(public), context=b"alert:alt_1"
    )
    async with (
        WebhookReceiver(certificates) as receiver,
        _Gateway(certificates, {f"{ALERT}/tok": sealed}) as gateway,
    ):
        base = f"https://127.0.0.1:{gateway.port}"
        channel = a_channel(
            certificates,
            loopback,
            collect_url=lambda alert, _: f"{base}/v1/alerts/{alert}/sealed/tok",
        )
        parcel = a_parcel(address=receiver.url, sealed=sealed)
        assert await channel.deliver(parcel) == Accepted()
        await channel.close()
        collect = orjson.loads(receiver.received[0].body)["data"]["collect"]
        async with (
            ClientSession() as http,
            http.get(collect["url"], ssl=certificates.client_context) as answer,
        ):
            fetched = await answer.read()
    assert (len(fetched), hashlib.sha256(fetched).hexdigest()) == (
        collect["bytes"],
        collect["sha256"],
    )
    assert open_sealed(fetched, private.encode()) == plaintext


async def test_the_origin_of_the_handshake_is_named_in_every_post_if_there_is_one(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with WebhookReceiver(certificates) as receiver:
        for changes in ({"origin": "alerts.gateway.example"}, {}):
            channel = a_channel(certificates, loopback, **changes)
            await channel.deliver(a_parcel(address=receiver.url))
            await channel.close()
    origins = [post.headers.get("webhook-request-origin") for post in receiver.received]
    assert origins == ["alerts.gateway.example", None]
