"""What the operator is told of: kept by name, so that one trouble is not said a thousand times.

An incident opens when it is first seen, and closes when it was not seen for a day or an operator
closes it; seen again later, it is a new one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.times import milliseconds, moment

QUIET_CLOSES: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One trouble, and how often the operator was told."""

    name: str  # "code subject"; no personal data
    opened_at: datetime
    last_at: datetime  # it was last seen
    seen: int
    said: int
    said_at: datetime | None  # or when saying it next was last put off
    closed_at: datetime | None = None

    @property
    def code(self) -> str:
        """What kind of trouble."""
        return self.name.partition(" ")[0]

    @property
    def subject(self) -> str:
        """What it is about."""
        return self.name.partition(" ")[2]


def seen_again(known: Incident | None, name: str, now: datetime, times: int = 1) -> Incident:
    """Return an incident seen once more, or a new one where it was closed. Pure."""
    if known is None or _closed(known, now):
        return Incident(name=name, opened_at=now, last_at=now, seen=times, said=0, said_at=None)
    return replace(known, last_at=now, seen=known.seen + times)


def to_be_said(incident: Incident, now: datetime, *, cap: int, every: timedelta) -> bool:
    """Return whether the operator is to be told now. Pure.

    The first time at once; again when it was seen since, no sooner than `every`, and at most `cap`
    times in all until it closes.
    """
    if incident.closed_at is not None or incident.said >= cap:
        return False
    if incident.said_at is None:
        return True
    fresh = incident.said == 0 or incident.last_at > incident.said_at
    return fresh and now >= incident.said_at + every


def told(incident: Incident, now: datetime) -> Incident:
    """Return an incident of which the operator was just told. Pure."""
    return replace(incident, said=incident.said + 1, said_at=now)


def _closed(incident: Incident, now: datetime) -> bool:
    return incident.closed_at is not None or now - incident.last_at >= QUIET_CLOSES


def see(connection: Connection, name: str, now: datetime, times: int = 1) -> None:
    """Record that a trouble was seen. In a writer's transaction."""
    _write(connection, seen_again(find(connection, name), name, now, times))


def see_all(found: Mapping[str, int], now: datetime) -> Unit[None]:
    """Return the unit that records what was seen, and how often each."""

    def unit(connection: Connection) -> Staged[None]:
        for name, times in found.items():
            see(connection, name, now, times)
        return Staged(None)

    return unit


def tell(name: str, now: datetime) -> Unit[None]:
    """Return the unit that counts one telling."""

    def unit(connection: Connection) -> Staged[None]:
        known = find(connection, name)
        if known is not None:
            _write(connection, told(known, now))
        return Staged(None)

    return unit


def put_off(name: str, until: datetime, every: timedelta) -> Unit[None]:
    """Return the unit that has saying it tried again at a time: it did not get through."""

    def unit(connection: Connection) -> Staged[None]:
        connection.execute(
            "UPDATE incident SET said_at = ? WHERE name = ?", (milliseconds(until - every), name)
        )
        return Staged(None)

    return unit


def close(name: str, now: datetime) -> Unit[bool]:
    """Return the unit that closes an incident; its result is whether there was one open."""

    def unit(connection: Connection) -> Staged[bool]:
        connection.execute(
            "UPDATE incident SET closed_at = ? WHERE name = ? AND closed_at IS NULL",
            (milliseconds(now), name),
        )
        return Staged(connection.changes() == 1)

    return unit


def close_quiet(connection: Connection, now: datetime) -> int:
    """Close what was not seen for a day; return how many. In a writer's transaction."""
    connection.execute(
        "UPDATE incident SET closed_at = ?1 WHERE closed_at IS NULL AND last_at <= ?2",
        (milliseconds(now), milliseconds(now - QUIET_CLOSES)),
    )
    return connection.changes()


def find(connection: Connection, name: str) -> Incident | None:
    """Return an incident, or None. Reads only."""
    row = connection.execute(_SELECT + "WHERE name = ?", (name,)).fetchone()
    return _read(*row) if row else None


def open_ones(connection: Connection) -> list[Incident]:
    """Return the open incidents, oldest first. Reads only."""
    rows = connection.execute(_SELECT + "WHERE closed_at IS NULL ORDER BY opened_at, name")
    return [_read(*row) for row in rows]


_SELECT: Final = "SELECT name, opened_at, last_at, seen, said, said_at, closed_at FROM incident "


def _read(
    name: str,
    opened_at: int,
    last_at: int,
    seen: int,
    said: int,
    said_at: int | None,
    closed_at: int | None,
) -> Incident:
    return Incident(
        name=name,
        opened_at=moment(opened_at),
        last_at=moment(last_at),
        seen=seen,
        said=said,
        said_at=None if said_at is None else moment(said_at),
        closed_at=None if closed_at is None else moment(closed_at),
    )


def _write(connection: Connection, incident: Incident) -> None:
    row: dict[str, Any] = {
        "name": incident.name,
        "opened_at": milliseconds(incident.opened_at),
        "last_at": milliseconds(incident.last_at),
        "seen": incident.seen,
        "said": incident.said,
        "said_at": milliseconds(incident.said_at) if incident.said_at else None,
        "closed_at": milliseconds(incident.closed_at) if incident.closed_at else None,
    }
    connection.execute(
        "INSERT INTO incident (name, opened_at, last_at, seen, said, said_at, closed_at)"
        " VALUES (:name, :opened_at, :last_at, :seen, :said, :said_at, :closed_at)"
        " ON CONFLICT (name) DO UPDATE SET opened_at = excluded.opened_at,"
        " last_at = excluded.last_at, seen = excluded.seen, said = excluded.said,"
        " said_at = excluded.said_at, closed_at = excluded.closed_at",
        row,
    )
