"""A TLS server on a thread, with blocking sockets: unlike asyncio's it sends its alerts."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_NO_CONTENT = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class Served:
    """What came of the connections to one port."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    peers: list[bytes | None] = field(default_factory=list)  # certificates shown, as DER
    refusals: list[str] = field(default_factory=list)


@contextlib.contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[Served]:
    """Answer every request with 204 and close; a handshake that fails is noted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = Served(port=listener.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listener, context, served))
        thread.start()
        try:
            yield served
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)


def _serve(listener: socket.socket, context: ssl.SSLContext, served: Served) -> None:
    while True:
        try:
            accepted, _ = listener.accept()
        except OSError:
            return
        accepted.settimeout(3)
        with contextlib.closing(accepted):
            try:
                with context.wrap_socket(accepted, server_side=True) as connection:
                    served.peers.append(connection.getpeercert(binary_form=True))
                    served.requests.append(_request(connection))
                    connection.sendall(_NO_CONTENT)
                    with contextlib.suppress(OSError):
                        connection.unwrap()
            except ssl.SSLError as error:
                served.refusals.append(error.reason or "")
                # Let the alert arrive before the reset that unread bytes would bring.
                with contextlib.suppress(OSError):
                    while accepted.recv(65536):
                        pass
            except OSError as error:
                served.refusals.append(type(error).__name__)


def _request(connection: ssl.SSLSocket) -> bytes:
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += connection.recv(65536)
    head, _, body = heard.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
