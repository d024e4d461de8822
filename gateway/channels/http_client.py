"""One guarded, kept-alive HTTP session: a request out, at most 64 KiB of reply in, no surprises.

No redirect is followed, no proxy or .netrc read, no cookie kept, no reply decompressed, and no
reply body logged. What goes wrong comes back as an outcome.
"""

import io
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

from aiohttp import (
    ClientConnectionError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    StreamReader,
)
from aiohttp.abc import AbstractResolver
from yarl import URL

from gateway.channels.addresses import BadAddress, check_https_url
from gateway.channels.outbound import AddressRefused, OutboundPolicy, guarded_connector
from gateway.channels.tls import verifying_context
from gateway.model.outcome import Deferred, Rejected

USER_AGENT = "throughgate"
MAX_REPLY_BYTES = 64 * 1024
# With interim replies, headers and framing; TLS hands over up to 256 KiB at once.
MAX_RECEIVED_BYTES = 1024 * 1024
_ONE_PIECE_BYTES = 512 * 1024
LONGEST_RETRY_AFTER = timedelta(hours=1)

ADDRESS_REFUSED = Rejected(reason="address-refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A status line that arrived, and what was wanted of the rest."""

    status: int
    retry_after: str | None
    body: bytes  # empty unless asked for; cut at 64 KiB
    whole: bool = True  # the body came to its end, within that
    headers: Mapping[str, str] = field(default_factory=dict)  # those asked for, if they came


class GuardedClient:
    """Makes requests to vetted https URLs over shared connections."""

    def __init__(
        self,
        *,
        policy: OutboundPolicy,
        ssl_context: ssl.SSLContext | None,
        timeout_s: float,
        user_agent: str,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._policy = policy
        self._ssl_context = verifying_context(ssl_context)
        self._timeout = _deadlines(timeout_s)
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "identity"}
        self._resolver = resolver
        self._session: ClientSession | None = None
        self._vetted = lru_cache(maxsize=4096)(self._vet)

    async def exchange(
        self,
        method: str,
        address: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        keep_reply: bool = False,
        keep_headers: tuple[str, ...] = (),
        timeout_s: float | None = None,
    ) -> Reply | Deferred | Rejected:
        """Send one request and read the reply; the deadline covers everything from name lookup on.

        Args:
            method: GET, POST or OPTIONS.
            address: Vetted here, at every request.
            headers: Besides the client's own.
            body: Sent as it stands.
            keep_reply: Whether the reply's body is wanted; it is read either way.
            keep_headers: Names of the reply's headers that are wanted; one that came several times
                comes back as one, joined by commas.
            timeout_s: In place of the client's own deadline.

        Returns:
            The reply, once its status line and headers are in, whatever becomes of its body.
            Otherwise ``Rejected("address-refused")`` with nothing sent, or a deferral: ``tls``,
            ``dns``, ``connect`` or ``timeout`` before a connection stood; ``timeout``,
            ``connection-lost`` or ``bad-reply`` with the outcome unknown after; ``fault-...`` for a
            fault of our own.

        Raises:
            Never, but for cancellation, which closes the connection.
        """
        try:
            url = self._vetted(address)
            async with self._open_session().request(
                method,
                url,
                data=_payload(body),
                headers=headers,
                allow_redirects=False,
                timeout=_deadlines(timeout_s) if timeout_s else self._timeout,
            ) as reply:
                content, whole = await _read_reply(reply.content, keep=keep_reply)
                return Reply(
                    status=reply.status,
                    retry_after=reply.headers.get("Retry-After"),
                    body=content,
                    whole=whole,
                    headers=_headers(reply, keep_headers),
                )
        except (BadAddress, AddressRefused):
            return ADDRESS_REFUSED
        except Exception as error:  # noqa: BLE001  # the contract: an attempt never raises
            return _failure(error)

    async def close(self) -> None:
        """Close the kept-alive connections; a request under way ends as a lost connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _vet(self, address: str) -> URL:
        # encoded: the checked text is the text sent, byte for byte.
        return URL(check_https_url(address, policy=self._policy), encoded=True)

    def _open_session(self) -> ClientSession:
        # Made at first use: a connector belongs to the running event loop.
        if self._session is None:
            connector = guarded_connector(
                self._policy,
                self._ssl_context,
                resolver=self._resolver,
                max_received=MAX_RECEIVED_BYTES,
            )
            self._session = ClientSession(
                connector=connector,
                cookie_jar=DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                timeout=self._timeout,
                headers=self._headers,
            )
        return self._session


def retry_delay(retry_after: str | None, *, clock: Callable[[], float]) -> timedelta | None:
    """Return the wait a Retry-After header asks for: more than nothing, at most one hour.

    Args:
        retry_after: Whole seconds, or an HTTP-date; anything else counts as absent.
        clock: Unix seconds; read only for a date.

    Source: RFC 9110 section 10.2.3.
    """
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    else:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        seconds = (date - datetime.fromtimestamp(clock(), UTC)).total_seconds()
    return min(timedelta(seconds=seconds), LONGEST_RETRY_AFTER) if seconds > 0 else None


def _deadlines(timeout_s: float) -> ClientTimeout:
    # Half the time to connect: only its own deadline tells a connection that never stood, when
    # surely nothing has left, from a reply that never came.
    return ClientTimeout(total=timeout_s, connect=timeout_s / 2)


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    # aiohttp hands bytes to the socket in one piece, and warns where that is much.
    return io.BytesIO(body) if body is not None and len(body) > _ONE_PIECE_BYTES else body


async def _read_reply(stream: StreamReader, *, keep: bool) -> tuple[bytes, bool]:
    """Read to the end or to 64 KiB; return what is kept, and whether that was all. Never raises:
    the status line has already judged."""
    kept: list[bytes] = []
    total = 0
    try:
        while total <= MAX_REPLY_BYTES and (chunk := await stream.readany()):
            total += len(chunk)
            if keep:
                kept.append(chunk)
    except (ClientError, OSError):
        return b"".join(kept)[:MAX_REPLY_BYTES], False  # aiohttp closes what is left unread
    return b"".join(kept)[:MAX_REPLY_BYTES], total <= MAX_REPLY_BYTES


def _headers(reply: ClientResponse, names: tuple[str, ...]) -> dict[str, str]:
    return {name: ", ".join(reply.headers.getall(name)) for name in names if name in reply.headers}


def _failure(error: Exception) -> Deferred:
    if isinstance(error, ConnectionTimeoutError):
        return Deferred(reason="timeout")
    if isinstance(error, ssl.SSLError | ssl.CertificateError):
        return Deferred(reason="tls")
    if isinstance(error, ClientConnectorDNSError):
        return Deferred(reason="dns")
    if isinstance(error, ClientConnectorError):
        return Deferred(reason="connect")
    if isinstance(error, TimeoutError):
        return Deferred(reason="timeout", outcome_unknown=True)
    if isinstance(error.__cause__, ssl.SSLError):
        # TLS 1.3: a receiver that wants no part of our certificate says so after the handshake.
        return Deferred(reason="tls", outcome_unknown=True)
    if isinstance(error, OSError | ClientConnectionError):
        return Deferred(reason="connection-lost", outcome_unknown=True)
    if isinstance(error, ClientError):
        return Deferred(reason="bad-reply", outcome_unknown=True)
    # Not the far side's doing. The class names the fault; its message might name the address.
    return Deferred(reason=f"fault-{type(error).__name__}", outcome_unknown=True)
