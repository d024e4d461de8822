"""A throw-away authority and TLS at both ends, for loopback names."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopbackCertificates:
    """A throw-away authority, a server certificate for loopback names, and TLS at both ends."""

    ca_pem: bytes
    ca_file: Path | None  # where the authority's certificate was written, if asked
    server_context: ssl.SSLContext
    client_context: ssl.SSLContext  # trusts this authority and no other


def make_certificates(
    directory: Path | None, *, names: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")
) -> LoopbackCertificates:
    """Make a new authority and one server certificate.

    Args:
        directory: Where to write ``ca.pem``; None to keep everything in memory.
        names: Host names and addresses in the server certificate.

    Reads randomness and the clock; writes one file if asked.
    """
    authority = trustme.CA()
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(server_context)
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.configure_trust(client_context)
    ca_file = directory / "ca.pem" if directory else None
    if ca_file:
        authority.cert_pem.write_to_path(ca_file)
    return LoopbackCertificates(
        ca_pem=authority.cert_pem.bytes(),
        ca_file=ca_file,
        server_context=server_context,
        client_context=client_context,
    )
