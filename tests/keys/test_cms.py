import base64
import datetime as dt
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import certificates, cms, cms_asn1, cms_envelope, cms_signed, mime
from keys.problem import BadKey, CannotOpen, KeyProblem
from tests.keys.material import (
    NOW,
    Identity,
    certificate_for,
    identity,
    mail_signer,
    new_key,
    pem,
    signer_identity,
    usage,
)
from tests.third_party import missing

ENTITY = (
    b"Content-Type: application/json\r\nContent-Transfer-Encoding: base64\r\n\r\neyJhIjoxfQ==\r\n"
)
KINDS = ("rsa", "p256")
OAEP = ("rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256")
AGREE = ("ecdh_kdf_md:sha256",)


def sealed(kind: str, content: bytes = ENTITY) -> bytes:
    certificate = identity(kind).certificate
    return cms.seal(content, certificate_pem=certificate, signer=mail_signer(), now=NOW)


def opened(message: bytes, mine: Identity) -> bytes:
    certificate = mine.certificate.encode()
    return cms.open(message, private_key_pem=mine.private, certificate_pem=certificate)


def refused(message: bytes, kind: str = "p256") -> str:
    with pytest.raises(CannotOpen) as error:
        opened(message, identity(kind))
    return error.value.code


# --- against OpenSSL, both ways ---


@dataclass
class OpenSsl:
    folder: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["openssl", "cms", *arguments], cwd=self.folder, capture_output=True, check=False
        )

    def made(self, *arguments: str) -> bytes:
        done = self.run(*arguments, "-out", "made")
        assert done.returncode == 0, done.stderr
        return (self.folder / "made").read_bytes()


@pytest.fixture
def openssl(tmp_path: Path) -> OpenSsl:
    if shutil.which("openssl") is None:
        missing("openssl")
    for kind in KINDS:
        (tmp_path / f"{kind}.crt").write_text(identity(kind).certificate)
        (tmp_path / f"{kind}.key").write_bytes(identity(kind).private)
        (tmp_path / f"{kind}-other.key").write_bytes(identity(kind, 1).private)
    (tmp_path / "gateway.crt").write_text(signer_identity().certificate)
    (tmp_path / "gateway.key").write_bytes(signer_identity().private)
    (tmp_path / "entity").write_bytes(ENTITY)
    return OpenSsl(tmp_path)


def decrypting(kind: str, key: str) -> tuple[str, ...]:
    arguments = ("-decrypt", "-binary", "-inform", "DER", "-in", "message")
    return (*arguments, "-inkey", key, "-recip", f"{kind}.crt")


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_decrypts_and_verifies_what_we_seal(openssl: OpenSsl, kind: str) -> None:
    (openssl.folder / "message").write_bytes(sealed(kind))
    signed = openssl.made(*decrypting(kind, f"{kind}.key"))
    (openssl.folder / "signed").write_bytes(signed)
    assert openssl.made("-verify", "-noverify", "-binary", "-in", "signed") == ENTITY
    trusted = ("-CAfile", "gateway.crt", "-purpose", "any", "-attime", str(int(NOW.timestamp())))
    assert openssl.made("-verify", "-binary", *trusted, "-in", "signed") == ENTITY


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_refuses_it_with_another_key_or_one_bit_changed(
    openssl: OpenSsl, kind: str
) -> None:
    message = sealed(kind)
    (openssl.folder / "message").write_bytes(message)
    assert openssl.run(*decrypting(kind, f"{kind}-other.key"), "-out", "o").returncode != 0
    (openssl.folder / "message").write_bytes(message[:-1] + bytes([message[-1] ^ 1]))
    assert openssl.run(*decrypting(kind, f"{kind}.key"), "-out", "o").returncode != 0


