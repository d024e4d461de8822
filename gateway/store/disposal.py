"""Carrying retention out: the terms of a configuration, one pass, and the loop of a gateway."""

import asyncio
from calendar import monthrange
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from gateway.config.retention import RetentionConfig
from gateway.store import retention
from gateway.store.engine import Connection, StoreUnavailable
from gateway.store.group_commit import Unit
from gateway.store.place import Place
from gateway.store.retention import Term

GATEWAY: Final = "gateway"  # who takes away what its time has come for, unless a person asks

_LOG = structlog.get_logger()


def terms_of(section: RetentionConfig, now: datetime) -> list[Term]:
    """Return the terms that are configured, in the order they are carried out."""
    months = {
        "contents": section.contents_months,
        "alerts": section.alerts_months,
        "events": section.events_months,
        "receipts": section.receipts_months,
    }
    hold = frozenset(section.legal_hold)
    return [
        Term(kind=kind, before=months_before(now, count), legal_hold=hold)
        for kind in retention.KINDS
        if (count := months[kind]) is not None
    ]


def months_before(now: datetime, months: int) -> datetime:
    """Return the same day and time so many months ago, or the last day of that month."""
    total = now.year * 12 + now.month - 1 - months
    year, month = divmod(total, 12)
    day = min(now.day, monthrange(year, month + 1)[1])
    return now.replace(year=year, month=month + 1, day=day)


def counted(reader: Connection, section: RetentionConfig, now: datetime) -> Mapping[str, int]:
    """Return how much of each kind would go now. Reads only."""
    return {
        term.kind: sum(len(keys) for keys in retention.due(reader, term, limit=section.batch))
        for term in terms_of(section, now)
    }


def units(
    reader: Connection, section: RetentionConfig, now: datetime, *, by: str
) -> Iterator[tuple[str, Unit[int]]]:
    """Yield the units that take away what may go, with their kinds: each to be committed before
    the next is asked for."""
    for term in terms_of(section, now):
        for keys in retention.due(reader, term, limit=section.batch):
            yield term.kind, retention.take_away(term, keys, by=by, now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposing:
    """The loop of a serving gateway."""

    place: Place
    section: RetentionConfig
    commit: Callable[[Unit[int]], Awaitable[int]]
    now: Callable[[], datetime]
    pause_s: float = 0.05  # between two transactions: others go first

    async def run(self) -> None:
        """Take away what may go, every so often, until cancelled."""
        while True:
            try:
                await self.once()
            except StoreUnavailable as error:
                _LOG.error("retention not carried out", error=error.code)
            await asyncio.sleep(self.section.every_h * 3600)

    async def once(self) -> int:
        """Take away what may go now; return how much that was.

        Raises:
            StoreUnavailable: the store takes nothing now; what is left goes the next time.
        """
        total = 0
        reader = await asyncio.to_thread(self.place.open_reader)
        try:
            planned = units(reader, self.section, self.now(), by=GATEWAY)
            while (one := await asyncio.to_thread(next, planned, None)) is not None:
                total += await self.commit(one[1])
                await asyncio.sleep(self.pause_s)
        finally:
            reader.close()
        return total
