"""TLS: the certificates the gateway shows, whose they are and how long they hold."""

import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from gateway.doctor.asked import Asked
from gateway.doctor.finding import Finding, error, ok, unknown, warning
from gateway.gauges import own_certificates
from keys.certificates import valid_until
from keys.problem import KeyProblem

_SOON: Final = timedelta(days=30)
_FLOOR: Final = "TLS 1.2"
_RENEW: Final = "Renew it: docs/runbook.md, A certificate ends."


def examine(asked: Asked) -> Iterator[Finding]:
    """Yield what there is to say of each certificate, and of how the gateway is reached."""
    for name, path in own_certificates(asked.config).items():
        yield _lasts(asked, name, path)
    yield from _serving(asked)


def _lasts(asked: Asked, name: str, path: Path) -> Finding:
    check = f"tls.{name}"
    try:
        ends = valid_until(path.read_text("ascii"))
    except (OSError, UnicodeDecodeError, KeyProblem):
        return error(check, f"The {name} certificate cannot be read.", "Put it back as PEM.")
    left = ends - asked.now
    if left <= timedelta():
        return error(check, f"The {name} certificate has ended.", _RENEW)
    if left <= _SOON:
        return warning(check, f"The {name} certificate ends in {left.days} days.", _RENEW)
    return ok(check, f"The {name} certificate holds for {left.days} days.")


def _serving(asked: Asked) -> Iterator[Finding]:
    http, url = asked.config.http, urlsplit(asked.config.instance.public_url)
    if url.scheme != "https":
        yield warning(
            "tls.public-url",
            "public_url is not https: links in notices would travel in plain sight.",
            "Serve it over TLS, or name the address of the proxy that does.",
        )
    if http.tls_certificate is None or http.tls_key is None:
        if http.host.is_loopback:
            yield ok("tls.serving", "The gateway listens on loopback only, without TLS.")
        elif http.behind_proxy:
            yield ok("tls.serving", "A proxy ends TLS before the gateway.")
        else:
            yield error(
                "tls.serving",
                "The gateway would listen beyond loopback without TLS, and does not start.",
                "Set http.tls_certificate and http.tls_key, or http.behind_proxy.",
            )
        return
    certificate, key = asked.config.path(http.tls_certificate), asked.config.path(http.tls_key)
    yield _pair(certificate, key)
    yield _named(certificate, url.hostname or "")


def _pair(certificate: Path, key: Path) -> Finding:
    check = "tls.serving"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError):
        return error(check, "The certificate and the key of http do not belong together.",
                     "Set the two that do.")  # fmt: skip
    return ok(check, f"The certificate of http has its key; nothing below {_FLOOR} is spoken.")


def _named(certificate: Path, host: str) -> Finding:
    check = "tls.name"
    try:
        leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return unknown(check, "The certificate of http names no host.", "Get one that does.")
    stated = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    stated |= {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    _, _, parent = host.partition(".")
    if host.lower() in stated or f"*.{parent}".lower() in stated:
        return ok(check, "The certificate of http names the host of public_url.")
    return error(check, "The certificate of http does not name the host of public_url.",
                 "Get one that does, or correct instance.public_url.")  # fmt: skip
