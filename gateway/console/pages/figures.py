"""The numbers of the overview: of alerts, duties, deliveries and the log's size. No person.

They come from the store's own tables, never from the log's entries: DPA 2018 s.62(4). Each is
found by an index or among so many newest rows, whatever the store holds. Reads only.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any, Final

from gateway.model.alert_state import AlertState, Receipted, Standing, Way, state_of
from gateway.store.alerts import WayState
from gateway.store.engine import Connection
from gateway.store.times import milliseconds, moment

NEWEST: Final = 500  # alerts
_MOST: Final = 10_000  # are counted, and no more
_FEW: Final = 1000  # of what is slow to count
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """Where the newest alerts stand."""

    counts: Mapping[str, int]
    since: datetime | None  # of the oldest of them
    all: bool  # whether there are no others


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """The alert that waited longest for somebody to answer."""

    alert: str
    recipient: str
    decided_at: datetime
    answer_by: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """How the log stands."""

    size: int
    checkpoint: int | None  # size of the newest
    witnessed: int | None
    witnessed_at: datetime | None
    indexed: int  # entries that searches find by its index; the others they look through

    @property
    def lag(self) -> int:
        """How many entries the index is behind."""
        return max(self.size - self.indexed, 0)


def alerts(connection: Connection, now: datetime) -> Alerts:
    """Return where the newest alerts stand: an id tells its time."""
    rows: list[Any] = connection.execute(_ALERTS, (NEWEST + 1,)).fetchall()
    found: Counter[str] = Counter()
    oldest: int | None = None
    seen = 0
    for _, ways in groupby(rows, key=lambda row: row[0]):
        if seen == NEWEST:
            return Alerts(counts=found, since=_moment(oldest), all=False)
        every = list(ways)
        found[_state(every, now)] += 1
        oldest, seen = every[0][1], seen + 1
    return Alerts(counts=found, since=_moment(oldest), all=True)


def _state(rows: list[Any], now: datetime) -> AlertState:
    """Return where one alert stands, by a row for each of its ways."""
    _, decided_at, collected_at, answer, rung, recalled = rows[0][:6]
    standing = Standing(
        ways=[_way(decided_at, *row[6:]) for row in rows if row[6] is not None],
        collected_at=_moment(collected_at),
        answer=answer,
        rung=rung,
        recalled=bool(recalled),
    )
    return state_of(standing, now)


_ALERTS: Final = (
    "SELECT a.id, a.decided_at, a.collected_at, a.answer, a.rung, a.recalled,"
    " outbox.state, outbox.attempts, outbox.receipt, outbox.next_at"
    " FROM (SELECT * FROM alert ORDER BY id DESC LIMIT ?) AS a"
    " LEFT JOIN outbox ON outbox.alert = a.id ORDER BY a.id DESC"
)


def _way(decided_at: int, state: WayState, attempts: int, receipt: Receipted, next_at: int) -> Way:
    kept = attempts == 0 and next_at > decided_at and state == "pending"
    return Way(
        state=state,
        attempts=attempts,
        receipt=receipt,
        not_before=moment(next_at) if kept else None,
    )


def duties(connection: Connection, today: date) -> Mapping[str, int]:
    """Return how many duties are late, and how many fall due soon."""
    day = (today - _EPOCH).days
    late, recorded, soon = connection.execute(_DUTIES, {"most": _MOST, "day": day}).get
    return {"late": late, "late_by_circumstance": recorded, "soon": soon}


_DUTIES: Final = (
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM duty WHERE status = 'late' LIMIT :most) AS l),"
    " (SELECT count(*) FROM (SELECT 1 FROM duty WHERE status = 'late_by_circumstance'"
    "   LIMIT :most) AS c),"
    " (SELECT count(*) FROM (SELECT 1 FROM duty WHERE status = 'due' AND clock <> '*'"
    "   AND due BETWEEN :day AND :day + 7 LIMIT :most) AS s)"
)


def unanswered(connection: Connection) -> Unanswered | None:
    """Return the alert that has waited longest for an answer somebody still owes."""
    row = connection.execute(
        "SELECT id, recipient, decided_at, answer_by FROM"
        " (SELECT * FROM alert WHERE answer_by IS NOT NULL ORDER BY answer_by LIMIT 1000) AS silent"
        " ORDER BY decided_at LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    return Unanswered(
        alert=row[0], recipient=row[1], decided_at=moment(row[2]), answer_by=moment(row[3])
    )


def deliveries(connection: Connection, now: datetime) -> Mapping[str, int]:
    """Return how many deliveries are about to leave, and how many failed finally in a day."""
    pending, dead = connection.execute(
        _DELIVERIES, {"most": _MOST, "few": _FEW, "since": milliseconds(now) - 86_400_000}
    ).get
    return {"pending": pending, "dead_day": dead}


_DELIVERIES: Final = (
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox INDEXED BY outbox_lane"
    "   WHERE state = 'pending' LIMIT :most) AS p),"
    " (SELECT count(*) FROM (SELECT 1 FROM outbox INDEXED BY outbox_dead"
    "   WHERE state IN ('rejected', 'dead') AND settled_at >= :since LIMIT :few) AS d)"
)


def log(connection: Connection) -> Log:
    """Return how the log stands."""
    size, checkpoint, witnessed, witnessed_at, indexed = connection.execute(_LOG).get
    return Log(
        size=int(size or 0),
        checkpoint=checkpoint,
        witnessed=witnessed,
        witnessed_at=_moment(witnessed_at),
        indexed=int(indexed or 0),
    )


_LOG: Final = (
    "SELECT (SELECT size FROM log_head), (SELECT max(size) FROM log_checkpoint),"
    " (SELECT max(size) FROM log_witnessed),"
    " (SELECT witnessed_at FROM log_witnessed ORDER BY size DESC LIMIT 1),"
    " (SELECT value FROM setting WHERE name = 'log_indexed')"
)


def _moment(stored: int | None) -> datetime | None:
    return None if stored is None else moment(stored)
