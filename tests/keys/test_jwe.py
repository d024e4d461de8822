import hashlib
import json
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from hypothesis import given
from hypothesis import strategies as st

from keys import base64url, jwe, jwk
from keys.problem import BadKey, CannotOpen, CannotSeal, KeyProblem
from tests.keys import jose_peer
from tests.keys.material import CONTEXT, PLAINTEXT
from tests.third_party import vector_files, vectors

CURVES = ("X25519", "P-256")
PAIRS = {curve: jwe.generate(curve) for curve in CURVES}
LOW_ORDER = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A256KW"])
@given(plaintext=st.binary(max_size=200), context=st.binary(max_size=64))
def test_a_receiver_written_from_the_rfcs_opens_what_we_seal(
    curve: str, alg: str, plaintext: bytes, context: bytes
) -> None:
    private, public = PAIRS[curve]
    named = json.dumps({**json.loads(public), "alg": alg})
    token = jwe.seal(plaintext, public_jwk=named, key_id="k1", context=context)
    header, opened = jose_peer.receive(token, private)
    assert opened == plaintext
    assert (header["alg"], header["enc"], header["kid"]) == (alg, "A256GCM", "k1")
    assert base64url.decode(header.get("apu", "")) == context
    mine = json.dumps({**json.loads(private), "alg": alg})
    assert jwe.open(token, private_jwk=mine) == plaintext


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A256KW"])
def test_what_a_sender_written_from_the_rfcs_seals_we_open(curve: str, alg: str) -> None:
    private, public = PAIRS[curve]
    mine = json.dumps({**json.loads(private), "alg": alg})
    token = jose_peer.send(PLAINTEXT, public, alg=alg, apu="QWxpY2U")
    assert jwe.open(token, private_jwk=mine) == PLAINTEXT


@pytest.mark.parametrize("curve", CURVES)
@given(position=st.integers(min_value=0))
def test_any_flipped_bit_is_refused(curve: str, position: int) -> None:
    private, public = PAIRS[curve]
    token = bytearray(jwe.seal(PLAINTEXT, public_jwk=public, key_id="k1", context=CONTEXT))
    bit = position % (len(token) * 8)
    token[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CannotOpen):
        jwe.open(bytes(token), private_jwk=private)


@pytest.mark.parametrize("curve", CURVES)
def test_another_key_or_another_curve_does_not_open(curve: str) -> None:
    _, public = PAIRS[curve]
    token = jwe.seal(PLAINTEXT, public_jwk=public, key_id="k1", context=CONTEXT)
    for other in CURVES:
        with pytest.raises(CannotOpen) as error:
            jwe.open(token, private_jwk=jwe.generate(other)[0])
        assert error.value.code == "undecryptable"


@pytest.mark.parametrize(
    "changes",
    [
        {"zip": "DEF"},
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"jku": "https://keys.example.org/jwks.json"},
        {"x5u": "https://keys.example.org/c.pem"},
        {"jwk": {"kty": "oct", "k": "AA"}},
        {"x5c": ["AA"]},
        {"p2c": 1, "p2s": "AA"},
        {"cty": "JWT"},
        {"apv": "Qm9i"},
        {"typ": None},
        {"typ": "JWT"},
        {"kid": None},
        {"kid": 7},
        {"enc": "A128GCM"},
        {"enc": "A256CBC-HS512"},
        {"enc": None},
        {"alg": "ECDH-ES+A128KW"},
        {"alg": "ECDH-ES+A192KW"},
        {"alg": "dir"},
        {"alg": "none"},
        {"alg": "RSA1_5"},
        {"alg": "PBES2-HS512+A256KW"},
        {"alg": "A256KW"},
        {"alg": "ecdh-es"},
        {"alg": None},
        {"alg": ["ECDH-ES"]},
        {"apu": "QQ=="},
        {"apu": "QR"},
    ],
    ids=str,
)
def test_a_header_one_step_outside_the_profile_is_refused(changes: dict) -> None:
    private, public = PAIRS["X25519"]
    token = jose_peer.send(PLAINTEXT, public, **{"apu": None, **changes})
    with pytest.raises(CannotOpen) as error:
        jwe.open(token, private_jwk=private)
    assert error.value.code in {"unsupported", "malformed"}


