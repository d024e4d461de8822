"""A feed whose source is the test: it offers what it is told to, and has its own troubles."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import aiohttp
import pytest

from gateway.feeds.contract import Answer, Fetched, HandOver
from gateway.feeds.runner import Source
from gateway.model.ids import AgencyName
from gateway.store import sqlite
from tests.gateway_in_process import Gateway


class Scripted:
    """Stays up until told otherwise; `runs` counts how often it was started."""

    def __init__(self, name: str = "scripted", *, troubles: Sequence[Exception] = ()) -> None:
        self.name = name
        self.runs = 0
        self.closed = 0
        self.up = asyncio.Event()
        self._troubles = list(troubles)
        self._hand_over: HandOver | None = None
        self._failed = asyncio.Event()

    async def run(self, hand_over: HandOver) -> None:
        self.runs += 1
        if self._troubles:
            raise self._troubles.pop(0)
        self._hand_over = hand_over
        self.up.set()
        await self._failed.wait()
        self._failed.clear()
        self.up.clear()
        raise self._troubles.pop(0)

    async def close(self) -> None:
        self.closed += 1

    def fail(self, *troubles: Exception) -> None:
        """End this run with the first trouble, and the next runs with the others."""
        self._troubles += troubles
        self._failed.set()

    async def offer(self, body: bytes, message_id: str = "m-1") -> Answer:
        """Hand one message over, as soon as the feed runs."""
        await asyncio.wait_for(self.up.wait(), timeout=10)
        assert self._hand_over is not None
        return await self._hand_over(Fetched(message_id=message_id, body=body))


def plug(
    monkeypatch: pytest.MonkeyPatch,
    *feeds: Scripted,
    agency: str = "hmp-exampleton",
    adapter: str | None = None,
) -> None:
    """Have gateways started from here on run these feeds instead of the configured ones."""
    sources = [Source(feed=feed, agency=AgencyName(agency), adapter=adapter) for feed in feeds]
    monkeypatch.setattr("gateway.app.build_sources", lambda *_given, **_named: sources)


async def until(reached: Callable[[], bool], *, within_s: float = 20.0) -> None:
    """Wait until something has come about.

    Raises:
        TimeoutError.
    """
    async with asyncio.timeout(within_s):
        while not reached():  # noqa: ASYNC110 - others bring it about
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def background(coroutine: object) -> AsyncIterator["asyncio.Task[None]"]:
    """Run a coroutine while the block lasts."""
    task: asyncio.Task[None] = asyncio.ensure_future(coroutine)  # type: ignore[arg-type]
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def stored(served: Gateway) -> int:
    reader = sqlite.open_reader(served.config.path(served.config.instance.database))
    try:
        return int(reader.execute("SELECT count(*) FROM event").get)
    finally:
        reader.close()


async def metrics(served: Gateway) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{served.url}/metrics") as reply:
        return await reply.text()
