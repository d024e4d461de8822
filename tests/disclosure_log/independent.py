"""A second opinion, in the recursive words of RFC 6962 section 2.1. Standard library only.

Shares no code with the gateway; slow on purpose. It looks at no signature.
"""

import base64
import hashlib
from collections.abc import Sequence

Hashes = Sequence[bytes]


def digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def tree_head(leaves: Hashes) -> bytes:
    """MTH."""
    if len(leaves) < 2:
        return leaves[0] if leaves else digest()
    k = split(len(leaves))
    return digest(b"\x01", tree_head(leaves[:k]), tree_head(leaves[k:]))


def audit_path(m: int, leaves: Hashes) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*audit_path(m, leaves[:k]), tree_head(leaves[k:])]
    return [*audit_path(m - k, leaves[k:]), tree_head(leaves[:k])]


def consistency_proof(m: int, leaves: Hashes, *, whole: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[n], b)."""
    if m == len(leaves):
        return [] if whole else [tree_head(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*consistency_proof(m, leaves[:k], whole=whole), tree_head(leaves[k:])]
    return [*consistency_proof(m - k, leaves[k:], whole=False), tree_head(leaves[:k])]


def implied_root(m: int, n: int, leaf: bytes, path: Hashes) -> bytes | None:
    """The root a path implies, undone from its end; None where its length is wrong."""
    if n == 1 or not path:
        return leaf if n == 1 and not path else None
    k = split(n)
    inner = (m, k) if m < k else (m - k, n - k)
    below = implied_root(*inner, leaf, path[:-1])
    if below is None:
        return None
    return digest(b"\x01", *((below, path[-1]) if m < k else (path[-1], below)))


def includes(m: int, n: int, leaf: bytes, path: Hashes, root: bytes) -> bool:
    return 0 <= m < n and implied_root(m, n, leaf, path) == root


def implied_roots(m: int, n: int, path: Hashes, old: bytes | None) -> tuple[bytes, bytes] | None:
    """The old and new roots a path implies; `old` is known only while nothing lies to its left."""
    if m == n:
        steps = path if old is None else [old, *path]
        return (steps[0], steps[0]) if len(steps) == 1 else None
    k = split(n)
    inner = (m, k, path[:-1], old) if m <= k else (m - k, n - k, path[:-1], None)
    below = implied_roots(*inner) if path else None
    if below is None:
        return None
    if m <= k:
        return below[0], digest(b"\x01", below[1], path[-1])
    return digest(b"\x01", path[-1], below[0]), digest(b"\x01", path[-1], below[1])


def extends(m: int, n: int, old: bytes, new: bytes, path: Hashes) -> bool:
    return 1 <= m <= n and implied_roots(m, n, path, old) == (old, new)


def read_proof(text: str) -> tuple[int, list[bytes], int, bytes]:
    """(index, path, size, root) of a tlog-proof text."""
    head, _, note = text.partition("\n\n")
    _, index, *path = head.split("\n")
    _, size, root = note.split("\n")[:3]
    hashes = [base64.b64decode(one) for one in path]
    return int(index.split(" ")[1]), hashes, int(size), base64.b64decode(root)
