"""Real processes that are killed, paused and started again."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

ROOT = Path(__file__).resolve().parents[2]
READY_S = 40.0
_POLL_S = 0.03


def free_port() -> int:
    """Return a port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True, kw_only=True)
class Process:
    """A program of Python's in a process group of its own, which may be started many times."""

    name: str
    words: Sequence[str]  # Python's arguments
    log: Path  # its standard output and error, over all runs
    url: str | None = None  # of the gateway it serves, if it does
    environment: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _groups: list[int] = field(default_factory=list, init=False)

    def spawn(self) -> None:
        """Start it and return at once."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self.words],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        self._groups.append(self._process.pid)

    async def start(self, within_s: float = READY_S) -> None:
        """Start it, again and again while it ends by itself, until it is ready.

        A gateway is refused while workers of the one before still hold its lock.

        Raises:
            AssertionError: not in time; quotes its log.
        """
        self.spawn()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s), aiohttp.ClientSession() as session:
                while not await self.is_ready(session):
                    if self.code is not None:
                        await asyncio.sleep(0.2)
                        self.spawn()
                    await asyncio.sleep(_POLL_S)
                return
        quoted = self.log.read_text("utf-8", "replace")[-3000:]
        raise AssertionError(f"{self.name} is not ready, exit code {self.code}:\n{quoted}")

    async def is_ready(self, session: aiohttp.ClientSession) -> bool:
        """Return whether it says it is; one that serves nothing is while it runs."""
        if self.url is None:
            return self.code is None
        try:
            timeout = aiohttp.ClientTimeout(total=5)
            async with session.get(f"{self.url}/health/ready", timeout=timeout) as response:
                return response.status == 200 and self.code is None
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def unready(self) -> list[str]:
        """Return its name and what it answers, if it is not ready."""
        try:
            timeout = aiohttp.ClientTimeout(total=5)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"{self.url}/health/ready") as response,
            ):
                if response.status == 200:
                    return []
                return [f"{self.name}: {await response.text()}"]
        except (aiohttp.ClientError, TimeoutError):
            return [f"{self.name}: no answer, exit code {self.code}"]

    @property
    def pid(self) -> int:
        """Of the newest run."""
        assert self._process is not None
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code of the newest run, or None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def children(self) -> list[int]:
        """Return the process ids of its workers, when it is a supervisor."""
        try:
            listed = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except OSError:
            return []
        return [int(pid) for pid in listed.split()]

    def signal_group(self, number: int) -> None:
        """Send a signal to all of the newest run."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    async def kill(self) -> None:
        """SIGKILL all of it, as a power cut would end it, and wait for the end."""
        self.signal_group(signal.SIGKILL)
        await self.wait()

    async def terminate(self) -> int:
        """SIGTERM, as an orderly stop; return the exit code."""
        if self.code is None:
            os.kill(self.pid, signal.SIGTERM)
        return await self.wait()

    async def wait(self) -> int:
        """Wait for it to end; return the exit code."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait)

    def end(self) -> None:
        """SIGKILL whatever any of its runs left. Nothing of it outlives this."""
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
