"""A relay in front of the sandbox: hears every byte, and can lose an answer on its way back."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self


class Relay:
    """Listens on loopback and passes everything on to another loopback port."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.heard = bytearray()  # what the client said
        self.lose: bytes | None = None  # lose the answers to requests that hold this
        self.silent = False  # lost answers end in silence, not in a closed connection
        self.lost = 0
        self._passing: set[asyncio.Future[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for one in self._passing:
            one.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)
        await self._server.wait_closed()
        await asyncio.sleep(0.05)  # what served them closes its connections

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def heads(self) -> list[str]:
        """Every request's line and headers, as its operator could read them."""
        return [
            part.rpartition(b"\r\n\r\n")[0].decode("latin-1") or part.decode("latin-1")
            for part in bytes(self.heard).split(b"\r\n\r\n")
            if b" HTTP/1.1\r\n" in part
        ]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self._to)
        losing = asyncio.Event()

        async def up() -> None:
            while piece := await reader.read(65536):
                self.heard += piece
                if self.lose is not None and self.lose in piece:
                    losing.set()
                their_writer.write(piece)

        async def down() -> None:
            while piece := await their_reader.read(65536):
                if losing.is_set():
                    self.lost += 1
                    if self.silent:
                        await asyncio.Event().wait()
                    return
                writer.write(piece)

        both = {asyncio.ensure_future(up()), asyncio.ensure_future(down())}
        self._passing |= both
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            for each in (writer, their_writer):
                each.close()
                with contextlib.suppress(ConnectionError):
                    await each.wait_closed()
