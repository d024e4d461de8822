"""Wycheproof against the primitives as this package calls them.

Not run, since nothing here reads such keys: x25519_asn_test, x25519_pem_test.
"""

import hmac
import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.errors import JoseError

from keys import cms_envelope, jwe, jwk
from keys.problem import BadKey, CannotOpen
from keys.signing import VerifyingKey
from tests.support.every import every
from tests.third_party import vector_files, vectors

SET = "wycheproof"
Case = dict[str, Any]


def cases(name: str, **wanted: int) -> list[Any]:
    """Every vector of a file as one case, its group under ``group``; `wanted` picks groups."""
    found = []
    for path in vector_files(SET, f"{name}.json"):
        for group in json.loads(path.read_text())["testGroups"]:
            if all(group[key] == value for key, value in wanted.items()):
                found += [
                    pytest.param({**case, "group": group}, id=f"{case['tcId']}")
                    for case in group["tests"]
                ]
    return found


RUN = {
    "ed25519_test": {},
    "aes_gcm_test": {"ivSize": 96, "keySize": 256, "tagSize": 128},
    "hkdf_sha256_test": {},
    "hmac_sha256_test": {"tagSize": 256},
    "ecdh_secp256r1_webcrypto_test": {},
    "x25519_jwk_test": {},
    "x25519_test": {},
    "rsa_oaep_2048_sha256_mgf1sha256_test": {},
    "json_web_signature_test": {},
}


FLOOR = 2200  # each vector is a test of its own below, so the score is all of them


@every("name", RUN)
def test_the_vectors_are_run(name: str) -> None:
    assert vectors(f"{SET}/{name}.json")
    assert len(cases(name, **RUN[name])) > 20


def test_the_number_of_vectors_is_at_its_floor(capsys: pytest.CaptureFixture[str]) -> None:
    assert vectors(SET)
    counted = {name: len(cases(name, **wanted)) for name, wanted in RUN.items()}
    with capsys.disabled():
        print(
            f"\nWycheproof: {sum(counted.values())} vectors in {len(counted)} files; floor {FLOOR}"
        )
    assert sum(counted.values()) >= FLOOR


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


@every("case", cases("ed25519_test"))
def test_ed25519_verification(case: Case) -> None:
    key = VerifyingKey(Ed25519PublicKey.from_public_bytes(raw(case["group"]["publicKey"]["pk"])))
    assert key.verifies(raw(case["sig"]), raw(case["msg"])) is (case["result"] == "valid")


@every("case", cases("aes_gcm_test", **RUN["aes_gcm_test"]))
def test_aes_256_gcm(case: Case) -> None:
    cipher = AESGCM(raw(case["key"]))
    iv, aad, sealed = raw(case["iv"]), raw(case["aad"]), raw(case["ct"]) + raw(case["tag"])
    if case["result"] == "valid":
        assert cipher.decrypt(iv, sealed, aad) == raw(case["msg"])
        assert cipher.encrypt(iv, raw(case["msg"]), aad) == sealed
    else:
        with pytest.raises(InvalidTag):
            cipher.decrypt(iv, sealed, aad)


@every("case", cases("hkdf_sha256_test"))
def test_hkdf_expansion(case: Case) -> None:
    extracted = hmac.digest(raw(case["salt"]) or bytes(32), raw(case["ikm"]), "sha256")
    if case["result"] == "valid":
        expanded = HKDFExpand(SHA256(), case["size"], raw(case["info"])).derive(extracted)
        assert expanded == raw(case["okm"])
    else:
        with pytest.raises(ValueError):
            HKDFExpand(SHA256(), case["size"], raw(case["info"])).derive(extracted)


@every("case", cases("hmac_sha256_test", tagSize=256))
def test_hmac_sha256(case: Case) -> None:
    made = hmac.digest(raw(case["key"]), raw(case["msg"]), "sha256")
    assert hmac.compare_digest(made, raw(case["tag"])) is (case["result"] == "valid")


def agreed(case: Case) -> bytes:
    private = jwk.parse_private(json.dumps(case["private"]))
    public = jwk.parse_public(json.dumps(case["public"]))
    if private.curve != public.curve:
        raise BadKey("curve", "two curves")
    return private.key.exchange_derive_key(public.key)  # type: ignore[arg-type]


@every("case", cases("ecdh_secp256r1_webcrypto_test"))
def test_p256_key_agreement_between_json_web_keys(case: Case) -> None:
    if case["result"] == "valid":
        assert agreed(case) == raw(case["shared"])
    else:
        with pytest.raises((BadKey, JoseError)):
            agreed(case)


@every("case", cases("x25519_jwk_test"))
def test_x25519_key_agreement_between_json_web_keys(case: Case) -> None:
    if case["result"] == "invalid" or "ZeroSharedSecret" in case["flags"]:
        with pytest.raises(BadKey):
            agreed(case)
    else:
        assert agreed(case) == raw(case["shared"])


@every("case", cases("x25519_test"))
def test_x25519_raw_key_agreement(case: Case) -> None:
    private = X25519PrivateKey.from_private_bytes(raw(case["private"]))
    public = X25519PublicKey.from_public_bytes(raw(case["public"]))
    if "ZeroSharedSecret" in case["flags"]:
        with pytest.raises(ValueError):
            private.exchange(public)
    else:
        assert private.exchange(public) == raw(case["shared"])


@pytest.fixture(scope="module")
def rsa_key() -> Any:
    path = vectors(f"{SET}/rsa_oaep_2048_sha256_mgf1sha256_test.json")
    (group,) = json.loads(path.read_text())["testGroups"]
    return load_pem_private_key(group["privateKeyPem"].encode(), None)


@pytest.mark.parametrize("case", cases("rsa_oaep_2048_sha256_mgf1sha256_test"))
def test_rsa_oaep_without_a_label(case: Case, rsa_key: Any) -> None:
    if case["result"] == "valid" and not case["label"]:
        assert rsa_key.decrypt(raw(case["ct"]), cms_envelope._OAEP) == raw(case["msg"])
    else:  # sealed under a label, or not sealed properly at all
        with pytest.raises(ValueError):
            rsa_key.decrypt(raw(case["ct"]), cms_envelope._OAEP)


@every("case", cases("json_web_signature_test"))
def test_a_signed_token_is_never_taken_for_a_sealed_one(case: Case) -> None:
    token = case["jws"] if isinstance(case["jws"], str) else json.dumps(case["jws"])
    with pytest.raises(CannotOpen):
        jwe.open(token.encode(), private_jwk=PRIVATE)


PRIVATE = jwe.generate("P-256")[0]
