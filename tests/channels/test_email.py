"""Email: only ever under TLS, one message to one mailbox, and a true account of its fate."""

import asyncio
import contextlib
import json
import time
from typing import Any

import pytest

from gateway.channels.addresses import BadAddress
from gateway.channels.email import EmailChannel
from gateway.channels.mail_routes import MailRoute
from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.demo.servers.mail import MailServer
from gateway.model.outcome import Accepted, Deferred, Outcome, Rejected
from tests.channels.parcels import ALERT, CMS, a_parcel, clock
from tests.channels.scripted import (
    DROP,
    DROP_EARLY,
    HANG,
    ScriptedRelay,
    full_backlog,
    listening,
    never_answer,
)
from tests.third_party import vector_files, vectors

SHORT_S = 0.3


def a_route(certificates: LoopbackCertificates, port: int, **changes: Any) -> MailRoute:
    settings: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "security": "tls",
        "ssl_context": certificates.client_context,
        "sender": "alerts@gateway.example.org",
        "hostname": "gateway.example.org",
    }
    return MailRoute(**(settings | changes))


def a_channel(certificates: LoopbackCertificates, port: int, **changes: Any) -> EmailChannel:
    own = {name: changes.pop(name) for name in ("timeout_s", "pool_size") if name in changes}
    others = changes.pop("routes", ())
    return EmailChannel(
        default=a_route(certificates, port, **changes),
        routes=others,
        clock=clock,
        **({"timeout_s": 5} | own),
    )


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_sealed_message_reaches_the_mailbox(
    certificates: LoopbackCertificates, security: Any
) -> None:
    async with MailServer(certificates, security=security) as server:
        channel = a_channel(certificates, server.port, security=security)
        parcel = a_parcel("email", form="sealed", sealed=CMS)
        assert await channel.deliver(parcel) == Accepted(detail="smtp-250")
        await channel.close()
    (mail,) = server.messages
    assert mail.sender == "alerts@gateway.example.org"
    assert mail.recipients == (parcel.address,)
    assert f"Message-ID: <{ALERT}@gateway.example.org>".encode() in mail.content


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_the_account_is_used_where_the_relay_asks_for_one(
    certificates: LoopbackCertificates, security: Any
) -> None:
    accounts = {"gateway": "let me in"}
    async with MailServer(certificates, security=security, accounts=accounts) as server:
        outcomes = []
        for password in ("let me in", "wrong", None):
            channel = a_channel(
                certificates,
                server.port,
                security=security,
                username="gateway" if password else None,
                password=password,
            )
            outcomes.append(await channel.deliver(a_parcel("email")))
            await channel.close()
    assert outcomes == [
        Accepted(detail="smtp-250"),
        Deferred(reason="smtp-535"),
        Deferred(reason="smtp-530"),
    ]
    assert len(server.messages) == 1


async def test_attempts_share_connections_and_never_exceed_the_pool(
    certificates: LoopbackCertificates,
) -> None:
    async with MailServer(certificates) as server:
        channel = a_channel(certificates, server.port, security="starttls", pool_size=2)
        parcels = [a_parcel("email", alert=f"alt_{number}") for number in range(20)]
        outcomes = await asyncio.gather(*map(channel.deliver, parcels))
        await channel.close()
    assert outcomes == [Accepted(detail="smtp-250")] * 20
    assert len(server.messages) == 20
    assert server.connections == 2


