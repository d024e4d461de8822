"""Texts over SMPP, to a message centre that is not ours: what is taken, refused, lost and heard."""

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.channels.addresses import BadAddress
from gateway.channels.outbound import OutboundPolicy
from gateway.channels.sms import Patience, SmppAccount, SmppProvider
from gateway.channels.sms.provider import Pointer
from gateway.model.ids import AlertId
from gateway.model.outcome import Accepted, Deferred, Outcome, Receipt, Rejected, Reply
from tests.channels.parcels import ALERT, a_parcel
from tests.channels.test_sms import over
from tests.support.smsc import PASSWORD, Smsc, smsc

NUMBER = "+447700900123"
POINTER = Pointer(reference="9D1-E01-ABC-DEF")
LINK = "https://alerts.example.org/p/" + "A" * 160


@dataclass(slots=True)
class Heard:
    """What a provider told its sinks."""

    receipts: list[Receipt] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    troubles: int = 0  # how often to raise first
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def receipt(self, receipt: Receipt) -> bool:
        self._trouble()
        self.receipts.append(receipt)
        self.came.set()
        return True

    async def reply(self, reply: Reply) -> bool:
        self._trouble()
        self.replies.append(reply)
        self.came.set()
        return True

    def _trouble(self) -> None:
        if self.troubles:
            self.troubles -= 1
            raise OSError("canary 07700 900123")

    async def until(self, count: int = 1) -> None:
        async with asyncio.timeout(5):
            while len(self.receipts) + len(self.replies) < count:
                self.came.clear()
                await self.came.wait()


@dataclass(slots=True)
class Line:
    """A message centre and a provider bound to it, or about to be."""

    centre: Smsc
    provider: SmppProvider
    heard: Heard

    async def send(self, alert: str = ALERT, *, within_s: float = 3.0) -> Outcome:
        return await self.provider.submit(AlertId(alert), NUMBER, POINTER, within_s=within_s)


def trusting(ca_pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=ca_pem.decode())
    return context


def an_account(port: int, **changes: Any) -> SmppAccount:
    account = SmppAccount(
        host="127.0.0.1", port=port, system_id="gateway", password=PASSWORD, source="Throughgate"
    )
    return replace(account, **changes)


def a_provider(
    account: SmppAccount, policy: OutboundPolicy, heard: Heard, ca_pem: bytes = b"", **changes: Any
) -> SmppProvider:
    settings: dict[str, Any] = {
        "ssl_context": trusting(ca_pem) if ca_pem else None,
        "policy": policy,
        "receipts": heard.receipt,
        "replies": heard.reply,
    }
    return SmppProvider(account, **(settings | changes))


@contextlib.asynccontextmanager
async def a_line(
    folder: Path,
    policy: OutboundPolicy,
    *,
    account: dict[str, Any] | None = None,
    patience: Patience | None = None,
    **plan: Any,
) -> AsyncIterator[Line]:
    async with smsc(folder, **plan) as centre:
        heard = Heard()
        provider = a_provider(
            an_account(centre.port, **(account or {})),
            policy,
            heard,
            centre.ca_pem,
            patience=patience,
        )
        try:
            yield Line(centre, provider, heard)
        finally:
            await provider.close()


async def test_a_text_is_taken_and_its_receipt_is_told(
    tmp_path: Path, loopback: OutboundPolicy
) -> None:
    async with a_line(tmp_path, loopback) as line:
        assert await line.send() == Accepted(detail="af0001")
        await line.heard.until()
        (text,) = line.centre.seen("submit")
        assert text["number"] == "447700900123"
        assert text["ton"] == 1
        assert text["registered"] == 1
        assert text["source"] == "Throughgate"
        assert text["text"] == (
            "Throughgate: message 9D1-E01-ABC-DEF is waiting. Sign in to read it, "
            "then answer YES 9D1-E01-ABC-DEF"
        )
        (answered,) = await line.centre.until("receipt-answered")
        assert answered["status"] == 0
    assert line.heard.receipts == [
        Receipt(alert=ALERT, channel="sms", state="delivered", code="sms-delivrd")
    ]
    assert line.centre.seen("unbound")


