"""`python -m bench`: policy, adapters, ceiling and journey in one run; exit 1 if something did not
add up. `python -m bench adapters` measures those alone."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import adapters, policy
from bench.machine import describe
from bench.problem import NotMeasured
from bench.rounds import Figures, Plan, compare


def main() -> int:
    print(describe(), flush=True)
    try:
        print("\n".join(policy.lines(policy.measure(policy.Plan()))), flush=True)
        print("\n".join(adapters.lines(adapters.measure(adapters.Plan()))), flush=True)
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
    sys.exit(adapters.main(sys.argv[2:]) if sys.argv[1:2] == ["adapters"] else main())
