"""The one table, and the five lines a reader looks for."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Final

from bench.peers.contest import Figures, Outcome
from bench.peers.side import Does

# Each ours divided by theirs.
RATIOS: Final = {
    "single_over_celery": ("single", "celery"),
    "single_over_alertmanager": ("single", "alertmanager"),
    "bulk_over_alertmanager": ("bulk", "alertmanager_bulk"),
    "two_processes_over_one": ("two_processes", "single"),
    "postgres_redis_over_embedded": ("postgres_redis", "single"),
}
_HEAD: Final = ("side", "events/s", "CPU ms", "p50 ms", "p99 ms", "twice")


def lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the table, what each side is, why any is missing, and last the five ratios."""
    yield from _aligned([[*_HEAD, *(one.name for one in fields(Does))], *map(_row, outcomes)])
    yield ""
    for one in outcomes:
        yield f"{one.side.name}: {one.side.what}"
    yield ""
    for one in outcomes:
        if one.figures is None:
            yield f"{one.side.name} not measured: {one.why}"
    yield from ratios({one.side.name: one.figures for one in outcomes if one.figures})


def ratios(figures: Mapping[str, Figures]) -> Iterator[str]:
    """Yield one line a ratio of rates; `nan` where a side of it was not measured."""
    for name, (ours, theirs) in RATIOS.items():
        yield f"{name}: {_ratio(figures.get(ours), figures.get(theirs)):.2f}"


def _ratio(ours: Figures | None, theirs: Figures | None) -> float:
    return ours.per_second / theirs.per_second if ours and theirs else math.nan


def _row(outcome: Outcome) -> list[str]:
    does = [str(getattr(outcome.side.does, one.name)) for one in fields(Does)]
    found = outcome.figures
    if found is None:
        return [outcome.side.name, "not measured", "-", "-", "-", "-", *does]
    p50, _p95, p99 = found.half_load_ms
    measured = [f"{found.per_second:.0f}", f"{found.cpu_ms:.2f}", f"{p50:.1f}", f"{p99:.1f}"]
    return [outcome.side.name, *measured, str(found.repeats), *does]


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
