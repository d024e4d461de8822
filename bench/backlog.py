"""A routine backlog of 100,000 alerts: what memory it takes, and what an urgent alert waits for it.

The recipient is away while the events come in; once it is back the backlog is worked off, urgent
events are posted meanwhile at a steady rate, and the same again when nothing waits.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw
import orjson

from bench.bulk import batched
from bench.driver import Answer, Driver
from bench.journey import Journey, gateway_running
from bench.machine import resident_mb
from bench.posts import make_posts
from bench.problem import NotMeasured
from bench.receiver import Arrival, Receiver
from bench.rounds import percentiles
from bench.wire import HOST, free_port
from keys.signing import SigningKey

_AWAY: Final = """
[delivery]
breaker_first_s = 1
breaker_longest_s = 2
"""
_BATCH: Final = 500
_UNDER_WAY: Final = 100  # of the backlog delivered: then it is being worked off
_WITHIN_S: Final = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much."""

    backlog: int = 100_000
    urgent: int = 300
    per_second: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came of it."""

    idle_mb: float  # resident, of the gateway's one process
    backlog_mb: float  # with everything queued
    beside_ms: tuple[float, float, float]  # p50, p95, p99 of urgent alerts beside the backlog
    alone_ms: tuple[float, float, float]


def measure(plan: Plan, folder: Path) -> Figures:
    """Queue, wait, and time what is urgent.

    Raises:
        NotMeasured: an answer was not 202, an alert is missing, or the log does not verify.
    """
    key = SigningKey.generate()
    port = free_port()
    url = f"http://{HOST}:{port}/hook"
    with (
        Driver(connections=16) as driver,
        gateway_running(
            folder / "instance", key, url, undecided=2 * plan.backlog, more=_AWAY
        ) as journey,
    ):
        idle_mb = resident_mb(journey.pid)
        _post(driver, journey.port, batched(0, plan.backlog, _BATCH, key))
        _until(journey, lambda counts: counts.get("pending", 0) == plan.backlog)
        backlog_mb = resident_mb(journey.pid)
        with Receiver(port) as receiver:
            receiver.expect(plan.backlog + plan.urgent)
            _until(journey, lambda counts: counts.get("accepted", 0) > _UNDER_WAY)
            first = _urgent(driver, journey.port, plan, key, plan.backlog)
            beside = first, receiver.arrivals(within_s=_WITHIN_S)
            receiver.expect(plan.urgent)
            second = _urgent(driver, journey.port, plan, key, plan.backlog + plan.urgent)
            alone = second, receiver.arrivals(within_s=_WITHIN_S)
    alerts = journey.alerts(posted=plan.backlog + 2 * plan.urgent)
    return Figures(
        idle_mb=idle_mb,
        backlog_mb=backlog_mb,
        beside_ms=_spread(*beside, alerts),
        alone_ms=_spread(*alone, alerts),
    )


def lines(plan: Plan, found: Figures) -> Iterator[str]:
    """Yield one `name: value` line per figure, the ratio last."""
    yield f"backlog_alerts: {plan.backlog}"
    yield f"backlog_idle_mb: {found.idle_mb:.0f}"
    yield f"backlog_queued_mb: {found.backlog_mb:.0f}"
    for name, spread in (("beside", found.beside_ms), ("alone", found.alone_ms)):
        for percent, value in zip((50, 95, 99), spread, strict=True):
            yield f"backlog_urgent_{name}_p{percent}_ms: {value:.1f}"
    yield f"backlog_urgent_p99_beside_over_alone: {found.beside_ms[2] / found.alone_ms[2]:.2f}"


def _urgent(driver: Driver, port: int, plan: Plan, key: SigningKey, first: int) -> Sequence[Answer]:
    posts = make_posts(first, plan.urgent, key, kind="release.actual")
    return driver.drive(port, posts, per_second=plan.per_second)


def _post(driver: Driver, port: int, posts: Sequence[object]) -> None:
    answers = driver.drive(port, posts, per_second=None)  # type: ignore[arg-type]
    if any(one.status != 202 for one in answers):
        raise NotMeasured("a post was not answered 202")


def _until(journey: Journey, holds: Callable[[Mapping[str, int]], bool]) -> None:
    """Wait until the outbox is as wanted, looking at it as any other reader does."""
    ends = time.monotonic() + _WITHIN_S
    path = str(journey.folder / "throughgate.db")
    while time.monotonic() < ends:
        with closing(apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            connection.set_busy_timeout(10_000)
            counts = dict(connection.execute("SELECT state, count(*) FROM outbox GROUP BY state"))
        if holds(counts):
            return
        time.sleep(1.0)
    raise NotMeasured(f"the outbox stayed at {counts}")


def _spread(
    answers: Sequence[Answer], arrivals: Sequence[Arrival], alerts: Mapping[str, str]
) -> tuple[float, float, float]:
    came = {arrival.webhook_id: arrival.at_ns for arrival in arrivals}
    return percentiles(
        [(came[alerts[orjson.loads(one.body)["events"][0]]] - one.sent_ns) / 1e6 for one in answers]
    )