async def test_a_refused_recipient_leaves_the_connection_fit_for_the_next(
    certificates: LoopbackCertificates,
) -> None:
    answers = ["451 4.3.0 later", "550 5.1.1 nobody"]
    async with MailServer(certificates, recipient_answers=answers) as server:
        channel = a_channel(certificates, server.port, security="starttls")
        outcomes = [await channel.deliver(a_parcel("email")) for _ in range(3)]
        await channel.close()
    assert outcomes == [
        Deferred(reason="smtp-451"),
        Rejected(reason="smtp-550"),
        Accepted(detail="smtp-250"),
    ]
    assert server.connections == 1


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ({"greeting": ["554 go away"]}, Deferred(reason="smtp-554")),
        ({"greeting": ["421 busy"]}, Deferred(reason="smtp-421")),
        ({"greeting": [DROP]}, Deferred(reason="connect")),
        ({"EHLO": ["502 what"]}, Deferred(reason="smtp-502")),
        ({"EHLO": [DROP]}, Deferred(reason="connection-lost")),
        ({"MAIL": ["451 later"]}, Deferred(reason="smtp-451")),
        ({"MAIL": ["550 not you"]}, Deferred(reason="smtp-550")),
        ({"MAIL": ["421 closing"]}, Deferred(reason="smtp-421")),
        ({"MAIL": [DROP]}, Deferred(reason="connection-lost")),
        ({"RCPT": ["450 busy"]}, Deferred(reason="smtp-450")),
        ({"RCPT": ["452 full"]}, Deferred(reason="smtp-452")),
        ({"RCPT": ["251 forwarding"]}, Accepted(detail="smtp-250")),
        ({"RCPT": ["550-5.1.1 no\r\n550 such user"]}, Rejected(reason="smtp-550")),
        ({"RCPT": ["553 malformed"]}, Rejected(reason="smtp-553")),
        ({"RCPT": ["421 closing"]}, Deferred(reason="smtp-421")),
        ({"RCPT": [DROP]}, Deferred(reason="connection-lost")),
        ({"RCPT": ["what?"]}, Deferred(reason="smtp-malformed")),
        ({"RCPT": ["250 " + "x" * 1_000_000]}, Deferred(reason="smtp-malformed")),
        ({"DATA": ["451 later"]}, Deferred(reason="smtp-451")),
        ({"DATA": ["554 no"]}, Rejected(reason="smtp-554")),
        ({"DATA": ["250 what"]}, Deferred(reason="smtp-malformed")),
        ({"DATA": [DROP]}, Deferred(reason="connection-lost")),
        ({"content": ["452 full"]}, Deferred(reason="smtp-452")),
        ({"content": ["552 too big"]}, Rejected(reason="smtp-552")),
        ({"content": ["421 closing"]}, Deferred(reason="smtp-421")),
        ({"content": [DROP]}, Deferred(reason="connection-lost", outcome_unknown=True)),
        ({"content": [DROP_EARLY]}, Deferred(reason="connection-lost", outcome_unknown=True)),
        ({"content": ["354 what"]}, Deferred(reason="smtp-malformed", outcome_unknown=True)),
        ({"content": ["??"]}, Deferred(reason="smtp-malformed", outcome_unknown=True)),
        ({"QUIT": [DROP]}, Accepted(detail="smtp-250")),
    ],
    ids=str,
)
async def test_each_reply_comes_to_its_outcome_and_the_next_attempt_succeeds(
    certificates: LoopbackCertificates, script: dict[str, list[str]], expected: Outcome
) -> None:
    relay = ScriptedRelay(certificates.server_context, script=script)
    async with relay.running() as server:
        channel = a_channel(certificates, server.port)
        assert await channel.deliver(a_parcel("email")) == expected
        assert await channel.deliver(a_parcel("email")) == Accepted(detail="smtp-250")
        await channel.close()


@pytest.mark.parametrize("verb", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "content"])
async def test_a_relay_that_falls_silent_is_left_at_the_deadline(
    certificates: LoopbackCertificates, verb: str
) -> None:
    relay = ScriptedRelay(certificates.server_context, script={verb: [HANG]})
    async with relay.running() as server:
        outcome, took_s = await _timed(certificates, server.port)
    assert outcome == Deferred(reason="timeout", outcome_unknown=verb == "content")
    assert took_s < SHORT_S + 1


async def test_a_connection_that_never_stands_is_left_at_the_deadline(
    certificates: LoopbackCertificates,
) -> None:
    async with listening(never_answer) as no_handshake:
        with full_backlog() as no_connection:
            for port in (no_handshake.port, no_connection):
                outcome, took_s = await _timed(certificates, port)
                assert outcome == Deferred(reason="timeout")
                assert took_s < SHORT_S + 1


async def test_nothing_listening_is_deferred(certificates: LoopbackCertificates) -> None:
    async with listening(never_answer) as gone:
        pass
    outcome, _ = await _timed(certificates, gone.port)
    assert outcome == Deferred(reason="connect")


async def test_waiting_for_a_free_connection_counts_towards_the_deadline(
    certificates: LoopbackCertificates,
) -> None:
    relay = ScriptedRelay(certificates.server_context, script={"MAIL": [HANG, HANG]})
    async with relay.running() as server:
        channel = a_channel(certificates, server.port, timeout_s=SHORT_S, pool_size=1)
        began = time.monotonic()
        outcomes = await asyncio.gather(*(channel.deliver(a_parcel("email")) for _ in range(4)))
        assert time.monotonic() - began < SHORT_S + 1
        await channel.close()
    assert outcomes == [Deferred(reason="timeout")] * 4


