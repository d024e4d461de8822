"""A mail relay that misbehaves at one verb, in one way; and relays whose TLS proves nothing."""

import asyncio
import ssl
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import trustme

from gateway.demo.servers.certificates import LoopbackCertificates
from tests.channels.scripted import ScriptedRelay

LATER, NEVER = "451 4.3.0 later", "550 5.0.0 never"
CUT = "cut"
HANG = "hang"
DRIP = "drip"  # one byte of an endless reply at a time
ENDLESS_LINE = "endless-line"  # a reply line that does not end, as fast as it is read
ENDLESS_REPLY = "endless-reply"  # a reply of continuation lines that does not end
WAITING = (HANG, DRIP)
FAULTS = (LATER, NEVER, CUT, *WAITING, ENDLESS_LINE, ENDLESS_REPLY)


class HostileRelay(ScriptedRelay):
    """Does one fault at one verb, as many times as asked, and is well-mannered otherwise."""

    def __init__(
        self, tls: ssl.SSLContext, verb: str, fault: str, *, times: int = 1, security: str = ""
    ) -> None:
        super().__init__(
            tls,
            security=security or "starttls",
            offers_under_tls=("AUTH PLAIN", "DSN", "8BITMIME"),
        )
        self.done = 0
        self._verb = verb
        self._fault = fault
        self._times = times
        self._secure = False

    def _ehlo(self, *, secure: bool) -> str:
        self._secure = secure
        return super()._ehlo(secure=secure)

    async def _reply(self, verb: str, writer: asyncio.StreamWriter, good: str) -> str:
        if verb == "EHLO" and self._secure:
            verb = "EHLO-TLS"
        if verb == "STARTTLS" and self._due("handshake"):
            writer.write(b"220 go on\r\n")
            await asyncio.sleep(0.1)  # what follows is read as TLS
            await self._misbehave(writer)
            return ""
        if not self._due(verb):
            return await super()._reply(verb, writer, good)
        return await self._misbehave(writer)

    async def _content(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.tap += await reader.read(64)
        if self._due("body") and not await self._misbehave(writer):
            return False
        while not self.tap.endswith(b"\r\n.\r\n"):
            self.tap += await reader.read(65536)
        return bool(await self._reply("content", writer, self.GOOD["content"]))

    def _due(self, verb: str) -> bool:
        if verb != self._verb or self.done >= self._times:
            return False
        self.done += 1
        return True

    async def _misbehave(self, writer: asyncio.StreamWriter) -> str:
        if self._fault == HANG:
            await asyncio.Event().wait()
        if self._fault == DRIP:
            # A reply in continuation lines; or the beginning of a long record of a handshake.
            words = b"\x16\x03\x03\x3f\xff" if self._verb == "handshake" else b"250-one more\r\n"
            while True:
                for byte in words:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.005)
        if self._fault in (ENDLESS_LINE, ENDLESS_REPLY):
            some = b"250-" + b"x" * 60
            chunk = (some + b"\r\n" if self._fault == ENDLESS_REPLY else some) * 1000
            while True:
                writer.write(chunk)
                await writer.drain()
        if self._fault == CUT:
            return ""
        writer.write(self._fault.encode() + b"\r\n")
        await writer.drain()
        return self._fault


def _tls(names: Sequence[str] = ("127.0.0.1",), **changes: Any) -> LoopbackCertificates:
    """Return a relay's context and one that trusts its authority."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **changes).configure_cert(server)
    client = _client_context()
    authority.configure_trust(client)
    return LoopbackCertificates(
        ca_pem=authority.cert_pem.bytes(),
        ca_file=None,
        server_context=server,
        client_context=client,
    )


def expired() -> LoopbackCertificates:
    return _tls(not_after=datetime(2020, 1, 1, tzinfo=UTC))


def another_name() -> LoopbackCertificates:
    return _tls(("elsewhere.example",))


def unknown_authority() -> LoopbackCertificates:
    found = _tls()
    return LoopbackCertificates(
        ca_pem=found.ca_pem,
        ca_file=None,
        server_context=found.server_context,
        client_context=_client_context(),
    )


def old_tls() -> LoopbackCertificates:
    found = _tls()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found.server_context.minimum_version = ssl.TLSVersion.TLSv1
        found.server_context.maximum_version = ssl.TLSVersion.TLSv1_1
        found.server_context.set_ciphers("DEFAULT@SECLEVEL=0")
    return found


def _client_context() -> ssl.SSLContext:
    """Return a verifying context with the floor that older Pythons leave to the system."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
