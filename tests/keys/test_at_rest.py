import contextlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.at_rest import DataKey, RootKey, header, key_id_of
from keys.problem import BadKey, CannotOpen

KEY = DataKey(bytes(range(32)))
ROOT = RootKey(bytes(range(32)))


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_a_sealed_value_opens_for_its_own_row(plaintext: bytes, context: bytes) -> None:
    blob = KEY.seal(plaintext, context)
    assert KEY.open(blob, context) == plaintext
    assert len(blob) == 1 + 12 + len(plaintext) + 16


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_a_value_moved_to_another_row_does_not_open(mine: bytes, other: bytes) -> None:
    if mine != other:
        with pytest.raises(CannotOpen):
            KEY.open(KEY.seal(b"x", mine), other)


@given(st.integers(min_value=0))
def test_any_flipped_bit_is_refused(position: int) -> None:
    blob = bytearray(KEY.seal(b"plaintext", b"event:evt_1"))
    bit = position % (len(blob) * 8)
    blob[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CannotOpen):
        KEY.open(bytes(blob), b"event:evt_1")


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_refused_and_raise_nothing_else(blob: bytes) -> None:
    with pytest.raises(CannotOpen):
        KEY.open(blob, b"")
    with pytest.raises(CannotOpen):
        ROOT.unwrap(blob, b"")


def test_sealing_twice_never_gives_the_same_bytes() -> None:
    assert KEY.seal(b"x", b"c") != KEY.seal(b"x", b"c")


def test_another_data_key_does_not_open() -> None:
    with pytest.raises(CannotOpen) as error:
        DataKey.generate().open(KEY.seal(b"x", b"c"), b"c")
    assert error.value.code == "undecryptable"


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    for maker in (DataKey, RootKey, lambda raw: ROOT.wrap(raw, b"")):
        with pytest.raises(BadKey) as error:
            maker(bytes(length))
        assert error.value.code == "length"


def test_a_wrapped_data_key_comes_back_for_its_own_person_only() -> None:
    key = DataKey.generate()
    wrapped = ROOT.wrap(key.raw, b"person:per_1")
    assert ROOT.unwrap(wrapped, b"person:per_1") == key.raw
    assert key.raw not in wrapped
    for root, context in (
        (ROOT, b"person:per_2"),
        (RootKey(bytes(32)), b"person:per_1"),
    ):
        with pytest.raises(CannotOpen):
            root.unwrap(wrapped, context)


def test_derived_keys_are_fixed_apart_by_purpose_and_by_root() -> None:
    assert ROOT.derive("payload-digest") == RootKey(bytes(range(32))).derive("payload-digest")
    derived = {ROOT.derive(name) for name in ("a", "b", "wrap", "")}
    derived |= {RootKey(bytes(32)).derive("a"), bytes(range(32))}
    assert len(derived) == 6
    assert all(len(key) == 32 for key in derived)


def test_no_purpose_yields_the_wrapping_key() -> None:
    wrapped = ROOT.wrap(bytes(32), b"c")
    for purpose in ("wrap", "/wrap", "../wrap", ""):
        with pytest.raises(CannotOpen):
            DataKey(ROOT.derive(purpose)).open(wrapped, b"c")


def test_a_wrapped_key_names_its_key_by_an_id_that_only_the_key_gives() -> None:
    other = RootKey(bytes(32))
    wrapped = ROOT.wrap(bytes(32), b"c")
    assert key_id_of(wrapped) == ROOT.id == RootKey(bytes(range(32))).id
    assert ROOT.id != other.id
    assert bytes(range(8)).hex() not in ROOT.id
    with pytest.raises(CannotOpen) as error:
        other.unwrap(wrapped, b"c")
    assert error.value.code == "unknown-key"


def test_a_wrapped_key_that_claims_another_key_does_not_unwrap() -> None:
    other = RootKey(bytes(32))
    claimed = header(other.id) + ROOT.wrap(bytes(32), b"c")[len(header(ROOT.id)) :]
    with pytest.raises(CannotOpen) as error:
        other.unwrap(claimed, b"c")
    assert error.value.code == "undecryptable"


@pytest.mark.parametrize("key_id", ["", "file", "file:", ":x", "file:a b", "file:" + "x" * 101])
def test_an_id_that_is_none_is_refused(key_id: str) -> None:
    with pytest.raises(BadKey):
        header(key_id)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_name_a_key_or_are_refused(blob: bytes) -> None:
    with contextlib.suppress(CannotOpen):
        assert blob.startswith(header(key_id_of(blob)))


@pytest.mark.parametrize(
    ("blob", "code"),
    [
        (b"", "erased"),
        (b"\x02", "malformed"),
        (b"\x01\x06file:a", "malformed"),
        (b"\x02\x07file:a", "malformed"),
        (b"\x02\x06\xff\xff\xff\xff\xff\xff", "malformed"),
    ],
)
def test_what_names_no_key_says_why(blob: bytes, code: str) -> None:
    with pytest.raises(CannotOpen) as error:
        key_id_of(blob)
    assert error.value.code == code


def test_no_key_is_pickled() -> None:
    for key in (KEY, ROOT):
        with pytest.raises(TypeError):
            pickle.dumps(key)
