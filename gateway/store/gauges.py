"""What the store holds, counted for operators: from partial indexes and small tables, never from
the log, and never about one person. Reads only.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from gateway.store.engine import Connection
from gateway.store.times import milliseconds

_LANES: Final = {1: "urgent", 0: "routine"}
_DAY: Final = timedelta(days=1)
_LOOKED_AT: Final = 10_000  # unanswered alerts: whoever has more is in trouble either way


class Reading(NamedTuple):
    """One value of one gauge."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


def of_work(connection: Connection, now: datetime) -> Iterator[Reading]:
    """Yield what is owed: to be decided, to leave, to be answered."""
    at = milliseconds(now)
    pending = _by_lane(connection, _PENDING, at)
    silent = _by_lane(connection, _SILENT)
    for urgent, lane in _LANES.items():
        count, oldest = pending.get(urgent, (0, None))
        yield Reading("throughgate_outbox_pending", count, (lane,))
        yield Reading("throughgate_outbox_oldest_seconds", _age(oldest, at), (lane,))
        count, oldest = silent.get(urgent, (0, None))
        yield Reading("throughgate_unacknowledged_alerts", count, (lane,))
        yield Reading("throughgate_unacknowledged_oldest_seconds", _age(oldest, at), (lane,))
    yield Reading("throughgate_outbox_waiting", _number(connection, _WAITING))
    since = milliseconds(now - _DAY)
    dead = _counts(connection, _DEAD, (since,))
    for state in ("rejected", "dead"):
        yield Reading("throughgate_dead_letters_day", dead.get(state, 0), (state,))
    count, oldest = connection.execute(_ACCEPTED).get
    yield Reading("throughgate_accepted_undecided", count)
    yield Reading("throughgate_undecided_oldest_seconds", _age(oldest, at))
    yield Reading("throughgate_holds", _number(connection, _HELD))


def of_log(connection: Connection) -> Iterator[Reading]:
    """Yield how long the log is, and how far witnesses have signed it."""
    size = _number(connection, "SELECT max(size) FROM log_head")
    yield Reading("throughgate_log_size", size)
    yield Reading("throughgate_log_index_lag", max(0, size - _number(connection, _INDEXED)))
    yield Reading("throughgate_log_behind", _number(connection, _BEHIND))
    row = connection.execute(_WITNESSED).fetchone()
    if row is not None:
        yield Reading("throughgate_log_witnessed_size", row[0])
        yield Reading("throughgate_log_witnessed_timestamp_seconds", row[1] / 1000)


def of_desk(
    connection: Connection, now: datetime, *, idle: timedelta, absolute: timedelta
) -> Iterator[Reading]:
    """Yield what waits for people: tasks, approvals, and who is signed in."""
    yield Reading("throughgate_tasks_open", _number(connection, _TASKS))
    yield Reading("throughgate_approvals_open", _number(connection, _APPROVALS))
    since = (milliseconds(now - idle), milliseconds(now - absolute))
    yield Reading("throughgate_sessions", _number(connection, _SESSIONS, since))


def of_incidents(connection: Connection, codes: tuple[str, ...]) -> Iterator[Reading]:
    """Yield the incidents open now by code; a code not among those given is "other"."""
    found: dict[str, int] = dict.fromkeys((*codes, "other"), 0)
    for name, count in connection.execute(_INCIDENTS):
        found[name if name in found else "other"] += count
    for code, count in found.items():
        yield Reading("throughgate_incidents_open", count, (code,))


def of_duties(connection: Connection) -> Iterator[Reading]:
    """Yield the duties that are not met. Reads the whole table: ask seldom."""
    found = _counts(connection, _DUTIES)
    for status in ("due", "late", "late_by_circumstance"):
        yield Reading("throughgate_duties", found.get(status, 0), (status,))


def _by_lane(connection: Connection, sql: str, *bindings: int) -> dict[int, tuple[int, int | None]]:
    rows = connection.execute(sql, bindings)
    return {urgent: (count, oldest) for urgent, count, oldest in rows}


def _counts(connection: Connection, sql: str, bindings: tuple[int, ...] = ()) -> dict[str, int]:
    found: dict[str, int] = dict(connection.execute(sql, bindings))
    return found


def _number(connection: Connection, sql: str, bindings: tuple[int, ...] = ()) -> int:
    return int(connection.execute(sql, bindings).get or 0)


def _age(since: int | None, at: int) -> float:
    return 0.0 if since is None else max(0, at - since) / 1000


# What waits for its hour (quiet, a digest) is owed from that hour on, not from its decision.
_PENDING: Final = (
    "SELECT urgent, count(*), min(CASE WHEN attempts > 0 THEN decided_at"
    " WHEN next_at <= ?1 THEN next_at END)"
    " FROM outbox INDEXED BY outbox_lane WHERE state = 'pending' GROUP BY urgent"
)
_WAITING: Final = "SELECT count(*) FROM outbox INDEXED BY outbox_waiting WHERE state = 'waiting'"
_DEAD: Final = (
    "SELECT state, count(*) FROM outbox INDEXED BY outbox_dead"
    " WHERE state IN ('rejected', 'dead') AND settled_at >= ? GROUP BY state"
)
_SILENT: Final = (
    "SELECT urgent, count(*), min(decided_at) FROM ("  # noqa: S608 - a number of ours
    " SELECT urgent, decided_at, answer, recalled, exercise FROM alert INDEXED BY alert_silent"
    f" WHERE answer_by IS NOT NULL LIMIT {_LOOKED_AT}) AS silent"
    " WHERE answer IS NULL AND recalled = 0 AND exercise = 0 GROUP BY urgent"
)
_ACCEPTED: Final = (
    "SELECT count(*), min(received_at) FROM event INDEXED BY event_undecided"
    " WHERE state = 'accepted'"
)
_HELD: Final = "SELECT count(*) FROM event INDEXED BY event_held WHERE state = 'held'"
_WITNESSED: Final = "SELECT size, witnessed_at FROM log_witnessed ORDER BY size DESC LIMIT 1"
_BEHIND: Final = "SELECT count(*) FROM setting WHERE name = 'log_behind' AND value <> ''"
_INDEXED: Final = "SELECT CAST(value AS INTEGER) FROM setting WHERE name = 'log_indexed'"
_TASKS: Final = "SELECT count(*) FROM task INDEXED BY task_open WHERE state = 'open'"
_APPROVALS: Final = "SELECT count(*) FROM approval INDEXED BY approval_open WHERE state = 'open'"
_SESSIONS: Final = "SELECT count(*) FROM session WHERE seen_at >= ? AND began_at >= ?"
_INCIDENTS: Final = (
    "SELECT substr(name, 1, instr(name || ' ', ' ') - 1) AS code, count(*) FROM incident"
    " WHERE closed_at IS NULL GROUP BY code"
)
_DUTIES: Final = (
    "SELECT status, count(*) FROM duty WHERE status IN ('due', 'late', 'late_by_circumstance')"
    " GROUP BY status"
)
