"""Transport rules: a recipient's mail goes over the relay its domain is claimed by, or waits."""

import asyncio
from typing import Any

import pytest

from gateway.channels.addresses import BadAddress
from gateway.channels.contract import Undeliverable
from gateway.channels.email import EmailChannel
from gateway.channels.mail_routes import MailRoutes, NoSuchRoute
from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.demo.servers.mail import MailServer
from gateway.model.outcome import Accepted, Deferred, Rejected
from tests.channels.parcels import ALERT, a_parcel, clock
from tests.channels.scripted import HANG, ScriptedRelay, listening, never_answer
from tests.channels.test_email import a_route

CLAIMED = "court@team.secure.example.org"
PLAIN = "duty@police.example.org"


def _routes(certificates: LoopbackCertificates, *others: tuple[str, str]) -> MailRoutes:
    """Return the default route and others, each by its name and the domains it claims."""
    return MailRoutes(
        a_route(certificates, 1),
        [a_route(certificates, 1, name=name, domains=tuple(of.split())) for name, of in others],
    )


@pytest.mark.parametrize(
    ("mailbox", "route"),
    [
        ("a@secure.example.org", "cjsm"),
        ("a@SECURE.Example.ORG", "cjsm"),
        ("a@court.secure.example.org", "cjsm"),
        ("a@a.b.secure.example.org", "cjsm"),
        ("a@police.secure.example.org", "police"),
        ("a@north.police.secure.example.org", "police"),
        ("a@notsecure.example.org", "default"),
        ("a@secure.example.org.evil.example", "default"),
        ("a@secure.example.com", "default"),
        ("secure.example.org@example.org", "default"),
        ("a@example.org", "default"),
    ],
)
def test_the_longest_claim_that_ends_the_domain_decides(
    certificates: LoopbackCertificates, mailbox: str, route: str
) -> None:
    routes = _routes(
        certificates,
        ("cjsm", "secure.example.org secure.example.net"),
        ("police", "Police.Secure.example.org"),
    )
    assert routes.choose(mailbox, None).name == route
    assert routes.choose(mailbox, route).name == route
    for other in {"cjsm", "police", "default"} - {route}:
        with pytest.raises(Undeliverable, match=r"^route-domain$"):
            routes.choose(mailbox, other)
    with pytest.raises(NoSuchRoute):
        routes.choose(mailbox, "elsewhere")


@pytest.mark.parametrize(
    "others",
    [
        [("cjsm", "a.example"), ("cjsm", "b.example")],
        [("default", "a.example")],
        [("cjsm", "a.example"), ("police", "A.example")],
        [("cjsm", "")],
    ],
    ids=["name-twice", "default-twice", "domain-twice", "no-domain"],
)
def test_routes_that_contradict_each_other_are_not_taken(
    certificates: LoopbackCertificates, others: list[tuple[str, str]]
) -> None:
    with pytest.raises(ValueError, match="mail routes"):
        _routes(certificates, *others)
    with pytest.raises(ValueError, match="mail routes"):
        MailRoutes(a_route(certificates, 1, domains=("a.example",)))


@pytest.mark.parametrize(
    "changes",
    [
        {"domains": ("*.example.org",)},
        {"domains": (".example.org",)},
        {"domains": ("",)},
        {"sender": "alerts"},
        {"hostname": "a b"},
        {"bounces": "bounces"},
        {"bounces": f"{'b' * 24}@example.org"},  # no room for an alert's id
    ],
)
def test_a_route_that_could_not_be_used_is_not_built(
    certificates: LoopbackCertificates, changes: dict[str, Any]
) -> None:
    with pytest.raises(BadAddress):
        a_route(certificates, 1, **changes)
    with pytest.raises(ValueError, match="TLS context"):
        a_route(certificates, 1, ssl_context=certificates.server_context)


def test_a_route_never_shows_its_account(certificates: LoopbackCertificates) -> None:
    assert "canary" not in repr(a_route(certificates, 1, username="canary", password="canary"))


