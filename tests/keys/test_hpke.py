import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import base64url, hpke
from keys.problem import BadKey, CannotOpen, CannotSeal
from tests.keys.hpke_receiver import receive
from tests.keys.material import CONTEXT, PLAINTEXT

PRIVATE, PUBLIC = hpke.generate()


def sealed(**changes: object) -> bytes:
    blob = hpke.seal(PLAINTEXT, public_text=PUBLIC, key_id="k1", context=CONTEXT)
    return json.dumps({**json.loads(blob), **changes}).encode()


def test_the_seed_of_the_x_wing_draft_gives_its_published_public_key() -> None:
    # draft-connolly-cfrg-xwing-kem-08 appendix C, first vector: both ends of the 1216 bytes.
    seed = bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
    public = hpke.public_bytes(hpke.public_of("thsk_" + base64url.encode(seed)))
    assert public[:16].hex() == "e2236b35a8c24b39b10aa1323a96a919"
    assert public[-28:].hex() == "eff389b27dce59844570216223593d4ba32d9abac8cd049040ef6534"


@given(st.binary(max_size=300), st.binary(max_size=64), st.text("abcXYZ-_0", min_size=1))
def test_a_receiver_written_from_the_specifications_opens_what_we_seal(
    plaintext: bytes, context: bytes, key_id: str
) -> None:
    blob = hpke.seal(plaintext, public_text=PUBLIC, key_id=key_id, context=context)
    assert receive(blob, PRIVATE) == plaintext == hpke.open(blob, private_text=PRIVATE)


def test_the_sealed_object_is_compact_json_of_four_members() -> None:
    blob = hpke.seal(PLAINTEXT, public_text=PUBLIC, key_id="k1", context=CONTEXT)
    members = json.loads(blob)
    assert blob == json.dumps(members, separators=(",", ":")).encode()
    assert list(members) == ["alg", "kid", "ctx", "ct"]
    assert members["alg"] == "HPKE-MLKEM768X25519-SHA256-A256GCM"
    assert base64url.decode(members["ctx"]) == CONTEXT
    assert len(base64url.decode(members["ct"])) == 1120 + len(PLAINTEXT) + 16


def test_sealing_twice_never_gives_the_same_bytes() -> None:
    assert sealed() != sealed()


@given(st.integers(min_value=0))
def test_any_flipped_bit_is_refused(position: int) -> None:
    blob = bytearray(hpke.seal(PLAINTEXT, public_text=PUBLIC, key_id="k1", context=CONTEXT))
    bit = position % (len(blob) * 8)
    blob[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CannotOpen):
        hpke.open(bytes(blob), private_text=PRIVATE)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kid": "k2"}, "undecryptable"),
        ({"ctx": base64url.encode(b"alert:other")}, "undecryptable"),
        ({"ctx": ""}, "undecryptable"),
        ({"alg": "HPKE-P256-SHA256-A256GCM"}, "unsupported"),
        ({"alg": "HPKE-X25519-SHA256-A256GCM"}, "undecryptable"),  # a suite, but not this key's
        ({"alg": None}, "malformed"),
        ({"kid": 1}, "malformed"),
        ({"extra": "x"}, "malformed"),
        ({"ctx": "AA=="}, "malformed"),
        ({"ctx": "AB"}, "malformed"),  # stray bits: same bytes as AA under a lenient reader
        ({"ctx": "+/"}, "malformed"),
        ({"ct": "AAAA"}, "malformed"),
        ({"kid": "k" * 513}, "malformed"),
    ],
)
def test_a_changed_member_is_refused(changes: dict, code: str) -> None:
    with pytest.raises(CannotOpen) as error:
        hpke.open(sealed(**changes), private_text=PRIVATE)
    assert error.value.code == code


def test_moving_bytes_between_key_id_and_context_is_refused() -> None:
    blob = json.loads(hpke.seal(b"x", public_text=PUBLIC, key_id="ab", context=b"c"))
    moved = {**blob, "kid": "a", "ctx": base64url.encode(b"bc")}
    with pytest.raises(CannotOpen):
        hpke.open(json.dumps(moved).encode(), private_text=PRIVATE)


def test_another_key_does_not_open() -> None:
    other, _ = hpke.generate()
    with pytest.raises(CannotOpen) as error:
        hpke.open(sealed(), private_text=other)
    assert error.value.code == "undecryptable"


@pytest.mark.parametrize(
    "blob",
    [b"", b"[]", b"{}", b"\xff", b'{"alg":1}', b"{" * 50, b'{"kid":"a","kid":"b"}', b"null"],
)
def test_what_is_no_sealed_object_is_refused(blob: bytes) -> None:
    with pytest.raises(CannotOpen):
        hpke.open(blob, private_text=PRIVATE)


def test_a_member_stated_twice_is_refused() -> None:
    twice = sealed().replace(b'{"alg"', b'{"kid":"k1","alg"', 1)
    with pytest.raises(CannotOpen) as error:
        hpke.open(twice, private_text=PRIVATE)
    assert error.value.code == "malformed"


def test_lengths_are_capped_before_parsing() -> None:
    with pytest.raises(CannotOpen) as error:
        hpke.open(b" " * ((1 << 20) + 1), private_text=PRIVATE)
    assert error.value.code == "too-long"
    with pytest.raises(CannotSeal):
        hpke.seal(bytes((512 << 10) + 1), public_text=PUBLIC, key_id="k", context=b"")


def test_the_longest_content_that_may_be_sealed_opens_again() -> None:
    longest = bytes(512 << 10)
    blob = hpke.seal(longest, public_text=PUBLIC, key_id="k" * 128, context=bytes(512))
    assert hpke.open(blob, private_text=PRIVATE) == longest


@pytest.mark.parametrize("key_id", ["", "k" * 129, "a\nb", "é"])
def test_a_key_id_that_would_not_fit_a_header_is_refused(key_id: str) -> None:
    with pytest.raises(CannotSeal):
        hpke.seal(b"", public_text=PUBLIC, key_id=key_id, context=b"")


def bad_publics() -> list[tuple[str, str]]:
    raw = hpke.public_bytes(PUBLIC)
    return [
        ("", "malformed"),
        (PRIVATE, "malformed"),
        ("thpk_", "length"),
        (PUBLIC[:-1] + "!", "malformed"),
        ("thpk_" + base64url.encode(raw[:-1]), "length"),
        ("thpk_" + base64url.encode(b"\xff" * 1184 + raw[1184:]), "malformed"),
        ("thpk_" + base64url.encode(raw[:1184] + bytes(32)), "weak"),
    ]


BAD_PUBLIC_IDS = ["empty", "private", "nothing", "sign", "short", "coefficients", "low order"]


@pytest.mark.parametrize(("text", "code"), bad_publics(), ids=BAD_PUBLIC_IDS)  # keys are random
def test_a_public_key_that_cannot_be_sealed_to_is_refused(text: str, code: str) -> None:
    with pytest.raises(BadKey) as error:
        hpke.public_bytes(text)
    assert error.value.code == code


@pytest.mark.parametrize("text", ["", "thsk_", "thsk_AAAA", PUBLIC, "thsk_" + "é" * 43])
def test_a_private_key_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        hpke.open(sealed(), private_text=text)


def test_the_key_id_is_the_start_of_the_hash_of_the_raw_key() -> None:
    raw = hpke.public_bytes(PUBLIC)
    assert hpke.key_id(PUBLIC) == hashlib.sha256(raw).hexdigest()[:16]
    assert hpke.public_of(PRIVATE) == PUBLIC
