"""Certificates of mail recipients and signers: may this one be used for this, now?

Chains, revocation and whose certificate it is are the directory's business, not decided here.
Source: RFC 5280 section 4.2.1; RFC 8550 section 4.4 (S/MIME certificate handling).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from keys.problem import BadKey

RSA_BITS: Final = range(2048, 8193)

# What reading a certificate, a CRL or an OCSP answer may raise; not all of it is a ValueError.
UNREADABLE: Final = (
    ValueError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)

_MAIL_USES: Final = frozenset(
    {ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
)


@lru_cache(maxsize=1024)
def parse_certificate(pem: str) -> x509.Certificate:
    """Read one PEM certificate; anything before or after its block is passed over.

    Raises:
        BadKey: ``malformed``.
    """
    try:
        return x509.load_pem_x509_certificate(pem.encode("ascii"))
    except UNREADABLE:
        raise BadKey("malformed", "not a PEM certificate") from None


@lru_cache(maxsize=1024)
def parse_recipient(pem: str) -> x509.Certificate:
    """Read a certificate mail may be sealed to, whatever the date.

    Raises:
        BadKey: ``malformed``, ``weak`` (RSA under 2048 bits), ``unsupported`` (neither RSA nor
            P-256), ``key-usage`` or ``extended-key-usage`` (issued for something else).
    """
    certificate = parse_certificate(pem)
    for fault in recipient_faults(certificate):
        raise BadKey(*fault)
    return certificate


def recipient_faults(certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    """Yield code and text of everything that makes it unfit to seal to, whatever the date.

    The codes are those of `parse_recipient`. Pure.
    """
    try:
        public = _public_key(certificate)
    except BadKey as error:
        public = None
        yield error.code, error.text
    usage = None
    if isinstance(public, rsa.RSAPublicKey):
        usage = "key_encipherment"
        if public.key_size not in RSA_BITS:
            yield "weak", "an RSA key must have 2048 to 8192 bits"
    elif is_p256(public):
        usage = "key_agreement"
    elif public is not None:
        yield "unsupported", "the certificate must hold an RSA or P-256 key"
    yield from _usage_faults(certificate, usage)


def parse_signer(pem: str) -> x509.Certificate:
    """Read a certificate our mail may be signed under, whatever the date.

    Raises:
        BadKey: as `parse_recipient`; only P-256 is signed with.
    """
    certificate = parse_certificate(pem)
    if not is_p256(_public_key(certificate)):
        raise BadKey("unsupported", "mail is signed with P-256 keys")
    _check_usage(certificate, "digital_signature")
    return certificate


def check_period(certificate: x509.Certificate, now: datetime) -> None:
    """Return if `now` (aware) lies within the certificate's validity, both ends included.

    Raises:
        BadKey: ``not-yet-valid`` or ``expired``.
    """
    if now < certificate.not_valid_before_utc:
        raise BadKey("not-yet-valid", "the certificate is not valid yet")
    if now > certificate.not_valid_after_utc:
        raise BadKey("expired", "the certificate has expired")


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the whole certificate, 64 hex digits. Pure."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def der(certificate: x509.Certificate) -> bytes:
    """Return the certificate exactly as issued. Pure."""
    return certificate.public_bytes(serialization.Encoding.DER)


def rfc822_names(certificate_pem: str) -> tuple[str, ...]:
    """Return the mail addresses the certificate was issued for, as written in it.

    Only ``rfc822Name`` of the subject alternative name counts: the subject's own
    ``emailAddress`` is free text to many issuers.

    Raises:
        BadKey: ``malformed``.
    """
    return rfc822_names_of(parse_certificate(certificate_pem))


def rfc822_names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the mail addresses of a certificate already read, as `rfc822_names` does.

    Raises:
        BadKey: ``malformed``.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    except UNREADABLE:
        raise BadKey("malformed", "the certificate's extensions cannot be read") from None
    return tuple(names.get_values_for_type(x509.RFC822Name))


def same_address(one: str, other: str) -> bool:
    """Return whether two mail addresses are one: local part exact, domain but for ASCII case.

    Source: RFC 5280 section 4.2.1.6, RFC 5321 section 2.4. Addresses beyond ASCII are never equal.
    """
    local, at, domain = one.rpartition("@")
    other_local, _, other_domain = other.rpartition("@")
    if not (at and local and domain and one.isascii() and other.isascii()):
        return False
    return (local, domain.lower()) == (other_local, other_domain.lower())


def valid_until(certificate_pem: str) -> datetime:
    """Return when the certificate ends, aware UTC, for warnings ahead of time.

    Raises:
        BadKey: ``malformed``.
    """
    return parse_certificate(certificate_pem).not_valid_after_utc.astimezone(UTC)


def is_p256(public: object) -> bool:
    """Return whether this is an elliptic-curve key on P-256, public or private."""
    if isinstance(public, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return isinstance(public.curve, ec.SECP256R1)
    return False


def _public_key(certificate: x509.Certificate) -> object:
    try:
        return certificate.public_key()
    except UNREADABLE:
        raise BadKey("unsupported", "the certificate must hold an RSA or P-256 key") from None


def _check_usage(certificate: x509.Certificate, usage: str) -> None:
    for fault in _usage_faults(certificate, usage):
        raise BadKey(*fault)


def _usage_faults(certificate: x509.Certificate, usage: str | None) -> Iterator[tuple[str, str]]:
    try:
        extensions = certificate.extensions
    except UNREADABLE:
        yield "malformed", "the certificate's extensions cannot be read"
        return
    for extension in extensions:
        value = extension.value
        if usage and isinstance(value, x509.KeyUsage) and not getattr(value, usage):
            yield "key-usage", f"the certificate is not issued for {usage}"
        if isinstance(value, x509.ExtendedKeyUsage) and not _MAIL_USES.intersection(value):
            yield "extended-key-usage", "the certificate is not issued for mail"
