"""The text of a digest, and a backlog that drains by itself."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.digest import MOST, digest_text
from gateway.delivery.lane import DEPTH
from tests.gateway.delivering import scene
from tests.store.owing import owe
from tests.store.stores import edit, opened

BACKLOG = DEPTH + 300
PERSONS = 40


@given(st.integers(1, MOST))
def test_every_alert_is_listed_once_in_order(count: int) -> None:
    alerts = [
        (f"{n:03}-AAA-BBB-CCC", f"https://gateway.example/pick-up/{n:03}") for n in range(count)
    ]
    lines = digest_text(alerts).decode().splitlines()
    assert [line for line in lines if line.startswith("Reference: ")] == [
        f"Reference: {reference}" for reference, _ in alerts
    ]
    assert [line for line in lines if line.startswith("https://")] == [link for _, link in alerts]
    assert f"waiting for you: {count}." in lines[0]


@pytest.mark.parametrize("count", [0, MOST + 1])
def test_a_digest_of_nothing_or_too_much_is_no_digest(count: int) -> None:
    with pytest.raises(ValueError, match="digest"):
        digest_text([("AAA-AAA-AAA-AAA", "https://gateway.example/x")] * count)


async def test_a_backlog_beyond_what_fits_in_memory_drains_in_order(tmp_path: Path) -> None:
    path = tmp_path / "throughgate.db"
    async with opened(path) as store:
        await owe(store, 1, "alt_0")
    columns = "endpoint, event, recipient, channel, form, message, leaf_index, urgent, exercise,"
    columns += " step, digest, state, slot, sealed, proof"
    edit(
        path,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " INSERT INTO outbox (alert, person, decided_at, next_at,"
        f" {columns})"
        " SELECT printf('alt_%06d', i), printf('per_%d', i % ?), decided_at + i, next_at,"
        f" {columns} FROM n, outbox WHERE alert = 'alt_0'",
        (BACKLOG, PERSONS),
    )
    async with scene(path) as stage:
        most = 0
        running = asyncio.create_task(stage.deliverer.run())
        async with asyncio.timeout(60):
            while set(stage.states().values()) != {"accepted"}:
                most = max(most, len(stage.deliverer.taken))
                await asyncio.sleep(0.01)
        running.cancel()
        assert len(stage.channel.seen) == BACKLOG + 1, "each once"
        assert most <= DEPTH
        for person in range(PERSONS):
            mine = [
                one
                for one in stage.channel.seen
                if len(one) > 5 and int(one[4:]) % PERSONS == person
            ]
            assert mine == sorted(mine)
