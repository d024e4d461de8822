"""Alternating rounds of every side. No figure of a side unless everything of it adds up."""

import contextlib
import gc
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.driver import Driver
from bench.peers.running import cpu_of_all
from bench.peers.side import Played, Serving, Side
from bench.peers.tally import Tally
from bench.problem import NotMeasured
from bench.rounds import percentiles

_ROUND_WITHIN_S: Final = 180.0
_APART: Final = 400_000  # events of one side; the next side's are other persons'
_TAKEN: Final = (200, 202)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much to do, the same for every side."""

    events: int = 1900
    in_bulk: int = 4  # times as many where posts are batches: groups wait, whatever the rate
    rounds: int = 5
    warm_up: int = 400
    connections: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one side's rounds come to."""

    per_second: float  # events over the time from the first post's leaving; median of the rounds
    cpu_ms: float  # per event, all its processes; median of the rounds
    half_load_ms: tuple[float, float, float]  # p50, p95, p99 at half its own rate
    webhooks: int
    repeats: int  # events that came again


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A side, and its figures or why there are none."""

    side: Side
    figures: Figures | None = None
    why: str = ""


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A side on its way through the rounds."""

    side: Side
    first: int  # number of its next event
    serving: Serving | None = None
    rounds: list[Played] = field(default_factory=list)
    late: int = 0  # events that came again after the last round
    why: str = ""

    @property
    def rate(self) -> float:
        return statistics.median(per_second(one) for one in self.rounds[1:] or self.rounds)


def compare(sides: Sequence[Side], plan: Plan, folder: Path) -> Sequence[Outcome]:
    """Run every side in turns, and return what came of each, in the same order.

    Args:
        sides: Each with a name of its own.
        plan: How much.
        folder: For all they keep; empty.
    """
    entries = [_Entry(side=side, first=at * _APART) for at, side in enumerate(sides)]
    with Tally() as tally, Driver(connections=plan.connections) as driver:
        turns = _Turns(tally, driver, plan)
        with contextlib.ExitStack() as stack:
            for entry in entries:
                with _left_out(entry):
                    entry.serving = _enter(stack, entry.side, tally, folder)
            turns.play(entries)
        for entry in entries:
            with _left_out(entry):
                entry.late = turns.late(entry)
    return [_outcome(entry) for entry in entries]


def _enter(stack: contextlib.ExitStack, side: Side, tally: Tally, folder: Path) -> Serving:
    _say(f"starting {side.name}")
    own = folder / side.name
    own.mkdir()
    return stack.enter_context(side.running(tally.url(side.name), own))


class _Turns:
    def __init__(self, tally: Tally, driver: Driver, plan: Plan) -> None:
        self._tally, self._driver, self._plan = tally, driver, plan

    def play(self, entries: Sequence[_Entry]) -> None:
        """Warm every side up, play the rounds in turns, and end with half load."""
        plan = self._plan
        self._each(entries, plan.warm_up, "warm-up")
        for number in range(plan.rounds):
            shift = number % len(entries)  # nobody is always the first after the same other
            turn = [*entries[shift:], *entries[:shift]]
            self._each(turn, plan.events, f"round {number + 1} of {plan.rounds}")
        self._each(entries, plan.events // 2, "half load", paced=True)

    def late(self, entry: _Entry) -> int:
        """Return the events of a side that came again since its last round."""
        if entry.why:
            return 0
        self._tally.expect(entry.side.name, 0, None)
        came = self._tally.came(within_s=_ROUND_WITHIN_S)
        return came.repeats + len(came.at_ns)

    def _each(
        self, entries: Sequence[_Entry], events: int, what: str, *, paced: bool = False
    ) -> None:
        for entry in entries:
            with _left_out(entry):
                if entry.serving is not None and not entry.why:
                    many = events * (self._plan.in_bulk if entry.side.batch > 1 else 1)
                    self._round(entry, entry.serving, many, paced=paced)
                    _say(f"{what}: {entry.side.name} {per_second(entry.rounds[-1]):.0f}/s")

    def _round(self, entry: _Entry, serving: Serving, events: int, *, paced: bool) -> None:
        posts = serving.posts(entry.first, events)
        entry.first += events
        per_s = entry.rate / 2 * len(posts) / events if paced else None
        self._tally.expect(entry.side.name, events, serving.mark)
        gc.collect()
        before = cpu_of_all(serving.pids)
        answers = self._driver.drive(serving.port, posts, per_second=per_s)
        refused = [answer.status for answer in answers if answer.status not in _TAKEN]
        if refused:
            raise NotMeasured(f"{len(refused)} posts were not taken, the first with {refused[0]}")
        came = self._tally.came(within_s=_ROUND_WITHIN_S)
        time.sleep(0.1)  # what it does after the last webhook is its own cost too
        cpu_s = cpu_of_all(serving.pids) - before
        entry.rounds.append(Played(answers=answers, came=came, cpu_s=cpu_s))


@contextlib.contextmanager
def _left_out(entry: _Entry) -> Iterator[None]:
    """Note why a side is not measured, and let the others go on."""
    try:
        yield
    except NotMeasured as error:
        entry.why = str(error)
        _say(f"{entry.side.name} not measured: {error}")
    except Exception as error:  # noqa: BLE001 - one that fails takes nobody else's figures with it
        entry.why = f"{type(error).__name__}: {error}"
        _say(f"{entry.side.name} not measured: {entry.why}")


def per_second(one: Played) -> float:
    """Return the events of a round over the time from the first post's leaving to the last
    event's coming."""
    began = min(answer.sent_ns for answer in one.answers)
    return len(one.came.at_ns) / ((max(one.came.at_ns.values()) - began) / 1e9)


def latencies_ms(one: Played, marks: Mapping[str, Sequence[str]]) -> Sequence[float]:
    """Return, for each event, the time from its post's leaving to its own webhook's coming.

    Raises:
        NotMeasured: an event was posted that no webhook held.
    """
    at_ns = dict(one.came.at_ns)
    spent = []
    for answer in one.answers:
        for mark in marks.get(answer.id, ()):
            came_ns = at_ns.pop(mark, None)
            if came_ns is None:
                raise NotMeasured("an event led to no webhook of its own")
            spent.append((came_ns - answer.sent_ns) / 1e6)
    if at_ns:
        raise NotMeasured("a webhook came for no event of the round")
    return spent


def _outcome(entry: _Entry) -> Outcome:
    if not entry.why and entry.serving is not None:
        with _left_out(entry):
            return Outcome(side=entry.side, figures=_figures(entry, entry.serving))
    return Outcome(side=entry.side, why=entry.why)


def _figures(entry: _Entry, serving: Serving) -> Figures:
    marks = serving.marks(entry.rounds)
    spread = [latencies_ms(one, marks) for one in entry.rounds]  # of every round: all must match
    _warm_up, *floods, _paced = entry.rounds
    return Figures(
        per_second=statistics.median(per_second(one) for one in floods),
        cpu_ms=statistics.median(1e3 * one.cpu_s / len(one.came.at_ns) for one in floods),
        half_load_ms=percentiles(spread[-1]),
        webhooks=sum(one.came.webhooks for one in entry.rounds),
        repeats=entry.late + sum(one.came.repeats for one in entry.rounds),
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
