"""What algorithms a CMS envelope names, read loosely: to say why it is refused, never to open it.

Source: RFC 5652 section 6.1, RFC 5083 section 2.1; object identifiers RFC 8017, 5084, 3565, 5753.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from keys import cms_asn1
from keys.problem import CannotOpen

NAMES: Final = {
    "1.2.840.113549.1.1.1": "RSAES-PKCS1-v1_5",
    "1.2.840.113549.1.1.7": "RSAES-OAEP",
    "1.2.840.113549.3.7": "DES-EDE3-CBC",
    "1.3.132.1.11.0": "ECDH-SHA224-KDF",
    "1.3.132.1.11.1": "ECDH-SHA256-KDF",
    "1.3.132.1.11.2": "ECDH-SHA384-KDF",
    "1.3.132.1.11.3": "ECDH-SHA512-KDF",
    "1.3.133.16.840.63.0.2": "ECDH-SHA1-KDF",
    "2.16.840.1.101.3.4.1.2": "AES-128-CBC",
    "2.16.840.1.101.3.4.1.6": "AES-128-GCM",
    "2.16.840.1.101.3.4.1.22": "AES-192-CBC",
    "2.16.840.1.101.3.4.1.26": "AES-192-GCM",
    "2.16.840.1.101.3.4.1.42": "AES-256-CBC",
    "2.16.840.1.101.3.4.1.46": "AES-256-GCM",
    "2.16.840.1.101.3.4.1.47": "AES-256-CCM",
}
KINDS: Final = {
    cms_asn1.ID_DATA: "Data",
    cms_asn1.ID_SIGNED_DATA: "SignedData",
    cms_asn1.ID_ENVELOPED_DATA: "EnvelopedData",
    cms_asn1.ID_AUTH_ENVELOPED_DATA: "AuthEnvelopedData",
}
_TRANSPORT: Final = 0x30  # first byte of a KeyTransRecipientInfo
_AGREEMENT: Final = 0xA1  # of a KeyAgreeRecipientInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the envelope says of itself. Names of algorithms, or their object identifiers."""

    kind: str
    recipients: tuple[str, ...] = ()
    cipher: str | None = None
    ciphertext: int = 0  # bytes


@asn1.sequence
class _Content:
    """EncryptedContentInfo with any cipher."""

    content_type: ObjectIdentifier
    encryption: list[asn1.TLV]  # AlgorithmIdentifier
    ciphertext: Annotated[bytes | None, asn1.Implicit(0)]


@asn1.sequence
class _Enveloped:
    """EnvelopedData with recipients of any kind."""

    version: int
    recipients: asn1.SetOf[asn1.TLV]
    content: _Content
    unprotected: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(1)]


@asn1.sequence
class _AuthEnveloped:
    """AuthEnvelopedData with recipients of any kind."""

    version: int
    recipients: asn1.SetOf[asn1.TLV]
    content: _Content
    authenticated: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(1)]
    mac: bytes
    unauthenticated: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(2)]


@asn1.sequence
class _Transport:
    """KeyTransRecipientInfo with any algorithm and any name for its recipient."""

    version: int
    recipient: asn1.TLV
    key_encryption: list[asn1.TLV]  # AlgorithmIdentifier
    encrypted_key: bytes


@asn1.sequence
class _Agreement:
    """KeyAgreeRecipientInfo with any algorithm, behind its tag."""

    version: int
    originator: asn1.TLV
    user_keying_material: Annotated[bytes | None, asn1.Explicit(1)]
    key_encryption: list[asn1.TLV]  # AlgorithmIdentifier
    recipient_keys: asn1.TLV


def survey(der: bytes) -> Survey:
    """Return what can be read of a ContentInfo.

    Raises:
        CannotOpen: ``malformed``: not even a ContentInfo in DER.
    """
    info = cms_asn1.decode(cms_asn1.ContentInfo, der)
    kind = KINDS.get(info.content_type, info.content_type.dotted_string)
    inner = cms_asn1.encode(info.content)
    envelope: _Enveloped | _AuthEnveloped
    try:
        if info.content_type == cms_asn1.ID_ENVELOPED_DATA:
            envelope = cms_asn1.decode(_Enveloped, inner)
        elif info.content_type == cms_asn1.ID_AUTH_ENVELOPED_DATA:
            envelope = cms_asn1.decode(_AuthEnveloped, inner)
        else:
            return Survey(kind=kind)
    except CannotOpen:
        return Survey(kind=kind)
    return Survey(
        kind=kind,
        recipients=tuple(_recipients(envelope.recipients.as_list())),
        cipher=_name(envelope.content.encryption),
        ciphertext=len(envelope.content.ciphertext or b""),
    )


def _recipients(elements: list[asn1.TLV]) -> Iterator[str]:
    for element in elements:
        raw = cms_asn1.encode(element)
        try:
            if raw[0] == _TRANSPORT:
                yield _name(cms_asn1.decode(_Transport, raw).key_encryption)
            elif raw[0] == _AGREEMENT:
                plain = bytes([_TRANSPORT]) + raw[1:]  # the same fields under another tag
                yield _name(cms_asn1.decode(_Agreement, plain).key_encryption)
            else:
                yield "of another kind"
        except CannotOpen:
            yield "unreadable"


def _name(algorithm: list[asn1.TLV]) -> str:
    try:
        first = cms_asn1.encode(algorithm[0])
        found = cms_asn1.decode(ObjectIdentifier, first).dotted_string
    except (CannotOpen, IndexError):
        return "unreadable"
    return NAMES.get(found, found)
