"""A hostile mail relay: at every verb, in every way. The attempt ends in time with a true account,
no connection is used half-spoken, nothing is said without TLS, and other routes keep their pace.
"""

import asyncio
import contextlib
import json
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any, Final

import pytest

from gateway.channels.email import EmailChannel
from gateway.demo.servers.certificates import LoopbackCertificates, make_certificates
from gateway.demo.servers.mail import MailServer
from gateway.model.outcome import Accepted, Deferred, Outcome, Rejected
from tests.channels.parcels import a_cms, a_parcel, clock
from tests.channels.scripted import ScriptedRelay
from tests.channels.test_email import a_route
from tests.support.hostile_relay import (
    CUT,
    DRIP,
    ENDLESS_LINE,
    ENDLESS_REPLY,
    FAULTS,
    HANG,
    LATER,
    NEVER,
    WAITING,
    HostileRelay,
    another_name,
    expired,
    old_tls,
    unknown_authority,
)
from tests.third_party import vectors

IN_TIME_S: Final = 20.0  # far beyond what an attempt takes that is not made to wait
SHORT_S: Final = 2.0
SLACK_S: Final = 2.0

# In the order they are reached. EHLO-TLS is the greeting again, under TLS; body is the content
# before its final dot, content after it.
BEFORE_RECIPIENT = ("greeting", "EHLO", "STARTTLS", "handshake", "EHLO-TLS", "AUTH", "MAIL")
ABOUT_RECIPIENT = ("RCPT", "DATA", "body", "content")
VERBS = (*BEFORE_RECIPIENT, *ABOUT_RECIPIENT)
CONTENT_LEFT = ("body", "content")

TAKEN = Accepted(detail="smtp-250")
LARGE = a_cms(b"x" * 300_000)  # more than a socket takes at once


def _channel(
    certificates: LoopbackCertificates, port: int, *, timeout_s: float = IN_TIME_S, **changes: Any
) -> EmailChannel:
    settings = {"security": "starttls", "username": "gateway", "password": "canary"} | changes
    return EmailChannel(
        default=a_route(certificates, port, **settings), clock=clock, timeout_s=timeout_s
    )


def _expected(verb: str, fault: str) -> Outcome:
    """What the contract says of each: final only where the reply was about the recipient or the
    message, unknown only where the message may have been taken.
    """
    left = verb in CONTENT_LEFT
    if fault in WAITING:
        return Deferred(reason="timeout", outcome_unknown=left)
    if verb == "handshake":
        return Deferred(reason="connection-lost" if fault == CUT else "tls")
    if fault == CUT:
        return Deferred(
            reason="connect" if verb == "greeting" else "connection-lost", outcome_unknown=left
        )
    if fault in (LATER, NEVER):
        if verb == "STARTTLS":
            return Deferred(reason="tls-required")
        if fault == NEVER and verb in ABOUT_RECIPIENT:
            return Rejected(reason="smtp-550")
        return Deferred(reason=f"smtp-{fault[:3]}")
    # An endless reply to STARTTLS is no consent to it.
    return Deferred(
        reason="tls-required" if verb == "STARTTLS" else "smtp-malformed", outcome_unknown=left
    )


@pytest.fixture(scope="module")
def certificates() -> LoopbackCertificates:
    return make_certificates(None)


@contextlib.contextmanager
def _peak() -> Iterator[list[int]]:
    """Yield a list that holds, afterwards, the most memory that was taken meanwhile."""
    found: list[int] = []
    tracemalloc.start()
    try:
        yield found
        found.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


