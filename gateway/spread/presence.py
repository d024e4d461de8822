"""Presence: whether Redis is there, whether it is the one it was, and which processes are there.

An epoch is a key that is written once. If it is gone, or says another number, then everything else
may be gone as well: a FLUSHALL, an eviction, an empty restart. If the server's run id is another,
the server started anew or is another one, and may have lost the last it said yes to.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from gateway.spread.connections import Connections, RedisAway, Refusal, Reply
from gateway.spread.names import Names

LOOK_EVERY_S: Final = 0.5
GONE_AFTER_S: Final = 10.0  # a process that said nothing for so long

_LOG = structlog.get_logger()


class Presence:
    """Looks twice a second. What it says is as old as that; only `changed` is a fact."""

    def __init__(
        self,
        connections: Connections,
        names: Names,
        *,
        process: str,
        monotonic: Callable[[], float],
        processes: Callable[[], int] = lambda: 1,
    ) -> None:
        """Know of nobody yet.

        Args:
            connections: To Redis.
            names: Of this instance's keys.
            process: An id of this process's own: letters and digits.
            monotonic: Seconds of a clock that never goes back.
            processes: How many SQL knows of: there are no fewer.
        """
        self._connections = connections
        self._names = names
        self._process = process
        self._monotonic = monotonic
        self._processes = processes
        self._known: tuple[str, str] | None = None  # epoch and run id
        self._epoch_began = monotonic()  # on this process's clock
        self._up = False
        self._live = 1
        self._changed: list[Callable[[], None]] = []
        self.away_count = 0
        self.forgot_count = 0

    @property
    def up(self) -> bool:
        """Whether Redis answered when last asked."""
        return self._up

    @property
    def epoch(self) -> str | None:
        """What the epoch said when last asked; None: nobody was ever there to ask."""
        return self._known[0] if self._known else None

    @property
    def live(self) -> int:
        """How many processes there were when last asked, this one included."""
        return max(self._live, self._processes())

    def remembers_for(self, seconds: float) -> bool:
        """Return whether Redis is there and its epoch has lasted so long: every process says the
        same."""
        return self._up and self._monotonic() - self._epoch_began >= seconds

    def on_change(self, tell: Callable[[], None]) -> None:
        """Have a function called whenever Redis is back, or another than it was."""
        self._changed.append(tell)

    def failed(self, error: RedisAway) -> None:
        """Take in that somebody else's command failed: sooner known than by looking."""
        if self._up:
            self._up = False
            self.away_count += 1
            _LOG.warning("redis away", code=error.code)

    async def run(self) -> None:
        """Look, again and again. Runs until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> bool:
        """Look once; return whether Redis is there. Never raises but for cancellation."""
        try:
            epoch, run_id, live, age_s = await self._asked()
        except RedisAway as error:
            self.failed(error)
            return False
        self._live = max(1, live)
        was_up, before, self._known = self._up, self._known, (epoch, run_id)
        self._up = True
        self._epoch_began = self._monotonic() - age_s
        if before is not None and before != self._known:
            self.forgot_count += 1
        if not was_up or before != self._known:
            _LOG.info("redis there", workers=self._live)
            for tell in self._changed:
                tell()
        return True

    async def leave(self) -> None:
        """Say that this process is no longer there. Never raises but for cancellation."""
        try:
            await self._connections.one("ZREM", self._names.live, self._process)
        except RedisAway:
            return

    async def _asked(self) -> tuple[str, str, int, int]:
        now = _seconds(await self._connections.one("TIME"))
        names, gone = self._names, now - int(GONE_AFTER_S)
        fresh = f"{now}-{self._process}"
        _, epoch, joined, _, live, server = await self._connections.batch(
            [
                ("SET", names.epoch, fresh, "NX"),
                ("GET", names.epoch),
                ("ZADD", names.live, now, self._process),
                ("ZREMRANGEBYSCORE", names.live, "-inf", gone),
                ("ZCARD", names.live),
                ("INFO", "server"),
            ]
        )
        await self._mend(zip((names.epoch, names.live), (epoch, joined), strict=True))
        if not isinstance(epoch, bytes):
            raise RedisAway("no-epoch")  # out of memory, most likely: nothing else goes either
        began = epoch.partition(b"-")[0]
        age_s = now - int(began) if began.isdigit() else 0
        return epoch.decode(), _run_id(server), live if isinstance(live, int) else 1, max(0, age_s)

    async def _mend(self, said: Iterable[tuple[str, Reply]]) -> None:
        """Delete what stands in the place of a key of ours and is of another type."""
        wrong = [
            key for key, reply in said if isinstance(reply, Refusal) and reply.code == "WRONGTYPE"
        ]
        if wrong:
            await self._connections.one("DEL", *wrong)


def _seconds(reply: Reply) -> int:
    if not isinstance(reply, list):
        raise RedisAway("no-time")
    return int(reply[0])


def _run_id(reply: Reply) -> str:
    if isinstance(reply, bytes):
        for line in reply.splitlines():
            if line.startswith(b"run_id:"):
                return line[7:].decode("ascii", "replace").strip()
    return ""  # some services hide it: the epoch alone must do