def encrypted(openssl: OpenSsl, kind: str, *options: str, cipher: str = "-aes-256-gcm") -> bytes:
    sign = ("-sign", "-binary", "-nodetach", "-md", "sha256", "-in", "entity")
    signed = openssl.made(*sign, "-signer", "gateway.crt", "-inkey", "gateway.key")
    (openssl.folder / "signed").write_bytes(signed)
    to = ("-recip", f"{kind}.crt", *options)
    return openssl.made("-encrypt", "-binary", cipher, "-noindef", "-in", "signed", *to)


def keyopts(kind: str) -> list[str]:
    return [part for name in (OAEP if kind == "rsa" else AGREE) for part in ("-keyopt", name)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["DER", "PEM", "SMIME"])
def test_what_openssl_seals_in_our_profile_we_open(openssl: OpenSsl, kind: str, form: str) -> None:
    message = encrypted(openssl, kind, *keyopts(kind), "-outform", form)
    assert opened(message, identity(kind)) == ENTITY


def test_what_openssl_seals_outside_our_profile_is_refused(openssl: OpenSsl) -> None:
    der = ("-outform", "DER")
    cbc = encrypted(openssl, "rsa", *keyopts("rsa"), *der, cipher="-aes-256-cbc")
    assert refused(cbc, "rsa") == "cbc"
    small = encrypted(openssl, "rsa", *keyopts("rsa"), *der, cipher="-aes-128-gcm")
    assert refused(small, "rsa") == "unsupported"
    old_padding = encrypted(openssl, "rsa", *der)
    assert refused(old_padding, "rsa") == "malformed"
    old_derivation = encrypted(openssl, "p256", *der)  # SHA-1 in the key derivation
    assert refused(old_derivation) == "unsupported"


def test_an_encrypted_message_nobody_signed_is_refused(openssl: OpenSsl) -> None:
    to = ("-recip", "p256.crt", *keyopts("p256"), "-outform", "DER")
    unsigned = openssl.made("-encrypt", "-binary", "-aes-256-gcm", "-in", "entity", *to)
    assert refused(unsigned) == "unsupported"


# --- our own reader ---


@pytest.mark.parametrize("kind", KINDS)
def test_a_sealed_message_opens_as_der_pem_and_whole_mail(kind: str) -> None:
    der = sealed(kind)
    lines = base64.encodebytes(der)
    assert opened(der, identity(kind)) == ENTITY
    for label in (b"CMS", b"PKCS7"):
        block = b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label, lines, label)
        assert opened(block, identity(kind)) == ENTITY
    mail = (
        b"From: gateway@example.org\r\nReceived: a\r\nReceived: b\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: application/pkcs7-mime; smime-type=authEnveloped-data;\r\n name="x"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n" + lines
    )
    assert opened(mail, identity(kind)) == ENTITY
    assert opened(mail.replace(b"\r\n", b"\n"), identity(kind)) == ENTITY


@given(st.binary(max_size=500))
def test_any_content_comes_back_byte_for_byte(content: bytes) -> None:
    assert opened(sealed("p256", content), identity("p256")) == content


