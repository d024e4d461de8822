"""Replacing, draining and losing processes while a gateway serves: nothing lost, nothing twice."""

import asyncio
import collections
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.instance import CONFIG_NAME
from gateway.store.place import place_of
from tests.support.checker import check
from tests.support.events import release
from tests.support.gateway_process import (
    GatewayProcess,
    Instance,
    drained,
    gateway_running,
    instance,
    post,
)
from tests.support.histories import Producer, fsck, history
from tests.support.night import by_night
from tests.support.postgres import fresh_database
from tests.support.redis import redis_running

pytestmark = pytest.mark.faults


def releases(first: int, count: int) -> dict[str, bytes]:
    return {f"release-{n}": release(n) for n in range(first, first + count)}


def assert_each_delivered_once(inst: Instance, count: int) -> None:
    """No resend was asked for, so no receiver may have seen any key twice."""
    seen = collections.Counter(hook.headers["webhook-id"] for hook in inst.hook.received)
    assert [key for key, times in seen.items() if times > 1] == []
    assert len(seen) == count


async def steadily(inst: Instance, statuses: list[int], stopping: asyncio.Event) -> None:
    """Post one new event after another, over connections that are kept, until told to stop."""
    async with aiohttp.ClientSession() as session:
        while not stopping.is_set():
            status, _ = await post(session, inst, release(len(statuses)))
            statuses.append(status)
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def posting(inst: Instance, statuses: list[int]) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    task = asyncio.create_task(steadily(inst, statuses, stopping))
    try:
        yield
    finally:
        stopping.set()
        await task


async def until_replaced(process: GatewayProcess, before: set[int]) -> None:
    async with asyncio.timeout(60):
        while process.log().count('"workers replaced"') < 1:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    assert before.isdisjoint(process.children())


@by_night
async def test_replacing_every_worker_refuses_no_post_and_sends_nothing_twice(
    tmp_path: Path,
) -> None:
    async with instance(tmp_path / "gateway") as inst, gateway_running(inst, workers=2) as process:
        statuses: list[int] = []
        async with posting(inst, statuses):
            await asyncio.sleep(0.5)
            before = set(process.children())
            os.kill(process.pid, signal.SIGHUP)
            await until_replaced(process, before)
            await asyncio.sleep(0.5)
        assert len(before) == 2
        assert set(statuses) == {202}
        await drained(inst)
        assert await process.terminate() == 0
        assert_each_delivered_once(inst, len(statuses))
        assert fsck(inst).verdict == "ok"


async def test_a_configuration_that_cannot_be_used_replaces_nobody(tmp_path: Path) -> None:
    async with instance(tmp_path / "gateway") as inst, gateway_running(inst, workers=2) as process:
        before = set(process.children())
        with (inst.folder / CONFIG_NAME).open("a") as file:
            file.write("\n[no-such-section]\n")
        os.kill(process.pid, signal.SIGHUP)
        async with asyncio.timeout(60):
            while "worker not replaced" not in process.log():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        assert set(process.children()) == before
        producer = Producer(inst)
        assert await producer.post_all(releases(0, 5)) == {}
        await drained(inst)


@by_night
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_stop_in_order_ends_what_is_under_way_and_sends_nothing_twice(
    tmp_path: Path, workers: int
) -> None:
    async with instance(tmp_path / "gateway") as inst:
        async with gateway_running(inst, workers=workers) as process:
            producer = Producer(inst)
            sending = asyncio.create_task(producer.post_all(releases(0, 200)))
            await producer.accepted(60)
            async with asyncio.timeout(30):
                assert await process.terminate() == 0
            left = await sending
            await process.start()
            assert await producer.post_all(left) == {}
            await drained(inst)
            assert await process.terminate() == 0
        assert_each_delivered_once(inst, 200)
        assert check(history(inst, producer)) == []


async def test_one_machine_refuses_half_a_gateway(tmp_path: Path) -> None:
    async with instance(tmp_path / "gateway") as inst:
        process = GatewayProcess(instance=inst, options=["--role", "deliver"])
        process.spawn()
        assert await process.wait() == 2
        assert "use --workers" in process.log()


