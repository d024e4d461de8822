"""What Notify posts back, over a real socket: who may, what is handed on, what is left behind."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.outbound import OutboundPolicy
from gateway.demo.servers.certificates import LoopbackCertificates, make_certificates
from gateway.demo.servers.notify import NotifyServer
from gateway.http.texting import MAX_BODY_BYTES, read_receipt, routes
from gateway.metrics import REGISTRY
from gateway.model.outcome import Accepted, Receipt, Reply
from gateway.store.sqlite import StoreUnavailable
from tests.channels.parcels import ALERT, a_parcel
from tests.channels.test_sms import a_notify, a_server, over

TOKEN = "canary-token-of-notify"
RECEIPTS = "/v1/receipts/notify"
REPLIES = "/v1/replies/notify"
REFERENCE = "9D1E01ABCDEF"
RECEIPT = {
    "id": "740e5834-3a29-46b4-9a6f-16142fde533a",
    "reference": ALERT,
    "to": "07700 900987",
    "status": "delivered",
    "created_at": "2026-11-20T09:30:00.000000Z",
    "completed_at": None,
    "sent_at": None,
    "notification_type": "sms",
    "template_id": "f33517ff-2a88-4f6e-b855-c550268ce08a",
    "template_version": 1,
}
REPLY = {
    "id": "740e5834-3a29-46b4-9a6f-16142fde533b",
    "source_number": "447700900987",
    "destination_number": "07700900999",
    "message": f"YES {REFERENCE}",
    "date_received": "2026-11-20T09:31:00.000000Z",
}


@dataclass(slots=True)
class Service:
    """The two routes on loopback, and what they handed on."""

    url: str = ""
    known: bool = True
    full: bool = False
    receipts: list[Receipt] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    async def receipt(self, receipt: Receipt) -> bool:
        if self.full:
            raise StoreUnavailable("no-space", "canary")
        self.receipts.append(receipt)
        return self.known

    async def reply(self, reply: Reply) -> bool:
        if self.full:
            raise StoreUnavailable("no-space", "canary")
        self.replies.append(reply)
        return self.known

    async def post(
        self, path: str, body: Any, *, token: str | None = TOKEN, **headers: str
    ) -> tuple[int, bytes]:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        given = headers | ({"Authorization": f"Bearer {token}"} if token is not None else {})
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url + path, data=data, headers=given) as response,
        ):
            return response.status, await response.read()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service()
    application = web.Application(client_max_size=256 * 1024)
    application.add_routes(routes(made.receipt, made.reply, TOKEN))
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


def counted(what: str, verdict: str) -> float:
    labels = {"what": what, "verdict": verdict}
    return REGISTRY.get_sample_value("throughgate_texts_heard_total", labels) or 0.0


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("delivered", "delivered"),
        ("permanent-failure", "failed"),
        ("temporary-failure", "failed"),
        ("technical-failure", "failed"),
    ],
)
async def test_each_last_word_on_a_text_is_handed_on(
    service: Service, status: str, state: str
) -> None:
    before = counted("receipt", "matched")
    assert await service.post(RECEIPTS, RECEIPT | {"status": status}) == (200, b"{}")
    (receipt,) = service.receipts
    assert (receipt.alert, receipt.channel) == (ALERT, "sms")
    assert (receipt.state, receipt.code) == (state, f"sms-{status}")
    assert counted("receipt", "matched") == before + 1


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "sending"},
        {"status": "created"},
        {"status": None},
        {"notification_type": "email"},
        {"reference": None},
        {"reference": "alt_"},
        {"reference": "another service's"},
        {"reference": f"{ALERT}\n"},
    ],
)
async def test_what_is_no_last_word_on_a_text_of_ours_is_answered_alike(
    service: Service, changes: dict[str, object]
) -> None:
    before = counted("receipt", "ignored")
    assert await service.post(RECEIPTS, RECEIPT | changes) == (200, b"{}")
    assert service.receipts == []
    assert counted("receipt", "ignored") == before + 1


async def test_a_reply_is_handed_on(service: Service) -> None:
    assert await service.post(REPLIES, REPLY) == (200, b"{}")
    assert await service.post(REPLIES, REPLY | {"message": "no 9d1-e01-abc-def"}) == (200, b"{}")
    assert service.replies == [
        Reply(channel="sms", address="+447700900987", answer=answer, reference=REFERENCE)
        for answer in ("acknowledged", "rejected")
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"message": "Who is this?"},
        {"message": None},
        {"source_number": "OFFER"},
        {"source_number": 447700900987},
    ],
)
async def test_a_text_that_is_no_answer_is_answered_alike(
    service: Service, changes: dict[str, object]
) -> None:
    before = counted("reply", "ignored")
    assert await service.post(REPLIES, REPLY | changes) == (200, b"{}")
    assert service.replies == []
    assert counted("reply", "ignored") == before + 1


@pytest.mark.parametrize("path", [RECEIPTS, REPLIES])
async def test_what_concerns_no_one_is_answered_as_what_does(service: Service, path: str) -> None:
    body = RECEIPT if path == RECEIPTS else REPLY
    known = await service.post(path, body)
    service.known = False
    assert await service.post(path, body) == known


@pytest.mark.parametrize("path", [RECEIPTS, REPLIES])
@pytest.mark.parametrize("token", [None, "", "canary", TOKEN + "x", TOKEN[:-1], "é", TOKEN.upper()])
async def test_without_the_token_nothing_is_taken(
    service: Service, path: str, token: str | None
) -> None:
    status, body = await service.post(path, RECEIPT | REPLY, token=token)
    assert status == 401
    assert b"canary" not in body
    assert service.receipts == []
    assert service.replies == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b'{"status":"delivered","status":"created"}', 400),
        (b"\xff", 400),
        (b" " * MAX_BODY_BYTES + b"{}", 413),
        (b" " * 300_000, 413),
    ],
)
@pytest.mark.parametrize("path", [RECEIPTS, REPLIES])
async def test_what_is_no_callback_is_refused_and_not_repeated(
    service: Service, path: str, body: bytes, expected: int
) -> None:
    status, answer = await service.post(path, body)
    assert status == expected
    assert b"delivered" not in answer


async def test_a_compressed_body_is_refused(service: Service) -> None:
    status, _ = await service.post(RECEIPTS, b"{}", **{"Content-Encoding": "gzip"})
    assert status in {400, 415}  # aiohttp's own parser may refuse it first
    assert service.receipts == []


async def test_a_full_store_is_told_to_call_again(service: Service) -> None:
    service.full = True
    for path, body in ((RECEIPTS, RECEIPT), (REPLIES, REPLY)):
        status, answer = await service.post(path, body)
        assert status == 503
        assert b"canary" not in answer


async def test_repeats_in_any_order_are_all_handed_on_and_answered_alike(service: Service) -> None:
    statuses = ["delivered", "temporary-failure", "delivered", "delivered"]
    answers = await asyncio.gather(
        *(service.post(RECEIPTS, RECEIPT | {"status": status}) for status in statuses)
    )
    assert answers == [(200, b"{}")] * 4
    assert sorted(receipt.state for receipt in service.receipts) == [*["delivered"] * 3, "failed"]


def test_a_short_token_is_refused_and_not_shown() -> None:
    made = Service()
    with pytest.raises(ValueError, match="16 characters") as refusal:
        routes(made.receipt, made.reply, "canary")
    assert "canary" not in str(refusal.value)


async def test_nothing_of_a_number_or_a_text_is_logged(
    service: Service, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        await service.post(RECEIPTS, RECEIPT)
        await service.post(REPLIES, REPLY | {"message": "canary text"})
        await service.post(REPLIES, b'{"source_number":"447700900987"')
        await service.post(REPLIES, REPLY, token="canary")
    captured = capfd.readouterr()
    for secret in ("canary", "7700900987", "7700 900987"):
        assert secret not in caplog.text + captured.out + captured.err


async def test_a_text_notify_took_comes_back_as_a_receipt_of_its_alert(service: Service) -> None:
    async with _notify() as (server, certificates, policy):
        channel = over([a_notify(certificates, policy, server.url, sends_receipts=True)])
        assert isinstance(await channel.deliver(a_parcel("sms")), Accepted)
        await channel.close()
        (text,) = server.texts
        assert await service.post(RECEIPTS, server.receipt(text, "delivered")) == (200, b"{}")
    assert service.receipts == [
        Receipt(alert=ALERT, channel="sms", state="delivered", code="sms-delivered")
    ]


@contextlib.asynccontextmanager
async def _notify() -> AsyncIterator[tuple[NotifyServer, LoopbackCertificates, OutboundPolicy]]:
    certificates = make_certificates(None)
    policy = OutboundPolicy(allowed_networks=(ip_network("127.0.0.0/8"),))
    async with a_server(certificates) as server:
        yield server, certificates, policy


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "reference": json_values | st.just(ALERT),
            "status": json_values | st.sampled_from(["delivered", "permanent-failure", "sending"]),
            "notification_type": json_values | st.just("sms"),
        },
    )
)
def test_only_a_last_word_on_a_text_is_ever_a_receipt(body: dict[str, Any]) -> None:
    found = read_receipt(body)
    if found is None:
        return
    assert body["notification_type"] == "sms"
    assert body["status"] in {"delivered", "permanent-failure"}
    assert found.alert == body["reference"]
    assert found.alert.startswith("alt_")
