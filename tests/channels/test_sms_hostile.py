"""Message centres that misbehave on purpose: every attempt ends in time, with the right outcome,
and the next carrier takes the text when surely nothing was taken."""

import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.outbound import OutboundPolicy
from gateway.channels.sms import Patience, SmppProvider, smpp_pdu, smpp_session
from gateway.channels.sms.smpp_pdu import Frame, Incoming, Report
from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.model.outcome import Accepted, Deferred
from tests.channels.parcels import ALERT, a_parcel
from tests.channels.scripted import Handler, listening, never_answer
from tests.channels.test_sms import a_notify, a_server, over
from tests.channels.test_sms_smpp import NUMBER, POINTER, Heard, an_account

WITHIN_S = 0.5
SUBMIT_SM = 4
BIND = 9


def a_frame(command: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    return struct.pack("!IIII", 16 + len(body), command, status, sequence) + body


async def read(reader: asyncio.StreamReader) -> Frame:
    return await smpp_pdu.read_frame(reader, within_s=5)


async def bound(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    frame = await read(reader)
    assert frame.command == BIND
    writer.write(a_frame(smpp_pdu.BIND_TRANSCEIVER_RESP, 0, frame.sequence, b"centre\0"))


def at_bind(said: bytes) -> Handler:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read(reader)
        writer.write(said)
        await never_answer(reader, writer)

    return answer


def at_submit(said: bytes, *, then_close: bool = False) -> Handler:
    """Bind, take the text, and say something that is no answer to it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await bound(reader, writer)
        while (await read(reader)).command != SUBMIT_SM:
            pass
        writer.write(said)
        if not then_close:
            await never_answer(reader, writer)

    return answer


async def drip_at_bind(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read(reader)
    for byte in a_frame(smpp_pdu.BIND_TRANSCEIVER_RESP, 0, 1, b"centre\0" * 100):
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)


async def unbind_at_submit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await bound(reader, writer)
    await read(reader)
    writer.write(a_frame(smpp_pdu.UNBIND, 0, 7))
    await never_answer(reader, writer)


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bind, then send texts without end, and read nothing."""
    await bound(reader, writer)
    text = b"\0\1\1447700900123\0\1\1447700900999\0" + bytes(3) + b"\0\0" + bytes(4) + b"\4spam"
    while True:
        writer.write(a_frame(smpp_pdu.DELIVER_SM, 0, 1, text) * 100)
        await writer.drain()


BEFORE: dict[str, tuple[Handler, str]] = {
    "silence": (never_answer, "timeout"),
    "drip": (drip_at_bind, "timeout"),
    "oversize": (at_bind(struct.pack("!IIII", 1 << 31, 0x80000009, 0, 1)), "smpp-bad-frame"),
    "undersize": (at_bind(struct.pack("!IIII", 3, 0x80000009, 0, 1)), "smpp-bad-frame"),
    "garbage": (at_bind(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "smpp-bad-frame"),
    "another answer": (at_bind(a_frame(0x80000004, 0, 1, b"1\0")), "smpp-bad-frame"),
    "no": (at_bind(a_frame(0x80000009, 13, 1)), "smpp-bind-13"),
    "nack": (at_bind(a_frame(0x80000000, 0, 1)), "smpp-bind-100"),
}
AFTER: dict[str, tuple[Handler, str]] = {
    "silence": (at_submit(b""), "timeout"),
    "drip": (at_submit(a_frame(0x80000004, 0, 2, b"id\0")[:9]), "timeout"),
    "oversize": (at_submit(struct.pack("!IIII", 1 << 31, 0x80000004, 0, 2)), "connection-lost"),
    "garbage": (at_submit(b"\xff" * 64), "connection-lost"),
    "cut": (at_submit(b"", then_close=True), "connection-lost"),
    "unbind": (unbind_at_submit, "connection-lost"),
    "answer to another": (at_submit(a_frame(0x80000004, 0, 99, b"id\0")), "timeout"),
}


@contextlib.asynccontextmanager
async def against(
    handler: Handler,
    certificates: LoopbackCertificates,
    policy: OutboundPolicy,
    heard: Heard | None = None,
    **patience: Any,
) -> AsyncIterator[SmppProvider]:
    heard = heard or Heard()
    async with listening(handler, tls=certificates.server_context) as centre:
        provider = SmppProvider(
            an_account(centre.port),
            ssl_context=certificates.client_context,
            policy=policy,
            receipts=heard.receipt,
            replies=heard.reply,
            patience=Patience(**patience),
        )
        try:
            yield provider
        finally:
            await provider.close()


@pytest.mark.parametrize("name", sorted(BEFORE))
async def test_a_centre_that_never_binds_was_sent_nothing_and_the_next_carrier_takes_the_text(
    name: str, certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    handler, reason = BEFORE[name]
    async with (
        against(handler, certificates, loopback) as smpp,
        a_server(certificates) as server,
    ):
        outcome = await smpp.submit(ALERT, NUMBER, POINTER, within_s=WITHIN_S)
        assert outcome == Deferred(reason=reason)
        notify = a_notify(certificates, loopback, server.url)
        channel = over([smpp, notify], timeout_s=2 * WITHIN_S)
        began = time.monotonic()
        assert isinstance(await channel.deliver(a_parcel("sms")), Accepted)
        assert time.monotonic() - began < 2 * WITHIN_S + 1
        await channel.close()
    assert len(server.texts) == 1


@pytest.mark.parametrize("name", sorted(AFTER))
async def test_a_centre_that_took_the_text_leaves_it_in_doubt_and_no_other_carrier_gets_it(
    name: str, certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    handler, reason = AFTER[name]
    async with (
        against(handler, certificates, loopback) as smpp,
        a_server(certificates) as server,
    ):
        notify = a_notify(certificates, loopback, server.url)
        channel = over([smpp, notify], timeout_s=2 * WITHIN_S)
        outcome = await channel.deliver(a_parcel("sms"))
        assert outcome == Deferred(reason=reason, outcome_unknown=True)
        again = await channel.deliver(a_parcel("sms", outcome_unknown=True))
        assert isinstance(again, Deferred)
        assert (again.reason, again.outcome_unknown) == ("smpp-in-doubt", True)
        await channel.close()
    assert server.texts == []


async def test_texts_to_a_hung_centre_do_not_hold_up_those_over_another_carrier(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with (
        against(never_answer, certificates, loopback) as smpp,
        a_server(certificates) as server,
    ):
        hung = over([smpp], timeout_s=2)
        well = over([a_notify(certificates, loopback, server.url)])
        stuck = [
            asyncio.create_task(hung.deliver(a_parcel("sms", alert=f"alt_{n}"))) for n in range(20)
        ]
        began = time.monotonic()
        assert isinstance(await well.deliver(a_parcel("sms")), Accepted)
        assert time.monotonic() - began < 1
        outcomes = await asyncio.gather(*stuck)
        await well.close()
    assert outcomes == [Deferred(reason="timeout")] * 20


async def test_a_centre_that_does_not_answer_an_enquiry_is_left(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with against(
        at_submit(b""), certificates, loopback, enquire_s=0.05, answer_s=0.05
    ) as smpp:
        outcome = await smpp.submit(ALERT, NUMBER, POINTER, within_s=5)
    assert outcome == Deferred(reason="connection-lost", outcome_unknown=True)


async def test_a_drip_after_binding_ends_the_session(
    certificates: LoopbackCertificates,
    loopback: OutboundPolicy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smpp_session, "FRAME_WITHIN_S", 0.2)
    async with against(AFTER["drip"][0], certificates, loopback) as smpp:
        outcome = await smpp.submit(ALERT, NUMBER, POINTER, within_s=5)
    assert outcome == Deferred(reason="connection-lost", outcome_unknown=True)


async def test_a_flood_of_texts_from_a_centre_that_reads_nothing_is_bounded(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with (
        against(flood, certificates, loopback) as smpp,
        a_server(certificates) as server,
    ):
        flooded = asyncio.create_task(smpp.submit(ALERT, NUMBER, POINTER, within_s=1))
        well = over([a_notify(certificates, loopback, server.url)])
        assert isinstance(await well.deliver(a_parcel("sms")), Accepted)
        async with asyncio.timeout(20):
            outcome = await flooded
        await well.close()
    assert isinstance(outcome, Deferred)
    assert outcome.outcome_unknown


async def test_closing_ends_what_is_under_way_as_a_lost_connection(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with against(at_submit(b""), certificates, loopback) as smpp:
        attempt = asyncio.create_task(smpp.submit(ALERT, NUMBER, POINTER, within_s=5))
        await asyncio.sleep(0.3)
        await smpp.close()
        outcome = await attempt
        await smpp.close()
    assert outcome == Deferred(reason="connection-lost", outcome_unknown=True)


async def test_a_cancelled_attempt_leaves_the_doubt_and_the_session_behind(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with against(at_submit(b""), certificates, loopback) as smpp:
        channel = over([smpp], timeout_s=5)
        attempt = asyncio.create_task(channel.deliver(a_parcel("sms")))
        await asyncio.sleep(0.3)
        attempt.cancel()
        assert isinstance(
            (await asyncio.gather(attempt, return_exceptions=True))[0], asyncio.CancelledError
        )
        again = await channel.deliver(a_parcel("sms"))
        assert isinstance(again, Deferred)
        assert (again.reason, again.outcome_unknown) == ("smpp-in-doubt", True)


@given(st.binary(max_size=400))
def test_no_body_makes_reading_raise(body: bytes) -> None:
    frame = Frame(command=smpp_pdu.DELIVER_SM, status=0, sequence=1, body=body)
    assert isinstance(smpp_pdu.read_deliver(frame), Report | Incoming | None)
    assert len(smpp_pdu.message_id(frame)) <= 65


@given(st.binary(max_size=300), st.integers(0, 255), st.sampled_from([0, 4, 0x40, 0x44]))
def test_no_text_makes_reading_raise(text: bytes, coding: int, esm_class: int) -> None:
    text = text[:254]
    head = b"\0\1\1447700900123\0\1\1447700900999\0" + bytes([esm_class]) + b"\0\0\0\0\0\0"
    body = head + bytes([coding, 0, len(text)]) + text
    frame = Frame(command=smpp_pdu.DELIVER_SM, status=0, sequence=1, body=body)
    heard = smpp_pdu.read_deliver(frame)
    assert isinstance(heard, Report | Incoming | None)
    if isinstance(heard, Incoming):
        assert heard.sender == "+447700900123"
        assert "7700900123" not in repr(heard)


@given(st.binary(max_size=200))
async def test_no_bytes_make_the_reader_do_anything_but_read_or_refuse(received: bytes) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(received)
    reader.feed_eof()
    try:
        frame = await smpp_pdu.read_frame(reader, within_s=1)
    except (smpp_pdu.BadFrame, EOFError):
        return
    assert len(frame.body) + 16 == int.from_bytes(received[:4])


async def test_a_centre_that_binds_and_leaves_is_not_hurried(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    binds = 0

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal binds
        await bound(reader, writer)
        await writer.drain()
        binds += 1

    async with against(leave, certificates, loopback) as smpp:
        staying = asyncio.create_task(smpp.stay_ready())
        await asyncio.sleep(1.2)
        staying.cancel()
        await asyncio.gather(staying, return_exceptions=True)
    assert 1 <= binds <= 3
