"""Group commit: what arrives together shares a transaction, and fails or holds each on its own."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.disclosure_log import proof
from gateway.disclosure_log.checkpoint import verify_checkpoint
from gateway.disclosure_log.merkle import leaf_hash, root_of
from gateway.store import sqlite
from gateway.store.engine import Connection
from gateway.store.group_commit import MAX_BATCH, GroupCommit, Proofs, Staged, Unit
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from tests.store.stores import (
    LOG_KEY,
    Where,
    body,
    checkpoints,
    column,
    entries,
    logging,
    opened,
    setting,
)

VERIFIER = LOG_KEY.verifier_key
SETTINGS = "SELECT name FROM setting WHERE name LIKE 'unit-%' ORDER BY name"


class Refused(Exception):
    """What a unit of work may raise."""


def refusing(name: str) -> Unit[str]:
    """Return a unit that writes a row and an entry's worth, then changes its mind."""

    def unit(connection: Connection) -> Staged[str]:
        connection.execute("INSERT INTO setting (name, value) VALUES (?, '')", (name,))
        raise Refused

    return unit


async def together(store: Store, units: Sequence[Unit[object]]) -> Sequence[object | BaseException]:
    """Submit units while the writer is busy with another, so that all wait for it together."""
    go, started = threading.Event(), threading.Event()

    def busy(_connection: Connection) -> Staged[None]:
        started.set()
        assert go.wait(10)
        return Staged(None)

    first = asyncio.ensure_future(store.commit(busy))
    await asyncio.to_thread(started.wait, 10)
    rest = [asyncio.ensure_future(store.commit(unit)) for unit in units]
    await asyncio.sleep(0)  # each is queued before the writer is let go
    go.set()
    await first
    return await asyncio.gather(*rest, return_exceptions=True)


async def test_units_that_arrive_together_share_one_transaction(path: Where) -> None:
    async with opened(path) as store:
        bodies = [body() for _ in range(100)]
        await together(store, [logging(one) for one in bodies])
        (note,) = checkpoints(path)
        assert verify_checkpoint(note, [VERIFIER]).size == 100
        assert entries(path) == bodies


async def test_entries_stand_in_the_order_of_submission_and_results_go_to_who_asked(
    path: Where,
) -> None:
    async with opened(path) as store:
        units = [logging(*(body(str(n)) for _ in range(n % 4))) for n in range(40)]
        assert await together(store, units) == [n % 4 for n in range(40)]
        written = [one.split(b'"code":"test-')[1] for one in entries(path)]
        numbers = [int(one.split(b"-")[0]) for one in written]
        assert numbers == sorted(numbers)
        assert len(numbers) == sum(n % 4 for n in range(40))


async def test_more_units_than_one_batch_takes_all_commit(path: Where) -> None:
    async with opened(path) as store:
        await together(store, [logging(body()) for _ in range(MAX_BATCH + 3)])
        assert [verify_checkpoint(one, [VERIFIER]).size for one in checkpoints(path)] == [
            MAX_BATCH,
            MAX_BATCH + 3,
        ]


async def test_a_failing_unit_is_rolled_back_alone(path: Where) -> None:
    async with opened(path) as store:
        before, after = body("before"), body("after")
        results = await together(
            store,
            [setting("unit-1", "", [before]), refusing("unit-2"), setting("unit-3", "", [after])],
        )
        assert results[0] == "unit-1"
        assert isinstance(results[1], Refused)
        assert results[2] == "unit-3"
        assert column(path, SETTINGS) == ["unit-1", "unit-3"]
        assert entries(path) == [before, after]


async def test_a_unit_without_entries_signs_no_checkpoint(path: Where) -> None:
    async with opened(path) as store:
        await store.commit(setting("unit-1", ""))
        assert column(path, SETTINGS) == ["unit-1"]
        assert checkpoints(path) == []
        assert column(path, "SELECT size FROM log_head") == []


async def test_a_result_is_given_only_when_others_can_read_it(path: Where) -> None:
    async with opened(path) as store:
        for number in range(20):
            await store.commit(setting(f"unit-{number:02}", "", [body()]))
            assert column(path, SETTINGS)[-1] == f"unit-{number:02}"