def bad_epks(curve: str) -> list[object]:
    good = jose_peer._ephemeral(curve)[1]
    long = base64url.encode(bytes(33))
    return [
        {**good, "d": good["x"]},
        {**good, "kid": "e"},
        {**good, "x": good["x"] + "="},
        {**good, "x": long},
        {**good, "x": 1},
        {**good, "crv": "P-384"},
        {**good, "kty": "oct"},
        {name: good[name] for name in good if name != "x"},
        {"crv": "P-521", "x": good["x"]},
        {"crv": "constructor"},
        {"kty": good["kty"]},
        {},
        "epk",
        [],
    ]


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("number", range(14))
def test_an_ephemeral_key_that_is_not_a_bare_point_is_refused(curve: str, number: int) -> None:
    private, _ = PAIRS[curve]
    epk = bad_epks(curve)[number]
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "typ": jwe.TYPE, "kid": "k", "epk": epk}
    mine = json.dumps({**json.loads(private), "alg": "ECDH-ES"})
    token = jose_peer.assemble(json.dumps(header).encode(), b"", bytes(32), PLAINTEXT)
    with pytest.raises(CannotOpen) as error:
        jwe.open(token, private_jwk=mine)
    assert error.value.code == "malformed"


@pytest.mark.parametrize(
    ("curve", "point"),
    [
        ("X25519", {"x": base64url.encode(bytes(32))}),
        ("X25519", {"x": LOW_ORDER}),
        ("P-256", {"x": base64url.encode(bytes(32)), "y": base64url.encode(bytes(32))}),
        ("P-256", {"x": base64url.encode(b"\xff" * 32), "y": base64url.encode(b"\xff" * 32)}),
    ],
)
def test_an_ephemeral_key_off_its_curve_or_of_low_order_is_refused(curve: str, point: dict) -> None:
    private, _ = PAIRS[curve]
    epk = {"kty": "OKP" if curve == "X25519" else "EC", "crv": curve, **point}
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "typ": jwe.TYPE, "kid": "k", "epk": epk}
    mine = json.dumps({**json.loads(private), "alg": "ECDH-ES"})
    # The key an attacker would expect the exchange with such a point to yield.
    other = b"\0\0\0\x07A256GCM" + bytes(8) + (256).to_bytes(4, "big")
    key = ConcatKDFHash(SHA256(), 32, other).derive(bytes(32))
    token = jose_peer.assemble(json.dumps(header).encode(), b"", key, PLAINTEXT)
    with pytest.raises(CannotOpen):
        jwe.open(token, private_jwk=mine)
    with pytest.raises(BadKey):
        jwk.parse_public(json.dumps(epk))


def test_a_header_member_stated_twice_is_refused() -> None:
    private, public = PAIRS["X25519"]
    token = jose_peer.send(PLAINTEXT, public)
    header = jose_peer.unb64(token.decode().split(".")[0])
    twice = header.replace(b'{"alg"', b'{"kid": "k1", "alg"', 1)
    changed = ".".join([jose_peer.b64(twice), *token.decode().split(".")[1:]])
    with pytest.raises(CannotOpen) as error:
        jwe.open(changed.encode(), private_jwk=private)
    assert error.value.code == "malformed"


@pytest.mark.parametrize(
    ("part", "length"), [(1, 0), (1, 32), (1, 48), (2, 8), (2, 16), (4, 4), (4, 12), (4, 15)]
)
def test_a_key_nonce_or_tag_of_another_length_is_refused(part: int, length: int) -> None:
    private, public = PAIRS["X25519"]
    parts = jose_peer.send(PLAINTEXT, public).decode().split(".")
    raw = jose_peer.unb64(parts[part])
    parts[part] = jose_peer.b64((raw + bytes(64))[:length])
    with pytest.raises(CannotOpen) as error:
        jwe.open(".".join(parts).encode(), private_jwk=private)
    assert error.value.code == "malformed"


def test_a_key_bound_to_one_algorithm_opens_no_other() -> None:
    private, public = PAIRS["X25519"]
    token = jose_peer.send(PLAINTEXT, public, alg="ECDH-ES")
    with pytest.raises(CannotOpen):
        jwe.open(token, private_jwk=private)  # its alg is ECDH-ES+A256KW


def test_white_space_padding_and_more_or_fewer_parts_are_refused() -> None:
    private, public = PAIRS["X25519"]
    token = jose_peer.send(PLAINTEXT, public)
    for changed in (b" " + token, token + b"\n", token + b"=", token + b".", token[:-30], b"...."):
        with pytest.raises(CannotOpen):
            jwe.open(changed, private_jwk=private)


