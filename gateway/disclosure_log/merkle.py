"""The Merkle tree of RFC 6962 and RFC 9162 over SHA-256: hashes, paths, and their checks.

Pure; holds no tree. A subtree that is full (its leaf count a power of two) is named by
``(level, index)``: it covers leaves ``index << level`` to ``(index + 1) << level``.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

from gateway.disclosure_log.problem import BadProof

__all__ = [
    "EMPTY_ROOT",
    "BadProof",
    "consistency_path",
    "inclusion_path",
    "leaf_hash",
    "node_hash",
    "root_of",
    "verify_consistency",
    "verify_inclusion",
]

HASH_LENGTH: Final = 32
MAX_SIZE: Final = 2**64 - 1  # sizes and indexes are uint64 wherever a log is written down
EMPTY_ROOT: Final = sha256(b"").digest()

ReadNode = Callable[[int, int], bytes]  # (level, index) of a full subtree -> its hash


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry: SHA-256 over 0x00 and the entry. Never fails."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash over two children: SHA-256 over 0x01 and both. Never fails.

    The prefixes keep a node from passing for a leaf (second preimage, RFC 9162 section 2.1.1).
    """
    return sha256(b"\x01" + left + right).digest()


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes of 32 bytes each, in order.

    Source: RFC 9162 section 2.1.1.  Pure; O(n).
    """
    if not leaf_hashes:
        return EMPTY_ROOT
    row = list(leaf_hashes)
    while len(row) > 1:
        above = [node_hash(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        if len(row) % 2:
            above.append(row[-1])
        row = above
    return row[0]


def range_hash(start: int, end: int, read: ReadNode) -> bytes:
    """Return the hash over leaves [start, end), of which only full subtrees are read.

    Args:
        start: A multiple of the smallest power of two that is >= end - start.
        end: > start.
        read: Returns the hash of a full subtree; every one asked for lies in [start, end).
    """
    parts: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append(read(level, start >> level))
        start += 1 << level
    found = parts.pop()
    while parts:
        found = node_hash(parts.pop(), found)
    return found


def inclusion_path(index: int, size: int, read: ReadNode) -> list[bytes]:
    """Return the sibling hashes from leaf `index` up to the root over `size` leaves.

    Raises:
        ValueError: unless 0 <= index < size.

    Source: RFC 9162 section 2.1.3.1.  Pure but for `read`; O(log size) reads.
    """
    if not 0 <= index < size:
        raise ValueError("needs 0 <= index < size")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_hash(middle, end, read))
            end = middle
        else:
            path.append(range_hash(start, middle, read))
            start = middle
    path.reverse()
    return path


def consistency_path(size1: int, size2: int, read: ReadNode) -> list[bytes]:
    """Return the proof that the tree of `size1` leaves is a prefix of that of `size2`.

    Empty when the sizes are equal; no proof exists from the empty tree.

    Raises:
        ValueError: unless 1 <= size1 <= size2.

    Source: RFC 9162 section 2.1.4.1.  Pure but for `read`; O(log size2) reads.
    """
    if not 1 <= size1 <= size2:
        raise ValueError("needs 1 <= size1 <= size2")
    path: list[bytes] = []
    start, end = 0, size2
    while end != size1:
        middle = start + _split(end - start)
        if size1 <= middle:
            path.append(range_hash(middle, end, read))
            end = middle
        else:
            path.append(range_hash(start, middle, read))
            start = middle
    if start:  # the verifier holds the root of [0, size1) but not of a later part
        path.append(range_hash(start, end, read))
    path.reverse()
    return path


def _split(count: int) -> int:
    """Return the largest power of two below `count` (>= 2)."""
    return 1 << ((count - 1).bit_length() - 1)


def verify_inclusion(
    *, index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes
) -> None:
    """Check that `leaf` stands at `index` in the tree of `size` leaves with this root.

    Args:
        index: 0 <= index < size.
        size: 1 <= size < 2**64.
        leaf: Leaf hash, 32 bytes.
        path: As `inclusion_path` gives it; its length is fixed by (index, size).
        root: 32 bytes, from a *signed* checkpoint; else this proves nothing.

    Raises:
        BadProof: index-range, hash-length, path-length or root-mismatch.

    Source: RFC 9162 section 2.1.3.2.  Pure; O(log size).
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise BadProof("index-range")
    _need_hashes(leaf, root, *path)
    node, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise BadProof("path-length")
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            while node and not node & 1:  # lift past the levels where no right sibling exists
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise BadProof("path-length")
    if found != root:
        raise BadProof("root-mismatch")


def verify_consistency(
    *, size1: int, size2: int, root1: bytes, root2: bytes, path: Sequence[bytes]
) -> None:
    """Check that the tree (`size1`, `root1`) is a prefix of the tree (`size2`, `root2`).

    Raises:
        BadProof: size-range (also for size1 = 0: nothing can be proved from the empty tree),
            hash-length, path-length or root-mismatch.

    Source: RFC 9162 section 2.1.4.2.  Pure; O(log size2).
    """
    if not 1 <= size1 <= size2 <= MAX_SIZE:
        raise BadProof("size-range")
    _need_hashes(root1, root2, *path)
    if size1 == size2:
        if path:
            raise BadProof("path-length")
        if root1 != root2:
            raise BadProof("root-mismatch")
        return
    if not path:
        raise BadProof("path-length")
    steps = [root1, *path] if size1 & (size1 - 1) == 0 else list(path)
    if _climb(size1, size2, steps) != (root1, root2):
        raise BadProof("root-mismatch")


def _climb(size1: int, size2: int, steps: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the old and the new root these steps imply: steps 3 to 5 of section 2.1.4.2."""
    node, last = size1 - 1, size2 - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            raise BadProof("path-length")
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise BadProof("path-length")
    return old, new


def _need_hashes(*hashes: bytes) -> None:
    if any(len(one) != HASH_LENGTH for one in hashes):
        raise BadProof("hash-length")
