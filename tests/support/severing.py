"""A relay before PostgreSQL that resets connections at the one moment that matters: at COMMIT."""

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Final, Literal

Cut = Literal["before", "after"]  # the server has seen the COMMIT; or: it has done it, and said so

_PARSED: Final = re.compile(rb"P....([^\0]*)\0COMMIT\0", re.DOTALL)
_DONE: Final = b"COMMIT\0"


class Relay:
    """Passes bytes on; `cut` says where the next connection to commit is reset, once."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.cut: Cut | None = None
        self.cuts = 0
        self._ended = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                _reset(client)
                continue
            _Pair(self, client, server).start()

    def taken(self, cut: Cut) -> bool:
        """Return whether a connection is to be reset there, now; it is asked of once."""
        if self.cut != cut:
            return False
        self.cut = None
        self.cuts += 1
        return True

    def end(self) -> None:
        """Take no more connections."""
        self._listener.close()


class _Pair:
    """One connection through the relay."""

    def __init__(self, relay: Relay, client: socket.socket, server: socket.socket) -> None:
        self._relay = relay
        self._client = client
        self._server = server
        self._names: set[bytes] = set()  # under which COMMIT was prepared

    def start(self) -> None:
        for target in (self._up, self._down):
            threading.Thread(target=target, daemon=True).start()

    def _up(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(1 << 16):
                if self._commits(data) and self._relay.taken("before"):
                    break
                self._server.sendall(data)
        self._end()

    def _commits(self, data: bytes) -> bool:
        found = _PARSED.findall(data)
        self._names |= {name for name in found if name}
        return bool(found) or any(b"\0" + name + b"\0" in data for name in self._names)

    def _down(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(1 << 16):
                if _DONE in data and self._relay.taken("after"):
                    break
                self._client.sendall(data)
        self._end()

    def _end(self) -> None:
        for one in (self._client, self._server):
            _reset(one)


def _reset(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextlib.contextmanager
def relay(port: int) -> Iterator[Relay]:
    """Give a relay to a server's port on loopback."""
    made = Relay(port)
    try:
        yield made
    finally:
        made.end()
