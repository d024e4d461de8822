"""`python -m bench`: policy, adapters, log, console, ceiling and journey in one run, written to
``docs/performance.md``; exit 1 if something did not add up. `python -m bench adapters`, `bulk`,
`console`, `log`, `long` or `scale` measures that alone."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench import adapters, bulk, console, log, long, policy, scale
from bench.machine import describe
from bench.page import PERFORMANCE, put, table
from bench.problem import NotMeasured
from bench.rounds import Figures, Plan, compare

_ALONE: Final[Mapping[str, Callable[[Sequence[str]], int]]] = {
    "adapters": adapters.main,
    "bulk": bulk.main,
    "console": console.main,
    "log": log.main,
    "long": long.main,
    "scale": scale.main,
}
# What the whole run can afford; alone, they go up to a million.
_LOG: Final = log.Plan(sizes=(10_000, 100_000), checked=100_000)
_CONSOLE: Final = console.Plan(entries=100_000, persons=10_000)


def main() -> int:
    print(describe(), flush=True)
    found: list[str] = []
    try:
        for line in _measured():
            print(line, flush=True)
            found.append(line)
        put(PERFORMANCE, "gateway", table(found))
    except NotMeasured as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    return 0


def _measured() -> Iterator[str]:
    yield from policy.lines(policy.measure(policy.Plan()))
    yield from adapters.lines(adapters.measure(adapters.Plan()))
    yield from log.lines(log.measure(_LOG))
    yield from console.lines(console.measure(_CONSOLE))
    with tempfile.TemporaryDirectory(prefix="throughgate-bench-") as folder:
        yield from lines(*compare(Plan(), Path(folder)))


def lines(ceiling: Figures, journey: Figures) -> Iterator[str]:
    """Yield one `name: value` line per figure, the ratio last."""
    for name, side in (("ceiling", ceiling), ("journey", journey)):
        yield f"{name}_per_s: {side.per_second:.0f}"
        yield f"{name}_cpu_ms_per_event: {side.cpu_ms:.2f}"
        for load, spread in (("flood", side.flood_ms), ("half_load", side.half_load_ms)):
            for percent, value in zip((50, 95, 99), spread, strict=True):
                yield f"{name}_{load}_p{percent}_ms: {value:.1f}"
    yield f"journey_over_ceiling: {journey.per_second / ceiling.per_second:.2f}"


if __name__ == "__main__":
    alone = _ALONE.get("".join(sys.argv[1:2]))
    sys.exit(alone(sys.argv[2:]) if alone else main())
