"""Cosignatures of both kinds: the specification's examples, and every way to spoil one."""

import base64
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.disclosure_log.checkpoint import LogKey, sign_checkpoint, verify_checkpoint
from gateway.disclosure_log.cosignature import (
    MAX_TIMESTAMP,
    Algorithm,
    CosignerKey,
    CosigningKey,
    timestamp_of,
)
from gateway.disclosure_log.note import (
    MAX_SIGNATURES,
    VerifierKey,
    merge,
    open_note,
    parse_note,
    parse_signatures,
)
from gateway.disclosure_log.problem import BadCheckpoint, BadKey
from tests.disclosure_log.logs import KEY, ORIGIN
from tests.disclosure_log.test_checkpoint import blocks

NAME = "witness.example/w1"
AT = 1_774_000_000
ROOT = bytes(range(32))
NOTE = sign_checkpoint(KEY, size=7, root=ROOT)
TEXT = parse_note(NOTE).text
ED = CosigningKey.generate(NAME, "ed25519")
ML = CosigningKey.generate(NAME, "ml-dsa-44")
BOTH = pytest.mark.parametrize("key", [ED, ML], ids=["ed25519", "ml-dsa-44"])


def blob(line: str) -> bytes:
    [(_name, found)] = parse_signatures(line)
    return found


def test_the_specifications_example_is_read_with_the_time_it_states() -> None:
    note = next(one for one in blocks("tlog-cosignature.md") if "witness.example.com/w1" in one)
    parsed = parse_note(note)
    name, signature = parsed.signatures[1]
    assert name == "witness.example.com/w1"
    assert timestamp_of(signature[4:]) == 1679315147
    assert len(signature) == 4 + 8 + 64
    assert str(parsed) == note


def test_the_specifications_answer_of_a_witness_is_read() -> None:
    text = next(
        part
        for part in _indented("tlog-witness.md")
        if part.startswith("\u2014 witness.example/w1 CMp+6L")
    )
    names = [name for name, _ in parse_signatures(text)]
    assert names == ["witness.example/w1", "witness.example/w1", "witness.example/w2"]


def _indented(specification: str) -> list[str]:
    from tests.third_party import vectors

    lines = (vectors("c2sp-spec") / specification).read_text("utf-8").split("\n")
    found, part = [], ""
    for line in lines:
        if line.startswith("    "):
            part += line[4:] + "\n"
        elif part:
            found.append(part)
            part = ""
    return found


def test_an_ed25519_cosignature_is_over_the_message_of_the_specification() -> None:
    signature = blob(ED.cosign(TEXT, at=AT))
    assert signature[4:12] == struct.pack(">Q", AT)
    message = f"cosignature/v1\ntime {AT}\n{TEXT}".encode()
    Ed25519PublicKey.from_public_bytes(ED.public_key.public).verify(signature[12:], message)


def test_an_ml_dsa_cosignature_is_over_the_structure_of_the_specification() -> None:
    signature = blob(ML.cosign(TEXT, at=AT))
    name, origin = NAME.encode(), ORIGIN.encode()
    message = b"subtree/v1\n\x00" + struct.pack(
        f">B{len(name)}sQB{len(origin)}sQQ32s",
        len(name), name, AT, len(origin), origin, 0, 7, ROOT,
    )  # fmt: skip
    assert len(signature) == 4 + 8 + 2420
    MLDSA44PublicKey.from_public_bytes(ML.public_key.public).verify(signature[12:], message)


@BOTH
def test_a_cosigned_checkpoint_verifies_for_who_knows_the_witness_and_who_does_not(
    key: CosigningKey,
) -> None:
    note = NOTE + key.cosign(TEXT, at=AT)
    assert verify_checkpoint(note, [KEY.verifier_key]).size == 7
    assert verify_checkpoint(note, [KEY.verifier_key, key.public_key]).size == 7
    assert open_note(note, [key.public_key]) == (TEXT, (key.public_key,))
    with pytest.raises(BadCheckpoint, match="origin-mismatch"):
        verify_checkpoint(note, [key.public_key])


@BOTH
def test_a_cosignature_holds_for_this_checkpoint_alone(key: CosigningKey) -> None:
    signature = blob(key.cosign(TEXT, at=AT))[4:]
    assert key.public_key.verifies(TEXT.encode(), signature)
    other_size = TEXT.replace("\n7\n", "\n8\n").encode()
    other_log = TEXT.replace(ORIGIN, "log.example.org/b").encode()
    later = struct.pack(">Q", AT + 1) + signature[8:]
    assert not key.public_key.verifies(other_size, signature)
    assert not key.public_key.verifies(other_log, signature)
    assert not key.public_key.verifies(TEXT.encode(), later)
    assert not key.public_key.verifies(b"\xff", signature)
    assert not key.public_key.verifies(TEXT.encode(), signature[:8])
    assert not key.public_key.verifies(TEXT.encode(), b"")


