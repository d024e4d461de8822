"""Taking turns: several processes that write one database file, each in the order it came.

SQLite wakes nobody: who finds the file taken looks again after longer and longer sleeps, and who
has just committed and has more to write is always there first. So whoever waits for the file holds
the turn, and who comes back queues behind it. The lock is the kernel's: it ends with its process.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, TypeAlias

import apsw

from gateway.store.engine import Connection

Turn: TypeAlias = Callable[[], AbstractContextManager[None]]  # around the beginning of one write

ALONE: Final[Turn] = contextlib.nullcontext
WAIT_S: Final = 10.0  # then the file is asked for out of turn, and may say that it is busy
_LOOK_AGAIN_S: Final = 0.0005  # one process at a time looks this often


def turns(database: Path | None, writer: Connection, *, workers: int) -> Turn:
    """Return what a writer begins each of its transactions in.

    Args:
        database: The file, beside which the turn is kept; None: a server sees to turns.
        writer: Connected to it; told to look again soon where it is taken.
        workers: That write it; one alone waits for nobody.
    """
    if workers == 1 or database is None or not isinstance(writer, apsw.Connection):
        return ALONE
    writer.set_busy_handler(_look_again)
    return _Turns(database.with_suffix(".turn"))


class _Turns:
    """The turn of one process. Its file holds nothing and is never taken away."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __del__(self) -> None:
        os.close(self._file)

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        held = self._take()
        try:
            yield
        finally:
            if held:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _take(self) -> bool:
        """Wait for the turn; return False if whoever has it does nothing with it."""
        until = time.monotonic() + WAIT_S
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    return False
                time.sleep(_LOOK_AGAIN_S)
            else:
                return True


def _look_again(times: int) -> bool:
    time.sleep(_LOOK_AGAIN_S)
    return times < WAIT_S / _LOOK_AGAIN_S
