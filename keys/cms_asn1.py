"""The few CMS structures this gateway writes and reads, each exactly as wide as the profile.

What a structure here does not name (other recipients, counter-signatures, revocation lists,
originator certificates) does not decode, and so is refused rather than overlooked. Reading is
DER throughout: one spelling per value, nothing left over.
Source: RFC 5652, RFC 5083, RFC 5084, RFC 5753, RFC 8017 appendix A.2.1, RFC 5280.
"""

from typing import Annotated, Final, TypeVar

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from keys.problem import CannotOpen

T = TypeVar("T")

ID_DATA: Final = ObjectIdentifier("1.2.840.113549.1.7.1")
ID_SIGNED_DATA: Final = ObjectIdentifier("1.2.840.113549.1.7.2")
ID_ENVELOPED_DATA: Final = ObjectIdentifier("1.2.840.113549.1.7.3")
ID_AUTH_ENVELOPED_DATA: Final = ObjectIdentifier("1.2.840.113549.1.9.16.1.23")
CONTENT_TYPE: Final = ObjectIdentifier("1.2.840.113549.1.9.3")
MESSAGE_DIGEST: Final = ObjectIdentifier("1.2.840.113549.1.9.4")
SIGNING_TIME: Final = ObjectIdentifier("1.2.840.113549.1.9.5")
SHA256: Final = ObjectIdentifier("2.16.840.1.101.3.4.2.1")
ECDSA_WITH_SHA256: Final = ObjectIdentifier("1.2.840.10045.4.3.2")
AES256_GCM: Final = ObjectIdentifier("2.16.840.1.101.3.4.1.46")
AES256_WRAP: Final = ObjectIdentifier("2.16.840.1.101.3.4.1.45")
RSAES_OAEP: Final = ObjectIdentifier("1.2.840.113549.1.1.7")
MGF1: Final = ObjectIdentifier("1.2.840.113549.1.1.8")
EC_PUBLIC_KEY: Final = ObjectIdentifier("1.2.840.10045.2.1")
P256: Final = ObjectIdentifier("1.2.840.10045.3.1.7")
ECDH_SHA256_KDF: Final = ObjectIdentifier("1.3.132.1.11.1")  # dhSinglePass-stdDH-sha256kdf-scheme


@asn1.sequence
class ContentInfo:
    """A content of the named type. RFC 5652 section 3."""

    content_type: ObjectIdentifier
    content: Annotated[asn1.TLV, asn1.Explicit(0)]


@asn1.sequence
class Algorithm:
    """AlgorithmIdentifier whose parameters are NULL or absent."""

    algorithm: ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class IssuerAndSerial:
    """How a certificate is named. RFC 5652 section 10.2.4."""

    issuer: asn1.TLV
    serial: int


# --- AuthEnvelopedData ---


@asn1.sequence
class MaskGeneration:
    """MGF1 with its hash. RFC 8017 appendix A.2.1."""

    algorithm: ObjectIdentifier
    parameters: Algorithm


@asn1.sequence
class OaepParameters:
    """RSAES-OAEP-params with the default (empty) label."""

    hash: Annotated[Algorithm, asn1.Explicit(0)]
    mask_generation: Annotated[MaskGeneration, asn1.Explicit(1)]


@asn1.sequence
class OaepAlgorithm:
    """id-RSAES-OAEP. RFC 8017 appendix A.2.1."""

    algorithm: ObjectIdentifier
    parameters: OaepParameters


@asn1.sequence
class KeyTransport:
    """KeyTransRecipientInfo for RSA. RFC 5652 section 6.2.1."""

    version: int
    recipient: IssuerAndSerial
    key_encryption: OaepAlgorithm
    encrypted_key: bytes


@asn1.sequence
class EcAlgorithm:
    """id-ecPublicKey; RFC 5753 section 7.1.1 allows absent, NULL or named-curve parameters."""

    algorithm: ObjectIdentifier
    parameters: asn1.Null | ObjectIdentifier | None


@asn1.sequence
class OriginatorPublicKey:
    """The sender's ephemeral point. RFC 5652 section 6.2.2."""

    algorithm: EcAlgorithm
    public_key: asn1.BitString


@asn1.sequence
class Originator:
    """The ``originatorKey`` choice; as a field of its own it yields the doubly tagged bytes."""

    public_key: Annotated[OriginatorPublicKey, asn1.Implicit(1)]


@asn1.sequence
class KeyAgreementAlgorithm:
    """The key derivation, with the key wrap as its parameter. RFC 5753 section 7.1.4."""

    algorithm: ObjectIdentifier
    parameters: Algorithm


@asn1.sequence
class RecipientEncryptedKey:
    """The content key, wrapped for one recipient. RFC 5652 section 6.2.2."""

    recipient: IssuerAndSerial
    encrypted_key: bytes


