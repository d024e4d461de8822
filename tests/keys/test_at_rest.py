import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.at_rest import DataKey, KeyEncryptionKey, RootKey
from keys.problem import BadKey, CannotOpen

KEY = DataKey(bytes(range(32)))
ROOT: KeyEncryptionKey = RootKey(bytes(range(32)))


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
