"""The proof that travels with an alert: written, read, verified, and every way to spoil one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.disclosure_log import merkle, proof
from gateway.disclosure_log.checkpoint import sign_checkpoint
from gateway.disclosure_log.problem import BadCheckpoint, BadProof
from tests.disclosure_log import independent
from tests.disclosure_log.logs import KEY, OTHER_KEY, bodies
from tests.third_party import vectors

ENTRIES = bodies(21)
LEAVES = [merkle.leaf_hash(body) for body in ENTRIES]
ROOT = merkle.root_of(LEAVES)
NOTE = sign_checkpoint(KEY, size=len(LEAVES), root=ROOT)
KEYS = [KEY.verifier_key]


def rendered(index: int) -> str:
    path = independent.audit_path(index, LEAVES)
    return proof.render(index=index, path=path, checkpoint=NOTE)


@pytest.mark.parametrize("index", range(21))
def test_every_entrys_proof_verifies_for_it_and_for_no_other(index: int) -> None:
    text = rendered(index)
    found = proof.verify(text, entry=ENTRIES[index], verifiers=KEYS)
    assert found == proof.parse(text)
    assert (found.index, found.checkpoint, found.extra) == (index, NOTE, None)
    second_index, path, size, root = independent.read_proof(text)
    assert (second_index, path, size, root) == (index, list(found.path), 21, ROOT)
    assert independent.includes(index, size, LEAVES[index], path, root)
    for other in {0, 5, 20} - {index}:
        with pytest.raises(BadProof, match="root-mismatch"):
            proof.verify(text, entry=ENTRIES[other], verifiers=KEYS)


def test_a_log_of_one_entry_has_an_empty_path() -> None:
    note = sign_checkpoint(KEY, size=1, root=LEAVES[0])
    text = proof.render(index=0, path=[], checkpoint=note)
    assert text == f"c2sp.org/tlog-proof@v1\nindex 0\n\n{note}"
    assert proof.verify(text, entry=ENTRIES[0], verifiers=KEYS).path == ()


def test_the_text_has_the_shape_of_the_specifications_example() -> None:
    example = (vectors("c2sp-spec") / "tlog-proof.md").read_text("utf-8").split("```")[1]
    theirs = [line.split(" ")[0] for line in example.strip().split("\n")]
    ours = [line.split(" ")[0] for line in rendered(3).split("\n")]
    assert theirs[0] == ours[0] == "c2sp.org/tlog-proof@v1"
    assert theirs[2] == ours[1] == "index"


@given(st.integers(0, 20), st.data())
def test_a_proof_with_any_bit_flipped_is_refused(index: int, data: st.DataObject) -> None:
    spoiled = bytearray(rendered(index).encode())
    bit = data.draw(st.integers(0, len(spoiled) * 8 - 1))
    spoiled[bit // 8] ^= 1 << bit % 8
    text = spoiled.decode("utf-8", "surrogateescape")
    with pytest.raises((BadProof, BadCheckpoint)):
        proof.verify(text, entry=ENTRIES[index], verifiers=KEYS)


@given(st.text())
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(BadProof, match="malformed"):
        proof.parse(text)


def test_extra_bytes_are_read_and_prove_nothing() -> None:
    text = rendered(4).replace("\nindex", "\nextra aGVsbG8=\nindex", 1)
    assert proof.verify(text, entry=ENTRIES[4], verifiers=KEYS).extra == b"hello"


def test_a_proof_under_another_key_is_refused() -> None:
    with pytest.raises(BadCheckpoint, match="no-known-signature"):
        proof.verify(rendered(4), entry=ENTRIES[4], verifiers=[OTHER_KEY.verifier_key])
    with pytest.raises(BadCheckpoint, match="no-known-signature"):
        proof.verify(rendered(4), entry=ENTRIES[4], verifiers=[])


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("@v1", "@v2", "malformed"),
        ("@v1\n", "@v1 \n", "malformed"),
        ("index 4\n", "", "malformed"),
        ("index 4", "index 04", "malformed"),
        ("index 4", "index -4", "malformed"),
        ("index 4", "index  4", "malformed"),
        ("index 4", "index ٤", "malformed"),
        ("index 4", "Index 4", "malformed"),
        ("index 4", "extra !\nindex 4", "malformed"),
        ("index 4", "extra \nextra \nindex 4", "malformed"),
        ("=\n", "\n", "malformed"),
        ("\n\n", "\n", "malformed"),
        ("index 4\n", "index 4\n\n", "too-short"),
        ("index 4\n", "index 4\n" + "A" * 43 + "=\n", "path-length"),
        ("index 4\n", "index 4\nAAAA\n", "hash-length"),
        ("index 4", f"index {2**64}", "index-range"),
        ("index 4", "index 21", "index-range"),
        ("index 4\n", "index 4\n" + ("A" * 43 + "=\n") * 60, "path-length"),
        ("index 4\n", "index 4\n" + "A" * 200_000 + "\n", "too-long"),
    ],
)
def test_a_proof_not_in_the_exact_form_is_refused(old: str, new: str, code: str) -> None:
    text = rendered(4).replace(old, new, 1)
    assert text != rendered(4)
    with pytest.raises((BadProof, BadCheckpoint)) as caught:
        proof.verify(text, entry=ENTRIES[4], verifiers=KEYS)
    if code != "too-short":  # then the checkpoint starts too early, and says so its own way
        assert caught.value.code == code
