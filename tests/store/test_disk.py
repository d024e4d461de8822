"""A disk that fills up only refuses; a disk that fails is given up (F3, F4, F5)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from gateway.disclosure_log.merkle import leaf_hash, root_of
from gateway.store import sqlite
from gateway.store.group_commit import GroupCommit
from gateway.store.sqlite import StoreUnavailable
from tests.store.stores import (
    LOG_KEY,
    accept,
    body,
    column,
    entries,
    logging,
    one_release,
    opened,
    operations,
    posted,
    pragma,
    setting,
)
from tests.support.failing_disk import FailingDisk, Faults


class Disk:
    """A writer on a disk whose faults the test commands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults = Faults()
        self.fatal: list[str] = []
        self._vfs = FailingDisk("commanded", self.faults)
        sqlite.create(path)
        self.writer = self.open()

    def open(self) -> GroupCommit:
        connection = apsw.Connection(str(self.path), vfs="commanded")
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "FULL")
        return GroupCommit(connection, lambda: [LOG_KEY], on_fatal=self.fatal.append)


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    made = Disk(tmp_path / "throughgate.db")
    yield made
    made.faults.full = False
    await made.writer.close()


async def test_a_full_disk_refuses_and_recovers_without_a_restart(disk: Disk) -> None:
    kept = [body(), body()]
    await disk.writer.submit(logging(kept[0]))
    disk.faults.full = True
    for _ in range(3):
        with pytest.raises(StoreUnavailable) as caught:
            await disk.writer.submit(setting("unit-1", "", [body()]))
        assert caught.value.code == "no-space"
    assert entries(disk.path) == kept[:1], "reads go on, and nothing was half stored"
    disk.faults.full = False
    await disk.writer.submit(logging(kept[1]))
    assert entries(disk.path) == kept
    assert column(disk.path, "SELECT name FROM setting WHERE name = 'unit-1'") == []
    assert disk.fatal == []


async def test_everything_that_shared_the_failed_transaction_is_refused(disk: Disk) -> None:
    disk.faults.full = True
    found = await asyncio.gather(
        *(disk.writer.submit(logging(body())) for _ in range(20)), return_exceptions=True
    )
    assert {getattr(one, "code", None) for one in found} == {"no-space"}
    assert entries(disk.path) == []


async def test_the_log_goes_on_from_what_was_stored_not_from_what_was_refused(disk: Disk) -> None:
    """Refused entries filled a tile in memory: none of it may stay in the tree."""
    await disk.writer.submit(logging(*(body() for _ in range(200))))
    disk.faults.full = True
    with pytest.raises(StoreUnavailable):
        await disk.writer.submit(logging(*(body() for _ in range(400))))
    disk.faults.full = False
    await disk.writer.submit(logging(*(body() for _ in range(100))))
    stored = entries(disk.path)
    assert len(stored) == 300
    (root,) = column(disk.path, "SELECT root FROM log_head")
    assert root == root_of([leaf_hash(one) for one in stored])
    (tile,) = column(disk.path, "SELECT hashes FROM log_tile")
    assert tile == b"".join(leaf_hash(one) for one in stored[:256])


async def test_a_quota_of_pages_refuses_requests_whole(tmp_path: Path) -> None:
    path = tmp_path / "throughgate.db"
    fatal: list[str] = []
    async with opened(path, fatal=fatal) as store:
        await accept(store, posted(one_release(0), message_id="msg-0"))
        await store.commit(pragma("max_page_count", column(path, "PRAGMA page_count")[0]))
        codes: list[str] = []
        for number in range(1, 60):
            try:
                await accept(store, posted(one_release(number), message_id=f"msg-{number}"))
            except StoreUnavailable as error:
                codes.append(error.code)
        assert set(codes) == {"no-space"}
        tables = ("event", "receipt", "person", "person_identifier", "log_entry")
        stored = {column(path, f"SELECT count(*) FROM {table}")[0] for table in tables}
        assert stored == {60 - len(codes)}, "each request is there whole, or not at all"
        await store.commit(pragma("max_page_count", 1_000_000))
        for number in range(60):
            await accept(store, posted(one_release(number), message_id=f"msg-{number}"))
        assert fatal == []
    assert operations(path) == ["collection"] * 60


async def test_a_failed_sync_is_fatal_and_nothing_is_acknowledged_after_it(disk: Disk) -> None:
    kept = body()
    await disk.writer.submit(logging(kept))
    disk.faults.failing_syncs = 1
    found = await asyncio.gather(
        *(disk.writer.submit(logging(body())) for _ in range(10)), return_exceptions=True
    )
    assert {getattr(one, "code", None) for one in found} == {"poisoned"}
    assert disk.fatal == ["IOError"]
    for _ in range(3):  # the disk works again; the pages in memory cannot be trusted for it
        with pytest.raises(StoreUnavailable) as caught:
            await disk.writer.submit(logging(body()))
        assert caught.value.code == "poisoned"
    assert disk.fatal == ["IOError"], "said once"


async def test_after_a_failed_sync_a_new_start_finds_a_whole_log(disk: Disk) -> None:
    """The commit that failed is there or is not; either way the log adds up and goes on."""
    kept = body()
    await disk.writer.submit(logging(kept))
    disk.faults.failing_syncs = 1
    with pytest.raises(StoreUnavailable):
        await disk.writer.submit(logging(body("lost")))
    await disk.writer.close()
    disk.writer = disk.open()
    await disk.writer.submit(logging(body()))
    stored = entries(disk.path)
    assert stored[0] == kept
    (root,) = column(disk.path, "SELECT root FROM log_head")
    assert root == root_of([leaf_hash(one) for one in stored])
