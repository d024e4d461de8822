"""Feeds are kept running: trouble is waited out, faults stay with their feed, verdicts counted."""

import asyncio
import random
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.feeds.contract import Answer, FeedTrouble, HandOver
from gateway.feeds.runner import FeedRunner, Source
from gateway.metrics import FED, FEED_UP
from gateway.model.ids import AgencyName
from gateway.operator_log import FIELDS
from gateway.receive import Fed
from tests import canaries
from tests.feeds.scripted import Scripted, background, plug, until
from tests.gateway_in_process import gateway

ACCEPTED = Answer(verdict="accepted")


class Waits(random.Random):
    """Draws as told, and remembers between what."""

    def __init__(self) -> None:
        super().__init__(1)
        self.bounds: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float) -> float:
        self.bounds.append((a, b))
        return 0.0


async def accept(_fed: Fed) -> Answer:
    return ACCEPTED


def runner(*feeds: Scripted, rng: random.Random, take: object = accept) -> FeedRunner:
    sources = [Source(feed=feed, agency=AgencyName("a"), adapter="x") for feed in feeds]
    return FeedRunner(sources, take, rng=rng)  # type: ignore[arg-type]


async def test_waits_grow_to_a_bound_and_begin_anew_after_success() -> None:
    rng = Waits()
    feed = Scripted(troubles=[FeedTrouble("unreachable")] * 9)
    [loop] = runner(feed, rng=rng).loops.values()
    async with background(loop()):
        await feed.offer(b"x")
        assert rng.bounds == [(0, min(60.0, 2.0**n)) for n in range(9)]
        feed.fail(FeedTrouble("unreachable"), FeedTrouble("unreachable"))
        await until(lambda: feed.runs == 12)
        assert rng.bounds[9:] == [(0, 1.0), (0, 2.0)]


async def test_a_fault_of_one_feed_is_logged_by_class_and_stops_no_other() -> None:
    bad = Scripted("bad", troubles=[ValueError(canaries.NAME)] * 3)
    good = Scripted("good")
    both = runner(bad, good, rng=Waits())
    with capture_logs() as lines:
        async with background(both.loops["feed-bad"]()), background(both.loops["feed-good"]()):
            await good.offer(b"x")
            await bad.offer(b"x")
    faults = [line for line in lines if line["event"] == "feed fault"]
    assert [(line["feed"], line["error"]) for line in faults] == [("bad", "ValueError")] * 3
    assert canaries.found_in(str(lines)) == []


async def test_a_feed_that_ends_by_itself_is_started_again() -> None:
    class Ends(Scripted):
        async def run(self, hand_over: HandOver) -> None:
            self.runs += 1

    feed = Ends()
    with capture_logs() as lines:
        [loop] = runner(feed, rng=Waits()).loops.values()
        async with background(loop()) as task:
            await until(lambda: feed.runs > 3)
            assert not task.done()
    assert {line["code"] for line in lines} == {"ended"}


async def test_every_verdict_is_counted_under_the_feeds_name() -> None:
    answers = iter(
        [
            ACCEPTED,
            Answer(verdict="accepted", reasons=("unsupported-event",)),
            Answer(verdict="refused", reasons=("malformed-event", f"$: {canaries.NAME}")),
            Answer(verdict="later", reasons=("behind",)),
            Answer(verdict="later", reasons=("behind",)),
        ]
    )

    async def take(fed: Fed) -> Answer:
        assert (fed.feed, fed.agency, fed.adapter) == ("counted", "a", "x")
        return next(answers)

    feed = Scripted("counted")
    [loop] = runner(feed, rng=Waits(), take=take).loops.values()
    with capture_logs() as lines:
        async with background(loop()):
            for _ in range(5):
                await feed.offer(b"x")
            assert FEED_UP.labels("counted")._value.get() == 1
    counted = {
        verdict: FED.labels("counted", verdict)._value.get()
        for verdict in ("accepted", "passed-over", "refused", "later")
    }
    assert counted == {"accepted": 1, "passed-over": 1, "refused": 1, "later": 2}
    said = [(line["event"], line["code"]) for line in lines]
    assert said == [("message refused", "malformed-event"), ("feed waits", "behind")]
    assert all(set(line) <= FIELDS | {"log_level"} for line in lines)


async def test_while_it_waits_a_feed_is_down_and_the_gateway_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Scripted("downed", troubles=[FeedTrouble("unreachable")] * 40)
    plug(monkeypatch, feed)
    async with gateway(tmp_path / "i") as served:
        await until(lambda: FEED_UP.labels("downed")._value.get() == 0)
        async with served.session.get(f"{served.url}/health/ready") as reply:
            assert reply.status == 200
        async with served.session.get(f"{served.url}/metrics") as reply:
            assert 'throughgate_feed_up{feed="downed"} 0.0' in await reply.text()
    assert feed.closed == 1


async def test_feeds_are_the_first_workers_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.app import running
    from gateway.instance import create

    feed = Scripted()
    plug(monkeypatch, feed)
    config = await create(tmp_path / "i", name="throughgate.example/test", sections="")
    async with running(config, slot=1, slots=2):
        await asyncio.sleep(0.1)
        assert feed.runs == 0
    async with running(config, slot=0, slots=2):
        await until(lambda: feed.runs == 1)


async def test_a_loop_that_ended_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Scripted("gone")
    plug(monkeypatch, feed)
    async with gateway(tmp_path / "i") as served:
        await asyncio.wait_for(feed.up.wait(), timeout=10)
        [task] = [one for one in asyncio.all_tasks() if one.get_name() == "feed-gone"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with served.session.get(f"{served.url}/health/ready") as reply:
            assert reply.status == 503
            assert "feed-gone" in await reply.text()
