"""`python -m tests`: format, lint, types, import contracts, tests; stops at the first that fails.

What was skipped, and why, is in pytest's closing summary.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

PACKAGES = ("gateway", "adapters", "policies", "keys")
STEPS = (
    ("format", [BIN / "ruff", "format", "--check", "--quiet", "."]),
    ("lint", [BIN / "ruff", "check", "--quiet", "."]),
    ("types", [BIN / "mypy"]),
    (
        "bytecode",
        [sys.executable, "-m", "compileall", "-q", "-j", "0", "-x", "node_modules", *PACKAGES],
    ),
    ("imports", [BIN / "lint-imports", "--no-cache"]),
    (
        "tests",
        [
            *(sys.executable, "-m", "pytest", "-q"),
            # Two more than there are cores: much of what the tests do is wait for servers.
            *("-n", str(min(6, 2 + (os.cpu_count() or 1))), "--dist", "loadfile"),
            *("--no-loadscope-reorder", *sys.argv[1:]),
        ],
    ),
)


def main() -> int:
    # Hundreds of processes are started: none should have to compile what another did.
    environment = {**os.environ}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for name, command in STEPS:
        started = time.monotonic()
        print(f"--- {name}", flush=True)
        done = subprocess.run(
            [str(word) for word in command], cwd=ROOT, env=environment, check=False
        )
        print(f"--- {name}: {time.monotonic() - started:.0f} s", flush=True)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
