"""Whether the log is whole, as a serving gateway lives it: what it published is remembered, and
what it cannot show of it, after a restore, holds it back until two persons acknowledged the gap."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

import structlog

from gateway.config import Config
from gateway.disclosure_log.checkpoint import Checkpoint, LogKey, parse_checkpoint
from gateway.instance import high_water_of, keep_published
from gateway.loops import Loop, only_while
from gateway.store import epoch
from gateway.store.approvals import Approval, CarryOut, SubjectGone
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store

EVERY_S: Final = 1.0
LOOKED_FOR_S: Final = 0.1  # each attempt asks, and asking reads the database

_LOG = structlog.get_logger()


class Standing:
    """Where the log of a serving gateway stands. One per worker; the first worker's runs."""

    def __init__(self, *, store: Store, config: Config, every_s: float = EVERY_S) -> None:
        self._store = store
        self._config = config
        self._every_s = every_s
        self._kept: str | None = None
        self._looked_at = float("-inf")
        self._behind = False

    @property
    def read_only(self) -> bool:
        """Whether nothing is taken, decided, delivered or signed now, as of a moment ago. Whatever
        is committed meanwhile is refused by the writer, which looks each time."""
        at = time.monotonic()
        if at - self._looked_at > LOOKED_FOR_S:
            self._looked_at, self._behind = at, self._store.behind is not None
        return self._behind

    @property
    def missing(self) -> Checkpoint | None:
        """What was published and is not in this log; None: it is whole."""
        return self._store.behind

    @property
    def known(self) -> Checkpoint | None:
        """The newest checkpoint known to be published.

        Raises:
            StoreUnavailable: high-water: the file that remembers it cannot be read.
        """
        return high_water_of(self._config).known()

    async def run(self) -> None:
        """Remember what is published, every second, until cancelled; and then once more."""
        try:
            while True:
                note = self._unkept()
                if note is not None:
                    await asyncio.to_thread(self._keep, self._store.signers(), note)
                await asyncio.sleep(self._every_s)
        finally:
            note = self._unkept()
            if note is not None:
                self._keep(self._store.signers(), note)

    async def on_behind(self, size: int) -> None:
        """Hold the log back if it is smaller than what a witness has of it.

        Args:
            size: Of a checkpoint signed under the origin in force.
        """
        note = self._store.latest_checkpoint()
        if note is not None and size > parse_checkpoint(note).size:
            await self._hold(size)

    async def on_forked(self, size: int) -> None:
        """Hold the log back: what a witness has of it at this size is no part of it."""
        await self._hold(size)

    async def _hold(self, size: int) -> None:
        origin = epoch.origin_of(self._store.reader, self._config.instance.name)
        _LOG.critical("log behind what was published", count=size)
        known = Checkpoint(origin=origin, size=size, root=epoch.UNKNOWN_ROOT)
        await self._store.commit(_mark(known))
        self._behind = True

    async def once_whole(self, unit: Unit[None]) -> None:
        """Commit a unit now, or as soon as the log is whole: that may take days."""
        while True:
            try:
                await self._store.commit(unit)
            except StoreUnavailable as error:
                if error.code != "log-behind":
                    raise
                await asyncio.sleep(self._every_s)
            else:
                return

    def noting(self, unit: Unit[None]) -> Loop:
        """Return the loop that commits a unit as soon as the log is whole, and then rests."""

        async def run() -> None:
            await self.once_whole(unit)
            await asyncio.Event().wait()

        return run

    def while_whole(self, loop: Loop) -> Loop:
        """Return the loop that runs another while the log is whole: not begun before it is,
        cancelled when it is no more, begun again."""
        return only_while(lambda: not self.read_only, loop, every_s=self._every_s)

    def _unkept(self) -> str | None:
        """Return the newest checkpoint, if it is yet to be kept. Reads the store: on its thread."""
        note = self._store.latest_checkpoint()
        return None if note == self._kept or self.read_only else note

    def _keep(self, signers: Sequence[LogKey], note: str) -> None:
        try:
            keep_published(self._config, signers, note)
        except (OSError, StoreUnavailable) as error:
            _LOG.error("published checkpoint not kept", error=type(error).__name__)
        else:
            self._kept = note


def acknowledging(name: str, now: Callable[[], datetime]) -> CarryOut:
    """Return what carries out an approved gap: the log goes on under its next origin.

    Args:
        name: The instance's.
        now: The time.
    """

    def carry_out(connection: Connection, approved: Approval, by: str) -> list[bytes]:
        missing = epoch.behind_of(connection)
        if missing is None or str(missing.size) != approved.subject:
            raise SubjectGone
        _origin, entries = epoch.carry_on(
            connection,
            name=name,
            proposed_by=approved.proposed_by,
            approved_by=by,
            reason=approved.reason,
            now=now(),
        )
        return entries

    return carry_out


def _mark(known: Checkpoint) -> Unit[None]:
    def unit(connection: Connection) -> Staged[None]:
        epoch.mark_behind(connection, known)
        return Staged(None, while_behind=True)

    return unit


def refusals_of(store: Store) -> Iterator[str]:
    """Yield the codes of why a store takes nothing now."""
    try:
        behind = store.behind
    except StoreUnavailable as error:
        yield error.code
        return
    if behind is not None:
        yield "log-behind"
    elif store.refused is not None:
        yield store.refused
