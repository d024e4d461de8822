"""An aiohttp application served over TLS while entered."""

from types import TracebackType
from typing import Self

from aiohttp import web

from gateway.demo.servers.certificates import LoopbackCertificates

HOST = "127.0.0.1"


class TlsSite:
    """An aiohttp application served over TLS while entered."""

    path = ""

    def __init__(self, certificates: LoopbackCertificates) -> None:
        self._certificates = certificates

    def _application(self) -> web.Application:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        context = self._certificates.server_context
        await web.TCPSite(self._runner, HOST, 0, ssl_context=context).start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The port listened on."""
        return int(self._runner.addresses[0][1])

    @property
    def url(self) -> str:
        """The https URL to send to."""
        return f"https://{HOST}:{self.port}{self.path}"
