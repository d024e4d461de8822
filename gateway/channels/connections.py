"""Connections that one host cannot turn against the others: what each may take, and when it ends.

1. A connection brings one reply to each request. A second one, or a byte nobody asked for, closes
   it: left in place it would be read as the answer to the *next* alert, and count it accepted.
2. A reply may bring so many bytes in all, interim replies, framing and trailers included.
3. A host that hangs holds so many attempts and no more; many that hang hold fewer each, so that
   there is always room for the others. Of idle connections only so many are kept.
4. Names are looked up on threads of their own: a name server that never answers holds up nothing
   but them, and one name holds one.
"""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http import RawResponseMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader

# Attempts at a time: over all hosts, and so that no host's can be all of them.
MAX_CONNECTIONS: Final = 512
MAX_CONNECTIONS_PER_HOST: Final = 32
FEW_PER_HOST: Final = 4  # once half are taken: many hosts that hang leave room for those that work
MAX_KEPT: Final = 256  # with this many open, a connection is closed after its reply
MAX_IDLE_S: Final = 15.0
MAX_INTERIM: Final = 64  # 1xx replies before the one that counts
LOOKUP_THREADS: Final = 32
_LOOKUPS_KEPT_S: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    """What the connections of one connector share."""

    max_received: int | None  # bytes of one reply in all; None for no bound
    open: "set[_OneReply]" = field(default_factory=set)


class GuardedConnector(TCPConnector):
    """Makes connections that hold to the bounds above."""

    def __init__(
        self,
        *,
        ssl: Any,  # noqa: ANN401  # as aiohttp types it: a context, or True for the system's
        resolver: AbstractResolver,
        socket_factory: Any,  # noqa: ANN401
        max_received: int | None,
        owns_resolver: bool,
    ) -> None:
        super().__init__(
            ssl=ssl,
            resolver=resolver,
            socket_factory=socket_factory,
            limit=MAX_CONNECTIONS,
            limit_per_host=MAX_CONNECTIONS_PER_HOST,
            keepalive_timeout=MAX_IDLE_S,
            ttl_dns_cache=_LOOKUPS_KEPT_S,
        )
        self._resolver_owner = owns_resolver
        self._bounds = _Bounds(max_received=max_received)
        self._factory = self._new_reply  # type: ignore[assignment]  # it is typed as a partial

    def _new_reply(self) -> "_OneReply":
        return _OneReply(loop=self._loop, bounds=self._bounds)

    def _available_connections(self, key: ConnectionKey) -> int:
        available = super()._available_connections(key)
        if len(self._acquired) < MAX_CONNECTIONS // 2:
            return available
        return min(available, FEW_PER_HOST - len(self._acquired_per_host.get(key, ())))

    @property
    def connections(self) -> int:
        """How many connections stand, idle ones included."""
        return len(self._bounds.open)


class _OneReply(ResponseHandler):
    """One connection: a reply to each request, of bounded length, and nothing besides."""

    __hash__ = object.__hash__

    def __init__(self, *, loop: asyncio.AbstractEventLoop, bounds: _Bounds) -> None:
        super().__init__(loop)
        self._bounds = bounds
        self._asked = False
        self._content: StreamReader | None = None  # of the reply that counts, once it came
        self._replies = self._interim = self._received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._bounds.open.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._bounds.open.discard(self)
        super().connection_lost(exc)

    def set_response_params(self, **params: Any) -> None:  # noqa: ANN401
        """Begin an exchange: aiohttp calls this before each request."""
        self._asked = True
        self._content = None
        self._replies = self._interim = self._received = 0
        if len(self._bounds.open) > MAX_KEPT:
            self.force_close()
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        bound = self._bounds.max_received
        unasked = not self._asked or (self._content is not None and self._content.is_eof())
        if (unasked and data) or (bound is not None and self._received > bound):
            self._refuse()
            return
        transport = self.transport
        super().data_received(data)
        if transport is not None and self.exception() is not None:
            transport.abort()  # not HTTP: closed as aiohttp does it, it would go on to be read

    def close(self) -> None:
        """End the connection without a farewell: one that floods us would never return it."""
        self.abort()

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Take a parsed reply; a few interim ones (1xx) may come before the one that counts."""
        if data[0].code >= HTTPStatus.OK or data[0].code == HTTPStatus.SWITCHING_PROTOCOLS:
            self._replies += 1
            self._content = data[1]
        else:
            self._interim += 1
        if self._replies > 1 or self._interim > MAX_INTERIM:
            self._refuse()
        else:
            super().feed_data(data, size)

    def _refuse(self) -> None:
        """End the connection: a reply still awaited has failed, one that came stands."""
        if self.transport is not None:
            self.transport.abort()
        if not self.is_eof():
            self.set_exception(HttpProcessingError(code=400, message="", headers=None))


class OwnThreads(AbstractResolver):
    """The system's resolver, on threads that nothing else waits for."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look a name up.

        Raises:
            OSError: it leads nowhere, or nobody says where.
        """
        look_up = partial(
            socket.getaddrinfo,
            host,
            port,
            family=family,
            type=socket.SOCK_STREAM,
            flags=socket.AI_ADDRCONFIG,
        )
        found = await asyncio.get_running_loop().run_in_executor(self._pool, look_up)
        return [
            ResolveResult(
                hostname=host,
                host=_numeric(kind, at),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, at in found
        ]

    async def close(self) -> None:
        """Let the threads go; a look-up under way ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _numeric(family: int, address: tuple[Any, ...]) -> str:
    """Return the address as text, a link-local one with its scope: it is judged by both."""
    text = str(address[0])
    scoped = family == socket.AF_INET6 and len(address) > 3 and address[3] and "%" not in text
    return f"{text}%{address[3]}" if scoped else text
