"""What the capacity model rests on: the cost of an event, and of each recipient told of it.

The gateway runs twice, telling one recipient of each event and then six; what is the same both
times is the event's, the difference is the alerts'. `python -m bench scale` prints the model,
`--write` puts it into ``docs/scale.md``.
"""

import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw
from prometheus_client.parser import text_string_to_metric_families

from bench import scale_model
from bench.driver import Driver
from bench.journey import Journey, gateway_running
from bench.machine import cpu_seconds, describe
from bench.page import DOCS, put
from bench.posts import make_posts
from bench.problem import NotMeasured
from bench.receiver import Receiver
from bench.scale_model import SCOPES, Costs, most_events_per_s
from bench.wire import HOST
from keys.signing import SigningKey

_WITHIN_S: Final = 120.0
_OF_ALERTS: Final = ("alert", "outbox")
_OF_EVENTS: Final = (
    *("event", "receipt", "duty"),
    *("person", "person_identifier", "person_likeness"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    told: tuple[int, int] = (1, 6)
    warm_up: int = 150
    events: int = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One run, per event."""

    cpu_ms: float
    serial_ms: float
    event_bytes: float
    alerts_bytes: float  # of all alerts of one event
    entry_bytes: float  # of one entry
    entries: float


def measure(plan: Plan, folder: Path) -> Costs:
    """Run the gateway twice and return what each part costs.

    Raises:
        NotMeasured: something did not arrive, or the log does not verify.
    """
    few, many = (_run(plan, told, folder / str(told)) for told in plan.told)
    more = plan.told[1] - plan.told[0]

    def alert(one: float, other: float) -> float:
        return max(0.0, (other - one) / more)

    cpu, serial = alert(few.cpu_ms, many.cpu_ms), alert(few.serial_ms, many.serial_ms)
    entries = alert(few.entries, many.entries)
    return Costs(
        event_cpu_ms=max(0.0, few.cpu_ms - plan.told[0] * cpu),
        alert_cpu_ms=cpu,
        event_serial_ms=max(0.0, few.serial_ms - plan.told[0] * serial),
        alert_serial_ms=serial,
        event_bytes=many.event_bytes,
        alert_bytes=many.alerts_bytes / plan.told[1],
        entry_bytes=many.entry_bytes,
        event_entries=few.entries - plan.told[0] * entries,
        alert_entries=entries,
    )


def _run(plan: Plan, told: int, folder: Path) -> Stage:
    key = SigningKey.generate()
    posted = plan.warm_up + plan.events
    with (
        Receiver() as receiver,
        Driver(connections=64) as driver,
        gateway_running(folder, key, receiver.url, recipients=told) as journey,
    ):
        _drive(driver, receiver, journey, range(plan.warm_up), key)
        before = cpu_seconds(journey.pid), _committing_s(journey.port)
        _drive(driver, receiver, journey, range(plan.warm_up, posted), key)
        after = cpu_seconds(journey.pid), _committing_s(journey.port)
    journey.alerts(posted=posted)
    sizes, entries = _stored(folder / "throughgate.db")
    return Stage(
        cpu_ms=1e3 * (after[0] - before[0]) / plan.events,
        serial_ms=1e3 * (after[1] - before[1]) / plan.events,
        event_bytes=sum(sizes.get(table, 0) for table in _OF_EVENTS) / posted,
        alerts_bytes=sum(sizes.get(table, 0) for table in _OF_ALERTS) / posted,
        entry_bytes=sum(size for table, size in sizes.items() if table[:4] == "log_") / entries,
        entries=entries / posted,
    )


def _drive(
    driver: Driver, receiver: Receiver, journey: Journey, numbers: range, key: SigningKey
) -> None:
    receiver.expect(len(numbers) * journey.recipients)
    posts = make_posts(numbers.start, len(numbers), key)
    if any(one.status != 202 for one in driver.drive(journey.port, posts, per_second=None)):
        raise NotMeasured("a post was not answered 202")
    receiver.arrivals(within_s=_WITHIN_S)


def _committing_s(port: int) -> float:
    """Return for how long the gateway has held its writer so far."""
    with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "throughgate_commit_seconds_sum":
                return float(sample.value)
    raise NotMeasured("the gateway does not say how long it commits")


def _stored(database: Path) -> tuple[dict[str, int], int]:
    """Return the bytes of each table, its indexes included, and the entries of the log."""
    with closing(apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        sizes = dict(
            connection.execute(
                "SELECT tbl_name, sum(pgsize) FROM dbstat JOIN sqlite_schema USING (name)"
                " WHERE aggregate = TRUE GROUP BY tbl_name"
            )
        )
        return sizes, int(connection.execute("SELECT size FROM log_head").get)


def lines(costs: Costs) -> Iterator[str]:
    """Yield the figures of the page."""
    yield from scale_model.lines(costs)
    yield ""
    process, writer = most_events_per_s(costs, SCOPES[0].told)
    yield (
        f"With {SCOPES[0].told:.0f} recipients told of each event, one process does"
        f" {process:,.0f} events a second at half its time, and one writer {writer:,.0f}."
    )


def main(words: Sequence[str]) -> int:
    """Measure, print, and write the page if asked."""
    print(describe(), flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="throughgate-bench-") as folder:
            costs = measure(Plan(), Path(folder))
    except NotMeasured as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    text = "\n".join(lines(costs))
    print(text)
    if "--write" in words:
        put(DOCS / "scale.md", "scale", text.splitlines())
    return 0
