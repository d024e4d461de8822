"""What holds of every channel: it answers in time, never raises, and tells nothing it was told."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.channels.contract import Channel
from gateway.channels.outbound import OutboundPolicy
from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.demo.servers.mail import MailServer
from gateway.demo.servers.notify import NotifyServer
from gateway.demo.servers.webhook import WebhookReceiver
from gateway.model.disclosure import Parcel
from gateway.model.ids import AlertId
from gateway.model.outcome import Accepted, Deferred, Rejected
from tests.channels import test_email, test_sms, test_webhook
from tests.channels.parcels import a_cms, a_parcel, clock
from tests.channels.scripted import Handler, listening, never_answer

CHANNELS = ("webhook", "email", "sms")
TIMEOUT_S = 0.4

# What a channel is trusted with. Each is told to it, and none may come back out of it.
CANARY_HOST = "canary-host.example.org"
SECRETS = (
    "canary",
    "CANARY",
    "7700 900987",
    "7700900987",
    test_sms.API_KEY[-36:],
)
SEALED = {
    "webhook": b'{"enc":"canary-body"}',
    "email": a_cms(b"canary-body"),
    "sms": b"CANARY-7",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One channel aimed at one port, and the parcel it can deliver there."""

    name: str
    certificates: LoopbackCertificates
    policy: OutboundPolicy

    def channel(self, port: int, *, trusting: LoopbackCertificates | None = None) -> Channel:
        trust = trusting or self.certificates
        url = f"https://127.0.0.1:{port}"
        if self.name == "webhook":
            return test_webhook.a_channel(
                trust, self.policy, timeout_s=TIMEOUT_S, sign=lambda *_: "v1,canary-signature"
            )
        if self.name == "email":
            return test_email.a_channel(
                trust, port, timeout_s=TIMEOUT_S, username="canary", password="canary-password"
            )
        return test_sms.a_channel(trust, self.policy, url, timeout_s=TIMEOUT_S)

    def parcel(self, port: int, **changes: Any) -> Parcel:
        address = {
            "webhook": f"https://127.0.0.1:{port}/canary?token=canary",
            "email": f"canary@{CANARY_HOST}",
            "sms": "07700 900987",
        }[self.name]
        form = "pointer" if self.name == "sms" else "sealed"
        given = {"address": address, "sealed": SEALED[self.name], "form": form, "proof": "canary"}
        return a_parcel(self.name, **(given | changes))

    @asynccontextmanager
    async def good_server(self) -> AsyncIterator[tuple[int, Callable[[], int]]]:
        """A server that takes everything: its port, and how much it took."""
        if self.name == "webhook":
            async with WebhookReceiver(self.certificates) as receiver:
                yield receiver.port, lambda: len(receiver.received)
        elif self.name == "email":
            accounts = {"canary": "canary-password"}
            async with MailServer(self.certificates, security="tls", accounts=accounts) as mail:
                yield mail.port, lambda: len(mail.messages)
        else:
            async with NotifyServer(
                self.certificates,
                api_key=test_sms.API_KEY,
                template_id=test_sms.TEMPLATE,
                clock=clock,
            ) as notify:
                yield notify.port, lambda: len(notify.texts)