@BOTH
@given(st.data())
def test_any_flipped_bit_of_a_cosignature_is_refused(
    key: CosigningKey, data: st.DataObject
) -> None:
    signature = bytearray(blob(key.cosign(TEXT, at=AT))[4:])
    bit = data.draw(st.integers(0, len(signature) * 8 - 1))
    signature[bit // 8] ^= 1 << bit % 8
    assert not key.public_key.verifies(TEXT.encode(), bytes(signature))


def test_only_ml_dsa_commits_to_the_witnesses_name() -> None:
    for key, holds in ((ED, True), (ML, False)):
        renamed = CosignerKey(
            name="witness.example/w2", algorithm=key.algorithm, public=key.public_key.public
        )
        assert renamed.verifies(TEXT.encode(), blob(key.cosign(TEXT, at=AT))[4:]) is holds


@BOTH
def test_keys_survive_their_text_forms(key: CosigningKey) -> None:
    again = CosigningKey.parse_secret(key.secret_text + "\n")
    assert again.public_key == key.public_key
    assert CosignerKey.parse(f" {key.public_key}\n") == key.public_key
    assert key.public_key.verifies(TEXT.encode(), blob(again.cosign(TEXT, at=AT))[4:])
    assert key.secret_text.startswith(f"PRIVATE+KEY+{NAME}+")


@BOTH
def test_a_key_never_shows_its_secret_by_itself(key: CosigningKey) -> None:
    secret = key.secret_text.split("+", 4)[4]
    assert len(secret) > 40
    assert secret not in repr(key)


@BOTH
def test_the_vkey_states_the_type_and_the_hash_of_the_specification(key: CosigningKey) -> None:
    kind = {"ed25519": 4, "ml-dsa-44": 6}[key.algorithm]
    material = base64.b64decode(str(key.public_key).split("+", 2)[2])
    assert material[0] == kind
    assert material[1:] == key.public_key.public


@BOTH
@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text.replace("+", "", 1),
        lambda text: text.replace("witness", "wetness"),
        lambda text: text[:-4],
        lambda text: text + "=",
        lambda text: text.upper(),
        lambda text: "a b" + text,
    ],
)
def test_a_spoiled_key_is_refused_and_not_quoted(key: CosigningKey, spoil) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    for text, parse in (
        (str(key.public_key), CosignerKey.parse),
        (key.secret_text, CosigningKey.parse_secret),
    ):
        with pytest.raises(BadKey) as caught:
            parse(spoil(text))
        assert len(str(caught.value)) < 20


def test_a_logs_key_is_no_cosigners_nor_the_other_way_round() -> None:
    with pytest.raises(BadKey, match="signature-type"):
        CosignerKey.parse(KEY.verifier)
    with pytest.raises(BadKey, match="signature-type"):
        CosigningKey.parse_secret(KEY.secret_text)
    for key in (ED, ML):
        with pytest.raises(BadKey, match="signature-type"):
            VerifierKey.parse(str(key.public_key))
        with pytest.raises(BadKey, match="signature-type"):
            LogKey.parse_secret(key.secret_text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "x" * 256, "\u00e8" * 128])
@pytest.mark.parametrize("algorithm", ["ed25519", "ml-dsa-44"])
def test_a_name_that_cannot_be_a_cosigners_is_refused(name: str, algorithm: Algorithm) -> None:
    with pytest.raises(BadKey, match="key-name"):
        CosigningKey.generate(name, algorithm)


@BOTH
def test_only_checkpoints_are_cosigned_and_only_at_a_time(key: CosigningKey) -> None:
    for at in (0, -1, MAX_TIMESTAMP + 1):
        with pytest.raises(ValueError):
            key.cosign(TEXT, at=at)
    with pytest.raises(BadCheckpoint):
        key.cosign("This is no checkpoint.\n", at=AT)
    assert timestamp_of(b"\xff" * 72) is None


def test_signatures_are_merged_each_key_once_and_the_newest_stays() -> None:
    older, newer = ED.cosign(TEXT, at=AT), ED.cosign(TEXT, at=AT + 60)
    once = merge(NOTE, parse_signatures(older + ML.cosign(TEXT, at=AT)))
    twice = merge(once, parse_signatures(newer))
    signatures = parse_note(twice).signatures
    assert [name for name, _ in signatures] == [ORIGIN, NAME, NAME]
    assert signatures[1][1] == blob(newer)
    keys = [KEY.verifier_key, ED.public_key, ML.public_key]
    assert set(open_note(twice, keys)[1]) == set(keys)
    assert merge(twice, ()) == twice


def test_no_note_grows_past_what_a_reader_takes() -> None:
    many = [(f"w{number}.example", b"key-" + b"x" * 72) for number in range(MAX_SIGNATURES)]
    with pytest.raises(BadCheckpoint, match="too-many"):
        merge(NOTE, many)
    large = [(f"w{number}.example", b"key-" + b"x" * 2428) for number in range(60)]
    with pytest.raises(BadCheckpoint, match="too-many"):
        merge(NOTE, large)
    assert len(parse_note(merge(NOTE, large[:16])).signatures) == 17


@given(st.text(max_size=100))
def test_any_text_is_no_signature_of_a_witness(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        parse_signatures(text)
