"""Fetching what an issuer publishes about revocation: signed by it, so plain HTTP is no matter.

The addresses come out of certificates: only public ones are reached, on 80 and 443, nothing is
followed or decompressed, no more than a few megabytes are read, and of few addresses.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from yarl import URL

from gateway.channels.http_client import USER_AGENT
from gateway.channels.outbound import AddressRefused, OutboundPolicy, guarded_connector

MAX_CRL_BYTES: Final = 4 * 1024 * 1024  # no longer one is believed
MAX_ASKED: Final = 8  # addresses that one chain may name
_ROOM_FOR_HEADERS: Final = 64 * 1024
_TIMEOUT_S: Final = 20.0
_OCSP_TYPE: Final = "application/ocsp-request"


class RevocationFetcher:
    """Asks issuers. Close it after use."""

    def __init__(self, policy: OutboundPolicy, *, timeout_s: float = _TIMEOUT_S) -> None:
        """Build it; connections are made when first needed.

        Args:
            policy: Where connections may go.
            timeout_s: Seconds that one answer may take in all.
        """
        self._timeout_s = timeout_s
        self._policy = replace(policy, allowed_ports=frozenset({80, 443}))
        self._session: ClientSession | None = None

    async def lists(self, urls: Sequence[str]) -> list[bytes]:
        """Return the revocation lists that could be fetched; a place that fails is left out."""
        found = await asyncio.gather(*(self._fetch("GET", url, None) for url in urls[:MAX_ASKED]))
        return [one for one in found if one is not None]

    async def answers(self, asked: Sequence[tuple[str, bytes]]) -> list[bytes]:
        """Return responders' answers to (address, OCSP request); one that fails is left out."""
        few = asked[:MAX_ASKED]
        found = await asyncio.gather(*(self._fetch("POST", url, body) for url, body in few))
        return [one for one in found if one is not None]

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _fetch(self, method: str, url: str, body: bytes | None) -> bytes | None:
        try:
            async with self._open().request(
                method,
                URL(url),
                data=body,
                headers={"Content-Type": _OCSP_TYPE} if body else None,
                allow_redirects=False,
            ) as reply:
                if reply.status != 200:
                    return None
                content = await reply.content.read(MAX_CRL_BYTES + 1)
                while not reply.content.at_eof() and len(content) <= MAX_CRL_BYTES:
                    content += await reply.content.read(MAX_CRL_BYTES + 1 - len(content))
                return content if len(content) <= MAX_CRL_BYTES else None
        except (ClientError, AddressRefused, OSError, TimeoutError, ValueError):
            return None

    def _open(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(
                connector=guarded_connector(
                    self._policy, None, max_received=MAX_CRL_BYTES + _ROOM_FOR_HEADERS
                ),
                cookie_jar=DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,  # what grows when it is read is not read
                timeout=ClientTimeout(total=self._timeout_s),
                headers={"User-Agent": USER_AGENT},
            )
        return self._session
