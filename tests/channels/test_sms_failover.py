"""Two carriers behind one channel: which goes first, and who gets a text the other refused."""

import time
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.channels.outbound import OutboundPolicy
from gateway.channels.sms import Caps
from gateway.channels.sms.failover import Rule
from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.model.ids import AlertId
from gateway.model.outcome import Accepted, Deferred, Receipt, Rejected
from tests.channels.parcels import ALERT, a_parcel
from tests.channels.scripted import listening, never_answer
from tests.channels.test_sms import a_notify, a_server, over
from tests.channels.test_sms_smpp import a_line


class Clock:
    """A monotonic clock that can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.mark.parametrize("status", [401, 403, 404, 429])
async def test_what_a_carrier_refuses_for_itself_goes_to_the_next_in_the_same_attempt(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, tmp_path: Path, status: int
) -> None:
    async with (
        a_server(certificates, answers=[(status, "AuthError")]) as server,
        a_line(tmp_path, loopback) as line,
    ):
        channel = over([a_notify(certificates, loopback, server.url), line.provider])
        assert isinstance(await channel.deliver(a_parcel("sms")), Accepted)
        assert len(line.centre.seen("submit")) == 1
        await channel.close()
    assert server.texts == []


async def test_a_throttled_centre_is_passed_over_in_the_same_attempt(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, tmp_path: Path
) -> None:
    async with (
        a_server(certificates) as server,
        a_line(tmp_path, loopback, statuses=[0x58]) as line,
    ):
        channel = over([line.provider, a_notify(certificates, loopback, server.url)])
        assert isinstance(await channel.deliver(a_parcel("sms")), Accepted)
        await channel.close()
    assert len(server.texts) == 1


async def test_a_number_a_carrier_refuses_is_offered_to_no_other(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, tmp_path: Path
) -> None:
    async with (
        a_server(certificates) as server,
        a_line(tmp_path, loopback, statuses=[0x0B]) as line,
    ):
        channel = over([line.provider, a_notify(certificates, loopback, server.url)])
        assert await channel.deliver(a_parcel("sms")) == Rejected(reason="smpp-11")
        await channel.close()
    assert server.texts == []


async def test_when_all_refuse_the_soonest_return_is_told_and_the_place_is_given_back(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, tmp_path: Path
) -> None:
    async with (
        a_server(certificates, answers=[(429, "TooManyRequestsError")]) as server,
        a_line(tmp_path, loopback, statuses=[0x58]) as line,
    ):
        channel = over(
            [a_notify(certificates, loopback, server.url), line.provider],
            caps=Caps(routine=1, urgent=1),
        )
        refused = await channel.deliver(a_parcel("sms"))
        assert refused == Deferred(reason="smpp-88", after=timedelta(seconds=5))
        assert isinstance(await channel.deliver(a_parcel("sms")), Accepted)
        await channel.close()


async def test_a_text_one_carrier_may_have_taken_is_not_given_to_another(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, tmp_path: Path
) -> None:
    clock = Clock()
    down = [(503, "")] * 2
    async with (
        a_server(certificates, answers=down) as server,
        a_line(tmp_path, loopback) as line,
    ):
        notify = a_notify(certificates, loopback, server.url)
        channel = over([notify, line.provider], monotonic=clock, quiet_s=600)
        first = await channel.deliver(a_parcel("sms"))
        assert first == Deferred(reason="notify-503", outcome_unknown=True)
        # The look-up answers: surely not taken. The second 503 is a doubt of its own.
        second = await channel.deliver(a_parcel("sms", outcome_unknown=True))
        assert second == Deferred(reason="notify-503", outcome_unknown=True)
        assert line.centre.seen("submit") == []
        await channel.close()


async def test_a_carrier_that_cannot_even_be_asked_is_passed_over_after_the_quiet_time(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, tmp_path: Path
) -> None:
    clock = Clock()
    async with (
        listening(never_answer, tls=certificates.server_context) as hung,
        a_line(tmp_path, loopback) as line,
    ):
        notify = a_notify(certificates, loopback, f"https://127.0.0.1:{hung.port}")
        channel = over([notify, line.provider], monotonic=clock, quiet_s=600, timeout_s=0.6)
        in_doubt = Deferred(reason="timeout", outcome_unknown=True)
        assert await channel.deliver(a_parcel("sms")) == in_doubt
        assert await channel.deliver(a_parcel("sms", outcome_unknown=True)) == in_doubt
        assert line.centre.seen("submit") == []
        clock.ahead = 601
        again = await channel.deliver(a_parcel("sms", outcome_unknown=True))
        assert isinstance(again, Accepted)
        assert len(line.centre.seen("submit")) == 1
        await channel.close()


async def test_slow_receipts_put_the_other_carrier_first_until_they_are_forgotten(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, tmp_path: Path
) -> None:
    clock = Clock()
    async with a_server(certificates) as server, a_line(tmp_path, loopback, receipt=None) as line:
        channel = over(
            [line.provider, a_notify(certificates, loopback, server.url)],
            monotonic=clock,
            rule=Rule(prompt_s=60, at_least=3, window_s=600),
        )

        async def send(name: str) -> None:
            assert isinstance(await channel.deliver(a_parcel("sms", alert=name)), Accepted)

        for n in range(3):
            await send(f"alt_{n}")
        assert len(line.centre.seen("submit")) == 3
        clock.ahead = 61
        await send("alt_slow")
        assert len(line.centre.seen("submit")) == 3
        assert len(server.texts) == 1
        clock.ahead = 601
        await send("alt_recovered")
        assert len(line.centre.seen("submit")) == 4
        await channel.close()


async def test_prompt_receipts_keep_a_carrier_first(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, tmp_path: Path
) -> None:
    clock = Clock()
    async with a_server(certificates) as server, a_line(tmp_path, loopback, receipt=None) as line:
        channel = over(
            [line.provider, a_notify(certificates, loopback, server.url)],
            monotonic=clock,
            rule=Rule(prompt_s=60, at_least=3, window_s=600),
        )
        for n in range(3):
            await channel.deliver(a_parcel("sms", alert=f"alt_{n}"))
            channel.heard(
                Receipt(
                    alert=AlertId(f"alt_{n}"), channel="sms", state="failed", code="sms-undeliv"
                )
            )
        clock.ahead = 61
        assert isinstance(await channel.deliver(a_parcel("sms")), Accepted)
        assert len(line.centre.seen("submit")) == 4
        await channel.close()
    assert server.texts == []


async def test_a_number_over_its_cap_is_sent_nothing(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    clock = Clock()
    async with a_server(certificates) as server:
        channel = over(
            [a_notify(certificates, loopback, server.url)],
            monotonic=clock,
            caps=Caps(routine=1, urgent=2),
        )
        assert isinstance(await channel.deliver(a_parcel("sms")), Accepted)
        capped = await channel.deliver(a_parcel("sms", alert="alt_2"))
        assert isinstance(capped, Deferred)
        assert capped.reason == "sms-cap"
        assert capped.after is not None
        assert timedelta(minutes=59) < capped.after <= timedelta(hours=1)
        assert isinstance(
            await channel.deliver(a_parcel("sms", alert="alt_3", urgent=True)), Accepted
        )
        full = await channel.deliver(a_parcel("sms", alert="alt_4", urgent=True))
        assert isinstance(full, Deferred)
        assert full.reason == "sms-cap"
        clock.ahead = 3601
        assert isinstance(await channel.deliver(a_parcel("sms", alert="alt_2")), Accepted)
        await channel.close()
    assert [text.reference for text in server.texts] == [ALERT, "alt_3", "alt_2"]


async def test_a_link_goes_to_notify_beside_the_reference(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with a_server(certificates) as server:
        channel = over([a_notify(certificates, loopback, server.url)])
        link = b"https://alerts.example.org/p/abc"
        await channel.deliver(a_parcel("sms", sealed=b"K7\n" + link))
        await channel.close()
    assert server.personalisations == [{"reference": "K7", "link": link.decode()}]


def test_a_channel_has_a_carrier_and_no_two_of_one_name(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    notify = a_notify(certificates, loopback, "https://127.0.0.1:1")
    for providers in ([], [notify, notify]):
        with pytest.raises(ValueError, match="provider"):
            over(providers)
