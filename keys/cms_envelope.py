"""The outer layer of sealed mail: AuthEnvelopedData, AES-256-GCM, one recipient.

Source: RFC 5083, RFC 5084, RFC 8551 section 2.7 (AES-256-GCM is a MUST); RFC 5753 section 3.1
with dhSinglePass-stdDH-sha256kdf and AES-256 key wrap for P-256; RSAES-OAEP with SHA-256 for RSA.
CBC (EnvelopedData, `keys.cms_cbc`) is made and read only where a caller says so by name.
"""

import os
from collections.abc import Sequence
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys import certificates, cms_asn1, cms_cbc
from keys.problem import CannotOpen

Cipher = Literal["gcm", "cbc"]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

NONCE_LENGTH: Final = 12
TAG_LENGTH: Final = 16

_KEY_LENGTH: Final = 32
_POINT_LENGTH: Final = 65  # uncompressed P-256
_WRAP: Final = cms_asn1.Algorithm(algorithm=cms_asn1.AES256_WRAP, parameters=None)
_SHA256: Final = cms_asn1.Algorithm(algorithm=cms_asn1.SHA256, parameters=asn1.Null())
_OAEP: Final = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
_OAEP_ALGORITHM: Final = cms_asn1.OaepAlgorithm(
    algorithm=cms_asn1.RSAES_OAEP,
    parameters=cms_asn1.OaepParameters(
        hash=_SHA256,
        mask_generation=cms_asn1.MaskGeneration(algorithm=cms_asn1.MGF1, parameters=_SHA256),
    ),
)


def encrypt(content: bytes, certificate: x509.Certificate, cipher: Cipher = "gcm") -> bytes:
    """Return a DER ContentInfo holding `content` (id-data) for one RSA or P-256 certificate.

    The certificate has been checked by `certificates.parse_recipient`.
    """
    key = os.urandom(_KEY_LENGTH)
    if cipher == "cbc":
        return cms_cbc.wrap(content, key, _recipient(key, certificate))
    nonce = os.urandom(NONCE_LENGTH)
    sealed = AESGCM(key).encrypt(nonce, content, None)
    envelope = cms_asn1.AuthEnvelopedData(
        version=0,
        recipients=asn1.SetOf([_recipient(key, certificate)]),
        content=cms_asn1.EncryptedContent(
            content_type=cms_asn1.ID_DATA,
            encryption=cms_asn1.GcmAlgorithm(
                algorithm=cms_asn1.AES256_GCM,
                parameters=cms_asn1.GcmParameters(nonce=nonce, tag_length=TAG_LENGTH),
            ),
            ciphertext=sealed[:-TAG_LENGTH],
        ),
        mac=sealed[-TAG_LENGTH:],
    )
    return cms_asn1.encode(
        cms_asn1.ContentInfo(
            content_type=cms_asn1.ID_AUTH_ENVELOPED_DATA, content=cms_asn1.element(envelope)
        )
    )


def decrypt(
    raw: bytes,
    key: PrivateKey,
    certificate: x509.Certificate | None,
    *,
    accept_cbc: bool = False,
) -> bytes:
    """Return the content of a DER ContentInfo made by `encrypt` or by its equal.

    Args:
        raw: The whole DER, nothing after it.
        key: RSA, or elliptic on P-256.
        certificate: When given, the message must name exactly this one as its recipient.
        accept_cbc: Also EnvelopedData with AES-256-CBC, whose content only a signature inside
            it can prove.

    Raises:
        CannotOpen: ``malformed``, ``cbc``, ``unsupported`` or ``undecryptable``.
    """
    info = cms_asn1.decode(cms_asn1.ContentInfo, raw)
    if info.content_type == cms_asn1.ID_ENVELOPED_DATA:
        if not accept_cbc:
            raise CannotOpen("cbc", "EnvelopedData proves nothing about its content: refused")
        return _decrypt_cbc(cms_asn1.encode(info.content), key, certificate)
    if info.content_type != cms_asn1.ID_AUTH_ENVELOPED_DATA:
        raise CannotOpen("unsupported", "not AuthEnvelopedData")
    envelope = cms_asn1.decode(cms_asn1.AuthEnvelopedData, cms_asn1.encode(info.content))
    nonce = checked_nonce(envelope)
    content_key = _content_key(envelope.recipients.as_list(), key, certificate)
    try:
        return AESGCM(content_key).decrypt(nonce, envelope.content.ciphertext + envelope.mac, None)
    except InvalidTag:
        raise _undecryptable() from None


