"""Programs of other people, run on loopback for as long as a block lasts, and what they use."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.machine import cpu_seconds
from bench.problem import NotMeasured
from bench.wire import HOST, free_port

_STARTS_WITHIN_S: Final = 30.0
_STOPS_WITHIN_S: Final = 15.0


def program(name: str, package: str) -> str:
    """Return where a program is.

    Raises:
        NotMeasured: it is not here; says which Debian package brings it.
    """
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise NotMeasured(f"{name} is missing: sudo apt-get install {package}")
    return found


@contextlib.contextmanager
def started(
    command: Sequence[str],
    log: Path,
    *,
    settings: Mapping[str, str] | None = None,
    stop: str = "SIGTERM",
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends; then stop it, with SIGKILL if that is not enough.

    Args:
        command: The program and its arguments.
        log: Where everything it says goes.
        settings: Environment variables beside this process's own.
        stop: Signal that ends it.
    """
    with log.open("ab") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env={**os.environ, **(settings or {})},
            cwd=log.parent,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process, signal.Signals[stop])


def _stop(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    family = _family([process.pid])
    process.send_signal(number)
    try:
        process.wait(_STOPS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_listening(port: int, process: subprocess.Popen[bytes], name: str) -> None:
    """Wait until a program takes connections.

    Raises:
        NotMeasured: it ended instead, or it does not in time.
    """
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.02)
    raise NotMeasured(f"{name} did not start")


@contextlib.contextmanager
def redis_running(folder: Path) -> Iterator[tuple[int, int]]:
    """Run a Redis that keeps nothing on disk; yield its port and process id.

    Raises:
        NotMeasured: it is not here, or did not start.
    """
    server, port = program("redis-server", "redis-server"), free_port()
    command = [server, "--bind", HOST, "--port", str(port), "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no"]
    with started(command, folder / "redis.log") as process:
        wait_listening(port, process, "redis-server")
        yield port, process.pid


def cpu_of_all(roots: Sequence[int]) -> float:
    """Return the processor time that processes and all their descendants have used; NaN if
    it cannot be read."""
    return sum(cpu_seconds(pid) for pid in _family(roots))


def _family(roots: Sequence[int]) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, ())
    return found
