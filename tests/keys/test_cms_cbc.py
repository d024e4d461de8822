"""AES-256-CBC by name only: made, opened by OpenSSL and by us, and never taken for the default."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat import asn1
from hypothesis import given
from hypothesis import strategies as st

from keys import certificates, cms, cms_asn1, cms_cbc, cms_envelope, cms_signed, mime
from keys.problem import CannotOpen, CannotSeal
from keys.seal import open_sealed, seal
from tests.keys.material import (
    CONTEXT,
    NOW,
    PLAINTEXT,
    identity,
    mail_signer,
    pair,
    signer_identity,
)
from tests.third_party import missing

KINDS = ("rsa", "p256")


def sealed(kind: str = "p256", plaintext: bytes = PLAINTEXT, cipher: str = "cbc") -> bytes:
    key, _ = pair(f"cms-{kind}")
    return seal(
        plaintext,
        key,
        context=CONTEXT,
        now=NOW,
        mail_signer=mail_signer(),
        cipher=cipher,  # type: ignore[arg-type]
    )


def opened(message: bytes, kind: str = "p256", *, accept: bool = True) -> bytes:
    return open_sealed(message, identity(kind).both, accept_cbc=accept)


def refused(message: bytes, *, accept: bool = True) -> str:
    with pytest.raises(CannotOpen) as error:
        opened(message, accept=accept)
    return error.value.code


@pytest.mark.parametrize("kind", KINDS)
def test_it_opens_only_where_cbc_is_accepted_by_name(kind: str) -> None:
    assert opened(sealed(kind), kind) == PLAINTEXT
    with pytest.raises(CannotOpen) as error:
        opened(sealed(kind), kind, accept=False)
    assert error.value.code == "cbc"
    assert opened(sealed(kind, cipher="gcm"), kind) == PLAINTEXT


@pytest.mark.parametrize("form", ["hpke", "jwe-x25519"])
def test_nothing_but_mail_is_sealed_with_it(form: str) -> None:
    with pytest.raises(CannotSeal) as error:
        seal(PLAINTEXT, pair(form)[0], context=b"", now=NOW, cipher="cbc")
    assert error.value.code == "cipher"


@given(st.binary(max_size=200))
def test_any_content_comes_back(plaintext: bytes) -> None:
    assert opened(sealed(plaintext=plaintext)) == plaintext


@given(st.integers(min_value=0))
def test_no_flipped_bit_ever_yields_other_content(position: int) -> None:
    message = bytearray(sealed())
    bit = position % (len(message) * 8)
    message[bit // 8] ^= 1 << bit % 8
    try:
        content = opened(bytes(message))
    except CannotOpen:
        return
    assert content == PLAINTEXT  # the flip fell outside what is signed, and changed nothing in it


def folder_of(tmp_path: Path, kind: str) -> Path:
    if shutil.which("openssl") is None:
        missing("openssl")
    (tmp_path / "to.pem").write_bytes(identity(kind).both)
    (tmp_path / "gateway.crt").write_text(signer_identity().certificate)
    (tmp_path / "gateway.key").write_bytes(signer_identity().private)
    return tmp_path


def openssl(folder: Path, *words: str) -> bytes:
    done = subprocess.run(
        ["openssl", "cms", *words, "-out", "made"], cwd=folder, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return (folder / "made").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_opens_and_verifies_ours(kind: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, kind)
    (folder / "m").write_bytes(sealed(kind))
    signed = openssl(
        folder, "-decrypt", "-binary", "-inform", "DER", "-in", "m", "-inkey", "to.pem",
        "-recip", "to.pem",
    )  # fmt: skip
    (folder / "signed").write_bytes(signed)
    at = ("-purpose", "any", "-attime", str(int(NOW.timestamp())))
    content = openssl(folder, "-verify", "-binary", "-CAfile", "gateway.crt", *at, "-in", "signed")
    assert mime.read_entity(content, ("application/json",)) == PLAINTEXT


@pytest.mark.parametrize("kind", KINDS)
def test_we_open_what_openssl_makes(kind: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, kind)
    headers = (("Content-Type", "application/json"),)
    (folder / "entity").write_bytes(mime.write_entity(headers, PLAINTEXT))
    signing = ("-signer", "gateway.crt", "-inkey", "gateway.key", "-md", "sha256", "-nodetach")
    (folder / "signed").write_bytes(openssl(folder, "-sign", "-binary", "-in", "entity", *signing))
    options = {
        "rsa": ("rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"),
        "p256": ("ecdh_kdf_md:sha256",),
    }[kind]
    to = ["-recip", "to.pem", *(part for one in options for part in ("-keyopt", one))]
    message = openssl(
        folder, "-encrypt", "-binary", "-aes-256-cbc", "-noindef", "-in", "signed", *to
    )
    assert opened(message, kind) == PLAINTEXT


# --- what stands where it must not ---


def envelope() -> cms_cbc.EnvelopedData:
    info = cms_asn1.decode(cms_asn1.ContentInfo, sealed())
    return cms_asn1.decode(cms_cbc.EnvelopedData, cms_asn1.encode(info.content))


def wrapped(value: object, kind: cms_asn1.ObjectIdentifier) -> bytes:
    content = cms_asn1.element(value)
    return cms_asn1.encode(cms_asn1.ContentInfo(content_type=kind, content=content))


def test_an_authenticated_cipher_in_enveloped_data_is_refused() -> None:
    one = envelope()
    one.content.encryption.algorithm = cms_asn1.AES256_GCM
    assert refused(wrapped(one, cms_asn1.ID_ENVELOPED_DATA)) == "unsupported"
    info = cms_asn1.decode(cms_asn1.ContentInfo, sealed(cipher="gcm"))
    whole = cms_asn1.decode(cms_asn1.AuthEnvelopedData, cms_asn1.encode(info.content))
    assert refused(wrapped(whole, cms_asn1.ID_ENVELOPED_DATA)) == "malformed"


def test_cbc_in_authenticated_enveloped_data_is_refused() -> None:
    assert refused(wrapped(envelope(), cms_asn1.ID_AUTH_ENVELOPED_DATA)) == "malformed"
    info = cms_asn1.decode(cms_asn1.ContentInfo, sealed(cipher="gcm"))
    whole = cms_asn1.decode(cms_asn1.AuthEnvelopedData, cms_asn1.encode(info.content))
    whole.content.encryption.algorithm = cms_cbc.AES256_CBC
    assert refused(wrapped(whole, cms_asn1.ID_AUTH_ENVELOPED_DATA)) == "unsupported"


@pytest.mark.parametrize("length", [0, 8, 12, 17])
def test_a_vector_of_another_length_is_refused(length: int) -> None:
    one = envelope()
    one.content.encryption.vector = bytes(length)
    assert refused(wrapped(one, cms_asn1.ID_ENVELOPED_DATA)) == "unsupported"


def test_bad_padding_and_a_wrong_key_look_the_same() -> None:
    one = envelope()
    one.content.ciphertext = one.content.ciphertext[:-16]
    assert refused(wrapped(one, cms_asn1.ID_ENVELOPED_DATA)) == "undecryptable"
    with pytest.raises(CannotOpen) as error:
        open_sealed(sealed(), identity("p256", 1).private, accept_cbc=True)
    assert error.value.code == "undecryptable"
    one.content.ciphertext = one.content.ciphertext[:-1]
    assert refused(wrapped(one, cms_asn1.ID_ENVELOPED_DATA)) == "malformed"
    one.content.ciphertext = b""
    assert refused(wrapped(one, cms_asn1.ID_ENVELOPED_DATA)) == "malformed"


def test_what_nobody_signed_is_refused_however_well_it_decrypts() -> None:
    recipient = certificates.parse_recipient(identity("p256").certificate)
    entity = mime.write_entity((("Content-Type", "application/json"),), PLAINTEXT)
    assert refused(cms_envelope.encrypt(entity, recipient, "cbc")) == "unsupported"


def test_bytes_before_or_after_the_der_are_refused() -> None:
    message = sealed()
    for changed in (message + b"\0", message + message, b"\0" + message, message[:-1]):
        refused(changed)


@pytest.mark.parametrize("cipher", ["gcm", "cbc"])
def test_an_attribute_stated_twice_or_with_two_values_is_refused(cipher: str) -> None:
    recipient = certificates.parse_recipient(identity("p256").certificate)
    headers = (("Content-Type", "application/pkcs7-mime"),)
    raw = cms_signed.sign(b"x", mail_signer(), NOW)
    info = cms_asn1.decode(cms_asn1.ContentInfo, raw)
    time = cms_signed._attribute(cms_asn1.SIGNING_TIME, cms_signed._time(NOW))
    two = cms_asn1.Attribute(
        type=cms_asn1.SIGNING_TIME, values=asn1.SetOf([*time.values.as_list()] * 2)
    )
    none = cms_asn1.Attribute(type=cms_asn1.ID_DATA, values=asn1.SetOf([]))
    for extra, code in ((time, "bad-signature"), (two, "bad-signature"), (none, "bad-signature")):
        signed = cms_asn1.decode(cms_asn1.SignedData, cms_asn1.encode(info.content))
        signer = signed.signers.as_list()[0]
        signer.attributes = asn1.SetOf([*signer.attributes.as_list(), extra])
        signer.signature = mail_signer().sign(cms_asn1.encode(signer.attributes))
        signed.signers = asn1.SetOf([signer])
        inner = mime.write_entity(headers, wrapped(signed, cms_asn1.ID_SIGNED_DATA))
        message = cms_envelope.encrypt(inner, recipient, cipher)  # type: ignore[arg-type]
        with pytest.raises(CannotOpen) as error:
            cms.open(message, private_key_pem=identity("p256").private, accept_cbc=True)
        assert error.value.code == code
