"""Metrics: what the store comes to, what each worker counted, and nothing about anybody."""

import asyncio
import datetime as dt
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway import clock
from gateway.directory import Directory
from gateway.exposition import GONE_AFTER, Exposition
from gateway.gauges import Gauges
from gateway.instance import load_law
from gateway.store import gauges, sqlite
from tests import canaries
from tests.gateway_in_process import gateway, planned_release, police
from tests.operators.observed import Samples, known_metrics, samples

LATER = dt.timedelta(hours=2)


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


async def until_decided(url: str, session: object) -> Samples:
    async with asyncio.timeout(20):
        while True:
            async with session.get(f"{url}/metrics") as answer:  # type: ignore[attr-defined]
                found = samples(await answer.text())
            if found.get(("throughgate_decisions_total", frozenset({("answer", "permit")}))):
                return found
            await asyncio.sleep(0.05)


async def test_a_gateways_scrape_has_what_it_did_and_names_nobody(tmp_path: Path) -> None:
    recipient, _ = police()
    async with gateway(tmp_path / "i", recipients=[recipient]) as served:
        await served.post(planned_release())
        found = await until_decided(served.url, served.session)
        async with served.session.get(f"{served.url}/metrics") as answer:
            text = await answer.text()
    assert value(found, "throughgate_http_requests_total",
                 method="POST", route="/v1/events", status="202") >= 1  # fmt: skip
    assert found["throughgate_build_info", next(
        labels for name, labels in found if name == "throughgate_build_info"
    )] == 1  # fmt: skip
    assert value(found, "throughgate_ready") == 1
    assert value(found, "throughgate_workers_up") == value(found, "throughgate_workers") == 1
    assert value(found, "throughgate_log_size") >= 3
    assert canaries.found_in(text) == []
    for secret in ("police-ppu", "evt_", "alt_", "hmp-exampleton", "198.51.100", "worker="):
        assert secret not in text
    shown = {name for name, _ in found}
    assert gauges_always() <= shown
    assert not {one for one in shown if one.startswith("throughgate_")} - all_samples()


def all_samples() -> set[str]:
    """Return the names any sample may have."""
    return {name + end for name in known_metrics() for end in ("", "_bucket", "_sum", "_count")}


def gauges_always() -> set[str]:
    """Return the gauges every scrape has, whatever is configured."""
    from gateway.gauges import DESCRIBED

    return set(DESCRIBED) - {
        "throughgate_log_witnessed_size",
        "throughgate_log_witnessed_timestamp_seconds",
    }


async def test_gauges_say_what_waits_and_for_how_long(tmp_path: Path) -> None:
    recipient, _ = police()
    now = clock.now()
    async with gateway(tmp_path / "i", recipients=[recipient]) as served:
        await served.post(planned_release())
        await until_decided(served.url, served.session)
        database = served.config.path(served.config.instance.database)
        with closing(sqlite.open_reader(database)) as reader, reader:  # of one moment
            found = {
                (one.name, one.labels): one.value for one in gauges.of_work(reader, now + LATER)
            }
            at_once = {(one.name, one.labels): one.value for one in gauges.of_work(reader, now)}
    waiting = sum(found["throughgate_outbox_pending", (lane,)] for lane in ("urgent", "routine"))
    dead = sum(found["throughgate_dead_letters_day", (one,)] for one in ("dead", "rejected"))
    assert waiting + dead == 1
    oldest = max(
        found["throughgate_outbox_oldest_seconds", (lane,)] for lane in ("urgent", "routine")
    )
    assert (oldest > LATER.total_seconds() - 60) == bool(waiting)
    assert found["throughgate_accepted_undecided", ()] == 0
    assert found["throughgate_undecided_oldest_seconds", ()] == 0
    assert at_once["throughgate_holds", ()] == 0


