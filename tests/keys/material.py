"""Keys and certificates for the tests, made afresh on each run. No real person or agency."""

import datetime as dt
from dataclasses import dataclass
from functools import cache
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.model.party import RecipientKey
from keys import cms, hpke, jwe
from keys.seal import recipient_key

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
PLAINTEXT = b'{"family_name":"Testerson","nhs_number":"9990000018"}'
CONTEXT = b"alert:alt_1/endpoint:housing/webhook"

Kind = Literal["rsa", "p256"]
Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
FORMS = ("hpke", "jwe-x25519", "jwe-p256", "cms-rsa", "cms-p256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    certificate: str
    private: bytes

    @property
    def both(self) -> bytes:
        return self.certificate.encode() + self.private


def usage(**true: bool) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: true.get(name, False) for name in USES})


def pem(key: Private) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificate_for(
    key: Private,
    *,
    address: str = "mappa@example.org",
    extensions: tuple[x509.ExtensionType, ...] = (),
    serial: int = 999,
    start: dt.datetime = NOW - dt.timedelta(days=30),
    end: dt.datetime = NOW + dt.timedelta(days=365),
) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Agency")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(address)]), critical=False)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def new_key(kind: Kind) -> Private:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def identity(kind: Kind, number: int = 0) -> Identity:
    return _identity(kind, number)


@cache
def _identity(kind: Kind, number: int) -> Identity:
    key = new_key(kind)
    extensions = (
        usage(key_encipherment=kind == "rsa", key_agreement=kind == "p256"),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]),
    )
    certificate = certificate_for(key, extensions=extensions, serial=1000 + number)
    return Identity(certificate=certificate, private=pem(key))


@cache
def signer_identity() -> Identity:
    key = new_key("p256")
    certificate = certificate_for(
        key, address="gateway@example.org", extensions=(usage(digital_signature=True),), serial=7
    )
    return Identity(certificate=certificate, private=pem(key))


@cache
def mail_signer() -> cms.MailSigner:
    return cms.MailSigner(signer_identity().certificate, signer_identity().private)


def pair(form: str, number: int = 0) -> tuple[RecipientKey, bytes]:
    """A recipient key of one form and the private key that opens for it."""
    return _pair(form, number)


@cache
def _pair(form: str, number: int) -> tuple[RecipientKey, bytes]:
    if form == "hpke":
        private, public = hpke.generate()
        return recipient_key("hpke", public), private.encode()
    if form.startswith("jwe"):
        private, public = jwe.generate("X25519" if form.endswith("x25519") else "P-256")
        return recipient_key("jwe", public), private.encode()
    mine = identity("rsa" if form.endswith("rsa") else "p256", number)
    return recipient_key("cms", mine.certificate), mine.both
