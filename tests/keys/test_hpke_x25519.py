"""The plain X25519 suite: against a second implementation, both ways, and the published numbers."""

import json
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from hypothesis import given
from hypothesis import strategies as st
from pyhpke import AEADId, CipherSuite, KDFId, KEMId

from keys import base64url, hpke
from keys.problem import BadKey, CannotOpen
from tests.keys.material import CONTEXT, PLAINTEXT

PRIVATE, PUBLIC = hpke.generate("x25519")
PEER = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES256_GCM)
VECTORS = Path(cryptography_vectors.__file__).parent / "HPKE"


def info(key_id: str, context: bytes) -> bytes:
    kid = key_id.encode()
    return b"throughgate/seal/v1\0" + len(kid).to_bytes(2, "big") + kid + context


@given(st.binary(max_size=300), st.binary(max_size=64))
def test_pyhpke_opens_what_we_seal(plaintext: bytes, context: bytes) -> None:
    blob = hpke.seal(plaintext, public_text=PUBLIC, key_id="k1", context=context)
    members = json.loads(blob)
    assert members["alg"] == "HPKE-X25519-SHA256-A256GCM"
    raw = base64url.decode(members["ct"])
    key = PEER.kem.deserialize_private_key(base64url.decode(PRIVATE.rpartition(".")[2]))
    peer = PEER.create_recipient_context(raw[:32], key, info=info("k1", context))
    assert peer.open(raw[32:]) == plaintext == hpke.open(blob, private_text=PRIVATE)


@given(st.binary(max_size=300), st.binary(max_size=64))
def test_we_open_what_pyhpke_seals(plaintext: bytes, context: bytes) -> None:
    key = PEER.kem.deserialize_public_key(hpke.public_bytes(PUBLIC))
    encapsulated, peer = PEER.create_sender_context(key, info=info("k2", context))
    members = {
        "alg": "HPKE-X25519-SHA256-A256GCM",
        "kid": "k2",
        "ctx": base64url.encode(context),
        "ct": base64url.encode(encapsulated + peer.seal(plaintext)),
    }
    assert hpke.open(json.dumps(members).encode(), private_text=PRIVATE) == plaintext


def test_neither_suite_opens_the_others() -> None:
    hybrid_private, hybrid_public = hpke.generate()
    plain = hpke.seal(PLAINTEXT, public_text=PUBLIC, key_id="k", context=CONTEXT)
    hybrid = hpke.seal(PLAINTEXT, public_text=hybrid_public, key_id="k", context=CONTEXT)
    for blob, key in ((plain, hybrid_private), (hybrid, PRIVATE)):
        with pytest.raises(CannotOpen) as error:
            hpke.open(blob, private_text=key)
        assert error.value.code == "undecryptable"


def test_the_text_of_a_key_says_which_suite_it_is_for() -> None:
    assert PUBLIC.startswith("thpk_x25519.")
    assert PRIVATE.startswith("thsk_x25519.")
    assert hpke.public_of(PRIVATE) == PUBLIC
    assert len(hpke.public_bytes(PUBLIC)) == 32
    for text, code in (
        ("thpk_" + PUBLIC.rpartition(".")[2], "length"),  # unmarked, it is a hybrid key cut short
        ("thpk_x25519." + hpke.generate()[1][5:], "length"),
        ("thpk_x25519.", "length"),
        ("thpk_x25519." + base64url.encode(bytes(32)), "weak"),
        ("thpk_p256." + base64url.encode(bytes(32)), "malformed"),
    ):
        with pytest.raises(BadKey) as error:
            hpke.public_bytes(text)
        assert error.value.code == code


KEMS = {16: KEM.P256, 32: KEM.X25519}
KDFS = {1: KDF.HKDF_SHA256, 3: KDF.HKDF_SHA512}
AEADS = {1: AEAD.AES_128_GCM, 2: AEAD.AES_256_GCM, 3: AEAD.CHACHA20_POLY1305}


def vectors(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((VECTORS / name).read_text())
    return found


def private_key(vector: dict[str, Any]) -> Any:
    raw = bytes.fromhex(vector["skRm"])
    if vector["kem_id"] == 32:
        return X25519PrivateKey.from_private_bytes(raw)
    return ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1())


def opens(suite: Suite, vector: dict[str, Any], key: Any) -> bool:
    first = vector["encryptions"][0]
    # Through the library's unadvertised door: the published numbers have additional data, and
    # the public one takes none.
    opened = openssl.hpke._decrypt_with_aad(
        suite,
        bytes.fromhex(vector["enc"] + first["ct"]),
        key,
        info=bytes.fromhex(vector["info"]),
        aad=bytes.fromhex(first["aad"]),
    )
    return opened == bytes.fromhex(first["pt"])


def test_the_numbers_of_rfc_9180_come_out(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = [
        one
        for one in vectors("test-vectors.json")
        if one["mode"] == 0 and one["kem_id"] in KEMS and one["aead_id"] in AEADS
    ]
    score = sum(
        opens(
            Suite(KEMS[one["kem_id"]], KDFS[one["kdf_id"]], AEADS[one["aead_id"]]),
            one,
            private_key(one),
        )
        for one in chosen
    )
    with capsys.disabled():
        print(f"\nRFC 9180, base mode, X25519 and P-256: {score} of {len(chosen)}; floor 12")
    assert score == len(chosen) == 12
    assert [one for one in chosen if (one["kem_id"], one["kdf_id"], one["aead_id"]) == (32, 1, 2)]


def test_the_numbers_of_the_hybrid_draft_come_out() -> None:
    (vector,) = [
        one
        for one in vectors("hpke-pq-test-vectors.json")
        if (one["kem_id"], one["kdf_id"]) == (0x647A, 1)
    ]
    private = "thsk_" + base64url.encode(bytes.fromhex(vector["skRm"]))
    assert hpke.public_bytes(hpke.public_of(private)) == bytes.fromhex(vector["pkRm"])
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEADS[vector["aead_id"]])
    assert opens(suite, vector, hpke._private_key(private))
