"""An hour at half the measured rate: the memory of the process at its beginning and at its end.

`python -m bench soak [--minutes N]`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.driver import Driver
from bench.journey import gateway_running
from bench.machine import resident_mb
from bench.receiver import Receiver
from bench.rounds import Side
from keys.signing import SigningKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long."""

    minutes: int = 60
    warm_up: int = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came of it."""

    minutes: int
    events: int
    early_mb: float  # median over the first sixth, once warm
    late_mb: float  # over the last


def measure(plan: Plan, folder: Path) -> Figures:
    """Post for so long.

    Raises:
        NotMeasured: an answer was not 202, or a webhook is missing.
    """
    key = SigningKey.generate()
    held: list[float] = []
    with (
        Receiver() as receiver,
        Driver(connections=64) as driver,
        gateway_running(folder / "instance", key, receiver.url) as journey,
    ):
        side = Side(journey, key, driver, receiver)
        side.play(plan.warm_up)
        side.play(side.events_in(3.0))
        rate = side.rate / 2
        # A round is as many events as may wait undecided, so an hour is many rounds.
        events = side.events_in(5.0)
        rounds = max(6, round(plan.minutes * 60 * rate / events))
        for _ in range(rounds):
            side.play(events, per_second=rate)
            side.rounds.clear()
            held.append(resident_mb(journey.pid))
    sixth = max(1, rounds // 6)
    return Figures(
        minutes=plan.minutes,
        events=rounds * events,
        early_mb=median(held[:sixth]),
        late_mb=median(held[-sixth:]),
    )


def lines(found: Figures) -> Iterator[str]:
    """Yield one `name: value` line per figure, the ratio last."""
    yield f"soak_minutes: {found.minutes}"
    yield f"soak_events: {found.events}"
    yield f"soak_early_mb: {found.early_mb:.0f}"
    yield f"soak_late_mb: {found.late_mb:.0f}"
    yield f"soak_late_over_early: {found.late_mb / found.early_mb:.2f}"
