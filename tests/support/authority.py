"""What a certification authority publishes about revocation, from a real server on loopback."""

import asyncio
import datetime as dt
import zlib
from typing import Literal, Self

from aiohttp import web
from cryptography import x509
from cryptography.x509 import ocsp

from tests.keys.authority import Authority, points, responder
from tests.keys.authority import root as new_root
from tests.keys.material import Private, usage

DAY = dt.timedelta(days=1)

Trouble = Literal["down", "redirects", "hangs", "endless", "huge", "drips", "bomb"]


class Publisher:
    """A root that signs and publishes its list and its answers afresh whenever it is asked.

    Enter it to serve on a loopback port.
    """

    def __init__(self, now: dt.datetime) -> None:
        """Build it; `now` is when what it publishes is made."""
        self.now = now
        self.root: Authority = new_root()
        self.revoked: list[x509.Certificate] = []
        self.issued: dict[int, x509.Certificate] = {}
        self.trouble: Trouble | None = None
        self.asked: list[str] = []
        self.due = DAY
        self._runner: web.AppRunner | None = None
        self._done = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Serve."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop serving; nothing hangs on."""
        self._done.set()
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where it serves."""
        assert self._runner is not None
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    def issue(
        self,
        key: Private,
        address: str,
        *,
        says: Literal["crl", "ocsp"],
        url: str | None = None,
    ) -> x509.Certificate:
        """Issue a mail certificate that names this server (or another) for one kind of word."""
        place = f"{url or self.url}/{says}"
        source = points(place) if says == "crl" else responder(place)
        made = self.root.issue(
            key=key,
            address=address,
            extensions=(usage(key_agreement=True), source),
            start=self.now - 30 * DAY,
            end=self.now + 365 * DAY,
        )
        self.issued[made.serial_number] = made
        return made

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        body = await request.read()
        match self.trouble:
            case "down":
                return web.Response(status=503)
            case "redirects":
                raise web.HTTPFound(f"{self.url}/elsewhere{request.path}")
            case "hangs":
                await self._done.wait()
            case "huge":
                return web.Response(body=b"0" * (5 << 20))
            case "bomb":
                return web.Response(body=_bomb(), headers={"Content-Encoding": "gzip"})
            case "endless" | "drips":
                return await self._stream(request)
        return web.Response(body=self._word(request, body))

    def _word(self, request: web.Request, body: bytes) -> bytes:
        if request.path.endswith("/crl"):
            return self.root.crl(
                *self.revoked, made=self.now - DAY / 24, due=self.now + self.due, on=self.now - DAY
            )
        about = self.issued[ocsp.load_der_ocsp_request(body).serial_number]
        revoked = about in self.revoked
        return self.root.answer(
            about,
            status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
            made=self.now - DAY / 24,
            due=self.now + self.due,
        )

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse()
        await reply.prepare(request)
        chunk, pause = (b"0", 0.05) if self.trouble == "drips" else (b"0" * 65536, 0)
        try:
            while not self._done.is_set():
                await reply.write(chunk)
                await asyncio.sleep(pause)
        except ConnectionError:
            pass  # whoever asked has had enough
        return reply


def _bomb() -> bytes:
    """Return a little gzip that would grow to 256 MiB."""
    packing = zlib.compressobj(1, wbits=31)
    return b"".join(packing.compress(bytes(1 << 20)) for _ in range(256)) + packing.flush()