async def test_each_class_of_recipient_has_its_relay_its_sender_and_its_account(
    certificates: LoopbackCertificates, other_name: LoopbackCertificates
) -> None:
    accounts = {"cjsm": "secret"}
    async with (
        MailServer(certificates) as plain,
        MailServer(certificates, security="tls", accounts=accounts) as claimed,
    ):
        channel = EmailChannel(
            default=a_route(certificates, plain.port, security="starttls"),
            routes=[
                a_route(
                    certificates,
                    claimed.port,
                    name="cjsm",
                    domains=("secure.example.org",),
                    sender="gateway@secure.example.org",
                    hostname="gateway.secure.example.org",
                    username="cjsm",
                    password="secret",
                )
            ],
            clock=clock,
        )
        for address, route in ((CLAIMED, "cjsm"), (CLAIMED, None), (PLAIN, "default")):
            parcel = a_parcel("email", address=address, route=route)
            assert await channel.deliver(parcel) == Accepted(detail="smtp-250")
        for address, route in ((CLAIMED, "default"), (PLAIN, "cjsm")):
            parcel = a_parcel("email", address=address, route=route)
            assert await channel.deliver(parcel) == Rejected(reason="route-domain")
        nowhere = await channel.deliver(a_parcel("email", address=PLAIN, route="elsewhere"))
        await channel.close()
    assert nowhere == Deferred(reason="no-route")
    assert [mail.recipients for mail in claimed.messages] == [(CLAIMED,)] * 2
    assert {mail.sender for mail in claimed.messages} == {"gateway@secure.example.org"}
    assert f"<{ALERT}@gateway.secure.example.org>".encode() in claimed.messages[0].content
    assert [mail.recipients for mail in plain.messages] == [(PLAIN,)]


async def test_a_route_that_is_down_defers_and_is_never_gone_around(
    certificates: LoopbackCertificates,
) -> None:
    async with listening(never_answer) as gone:
        pass
    async with MailServer(certificates) as plain:
        channel = EmailChannel(
            default=a_route(certificates, plain.port, security="starttls"),
            routes=[a_route(certificates, gone.port, name="cjsm", domains=("secure.example.org",))],
            clock=clock,
        )
        outcomes = [
            await channel.deliver(a_parcel("email", address=CLAIMED, attempt=attempt))
            for attempt in (1, 2, 3)
        ]
        await channel.close()
    assert outcomes == [Deferred(reason="connect")] * 3
    assert plain.messages == []
    assert plain.connections == 0


async def test_a_closed_channel_opens_nothing_more(certificates: LoopbackCertificates) -> None:
    async with MailServer(certificates) as server:
        channel = EmailChannel(
            default=a_route(certificates, server.port, security="starttls"), clock=clock
        )
        assert await channel.deliver(a_parcel("email")) == Accepted(detail="smtp-250")
        await channel.close()
        assert await channel.deliver(a_parcel("email")) == Deferred(reason="connection-lost")
    assert server.connections == 1


async def test_closing_an_account_s_connections_says_goodbye_to_each_route(
    certificates: LoopbackCertificates,
) -> None:
    """Also when one of them never answers: the others are not kept waiting for it."""
    slow = ScriptedRelay(
        certificates.server_context, offers_under_tls=("AUTH PLAIN",), script={"QUIT": [HANG]}
    )
    quick = ScriptedRelay(certificates.server_context, offers_under_tls=("AUTH PLAIN",))
    async with slow.running() as first, quick.running() as second:
        account = {"username": "gateway", "password": "secret"}
        channel = EmailChannel(
            default=a_route(certificates, first.port, **account),
            routes=[
                a_route(certificates, second.port, name="b", domains=("b.example",), **account)
            ],
            clock=clock,
        )
        for address in (PLAIN, "a@b.example"):
            parcel = a_parcel("email", address=address)
            assert await channel.deliver(parcel) == Accepted(detail="smtp-250")
        async with asyncio.timeout(3):
            await channel.close()
    assert slow.commands("QUIT") == quick.commands("QUIT") == 1
    assert slow.commands("AUTH PLAIN") == quick.commands("AUTH PLAIN") == 1


