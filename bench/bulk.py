"""Bulk: events posted in batches to the gateway, alerts taken in batches by their recipient.

`python -m bench bulk` prints it beside the same flood one by one. Everything else is as in the
journey: signature, durable acceptance, policy, seal, log, delivery to a 2xx, and all of it checked
afterwards.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from bench.driver import Driver, Post
from bench.journey import Journey, gateway_running
from bench.machine import cpu_seconds, describe
from bench.peers.tally import Came, Tally
from bench.posts import AGENCY, make_posts
from bench.problem import NotMeasured
from bench.wire import post, take_message
from gateway.cli.post import signed_headers
from keys.signing import SigningKey

ALERT_MARK: Final = r'"id":"(alt_[^"]+)"'  # of each alert in a webhook's body, batch or not

_SIDE: Final = "bulk"
_UNDECIDED: Final = 100_000
_WITHIN_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a flood comes to: medians over the rounds."""

    per_second: float  # events, from the first post's leaving to the last alert's coming
    cpu_ms: float  # per event, in the gateway's own processes
    alerts_a_webhook: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    per_second: float
    cpu_ms: float
    alerts_a_webhook: float


def measure(
    folder: Path,
    *,
    events: int = 4000,
    batch: int = 200,
    rounds: int = 3,
    connections: int = 8,
    workers: int = 1,
) -> Figures:
    """Post a flood in batches to a gateway whose one recipient takes batches of the same size.

    Args:
        folder: For the instance; empty.
        events: Of each round.
        batch: Events in a post, and alerts in a webhook at most; 1: one by one.
        rounds: After one to warm up.
        connections: That post at once.
        workers: Processes of the gateway.

    Raises:
        NotMeasured: an answer was not 202, an alert is missing or came twice, or the disclosure
            log does not verify afterwards.
    """
    key = SigningKey.generate()
    played: list[_Round] = []
    with (
        Tally() as tally,
        Driver(connections=connections) as driver,
        gateway_running(
            folder / "instance",
            key,
            tally.url(_SIDE),
            workers=workers,
            undecided=_UNDECIDED,
            batches=batch,
        ) as journey,
    ):
        for number in range(rounds + 1):
            posts = batched(number * events, events, batch, key)
            played.append(_play(journey, tally, driver, posts, events))
    journey.alerts(posted=(rounds + 1) * events)
    return Figures(
        per_second=_median(played[1:], lambda one: one.per_second),
        cpu_ms=_median(played[1:], lambda one: one.cpu_ms),
        alerts_a_webhook=_median(played[1:], lambda one: one.alerts_a_webhook),
    )


def batched(first: int, count: int, batch: int, key: SigningKey) -> Sequence[Post]:
    """Return signed posts that hold so many events each. As `bench.posts.make_posts`."""
    singles = make_posts(first, count, key)
    if batch == 1:
        return singles
    bodies = [_body(one) for one in singles]
    return [_batch(bodies[at : at + batch], key) for at in range(0, count, batch)]


def _body(single: Post) -> bytes:
    message = take_message(bytearray(single.wire))
    assert message is not None
    return message[1]


def _batch(bodies: Sequence[bytes], key: SigningKey) -> Post:
    body = b"[" + b",".join(bodies) + b"]"
    headers = signed_headers(AGENCY, key, body)
    return Post(id=headers["webhook-id"], wire=post("/v1/events", headers, body))


def _play(
    journey: Journey, tally: Tally, driver: Driver, posts: Sequence[Post], events: int
) -> _Round:
    tally.expect(_SIDE, events, ALERT_MARK)
    before = cpu_seconds(journey.pid)
    answers = driver.drive(journey.port, posts, per_second=None)
    if any(answer.status != 202 for answer in answers):
        raise NotMeasured("a post was not answered 202")
    came = tally.came(within_s=_WITHIN_S)
    cpu_s = cpu_seconds(journey.pid) - before
    _check(journey, came, events)
    began = min(answer.sent_ns for answer in answers)
    return _Round(
        per_second=events / ((max(came.at_ns.values()) - began) / 1e9),
        cpu_ms=1e3 * cpu_s / events,
        alerts_a_webhook=len(came.at_ns) / came.webhooks,
    )


def _check(journey: Journey, came: Came, events: int) -> None:
    if came.repeats or len(came.at_ns) != events:
        raise NotMeasured("an alert came twice, or was not asked for")
    whole = orjson.loads(came.body)
    first = whole[0]["id"] if isinstance(whole, list) else whole["id"]
    journey.check_webhook(first, came.body)


def _median(played: Sequence[_Round], of: Callable[[_Round], float]) -> float:
    return statistics.median(of(one) for one in played)


def lines(single: Figures, bulk: Figures) -> Iterator[str]:
    """Yield one `name: value` line per figure, the ratios last."""
    for name, one in (("single", single), ("bulk", bulk)):
        yield f"{name}_per_s: {one.per_second:.0f}"
        yield f"{name}_cpu_ms_per_event: {one.cpu_ms:.3f}"
        yield f"{name}_alerts_a_webhook: {one.alerts_a_webhook:.1f}"
    yield f"bulk_over_single_per_s: {bulk.per_second / single.per_second:.2f}"
    yield f"single_over_bulk_cpu: {single.cpu_ms / bulk.cpu_ms:.2f}"


def main(arguments: Sequence[str]) -> int:
    """Measure both and print the figures; 1 if something did not add up."""
    parser = argparse.ArgumentParser(prog="python -m bench bulk")
    parser.add_argument("--events", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args(arguments)
    print(describe(), flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="throughgate-bulk-") as folder:
            (Path(folder) / "single").mkdir()
            (Path(folder) / "bulk").mkdir()
            single = measure(
                Path(folder) / "single",
                events=min(asked.events, 2000),
                batch=1,
                connections=64,
                workers=asked.workers,
            )
            bulk = measure(
                Path(folder) / "bulk",
                events=asked.events,
                batch=asked.batch,
                workers=asked.workers,
            )
    except NotMeasured as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines(single, bulk)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
