"""A real message centre on loopback: npm's smpp, an implementation that is not ours."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import trustme

from tests.support.node import node_package
from tests.support.servers import require

PASSWORD: Final = "pa55word"
_HERE: Final = Path(__file__).parent


@dataclass(slots=True)
class Smsc:
    """A running message centre: what it saw, and what it is told to do."""

    port: int
    process: asyncio.subprocess.Process
    ca_pem: bytes
    events: list[dict[str, Any]] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def seen(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.events if one["event"] == event]

    async def until(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until so many of these were seen."""
        async with asyncio.timeout(10):
            while len(self.seen(event)) < count:
                self.heard.clear()
                await self.heard.wait()
        return self.seen(event)

    async def plan(self, **changes: Any) -> None:
        await self._order({"order": "plan", "changes": changes})

    async def drop(self) -> None:
        await self._order({"order": "drop"})

    async def deliver(self, sender: str, text: str, **members: Any) -> None:
        """Send a text to whoever is bound."""
        given = {"source_addr": sender, "source_addr_ton": 1, "short_message": text}
        await self._order({"order": "deliver", "members": given | members})

    async def _order(self, order: dict[str, Any]) -> None:
        done = len(self.seen("done"))
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        await self.until("done", done + 1)

    async def listen(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.events.append(json.loads(line))
            self.heard.set()


@contextlib.asynccontextmanager
async def smsc(folder: Path, *, tls: bool = True, **plan: Any) -> AsyncIterator[Smsc]:
    """Start a message centre, and end it.

    Args:
        folder: Where its certificate goes.
        tls: False to listen in the clear.
        plan: See ``plan`` in smsc.js.
    """
    node = require("node", "nodejs")
    module = node_package("smpp")
    authority = trustme.CA()
    files: list[str] = []
    if tls:
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        certificate.private_key_pem.write_to_path(folder / "smsc-key.pem")
        chain = b"".join(one.bytes() for one in certificate.cert_chain_pems)
        (folder / "smsc-chain.pem").write_bytes(chain)
        files = [str(folder / "smsc-key.pem"), str(folder / "smsc-chain.pem")]
    process = await asyncio.create_subprocess_exec(
        node,
        str(_HERE / "smsc.js"),
        str(module),
        *files,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    centre = Smsc(port=0, process=process, ca_pem=authority.cert_pem.bytes())
    listening = asyncio.create_task(centre.listen())
    try:
        centre.port = (await centre.until("listening"))[0]["port"]
        if plan:
            await centre.plan(**plan)
        yield centre
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
        await listening
