"""Whether a request comes from this machine."""

import ipaddress

from aiohttp import web


def is_local(request: web.Request) -> bool:
    """Return whether the peer itself, not somebody behind it, is on this machine."""
    if "Forwarded" in request.headers or "X-Forwarded-For" in request.headers:
        return False
    peer = request.transport.get_extra_info("peername") if request.transport else None
    if not isinstance(peer, tuple):  # a Unix socket: what is behind it cannot be told
        return False
    address = ipaddress.ip_address(peer[0].partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
