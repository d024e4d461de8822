"""No packet goes to an address nobody vetted, however it is written or resolved."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from aiohttp import ClientSession
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.http_client import GuardedClient, Reply
from gateway.channels.outbound import (
    AddressRefused,
    OutboundPolicy,
    guarded_connector,
    may_connect,
    vet_address,
)
from gateway.demo.servers.certificates import LoopbackCertificates, make_certificates
from gateway.demo.servers.webhook import Answer, WebhookReceiver
from gateway.model.outcome import Rejected
from tests.channels.scripted import listening, never_answer
from tests.channels.test_addresses import BAD_URLS
from tests.third_party import vectors

PUBLIC = OutboundPolicy()


class Names(AbstractResolver):
    """Answers every name with these addresses, and counts how often it is asked."""

    def __init__(self, *addresses: str) -> None:
        self.asked = 0
        self._addresses: Sequence[str] = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


def _carriers(v4: IPv4Address) -> list[IPv6Address]:
    """Every IPv6 form that carries this IPv4 address to its end."""
    low = int(v4)
    return [
        IPv6Address(int(IPv6Address("::ffff:0:0")) | low),
        IPv6Address(int(IPv6Address("64:ff9b::")) | low),
        IPv6Address(int(IPv6Address("2002::")) | low << 80),
        # Teredo: a public server, the client's address inverted.
        IPv6Address(int(IPv6Address("2001:0:808:808::")) | (low ^ 0xFFFFFFFF)),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "168.63.129.16",
        "169.254.169.254",
        "172.31.255.255",
        "192.0.0.9",
        "192.168.1.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b:1::808:808",
        "100:0:0:1::1",
        "2001:2::1",
        "2001:db8::1",
        "2001:0:7f00:1::f7f7:f7f7",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fe80::1%lo",
        "fec0::1",
        "ff0e::1",
    ],
)
def test_what_is_not_global_unicast_is_refused(text: str) -> None:
    assert not vet_address(ip_address(text), PUBLIC)


@pytest.mark.parametrize(
    "text",
    ["8.8.8.8", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"],
)
def test_global_unicast_passes(text: str) -> None:
    assert vet_address(ip_address(text), PUBLIC)


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_as_if_it_stood_alone(v4: IPv4Address) -> None:
    for policy in (PUBLIC, OutboundPolicy(allowed_networks=(ip_network("10.0.0.0/8"),))):
        for carrier in _carriers(v4):
            assert vet_address(carrier, policy) == vet_address(v4, policy)


@given(st.ip_addresses())
def test_nothing_private_by_any_reading_of_the_library_passes(
    ip: IPv4Address | IPv6Address,
) -> None:
    # 6to4 is where its IPv4 address is; releases of the library differ on the prefix itself.
    meant = (ip.sixtofour or ip) if isinstance(ip, IPv6Address) else ip
    doubtful = meant.is_private or meant.is_loopback or meant.is_link_local or meant.is_multicast
    assert not (vet_address(ip, PUBLIC) and doubtful)


@given(st.ip_addresses(v=4), st.integers(1, 65535))
def test_a_named_network_is_reachable_in_every_form_on_every_port_and_adds_nothing_else(
    ip: IPv4Address, port: int
) -> None:
    own = OutboundPolicy(allowed_networks=(ip_network(f"{ip}/32"),))
    assert may_connect(ip, port, own)
    assert all(may_connect(carrier, port, own) for carrier in _carriers(ip)[:3])
    for other in (IPv4Address("10.0.0.1"), IPv4Address("8.8.8.8")):
        public = other == IPv4Address("8.8.8.8") and port == 443
        assert may_connect(other, port, own) == (public or ip == other)


def test_the_probes_of_urls_were_there_to_run() -> None:
    vectors("own-probes/ssrf-urls.json")
    assert len(BAD_URLS) > 40


@pytest.mark.parametrize("url", BAD_URLS, ids=ascii)
async def test_every_url_of_the_probes_is_refused_at_connect(url: str) -> None:
    resolver = Names("8.8.8.8")
    client = _client(PUBLIC, resolver)
    assert await client.exchange("POST", url, headers={}, body=b"x") == Rejected(
        reason="address-refused"
    )
    assert resolver.asked == 0
    await client.close()


async def test_an_address_literal_is_vetted_although_no_resolver_is_asked_for_it() -> None:
    resolver = Names("8.8.8.8")
    async with (
        listening(never_answer) as canary,
        ClientSession(connector=guarded_connector(PUBLIC, None, resolver=resolver)) as session,
    ):
        for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "[::1]"):
            with pytest.raises(AddressRefused):
                await session.post(f"https://{host}:{canary.port}/", data=b"x")
        assert resolver.asked == 0
        assert canary.connections == 0


async def test_a_name_that_leads_to_loopback_is_refused_and_nothing_connects() -> None:
    for answers in (["127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["10.0.0.1", "127.0.0.1"]):
        async with listening(never_answer) as canary:
            policy = OutboundPolicy(allowed_ports=frozenset({canary.port}))
            client = _client(policy, Names(*answers))
            url = f"https://hook.example.org:{canary.port}/in"
            outcome = await client.exchange("POST", url, headers={}, body=b"x")
            await client.close()
            assert outcome == Rejected(reason="address-refused")
            assert canary.connections == 0


async def test_of_a_mixed_answer_only_the_vetted_address_is_connected_to() -> None:
    named = make_certificates(None, names=("hook.example.org",))
    policy = OutboundPolicy(allowed_networks=(ip_network("127.0.0.1/32"),))
    resolver = Names("127.0.0.2", "127.0.0.1")
    async with WebhookReceiver(named) as receiver:
        refused = socket.create_server(("127.0.0.2", receiver.port))
        refused.setblocking(False)
        with refused:
            client = _client(policy, resolver, named)
            url = f"https://hook.example.org:{receiver.port}/in"
            replies = [await client.exchange("POST", url, headers={}, body=b"x") for _ in range(3)]
            await client.close()
            with pytest.raises(BlockingIOError):
                refused.accept()
    assert [isinstance(reply, Reply) and reply.status for reply in replies] == [204] * 3
    assert resolver.asked == 1, "one lookup serves the connection that the others share"


async def test_the_port_rule_holds_for_a_name_that_leads_to_an_unnamed_address() -> None:
    policy = OutboundPolicy(allowed_networks=(ip_network("10.0.0.0/8"),))
    client = _client(policy, Names("8.8.8.8"))
    outcome = await client.exchange("POST", "https://x.example.org:22/", headers={}, body=b"x")
    await client.close()
    assert outcome == Rejected(reason="address-refused")


async def test_a_proxy_of_the_surroundings_is_ignored(
    certificates: LoopbackCertificates,
    loopback: OutboundPolicy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with listening(never_answer) as proxy, WebhookReceiver(certificates) as receiver:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        client = _client(loopback, None, certificates)
        reply = await client.exchange("POST", receiver.url, headers={}, body=b"x")
        await client.close()
        assert isinstance(reply, Reply)
        assert proxy.connections == 0


async def test_a_cookie_is_not_kept(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    cookie = Answer(status=204, headers={"Set-Cookie": "session=1; Path=/"})
    async with WebhookReceiver(certificates, answers=[cookie]) as receiver:
        client = _client(loopback, Names("127.0.0.1"), certificates)
        for _ in range(2):
            url = f"https://localhost:{receiver.port}/"
            await client.exchange("POST", url, headers={}, body=b"x")
        await client.close()
    assert ["cookie" in post.headers for post in receiver.received] == [False, False]


def _client(
    policy: OutboundPolicy,
    resolver: AbstractResolver | None,
    certificates: LoopbackCertificates | None = None,
) -> GuardedClient:
    return GuardedClient(
        policy=policy,
        ssl_context=certificates.client_context if certificates else None,
        timeout_s=2,
        user_agent="test",
        resolver=resolver,
    )
