"""Loopback, and HTTP/1.1 by the byte for its two ends: they share the machine with what is
measured."""

import re
import socket
from typing import Final

HOST: Final = "127.0.0.1"

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


def post(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Return the whole request, to be written in one piece."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + _HEAD_END + body


def take_message(buffer: bytearray) -> tuple[bytes, bytes] | None:
    """Cut one whole message off the front of the buffer: head, body. None until it is all there.

    A message without Content-Length has no body: neither end sends chunks.
    """
    end = buffer.find(_HEAD_END)
    if end < 0:
        return None
    head = bytes(buffer[:end])
    length = _LENGTH.search(head)
    start = end + len(_HEAD_END)
    stop = start + (int(length[1]) if length else 0)
    if len(buffer) < stop:
        return None
    body = bytes(buffer[start:stop])
    del buffer[:stop]
    return head, body


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
