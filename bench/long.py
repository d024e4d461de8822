"""`python -m bench long`: a backlog, a store full of years, a soak; written to the documentation.

`--minutes N` for a shorter soak, `--entries N --persons N --backlog N` for less of the rest.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import backlog, large, soak
from bench.machine import describe
from bench.page import PERFORMANCE, put, table
from bench.problem import NotMeasured


def main(words: Sequence[str]) -> int:
    """Measure all three; exit 1 if something did not add up, and then nothing is written."""
    asked = _parser().parse_args(words)
    print(describe(), flush=True)
    found: list[str] = []
    try:
        with tempfile.TemporaryDirectory(prefix="throughgate-bench-") as folder:
            for line in _measured(asked, Path(folder)):
                print(line, flush=True)
                found.append(line)
        put(PERFORMANCE, "long", table(found))
    except NotMeasured as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    return 0


def _measured(asked: argparse.Namespace, folder: Path) -> Iterator[str]:
    waiting = backlog.Plan(backlog=asked.backlog)
    yield from backlog.lines(waiting, backlog.measure(waiting, folder / "backlog"))
    plan = large.Plan(entries=asked.entries, persons=asked.persons)
    yield from large.lines(plan, large.measure(plan, folder / "large"))
    yield from soak.lines(soak.measure(soak.Plan(minutes=asked.minutes), folder / "soak"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench long", description=__doc__)
    parser.add_argument("--backlog", type=int, default=backlog.Plan().backlog)
    parser.add_argument("--entries", type=int, default=large.Plan().entries)
    parser.add_argument("--persons", type=int, default=large.Plan().persons)
    parser.add_argument("--minutes", type=int, default=soak.Plan().minutes)
    return parser