@pytest.fixture(params=CHANNELS)
def kind(
    request: pytest.FixtureRequest, certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> Kind:
    return Kind(name=request.param, certificates=certificates, policy=loopback)


def _echo(status_line: bytes) -> Handler:
    """Repeat everything that was said back into the reply, as a spiteful server might."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"")
        heard = await reader.read(65536)
        writer.write(status_line + b"X-Heard: canary 07700 900987\r\n\r\n" + heard)
        await writer.drain()

    return answer


async def _banner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"554 canary@canary-host.example.org 07700 900987 is not welcome\r\n")
    await never_answer(reader, writer)


SITUATIONS: dict[str, Handler] = {
    "silence": never_answer,
    "refusal": _echo(b"HTTP/1.1 400 canary\r\n"),
    "trouble": _echo(b"HTTP/1.1 503 canary\r\nRetry-After: canary\r\n"),
    "nonsense": _echo(b"canary\r\n"),
    "banner": _banner,
}


def _tells_nothing(channel: Channel, outcome: object, records: list[logging.LogRecord]) -> None:
    told = repr(outcome) + str(outcome) + repr(channel)
    told += "".join(record.getMessage() + str(record.exc_info) for record in records)
    assert [secret for secret in SECRETS if secret in told] == []


async def test_a_good_server_takes_it_once(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    async with kind.good_server() as (port, taken):
        channel = kind.channel(port)
        outcome = await channel.deliver(kind.parcel(port))
        await channel.close()
        assert isinstance(outcome, Accepted)
        assert taken() == 1
        _tells_nothing(channel, outcome, caplog.records)


@pytest.mark.parametrize("situation", SITUATIONS)
async def test_a_bad_server_gets_no_exception_out_of_it_and_no_secret_into_the_outcome(
    kind: Kind, situation: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tls = kind.certificates.server_context
    async with listening(SITUATIONS[situation], tls=tls) as server:
        channel = kind.channel(server.port)
        began = time.monotonic()
        outcome = await channel.deliver(kind.parcel(server.port))
        took_s = time.monotonic() - began
        await channel.close()
    assert isinstance(outcome, Deferred | Rejected)
    assert took_s < TIMEOUT_S + 1
    _tells_nothing(channel, outcome, caplog.records)


async def test_a_wrong_certificate_defers_and_tells_nothing(
    kind: Kind, other_name: LoopbackCertificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening(never_answer, tls=other_name.server_context) as server:
        for trusting in (kind.certificates, other_name):
            channel = kind.channel(server.port, trusting=trusting)
            outcome = await channel.deliver(kind.parcel(server.port))
            await channel.close()
            assert outcome == Deferred(reason="tls")
            _tells_nothing(channel, outcome, caplog.records)


async def test_a_closed_port_defers_without_doubt(kind: Kind) -> None:
    async with listening(never_answer) as gone:
        pass
    channel = kind.channel(gone.port)
    outcome = await channel.deliver(kind.parcel(gone.port))
    await channel.close()
    assert outcome == Deferred(reason="connect")
    _tells_nothing(channel, outcome, [])


@pytest.mark.parametrize("address", ["", "canary", "canary\r\nRSET", "x" * 5000, "\ud800", "\x00"])
async def test_an_address_that_is_none_is_rejected_before_any_connection(
    kind: Kind, address: str
) -> None:
    async with listening(never_answer) as server:
        channel = kind.channel(server.port)
        outcome = await channel.deliver(kind.parcel(server.port, address=address))
        await channel.close()
    assert outcome == Rejected(reason="address-refused")
    assert server.connections == 0


@pytest.mark.parametrize("sealed", [b"", b"\xff\x00", b"Arthur Sample, released today", b"{"])
async def test_what_is_not_in_its_form_is_rejected_before_any_connection(
    kind: Kind, sealed: bytes
) -> None:
    async with listening(never_answer) as server:
        channel = kind.channel(server.port)
        outcome = await channel.deliver(kind.parcel(server.port, sealed=sealed))
        await channel.close()
    assert isinstance(outcome, Rejected)
    assert outcome.reason in {"not-sealed", "not-a-pointer"}
    assert server.connections == 0


async def test_a_cancelled_attempt_ends_and_the_channel_goes_on(kind: Kind) -> None:
    async with kind.good_server() as (port, taken):
        channel = kind.channel(port)
        for turns in range(0, 40, 3):
            attempt = asyncio.ensure_future(channel.deliver(kind.parcel(port)))
            for _ in range(turns):
                await asyncio.sleep(0)
            attempt.cancel()
            finished = await asyncio.gather(attempt, return_exceptions=True)
            assert isinstance(finished[0], asyncio.CancelledError | Accepted)
            before = taken()
            # Another alert: of the first, a channel may know that it went.
            another = kind.parcel(port, alert=AlertId(f"alt_after_{turns}"))
            assert isinstance(await channel.deliver(another), Accepted)
            assert taken() > before
        await channel.close()


async def test_closing_twice_or_before_use_is_fine_and_delivering_after_it_does_not_raise(
    kind: Kind,
) -> None:
    async with kind.good_server() as (port, _):
        channel = kind.channel(port)
        await channel.close()
        await channel.close()
        outcome = await channel.deliver(kind.parcel(port))
        assert isinstance(outcome, Accepted | Deferred)
        await channel.close()
