"""Several writers on one database keep one log, whichever way their commits interleave (P10)."""

import asyncio
import itertools
import os
import random
import sys
import tempfile
from pathlib import Path

import orjson

from gateway.disclosure_log.checkpoint import VerifierKey
from gateway.disclosure_log.fsck import LogReport, check_log
from gateway.disclosure_log.sources import StoreSource
from gateway.model.ids import AgencyName
from gateway.model.posted import Receipt
from gateway.store.place import PostgresPlace, placed
from tests.store.appending import KEY_ENV
from tests.store.stores import (
    LOG_KEY,
    Where,
    accept,
    body,
    checkpoints,
    entries,
    logging,
    one_release,
    opened,
    operations,
    posted,
    undecided,
)

ROOT = Path(__file__).resolve().parents[2]


def audit(path: Where) -> LogReport:
    with tempfile.TemporaryDirectory() as folder:
        vkey = Path(folder) / "log.vkey"
        vkey.write_text(LOG_KEY.verifier + "\n")
        source = StoreSource(placed(path).open_reader(), vkey)
        try:
            return check_log(source, verifier=VerifierKey.parse(LOG_KEY.verifier))
        finally:
            source.close()


async def test_two_stores_in_one_process_take_turns_on_one_log(path: Where) -> None:
    rng = random.Random(11)
    async with opened(path, slot=0, slots=2) as one, opened(path, slot=1, slots=2) as two:
        expected: list[bytes] = []
        for _ in range(60):
            bodies = [body() for _ in range(rng.randint(1, 30))]
            await rng.choice((one, two)).commit(logging(*bodies))
            expected += bodies
        assert len(expected) > 600, "several tiles fill up, by either"
        assert entries(path) == expected
    report = audit(path)
    assert (report.verdict, report.size) == ("ok", len(expected))
    assert report.checkpoints == 60


async def test_two_stores_in_one_process_commit_at_once(path: Where) -> None:
    async with opened(path, slot=0, slots=2) as one, opened(path, slot=1, slots=2) as two:
        sizes = await asyncio.gather(
            *((one, two)[number % 2].commit(logging(body(), body())) for number in range(200))
        )
    assert sum(sizes) == 400
    report = audit(path)
    assert (report.verdict, report.size) == ("ok", 400)


async def test_a_repeat_that_reaches_another_worker_gets_the_first_ones_answer(path: Where) -> None:
    async with opened(path, slot=0, slots=2) as one, opened(path, slot=1, slots=2) as two:
        found = await asyncio.gather(
            *(accept((one, two)[n % 2], posted(one_release())) for n in range(20))
        )
    assert len({answer.answer for answer in found}) == 1
    assert sum(len(answer.new) for answer in found) == 1
    assert operations(path) == ["collection"]


async def test_each_worker_takes_up_the_undecided_events_it_accepted(path: Where) -> None:
    async with opened(path, slot=0, slots=2) as one, opened(path, slot=1, slots=2) as two:
        for number in range(6):
            store = (one, two)[number % 2]
            await accept(store, posted(one_release(number), message_id=f"msg-{number}"))
        taken = [{event.ref for event in undecided(store)} for store in (one, two)]
    assert [len(refs) for refs in taken] == [3, 3]
    assert not taken[0] & taken[1]
    async with opened(path, slot=0, slots=1) as alone:
        assert {event.ref for event in undecided(alone)} == taken[0] | taken[1]


class Appender:
    """A process of its own that appends two entries whenever told to."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.told = 0

    @classmethod
    async def start(cls, path: Where, slot: int) -> "Appender":
        address = path.url if isinstance(path, PostgresPlace) else str(path)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.store.appending", address, str(slot),
            cwd=ROOT, env=os.environ | {KEY_ENV: LOG_KEY.secret_text},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        appender = cls(process)
        assert await appender.says() == b"ready\n"
        return appender

    async def says(self) -> bytes:
        assert self._process.stdout is not None
        return await self._process.stdout.readline()

    def append(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self.told += 1

    async def end(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        return await self._process.wait()


async def test_two_processes_interleave_their_commits_in_one_log(path: Where) -> None:
    if not path.exists():
        placed(path).create()
    rng = random.Random(7)
    one, two = [await Appender.start(path, slot) for slot in range(2)]
    for _ in range(100):
        turn = rng.choice([(one,), (two,), (one, two)])  # alone, or both at once
        for appender in turn:
            appender.append()
        for appender in turn:
            assert await appender.says() == b"committed\n"
    assert [await one.end(), await two.end()] == [0, 0]
    written = [orjson.loads(entry) for entry in entries(path)]
    for slot, appender in enumerate((one, two)):
        codes = [entry["code"] for entry in written if entry["agency"] == f"worker-{slot}"]
        assert codes == [f"append-{number}" for number in range(appender.told * 2)]
    switches = sum(a["agency"] != b["agency"] for a, b in itertools.pairwise(written))
    assert switches > 40
    report = audit(path)
    assert (report.verdict, report.size) == ("ok", 2 * (one.told + two.told))
    assert len(checkpoints(path)) == report.checkpoints == one.told + two.told


async def test_a_store_that_finds_the_log_shorter_than_it_knows_gives_up(path: Where) -> None:
    """A backup put back under a running gateway: it may not sign a second history (P10)."""
    fatal: list[str] = []
    async with opened(path, fatal=fatal) as store:
        await store.commit(logging(*(body() for _ in range(5))))
        other = placed(path).open_writer()
        other.execute("DELETE FROM log_entry WHERE idx >= 3")
        other.execute("DELETE FROM log_checkpoint")
        other.execute("UPDATE log_head SET size = 3")
        other.close()
        results = await asyncio.gather(
            store.commit(logging(body())),
            accept(store, posted(one_release(), agency=AgencyName("x"))),
            return_exceptions=True,
        )
    assert [getattr(one, "code", None) for one in results] == ["poisoned", "poisoned"]
    assert not any(isinstance(one, Receipt) for one in results)
    assert fatal == ["StoreUnavailable"]
    assert checkpoints(path) == []
    assert len(entries(path)) == 3
