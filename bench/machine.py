"""What the figures were measured on, and how much processor a process has used."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

_LIBRARIES: Final = ("aiohttp", "uvloop", "apsw", "cryptography")


def describe() -> str:
    """Return one line on the machine, what shares it, and the libraries."""
    libraries = " ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return (
        f"{os.cpu_count()} cores ({platform.machine()}, load {os.getloadavg()[0]:.2f} before),"
        " shared by the side measured, the driver, the receiver and whatever else runs;"
        f" Python {platform.python_version()}, {libraries}"
    )


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used, user and system; NaN where /proc is not."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return float("nan")
    fields = stat.read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Return the memory a process holds, in millions of bytes; NaN where /proc is not."""
    status = Path(f"/proc/{pid}/statm")
    if not status.exists():
        return float("nan")
    return int(status.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
