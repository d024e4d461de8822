"""What a gateway of a given size needs, from what one event and one alert were measured to cost.

Pure: measured costs and stated demand in, figures out. `bench.scale` measures, and writes
``docs/scale.md``.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

YEAR_S: Final = 365.25 * 86_400
HEADROOM: Final = 0.5  # of a process or a writer: what is used at the peak, so that it can catch up
PEAK_SHARE: Final = 0.2  # of a week's events, in its two busiest hours: a Friday of releases
PEAK_S: Final = 2 * 3600.0
WEEK_S: Final = 7 * 86_400.0
GIB: Final = 2**30

Limit = Literal["nothing", "processor", "writer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What was measured, of an event by itself and of each recipient told of it."""

    event_cpu_ms: float  # accepted and decided; of one process
    alert_cpu_ms: float  # decided for, sealed, logged, delivered, its outcome logged
    event_serial_ms: float  # with the writer's lock held, in commits shared as under load
    alert_serial_ms: float
    event_bytes: float  # of the event and its person, indexes included
    alert_bytes: float
    entry_bytes: float  # of the log: entry, tiles, checkpoints, index of what is mentioned
    event_entries: float
    alert_entries: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Who is to be served. Assumptions, each of them to be replaced by an area's own counts."""

    scope: str
    people: int  # managed
    events: float = 40.0  # about each of them, a year
    told: float = 6.0  # recipients of each event
    answered: float = 1.0  # entries more for each alert: somebody acknowledges it

    @property
    def events_per_s(self) -> float:
        """Events a second, over the year."""
        return self.people * self.events / YEAR_S

    @property
    def peak_per_s(self) -> float:
        """Events a second in the busiest two hours of a week."""
        return self.events_per_s * WEEK_S * PEAK_SHARE / PEAK_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a demand comes to."""

    demand: Demand
    cores: float  # busy at the peak
    processes: int  # at `HEADROOM`
    writer_busy: float  # share of one writer's time at the peak
    logs: int  # each with a writer of its own
    entries_per_year: float
    log_bytes_per_year: float
    store_bytes_per_year: float

    @property
    def first_limit(self) -> Limit:
        """What runs out first in one process on one database as the demand grows to this."""
        if self.cores <= HEADROOM and self.writer_busy <= HEADROOM:
            return "nothing"
        return "processor" if self.cores >= self.writer_busy else "writer"


def need(costs: Costs, demand: Demand) -> Need:
    """Return what a demand needs."""
    peak = demand.peak_per_s
    cores = peak * (costs.event_cpu_ms + demand.told * costs.alert_cpu_ms) / 1e3
    writer = peak * (costs.event_serial_ms + demand.told * costs.alert_serial_ms) / 1e3
    events = demand.events_per_s * YEAR_S
    of_event = costs.event_entries + demand.told * (costs.alert_entries + demand.answered)
    entries = events * of_event
    return Need(
        demand=demand,
        cores=cores,
        processes=max(1, math.ceil(cores / HEADROOM)),
        writer_busy=writer,
        logs=max(1, math.ceil(writer / HEADROOM)),
        entries_per_year=entries,
        log_bytes_per_year=entries * costs.entry_bytes,
        store_bytes_per_year=events * (costs.event_bytes + demand.told * costs.alert_bytes),
    )


PEOPLE: Final = 90_000  # managed in England and Wales, about
AREAS: Final = 42
SCOPES: Final[Sequence[Demand]] = (
    Demand(scope="one police force area", people=round(PEOPLE / AREAS)),
    Demand(scope="England and Wales: 42 areas, all prisons", people=PEOPLE),
    Demand(scope="a thousand times that", people=1000 * PEOPLE),
)


def most_events_per_s(costs: Costs, told: float) -> tuple[float, float]:
    """Return what one process, and what one writer, can do at `HEADROOM`, in events a second."""
    process = HEADROOM * 1e3 / (costs.event_cpu_ms + told * costs.alert_cpu_ms)
    writer = HEADROOM * 1e3 / (costs.event_serial_ms + told * costs.alert_serial_ms)
    return process, writer


def lines(costs: Costs, scopes: Sequence[Demand] = SCOPES) -> Iterator[str]:
    """Yield the figures as Markdown: the costs, then what each scope needs."""
    yield "| measured | of an event | of each alert |"
    yield "|---|---:|---:|"
    yield f"| processor, ms | {costs.event_cpu_ms:.2f} | {costs.alert_cpu_ms:.2f} |"
    yield f"| writer's lock held, ms | {costs.event_serial_ms:.2f} | {costs.alert_serial_ms:.2f} |"
    yield f"| stored, kB | {costs.event_bytes / 1e3:.1f} | {costs.alert_bytes / 1e3:.1f} |"
    yield f"| entries logged | {costs.event_entries:.1f} | {costs.alert_entries:.1f} |"
    yield ""
    yield f"One entry of the log takes {costs.entry_bytes:.0f} bytes, its tiles and index included."
    yield ""
    needs = [need(costs, demand) for demand in scopes]
    yield "| | " + " | ".join(one.demand.scope for one in needs) + " |"
    yield "|---|" + "---:|" * len(needs)
    for name, values in (
        ("people managed", [f"{one.demand.people:,}" for one in needs]),
        ("events a second, over the year", [_rate(one.demand.events_per_s) for one in needs]),
        ("events a second, at the peak", [_rate(one.demand.peak_per_s) for one in needs]),
        (
            "alerts a second, at the peak",
            [_rate(one.demand.peak_per_s * one.demand.told) for one in needs],
        ),
        ("cores busy at the peak", [_rate(one.cores) for one in needs]),
        ("processes, half busy at the peak", [f"{one.processes:,}" for one in needs]),
        ("one writer's time at the peak", [f"{one.writer_busy:.1%}" for one in needs]),
        ("logs, half busy at the peak", [f"{one.logs:,}" for one in needs]),
        ("entries of the log a year", [_count(one.entries_per_year) for one in needs]),
        ("log, GiB a year", [_size(one.log_bytes_per_year) for one in needs]),
        ("store beside it, GiB a year", [_size(one.store_bytes_per_year) for one in needs]),
        ("what runs out first in one process", [one.first_limit for one in needs]),
    ):
        yield f"| {name} | " + " | ".join(values) + " |"


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _count(value: float) -> str:
    return f"{value / 1e6:,.1f} million"


def _size(value: float) -> str:
    return _rate(value / GIB)