def test_lengths_are_capped_before_parsing() -> None:
    private, public = PAIRS["P-256"]
    with pytest.raises(CannotOpen) as error:
        jwe.open(b"A" * ((1 << 20) + 1), private_jwk=private)
    assert error.value.code == "too-long"
    with pytest.raises(CannotSeal):
        jwe.seal(bytes((512 << 10) + 1), public_jwk=public, key_id="k", context=b"")
    longest = bytes(512 << 10)
    token = jwe.seal(longest, public_jwk=public, key_id="k" * 128, context=bytes(512))
    assert jwe.open(token, private_jwk=private) == longest


def changed_jwk(curve: str = "X25519", *, private: bool = False, **changes: object) -> str:
    members = json.loads(PAIRS[curve][0 if private else 1])
    return json.dumps({k: v for k, v in {**members, **changes}.items() if v is not None})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "malformed"),
        ("[]", "malformed"),
        ('{"kty":"OKP","kty":"OKP"}', "malformed"),
        (" " * 20_000, "malformed"),
        (PAIRS["X25519"][0], "private"),
        (PAIRS["P-256"][0], "private"),
        ('{"kty":"oct","k":"AAAA"}', "private"),
        ('{"kty":"RSA","n":"AAAA","e":"AQAB"}', "curve"),
        (changed_jwk(crv="Ed25519"), "curve"),
        (changed_jwk(crv=["X25519"]), "curve"),
        (changed_jwk(kty="EC"), "curve"),
        (changed_jwk(kty=None), "curve"),
        (changed_jwk(kty=None, crv="P-521"), "curve"),
        ('{"crv":"P-521"}', "curve"),
        ("{}", "curve"),
        (changed_jwk(x=LOW_ORDER), "curve"),
        (changed_jwk(x="AAAA"), "curve"),
        (changed_jwk("P-256", y=None), "curve"),
        (changed_jwk("P-256", y=base64url.encode(bytes(32))), "curve"),
        (changed_jwk(use="sig"), "use"),
        (changed_jwk(alg="RSA-OAEP"), "use"),
        (changed_jwk(alg="ECDH-ES+A128KW"), "use"),
        (changed_jwk(key_ops=["verify"]), "use"),
        (changed_jwk(key_ops="deriveKey"), "use"),
    ],
)
def test_a_public_jwk_that_may_not_be_sealed_to_is_refused(text: str, code: str) -> None:
    with pytest.raises(BadKey) as error:
        jwk.parse_public(text)
    assert error.value.code == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        PAIRS["X25519"][1],
        changed_jwk(private=True, d="AAAA"),
        changed_jwk(private=True, d=json.loads(jwe.generate("X25519")[0])["d"]),
        changed_jwk("P-256", private=True, d=json.loads(jwe.generate("P-256")[0])["d"]),
        "\ud800",
    ],
)
def test_a_private_jwk_that_is_not_a_pair_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        jwk.parse_private(text)


def test_key_operations_as_browsers_export_them_are_accepted() -> None:
    assert jwk.parse_public(changed_jwk("P-256", key_ops=[], ext=True)).curve == "P-256"
    assert jwk.parse_public(changed_jwk("P-256", key_ops=["deriveBits"])).curve == "P-256"