async def _played(certificates: LoopbackCertificates, verb: str, fault: str) -> None:
    """Play one fault at one verb, and see what comes of the attempt and of the next."""
    relay = HostileRelay(certificates.server_context, verb, fault)
    timeout_s = SHORT_S if fault in WAITING else IN_TIME_S
    async with relay.running() as server:
        channel = _channel(certificates, server.port, timeout_s=timeout_s)
        parcel = a_parcel("email", form="sealed", sealed=LARGE)
        began = time.monotonic()
        outcome = await channel.deliver(parcel)
        took_s = time.monotonic() - began
        assert (verb, relay.done) == (verb, 1)
        assert (verb, outcome) == (verb, _expected(verb, fault))
        assert took_s < timeout_s + SLACK_S
        await channel.close()
        again = _channel(certificates, server.port)
        assert await again.deliver(parcel) == TAKEN
        await again.close()
    assert b"canary" not in relay.plain
    assert set(relay.plain.split(b"\r\n")) <= {b"EHLO gateway.example.org", b"STARTTLS", b""}


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in WAITING])
@pytest.mark.parametrize("verb", VERBS)
async def test_any_fault_at_any_verb_comes_to_its_outcome_and_to_nothing_else(
    certificates: LoopbackCertificates, verb: str, fault: str
) -> None:
    await _played(certificates, verb, fault)


@pytest.mark.parametrize("fault", WAITING)
async def test_whatever_verb_never_comes_to_an_end_the_attempt_ends_in_time(
    certificates: LoopbackCertificates, fault: str
) -> None:
    async with asyncio.TaskGroup() as together:
        for verb in VERBS:
            together.create_task(_played(certificates, verb, fault))


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_fault_at_the_goodbye_changes_or_delays_anything(
    certificates: LoopbackCertificates, fault: str
) -> None:
    relay = HostileRelay(certificates.server_context, "QUIT", fault)
    async with relay.running() as server:
        channel = _channel(certificates, server.port)
        assert await channel.deliver(a_parcel("email")) == TAKEN
        began = time.monotonic()
        await channel.close()
        assert time.monotonic() - began < 1 + SLACK_S
    assert relay.done == 1


@pytest.mark.parametrize("fault", [ENDLESS_LINE, ENDLESS_REPLY, DRIP])
@pytest.mark.parametrize("verb", ["greeting", "EHLO-TLS", "RCPT", "content"])
async def test_a_reply_without_end_takes_no_more_memory_than_a_reply(
    certificates: LoopbackCertificates, verb: str, fault: str
) -> None:
    relay = HostileRelay(certificates.server_context, verb, fault, times=100)
    async with relay.running() as server:
        channel = _channel(certificates, server.port, timeout_s=1)
        with _peak() as peak:
            outcomes = await asyncio.gather(*(channel.deliver(a_parcel("email")) for _ in range(8)))
        await channel.close()
    # The relay's own buffers are in there, and TLS on both sides of each connection.
    assert peak[0] < 8 * 1024 * 1024
    assert {type(outcome) for outcome in outcomes} == {Deferred}


@pytest.mark.parametrize(
    ("verb", "fault"),
    [
        ("greeting", HANG),
        ("handshake", HANG),
        ("RCPT", DRIP),
        ("RCPT", ENDLESS_REPLY),
        ("body", HANG),
        ("content", ENDLESS_LINE),
        ("MAIL", CUT),
    ],
)
async def test_other_routes_keep_their_pace_while_one_relay_is_hostile(
    certificates: LoopbackCertificates, verb: str, fault: str
) -> None:
    relay = HostileRelay(certificates.server_context, verb, fault, times=10_000)
    async with relay.running() as bad, MailServer(certificates) as good:
        hostile = a_route(
            certificates,
            bad.port,
            name="hostile",
            domains=("hostile.example",),
            security="starttls",
            username="gateway",
            password="canary",
        )
        channel = EmailChannel(
            default=a_route(certificates, good.port, security="starttls"),
            routes=[hostile],
            clock=clock,
            timeout_s=2,
        )
        alone = await _paces(channel, 60)
        parcel = a_parcel("email", address="a@hostile.example", form="sealed", sealed=LARGE)
        waiting = [asyncio.ensure_future(channel.deliver(parcel)) for _ in range(20)]
        await asyncio.sleep(0.1)
        beside = await _paces(channel, 60)
        outcomes = await asyncio.gather(*waiting)
        await channel.close()
    assert all(isinstance(outcome, Deferred) for outcome in outcomes)
    # Generous, for machines that are busy: one turn at the hostile relay would be two seconds.
    assert beside[-2] < max(10 * alone[-2], 0.5)