async def test_a_long_link_goes_in_one_message(tmp_path: Path, loopback: OutboundPolicy) -> None:
    async with a_line(tmp_path, loopback) as line:
        pointer = replace(POINTER, link=LINK)
        outcome = await line.provider.submit(ALERT, NUMBER, pointer, within_s=3)
        assert isinstance(outcome, Accepted)
        (text,) = line.centre.seen("submit")
    assert f"Read it at {LINK}, then answer YES" in text["text"]


@pytest.mark.parametrize(
    ("stat", "state", "code"),
    [
        ("DELIVRD", "delivered", "sms-delivrd"),
        ("UNDELIV", "failed", "sms-undeliv"),
        ("EXPIRED", "failed", "sms-expired"),
        ("REJECTD", "failed", "sms-rejectd"),
        ("DELETED", "failed", "sms-deleted"),
        ("ACCEPTD", "delayed", "sms-acceptd"),
        ("ENROUTE", "delayed", "sms-enroute"),
        ("CANARY", "delayed", "sms-unknown"),
    ],
)
async def test_each_receipt_comes_to_its_state(
    tmp_path: Path, loopback: OutboundPolicy, stat: str, state: str, code: str
) -> None:
    async with a_line(tmp_path, loopback, receipt=stat) as line:
        assert isinstance(await line.send(), Accepted)
        await line.heard.until()
    (receipt,) = line.heard.receipts
    assert (receipt.alert, receipt.state, receipt.code) == (ALERT, state, code)


async def test_a_receipt_before_the_answer_to_its_text_is_kept(
    tmp_path: Path, loopback: OutboundPolicy
) -> None:
    async with a_line(tmp_path, loopback, receipt_first=True) as line:
        assert isinstance(await line.send(), Accepted)
        await line.heard.until()
        assert len(line.centre.seen("receipt-answered")) == 1
    assert [receipt.alert for receipt in line.heard.receipts] == [ALERT]


async def test_a_receipt_its_sink_cannot_take_is_left_with_the_centre(
    tmp_path: Path, loopback: OutboundPolicy
) -> None:
    async with a_line(tmp_path, loopback) as line:
        line.heard.troubles = 1
        assert isinstance(await line.send(), Accepted)
        (answered,) = await line.centre.until("receipt-answered")
    assert answered["status"] == 0x64
    assert line.heard.receipts == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0x58, Deferred(reason="smpp-88", after=timedelta(seconds=5))),
        (0x14, Deferred(reason="smpp-20", after=timedelta(seconds=5))),
        (0x0B, Rejected(reason="smpp-11")),
        (0x45, Deferred(reason="smpp-69")),
        (0x0401, Deferred(reason="smpp-1025")),
    ],
)
async def test_each_refusal_comes_to_its_outcome(
    tmp_path: Path, loopback: OutboundPolicy, status: int, expected: Outcome
) -> None:
    async with a_line(tmp_path, loopback, statuses=[status]) as line:
        assert await line.send() == expected
        assert line.centre.seen("submit") == []


async def test_a_throttled_centre_is_left_alone_for_a_while(
    tmp_path: Path, loopback: OutboundPolicy
) -> None:
    async with a_line(tmp_path, loopback, statuses=[0x58]) as line:
        assert isinstance(await line.send(), Deferred)
        second = await line.send()
        assert isinstance(second, Deferred)
        assert second.reason == "smpp-88"
        assert not second.outcome_unknown
        assert line.centre.seen("submit") == []


async def test_a_connection_lost_after_the_text_left_leaves_it_in_doubt(
    tmp_path: Path, loopback: OutboundPolicy
) -> None:
    async with a_line(tmp_path, loopback, lose=1) as line:
        assert await line.send() == Deferred(reason="connection-lost", outcome_unknown=True)
        assert len(line.centre.seen("submit")) == 1
        found = await line.provider.look_up(ALERT, NUMBER, within_s=1)
        assert found == Deferred(reason="smpp-in-doubt", outcome_unknown=True)
        assert isinstance(await line.send("alt_2"), Accepted)  # bound anew
    assert len(line.centre.seen("bound")) == 2


