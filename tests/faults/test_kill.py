"""Kill -9 at random times under load: what was promised still holds (P1 to P6, P9, P10; F1, F43).

A failure prints its seed; THROUGHGATE_SEED plays the same choices again. THROUGHGATE_LONG_FAULTS=1
plays the whole of them.
"""

import asyncio
import contextlib
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.checker import check
from tests.support.events import MARK, release
from tests.support.gateway_process import (
    GatewayProcess,
    Instance,
    drained,
    gateway_running,
    instance,
)
from tests.support.histories import Producer, chosen_seed, fsck, history
from tests.support.night import LONG

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

ROUNDS = 200 if LONG else 4
EVENTS = 200 if LONG else 100

Bodies = Mapping[str, bytes]


def releases(first: int, count: int) -> dict[str, bytes]:
    return {f"release-{n}": release(n) for n in range(first, first + count)}


async def killed_while_posting(
    process: GatewayProcess, producer: Producer, bodies: Bodies, rng: random.Random
) -> dict[str, bytes]:
    """Post, and kill after so many answers and a moment more; return what must be sent again."""
    answers, moment = rng.randint(0, len(bodies)), rng.uniform(0, 0.05)

    async def kill() -> None:
        await producer.accepted(answers)
        await asyncio.sleep(moment)
        await process.kill()

    killer = asyncio.create_task(kill())
    left = await producer.post_all(bodies)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(killer, timeout=1.0)  # fewer were accepted than it waits for
    await process.kill()
    return left


async def killed_while_starting(process: GatewayProcess, rng: random.Random) -> None:
    process.spawn()
    await asyncio.sleep(rng.uniform(0.5, 2.0))
    await process.kill()


async def settle(process: GatewayProcess, producer: Producer, left: Bodies, again: Bodies) -> None:
    """Send again what has no answer, and some that have; drain; stop in order."""
    assert await producer.post_all({**left, **again}) == {}
    await drained(process.instance)
    await producer.fetch_checkpoint()
    assert await process.terminate() == 0


def assert_promises(inst: Instance, producer: Producer, *, seed: int) -> None:
    run = history(inst, producer)
    broken = check(run)
    assert not broken, f"THROUGHGATE_SEED={seed}: {broken[:10]}"
    report = fsck(inst)
    assert report.verdict == "ok", f"THROUGHGATE_SEED={seed}: {report.problems[:10]}"
    assert report.size == len(run.log.entries)
    assert_no_plaintext(inst)


def assert_no_plaintext(inst: Instance) -> None:
    """P8: names appear in no file of the instance, nor in what it printed, nor on the wire."""
    mark = MARK.encode()
    for file in inst.folder.rglob("*"):
        assert not file.is_file() or mark not in file.read_bytes(), file.name
    assert not any(mark in hook.body for hook in inst.hook.received)


async def test_nothing_promised_is_lost_over_kills_while_posting(tmp_path: Path) -> None:
    seed = chosen_seed()
    rng = random.Random(seed)
    async with instance(tmp_path / "gateway") as inst, gateway_running(inst) as process:
        producer = Producer(inst)
        left: dict[str, bytes] = {}
        for number in range(ROUNDS):
            bodies = releases(number * EVENTS, EVENTS) | left
            left = await killed_while_posting(process, producer, bodies, rng)
            if rng.random() < 0.1:
                await killed_while_starting(process, rng)
            await process.start()
            await producer.fetch_checkpoint()
        again = releases(rng.randrange(ROUNDS - 1) * EVENTS, EVENTS)
        await settle(process, producer, left, again)
        assert_promises(inst, producer, seed=seed)
        answered = {one.id for one in producer.history if one.answer == "ok"}
        assert answered == releases(0, ROUNDS * EVENTS).keys()
        lost_answers = sum(one.answer == "unknown" for one in producer.history)
        assert lost_answers > 0, "no kill ever met a request under way"
