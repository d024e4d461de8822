"""Self-signed P-256 certificates for signing or receiving mail, until an agency issues its own."""

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def mail_identity(
    common_name: str, *, mailbox: str | None, valid_from: datetime, valid_until: datetime
) -> tuple[str, str]:
    """Make a key and its certificate for S/MIME (EKU emailProtection).

    Args:
        common_name: Cut to 64 characters.
        mailbox: rfc822Name of the certificate; None for a signer without one.
        valid_from: Aware, as is `valid_until`.

    Returns:
        Private key (PKCS#8) and certificate, both PEM text.

    Reads randomness.
    """
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after(valid_until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
    )
    if mailbox is not None:
        names = x509.SubjectAlternativeName([x509.RFC822Name(mailbox)])
        builder = builder.add_extension(names, critical=False)
    private_pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate = builder.sign(private, hashes.SHA256())
    return private_pem.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()
