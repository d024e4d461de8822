"""Where time, randomness and ids come from. Everything below the shell is handed these."""

import time
from datetime import UTC, date, datetime
from datetime import time as midnight
from typing import Final
from zoneinfo import ZoneInfo

import uuid_utils

LONDON: Final = ZoneInfo("Europe/London")


def now() -> datetime:
    """Return the time, aware, UTC, cut to the millisecond. Reads the wall clock.

    Cut, because that is what the store keeps: an alert repeated from the outbox must carry the
    very time it carried first.
    """
    return datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)


def nanoseconds() -> int:
    """Return the time in nanoseconds since 1970, for spans. Reads the wall clock."""
    return time.time_ns()


def day(moment: datetime) -> date:
    """Return the calendar day of a time where the law is: Europe/London. Pure."""
    return moment.astimezone(LONDON).date()


def begins(day: date) -> datetime:
    """Return when a day begins where the law is, in UTC. Pure."""
    return datetime.combine(day, midnight(), LONDON).astimezone(UTC)


def new_id(prefix: str) -> str:
    """Return a fresh id: prefix, underscore, UUIDv7 in 32 hex digits. Reads clock and entropy."""
    return f"{prefix}_{uuid_utils.uuid7().hex}"
