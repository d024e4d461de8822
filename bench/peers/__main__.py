"""`python -m bench.peers`: the gateway beside its peers, in one run; exit 1 if a side that was
asked for could not be measured."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.machine import describe
from bench.page import PERFORMANCE, put
from bench.peers import installed, table
from bench.peers.alertmanager import Alertmanager
from bench.peers.contest import Plan, compare
from bench.peers.ours import Gateway
from bench.peers.pipelines import Apprise, BullMq, CeleryRedis
from bench.peers.scaled import Scaled
from bench.peers.side import Side

_Maker = Callable[[argparse.Namespace, installed.Cache], Side]

SIDES: Final[Mapping[str, _Maker]] = {
    "single": lambda _asked, _cache: Gateway(name="single"),
    "two_processes": lambda _asked, _cache: Gateway(name="two_processes", workers=2),
    "bulk": lambda asked, _cache: Gateway(name="bulk", batch=asked.batch),
    "postgres_redis": lambda _asked, _cache: Scaled(),
    "alertmanager": lambda _asked, _cache: Alertmanager(),
    "alertmanager_bulk": lambda asked, _cache: Alertmanager(
        batch=asked.batch, wait="100ms", interval="1s"
    ),
    "celery": lambda _asked, cache: CeleryRedis(cache=cache),
    "bullmq": lambda _asked, cache: BullMq(cache=cache),
    "apprise": lambda _asked, cache: Apprise(cache=cache),
}


def main(arguments: Sequence[str]) -> int:
    """Run the contest and print what came of it."""
    asked = _parser().parse_args(arguments)
    cache = installed.Cache(folder=asked.cache)
    sides = [make(asked, cache) for name, make in SIDES.items() if name in asked.only]
    warm_up = min(Plan().warm_up, asked.events)
    plan = Plan(events=asked.events, rounds=asked.rounds, warm_up=warm_up)
    print(describe(), flush=True)
    with tempfile.TemporaryDirectory(prefix="throughgate-peers-") as folder:
        outcomes = compare(sides, plan, Path(folder))
    text = list(table.lines(outcomes))
    print("\n".join(text))
    if len(sides) == len(SIDES):
        put(PERFORMANCE, "peers", ["```text", *text, "```"])
    return 0 if all(one.figures for one in outcomes) else 1


def _stop(_number: int, _frame: object) -> None:
    sys.exit(128 + signal.SIGTERM)


def _parser() -> argparse.ArgumentParser:
    plan = Plan()
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers",
        description="The gateway beside its peers on the same work, in alternating rounds.",
    )
    parser.add_argument("--events", type=int, default=plan.events, help="in a round of each side")
    parser.add_argument("--rounds", type=int, default=plan.rounds, help="of each side")
    parser.add_argument("--batch", type=int, default=200, help="events to a post in bulk")
    parser.add_argument(
        "--only", nargs="+", choices=SIDES, default=list(SIDES), metavar="SIDE",
        help=f"sides to run, of {', '.join(SIDES)}",
    )  # fmt: skip
    parser.add_argument(
        "--cache", type=Path, default=installed.default_folder(), help="where peers are installed"
    )
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)  # so that everything started ends too
    sys.exit(main(sys.argv[1:]))
