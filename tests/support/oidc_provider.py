"""A real OpenID provider on loopback: npm's oidc-provider, an implementation that is not ours."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.support.node import node_package
from tests.support.servers import require

_HERE: Final = Path(__file__).parent


@contextlib.asynccontextmanager
async def oidc_provider(
    *, client_id: str, redirect_uri: str, subject: str, secret: str | None = None
) -> AsyncIterator[str]:
    """Start a provider that says everybody is one subject; yield its issuer, and end it."""
    process = await asyncio.create_subprocess_exec(
        require("node", "nodejs"),
        str(_HERE / "oidc_provider.mjs"),
        str(node_package("oidc-provider")),
        client_id,
        secret or "-",
        redirect_uri,
        subject,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # it warns of what only matters in production
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            said = json.loads(await process.stdout.readline())
        yield said["issuer"]
    finally:
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