def test_the_thumbprint_is_that_of_rfc_7638_and_ignores_everything_optional() -> None:
    public = json.loads(PAIRS["P-256"][1])
    required = {name: public[name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(json.dumps(required, separators=(",", ":")).encode()).digest()
    assert jwe.thumbprint(PAIRS["P-256"][1]) == base64url.encode(digest)
    assert jwe.thumbprint(changed_jwk("P-256", kid="other")) == base64url.encode(digest)


def test_only_two_curves_are_generated() -> None:
    with pytest.raises(BadKey):
        jwe.generate("P-384")  # type: ignore[arg-type]


# --- third-party vectors ---

COOKBOOK = "jose-cookbook"


def cookbook_files() -> list[Path]:
    return [path for path in vector_files(COOKBOOK, "*.json") if path.parent.name != "jwk"]


def tokens_in(value: object) -> list[str]:
    """Every compact or JSON serialisation anywhere in a cookbook file."""
    if not isinstance(value, dict):
        return []
    found = [text for name, text in value.items() if name == "compact"]
    found += [json.dumps(text) for name, text in value.items() if name in {"json", "json_flat"}]
    return found + [token for inner in value.values() for token in tokens_in(inner)]


def in_profile(token: str) -> bool:
    try:
        header = json.loads(jose_peer.unb64(token.partition(".")[0]))
    except ValueError:
        return False
    return (
        token.count(".") == 4
        and header.get("alg") in {"ECDH-ES", "ECDH-ES+A256KW"}
        and header.get("enc") == "A256GCM"
        and header.get("typ") == jwe.TYPE
    )


def test_the_jose_cookbook_is_run() -> None:
    assert vectors(COOKBOOK)
    assert sum(len(tokens_in(json.loads(path.read_text()))) for path in cookbook_files()) >= 40


@pytest.mark.parametrize("path", cookbook_files(), ids=lambda path: path.stem[:30])
def test_a_cookbook_example_outside_the_profile_is_refused(path: Path) -> None:
    example = json.loads(path.read_text())
    key = example.get("input", {}).get("key", {})
    own = [json.dumps(key)] if isinstance(key, dict) and key.get("crv") in CURVES else []
    for token in tokens_in(example):
        assert not in_profile(token), "the cookbook gained an example we should open"
        for private in [*own, *(pair[0] for pair in PAIRS.values())]:
            with pytest.raises(CannotOpen):
                jwe.open(token.encode(), private_jwk=private)


def test_the_cookbooks_x25519_key_is_one_we_can_seal_to_and_open_with() -> None:
    path = vectors(COOKBOOK) / "curve25519" / "ecdh-es.json"
    key = json.loads(path.read_text())["input"]["key"]
    public = json.dumps({name: key[name] for name in key if name != "d"})
    token = jwe.seal(PLAINTEXT, public_jwk=public, key_id=key["kid"], context=CONTEXT)
    assert jwe.open(token, private_jwk=json.dumps(key)) == PLAINTEXT


def attacks() -> list[dict]:
    found = [
        json.loads(path.read_text()) for path in vector_files("own-probes", "jose-attacks.json")
    ]
    return [{**case, "keys": probes["keys"]} for probes in found for case in probes["cases"]]


def test_the_attack_probes_are_run() -> None:
    assert vectors("own-probes/jose-attacks.json")
    assert len(attacks()) >= 16


@pytest.mark.parametrize("case", attacks(), ids=lambda case: case["id"])
def test_an_attack_probe_is_refused_under_every_key(case: dict) -> None:
    for key in case["keys"].values():
        with pytest.raises(KeyProblem):
            jwe.open(case["token"].encode(), private_jwk=json.dumps(key))
    for private in (json.dumps(case["keys"]["ec"]), *(pair[0] for pair in PAIRS.values())):
        with pytest.raises(CannotOpen):
            jwe.open(case["token"].encode(), private_jwk=private)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_and_raise_nothing_else(blob: bytes) -> None:
    for private, _ in PAIRS.values():
        with pytest.raises(CannotOpen):
            jwe.open(blob, private_jwk=private)


SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5)
WORDS = st.sampled_from(["P-256", "X25519", "P-521", "EC", "OKP", "A256GCM", "ECDH-ES", jwe.TYPE])
VALUES = SCALARS | WORDS | st.lists(SCALARS, max_size=2)
NAMES = ["kty", "crv", "x", "y", "d", "use", "alg", "key_ops", "kid"]
JWKS = st.dictionaries(st.sampled_from(NAMES), VALUES | st.just(base64url.encode(bytes(32))))


@given(st.dictionaries(st.sampled_from(["alg", "enc", "typ", "kid", "apu"]), VALUES), JWKS | VALUES)
def test_no_header_however_built_raises_anything_but_a_refusal(changes: dict, epk: object) -> None:
    header = {
        "alg": "ECDH-ES",
        "enc": "A256GCM",
        "typ": jwe.TYPE,
        "kid": "k",
        "epk": epk,
        **changes,
    }
    token = jose_peer.assemble(json.dumps(header).encode(), b"", bytes(32), PLAINTEXT)
    for private, _ in PAIRS.values():
        mine = json.dumps({**json.loads(private), "alg": "ECDH-ES"})
        with pytest.raises(CannotOpen):
            jwe.open(token, private_jwk=mine)


@given(JWKS)
def test_no_jwk_however_built_raises_anything_but_a_refusal(members: dict) -> None:
    for parse in (jwk.parse_public, jwk.parse_private):
        with suppress(BadKey):
            assert parse(json.dumps(members)).curve in CURVES