async def test_rows_that_carry_proofs_commit_with_the_checkpoint_they_prove_against(
    path: Where,
) -> None:
    mine = [body("mine") for _ in range(3)]

    def unit(_connection: Connection) -> Staged[None]:
        def finish(connection: Connection, first: int, prove: Proofs) -> None:
            for number in range(3):
                row = (f"unit-{number}", f"{first + number} {prove(first + number)}")
                connection.execute("INSERT INTO setting (name, value) VALUES (?, ?)", row)

        return Staged(None, mine, finish)

    async with opened(path) as store:
        await together(store, [logging(body(), body()), unit, logging(body())])
        (note,) = checkpoints(path)
        assert column(path, SETTINGS) == ["unit-0", "unit-1", "unit-2"]
        rows = column(path, "SELECT value FROM setting WHERE name LIKE 'unit-%' ORDER BY name")
        for number, row in enumerate(rows):
            index, _, text = row.partition(" ")
            proven = proof.verify(text, entry=mine[number], verifiers=[VERIFIER])
            assert proven.index == int(index) == 2 + number
            assert proven.checkpoint == note


async def test_a_unit_whose_rows_cannot_carry_their_proofs_fails_alone(path: Where) -> None:
    def unit(_connection: Connection) -> Staged[None]:
        def finish(_connection: Connection, _first: int, _prove: Proofs) -> None:
            raise Refused

        return Staged(None, [body()], finish)

    fatal: list[str] = []
    logged = body()
    async with opened(path, fatal=fatal) as store:
        results = await together(store, [setting("unit-1", "", [logged]), unit])
        assert results[0] == "unit-1"
        assert isinstance(results[1], Refused)
    assert fatal == []
    assert entries(path) == [logged]
    assert len(checkpoints(path)) == 1


async def test_who_stops_waiting_takes_nothing_back_and_disturbs_nobody(path: Where) -> None:
    async with opened(path) as store:
        gone, stays = body("gone"), body("stays")
        waiter = asyncio.ensure_future(store.commit(logging(gone)))
        neighbour = asyncio.ensure_future(store.commit(logging(stays)))
        await asyncio.sleep(0)
        waiter.cancel()
        assert await neighbour == 1
        assert waiter.cancelled()
        assert entries(path) == [gone, stays]
        assert await store.commit(logging(body())) == 1


async def test_what_is_queued_when_the_store_closes_is_committed(path: Where) -> None:
    async with opened(path) as store:
        waiting = [asyncio.ensure_future(store.commit(logging(body()))) for _ in range(50)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*waiting) == [1] * 50
    assert len(entries(path)) == 50


async def test_a_store_locked_by_another_fails_its_requests_and_no_more(file: Path) -> None:
    sqlite.create(file)
    fatal: list[str] = []
    connection = sqlite.open_writer(file)
    connection.set_busy_timeout(30)
    writer = GroupCommit(connection, lambda: [LOG_KEY], on_fatal=fatal.append)
    other = sqlite.open_writer(file)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            await writer.submit(logging(body()))
        other.execute("ROLLBACK")
        assert await writer.submit(logging(body())) == 1
        assert fatal == []
    finally:
        await writer.close()
        other.close()
    assert len(entries(file)) == 1


UNITS = st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=1, max_size=30)


@settings(max_examples=25)
@given(UNITS)
def test_the_log_is_the_entries_of_the_units_that_held_in_order(sizes: list[int | None]) -> None:
    """None stands for a unit that refuses."""
    planned = [[] if size is None else [body() for _ in range(size)] for size in sizes]
    units = [
        refusing(f"unit-{number}") if size is None else logging(*planned[number])
        for number, size in enumerate(sizes)
    ]
    expected = [one for bodies in planned for one in bodies]

    async def run(path: Where) -> None:
        async with opened(path) as store:
            await together(store, units)

    with TemporaryDirectory() as folder:
        path = Path(folder) / "throughgate.db"
        asyncio.run(run(path))
        assert entries(path) == expected
        notes = checkpoints(path)
        assert len(notes) == bool(expected)
        for note in notes:
            checkpoint = verify_checkpoint(note, [VERIFIER])
            assert checkpoint.root == root_of([leaf_hash(one) for one in expected])
