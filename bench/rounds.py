"""Alternating rounds of both sides. No figure unless everything adds up."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import orjson

from bench.ceiling import ceiling_running
from bench.driver import Answer, Driver
from bench.journey import gateway_running
from bench.machine import cpu_seconds
from bench.posts import make_posts
from bench.problem import NotMeasured
from bench.receiver import Arrival, Receiver
from keys.signing import SigningKey

_ROUND_WITHIN_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much to do. Rounds last about as long on either side, whatever its rate."""

    warm_up: int = 400  # events; they also tell how many a round holds
    rounds: int = 5
    round_s: float = 3.0
    connections: int = 64


_MOST_EVENTS: Final = 1900  # in a round: fewer than the gateway lets wait undecided


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of one side."""

    answers: Sequence[Answer]
    arrivals: Sequence[Arrival]
    cpu_s: float  # of the side's own process

    @property
    def per_second(self) -> float:
        """Webhooks over the time from the first post's leaving to the last webhook's coming."""
        began = min(answer.sent_ns for answer in self.answers)
        ended = max(arrival.at_ns for arrival in self.arrivals)
        return len(self.arrivals) / ((ended - began) / 1e9)

    def latencies_ms(self, webhook_id: Callable[[Answer], str]) -> Iterator[float]:
        """Yield, for each post, the time from its leaving to its own webhook's coming.

        Raises:
            NotMeasured: a post led to no webhook of its own.
        """
        came = {arrival.webhook_id: arrival.at_ns for arrival in self.arrivals}
        for answer in self.answers:
            at_ns = came.pop(webhook_id(answer), None)
            if at_ns is None:
                raise NotMeasured("a post led to no webhook of its own")
            yield (at_ns - answer.sent_ns) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one side's rounds come to: medians over the rounds."""

    per_second: float
    cpu_ms: float  # per event, in the side's own process
    flood_ms: tuple[float, float, float]  # p50, p95, p99 with every connection busy
    half_load_ms: tuple[float, float, float]


class _Served(Protocol):
    @property
    def port(self) -> int: ...
    @property
    def pid(self) -> int: ...


class Side:
    """One of the two: where it listens, and its rounds so far."""

    def __init__(
        self, served: _Served, key: SigningKey, driver: Driver, receiver: Receiver
    ) -> None:
        self.rounds: list[Round] = []
        self._served = served
        self._key = key
        self._driver = driver
        self._receiver = receiver
        self._posted = 0

    @property
    def rate(self) -> float:
        """Events per second so far."""
        return statistics.median(one.per_second for one in self.rounds)

    def events_in(self, seconds: float) -> int:
        """Return how many events to post for a round to last about so long."""
        return max(2, min(round(self.rate * seconds), _MOST_EVENTS))

    def play(self, events: int, *, per_second: float | None = None) -> None:
        """Post so many new events and wait for their webhooks."""
        posts = make_posts(self._posted, events, self._key)
        self._posted += events
        self._receiver.expect(events)
        before = cpu_seconds(self._served.pid)
        answers = self._driver.drive(self._served.port, posts, per_second=per_second)
        if any(answer.status != 202 for answer in answers):
            raise NotMeasured("a post was not answered 202")
        arrivals = self._receiver.arrivals(within_s=_ROUND_WITHIN_S)
        cpu_s = cpu_seconds(self._served.pid) - before
        self.rounds.append(Round(answers=answers, arrivals=arrivals, cpu_s=cpu_s))


def compare(plan: Plan, folder: Path) -> tuple[Figures, Figures]:
    """Run both sides in turns; return the ceiling's figures and the journey's.

    Args:
        plan: How much.
        folder: For both databases; empty.

    Raises:
        NotMeasured: an answer was not 202, a webhook is missing or came twice, or the disclosure
            log does not verify afterwards.
    """
    key = SigningKey.generate()
    with Receiver() as receiver, Driver(connections=plan.connections) as driver:
        with (
            ceiling_running(folder, key.public_text, receiver.url) as ceiling,
            gateway_running(folder / "instance", key, receiver.url) as journey,
        ):
            sides = [Side(served, key, driver, receiver) for served in (ceiling, journey)]
            least, whole = _in_turns(sides, plan)
        if receiver.surplus():
            raise NotMeasured("a webhook came more than once")
    for one in whole:
        journey.check_webhook(one.arrivals[0].webhook_id, one.arrivals[0].body)
    alerts = journey.alerts(posted=sum(len(one.answers) for one in whole))
    return (
        _figures(least, lambda answer: answer.id),
        _figures(whole, lambda answer: alerts.get(orjson.loads(answer.body)["events"][0], "")),
    )


def _in_turns(sides: Sequence[Side], plan: Plan) -> list[list[Round]]:
    """Return each side's rounds: warm-up first, half load last."""
    for side in sides:
        side.play(plan.warm_up)
    for _ in range(plan.rounds):
        for side in sides:
            side.play(side.events_in(plan.round_s))
    for side in sides:
        side.play(side.events_in(plan.round_s) // 2, per_second=side.rate / 2)
    return [side.rounds for side in sides]


def _figures(rounds: Sequence[Round], webhook_id: Callable[[Answer], str]) -> Figures:
    _warm_up, *floods, paced = rounds
    spread = [percentiles(list(one.latencies_ms(webhook_id))) for one in floods]
    p50, p95, p99 = (statistics.median(column) for column in zip(*spread, strict=True))
    return Figures(
        per_second=statistics.median(one.per_second for one in floods),
        cpu_ms=statistics.median(1e3 * one.cpu_s / len(one.answers) for one in floods),
        flood_ms=(p50, p95, p99),
        half_load_ms=percentiles(list(paced.latencies_ms(webhook_id))),
    )


def percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return p50, p95 and p99: the smallest value that at least so many percent do not exceed."""
    ordered = sorted(values)
    p50, p95, p99 = (ordered[-(-len(ordered) * percent // 100) - 1] for percent in (50, 95, 99))
    return p50, p95, p99
