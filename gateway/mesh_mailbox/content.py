"""The content of a message as MESH hands it over: read piece by piece, unpacked within a bound.

Two packings exist: each request's own (``Content-Encoding: gzip``), and the sender's, flagged by
``Mex-Content-Compressed``. MESH may set the flag for the first as well, so only content that
begins as gzip does is unpacked for the flag's sake.
"""

import hashlib
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Final

from aiohttp import ClientResponse

from gateway.mesh_mailbox.trouble import MeshUnreadable

_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP: Final = 16 + zlib.MAX_WBITS
_PIECE: Final = 64 * 1024
# Senders write checksums in forms of their own; one that names its function can be checked.
_CHECKSUM: Final = re.compile(r"sha256:([0-9a-fA-F]{64})")


async def unpacked(reply: ClientResponse, max_bytes: int) -> bytes:
    """Return the body of an answer, never holding more than `max_bytes` and one piece.

    Raises:
        MeshUnreadable: too-large; encoding, when packed otherwise than with gzip; or gzip.
    """
    encoding = reply.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "gzip":
        return await _gunzip(reply.content.iter_chunked(_PIECE), max_bytes)
    if encoding not in {"", "identity"}:
        raise MeshUnreadable("encoding")
    body = bytearray()
    async for piece in reply.content.iter_chunked(_PIECE):
        body += piece
        if len(body) > max_bytes:
            raise MeshUnreadable("too-large")
    return bytes(body)


def checked(body: bytes, headers: Mapping[str, str], max_bytes: int) -> bytes:
    """Return a whole message's content as its sender packed it in, once it is what it should be.

    Args:
        body: All chunks together.
        headers: Of the first chunk.
        max_bytes: Of the unpacked content.

    Raises:
        MeshUnreadable: too-large, gzip or checksum.

    Pure.
    """
    packed = body
    flagged = headers.get("Mex-Content-Compressed", "").strip().upper() in {"Y", "TRUE"}
    if flagged and body.startswith(_GZIP_MAGIC):
        unpacking = zlib.decompressobj(_GZIP)
        body = _unpack(unpacking, packed, max_bytes)
        _whole(unpacking)
    stated = _CHECKSUM.fullmatch(headers.get("Mex-Content-Checksum", "").strip())
    if stated is not None and stated[1].lower() not in {_sha256(body), _sha256(packed)}:
        raise MeshUnreadable("checksum")
    return body


async def _gunzip(pieces: AsyncIterator[bytes], max_bytes: int) -> bytes:
    unpacking = zlib.decompressobj(_GZIP)
    body = bytearray()
    empty = True
    async for piece in pieces:
        empty = empty and not piece
        body += _unpack(unpacking, piece, max_bytes - len(body))
    if not empty:
        _whole(unpacking)
    return bytes(body)


def _unpack(unpacking: "zlib._Decompress", packed: bytes, max_bytes: int) -> bytes:
    try:
        body = unpacking.decompress(packed, max_bytes + 1)
    except zlib.error:
        raise MeshUnreadable("gzip") from None
    if len(body) > max_bytes:
        raise MeshUnreadable("too-large")
    return body


def _whole(unpacking: "zlib._Decompress") -> None:
    """One member, all of it, and nothing after it."""
    if not unpacking.eof or unpacking.unused_data:
        raise MeshUnreadable("gzip")


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