def _undecryptable() -> CannotOpen:
    """Say the same whether the key is wrong or the message altered: no oracle."""
    return CannotOpen("undecryptable", "not sealed to this key, or altered since")


def _decrypt_cbc(raw: bytes, key: PrivateKey, certificate: x509.Certificate | None) -> bytes:
    envelope = cms_cbc.read(raw)
    content_key = _content_key(envelope.recipients.as_list(), key, certificate)
    try:
        return cms_cbc.unwrap(envelope, content_key)
    except ValueError:
        raise _undecryptable() from None


def checked_nonce(envelope: cms_asn1.AuthEnvelopedData) -> bytes:
    """Return the nonce of an envelope within the profile: its cipher, tag and nonce lengths.

    Raises:
        CannotOpen: ``unsupported``.
    """
    content = envelope.content
    parameters = content.encryption.parameters
    if envelope.version != 0 or content.content_type != cms_asn1.ID_DATA:
        raise CannotOpen("unsupported", "not an envelope of this profile")
    if content.encryption.algorithm != cms_asn1.AES256_GCM:
        raise CannotOpen("unsupported", "content must be encrypted with AES-256-GCM")
    # A shorter tag is easier to forge, and an odd nonce weakens GCM (RFC 5084 section 3.2).
    if (parameters.tag_length, len(envelope.mac)) != (TAG_LENGTH, TAG_LENGTH):
        raise CannotOpen("unsupported", "the tag must be 16 bytes")
    if len(parameters.nonce) != NONCE_LENGTH:
        raise CannotOpen("unsupported", "the nonce must be 12 bytes")
    return parameters.nonce


def _recipient(
    key: bytes, certificate: x509.Certificate
) -> cms_asn1.KeyTransport | cms_asn1.KeyAgreement:
    named = cms_asn1.issuer_and_serial(certificates.der(certificate))
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return cms_asn1.KeyTransport(
            version=0,
            recipient=named,
            key_encryption=_OAEP_ALGORITHM,
            encrypted_key=public.encrypt(key, _OAEP),
        )
    assert isinstance(public, ec.EllipticCurvePublicKey)  # noqa: S101  # parse_recipient proved it
    return _agreement(key, named, public)


def _agreement(
    key: bytes, named: cms_asn1.IssuerAndSerial, public: ec.EllipticCurvePublicKey
) -> cms_asn1.KeyAgreement:
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    point = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    wrapping = derive_wrapping_key(ephemeral, public, None)
    return cms_asn1.KeyAgreement(
        version=3,
        originator=cms_asn1.Originator(
            public_key=cms_asn1.OriginatorPublicKey(
                algorithm=cms_asn1.EcAlgorithm(algorithm=cms_asn1.EC_PUBLIC_KEY, parameters=None),
                public_key=asn1.BitString(point, 0),
            )
        ),
        user_keying_material=None,
        key_encryption=cms_asn1.KeyAgreementAlgorithm(
            algorithm=cms_asn1.ECDH_SHA256_KDF, parameters=_WRAP
        ),
        recipient_keys=[
            cms_asn1.RecipientEncryptedKey(
                recipient=named, encrypted_key=aes_key_wrap(wrapping, key)
            )
        ],
    )


def derive_wrapping_key(
    private: ec.EllipticCurvePrivateKey,
    public: ec.EllipticCurvePublicKey,
    user_keying_material: bytes | None,
    wrap: cms_asn1.Algorithm = _WRAP,
) -> bytes:
    """Return the 32-byte key-wrapping key. Source: RFC 5753 section 7.2, ANSI X9.63."""
    shared = cms_asn1.EccSharedInfo(
        key_info=wrap,
        entity_u_info=user_keying_material,
        supplementary=(_KEY_LENGTH * 8).to_bytes(4, "big"),
    )
    kdf = X963KDF(SHA256(), _KEY_LENGTH, cms_asn1.encode(shared))
    return kdf.derive(private.exchange(ec.ECDH(), public))