async def _paces(channel: EmailChannel, number: int) -> list[float]:
    """Deliver so many to the good route, four at a time; return how long each took, sorted."""
    slots = asyncio.Semaphore(4)

    async def one() -> float:
        async with slots:
            began = time.monotonic()
            assert await channel.deliver(a_parcel("email")) == TAKEN
            return time.monotonic() - began

    return sorted(await asyncio.gather(*(one() for _ in range(number))))


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("made", "cut"),
    [
        (expired, ()),
        (another_name, ()),
        (unknown_authority, ()),
        (old_tls, ("connect", "connection-lost")),
    ],
    ids=["expired", "another-name", "unknown-authority", "tls-1.1"],
)
async def test_tls_that_proves_nothing_ends_the_attempt_before_a_word_is_said(
    made: Any, cut: tuple[str, ...], security: str
) -> None:
    shown = made()
    relay = HostileRelay(shown.server_context, "none", "none", security=security)
    async with relay.running() as server:
        channel = _channel(shown, server.port, security=security)
        outcome = await channel.deliver(a_parcel("email"))
        await channel.close()
    # A relay too old for us may cut before its alert has left.
    assert outcome in {Deferred(reason=reason) for reason in ("tls", *cut)}
    assert relay.tap == b""
    assert set(relay.plain.split(b"\r\n")) <= {b"EHLO gateway.example.org", b"STARTTLS", b""}


async def test_starttls_that_was_taken_out_on_the_way_is_missed(
    certificates: LoopbackCertificates,
) -> None:
    stripped = ScriptedRelay(
        certificates.server_context, security="starttls", offers=("XXXXXXXA", "AUTH PLAIN")
    )
    async with stripped.running() as server:
        channel = _channel(certificates, server.port)
        assert await channel.deliver(a_parcel("email")) == Deferred(reason="tls-required")
        await channel.close()
    assert stripped.plain == b"EHLO gateway.example.org\r\n"


@pytest.mark.parametrize(
    "injected",
    [
        "250 relay.example",
        "250-relay.example\r\n250 AUTH PLAIN LOGIN",
        "250 ok\r\n235 ok\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 taken",
    ],
    ids=["one", "login", "whole-dialogue"],
)
async def test_what_was_slipped_in_before_tls_answers_nothing_under_it(
    certificates: LoopbackCertificates, injected: str
) -> None:
    """A whole dialogue slipped in must never be taken for the acceptance of a message."""
    relay = ScriptedRelay(
        certificates.server_context,
        security="starttls",
        offers_under_tls=("AUTH PLAIN",),
        script={"STARTTLS": [f"220 go on\r\n{injected}"]},
    )
    async with relay.running() as server:
        channel = _channel(certificates, server.port)
        outcome = await channel.deliver(a_parcel("email"))
        await channel.close()
    assert outcome == Deferred(reason="tls-injected")
    assert b"canary" not in relay.plain + relay.tap


# Where each of the probes' relays is played.
PLAYED: Final = {
    "250 after DATA then close before QUIT": ("QUIT", CUT),
    "450/451/452 on RCPT": ("RCPT", LATER),
    "354 then close mid-DATA": ("body", CUT),
    "250 lost: server accepted, TCP reset before reply (ambiguous -> may duplicate, same "
    "Message-ID)": ("content", CUT),
    "STARTTLS answers 454": ("STARTTLS", LATER),
    "certificate expired / wrong name / self-signed": ("handshake", "tls"),
    "AUTH offered only before TLS": ("EHLO-TLS", "offers"),  # tests/channels/test_email.py
    "reply line of 1 MiB": ("RCPT", ENDLESS_LINE),
}


def test_every_relay_of_the_probes_is_played() -> None:
    probes = json.loads(vectors("own-probes/mail-injection.json").read_text("utf-8"))
    assert set(probes["server_scripts"]) == set(PLAYED)
