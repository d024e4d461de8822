"""The embedded form under faults: one process, or a supervisor and its workers, over one file."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from gateway.config import Config
from gateway.instance import CONFIG_NAME
from tests.jepsen.processes import Process
from tests.jepsen.systems import Fault


def words(planted: str | None) -> tuple[str, ...]:
    """Return Python's arguments before those of the gateway."""
    return ("-m", "tests.jepsen.planted", planted) if planted else ("-m", "gateway")


@dataclass(slots=True, kw_only=True)
class Embedded:
    """One `throughgate serve`."""

    config: Config
    folder: Path
    url: str
    workers: int = 1
    planted: str | None = None
    _gateway: Process = field(init=False)

    def __post_init__(self) -> None:
        serve = ("serve", "--config", str(self.folder / CONFIG_NAME))
        self._gateway = Process(
            name="gateway",
            words=(*words(self.planted), *serve, "--workers", str(self.workers)),
            log=self.folder / "gateway.log",
            url=self.url,
        )

    @property
    def urls(self) -> tuple[str, ...]:
        """Where it answers."""
        return (self.url,)

    def faults(self) -> Mapping[str, Fault]:
        """Return what may be done to it."""
        found = {
            "kill-all": Fault(harm=self._kill_all, disrupts=True, weight=3),
            "restart": Fault(harm=self._restart, disrupts=True),
            "pause": Fault(harm=self._pause, disrupts=True, weight=2),
        }
        if self.workers > 1:
            found["kill-worker"] = Fault(harm=self._kill_worker, disrupts=True, weight=3)
            found["kill-supervisor"] = Fault(harm=self._kill_supervisor, disrupts=True)
        return found

    async def start(self) -> None:
        """Start it."""
        await self._gateway.start()

    async def heal(self) -> None:
        """Start it if it does not run; with workers, wait until each does."""
        self._gateway.signal_group(signal.SIGCONT)
        if self._gateway.code is not None:
            await self._gateway.start()

    async def unready(self) -> list[str]:
        """Return why it cannot work, if it says so."""
        return await self._gateway.unready()

    async def stop(self) -> int:
        """Stop it in order."""
        return await self._gateway.terminate()

    def end(self) -> None:
        """Kill what is left."""
        self._gateway.end()

    async def _kill_all(self, rng: Random) -> None:
        await self._gateway.kill()
        await asyncio.sleep(rng.uniform(0.0, 0.3))
        await self._gateway.start()

    async def _restart(self, _rng: Random) -> None:
        await self._gateway.terminate()
        await self._gateway.start()

    async def _pause(self, rng: Random) -> None:
        """Stop all of it, or one worker, for a while, as a machine under a hypervisor is."""
        pids = [self._gateway.pid, *self._gateway.children()]
        chosen = pids if rng.random() < 0.5 else [rng.choice(pids)]
        _signal(chosen, signal.SIGSTOP)
        try:
            await asyncio.sleep(rng.uniform(0.3, 1.5))
        finally:
            _signal(chosen, signal.SIGCONT)

    async def _kill_worker(self, rng: Random) -> None:
        if children := self._gateway.children():
            _signal([rng.choice(children)], signal.SIGKILL)
            await asyncio.sleep(rng.uniform(1.0, 2.0))  # the supervisor starts another

    async def _kill_supervisor(self, rng: Random) -> None:
        """Its workers see it go, finish and stop; the next start waits for their lock."""
        os.kill(self._gateway.pid, signal.SIGKILL)
        await self._gateway.wait()
        await asyncio.sleep(rng.uniform(0.0, 0.3))
        await self._gateway.start()


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
