"""JWE against a second library, both ways, and how many of the RFC 7520 examples are refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK

from keys import jwe
from keys.problem import CannotOpen
from tests.keys.material import PLAINTEXT
from tests.keys.test_jwe import cookbook_files, in_profile, tokens_in
from tests.third_party import vectors

CURVES = ("X25519", "P-256")
ALGORITHMS = ["ECDH-ES", "ECDH-ES+A256KW", "A256GCM"]
PAIRS = {curve: jwe.generate(curve) for curve in CURVES}


def allowing(private: str, alg: str) -> str:
    return json.dumps({**json.loads(private), "alg": alg})


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("alg", ALGORITHMS[:2])
@given(plaintext=st.binary(min_size=1, max_size=200), context=st.binary(max_size=64))
def test_jwcrypto_opens_what_we_seal(
    curve: str, alg: str, plaintext: bytes, context: bytes
) -> None:
    private, public = PAIRS[curve]
    token = jwe.seal(plaintext, public_jwk=allowing(public, alg), key_id="k", context=context)
    peer = JWE(algs=ALGORITHMS)
    peer.deserialize(token.decode(), JWK.from_json(allowing(private, alg)))
    assert peer.payload == plaintext
    assert json.loads(peer.objects["protected"])["alg"] == alg


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("alg", ALGORITHMS[:2])
def test_we_open_what_jwcrypto_seals_in_the_profile(curve: str, alg: str) -> None:
    private, public = PAIRS[curve]
    token = made(public, alg=alg)
    assert jwe.open(token, private_jwk=allowing(private, alg)) == PLAINTEXT


@pytest.mark.parametrize(
    "changes",
    [
        {"zip": "DEF"},
        {"typ": "JWT"},
        {"cty": "JWT"},
        {"enc": "A128GCM"},
        {"enc": "A256CBC-HS512"},
        {"alg": "ECDH-ES+A128KW"},
        {"jku": "https://keys.example/"},
        {"crit": ["exp"], "exp": 1},
    ],
    ids="-".join,
)
def test_what_jwcrypto_seals_outside_it_we_refuse(changes: dict[str, Any]) -> None:
    private, public = PAIRS["P-256"]
    with pytest.raises(CannotOpen) as error:
        jwe.open(made(public, **changes), private_jwk=private)
    assert error.value.code == "unsupported"


def made(public: str, **changes: Any) -> bytes:
    header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "typ": jwe.TYPE, "kid": "k", **changes}
    key = {name: value for name, value in json.loads(public).items() if name != "alg"}
    allowed = [str(header["alg"]), str(header["enc"])]
    peer = JWE(PLAINTEXT, json.dumps(header), algs=allowed, header_registry=KNOWN)
    peer.add_recipient(JWK(**key))
    return str(peer.serialize(compact=True)).encode()


KNOWN = {"exp": None}


def test_the_examples_of_rfc_7520_are_scored(capsys: pytest.CaptureFixture[str]) -> None:
    assert vectors("jose-cookbook")
    tokens = [
        token for path in cookbook_files() for token in tokens_in(json.loads(path.read_text()))
    ]
    refused = 0
    for token in tokens:
        assert not in_profile(token)
        with pytest.raises(CannotOpen):
            jwe.open(token.encode(), private_jwk=PAIRS["P-256"][0])
        refused += 1
    with capsys.disabled():
        print(f"\nRFC 7520: {refused} of {len(tokens)} refused, none is in the profile; floor 40")
    assert refused >= 40
