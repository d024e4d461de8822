"""The receiver of the contest: a process that knows every event it has taken, by name.

One for all sides, each under a path of its own, so that nobody's late webhook counts for another.
An event counts once, when the webhook that holds it has come whole and is answered 204.
"""

import contextlib
import multiprocessing
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Final, Self, cast

from bench.listening import run
from bench.problem import NotMeasured
from bench.wire import HOST

_WEBHOOK_ID: Final = re.compile(rb"\r\nwebhook-id: *([!-~]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What one side delivered since it was asked for."""

    at_ns: Mapping[str, int] = field(repr=False)  # event's mark -> monotonic clock, when first here
    webhooks: int
    repeats: int  # events that came again
    head: bytes = field(repr=False)  # of the first webhook
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    number: int
    path: str
    count: int
    mark: str | None  # pattern of an event's mark in a body; None: the webhook-id


class Tally:
    """The process, while entered."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._child = spawn.Process(target=run, args=(theirs, _Ledger), name="tally", daemon=True)
        self._child.start()
        theirs.close()
        self._origin = f"http://{HOST}:{self._pipe.recv()}"
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(BrokenPipeError):  # it was told to end with everything else
            self._pipe.send(None)
        self._child.join()
        self._child.close()
        self._pipe.close()

    def url(self, side: str) -> str:
        """Return where a side sends its webhooks."""
        return f"{self._origin}/{side}"

    def expect(self, side: str, count: int, mark: str | None) -> None:
        """Begin to wait, in the other process, for so many different events of a side.

        Args:
            side: As given to `url`.
            count: 0 for whatever has come since the last time.
            mark: Pattern with one group that finds an event's mark in a webhook's body; None if
                each webhook holds one event, named by its ``webhook-id``.
        """
        self._number += 1
        self._pipe.send(_Order(number=self._number, path=f"/{side}", count=count, mark=mark))

    def came(self, *, within_s: float) -> Came:
        """Return what was expected, once it is there.

        Raises:
            NotMeasured: some is still missing after so long.
        """
        deadline = time.monotonic() + within_s
        while self._pipe.poll(max(0.0, deadline - time.monotonic())):
            number, came = cast("tuple[int, Came]", self._pipe.recv())
            if number == self._number:  # else it came too late for the one who asked
                return came
        raise NotMeasured(f"fewer events than expected within {within_s:.0f} s")


class _Account:
    """One side's webhooks since it was last asked for."""

    def __init__(self) -> None:
        self.at_ns: dict[str, int] = {}
        self._known: set[str] = set()  # of all rounds: what comes late counts for none
        self._webhooks, self._repeats = 0, 0
        self._first = (b"", b"")
        self.order: _Order | None = None
        self._mark: re.Pattern[bytes] | None = None

    def take(self, order: _Order) -> None:
        self.order = order
        self._mark = re.compile(order.mark.encode()) if order.mark else None

    def note(self, head: bytes, body: bytes) -> None:
        now = time.monotonic_ns()
        if not self._webhooks:
            self._first = (head, body)
        self._webhooks += 1
        found = self._mark.findall(body) if self._mark else _WEBHOOK_ID.findall(head)
        for mark in {one.decode() for one in found}:
            if mark in self._known:
                self._repeats += 1
            else:
                self._known.add(mark)
                self.at_ns[mark] = now

    def close(self) -> Came:
        came = Came(
            at_ns=self.at_ns,
            webhooks=self._webhooks,
            repeats=self._repeats,
            head=self._first[0],
            body=self._first[1],
        )
        self.at_ns, self._webhooks, self._repeats, self.order = {}, 0, 0, None
        return came


class _Ledger:
    """Every side's account, and whom to tell."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._accounts: dict[str, _Account] = {}

    def take(self, order: _Order) -> None:
        account = self._account(order.path)
        account.take(order)
        self._report(account)

    def note(self, head: bytes, body: bytes) -> None:
        account = self._account(head.split(b" ", 2)[1].decode())
        account.note(head, body)
        self._report(account)

    def _account(self, path: str) -> _Account:
        return self._accounts.setdefault(path, _Account())

    def _report(self, account: _Account) -> None:
        if account.order is not None and len(account.at_ns) >= account.order.count:
            self._pipe.send((account.order.number, account.close()))
