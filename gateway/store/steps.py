"""The steps of an alert: which ways to its recipient are tried now, and which only if those fail.

Whoever activates a step counts one rung of the alert. Units run in the writer's transaction.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.disclosure_log import entry
from gateway.model.ids import AlertId, EndpointId, RecipientId
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.times import milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfReach:
    """Endpoints whose breaker is open, and whose alerts need not wait for them."""

    endpoints: AbstractSet[EndpointId] = field(default_factory=frozenset)
    decided_before: datetime | None = None  # routine alerts older than this; urgent ones always


ALL_IN_REACH: Final = OutOfReach()


def next_step(connection: Connection, alert: AlertId) -> int | None:
    """Return the next step of an alert that has not been tried, or None. Reads only."""
    found: int | None = connection.execute(
        "SELECT min(step) FROM outbox WHERE alert = ? AND state = 'waiting'", (alert,)
    ).get
    return found


def activate_step(
    connection: Connection, alert: AlertId, step: int, now: datetime
) -> list[EndpointId]:
    """Let the rows of a step leave, each not before its own time; return their endpoints.

    Writes no entry and counts no rung: the caller does. A step already tried changes nothing.
    """
    rows = connection.execute(
        "UPDATE outbox SET state = 'pending', next_at = max(next_at, ?)"
        " WHERE alert = ? AND step = ? AND state = 'waiting' RETURNING endpoint",
        (milliseconds(now), alert, step),
    ).fetchall()
    return sorted(EndpointId(str(endpoint)) for (endpoint,) in rows)


def fall_over(
    connection: Connection, alert: AlertId, now: datetime, out: OutOfReach = ALL_IN_REACH
) -> list[bytes]:
    """Turn to an alert's next step if every way tried so far has failed; return the entries.

    A way failed when it was rejected, given up, or reported failed after it was accepted; and for
    this purpose while its endpoint is out of reach and the alert cannot wait. Nothing is turned to
    when any way worked, or a human read or answered the alert. Where no step is left, whoever is
    next in the recipient's chain is due now.
    """
    step = next_step(connection, alert)
    if step is None:
        if not _is_on_its_way(connection, alert, ALL_IN_REACH):
            connection.execute(_DUE_NOW, {"now": milliseconds(now), "alert": alert})
        return []
    if _is_on_its_way(connection, alert, out):
        return []
    endpoints = activate_step(connection, alert, step, now)
    found = connection.execute(
        "UPDATE alert SET rung = rung + 1 WHERE id = ? RETURNING rung, recipient", (alert,)
    ).fetchone()
    if found is None:
        return []
    rung, recipient = found
    return [
        entry.escalation(
            at=now,
            alert=alert,
            recipient=RecipientId(recipient),
            rung=rung,
            to=endpoint,
            reason="failed",
        ).encode()
        for endpoint in endpoints
    ]


def turn_to_next(alerts: Sequence[AlertId], now: datetime, out: OutOfReach) -> Unit[None]:
    """Return the unit that turns each of some alerts to its next step, as far as `fall_over` would
    now."""

    def unit(connection: Connection) -> Staged[None]:
        entries = [one for alert in alerts for one in fall_over(connection, alert, now, out)]
        return Staged(None, entries)

    return unit


def _is_on_its_way(connection: Connection, alert: AlertId, out: OutOfReach) -> bool:
    """Whether some way worked, or one under way may still be waited for."""
    if connection.execute(_READ_OR_RECALLED, (alert,)).get:
        return True
    before = milliseconds(out.decided_before) if out.decided_before else None
    rows = connection.execute(
        "SELECT endpoint, state, receipt, urgent, decided_at FROM outbox"
        " WHERE alert = ? AND state IN ('pending', 'accepted')",
        (alert,),
    )
    for endpoint, state, receipt, urgent, decided_at in rows:
        if state == "accepted":
            if receipt != "failed":
                return True
            continue
        hurried = urgent or (before is not None and decided_at <= before)
        if endpoint not in out.endpoints or not hurried:
            return True
    return False


_READ_OR_RECALLED: Final = (
    "SELECT 1 FROM alert WHERE id = ?"
    " AND (answer IS NOT NULL OR collected_at IS NOT NULL OR recalled <> 0)"
)


_STEPS: Final = "(SELECT max(1, count(DISTINCT step)) FROM outbox WHERE outbox.alert = alert.id)"
_DUE_NOW: Final = (
    "UPDATE alert SET answer_by = min(coalesce(answer_by, :now), :now)"  # noqa: S608 - constants
    f" WHERE id = :alert AND rung < {_STEPS}"
    " AND NOT EXISTS (SELECT 1 FROM outbox WHERE alert = :alert AND state = 'withheld')"
)
