"""Several real workers behind one port: whichever is scraped, all are counted."""

import asyncio
from pathlib import Path

import aiohttp

from tests.operators.observed import Samples, samples
from tests.support.gateway_process import gateway_running, instance


async def test_every_scrape_counts_every_worker(tmp_path: Path) -> None:
    async with instance(tmp_path / "i") as made, gateway_running(made, workers=2) as process:
        scrapes = [await scrape(made.url) for _ in range(8)]
        async with asyncio.timeout(20):
            while up(scrapes[-1]) < 2:
                await asyncio.sleep(0.1)
                scrapes.append(await scrape(made.url))
        again = [await scrape(made.url) for _ in range(8)]
        folder = made.database.with_suffix(".metrics")
        assert {one.name for one in folder.glob("worker-*")} == {"worker-0.json", "worker-1.json"}
        await process.terminate()
    for found in again:
        ready = {labels for name, labels in found if name == "throughgate_ready"}
        assert ready == {frozenset({("worker", "0")}), frozenset({("worker", "1")})}
    counts = [requests(found) for found in again]
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]
    assert list(folder.glob("worker-*")) == []


async def scrape(url: str) -> Samples:
    # A connection of its own each time: the kernel gives it to whichever worker is free.
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        return samples(await answer.text())


def up(found: Samples) -> float:
    return found["throughgate_workers_up", frozenset()]


def requests(found: Samples) -> float:
    return sum(
        count for (name, _), count in found.items() if name == "throughgate_http_requests_total"
    )