def _dsn(certificates: LoopbackCertificates, **script: list[str]) -> ScriptedRelay:
    return ScriptedRelay(certificates.server_context, offers_under_tls=("DSN",), script=script)


def _lines(relay: ScriptedRelay, verb: str) -> list[str]:
    lines = relay.tap.decode().split("\r\n")
    return [line for line in lines if line.startswith(verb)]


async def _deliver(
    relay: ScriptedRelay, certificates: LoopbackCertificates, **changes: Any
) -> list[Any]:
    async with relay.running() as server:
        route = a_route(certificates, server.port, bounces="bounces@gateway.example.org")
        channel = EmailChannel(default=route, clock=clock)
        outcomes = [await channel.deliver(a_parcel("email", **changes)) for _ in range(2)]
        await channel.close()
    return outcomes


async def test_a_report_is_asked_for_by_the_alert_s_id(certificates: LoopbackCertificates) -> None:
    relay = _dsn(certificates)
    outcomes = await _deliver(relay, certificates, address="o'hara+a=b@desk.example.org")
    assert outcomes == [Accepted(detail="smtp-250")] * 2
    assert (
        _lines(relay, "MAIL")
        == [f"MAIL FROM:<bounces+{ALERT}@gateway.example.org> RET=HDRS ENVID={ALERT}"] * 2
    )
    asked = "NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;o'hara+2Ba+3Db@desk.example.org"
    assert _lines(relay, "RCPT") == [f"RCPT TO:<o'hara+a=b@desk.example.org> {asked}"] * 2
    assert _lines(relay, "From: ") == ["From: alerts@gateway.example.org"] * 2


async def test_a_relay_that_offers_no_reports_is_asked_for_none(
    certificates: LoopbackCertificates,
) -> None:
    relay = ScriptedRelay(certificates.server_context)
    assert await _deliver(relay, certificates) == [Accepted(detail="smtp-250")] * 2
    assert _lines(relay, "MAIL") == [f"MAIL FROM:<bounces+{ALERT}@gateway.example.org>"] * 2
    assert _lines(relay, "RCPT") == ["RCPT TO:<duty.desk@police.example.org>"] * 2


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
@pytest.mark.parametrize("code", [501, 504, 555])
async def test_a_relay_that_offers_reports_and_does_not_know_them_costs_no_endpoint(
    certificates: LoopbackCertificates, verb: str, code: int
) -> None:
    relay = _dsn(certificates, **{verb: [f"{code} what"]})
    assert await _deliver(relay, certificates) == [Accepted(detail="smtp-250")] * 2
    assert len(_lines(relay, verb)) == 3
    assert " " not in _lines(relay, verb)[1].partition(":")[2]
    assert relay.commands("DATA") == 2


async def test_a_refusal_stays_a_refusal_with_and_without_reports(
    certificates: LoopbackCertificates,
) -> None:
    relay = _dsn(certificates, RCPT=["555 what", "550 nobody", "550 nobody"])
    assert await _deliver(relay, certificates) == [Rejected(reason="smtp-550")] * 2
    assert relay.commands("DATA") == 0
    relay = _dsn(certificates, RCPT=["550 nobody"])
    outcomes = await _deliver(relay, certificates)
    assert outcomes == [Rejected(reason="smtp-550"), Accepted(detail="smtp-250")]
    assert relay.commands("RCPT") == 2


@pytest.mark.parametrize("alert", ["alt_ x", "alt_@x", "alt_<", "alt_" + "x" * 60])
async def test_an_id_no_return_path_can_carry_is_not_sent(
    certificates: LoopbackCertificates, alert: str
) -> None:
    relay = _dsn(certificates)
    assert (
        await _deliver(relay, certificates, alert=alert) == [Rejected(reason="not-a-message")] * 2
    )
    assert relay.commands("MAIL") == 0