@pytest.mark.parametrize(
    ("offers", "script"),
    [
        ((), {}),
        (("SIZE 1000", "AUTH PLAIN"), {}),
        (("STARTTLS",), {"STARTTLS": ["454 not now"]}),
        (("STARTTLS",), {"STARTTLS": ["502 what"]}),
    ],
    ids=str,
)
async def test_without_tls_no_byte_of_a_message_or_password_is_sent(
    certificates: LoopbackCertificates, offers: tuple[str, ...], script: dict[str, list[str]]
) -> None:
    relay = ScriptedRelay(
        certificates.server_context, security="starttls", offers=offers, script=script
    )
    async with relay.running() as server:
        channel = a_channel(
            certificates, server.port, security="starttls", username="gateway", password="canary"
        )
        assert await channel.deliver(a_parcel("email")) == Deferred(reason="tls-required")
        await channel.close()
    assert relay.tap == b""
    assert set(relay.plain.split(b"\r\n")) <= {b"EHLO gateway.example.org", b"STARTTLS", b""}


async def test_replies_slipped_in_before_tls_are_not_taken_for_replies_under_it(
    certificates: LoopbackCertificates,
) -> None:
    injected = "220 go on\r\n250-evil.example\r\n250 AUTH PLAIN\r\n535 no\r\n550 no"
    relay = ScriptedRelay(
        certificates.server_context, security="starttls", script={"STARTTLS": [injected]}
    )
    async with relay.running() as server:
        channel = a_channel(certificates, server.port, security="starttls")
        outcome = await channel.deliver(a_parcel("email"))
        await channel.close()
    assert outcome == Deferred(reason="tls-injected")
    assert relay.tap == b""


async def test_a_login_offered_only_before_tls_is_not_used(
    certificates: LoopbackCertificates,
) -> None:
    relay = ScriptedRelay(
        certificates.server_context, security="starttls", offers=("STARTTLS", "AUTH PLAIN LOGIN")
    )
    async with relay.running() as server:
        channel = a_channel(
            certificates, server.port, security="starttls", username="gateway", password="canary"
        )
        assert await channel.deliver(a_parcel("email")) == Deferred(reason="auth-required")
        await channel.close()
    assert b"AUTH" not in relay.plain + relay.tap


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_certificate_for_another_name_or_of_another_authority_ends_the_attempt(
    certificates: LoopbackCertificates, other_name: LoopbackCertificates, security: Any
) -> None:
    async with MailServer(other_name, security=security) as server:
        for trusting in (other_name, certificates):
            channel = a_channel(trusting, server.port, security=security)
            assert await channel.deliver(a_parcel("email")) == Deferred(reason="tls")
            await channel.close()
    assert server.messages == []


def test_a_sender_or_greeting_that_is_none_and_a_careless_context_are_not_taken(
    certificates: LoopbackCertificates,
) -> None:
    for changes in ({"sender": "not a mailbox"}, {"hostname": "a b"}, {"hostname": "a\r\nRSET"}):
        with pytest.raises(BadAddress):
            a_channel(certificates, 1, **changes)
    with pytest.raises(ValueError, match="TLS context"):
        a_channel(certificates, 1, ssl_context=certificates.server_context)


def _probes(member: str) -> list[str]:
    found = vector_files("own-probes", "mail-injection.json")
    return list(json.loads(found[0].read_text())[member]) if found else []


def test_the_probes_of_mail_were_there_to_run() -> None:
    vectors("own-probes/mail-injection.json")
    assert _probes("body_end_of_data")


@pytest.mark.parametrize(
    "probe",
    _probes("body_end_of_data") + _probes("subject_or_header_values"),
    ids=lambda p: ascii(p)[:30],
)
async def test_on_the_wire_only_crlf_ends_lines_and_one_message_stays_one(
    certificates: LoopbackCertificates, probe: str
) -> None:
    relay = ScriptedRelay(certificates.server_context)
    async with relay.running() as server:
        channel = a_channel(certificates, server.port)
        await channel.deliver(a_parcel("email", sealed=f".{probe}.".encode(), proof=probe))
        await channel.deliver(a_parcel("email", alert=f"alt_{probe}"))
        await channel.deliver(a_parcel("email", address=f"a@b.example{probe}"))
        assert await channel.deliver(a_parcel("email")) == Accepted(detail="smtp-250")
        await channel.close()
    bare = relay.tap.replace(b"\r\n", b"")
    assert b"\r" not in bare
    assert b"\n" not in bare
    sent = relay.commands("MAIL")
    assert 2 <= sent <= 3
    assert relay.commands("RCPT") == relay.commands("DATA") == sent
    assert relay.commands("Subject: A message is waiting for you") == sent
    assert relay.tap.count(b"\r\n.\r\n") == sent
    assert b"Bcc" not in relay.tap


@pytest.mark.parametrize("address", _probes("addresses_must_be_refused"), ids=ascii)
async def test_an_injecting_address_is_refused_before_any_connection(
    certificates: LoopbackCertificates, address: str
) -> None:
    async with listening(never_answer) as server:
        channel = a_channel(certificates, server.port)
        outcome = await channel.deliver(a_parcel("email", address=address))
        await channel.close()
    assert outcome == Rejected(reason="address-refused")
    assert server.connections == 0


