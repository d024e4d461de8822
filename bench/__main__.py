"""`python -m bench`: policy, adapters, log, console, ceiling and journey in one run; exit 1 if
something did not add up. `python -m bench adapters`, `log` or `console` measures that alone."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench import adapters, console, log, policy
from bench.machine import describe
from bench.problem import NotMeasured
from bench.rounds import Figures, Plan, compare

_ALONE: Final[Mapping[str, Callable[[Sequence[str]], int]]] = {
    "adapters": adapters.main,
    "log": log.main,
    "console": console.main,
}
# What the whole run can afford; alone, they go up to a million.
_LOG: Final = log.Plan(sizes=(10_000, 100_000), checked=100_000)
_CONSOLE: Final = console.Plan(entries=100_000, persons=10_000)


def main() -> int:
    print(describe(), flush=True)
    try:
        print("\n".join(policy.lines(policy.measure(policy.Plan()))), flush=True)
        print("\n".join(adapters.lines(adapters.measure(adapters.Plan()))), flush=True)
        print("\n".join(log.lines(log.measure(_LOG))), flush=True)
        print("\n".join(console.lines(console.measure(_CONSOLE))), flush=True)
        with tempfile.TemporaryDirectory(prefix="throughgate-bench-") as folder:
            ceiling, journey = compare(Plan(), Path(folder))
    except NotMeasured as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines(ceiling, journey)))
    return 0


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