def scaled(url: str) -> str:
    """Return the configuration of an instance on PostgreSQL, with short leases."""
    return f"""lease_s = 2
[postgres]
url = "{url}"
"""


@contextlib.asynccontextmanager
async def scaled_out(inst: Instance, delivering: int) -> AsyncIterator[list[GatewayProcess]]:
    """Run one process that accepts and some that deliver, until the block ends."""
    api = GatewayProcess(instance=inst, options=["--role", "api"])
    others = [GatewayProcess(instance=inst, options=own(inst, n)) for n in range(delivering)]
    try:
        for process in others:
            process.spawn()
        await api.start()
        yield [api, *others]
    finally:
        for process in (api, *others):
            await process.kill()


def own(inst: Instance, number: int) -> list[str]:
    """Return the options of a process that delivers: on one machine each has its own port."""
    text = (inst.folder / CONFIG_NAME).read_text("utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = inst.folder / f"deliver-{number}.toml"
    file.write_text(text.replace("[http]", f"[http]\noperator_port = {port}"), "utf-8")
    file.chmod(0o600)
    return ["--role", "deliver", "--config", str(file)]


async def held_by(inst: Instance, holders: int) -> dict[str, int]:
    """Wait until every shard is held, among so many; return how many each holds."""
    reader = place_of(inst.config).open_reader()
    try:
        async with asyncio.timeout(60):
            while True:
                rows = reader.execute(
                    "SELECT holder, count(*) FROM lease WHERE shard < 32 AND until > ?"
                    " GROUP BY holder",
                    (int(time.time() * 1000),),
                ).fetchall()
                held = {str(who): int(count) for who, count in rows}
                if len(held) == holders and sum(held.values()) == 32:
                    return held
                await asyncio.sleep(0.05)
    finally:
        reader.close()


@by_night
@pytest.mark.parametrize("spread", [False, True], ids=["alone", "redis"])
async def test_two_that_deliver_share_the_work_and_one_that_stops_in_order_hands_it_over(
    tmp_path: Path, spread: bool
) -> None:
    with fresh_database(empty=True) as url:
        async with contextlib.AsyncExitStack() as closing:
            more = scaled(url)
            if spread:
                redis = await closing.enter_async_context(redis_running())
                more += f'[redis]\nurl = "{redis.url}/0"\n'
            inst = await closing.enter_async_context(instance(tmp_path / "gateway", more=more))
            _api, one, two = await closing.enter_async_context(scaled_out(inst, 2))
            assert sorted((await held_by(inst, 2)).values()) == [16, 16]
            statuses: list[int] = []
            async with posting(inst, statuses):
                await asyncio.sleep(0.5)
                assert await one.terminate() == 0
                assert sum((await held_by(inst, 1)).values()) == 32
                one.spawn()
                await held_by(inst, 2)
                assert await two.terminate() == 0
                await held_by(inst, 1)
            assert set(statuses) == {202}
            await drained(inst)
            assert_each_delivered_once(inst, len(statuses))
            assert fsck(inst).verdict == "ok"


@by_night
async def test_one_paused_past_its_lease_decides_nothing_when_it_wakes(tmp_path: Path) -> None:
    with fresh_database(empty=True) as url:
        async with (
            instance(tmp_path / "gateway", more=scaled(url)) as inst,
            scaled_out(inst, 2) as (api, one, two),
        ):
            await held_by(inst, 2)
            producer = Producer(inst)
            sending = asyncio.create_task(producer.post_all(releases(0, 150)))
            await producer.accepted(30)
            os.kill(one.pid, signal.SIGSTOP)
            await held_by(inst, 1)
            os.kill(one.pid, signal.SIGCONT)
            await held_by(inst, 2)
            assert await sending == {}
            await drained(inst)
            assert one.code is two.code is api.code is None
            broken = check(history(inst, producer))
            assert broken == []
            assert fsck(inst).verdict == "ok"
