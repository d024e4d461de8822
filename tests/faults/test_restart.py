"""Stopping and starting: in order, worker by worker, twice at once, and what repeats then."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from gateway.instance import CONFIG_NAME
from tests.support.checker import check
from tests.support.events import release
from tests.support.gateway_process import (
    GatewayProcess,
    Instance,
    drained,
    gateway_running,
    instance,
)
from tests.support.histories import Producer, chosen_seed, fsck, history

pytestmark = pytest.mark.faults

DRAIN_BOUND_S = 30.0  # F43


def releases(first: int, count: int) -> dict[str, bytes]:
    return {f"release-{n}": release(n) for n in range(first, first + count)}


def assert_promises(inst: Instance, producer: Producer, *, seed: int = 0) -> None:
    broken = check(history(inst, producer))
    assert not broken, f"THROUGHGATE_SEED={seed}: {broken[:10]}"
    assert fsck(inst).verdict == "ok", f"THROUGHGATE_SEED={seed}"


async def test_an_orderly_stop_under_load_ends_in_time_and_loses_nothing(tmp_path: Path) -> None:
    async with instance(tmp_path / "gateway") as inst, gateway_running(inst) as process:
        producer = Producer(inst)
        posting = asyncio.create_task(producer.post_all(releases(0, 200)))
        await producer.accepted(60)
        async with asyncio.timeout(DRAIN_BOUND_S):
            assert await process.terminate() == 0
        left = await posting
        await process.start()
        assert await producer.post_all({**left, **releases(0, 50)}) == {}
        await drained(inst)
        assert_promises(inst, producer)


async def test_a_worker_killed_under_load_is_replaced_and_no_alert_is_decided_twice(
    tmp_path: Path,
) -> None:
    seed = chosen_seed()
    rng = random.Random(seed)
    async with instance(tmp_path / "gateway") as inst, gateway_running(inst, workers=2) as process:
        producer = Producer(inst)
        left: dict[str, bytes] = {}
        for number in range(2):
            posting = asyncio.create_task(producer.post_all(releases(number * 100, 100) | left))
            await producer.accepted(rng.randint(1, 60))
            os.kill(rng.choice(process.children()), signal.SIGKILL)
            left = await posting
        await post_until_accepted(producer, left)
        await drained(inst)
        assert_promises(inst, producer, seed=seed)
        assert process.starts == 1


async def post_until_accepted(producer: Producer, left: dict[str, bytes]) -> None:
    """Send again until every one has its 202, as a sender would."""
    async with asyncio.timeout(30):
        while left:
            left = await producer.post_all(left)


async def test_killing_the_supervisor_leaves_nothing_behind_that_stops_a_restart(
    tmp_path: Path,
) -> None:
    async with instance(tmp_path / "gateway") as inst, gateway_running(inst, workers=2) as process:
        producer = Producer(inst)
        assert await producer.post_all(releases(0, 50)) == {}
        workers = process.children()
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        try:
            await ended(workers, within_s=10)
            await process.start()  # as whatever supervises the service would: same folder and port
            assert await producer.post_all(releases(0, 100)) == {}
            await drained(inst)
            assert_promises(inst, producer)
        finally:
            for pid in workers:
                kill_if_running(pid, process)


async def ended(pids: list[int], *, within_s: float) -> None:
    """Wait for processes that are no children of ours to end.

    Raises:
        AssertionError: one still runs: it would go on serving, unseen, beside the next gateway.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while any(running(pid) for pid in pids):  # noqa: ASYNC110 - no one can wait for it
                await asyncio.sleep(0.02)
    assert not any(running(pid) for pid in pids), "a worker outlives its supervisor"


def running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def kill_if_running(pid: int, process: GatewayProcess) -> None:
    """End a worker whose supervisor is gone; it is ours: its command line names our folder."""
    command = Path(f"/proc/{pid}/cmdline")
    if command.exists() and str(process.instance.folder).encode() in command.read_bytes():
        os.kill(pid, signal.SIGKILL)


async def test_a_second_gateway_on_the_same_instance_is_refused(tmp_path: Path) -> None:
    async with instance(tmp_path / "gateway") as inst, gateway_running(inst):
        producer = Producer(inst)
        assert await producer.post_all(releases(0, 10)) == {}
        await drained(inst)
        size = fsck(inst).size
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "serve", "--config", str(inst.folder / CONFIG_NAME),
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(30):
            _, errors = await second.communicate()
        assert second.returncode == 2
        assert b"another gateway already serves this instance" in errors
        assert b"Traceback" not in errors
        assert fsck(inst).size == size, "the second one wrote nothing"
        assert await producer.post_all(releases(10, 10)) == {}, "the first one serves on"


async def test_a_deferred_alert_is_repeated_byte_for_byte_under_the_same_id(tmp_path: Path) -> None:
    async with instance(tmp_path / "gateway", answers=[503, 503]) as inst:
        async with gateway_running(inst):
            producer = Producer(inst)
            assert await producer.post_all(releases(0, 1)) == {}
            await drained(inst)
        first, *repeats = inst.hook.received
        assert len(repeats) == 2
        assert {hook.headers["webhook-id"] for hook in repeats} == {first.headers["webhook-id"]}
        assert {hook.body for hook in repeats} == {first.body}
        assert_promises(inst, producer)


async def test_an_alert_owed_at_a_kill_leaves_after_the_restart_under_the_same_id(
    tmp_path: Path,
) -> None:
    refusals = [503] * 500
    async with instance(tmp_path / "gateway", answers=refusals, ladder_s=[1.0]) as inst:
        async with gateway_running(inst) as process:
            producer = Producer(inst)
            assert await producer.post_all(releases(0, 5)) == {}
            await arrived(inst, 5)
            await process.kill()
            await process.start()
            await arrived(inst, 10)
            await process.kill()
        ids = [hook.headers["webhook-id"] for hook in inst.hook.received]
        assert len(set(ids)) == 5
        assert set(ids[-5:]) <= set(ids[:5])


async def arrived(inst: Instance, count: int) -> None:
    """Wait until the receiver was sent that many."""
    async with asyncio.timeout(20):
        while len(inst.hook.received) < count:  # noqa: ASYNC110 - another process sends
            await asyncio.sleep(0.02)
