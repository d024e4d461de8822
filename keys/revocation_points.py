"""Where a certificate says its revocation can be asked about, and the question to ask there.

Nothing is fetched here. The addresses come from whoever made the certificate: ask only through a
client that refuses internal addresses.
Source: RFC 5280 sections 4.2.1.13 and 4.2.2.1; RFC 6960 section 4.1.
"""

from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

E = TypeVar("E", bound=x509.ExtensionType)


def distribution_points(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the http and https addresses the certificate names for its CRL, as written.

    Raises:
        ValueError: the extensions cannot be read.
    """
    found: list[str] = []
    for point in points(certificate):
        if point.full_name and point.crl_issuer is None and point.reasons is None:
            found += [name.value for name in point.full_name if _is_web(name)]
    return tuple(found)


def ocsp_urls(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the http and https addresses of the certificate's OCSP responders, as written.

    Raises:
        ValueError: the extensions cannot be read.
    """
    access = extension(certificate.extensions, x509.AuthorityInformationAccess)
    return tuple(
        one.access_location.value
        for one in access or ()
        if one.access_method == AuthorityInformationAccessOID.OCSP and _is_web(one.access_location)
    )


def ocsp_request(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """Return the DER request to POST as ``application/ocsp-request``: one certificate, no nonce.

    SHA-1 names the issuer, as RFC 9654 and every responder in the field expect: it is a name
    here, not a protection.
    """
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303
    return builder.build().public_bytes(Encoding.DER)


def points(certificate: x509.Certificate) -> tuple[x509.DistributionPoint, ...]:
    """Return the certificate's CRL distribution points, none if it names none."""
    return tuple(extension(certificate.extensions, x509.CRLDistributionPoints) or ())


def extension(extensions: x509.Extensions, kind: type[E]) -> E | None:
    """Return the extension of a kind, or None.

    Raises:
        ValueError: the extensions cannot be read.
    """
    return next((one.value for one in extensions if isinstance(one.value, kind)), None)


def _is_web(name: x509.GeneralName) -> bool:
    return isinstance(name, x509.UniformResourceIdentifier) and name.value.lower().startswith(
        ("http://", "https://")
    )
