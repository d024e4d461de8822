"""EnvelopedData with AES-256-CBC, for mail programs that cannot read authenticated encryption.

Outside the default profile: anyone may alter it without the key (EFAIL), so what proves its
content is the signature inside alone. Made only where the directory records that the recipient
accepts it; never instead of something refused.
Source: RFC 5652 section 6, RFC 3565 section 4.1.
"""

import os
from typing import Annotated, Final

from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.x509 import ObjectIdentifier

from keys import cms_asn1
from keys.problem import CannotOpen

AES256_CBC: Final = ObjectIdentifier("2.16.840.1.101.3.4.1.42")
BLOCK: Final = 16

Recipient = cms_asn1.KeyTransport | cms_asn1.KeyAgreement


@asn1.sequence
class CbcAlgorithm:
    """id-aes256-CBC with its initialisation vector. RFC 3565 section 4.1."""

    algorithm: ObjectIdentifier
    vector: bytes


@asn1.sequence
class CbcContent:
    """EncryptedContentInfo. RFC 5652 section 6.1."""

    content_type: ObjectIdentifier
    encryption: CbcAlgorithm
    ciphertext: Annotated[bytes, asn1.Implicit(0)]


@asn1.sequence
class EnvelopedData:
    """RFC 5652 section 6.1, without originator certificates and unprotected attributes."""

    version: int
    recipients: asn1.SetOf[
        cms_asn1.KeyTransport | Annotated[cms_asn1.KeyAgreement, asn1.Implicit(1)]
    ]
    content: CbcContent


def wrap(content: bytes, key: bytes, recipient: Recipient) -> bytes:
    """Return a DER ContentInfo: the content under the 32-byte key, the key for one recipient."""
    vector = os.urandom(BLOCK)
    padder, encryptor = PKCS7(BLOCK * 8).padder(), Cipher(AES256(key), CBC(vector)).encryptor()
    padded = padder.update(content) + padder.finalize()
    envelope = EnvelopedData(
        version=0 if isinstance(recipient, cms_asn1.KeyTransport) else 2,
        recipients=asn1.SetOf([recipient]),
        content=CbcContent(
            content_type=cms_asn1.ID_DATA,
            encryption=CbcAlgorithm(algorithm=AES256_CBC, vector=vector),
            ciphertext=encryptor.update(padded) + encryptor.finalize(),
        ),
    )
    return cms_asn1.encode(
        cms_asn1.ContentInfo(
            content_type=cms_asn1.ID_ENVELOPED_DATA, content=cms_asn1.element(envelope)
        )
    )


def read(raw: bytes) -> EnvelopedData:
    """Read an EnvelopedData and insist on the one cipher.

    Raises:
        CannotOpen: ``malformed``, or ``unsupported`` (another cipher: an authenticated one has
            no place here, where its tag would not be checked).
    """
    envelope = cms_asn1.decode(EnvelopedData, raw)
    content = envelope.content
    if envelope.version not in (0, 2) or content.content_type != cms_asn1.ID_DATA:
        raise CannotOpen("unsupported", "not an envelope of this profile")
    if content.encryption.algorithm != AES256_CBC or len(content.encryption.vector) != BLOCK:
        raise CannotOpen("unsupported", "content must be encrypted with AES-256-CBC")
    if not content.ciphertext or len(content.ciphertext) % BLOCK:
        raise CannotOpen("malformed", "the ciphertext is not whole blocks")
    return envelope


def unwrap(envelope: EnvelopedData, key: bytes) -> bytes:
    """Return the content, which nothing has proven yet.

    Raises:
        ValueError: the padding is not one; to the outside this is as any other failure.
    """
    content = envelope.content
    decryptor = Cipher(AES256(key), CBC(content.encryption.vector)).decryptor()
    padded = decryptor.update(content.ciphertext) + decryptor.finalize()
    unpadder = PKCS7(BLOCK * 8).unpadder()
    return unpadder.update(padded) + unpadder.finalize()
