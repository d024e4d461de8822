"""A token that is gone, slow, or refuses its PIN (F26), and signing keys that live elsewhere."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.disclosure_log.checkpoint import LogKey, sign_checkpoint, verify_checkpoint
from gateway.disclosure_log.problem import BadKey as BadLogKey
from keys import cms_signed, webhook_signature
from keys.problem import BadKey, KeyProblem
from keys.providers import pkcs11
from keys.providers.aws_kms import KmsEcdsaSigner
from keys.providers.token import Token
from keys.signer import EcdsaSigner, P256Key
from keys.signing import SigningKey, parse_public
from tests.support.tokens import (
    PIN,
    KmsServer,
    SoftHsm,
    aws_credentials,
    new_token_key,
    signing_pair,
    soft_hsm,
)

KEY = bytes(range(32))
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def hsm() -> SoftHsm:
    made = soft_hsm()
    made.add("faults")
    return made


def code(call: object) -> str:
    with pytest.raises(KeyProblem) as caught:
        call()  # type: ignore[operator]
    assert PIN not in repr(caught.value)
    return caught.value.code


def pin(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pin"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_token_taken_away_fails_closed_and_serves_again_when_it_is_back(hsm: SoftHsm) -> None:
    key = new_token_key(hsm.token("faults"), "away")
    wrapped = key.wrap(KEY, b"c")
    with hsm.away():
        for call in (lambda: key.unwrap(wrapped, b"c"), lambda: key.wrap(KEY, b"c")):
            assert code(call) in {"provider-unavailable", "no-such-key"}
    deadline = time.monotonic() + 10
    while not opens(key, wrapped):
        assert time.monotonic() < deadline, "the token did not come back"
        time.sleep(0.1)


def opens(key: pkcs11.TokenKey, wrapped: bytes) -> bool:
    try:
        return key.unwrap(wrapped, b"c") == KEY
    except KeyProblem:
        return False


def test_a_refused_pin_is_offered_once_until_its_file_changes(hsm: SoftHsm, tmp_path: Path) -> None:
    """Each refusal counts down to a locked token: a retry loop must not be what locks it."""
    key = new_token_key(hsm.token("faults"), "pin")
    wrapped = key.wrap(KEY, b"c")
    del key
    file = pin(tmp_path, "0000")
    hsm.add("alone")  # no other session of the process is logged in to it
    token = hsm.token("alone", pin_file=file)
    for _ in range(30):
        assert code(lambda: pkcs11.TokenKey(token, "any")) == "pin"
    file.unlink()
    pin(tmp_path, PIN)
    time.sleep(1.1)
    made = new_token_key(token, "made")
    assert made.unwrap(made.wrap(KEY, b"c"), b"c") == KEY
    assert pkcs11.TokenKey(hsm.token("faults"), "pin").unwrap(wrapped, b"c") == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_pin_file_open_to_others_is_not_used(hsm: SoftHsm, tmp_path: Path, mode: int) -> None:
    file = pin(tmp_path, PIN)
    file.chmod(mode)
    token = hsm.token("faults", pin_file=file)
    assert code(lambda: pkcs11.TokenKey(token, "any")) == "open-to-others"


def test_a_module_or_token_that_is_not_there_is_said_to_be_unavailable(
    hsm: SoftHsm, tmp_path: Path
) -> None:
    nowhere = Token(tmp_path / "none.so", "faults", hsm.pin_file, timeout_s=5)
    assert code(lambda: pkcs11.TokenKey(nowhere, "any")) == "provider-unavailable"
    assert code(lambda: pkcs11.TokenKey(hsm.token("nowhere"), "any")) == "provider-unavailable"


def test_a_token_that_hangs_fails_everybody_at_once_until_it_answers(hsm: SoftHsm) -> None:
    token = hsm.token("faults", timeout_s=0.3)
    release = threading.Event()
    began = time.monotonic()
    assert code(lambda: token.run(lambda _session: release.wait(10))) == "provider-unavailable"
    assert time.monotonic() - began < 2
    began = time.monotonic()
    for _ in range(50):
        assert code(lambda: token.run(lambda _session: 1)) == "provider-unavailable"
    assert time.monotonic() - began < 0.2
    release.set()
    time.sleep(2)  # it is left alone for a while: five times what it made us wait
    assert token.run(lambda _session: 1) == 1


def test_many_threads_share_one_session(hsm: SoftHsm) -> None:
    key = new_token_key(hsm.token("faults"), "shared")
    wrong: list[object] = []

    def use() -> None:
        for number in range(20):
            context = b"%d" % number
            if key.unwrap(key.wrap(KEY, context), context) != KEY:
                wrong.append(number)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert wrong == []


def test_a_log_signed_in_a_token_verifies_as_any_other(hsm: SoftHsm) -> None:
    token = hsm.token("faults")
    signing_pair(token, "log", edwards=True)
    key = LogKey.of("log.example.org/hsm", pkcs11.TokenSigner(token, "log"))
    note = sign_checkpoint(key, size=7, root=bytes(32))
    assert verify_checkpoint(note, [key.verifier_key]).size == 7
    with pytest.raises(BadLogKey):
        _ = key.secret_text
    assert "TokenSigner" not in repr(key)


def test_a_webhook_signed_in_a_token_verifies_as_any_other(hsm: SoftHsm) -> None:
    token = hsm.token("faults")
    signing_pair(token, "webhook", edwards=True)
    signer = pkcs11.TokenSigner(token, "webhook")
    text = webhook_signature.sign([signer, SigningKey.generate()], "evt_1", 100, b"{}" * 9000)
    webhook_signature.verify(
        [signer.public_text],
        message_id="evt_1",
        timestamp="100",
        signature=text,
        body=b"{}" * 9000,
        now=100,
    )
    assert parse_public(signer.public_text).verifies(signer.sign(b"x"), b"x")
    Ed25519PublicKey.from_public_bytes(signer.public).verify(signer.sign(b""), b"")


def test_the_wrong_kind_of_key_is_refused(hsm: SoftHsm) -> None:
    token = hsm.token("faults")
    signing_pair(token, "kind-25519", edwards=True)
    signing_pair(token, "kind-p256", edwards=False)
    assert code(lambda: pkcs11.TokenSigner(token, "kind-p256")) == "no-such-key"
    assert code(lambda: pkcs11.TokenEcdsaSigner(token, "kind-25519")) == "no-such-key"
    with pytest.raises(BadKey):
        P256Key(ec.generate_private_key(ec.SECP384R1()))


@pytest.fixture(scope="module")
def kms() -> object:
    aws_credentials()
    server = KmsServer()
    yield server
    server.stop()


@pytest.fixture(params=["file", "pkcs11", "aws-kms"])
def ecdsa(request: pytest.FixtureRequest) -> EcdsaSigner:
    if request.param == "file":
        return P256Key(ec.generate_private_key(ec.SECP256R1()))
    if request.param == "pkcs11":
        token = request.getfixturevalue("hsm").token("faults")
        label = f"mail-{time.monotonic_ns()}"
        signing_pair(token, label, edwards=False)
        return pkcs11.TokenEcdsaSigner(token, label)
    server = request.getfixturevalue("kms")
    key = server.new_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")
    return KmsEcdsaSigner(server.client(), key)


def test_mail_is_signed_wherever_the_key_lives(ecdsa: EcdsaSigner) -> None:
    for message in (b"m", b"m" * 200):
        ecdsa.public.verify(ecdsa.sign(message), message, ec.ECDSA(SHA256()))
    signer = cms_signed.MailSigner(certificate_for(ecdsa.public), ecdsa)
    raw = cms_signed.sign(b"content", signer, NOW)
    content, certificate = cms_signed.verified_content(raw)
    assert content == b"content"
    assert certificate.public_key() == ecdsa.public


def test_a_certificate_of_another_key_is_refused(ecdsa: EcdsaSigner) -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(BadKey) as caught:
        cms_signed.MailSigner(certificate_for(other), ecdsa)
    assert caught.value.code == "mismatch"


def certificate_for(public: ec.EllipticCurvePublicKey) -> bytes:
    """Return a certificate for a public key whose private half is not here, as an agency's
    authority would issue it."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway.example")])
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=300))
        .add_extension(usage, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
    )
    return made.public_bytes(Encoding.PEM)
