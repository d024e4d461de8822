"""PostgreSQL is stopped, killed, paused, and its connections are cut at COMMIT, while the gateway's
store is at work: nothing that was acknowledged is lost, nothing is done twice, the log is sound."""

import asyncio
import random
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest

from gateway.disclosure_log.checkpoint import VerifierKey
from gateway.disclosure_log.fsck import check_log
from gateway.disclosure_log.sources import StoreSource
from gateway.store.engine import StoreUnavailable
from gateway.store.group_commit import Unit
from gateway.store.place import PostgresPlace
from gateway.store.store import Store
from tests.store.stores import (
    LOG_KEY,
    accept,
    column,
    entries,
    one_release,
    opened,
    posted,
    setting,
)
from tests.support.examples import WHOLE
from tests.support.night import LONG, by_night
from tests.support.postgres import Server, own_server
from tests.support.severing import Cut, Relay, relay


async def until_accepted(store: Store, number: int) -> str:
    """Send one request until it is acknowledged, as a sender would; return the answer."""
    while True:
        try:
            found = await accept(store, posted(one_release(number), message_id=f"msg-{number}"))
        except StoreUnavailable as error:
            if error.code not in {"unavailable", "busy"}:
                raise
            await asyncio.sleep(0.02)
        else:
            return repr(found.answer)


async def until_committed(store: Store, unit: Unit[str]) -> None:
    """Commit a unit as soon as the server is back."""
    while True:
        try:
            await store.commit(unit)
        except StoreUnavailable as error:
            if error.code != "unavailable":
                raise
            await asyncio.sleep(0.02)
        else:
            return


async def under_load(store: Store, count: int, trouble: Callable[[], None]) -> None:
    """Accept so many requests, sixteen at a time, while trouble is made beside."""
    numbers = iter(range(count))

    async def sender() -> None:
        for number in numbers:
            first = await until_accepted(store, number)
            assert await until_accepted(store, number) == first, "the same answer, once"

    making = asyncio.create_task(asyncio.to_thread(trouble))
    await asyncio.gather(*(sender() for _ in range(16)))
    await making


def assert_whole(place: PostgresPlace, count: int, folder: Path) -> None:
    """Check that each request is there once, with its entry, in a log that adds up."""
    for table in ("receipt", "event", "person"):
        assert column(place, f"SELECT count(*) FROM {table}") == [count]
    logged = [orjson.loads(one) for one in entries(place)]
    assert len({one["event"] for one in logged}) == len(logged) == count
    vkey = folder / "log.vkey"
    vkey.write_text(LOG_KEY.verifier + "\n")
    source = StoreSource(place.open_reader(), vkey)
    try:
        report = check_log(source, verifier=VerifierKey.parse(LOG_KEY.verifier))
    finally:
        source.close()
    assert (report.verdict, report.size) == ("ok", count)


def through(server: Server, between: Relay, url: str) -> PostgresPlace:
    """Return the database at the other end of a relay."""
    return PostgresPlace(url.replace(f":{server.port}/", f":{between.port}/"))


@pytest.mark.parametrize("cut", ["before", "after"] if LONG else ["after"])
async def test_a_connection_cut_at_commit_is_settled_by_what_is_stored(
    cut: Cut, tmp_path: Path
) -> None:
    fatal: list[str] = []
    with own_server() as server, relay(server.port) as between:
        url = server.make()
        place = through(server, between, url)
        async with opened(place, fatal=fatal) as store:
            await until_accepted(store, 0)
            for number in range(1, 6):
                between.cut = cut
                request = accept(store, posted(one_release(number), message_id=f"msg-{number}"))
                if cut == "after":
                    await request  # it had taken place: whoever asked never learns of the cut
                else:
                    with pytest.raises(StoreUnavailable, match="cannot write") as caught:
                        await request
                    assert caught.value.code == "unavailable"
                    await until_accepted(store, number)
        assert between.cuts == 5
        assert fatal == []
        assert_whole(PostgresPlace(url), 6, tmp_path)


async def test_a_server_that_has_lost_a_reported_commit_is_not_written_to(tmp_path: Path) -> None:
    """As after a fail-over to a standby that was behind: even where the log shows nothing of it."""
    fatal: list[str] = []
    with own_server() as server:
        place = PostgresPlace(server.make())
        async with opened(place, fatal=fatal) as store:
            await store.commit(setting("unit-1", ""))
            await store.commit(setting("unit-2", ""))
            other = place.open_writer()
            other.execute("DELETE FROM setting WHERE name = 'unit-2'")
            other.execute("UPDATE writer SET batch = batch - 1 WHERE batch > 1")
            other.close()
            server.stop("immediate")
            server.start()
            with pytest.raises(StoreUnavailable, match="restart"):
                await until_committed(store, setting("unit-3", ""))
        assert fatal == ["DatabaseTrouble"]
        assert column(place, "SELECT name FROM setting WHERE name LIKE 'unit-%'") == ["unit-1"]


async def test_while_the_server_is_away_requests_are_refused_and_then_go_on(tmp_path: Path) -> None:
    fatal: list[str] = []
    with own_server() as server:
        place = PostgresPlace(server.make())
        async with opened(place, fatal=fatal) as store:
            await until_accepted(store, 0)
            server.stop("fast")
            for _ in range(3):
                with pytest.raises(StoreUnavailable) as caught:
                    await store.commit(setting("unit-1", ""))
                assert caught.value.code == "unavailable"
            with pytest.raises(StoreUnavailable):
                store.latest_checkpoint()
            server.start()
            await until_accepted(store, 1)
            assert store.latest_checkpoint() is not None
        assert fatal == []
        assert_whole(place, 2, tmp_path)


@pytest.mark.faults
@by_night
@pytest.mark.parametrize("seed", range(3 if WHOLE else 1))
async def test_nothing_acknowledged_is_lost_however_the_server_ends(
    seed: int, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    fatal: list[str] = []
    count = 600 if WHOLE else 200
    with own_server(durable=True) as server, relay(server.port) as between:
        url = server.make()

        def trouble() -> None:
            pause = threading.Event()
            for _ in range(12 if WHOLE else 6):
                pause.wait(rng.uniform(0.05, 0.6))
                kind = rng.choice(["stop", "stop", "kill", "pause", "before", "after"])
                if kind == "pause":
                    server.pause()
                    pause.wait(rng.uniform(0.1, 0.5))
                    server.go_on()
                elif kind == "before":
                    between.cut = "before"
                elif kind == "after":
                    between.cut = "after"
                else:
                    server.stop("immediate") if kind == "stop" else server.kill()
                    server.start()

        async with opened(through(server, between, url), fatal=fatal) as store:
            await under_load(store, count, trouble)
        assert fatal == []
        assert urlsplit(url).port == server.port
        assert_whole(PostgresPlace(url), count, tmp_path)