async def test_an_answer_that_comes_late_settles_the_doubt(
    tmp_path: Path, loopback: OutboundPolicy
) -> None:
    async with a_line(tmp_path, loopback, answer_after_ms=400) as line:
        outcome = await line.send(within_s=0.3)
        assert outcome == Deferred(reason="timeout", outcome_unknown=True)
        await line.heard.until()
        assert await line.provider.look_up(ALERT, NUMBER, within_s=1) == Accepted(detail="af0001")
    assert [receipt.alert for receipt in line.heard.receipts] == [ALERT]


async def test_texts_beyond_the_window_wait_and_do_not_leave(
    tmp_path: Path, loopback: OutboundPolicy
) -> None:
    async with a_line(tmp_path, loopback, patience=Patience(window=2), mute=True) as line:
        outcomes = await asyncio.gather(*(line.send(f"alt_{n}", within_s=0.8) for n in range(5)))
        assert len(line.centre.seen("submit")) == 2
    unknown = [one for one in outcomes if isinstance(one, Deferred) and one.outcome_unknown]
    assert len(unknown) == 2
    assert [one for one in outcomes if one not in unknown] == [Deferred(reason="timeout")] * 3


async def test_a_silent_line_is_asked_after(tmp_path: Path, loopback: OutboundPolicy) -> None:
    patience = Patience(enquire_s=0.05, answer_s=2)
    async with a_line(tmp_path, loopback, patience=patience) as line:
        assert isinstance(await line.send(), Accepted)
        await line.centre.until("enquired", 2)
        assert isinstance(await line.send("alt_2"), Accepted)
    assert len(line.centre.seen("bound")) == 1


async def test_a_wrong_password_sends_nothing_and_is_not_hurried(
    tmp_path: Path, loopback: OutboundPolicy
) -> None:
    async with a_line(tmp_path, loopback, account={"password": "wrong"}) as line:
        assert await line.send() == Deferred(reason="smpp-bind-14")
        again = await line.send()
        assert isinstance(again, Deferred)
        assert again.reason == "smpp-bind-14"
        assert again.after is not None
        assert len(line.centre.seen("refused")) == 1


async def test_another_authority_is_not_trusted(tmp_path: Path, loopback: OutboundPolicy) -> None:
    async with smsc(tmp_path) as centre:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        provider = a_provider(an_account(centre.port), loopback, Heard(), ssl_context=context)
        outcome = await provider.submit(ALERT, NUMBER, POINTER, within_s=3)
        await provider.close()
        assert outcome == Deferred(reason="tls")
        assert centre.seen("bound") == []


async def test_in_the_clear_only_where_the_policy_names_the_network(
    tmp_path: Path, loopback: OutboundPolicy
) -> None:
    async with a_line(tmp_path, loopback, account={"tls": False}, tls=False) as line:
        assert isinstance(await line.send(), Accepted)
    for policy, host in (
        (OutboundPolicy(), "127.0.0.1"),
        (loopback, "localhost"),
        (loopback, "10.0.0.1"),
        (loopback, "smsc.example.org"),
    ):
        with pytest.raises(ValueError, match="without TLS"):
            a_provider(an_account(2775, tls=False, host=host), policy, Heard())


@pytest.mark.parametrize(
    "changes",
    [{"system_id": "x" * 16}, {"password": "canary789"}, {"password": ""}, {"source": "é"}],
)
def test_what_smpp_has_no_room_for_is_refused_and_not_shown(
    loopback: OutboundPolicy, changes: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="smpp") as refusal:
        a_provider(an_account(2775, tls=False, **changes), loopback, Heard())
    assert "canary" not in str(refusal.value)


def test_a_host_that_is_none_is_refused(loopback: OutboundPolicy) -> None:
    with pytest.raises(BadAddress):
        a_provider(an_account(2775, host="smsc example"), loopback, Heard())


