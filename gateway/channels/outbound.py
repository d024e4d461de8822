"""Which network addresses this gateway may ever connect to (server-side request forgery guard).

1. Every address is judged after unwrapping the IPv4 it may carry; Python's own `is_global` is
   not used, for it calls multicast, 6to4 and NAT64 of private addresses global.
2. The judgement is made on the very address the socket is opened to, so a name that resolves
   anew to something else (rebinding) changes nothing, and an address literal is no way round.
3. A network the operator names in `allowed_networks` is reachable, on any port; nothing else is.
   Name it in its own form: an IPv6 address that carries an IPv4 one is judged by what it carries.

Source: IANA special-purpose address registries (RFC 6890); OWASP ASVS 5.0 1.3.6.
"""

import socket
import ssl
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.channels.connections import GuardedConnector, OwnThreads

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

# An answer with dozens of addresses is not a reason to try dozens of connections.
MAX_ADDRESSES = 8

_NOT_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's host agent: public by number, internal by use
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")  # all that IANA has ever given out
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
# Prefixes whose last 32 bits are an IPv4 address: mapped, compatible, NAT64 (RFC 4291, RFC 6052).
_CARRIES_V4 = tuple(IPv6Network(text) for text in ("::ffff:0:0/96", "::/96", "64:ff9b::/96"))
_NOT_COMPATIBLE = frozenset((IPv6Address("::"), IPv6Address("::1")))


class AddressRefused(Exception):
    """The host has no address that may be connected to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundPolicy:
    """Where the operator lets this gateway connect. The default is the public internet on 443."""

    allowed_networks: tuple[IPNetwork, ...] = ()  # reachable although not public, on any port
    allow_plain_http: bool = False  # only ever to loopback literals inside allowed_networks
    allowed_ports: frozenset[int] = frozenset({443})

    def names(self, ip: IPAddress) -> bool:
        """Return whether the operator named a network holding this address. Pure."""
        return any(ip in network for network in self.allowed_networks)


def vet_address(ip: IPAddress, policy: OutboundPolicy) -> bool:
    """Return whether a socket may be opened to this address, whatever the port.

    True for global unicast and for what the policy names; every address carried inside
    (IPv4-mapped and -compatible, 6to4, Teredo, NAT64) has to pass too. Pure.
    """
    return all(policy.names(each) or _is_global_unicast(each) for each in _destinations(ip))


def may_connect(ip: IPAddress, port: int, policy: OutboundPolicy) -> bool:
    """Return whether a socket may be opened to this address and port. Pure."""
    if not vet_address(ip, policy):
        return False
    return port in policy.allowed_ports or all(policy.names(each) for each in _destinations(ip))


def guarded_connector(
    policy: OutboundPolicy,
    ssl_context: ssl.SSLContext | None,
    *,
    resolver: AbstractResolver | None = None,
    max_received: int | None = None,
) -> GuardedConnector:
    """Build a connector that opens sockets only where the policy allows.

    Names are resolved once per connection attempt and every address in the answer is vetted;
    those that fail are dropped, and with none left the request raises `AddressRefused`. The
    vetted address is the one connected to, and is vetted again as the socket is made: that
    covers address literals, for which aiohttp asks no resolver.

    Args:
        policy: Where connections may go.
        ssl_context: Used for every https connection; None for the system's certificate store.
        resolver: Answers names instead of the system resolver; its answers are vetted alike.
        max_received: Bytes one reply may bring in all; None where long ones are wanted.

    Needs a running event loop. Sends nothing.
    """
    return GuardedConnector(
        ssl=ssl_context or True,
        resolver=_VettingResolver(policy, resolver or OwnThreads()),
        socket_factory=_VettingSocketFactory(policy),
        max_received=max_received,
        owns_resolver=resolver is None,
    )


class _VettingResolver(AbstractResolver):
    def __init__(self, policy: OutboundPolicy, inner: AbstractResolver) -> None:
        self._policy = policy
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        answers = await self._inner.resolve(host, port, family)
        vetted = [
            answer
            for answer in answers
            if may_connect(ip_address(answer["host"]), port, self._policy)
        ]
        if not vetted:
            raise AddressRefused
        return vetted[:MAX_ADDRESSES]

    async def close(self) -> None:
        await self._inner.close()


class _VettingSocketFactory:
    """Makes the socket for one address, or refuses: the last step before a packet could leave."""

    def __init__(self, policy: OutboundPolicy) -> None:
        self._policy = policy

    def __call__(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, (host, port, *_rest) = address
        if not may_connect(ip_address(host), port, self._policy):
            raise AddressRefused
        return socket.socket(family, kind, protocol)


def _is_global_unicast(ip: IPAddress) -> bool:
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_V4)
    return ip in _GLOBAL_V6 and not any(ip in network for network in _NOT_PUBLIC_V6)


def _destinations(ip: IPAddress) -> tuple[IPAddress, ...]:
    """Return the addresses a packet to `ip` would in the end be meant for; never empty."""
    if isinstance(ip, IPv4Address) or ip.scope_id is not None:
        return (ip,)
    if ip.teredo is not None:
        return ip.teredo
    if ip.sixtofour is not None:
        return (ip.sixtofour,)
    if ip not in _NOT_COMPATIBLE and any(ip in network for network in _CARRIES_V4):
        return (IPv4Address(int(ip) & 0xFFFFFFFF),)
    return (ip,)
