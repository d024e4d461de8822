"""Supervising: N workers on one listening socket, each begun again when it ends, and all replaced
one by one, without a gap, when told to.

A worker owns its share of the work for as long as it lives. The one that is to replace it accepts
beside it, and begins to decide and deliver only once it has ended: each has a line to its
supervisor, over which it says that it is ready and hears that it may begin. The line ends when
the supervisor has died; then the worker stops, for it would serve on unseen beside the next.
"""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

READY: Final = b"r"  # a worker: it listens
BEGIN: Final = b"b"  # its supervisor: the one before it has ended

_LOOK_EVERY_S: Final = 0.2
_RESTART_WAIT_S: Final = 1.0
_READY_WITHIN_S: Final = 120.0
_ENDS_WITHIN_S: Final = 60.0

_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Worker:
    """One process, and the line to it."""

    process: subprocess.Popen[bytes]
    line: socket.socket

    def is_ready(self) -> bool:
        """Return whether it has said that it listens. Does not wait."""
        try:
            return self.line.recv(1) == READY
        except BlockingIOError:
            return False

    def may_begin(self) -> None:
        """Let it decide and deliver."""
        with contextlib.suppress(OSError):  # it has ended: that is seen elsewhere
            self.line.send(BEGIN)

    def stop(self) -> None:
        """Tell it to stop in order. Once: while it exits it could not take a second time."""
        self.process.terminate()

    def ended(self, within_s: float = _ENDS_WITHIN_S) -> int:
        """Wait until it has stopped, or end it by force if it takes too long; return its exit
        code."""
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            _LOG.error("worker did not end", count=self.process.pid)
            self.process.kill()
            code = self.process.wait()
        self.line.close()
        return code


def begin(command: Sequence[str], keep: Sequence[int]) -> Worker:
    """Start a worker.

    Args:
        command: What to run.
        keep: Descriptors it inherits.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=theirs.fileno(), pass_fds=tuple(keep)
        )
    return Worker(process, ours)


@dataclass(slots=True)
class Supervisor:
    """Keeps workers running until told to stop. `start` is given a slot, and whether another
    worker still owns its work."""

    start: Callable[[int, bool], Worker]
    workers: int
    _children: dict[int, Worker] = field(default_factory=dict)
    _stopping: bool = False
    _renewing: bool = False

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; SIGHUP replaces every worker. Returns the exit code."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, self._renew)
        self._children = {slot: self.start(slot, False) for slot in range(self.workers)}
        while not self._stopping:
            time.sleep(_LOOK_EVERY_S)
            self._replace_ended()
            if self._renewing and not self._stopping:
                self._renewing = False
                self._replace_all()
        for child in self._children.values():
            child.stop()
        return max(abs(child.ended()) for child in self._children.values())

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _renew(self, _number: int, _frame: object) -> None:
        self._renewing = True

    def _replace_ended(self) -> None:
        for slot, child in self._children.items():
            code = child.process.poll()
            if code is not None and not self._stopping:
                _LOG.error("worker ended", slot=slot, code=str(code))
                child.line.close()
                time.sleep(_RESTART_WAIT_S)
                self._children[slot] = self.start(slot, False)

    def _replace_all(self) -> None:
        """Replace worker by worker; stop at the first whose successor does not come up: what runs
        goes on as it was."""
        for slot in range(self.workers):
            if not self._replace(slot):
                return
        _LOG.info("workers replaced", count=self.workers)

    def _replace(self, slot: int) -> bool:
        successor = self.start(slot, True)
        if not self._comes_up(successor):
            _LOG.error("worker not replaced", slot=slot, code=str(successor.process.poll()))
            successor.stop()
            successor.ended()
            return False
        self._children[slot].stop()
        self._children[slot].ended()
        successor.may_begin()
        self._children[slot] = successor
        return True

    def _comes_up(self, worker: Worker) -> bool:
        until = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < until and not self._stopping:
            if worker.is_ready():
                return True
            if worker.process.poll() is not None:
                return False
            time.sleep(_LOOK_EVERY_S / 4)
        return False
