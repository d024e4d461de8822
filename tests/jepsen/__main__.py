"""`python -m tests.jepsen --seeds 20 --form embedded`: run after run, each judged by a process.

A run that is not clean leaves its folder, and is repeated by `--seed N`.
"""

import argparse
import asyncio
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.jepsen.driver import record
from tests.jepsen.plan import Plan
from tests.jepsen.processes import ROOT


def judged(folder: Path) -> tuple[int, str]:
    """Have a process judge what a run left; return its code and the verdict's text."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.jepsen.judge", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def played(plan: Plan, folder: Path) -> tuple[int, str]:
    """Record one run in a new folder and have it judged; return the code and the verdict's text."""
    trouble = ""
    try:
        asyncio.run(record(plan, folder))
    except (AssertionError, TimeoutError) as error:  # what was recorded until then says so too
        trouble = f"the run did not come to its end: {error}\n"
    code, text = judged(folder)
    return code, trouble + text


def plans(words: argparse.Namespace) -> list[Plan]:
    """Return the runs that are asked for."""
    if words.seed is not None:
        seeds = [words.seed]
    else:
        chosen = random.SystemRandom()
        seeds = [chosen.randrange(2**32) for _ in range(words.seeds)]
    return [
        Plan(
            seed=seed,
            form=words.form,
            workers=words.workers or 1 + seed % 2,
            seconds=words.seconds,
            planted=words.planted,
            urls=(),
            readers=(),
            slow=words.slow,
            only=tuple(words.only),
        )
        for seed in seeds
    ]


def main() -> int:
    """Run what is asked for; return 0 if all are clean, else the worst code."""
    parser = argparse.ArgumentParser(prog="python -m tests.jepsen", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many, chosen afresh")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--form", choices=("embedded", "scaled"), default="embedded")
    parser.add_argument("--workers", type=int, help="of the embedded form; else 1 or 2 by the seed")
    parser.add_argument("--seconds", type=float, default=6.0, help="of faults in each run")
    parser.add_argument("--slow", type=float, default=0.25, help="share of slow deliveries")
    parser.add_argument("--planted", help="a bug of tests/jepsen/planted.py")
    parser.add_argument("--only", nargs="*", default=[], help="these faults and no other")
    parser.add_argument("--keep", type=Path, help="a folder for what every run leaves")
    words = parser.parse_args()
    worst = 0
    for plan in plans(words):
        sys.stdout.write(f"seed {plan.seed} ({plan.form}, {plan.workers} workers)\n")
        sys.stdout.flush()
        place = words.keep or Path(tempfile.mkdtemp(prefix="jepsen-"))
        folder = place / f"seed-{plan.seed}"
        code, text = played(plan, folder)
        sys.stdout.write(text)
        if code == 0 and not words.keep:
            shutil.rmtree(place)
        else:
            sys.stdout.write(f"  left in {folder}\n")
        worst = max(worst, code)
    return worst


if __name__ == "__main__":
    sys.exit(main())