def _content_key(
    recipients: Sequence[cms_cbc.Recipient],
    key: PrivateKey,
    certificate: x509.Certificate | None,
) -> bytes:
    if len(recipients) != 1:
        raise CannotOpen("unsupported", "must be sealed to exactly one recipient")
    match recipients[0], key:
        case cms_asn1.KeyTransport() as transport, rsa.RSAPrivateKey():
            _check_named(transport.recipient, certificate)
            content_key = _transported(transport, key)
        case cms_asn1.KeyAgreement() as agreement, ec.EllipticCurvePrivateKey():
            content_key = _agreed(agreement, key, certificate)
        case _:
            raise _undecryptable()
    if len(content_key) != _KEY_LENGTH:
        raise _undecryptable()
    return content_key


def _check_named(named: cms_asn1.IssuerAndSerial, certificate: x509.Certificate | None) -> None:
    if certificate is None:
        return
    expected = cms_asn1.issuer_and_serial(certificates.der(certificate))
    if cms_asn1.encode(named) != cms_asn1.encode(expected):
        raise CannotOpen("undecryptable", "not sealed to this certificate")


def _transported(transport: cms_asn1.KeyTransport, key: rsa.RSAPrivateKey) -> bytes:
    check_transport(transport)
    try:
        return key.decrypt(transport.encrypted_key, _OAEP)
    except ValueError:
        raise _undecryptable() from None


def check_transport(transport: cms_asn1.KeyTransport) -> None:
    """Return if the key is transported as this profile does it: RSA-OAEP, SHA-256 throughout.

    Raises:
        CannotOpen: ``unsupported``.
    """
    parameters = transport.key_encryption.parameters
    hashes = (parameters.hash.algorithm, parameters.mask_generation.parameters.algorithm)
    if (
        transport.version != 0
        or transport.key_encryption.algorithm != cms_asn1.RSAES_OAEP
        or parameters.mask_generation.algorithm != cms_asn1.MGF1
        or hashes != (cms_asn1.SHA256, cms_asn1.SHA256)
    ):
        raise CannotOpen("unsupported", "RSA transport must be OAEP with SHA-256")


def _agreed(
    agreement: cms_asn1.KeyAgreement,
    key: ec.EllipticCurvePrivateKey,
    certificate: x509.Certificate | None,
) -> bytes:
    ephemeral = check_agreement(agreement)
    recipient = agreement.recipient_keys[0]
    _check_named(recipient.recipient, certificate)
    wrap = agreement.key_encryption.parameters
    try:
        wrapping = derive_wrapping_key(key, ephemeral, agreement.user_keying_material, wrap)
        return aes_key_unwrap(wrapping, recipient.encrypted_key)
    except (ValueError, InvalidUnwrap):
        raise _undecryptable() from None


def check_agreement(agreement: cms_asn1.KeyAgreement) -> ec.EllipticCurvePublicKey:
    """Return the ephemeral key of an agreement within the profile, proven to be on its curve.

    Raises:
        CannotOpen: ``unsupported`` or ``malformed``.
    """
    wrap = agreement.key_encryption.parameters
    if (
        agreement.version != 3
        or agreement.key_encryption.algorithm != cms_asn1.ECDH_SHA256_KDF
        or wrap.algorithm != cms_asn1.AES256_WRAP
        or len(agreement.recipient_keys) != 1
    ):
        raise CannotOpen("unsupported", "key agreement must be ECDH, SHA-256 KDF, AES-256 wrap")
    return _ephemeral(agreement.originator.public_key)


def _ephemeral(originator: cms_asn1.OriginatorPublicKey) -> ec.EllipticCurvePublicKey:
    algorithm, point = originator.algorithm, originator.public_key
    if algorithm.algorithm != cms_asn1.EC_PUBLIC_KEY or (
        algorithm.parameters not in (None, asn1.Null(), cms_asn1.P256)
    ):
        raise CannotOpen("unsupported", "the ephemeral key must be on P-256")
    if point.padding_bits() or len(point.as_bytes()) != _POINT_LENGTH:
        raise CannotOpen("malformed", "the ephemeral key must be an uncompressed point")
    try:
        # Checks that the point is on the curve: an invalid one would leak key bits.
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point.as_bytes())
    except ValueError:
        raise CannotOpen("malformed", "the ephemeral key is not on its curve") from None
