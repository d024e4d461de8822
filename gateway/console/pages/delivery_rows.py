"""Deliveries a page at a time, newest first, by key. No column read here names a person."""

import re
from collections.abc import Mapping
from typing import Final

from gateway.model.ids import AlertId
from gateway.store.deliveries import Delivery, ways_of
from gateway.store.engine import Connection

STATES: Final[Mapping[str, str]] = {
    "failed-finally": "Dead letters: refused or given up",
    "pending": "About to leave",
    "newest": "The newest of all",
}
_KEY: Final = re.compile(r"(\d{1,16})-(alt_[0-9a-f]{32})")
_START: Final = (2**62, "alt_~")

# Of each list, what it is ordered by, from an index: nothing is read that is not shown.
_LISTS: Final[Mapping[str, str]] = {
    "failed-finally": (
        "SELECT settled_at, alert, endpoint FROM outbox WHERE state IN ('rejected', 'dead')"
        " AND (settled_at, alert) < (:at, :alert) AND settled_at <= :at"
        " ORDER BY settled_at DESC, alert DESC, endpoint LIMIT :limit"
    ),
    "pending": (
        "SELECT decided_at, alert, endpoint FROM outbox INDEXED BY outbox_lane"
        " WHERE state = 'pending'"
        " AND alert < :alert ORDER BY alert DESC, endpoint LIMIT :limit"
    ),
    "newest": (
        "SELECT decided_at, alert, endpoint FROM outbox WHERE alert < :alert"
        " ORDER BY alert DESC, endpoint LIMIT :limit"
    ),
}


def page(
    connection: Connection, state: str, *, after: str, limit: int
) -> tuple[list[Delivery], str | None]:
    """Return one page of a list, and what gives the next; None: this is all. Reads only.

    The ways of one alert stay together, so a page may be a little longer.
    """
    found = _KEY.fullmatch(after)
    at, alert = (int(found[1]), found[2]) if found else _START
    rows = connection.execute(
        _LISTS[state], {"at": at, "alert": alert, "limit": limit + 1}
    ).fetchall()
    more = len(rows) > limit
    shown = list(dict.fromkeys(AlertId(str(one)) for _, one, _ in rows[:limit]))
    ways = [way for one in shown for way in ways_of(connection, one) if _belongs(way, state)]
    last = rows[limit - 1] if more else None
    return ways, f"{last[0]}-{last[1]}" if last else None


def _belongs(way: Delivery, state: str) -> bool:
    if state == "failed-finally":
        return way.state in {"rejected", "dead"}
    return state == "newest" or way.state == "pending"