async def test_gauges_are_measured_seldom_and_survive_a_database_that_goes(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        config = served.config
    clocks = [0.0]
    with closing(sqlite.open_reader(config.path(config.instance.database))) as reader:
        measuring = Gauges(
            config=config,
            directory=Directory(reader, load_law(config).catalogues),
            now=clock.now,
            monotonic=lambda: clocks[0],
        )
        first = {one.name: one.samples for one in await measuring.families()}
        assert first["throughgate_store_readable"][0].value == 1
        assert set(first) == gauges_always()
        await measuring.close()
        config.path(config.instance.database).rename(tmp_path / "gone.db")
        again = {one.name: one.samples for one in await measuring.families()}
        assert again["throughgate_store_readable"][0].value == 1  # still fresh
        clocks[0] += 6
        after = {one.name: one.samples for one in await measuring.families()}
        assert after["throughgate_store_readable"][0].value == 0
        await measuring.close()
    (tmp_path / "gone.db").rename(config.path(config.instance.database))


def counting(folder: Path, slot: int, slots: int = 2) -> tuple[Exposition, Counter, Gauge]:
    registry = CollectorRegistry()
    counter = Counter("throughgate_test_total", "A test's", ["kind"], registry=registry)
    gauge = Gauge("throughgate_test_now", "A test's", registry=registry)
    shown = Exposition(folder=folder, slot=slot, slots=slots, now=clock.now, registry=registry)
    return shown, counter, gauge


def test_whichever_worker_is_asked_gives_what_all_have_counted(tmp_path: Path) -> None:
    one, counted, now = counting(tmp_path / "m", 0)
    other, others, _ = counting(tmp_path / "m", 1)
    counted.labels("a").inc(3)
    now.set(7)
    others.labels("a").inc(5)
    other.text([])
    found = samples(one.text([]).decode())
    assert value(found, "throughgate_test_total", kind="a", worker="0") == 3
    assert value(found, "throughgate_test_total", kind="a", worker="1") == 5
    assert value(found, "throughgate_test_now", worker="0") == 7
    assert value(found, "throughgate_workers_up") == 2
    counted.labels("a").inc()
    one.text([])
    assert (
        value(samples(other.text([]).decode()), "throughgate_test_total", kind="a", worker="0") == 4
    )
    assert (tmp_path / "m").stat().st_mode & 0o777 == 0o700


def test_no_count_falls_from_one_scrape_to_the_next_whoever_is_asked(tmp_path: Path) -> None:
    workers = [counting(tmp_path / "m", slot, 3) for slot in range(3)]
    for shown, _, _ in workers:
        shown.text([])
    before: Samples = {}
    for turn in range(12):
        for _, counter, _ in workers:
            counter.labels("a").inc(turn)
        shown = workers[turn * 2 % 3][0]
        found = samples(shown.text([]).decode())
        assert all(found[key] >= count for key, count in before.items())
        before = found


def test_a_worker_that_is_gone_is_left_out_and_missed(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    later = Exposition(
        folder=tmp_path / "m", slot=0, slots=2, registry=registry,
        now=lambda: clock.now() + GONE_AFTER + dt.timedelta(seconds=1),
    )  # fmt: skip
    gone, counter, _ = counting(tmp_path / "m", 1)
    counter.labels("a").inc()
    gone.text([])
    found = samples(later.text([]).decode())
    assert value(found, "throughgate_workers_up") == 1
    assert value(found, "throughgate_workers") == 2
    assert not any(name == "throughgate_test_total" for name, _ in found)


def test_without_room_for_files_a_worker_still_gives_its_own(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("a file where the folder would be")
    shown, counter, _ = counting(tmp_path / "m", 0)
    counter.labels("a").inc(2)
    found = samples(shown.text([]).decode())
    assert value(found, "throughgate_test_total", kind="a", worker="0") == 2
    assert value(found, "throughgate_workers_up") == 1


async def test_a_worker_takes_its_file_away_when_it_stops(tmp_path: Path) -> None:
    shown, _, _ = counting(tmp_path / "m", 1)
    task = asyncio.create_task(shown.run())
    async with asyncio.timeout(5):
        while not (tmp_path / "m/worker-1.json").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list((tmp_path / "m").iterdir()) == []


def test_one_worker_alone_writes_nothing(tmp_path: Path) -> None:
    shown, counter, _ = counting(tmp_path / "m", 0, 1)
    counter.labels("a").inc()
    assert value(samples(shown.text([]).decode()), "throughgate_test_total", kind="a") == 1
    assert not (tmp_path / "m").exists()
