"""What the peers need from PyPI and npm, kept in a cache folder and never in the gateway's own."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.peers.running import program
from bench.problem import NotMeasured

_HERE: Final = Path(__file__).parent
_STAMP: Final = "installed.sha256"


def default_folder() -> Path:
    """Return where the user's caches are."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "throughgate" / "bench-peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """The folder; filled as it is asked for, and anew when what is wanted has changed."""

    folder: Path

    def python(self) -> Path:
        """Return a Python with the peers' packages.

        Raises:
            NotMeasured: they could not be installed.
        """
        wanted, home = _HERE / "requirements.txt", self.folder / "venv"
        python = home / "bin" / "python"
        if not _stamped(home, wanted):
            _say(f"Installing {wanted.name} of the peers from PyPI into {home}")
            shutil.rmtree(home, ignore_errors=True)
            _run([sys.executable, "-m", "venv", str(home)], "PyPI")
            _run([str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check",
                  "--only-binary", ":all:", "-r", str(wanted)], "PyPI")  # fmt: skip
            _stamp(home, wanted)
        return python

    def node(self, script: Path) -> Path:
        """Return a copy of a script that finds the peers' packages.

        Raises:
            NotMeasured: they could not be installed.
        """
        home, wanted = self.folder / "node", _HERE / "node" / "package.json"
        if not _stamped(home, wanted):
            _say(f"Installing the peers' packages from npm into {home}")
            shutil.rmtree(home, ignore_errors=True)
            shutil.copytree(wanted.parent, home)
            command = [program("npm", "npm"), "install", "--prefix", str(home)]
            command += ["--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund"]
            _run([*command, "--loglevel=error"], "npm")
            _stamp(home, wanted)
        return Path(shutil.copy(script, home))


def _run(command: Sequence[str], source: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise NotMeasured(f"could not install from {source}: {last[:200]}")


def _stamped(home: Path, wanted: Path) -> bool:
    stamp = home / _STAMP
    return stamp.exists() and stamp.read_text("ascii") == _digest(wanted)


def _stamp(home: Path, wanted: Path) -> None:
    (home / _STAMP).write_text(_digest(wanted), "ascii")


def _digest(wanted: Path) -> str:
    return hashlib.sha256(wanted.read_bytes()).hexdigest()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
