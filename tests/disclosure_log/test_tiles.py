"""Names of tiles and bundles, as tlog-tiles spells them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.disclosure_log.tiles import pack_bundle, parse_tile_path, tile_path, unpack_bundle


def test_the_specifications_example_is_spelled_so() -> None:
    assert tile_path(0, 1_234_067) == "0/x001/x234/067"
    assert tile_path(None, 1_234_067, 5) == "entries/x001/x234/067.p/5"


@given(st.none() | st.integers(0, 63), st.integers(0, 10**12), st.integers(1, 256))
def test_a_name_is_read_back(level: int | None, index: int, width: int) -> None:
    assert parse_tile_path(tile_path(level, index, width)) == (level, index, width)


@given(st.from_regex(r"(entries|[0-9]{1,3})/(x?[0-9]{1,4}/){0,3}x?[0-9]{1,4}(\.p/[0-9]{0,4})?"))
def test_no_tile_has_two_names(path: str) -> None:
    found = parse_tile_path(path)
    assert found is None or tile_path(*found) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0",
        "0/",
        "0/1",
        "0/0001",
        "0/x001",
        "0/001/002",
        "0/x000/001",
        "00/001",
        "64/001",
        "-1/001",
        "0/001.p/0",
        "0/001.p/01",
        "0/001.p/256",
        "0/001.p/257",
        "0/001.p/",
        "0/001.p",
        "data/001",
        "0/001/",
        "0/٠٠١",
        "0/001\n",
        "0/../001",
        "entries/x1/001",
    ],
)
def test_any_other_spelling_names_nothing(path: str) -> None:
    assert parse_tile_path(path) is None


@given(st.lists(st.binary(max_size=300), max_size=10), st.integers(1, 50))
def test_a_bundle_is_read_back_and_a_cut_one_ends_early(entries: list[bytes], cut: int) -> None:
    bundle = pack_bundle(entries)
    assert list(unpack_bundle(bundle)) == entries
    shorter = list(unpack_bundle(bundle[:-cut]))
    assert shorter == entries[: len(shorter)]
    assert len(shorter) < len(entries) or not entries


def test_the_longest_entry_fits_and_a_longer_one_does_not() -> None:
    assert pack_bundle([bytes(65_535)])[:2] == b"\xff\xff"
    with pytest.raises(OverflowError):
        pack_bundle([bytes(65_536)])