async def test_a_yes_and_a_no_are_told_and_other_texts_are_not(
    tmp_path: Path, loopback: OutboundPolicy
) -> None:
    async with a_line(tmp_path, loopback) as line:
        staying = asyncio.create_task(line.provider.stay_ready())
        await line.centre.until("bound")
        await line.centre.deliver("447700900123", "Yes 9d1-e01-abc-def")
        await line.centre.deliver("447700900124", "NO 9D1E01ABCDEF.")
        await line.centre.deliver("447700900125", "Who is this?")
        await line.centre.deliver("OFFER", "YES 9D1E01ABCDEF")
        answers = await line.centre.until("text-answered", 4)
        staying.cancel()
        await asyncio.gather(staying, return_exceptions=True)
    assert [answer["status"] for answer in answers] == [0, 0, 0, 0]
    assert line.heard.replies == [
        Reply(
            channel="sms",
            address="+447700900123",
            answer="acknowledged",
            reference="9D1E01ABCDEF",
        ),
        Reply(channel="sms", address="+447700900124", answer="rejected", reference="9D1E01ABCDEF"),
    ]


async def test_a_dropped_line_is_bound_again_without_anyone_sending(
    tmp_path: Path, loopback: OutboundPolicy
) -> None:
    async with a_line(tmp_path, loopback) as line:
        staying = asyncio.create_task(line.provider.stay_ready())
        await line.centre.until("bound")
        await line.centre.drop()
        await line.centre.until("bound", 2)
        await line.centre.deliver("447700900123", "YES 9D1E01ABCDEF")
        await line.heard.until()
        staying.cancel()
        await asyncio.gather(staying, return_exceptions=True)
    assert len(line.heard.replies) == 1


async def test_a_text_in_doubt_is_not_sent_again_until_the_quiet_time_is_over(
    tmp_path: Path, loopback: OutboundPolicy
) -> None:
    async with a_line(tmp_path, loopback, lose=1) as line:
        ahead = 0.0
        channel = over([line.provider], monotonic=lambda: time.monotonic() + ahead, quiet_s=900)
        first = await channel.deliver(a_parcel("sms"))
        assert first == Deferred(reason="connection-lost", outcome_unknown=True)
        quiet = await channel.deliver(a_parcel("sms", outcome_unknown=True))
        assert isinstance(quiet, Deferred)
        assert quiet.reason == "smpp-in-doubt"
        assert quiet.outcome_unknown
        assert quiet.after is not None
        assert timedelta(seconds=890) < quiet.after <= timedelta(seconds=900)
        assert len(line.centre.seen("submit")) == 1
        ahead = 901.0
        assert isinstance(await channel.deliver(a_parcel("sms", outcome_unknown=True)), Accepted)
        assert len(line.centre.seen("submit")) == 2


async def test_after_a_restart_a_doubt_starts_its_quiet_time_afresh(
    tmp_path: Path, loopback: OutboundPolicy
) -> None:
    async with a_line(tmp_path, loopback) as line:
        channel = over([line.provider])
        outcome = await channel.deliver(a_parcel("sms", attempt=2, outcome_unknown=True))
        assert isinstance(outcome, Deferred)
        assert outcome.reason == "smpp-in-doubt"
        assert line.centre.seen("submit") == []


async def test_no_logger_is_told_a_number_a_text_or_a_password(
    tmp_path: Path,
    loopback: OutboundPolicy,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with a_line(tmp_path, loopback) as line:
            staying = asyncio.create_task(line.provider.stay_ready())
            assert isinstance(await line.send(), Accepted)
            line.heard.troubles = 2
            await line.centre.deliver("447700900123", "YES 9D1E01ABCDEF")
            await line.centre.deliver("447700900123", "canary text")
            await line.centre.until("text-answered", 2)
            await line.centre.plan(lose=1)
            await line.send("alt_2")
            staying.cancel()
            await asyncio.gather(staying, return_exceptions=True)
    captured = capfd.readouterr()
    said = caplog.text + captured.out + captured.err
    for secret in ("7700900123", "9D1-E01", "9D1E01", "canary", PASSWORD, "waiting"):
        assert secret not in said
    assert PASSWORD not in repr(an_account(1))
