"""Sealing to a mail recipient's certificate: S/MIME 4.0, signed, then encrypted with AES-256-GCM.

AES-256-CBC, which proves nothing by itself, only where a caller names it.

What leaves is one DER AuthEnvelopedData. Inside it is an ``application/pkcs7-mime`` entity with
the SignedData, and inside that the MIME entity that was signed. A mail program shows it as a
signed and encrypted message; `open` is for recipients without one.
Source: RFC 8551 section 3.7 (signing and encrypting), RFC 5083, RFC 5652.
"""

from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from keys import certificates, cms_envelope, cms_signed, mime
from keys.certificates import rfc822_names, valid_until
from keys.cms_envelope import Cipher
from keys.cms_signed import MailSigner
from keys.limits import MAX_MAIL
from keys.problem import BadKey, CannotOpen

__all__ = [
    "Cipher",
    "MailSigner",
    "der_of",
    "key_id",
    "open",
    "open_signed",
    "rfc822_names",
    "seal",
    "valid_until",
]

_PEM_LABELS: Final = ("CMS", "PKCS7")
_SIGNED_HEADERS: Final = (
    ("Content-Type", 'application/pkcs7-mime; smime-type=signed-data; name="smime.p7m"'),
    ("Content-Disposition", 'attachment; filename="smime.p7m"'),
)


def key_id(certificate_pem: str) -> str:
    """Return the SHA-256 of the certificate, 64 hex digits, once it is fit to seal to.

    Raises:
        BadKey: as `certificates.parse_recipient`.
    """
    return certificates.fingerprint(certificates.parse_recipient(certificate_pem))


def seal(
    content: bytes,
    *,
    certificate_pem: str,
    signer: MailSigner,
    now: datetime,
    cipher: Cipher = "gcm",
) -> bytes:
    """Sign a MIME entity, encrypt it to the certificate and return the DER.

    Args:
        content: The MIME entity: headers, empty line, body; lines ended by CRLF.
        certificate_pem: The recipient's, RSA (2048 bits or more) or P-256.
        signer: The gateway's mail identity.
        now: Aware; both certificates must be valid then, and it is the signing time.
        cipher: ``cbc`` only by the recipient's recorded acceptance: never a fallback.

    Raises:
        BadKey: either certificate is ``expired`` or ``not-yet-valid``; or as
            `certificates.parse_recipient`.
    """
    recipient = certificates.parse_recipient(certificate_pem)
    certificates.check_period(recipient, now)
    certificates.check_period(signer.certificate, now)
    signed = cms_signed.sign(content, signer, now)
    return cms_envelope.encrypt(mime.write_entity(_SIGNED_HEADERS, signed), recipient, cipher)


def open(  # noqa: A001
    message: bytes,
    *,
    private_key_pem: bytes,
    certificate_pem: bytes | None = None,
    accept_cbc: bool = False,
) -> bytes:
    """Decrypt, verify the signature inside, and return the MIME entity that was signed.

    Args:
        message: DER, PEM (``CMS`` or ``PKCS7``), or a whole S/MIME message; at most 4 MiB.
        private_key_pem: RSA or P-256, without a pass phrase.
        certificate_pem: When given, the message must name it as its recipient. Without it the
            unauthenticated recipient name is not looked at; the content is proven either way.
        accept_cbc: Also open AES-256-CBC; the signature inside must verify as ever.

    Raises:
        BadKey: the private key or certificate cannot be used.
        CannotOpen: ``too-long``, ``malformed``, ``cbc``, ``unsupported``, ``undecryptable`` or
            ``bad-signature``.

    The signature proves the content is as the certificate inside signed it, not that this
    certificate is the gateway's: compare it with the one the gateway publishes.
    """
    content, _ = open_signed(
        message,
        private_key_pem=private_key_pem,
        certificate_pem=certificate_pem,
        accept_cbc=accept_cbc,
    )
    return content


def open_signed(
    message: bytes,
    *,
    private_key_pem: bytes,
    certificate_pem: bytes | None = None,
    accept_cbc: bool = False,
) -> tuple[bytes, x509.Certificate]:
    """Do as `open`, and return beside the entity the certificate it was signed under.

    Raises:
        BadKey, CannotOpen: as `open`.
    """
    if len(message) > MAX_MAIL:
        raise CannotOpen("too-long", f"longer than {MAX_MAIL} bytes")
    key = _private_key(private_key_pem)
    certificate = None
    if certificate_pem is not None:
        certificate = certificates.parse_certificate(certificate_pem.decode("ascii", "replace"))
    entity = cms_envelope.decrypt(der_of(message), key, certificate, accept_cbc=accept_cbc)
    return cms_signed.verified_content(mime.read_entity(entity, mime.PKCS7))


def _private_key(pem: bytes) -> cms_envelope.PrivateKey:
    key = cms_signed.load_private_key(pem)
    if isinstance(key, rsa.RSAPrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and certificates.is_p256(key):
        return key
    raise BadKey("unsupported", "mail is opened with RSA or P-256 keys")


def der_of(message: bytes) -> bytes:
    """Return the DER of a message that is DER, PEM or a whole S/MIME mail.

    Raises:
        CannotOpen: ``malformed`` or ``unsupported``.
    """
    if message[:1] == b"\x30" and message[1:2] >= b"\x80":  # SEQUENCE, too long for a short form
        return message
    if message.lstrip()[:11] == b"-----BEGIN ":
        return mime.read_pem(message, _PEM_LABELS)
    return mime.read_entity(message, mime.PKCS7)
