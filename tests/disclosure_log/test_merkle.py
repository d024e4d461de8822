"""Hashes, paths and their checks, against published probes and the words of the RFC."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.disclosure_log import merkle
from gateway.disclosure_log.merkle import BadProof
from tests.disclosure_log import independent
from tests.third_party import vector_files, vectors

INCLUSION = vector_files("merkle/inclusion", "*.json")
CONSISTENCY = vector_files("merkle/consistency", "*.json")


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(count)]


class Naive:
    """Reads any full subtree straight from the leaves."""

    def __init__(self, count: int) -> None:
        self.leaves = leaves(count)

    def __call__(self, level: int, index: int) -> bytes:
        covered = self.leaves[index << level : (index + 1) << level]
        assert len(covered) == 1 << level, "asked for a subtree that is not full"
        return independent.tree_head(covered)


def opens(check: Any, **stated: Any) -> bool:
    try:
        check(**stated)
    except BadProof:
        return False
    return True


def inclusion(probe: dict[str, Any]) -> dict[str, Any]:
    return {
        "index": probe["leafIdx"],
        "size": probe["treeSize"],
        "leaf": base64.b64decode(probe["leafHash"]),
        "root": base64.b64decode(probe["root"]),
        "path": [base64.b64decode(one) for one in probe["proof"] or []],
    }


def consistency(probe: dict[str, Any]) -> dict[str, Any]:
    return {
        "size1": probe["size1"],
        "size2": probe["size2"],
        "root1": base64.b64decode(probe["root1"]),
        "root2": base64.b64decode(probe["root2"]),
        "path": [base64.b64decode(one) for one in probe["proof"] or []],
    }


@pytest.mark.parametrize("path", INCLUSION, ids=named)
def test_inclusion_probe_is_judged_as_published(path: Path) -> None:
    probe = json.loads(path.read_bytes())
    stated = inclusion(probe)
    assert opens(merkle.verify_inclusion, **stated) is not probe["wantErr"]
    second = independent.includes(
        stated["index"], stated["size"], stated["leaf"], stated["path"], stated["root"]
    )
    assert second is not probe["wantErr"]


@pytest.mark.parametrize("path", CONSISTENCY, ids=named)
def test_consistency_probe_is_judged_as_published(path: Path) -> None:
    probe = json.loads(path.read_bytes())
    stated = consistency(probe)
    assert opens(merkle.verify_consistency, **stated) is not probe["wantErr"]
    second = independent.extends(
        stated["size1"], stated["size2"], stated["root1"], stated["root2"], stated["path"]
    )
    assert second is not probe["wantErr"]


def test_the_published_probes_are_there() -> None:
    assert len(list(vectors("merkle/inclusion").rglob("*.json"))) > 40
    assert len(list(vectors("merkle/consistency").rglob("*.json"))) > 40


def test_known_roots_of_rfc_6962_are_given() -> None:
    assert merkle.EMPTY_ROOT.hex() == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    assert merkle.leaf_hash(b"").hex() == (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    )
    assert merkle.root_of([]) == merkle.EMPTY_ROOT


def test_a_node_never_passes_for_a_leaf() -> None:
    left, right = leaves(2)
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)


@pytest.mark.parametrize("size", range(1, 34))
def test_every_path_of_a_small_tree_is_the_rfcs_and_verifies(size: int) -> None:
    read, root = Naive(size), independent.tree_head(leaves(size))
    assert merkle.root_of(leaves(size)) == root
    for index in range(size):
        path = merkle.inclusion_path(index, size, read)
        assert path == independent.audit_path(index, leaves(size))
        merkle.verify_inclusion(
            index=index, size=size, leaf=leaves(size)[index], path=path, root=root
        )


@pytest.mark.parametrize("size2", range(1, 34))
def test_every_consistency_path_of_a_small_tree_is_the_rfcs_and_verifies(size2: int) -> None:
    read, root2 = Naive(size2), independent.tree_head(leaves(size2))
    for size1 in range(1, size2 + 1):
        path = merkle.consistency_path(size1, size2, read)
        assert path == independent.consistency_proof(size1, leaves(size2))
        root1 = independent.tree_head(leaves(size1))
        merkle.verify_consistency(size1=size1, size2=size2, root1=root1, root2=root2, path=path)


@given(st.data())
def test_a_path_with_any_bit_flipped_proves_nothing(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 70))
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_path(index, size, Naive(size))
    place = data.draw(st.integers(0, len(path) - 1))
    bit = data.draw(st.integers(0, 255))
    path[place] = (int.from_bytes(path[place], "big") ^ (1 << bit)).to_bytes(32, "big")
    with pytest.raises(BadProof, match="root-mismatch"):
        merkle.verify_inclusion(
            index=index,
            size=size,
            leaf=leaves(size)[index],
            path=path,
            root=merkle.root_of(leaves(size)),
        )


@given(
    index=st.integers(-2, 40),
    size=st.integers(-2, 40),
    claimed=st.integers(-2, 40),
    cut=st.integers(0, 6),
)
def test_the_two_verifiers_agree_on_wrong_places(
    index: int, size: int, claimed: int, cut: int
) -> None:
    held, leaf = leaves(40), leaves(40)[index % 40]
    path = independent.audit_path(index % 40, held)[:cut]
    root = independent.tree_head(held[: max(size, 0)])
    stated = {"index": index, "size": claimed, "leaf": leaf, "path": path, "root": root}
    assert opens(merkle.verify_inclusion, **stated) == independent.includes(
        index, claimed, leaf, path, root
    )


@given(
    size1=st.integers(-1, 30),
    size2=st.integers(-1, 30),
    true1=st.integers(1, 30),
    true2=st.integers(1, 30),
)
def test_the_two_verifiers_agree_on_wrong_sizes(
    size1: int, size2: int, true1: int, true2: int
) -> None:
    low, high = sorted((true1, true2))
    path = independent.consistency_proof(low, leaves(high))
    root1, root2 = merkle.root_of(leaves(low)), merkle.root_of(leaves(high))
    stated = {"size1": size1, "size2": size2, "root1": root1, "root2": root2, "path": path}
    assert opens(merkle.verify_consistency, **stated) == independent.extends(
        size1, size2, root1, root2, path
    )


def test_nothing_is_consistent_with_the_empty_tree() -> None:
    root = merkle.root_of(leaves(1))
    with pytest.raises(BadProof, match="size-range"):
        merkle.verify_consistency(size1=0, size2=1, root1=merkle.EMPTY_ROOT, root2=root, path=[])


def test_a_size_beyond_64_bits_is_refused_without_work() -> None:
    root = merkle.root_of(leaves(1))
    with pytest.raises(BadProof, match="index-range"):
        merkle.verify_inclusion(index=0, size=2**64, leaf=root, path=[], root=root)
    with pytest.raises(BadProof, match="size-range"):
        merkle.verify_consistency(size1=1, size2=1 << 4000, root1=root, root2=root, path=[])


@pytest.mark.parametrize(("index", "size"), [(-1, 1), (1, 1), (0, 0)])
def test_no_path_is_made_for_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError):
        merkle.inclusion_path(index, size, Naive(2))


@pytest.mark.parametrize(("size1", "size2"), [(0, 1), (2, 1), (-1, 1)])
def test_no_consistency_path_is_made_between_impossible_sizes(size1: int, size2: int) -> None:
    with pytest.raises(ValueError):
        merkle.consistency_path(size1, size2, Naive(2))
