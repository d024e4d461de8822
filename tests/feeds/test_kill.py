"""Kill -9 while a feed is read: every message is accepted, exactly once."""

import asyncio
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from gateway.audit.findings import Auditor
from gateway.demo.cast import AREA
from gateway.instance import CONFIG_NAME
from gateway.store import sqlite
from tests.feeds.queues import credentials, endpoint, make_queue, queue_server
from tests.feeds.scripted import until
from tests.feeds.ward import adt, install_ward
from tests.support.events import noms, release
from tests.support.gateway_process import (
    GATEWAY,
    PRISON,
    GatewayProcess,
    Instance,
    _free_port,
    drained,
    gateway_running,
    instance,
)
from tests.support.histories import chosen_seed, fsck
from tests.support.night import LONG, by_night

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

EVENTS = 300 if LONG else 120
KILLS = 6 if LONG else 2


def accepted(inst: Instance) -> int:
    reader = sqlite.open_reader(inst.database)
    try:
        return int(reader.execute("SELECT count(*) FROM event").get)
    finally:
        reader.close()


def configure(inst: Instance, feed: str) -> None:
    with (inst.folder / CONFIG_NAME).open("a") as file:
        file.write(f'\n[[feed]]\nname = "fed"\nagency = "{PRISON}"\n{feed}')


def put(drop: Path, name: str, numbers: Iterable[int]) -> None:
    part = drop / f"{name}.part"
    part.write_bytes(b"\n".join(release(n) for n in numbers))
    part.rename(drop / f"{name}.jsonl")


async def killed_again_and_again(process: GatewayProcess, inst: Instance, seed: int) -> None:
    """Kill each time a few more messages have been accepted, and a moment later."""
    rng = random.Random(seed)
    reached = []
    for _ in range(KILLS):
        goal = accepted(inst) + rng.randint(1, EVENTS // (KILLS + 2))
        await until(lambda goal=goal: accepted(inst) >= min(goal, EVENTS))  # type: ignore[misc]
        await asyncio.sleep(rng.uniform(0, 0.02))
        await process.kill()
        reached.append(accepted(inst))
        await process.start()
    assert any(0 < count < EVENTS for count in reached), f"THROUGHGATE_SEED={seed}: {reached}"


def assert_once_each(inst: Instance) -> None:
    reader = sqlite.open_reader(inst.database)
    try:
        persons = reader.execute("SELECT count(DISTINCT person), count(*) FROM event").fetchone()
        assert persons == (EVENTS, EVENTS)
        assert reader.execute("SELECT count(*) FROM event WHERE state = 'decided'").get == EVENTS
    finally:
        reader.close()
    with Auditor.open(inst.database, inst.vkey) as auditor:
        assert len(auditor.entries("collection")) == EVENTS
    report = fsck(inst)
    assert report.verdict == "ok", report.problems[:10]


@by_night
async def test_a_drop_folder_read_over_kills_is_accepted_exactly_once(tmp_path: Path) -> None:
    seed = chosen_seed()
    drop = tmp_path / "drop"
    drop.mkdir(mode=0o700)
    async with instance(tmp_path / "gateway") as inst:
        configure(inst, f'kind = "folder"\npath = "{drop}"\nsettle_s = 0.1\nevery_s = 0.05\n')
        async with gateway_running(inst) as process:
            for number in range(3):
                put(drop, str(number), range(number, EVENTS, 3))
            await killed_again_and_again(process, inst, seed)
            await until(lambda: accepted(inst) == EVENTS, within_s=60)
            await until(lambda: not any(drop.glob("*.jsonl")), within_s=60)
            await drained(inst)
            assert await process.terminate() == 0
        assert_once_each(inst)
        assert not [*drop.rglob("*.jsonl")]


async def test_a_queue_read_over_kills_is_accepted_exactly_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = chosen_seed()
    credentials(monkeypatch)
    with queue_server() as server:
        url = endpoint(server)
        queue = make_queue(url, "killed", visible_after_s=2, tries=1000)
        await asyncio.to_thread(queue.send, *(release(n).decode() for n in range(EVENTS)))
        async with instance(tmp_path / "gateway") as inst:
            configure(
                inst,
                f'kind = "sqs"\nqueue_url = "{queue.url}"\nendpoint_url = "{url}"\nwait_s = 1\n',
            )
            async with gateway_running(inst) as process:
                await killed_again_and_again(process, inst, seed)
                async with asyncio.timeout(120):
                    while await asyncio.to_thread(queue.left):  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
                await drained(inst)
                assert await process.terminate() == 0
            assert_once_each(inst)
            assert queue.left(queue.dead) == 0


async def test_a_full_disk_makes_a_folder_wait_and_a_failed_sync_loses_nothing(
    tmp_path: Path,
) -> None:
    drop, commands = tmp_path / "drop", tmp_path / "commands"
    drop.mkdir(mode=0o700)
    commands.mkdir()
    failing = ("-m", "tests.support.failing_disk", str(commands))
    async with instance(tmp_path / "gateway") as inst:
        configure(inst, f'kind = "folder"\npath = "{drop}"\nsettle_s = 0.1\nevery_s = 0.05\n')
        async with gateway_running(inst, command=failing) as process:
            (commands / "full").touch()
            put(drop, "a", range(100))
            await until(lambda: '"no-space"' in process.log())
            assert (accepted(inst), process.code) == (0, None)
            assert (drop / "a.jsonl").exists()
            (commands / "full").unlink()
            await until(lambda: not (drop / "a.jsonl").exists())
            assert accepted(inst) == 100
            (commands / "fail-sync").touch()
            put(drop, "b", range(100, EVENTS))
            assert await process.wait() == 70
            assert (drop / "b.jsonl").exists()
            process.command = GATEWAY
            await process.start()
            await until(lambda: not (drop / "b.jsonl").exists(), within_s=60)
            await drained(inst)
        assert_once_each(inst)


@by_night
async def test_an_hl7_sender_that_repeats_what_was_not_answered_is_heard_exactly_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = chosen_seed()
    install_ward(tmp_path / "packages", monkeypatch, area=AREA)
    port = _free_port()
    async with instance(tmp_path / "gateway") as inst:
        configure(inst, f'kind = "mllp"\nadapter = "ward_adt"\nport = {port}\n')
        async with gateway_running(inst) as process:
            sender = asyncio.create_task(send_all(port))
            await killed_again_and_again(process, inst, seed)
            repeats = await asyncio.wait_for(sender, timeout=120)
            await drained(inst)
            assert await process.terminate() == 0
        assert_once_each(inst)
    assert repeats > 0, "no kill ever met a message under way"


async def send_all(port: int) -> int:
    """Send each message until it is answered, over as many connections as that takes; return how
    often one was sent again."""
    waiting, repeats = [adt(f"evt-{n}", noms=noms(n)) for n in range(EVENTS)], 0
    while waiting:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        try:
            while waiting:
                writer.write(b"\x0b" + waiting[0] + b"\x1c\r")
                assert b"|AA|" in await reader.readuntil(b"\x1c\r")
                waiting.pop(0)
        except (OSError, asyncio.IncompleteReadError):
            repeats += 1
        finally:
            writer.close()
    return repeats
