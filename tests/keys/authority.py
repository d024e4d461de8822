"""A small certification authority for the tests: roots, issuers, mail certificates, CRLs, OCSP."""

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.keys.material import NOW, Private, new_key, usage

DAY = dt.timedelta(days=1)
MAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
ADDRESS = "mappa@example.org"


@dataclass(frozen=True, slots=True)
class Authority:
    """A key that may issue, with its own certificate."""

    key: Private
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return pem_of(self.certificate)

    def issue(
        self,
        *,
        key: Private | None = None,
        address: str | None = ADDRESS,
        subject: str = "Example Agency",
        extensions: tuple[x509.ExtensionType, ...] | None = None,
        start: dt.datetime = NOW - 30 * DAY,
        end: dt.datetime = NOW + 365 * DAY,
        signed_by: Private | None = None,
        urls: bool = False,
    ) -> x509.Certificate:
        """A mail recipient's P-256 certificate, good unless the arguments say otherwise."""
        if extensions is None:
            extensions = (usage(key_agreement=True), x509.ExtendedKeyUsage([MAIL]))
        if address is not None:
            extensions += (x509.SubjectAlternativeName([x509.RFC822Name(address)]),)
        if urls:
            extensions += (points("http://crl.example/ca.crl"), responder("http://ocsp.example/"))
        return built(
            key or new_key("p256"), subject, self, extensions, start, end, signed_by or self.key
        )

    def sub(
        self,
        name: str = "Example Issuing CA",
        *,
        path_length: int | None = None,
        ca: bool = True,
        key_usage: x509.KeyUsage | None = None,
        more: tuple[x509.ExtensionType, ...] = (),
    ) -> "Authority":
        key = new_key("p256")
        length = path_length if ca else None
        extensions = (
            x509.BasicConstraints(ca=ca, path_length=length),
            key_usage or usage(key_cert_sign=True, crl_sign=True),
            *more,
        )
        made = built(key, name, self, extensions, NOW - 60 * DAY, NOW + 900 * DAY, self.key)
        return Authority(key, made)

    def crl(
        self,
        *revoked: x509.Certificate,
        made: dt.datetime = NOW - DAY,
        due: dt.datetime | None = NOW + 6 * DAY,
        on: dt.datetime = NOW - 2 * DAY,
        extensions: tuple[x509.ExtensionType, ...] = (),
        reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise,
        signed_by: Private | None = None,
    ) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(made)
            .next_update(due or NOW + 6 * DAY)
        )
        for one in revoked:
            entry = x509.RevokedCertificateBuilder(one.serial_number, on)
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        for extension in extensions:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(signed_by or self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def answer(
        self,
        about: x509.Certificate,
        *,
        status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
        made: dt.datetime = NOW - DAY / 24,
        due: dt.datetime | None = NOW + DAY,
        by: "Authority | None" = None,
        algorithm: hashes.HashAlgorithm | None = None,
    ) -> bytes:
        """An OCSP answer, by the authority itself or by a responder it certified."""
        signer = by or self
        revoked = status is ocsp.OCSPCertStatus.REVOKED
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=about,
            issuer=self.certificate,
            algorithm=algorithm or hashes.SHA1(),
            cert_status=status,
            this_update=made,
            next_update=due,
            revocation_time=NOW - 2 * DAY if revoked else None,
            revocation_reason=None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
        if by is not None:
            builder = builder.certificates([by.certificate])
        return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def responder(self, *extensions: x509.ExtensionType) -> "Authority":
        key = new_key("p256")
        return Authority(key, self.issue(key=key, address=None, extensions=extensions))


def root(name: str = "Example Root CA", *, end: dt.datetime = NOW + 3650 * DAY) -> Authority:
    key = new_key("p256")
    extensions = (
        x509.BasicConstraints(ca=True, path_length=None),
        usage(key_cert_sign=True, crl_sign=True),
    )
    return Authority(key, built(key, name, None, extensions, NOW - 90 * DAY, end, key))


def built(
    key: Private,
    name: str,
    issuer: Authority | None,
    extensions: tuple[x509.ExtensionType, ...],
    start: dt.datetime,
    end: dt.datetime,
    signing: Private,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    soft = (x509.SubjectAlternativeName, x509.CRLDistributionPoints, x509.OCSPNoCheck)
    soft += (x509.AuthorityInformationAccess,)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=not isinstance(extension, soft))
    return builder.sign(signing, hashes.SHA256())


def points(*urls: str) -> x509.CRLDistributionPoints:
    names = [x509.UniformResourceIdentifier(url) for url in urls]
    return x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)])


def responder(url: str) -> x509.AuthorityInformationAccess:
    access = x509.AccessDescription(
        x509.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url)
    )
    return x509.AuthorityInformationAccess([access])


def pem_of(*certificates: x509.Certificate) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)
