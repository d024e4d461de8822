"""The inner layer of sealed mail: SignedData, one P-256 signer, its certificate included.

Source: RFC 5652 section 5, RFC 5753 section 2.1, RFC 8551 section 2.5.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import ObjectIdentifier

from keys import certificates, cms_asn1
from keys.problem import BadKey, CannotOpen
from keys.signer import EcdsaSigner, P256Key

_DIGEST: Final = cms_asn1.Algorithm(algorithm=cms_asn1.SHA256, parameters=None)
_SIGNING: Final = cms_asn1.Algorithm(algorithm=cms_asn1.ECDSA_WITH_SHA256, parameters=None)
_ECDSA: Final = ec.ECDSA(SHA256())


class MailSigner:
    """The gateway's own mail identity: a P-256 certificate and its private key, as PEM or as a
    signer that keeps it elsewhere.

    Raises (on construction):
        BadKey: ``malformed``, ``unsupported`` (not P-256), ``mismatch``, ``key-usage`` or
            ``extended-key-usage``.
    """

    __slots__ = ("_certificate", "_key")

    def __init__(self, certificate_pem: str | bytes, key: str | bytes | EcdsaSigner) -> None:
        self._certificate = certificates.parse_signer(_text(certificate_pem))
        if isinstance(key, str | bytes):
            key = P256Key(load_private_key(_text(key).encode("ascii")))
        if key.public != self._certificate.public_key():
            raise BadKey("mismatch", "the private key does not belong to the certificate")
        self._key = key

    def __repr__(self) -> str:
        return f"MailSigner({self.fingerprint})"

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate sent along with every signature."""
        return self._certificate

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, 64 hex digits."""
        return certificates.fingerprint(self._certificate)

    def sign(self, message: bytes) -> bytes:
        """Return the DER ECDSA signature; a fresh nonce each time."""
        return self._key.sign(message)


def load_private_key(pem: bytes) -> object:
    """Read an unencrypted PEM private key of any kind.

    Raises:
        BadKey: ``malformed``; ``encrypted`` when it needs a pass phrase.
    """
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise BadKey("encrypted", "the private key needs a pass phrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("malformed", "not a PEM private key") from None


def sign(content: bytes, signer: MailSigner, now: datetime) -> bytes:
    """Return a DER ContentInfo with the content inside, signed at `now` (aware).

    The signature covers the attributes content type, message digest and signing time.
    """
    certificate = certificates.der(signer.certificate)
    attributes = asn1.SetOf(
        [
            _attribute(cms_asn1.CONTENT_TYPE, cms_asn1.ID_DATA),
            _attribute(cms_asn1.MESSAGE_DIGEST, hashlib.sha256(content).digest()),
            _attribute(cms_asn1.SIGNING_TIME, _time(now)),
        ]
    )
    signer_info = cms_asn1.SignerInfo(
        version=1,
        signer=cms_asn1.issuer_and_serial(certificate),
        digest=_DIGEST,
        attributes=attributes,
        signing=_SIGNING,
        signature=signer.sign(cms_asn1.encode(attributes)),
    )
    signed = cms_asn1.SignedData(
        version=1,
        digests=asn1.SetOf([_DIGEST]),
        content=cms_asn1.SignedContent(content_type=cms_asn1.ID_DATA, content=content),
        certificates=asn1.SetOf([cms_asn1.decode(asn1.TLV, certificate)]),
        signers=asn1.SetOf([signer_info]),
    )
    return cms_asn1.encode(
        cms_asn1.ContentInfo(content_type=cms_asn1.ID_SIGNED_DATA, content=cms_asn1.element(signed))
    )


def verified_content(raw: bytes) -> tuple[bytes, x509.Certificate]:
    """Return the signed content and the certificate whose key signed it.

    Proves the content is as that certificate's holder signed it. Whether that holder is to be
    believed (chain, name, revocation) is for the caller, who knows whom to expect.

    Raises:
        CannotOpen: ``malformed``, ``unsupported`` or ``bad-signature``.
    """
    info = cms_asn1.decode(cms_asn1.ContentInfo, raw)
    if info.content_type != cms_asn1.ID_SIGNED_DATA:
        raise CannotOpen("unsupported", "not SignedData")
    signed = cms_asn1.decode(cms_asn1.SignedData, cms_asn1.encode(info.content))
    signers = signed.signers.as_list()
    if signed.version != 1 or len(signers) != 1:
        raise CannotOpen("unsupported", "must be signed by exactly one signer")
    if signed.content.content_type != cms_asn1.ID_DATA:
        raise CannotOpen("unsupported", "the signed content must be plain data")
    _check_algorithms(signed, signers[0])
    _check_attributes(signers[0], signed.content.content)
    certificate = _signer_certificate(signed, signers[0])
    _check_signature(signers[0], certificate)
    return signed.content.content, certificate


def _check_algorithms(signed: cms_asn1.SignedData, signer: cms_asn1.SignerInfo) -> None:
    digests = [digest.algorithm for digest in signed.digests.as_list()]
    if (
        signer.version != 1
        or digests != [cms_asn1.SHA256]
        or signer.digest.algorithm != cms_asn1.SHA256
        or signer.signing.algorithm != cms_asn1.ECDSA_WITH_SHA256
        or signer.signing.parameters is not None
    ):
        raise CannotOpen("unsupported", "the signature must be ECDSA with SHA-256")


def _check_attributes(signer: cms_asn1.SignerInfo, content: bytes) -> None:
    """Source: RFC 5652 section 11: both must be there, and every attribute once, with one value."""
    found: dict[ObjectIdentifier, list[bytes]] = {}
    for attribute in signer.attributes.as_list():
        values = [cms_asn1.encode(value) for value in attribute.values.as_list()]
        found.setdefault(attribute.type, []).extend(values)
    if any(len(values) != 1 for values in found.values()):
        raise CannotOpen("bad-signature", "a signed attribute is stated twice, or has no value")
    if found.get(cms_asn1.CONTENT_TYPE) != [cms_asn1.encode(cms_asn1.ID_DATA)]:
        raise CannotOpen("bad-signature", "the signed content type is missing or another")
    digest = cms_asn1.encode(hashlib.sha256(content).digest())
    stated = found.get(cms_asn1.MESSAGE_DIGEST, [])
    if len(stated) != 1 or not hmac.compare_digest(stated[0], digest):
        raise CannotOpen("bad-signature", "the content is not what was signed")


def _signer_certificate(
    signed: cms_asn1.SignedData, signer: cms_asn1.SignerInfo
) -> x509.Certificate:
    wanted = cms_asn1.encode(signer.signer)
    for element in signed.certificates.as_list():
        raw = cms_asn1.encode(element)
        if cms_asn1.encode(cms_asn1.issuer_and_serial(raw)) == wanted:
            return _loaded(raw)
    raise CannotOpen("bad-signature", "the signer's certificate is not in the message")


def _loaded(raw: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(raw)
    except certificates.UNREADABLE:
        raise CannotOpen("malformed", "the signer's certificate cannot be read") from None


def _check_signature(signer: cms_asn1.SignerInfo, certificate: x509.Certificate) -> None:
    try:
        public = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        public = None
    if not isinstance(public, ec.EllipticCurvePublicKey) or not certificates.is_p256(public):
        raise CannotOpen("unsupported", "the signer's key must be on P-256")
    try:
        # The signature covers the attributes as a plain SET OF, not under their [0] tag.
        public.verify(signer.signature, cms_asn1.encode(signer.attributes), _ECDSA)
    except InvalidSignature:
        raise CannotOpen("bad-signature", "the signature is not by the signer's key") from None


def _attribute(kind: ObjectIdentifier, value: object) -> cms_asn1.Attribute:
    return cms_asn1.Attribute(type=kind, values=asn1.SetOf([cms_asn1.element(value)]))


def _time(now: datetime) -> asn1.UTCTime | asn1.GeneralizedTime:
    """UTCTime through 2049, then GeneralizedTime. Source: RFC 5652 section 11.3."""
    moment = now.astimezone(UTC).replace(microsecond=0)
    return asn1.UTCTime(moment) if moment.year < 2050 else asn1.GeneralizedTime(moment)


def _text(pem: str | bytes) -> str:
    return pem if isinstance(pem, str) else pem.decode("ascii", "replace")
