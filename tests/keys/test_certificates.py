import base64
import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from keys import certificates, cms
from keys.problem import BadKey
from tests.keys.material import NOW, Private, certificate_for, identity, new_key, usage

P256 = new_key("p256")
RSA = new_key("rsa")
MAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
SERVER = ExtendedKeyUsageOID.SERVER_AUTH


@pytest.mark.parametrize(
    ("key", "extensions", "code"),
    [
        (RSA, (), None),
        (P256, (), None),
        (RSA, (usage(key_encipherment=True),), None),
        (RSA, (usage(digital_signature=True),), "key-usage"),
        (RSA, (usage(key_agreement=True),), "key-usage"),
        (P256, (usage(key_agreement=True),), None),
        (P256, (usage(key_encipherment=True),), "key-usage"),
        (P256, (x509.ExtendedKeyUsage([MAIL, SERVER]),), None),
        (P256, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),), None),
        (P256, (x509.ExtendedKeyUsage([SERVER]),), "extended-key-usage"),
        (ec.generate_private_key(ec.SECP384R1()), (), "unsupported"),
        (rsa.generate_private_key(public_exponent=65537, key_size=1024), (), "weak"),
    ],
)
def test_a_recipient_certificate_must_suit_its_key_and_be_for_mail(
    key: Private, extensions: tuple, code: str | None
) -> None:
    pem = certificate_for(key, extensions=extensions)
    if code is None:
        assert certificates.parse_recipient(pem).serial_number == 999
    else:
        with pytest.raises(BadKey) as error:
            certificates.parse_recipient(pem)
        assert error.value.code == code


def test_a_certificate_for_a_signature_only_key_is_refused() -> None:
    name = x509.Name([])
    key = ed25519.Ed25519PrivateKey.generate()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW)
        .sign(key, None)
    )
    pem = certificate.public_bytes(certificates.serialization.Encoding.PEM).decode()
    with pytest.raises(BadKey) as error:
        certificates.parse_recipient(pem)
    assert error.value.code == "unsupported"


@pytest.mark.parametrize(
    "pem", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "é"]
)
def test_what_is_no_certificate_is_refused(pem: str) -> None:
    with pytest.raises(BadKey):
        certificates.parse_certificate(pem)


def test_validity_includes_both_ends_and_nothing_outside() -> None:
    start, end = NOW, NOW + dt.timedelta(days=1)
    certificate = certificates.parse_certificate(certificate_for(P256, start=start, end=end))
    second = dt.timedelta(seconds=1)
    for moment in (start, end):
        certificates.check_period(certificate, moment)
    for moment, code in ((start - second, "not-yet-valid"), (end + second, "expired")):
        with pytest.raises(BadKey) as error:
            certificates.check_period(certificate, moment)
        assert error.value.code == code


def test_the_addresses_are_those_of_the_alternative_name() -> None:
    assert cms.rfc822_names(identity("rsa").certificate) == ("mappa@example.org",)
    assert cms.valid_until(identity("rsa").certificate) == NOW + dt.timedelta(days=365)


def test_a_certificate_without_alternative_names_has_no_address() -> None:
    key = new_key("p256")
    name = x509.Name([x509.NameAttribute(x509.NameOID.EMAIL_ADDRESS, "not-this@example.org")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW)
        .sign(key, certificates.hashes.SHA256())
    )
    pem = certificate.public_bytes(certificates.serialization.Encoding.PEM).decode()
    assert cms.rfc822_names(pem) == ()


def test_a_certificate_of_a_version_that_does_not_exist_is_malformed() -> None:
    der = certificates.der(certificates.parse_certificate(identity("p256").certificate))
    version = der.index(b"\xa0\x03\x02\x01\x02") + 4
    changed = der[:version] + b"\x07" + der[version + 1 :]
    lines = base64.encodebytes(changed).decode()
    pem = f"-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n"
    with pytest.raises(BadKey) as error:
        certificates.parse_recipient(pem)
    assert error.value.code == "malformed"
