"""A real gateway on a disk that fills up, and on one whose sync fails (F3, F4, F5)."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.checker import check
from tests.support.events import release
from tests.support.gateway_process import (
    GATEWAY,
    GatewayProcess,
    Instance,
    drained,
    gateway_running,
    instance,
    post,
)
from tests.support.histories import Producer, fsck, history

pytestmark = pytest.mark.faults


@contextlib.asynccontextmanager
async def on_failing_disk(tmp_path: Path) -> AsyncIterator[tuple[GatewayProcess, Producer, Path]]:
    """Run a gateway whose disk is commanded by files in the folder yielded."""
    commands = tmp_path / "disk"
    commands.mkdir()
    launcher = ("-m", "tests.support.failing_disk", str(commands))
    async with (
        instance(tmp_path / "gateway") as inst,
        gateway_running(inst, command=launcher) as process,
    ):
        yield process, Producer(inst), commands


def releases(first: int, count: int) -> dict[str, bytes]:
    return {f"release-{n}": release(n) for n in range(first, first + count)}


def assert_promises(inst: Instance, producer: Producer) -> None:
    assert check(history(inst, producer)) == []
    assert fsck(inst).verdict == "ok"


async def test_a_full_disk_is_503_and_the_gateway_recovers_when_there_is_room_again(
    tmp_path: Path,
) -> None:
    async with on_failing_disk(tmp_path) as (process, producer, commands):
        inst = process.instance
        assert await producer.post_all(releases(0, 20)) == {}
        await drained(inst)
        size = fsck(inst).size
        (commands / "full").touch()
        refused = await producer.post_all(releases(20, 20))
        assert len(refused) == 20
        async with aiohttp.ClientSession() as session:
            status, answer = await post(session, inst, release(20))
            async with session.get(f"{inst.url}/log/checkpoint") as response:
                assert response.status == 200, "reads go on"
        assert (status, answer["type"]) == (503, "urn:throughgate:problem:no-space")
        assert process.code is None, "it waits for room; it does not give up"
        assert fsck(inst).size == size, "nothing was half stored"
        (commands / "full").unlink()
        assert await producer.post_all(refused) == {}
        await drained(inst)
        assert process.starts == 1
        assert_promises(inst, producer)


async def test_outcomes_that_found_no_room_are_recorded_when_there_is_room_again(
    tmp_path: Path,
) -> None:
    async with on_failing_disk(tmp_path) as (process, producer, commands):
        inst = process.instance
        assert await producer.post_all(releases(0, 60)) == {}
        (commands / "full").touch()  # while alerts are on their way
        refused = await producer.post_all(releases(0, 61))
        assert "release-60" in refused
        (commands / "full").unlink()
        assert await producer.post_all(refused) == {}
        await drained(inst)
        assert_promises(inst, producer)


async def test_after_a_failed_sync_nothing_is_acknowledged_and_a_restart_finds_a_whole_store(
    tmp_path: Path,
) -> None:
    async with on_failing_disk(tmp_path) as (process, producer, commands):
        inst = process.instance
        assert await producer.post_all(releases(0, 20)) == {}
        await drained(inst)
        (commands / "fail-sync").touch()
        left = await producer.post_all(releases(20, 40))
        assert len(left) == 40, "no answer but the loss of the connection"
        assert await process.wait() == 70
        process.command = GATEWAY
        await process.start()
        assert await producer.post_all({**left, **releases(0, 20)}) == {}
        await drained(inst)
        assert_promises(inst, producer)


async def test_an_alert_that_arrived_is_not_sent_again_while_its_outcome_finds_no_room(
    tmp_path: Path,
) -> None:
    """Its outcome is known: only one that is not may be repeated."""
    async with on_failing_disk(tmp_path) as (process, producer, commands):
        inst = process.instance
        assert await producer.post_all(releases(0, 60)) == {}
        (commands / "full").touch()
        await asyncio.sleep(2.2)  # over several sweeps of the outbox
        (commands / "full").unlink()
        await drained(inst)
        times = Counter(hook.headers["webhook-id"] for hook in inst.hook.received)
        assert len(times) == 60
        assert max(times.values()) == 1
