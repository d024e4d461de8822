"""The receiver: a process that takes webhooks, notes when each had come whole, and answers 204."""

import multiprocessing
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from bench.listening import run
from bench.problem import NotMeasured
from bench.wire import HOST

_WEBHOOK_ID = re.compile(rb"\r\nwebhook-id: *([!-~]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One webhook."""

    webhook_id: str
    at_ns: int  # monotonic clock, the same in every process
    body: bytes  # of the first one expected; empty for the rest


class Receiver:
    """The process, while entered."""

    def __init__(self, port: int = 0) -> None:
        """Start it. Port 0: a free one."""
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._child = spawn.Process(
            target=run, args=(theirs, _Ledger, port), name="receiver", daemon=True
        )
        self._child.start()
        theirs.close()
        self.url = f"http://{HOST}:{self._pipe.recv()}/hook"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._pipe.send(None)
        self._child.join()
        self._child.close()
        self._pipe.close()

    def expect(self, count: int) -> None:
        """Begin to wait, in the other process, for so many."""
        self._pipe.send(count)

    def arrivals(self, *, within_s: float) -> Sequence[Arrival]:
        """Return the webhooks expected, in the order they came.

        Raises:
            NotMeasured: some are still missing after so long.
        """
        if not self._pipe.poll(within_s):
            raise NotMeasured(f"fewer webhooks than expected within {within_s:.0f} s")
        arrivals: Sequence[Arrival] = self._pipe.recv()
        return arrivals

    def surplus(self) -> int:
        """Return how many came since, beyond what was expected: repeats, or strays."""
        self._pipe.send(0)
        return len(self._pipe.recv())


class _Ledger:
    """What came, and whom to tell."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._came: list[Arrival] = []
        self._expected = 0

    def take(self, order: int) -> None:
        self._expected = order
        if len(self._came) >= order:
            self._report()

    def note(self, head: bytes, body: bytes) -> None:
        now = time.monotonic_ns()
        found = _WEBHOOK_ID.search(head)
        id_ = found[1].decode() if found else ""
        self._came.append(Arrival(webhook_id=id_, at_ns=now, body=b"" if self._came else body))
        if len(self._came) == self._expected:
            self._report()

    def _report(self) -> None:
        self._pipe.send(self._came)
        self._came, self._expected = [], 0