@given(st.integers(min_value=0))
def test_any_flipped_bit_is_refused(position: int) -> None:
    message = bytearray(sealed("p256"))
    bit = position % (len(message) * 8)
    message[bit // 8] ^= 1 << bit % 8
    refused(bytes(message))


@settings(max_examples=25)
@given(st.integers(min_value=0))
def test_any_flipped_bit_is_refused_for_rsa_too(position: int) -> None:
    message = bytearray(sealed("rsa"))
    bit = position % (len(message) * 8)
    message[bit // 8] ^= 1 << bit % 8
    refused(bytes(message), "rsa")


@given(st.integers(min_value=0))
def test_without_the_certificate_a_flipped_bit_never_changes_the_content(position: int) -> None:
    message = bytearray(sealed("p256"))
    bit = position % (len(message) * 8)
    message[bit // 8] ^= 1 << bit % 8
    try:
        content = cms.open(bytes(message), private_key_pem=identity("p256").private)
    except CannotOpen:
        return
    assert content == ENTITY  # only the unauthenticated name of the recipient was touched


@pytest.mark.parametrize("kind", KINDS)
def test_another_key_or_another_certificate_does_not_open(kind: str) -> None:
    message = sealed(kind)
    for other in (identity(kind, 1), identity("rsa" if kind == "p256" else "p256")):
        with pytest.raises(CannotOpen) as error:
            cms.open(message, private_key_pem=other.private)
        assert error.value.code == "undecryptable"
    with pytest.raises(CannotOpen):
        cms.open(
            message,
            private_key_pem=identity(kind).private,
            certificate_pem=identity(kind, 1).certificate.encode(),
        )


def envelope_of(message: bytes) -> cms_asn1.AuthEnvelopedData:
    info = cms_asn1.decode(cms_asn1.ContentInfo, message)
    return cms_asn1.decode(cms_asn1.AuthEnvelopedData, cms_asn1.encode(info.content))


def wrapped(envelope: object, kind: cms_asn1.ObjectIdentifier) -> bytes:
    content = cms_asn1.element(envelope)
    return cms_asn1.encode(cms_asn1.ContentInfo(content_type=kind, content=content))


@pytest.mark.parametrize("length", [0, 4, 8, 12, 15])
def test_a_shortened_tag_is_refused_even_when_the_message_says_so(length: int) -> None:
    envelope = envelope_of(sealed("p256"))
    envelope.mac = envelope.mac[:length]
    envelope.content.encryption.parameters.tag_length = length or 1
    assert refused(wrapped(envelope, cms_asn1.ID_AUTH_ENVELOPED_DATA)) == "unsupported"


@pytest.mark.parametrize("length", [0, 8, 16, 64])
def test_a_nonce_of_another_length_is_refused(length: int) -> None:
    envelope = envelope_of(sealed("p256"))
    envelope.content.encryption.parameters.nonce = bytes(length)
    assert refused(wrapped(envelope, cms_asn1.ID_AUTH_ENVELOPED_DATA)) == "unsupported"


def test_an_authenticated_cipher_inside_enveloped_data_is_refused() -> None:
    assert refused(wrapped(envelope_of(sealed("p256")), cms_asn1.ID_ENVELOPED_DATA)) == "cbc"


def test_two_recipients_are_refused() -> None:
    envelope = envelope_of(sealed("p256"))
    one = envelope.recipients.as_list()[0]
    envelope.recipients = asn1.SetOf([one, one])
    assert refused(wrapped(envelope, cms_asn1.ID_AUTH_ENVELOPED_DATA)) == "unsupported"


def test_an_ephemeral_point_off_the_curve_is_refused() -> None:
    envelope = envelope_of(sealed("p256"))
    point = asn1.BitString(b"\x04" + bytes(64), 0)
    envelope.recipients.as_list()[0].originator.public_key.public_key = point
    assert refused(wrapped(envelope, cms_asn1.ID_AUTH_ENVELOPED_DATA)) == "malformed"


def test_a_weaker_key_wrap_is_refused_by_name() -> None:
    envelope = envelope_of(sealed("p256"))
    aes128_wrap = cms_asn1.ObjectIdentifier("2.16.840.1.101.3.4.1.5")
    envelope.recipients.as_list()[0].key_encryption.parameters.algorithm = aes128_wrap
    assert refused(wrapped(envelope, cms_asn1.ID_AUTH_ENVELOPED_DATA)) == "unsupported"


def test_bytes_before_or_after_the_der_are_refused() -> None:
    message = sealed("p256")
    for changed in (message + b"\0", message + message, b"\0" + message, message[:-1]):
        refused(changed)


# --- the signature inside ---


def resealed(signed: bytes) -> bytes:
    recipient = certificates.parse_recipient(identity("p256").certificate)
    headers = (("Content-Type", "application/pkcs7-mime"),)
    return cms_envelope.encrypt(mime.write_entity(headers, signed), recipient)


def signed_data() -> cms_asn1.SignedData:
    info = cms_asn1.decode(cms_asn1.ContentInfo, cms_signed.sign(ENTITY, mail_signer(), NOW))
    return cms_asn1.decode(cms_asn1.SignedData, cms_asn1.encode(info.content))


def signed_refusal(signed: cms_asn1.SignedData) -> str:
    return refused(resealed(wrapped(signed, cms_asn1.ID_SIGNED_DATA)))


def test_an_untouched_signature_opens() -> None:
    message = resealed(wrapped(signed_data(), cms_asn1.ID_SIGNED_DATA))
    assert opened(message, identity("p256")) == ENTITY


def test_other_content_under_the_same_signature_is_refused() -> None:
    signed = signed_data()
    signed.content.content = ENTITY + b" "
    assert signed_refusal(signed) == "bad-signature"


def test_other_content_with_its_digest_put_right_is_refused() -> None:
    signed = signed_data()
    info = cms_asn1.decode(cms_asn1.ContentInfo, cms_signed.sign(b"x", mail_signer(), NOW))
    other = cms_asn1.decode(cms_asn1.SignedData, cms_asn1.encode(info.content))
    signature = signed.signers.as_list()[0].signature
    forged = other.signers.as_list()[0]
    forged.signature = signature
    other.signers = asn1.SetOf([forged])
    assert signed_refusal(other) == "bad-signature"


@pytest.mark.parametrize("missing_type", [cms_asn1.CONTENT_TYPE, cms_asn1.MESSAGE_DIGEST])
def test_a_validly_signed_message_without_a_required_attribute_is_refused(
    missing_type: cms_asn1.ObjectIdentifier,
) -> None:
    signed = signed_data()
    signer = signed.signers.as_list()[0]
    kept = [a for a in signer.attributes.as_list() if a.type != missing_type]
    signer.attributes = asn1.SetOf(kept)
    signer.signature = mail_signer().sign(cms_asn1.encode(signer.attributes))
    signed.signers = asn1.SetOf([signer])
    assert signed_refusal(signed) == "bad-signature"


def test_a_certificate_of_the_same_name_with_another_key_is_refused() -> None:
    signed = signed_data()
    impostor = certificate_for(new_key("p256"), address="gateway@example.org", serial=7)
    der = certificates.der(certificates.parse_certificate(impostor))
    signed.certificates = asn1.SetOf([cms_asn1.decode(asn1.TLV, der)])
    assert signed_refusal(signed) == "bad-signature"


def test_a_message_without_its_signers_certificate_is_refused() -> None:
    signed = signed_data()
    other = certificates.der(certificates.parse_certificate(identity("rsa").certificate))
    signed.certificates = asn1.SetOf([cms_asn1.decode(asn1.TLV, other)])
    assert signed_refusal(signed) == "bad-signature"


def test_no_signer_or_two_signers_are_refused() -> None:
    signed = signed_data()
    one = signed.signers.as_list()[0]
    for signers in ([], [one, one]):
        signed.signers = asn1.SetOf(signers)
        assert signed_refusal(signed) == "unsupported"


def test_parameters_where_the_signature_algorithm_has_none_are_refused() -> None:
    signed = signed_data()  # RFC 5758 section 3.2: they must be absent
    signer = signed.signers.as_list()[0]
    signer.signing = cms_asn1.Algorithm(
        algorithm=cms_asn1.ECDSA_WITH_SHA256, parameters=asn1.Null()
    )
    signed.signers = asn1.SetOf([signer])
    assert signed_refusal(signed) == "unsupported"


@pytest.mark.parametrize("name", [b"Content-Type", b"Content-Transfer-Encoding"])
def test_mail_that_states_its_type_or_encoding_twice_is_refused(name: bytes) -> None:
    headers = {
        b"Content-Type": b"application/pkcs7-mime",
        b"Content-Transfer-Encoding": b"base64",
    }
    lines = [key + b": " + value for key, value in headers.items()]
    body = b"\r\n\r\n" + base64.encodebytes(sealed("p256"))
    assert opened(b"\r\n".join(lines) + body, identity("p256")) == ENTITY
    twice = [*lines, name + b": " + headers[name]]
    assert refused(b"\r\n".join(twice) + body) == "malformed"


# --- what may be sealed to, by whom, when ---


@pytest.mark.parametrize(("days", "code"), [(-31, "not-yet-valid"), (366, "expired")])
def test_nothing_is_sealed_outside_a_certificates_time(days: int, code: str) -> None:
    moment = NOW + dt.timedelta(days=days)
    with pytest.raises(BadKey) as error:
        cms.seal(
            ENTITY, certificate_pem=identity("rsa").certificate, signer=mail_signer(), now=moment
        )
    assert error.value.code == code


def test_an_expired_mail_signer_signs_nothing() -> None:
    key = new_key("p256")
    certificate = certificate_for(key, end=NOW - dt.timedelta(seconds=1))
    signer = cms.MailSigner(certificate, pem(key))
    with pytest.raises(BadKey) as error:
        cms.seal(ENTITY, certificate_pem=identity("rsa").certificate, signer=signer, now=NOW)
    assert error.value.code == "expired"


def test_a_mail_signer_must_be_one_p256_pair_meant_for_signing() -> None:
    key, other, rsa_key = new_key("p256"), new_key("p256"), new_key("rsa")
    agreeing = certificate_for(key, extensions=(usage(key_agreement=True),))
    for certificate, private, code in (
        (certificate_for(key), pem(other), "mismatch"),
        (certificate_for(key), pem(rsa_key), "unsupported"),
        (certificate_for(rsa_key), pem(rsa_key), "unsupported"),
        (agreeing, pem(key), "key-usage"),
        (certificate_for(key), b"", "malformed"),
        ("", pem(key), "malformed"),
    ):
        with pytest.raises(BadKey) as error:
            cms.MailSigner(certificate, private)
        assert error.value.code == code


def test_a_private_key_under_a_pass_phrase_is_refused_by_name() -> None:
    locked = new_key("p256").private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    )
    with pytest.raises(BadKey) as error:
        cms.open(sealed("p256"), private_key_pem=locked)
    assert error.value.code == "encrypted"


def test_the_signing_time_moves_to_the_longer_form_in_2050() -> None:
    assert isinstance(cms_signed._time(dt.datetime(2049, 12, 31, tzinfo=dt.UTC)), asn1.UTCTime)
    later = cms_signed._time(dt.datetime(2050, 1, 1, tzinfo=dt.UTC))
    assert isinstance(later, asn1.GeneralizedTime)


@given(st.binary(max_size=400) | st.binary(max_size=400).map(lambda tail: b"\x30\x82" + tail))
def test_arbitrary_bytes_are_refused_and_raise_nothing_else(blob: bytes) -> None:
    with pytest.raises(KeyProblem):
        cms.open(blob, private_key_pem=identity("p256").private)


HEADER_LINES = st.lists(
    st.sampled_from(
        [
            b"Content-Type: application/pkcs7-mime",
            b"Content-Type: multipart/mixed; boundary=b",
            b"Content-Type: ;;;=*0*=\xff",
            b"Content-Transfer-Encoding: base64",
            b"Content-Transfer-Encoding: \xff",
            b"Content-Transfer-Encoding: x-uuencode",
            b" folded",
            b"--b",
            b"",
            b"MIIB",
            b"\x00\xff: \r",
        ]
    ),
    max_size=12,
)


@given(HEADER_LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_malformed_mail_is_refused_and_raises_nothing_else(lines: list, end: bytes) -> None:
    with pytest.raises(KeyProblem):
        cms.open(end.join(lines), private_key_pem=identity("p256").private)