async def test_a_message_that_may_have_arrived_goes_again_under_the_same_id(
    certificates: LoopbackCertificates,
) -> None:
    relay = ScriptedRelay(certificates.server_context, script={"content": [DROP]})
    async with relay.running() as server:
        channel = a_channel(certificates, server.port)
        first = await channel.deliver(a_parcel("email"))
        assert first == Deferred(reason="connection-lost", outcome_unknown=True)
        again = a_parcel("email", attempt=2, outcome_unknown=True)
        assert await channel.deliver(again) == Accepted(detail="smtp-250")
        await channel.close()
    assert relay.commands(f"Message-ID: <{ALERT}@gateway.example.org>") == 2


@pytest.mark.parametrize("step", [DROP, "421 4.4.2 idle too long"])
async def test_a_kept_connection_the_relay_has_given_up_costs_no_attempt(
    certificates: LoopbackCertificates, step: str
) -> None:
    relay = ScriptedRelay(
        certificates.server_context, script={"MAIL": ["250 ok", step, "250 ok", "250 ok"]}
    )
    async with relay.running() as server:
        channel = a_channel(certificates, server.port)
        for _ in range(3):
            assert await channel.deliver(a_parcel("email")) == Accepted(detail="smtp-250")
        assert server.connections == 2
        await channel.close()
    assert relay.tap.count(b"\r\n.\r\n") == 3


async def test_a_kept_connection_lost_after_the_content_left_is_not_a_reason_to_send_twice(
    certificates: LoopbackCertificates,
) -> None:
    relay = ScriptedRelay(certificates.server_context, script={"content": ["250 ok", DROP]})
    async with relay.running() as server:
        channel = a_channel(certificates, server.port)
        assert await channel.deliver(a_parcel("email")) == Accepted(detail="smtp-250")
        second = await channel.deliver(a_parcel("email"))
        await channel.close()
    assert second == Deferred(reason="connection-lost", outcome_unknown=True)
    assert relay.commands("DATA") == 2


@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "RCPT", "DATA", "content"])
async def test_a_cancelled_attempt_takes_its_connection_with_it(
    certificates: LoopbackCertificates, verb: str
) -> None:
    """A reply that arrives after its attempt was cancelled must never answer the next attempt."""
    relay = ScriptedRelay(certificates.server_context, script={verb: [HANG]})
    async with relay.running() as server:
        channel = a_channel(certificates, server.port, pool_size=1)
        attempt = asyncio.ensure_future(channel.deliver(a_parcel("email", alert="alt_cancelled")))
        await relay.reached[verb].wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        outcomes = [await channel.deliver(a_parcel("email")) for _ in range(2)]
        await channel.close()
        assert server.connections == 2
    assert outcomes == [Accepted(detail="smtp-250")] * 2


async def test_attempts_cancelled_at_any_moment_neither_leak_slots_nor_mix_up_replies(
    certificates: LoopbackCertificates,
) -> None:
    async with MailServer(certificates, recipient_answers=[]) as server:
        channel = a_channel(certificates, server.port, security="starttls", pool_size=2)
        for turns in range(0, 120, 4):
            attempts = [
                asyncio.ensure_future(channel.deliver(a_parcel("email", alert=f"alt_{turns}_{n}")))
                for n in range(3)
            ]
            for _ in range(turns):
                await asyncio.sleep(0)
            attempts[0].cancel()
            finished = await asyncio.gather(*attempts, return_exceptions=True)
            assert finished[1:] == [Accepted(detail="smtp-250")] * 2
        await channel.close()
    ids = [line for mail in server.messages for line in mail.content.split(b"\r\n")]
    accepted = {
        f"Message-ID: <alt_{t}_{n}@gateway.example.org>" for t in range(0, 120, 4) for n in (1, 2)
    }
    assert accepted <= {line.decode() for line in ids if line.startswith(b"Message-ID")}


async def test_closing_says_goodbye_and_does_not_wait_for_an_answer(
    certificates: LoopbackCertificates,
) -> None:
    relay = ScriptedRelay(certificates.server_context, script={"QUIT": [HANG]})
    async with relay.running() as server:
        channel = a_channel(certificates, server.port)
        await channel.deliver(a_parcel("email"))
        began = time.monotonic()
        await channel.close()
        assert time.monotonic() - began < 3
    assert relay.commands("QUIT") == 1


async def _timed(certificates: LoopbackCertificates, port: int) -> tuple[Outcome, float]:
    channel = a_channel(certificates, port, timeout_s=SHORT_S)
    began = time.monotonic()
    outcome = await channel.deliver(a_parcel("email"))
    took_s = time.monotonic() - began
    with contextlib.suppress(OSError):
        await channel.close()
    return outcome, took_s