@asn1.sequence
class KeyAgreement:
    """KeyAgreeRecipientInfo for elliptic curves. RFC 5753 section 3.1.1."""

    version: int
    originator: Annotated[Originator, asn1.Implicit(0)]
    user_keying_material: Annotated[bytes | None, asn1.Explicit(1)]
    key_encryption: KeyAgreementAlgorithm
    recipient_keys: list[RecipientEncryptedKey]


@asn1.sequence
class EccSharedInfo:
    """ECC-CMS-SharedInfo, the input that ties the derived key to its use."""

    key_info: Algorithm
    entity_u_info: Annotated[bytes | None, asn1.Explicit(0)]
    supplementary: Annotated[bytes, asn1.Explicit(2)]


@asn1.sequence
class GcmParameters:
    """RFC 5084 section 3.2; the tag length counts bytes and defaults to 12."""

    nonce: bytes
    tag_length: Annotated[int, asn1.Default(12)]


@asn1.sequence
class GcmAlgorithm:
    """id-aes256-GCM. RFC 5084 section 3.2."""

    algorithm: ObjectIdentifier
    parameters: GcmParameters


@asn1.sequence
class EncryptedContent:
    """EncryptedContentInfo. RFC 5652 section 6.1."""

    content_type: ObjectIdentifier
    encryption: GcmAlgorithm
    ciphertext: Annotated[bytes, asn1.Implicit(0)]


@asn1.sequence
class AuthEnvelopedData:
    """RFC 5083 section 2.1, without authenticated attributes."""

    version: int
    recipients: asn1.SetOf[KeyTransport | Annotated[KeyAgreement, asn1.Implicit(1)]]
    content: EncryptedContent
    mac: bytes


# --- SignedData ---


@asn1.sequence
class Attribute:
    """A signed attribute. RFC 5652 section 5.3."""

    type: ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class SignerInfo:
    """RFC 5652 section 5.3, without unsigned attributes."""

    version: int
    signer: IssuerAndSerial
    digest: Algorithm
    attributes: Annotated[asn1.SetOf[Attribute], asn1.Implicit(0)]
    signing: Algorithm
    signature: bytes


@asn1.sequence
class SignedContent:
    """EncapsulatedContentInfo with its content inside. RFC 5652 section 5.2."""

    content_type: ObjectIdentifier
    content: Annotated[bytes, asn1.Explicit(0)]


@asn1.sequence
class SignedData:
    """RFC 5652 section 5.1, with certificates and without revocation lists."""

    version: int
    digests: asn1.SetOf[Algorithm]
    content: SignedContent
    certificates: Annotated[asn1.SetOf[asn1.TLV], asn1.Implicit(0)]
    signers: asn1.SetOf[SignerInfo]


# --- Certificate, as far as its issuer ---


@asn1.sequence
class TbsCertificate:
    """RFC 5280 section 4.1, opaque but for serial and issuer."""

    version: Annotated[int, asn1.Explicit(0), asn1.Default(0)]
    serial: int
    signature: asn1.TLV
    issuer: asn1.TLV
    validity: asn1.TLV
    subject: asn1.TLV
    public_key: asn1.TLV
    issuer_unique_id: Annotated[asn1.BitString | None, asn1.Implicit(1)]
    subject_unique_id: Annotated[asn1.BitString | None, asn1.Implicit(2)]
    extensions: Annotated[list[asn1.TLV] | None, asn1.Explicit(3)]


@asn1.sequence
class PublicKeyInfo:
    """SubjectPublicKeyInfo. RFC 5280 section 4.1."""

    algorithm: asn1.TLV
    key: asn1.BitString


@asn1.sequence
class CertificateFrame:
    """RFC 5280 section 4.1."""

    tbs: TbsCertificate
    algorithm: asn1.TLV
    signature: asn1.BitString


def decode(kind: type[T], raw: bytes) -> T:
    """Decode strict DER, the whole of it.

    Raises:
        CannotOpen: ``malformed``.
    """
    try:
        return asn1.decode_der(kind, raw)
    except ValueError:
        raise CannotOpen("malformed", "not the DER structure this profile reads") from None


def encode(value: object) -> bytes:
    """Return the DER of one of the structures above. Pure."""
    return asn1.encode_der(value)


def element(value: object) -> asn1.TLV:
    """Return a structure as one opaque element, to stand in a field of any type."""
    return asn1.decode_der(asn1.TLV, asn1.encode_der(value))


def issuer_and_serial(certificate_der: bytes) -> IssuerAndSerial:
    """Return what names a certificate, its issuer byte for byte as issued.

    Raises:
        CannotOpen: ``malformed``.
    """
    tbs = decode(CertificateFrame, certificate_der).tbs
    return IssuerAndSerial(issuer=tbs.issuer, serial=tbs.serial)
