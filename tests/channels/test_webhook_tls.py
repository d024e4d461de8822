"""A client certificate of our own, for receivers that ask for one; and TLS we do not take."""

import ssl
import warnings
from datetime import UTC, datetime

import pytest
import trustme

from gateway.channels.outbound import OutboundPolicy
from gateway.channels.webhook import WebhookChannel
from gateway.model.outcome import Accepted, Deferred
from tests.channels.parcels import a_parcel, clock
from tests.channels.tls_server import tls_server

NAME = "alerts.gateway.example"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def servers() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def clients() -> trustme.CA:
    """The authority whose client certificates the receiver takes."""
    return trustme.CA()


def _receiver(
    servers: trustme.CA, version: ssl.TLSVersion, *, demanding: trustme.CA | None = None
) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    servers.issue_cert("127.0.0.1").configure_cert(context)
    context.minimum_version = context.maximum_version = version
    if demanding is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        demanding.configure_trust(context)
    return context


def _channel(
    servers: trustme.CA, policy: OutboundPolicy, own: trustme.LeafCert | None
) -> WebhookChannel:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    servers.configure_trust(context)
    if own is not None:
        own.configure_cert(context)
    return WebhookChannel(
        source="urn:throughgate:test",
        sign=lambda *_: "v1,signature",
        policy=policy,
        ssl_context=context,
        clock=clock,
        timeout_s=5,
    )


async def _deliver(channel: WebhookChannel, port: int) -> object:
    outcome = await channel.deliver(a_parcel(address=f"https://127.0.0.1:{port}/"))
    await channel.close()
    return outcome


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
async def test_a_certificate_is_shown_to_a_receiver_that_demands_one_and_to_no_other(
    servers: trustme.CA, clients: trustme.CA, loopback: OutboundPolicy, version: ssl.TLSVersion
) -> None:
    own = clients.issue_cert(NAME)
    with tls_server(_receiver(servers, version, demanding=clients)) as demanding:
        assert await _deliver(_channel(servers, loopback, own), demanding.port) == Accepted()
    with tls_server(_receiver(servers, version)) as content:
        assert await _deliver(_channel(servers, loopback, own), content.port) == Accepted()
    shown = ssl.PEM_cert_to_DER_cert(own.cert_chain_pems[0].bytes().decode())
    assert demanding.peers == [shown]
    assert content.peers == [None]
    assert len(demanding.requests) == len(content.requests) == 1


def _expired(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert(
        NAME,
        not_before=datetime(2020, 1, 1, tzinfo=UTC),
        not_after=datetime(2021, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
@pytest.mark.parametrize("fault", ["none", "another authority's", "expired"])
async def test_a_certificate_the_receiver_does_not_take_defers_and_delivers_nothing(
    servers: trustme.CA,
    clients: trustme.CA,
    loopback: OutboundPolicy,
    version: ssl.TLSVersion,
    fault: str,
) -> None:
    own = {
        "none": None,
        "another authority's": trustme.CA().issue_cert(NAME),
        "expired": _expired(clients),
    }[fault]
    with tls_server(_receiver(servers, version, demanding=clients)) as demanding:
        outcome = await _deliver(_channel(servers, loopback, own), demanding.port)
    # In TLS 1.3 the refusal comes after our first bytes: by the wire alone, they may have counted.
    late = version is ssl.TLSVersion.TLSv1_3
    assert outcome == Deferred(reason="tls", outcome_unknown=late)
    assert demanding.requests == []
    assert len(demanding.refusals) == 1


async def test_a_receivers_certificate_past_its_time_ends_the_attempt(
    servers: trustme.CA, loopback: OutboundPolicy
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    servers.issue_cert(
        "127.0.0.1",
        not_before=datetime(2020, 1, 1, tzinfo=UTC),
        not_after=datetime(2021, 1, 1, tzinfo=UTC),
    ).configure_cert(context)
    with tls_server(context) as old:
        assert await _deliver(_channel(servers, loopback, None), old.port) == Deferred(reason="tls")
    assert old.requests == []


async def test_a_receiver_that_speaks_only_an_old_version_is_not_spoken_to(
    servers: trustme.CA, loopback: OutboundPolicy
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    servers.issue_cert("127.0.0.1").configure_cert(context)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old is what it is to be
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with tls_server(context) as old:
        assert await _deliver(_channel(servers, loopback, None), old.port) == Deferred(reason="tls")
    assert old.requests == []
