"""How far the chain of an alert that nobody answers has climbed, and the units that climb it.

An alert is acted on when its `answer_by` has come, whatever brought it: silence, a rejection, or
that no way to its recipient is left. Every unit looks again, in its transaction, that nothing was
answered meanwhile: two workers, or a crash, never climb one rung twice.
"""

from datetime import datetime
from typing import Final, Literal

from gateway.disclosure_log import entry
from gateway.model.ids import AlertId, EndpointId
from gateway.store import incidents, outbox
from gateway.store.alerts import AlertRow, chain, is_held, ways_of
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.times import milliseconds

Reason = Literal["unanswered", "failed", "rejected"]


def due(connection: Connection, now: datetime, limit: int) -> list[AlertId]:
    """Name the alerts to be acted on now, the longest overdue first. Reads only."""
    rows = connection.execute(
        "SELECT id FROM alert WHERE answer_by IS NOT NULL AND answer_by <= ?"
        " ORDER BY answer_by, id LIMIT ?",
        (milliseconds(now), limit),
    )
    return [AlertId(id_) for (id_,) in rows]


def stop(alert: AlertRow) -> Unit[None]:
    """Return the unit that lets an alert rest: nothing more is to be done about its silence."""

    def unit(connection: Connection) -> Staged[None]:
        if _stands(connection, alert):
            _move(connection, alert, None)
        return Staged(None)

    return unit


def climb_own(
    alert: AlertRow, step: int, *, reason: Reason, now: datetime
) -> Unit[list[EndpointId]]:
    """Return the unit that turns to the recipient's own endpoints of the next step."""

    def unit(connection: Connection) -> Staged[list[EndpointId]]:
        if not _stands(connection, alert):
            return Staged([])
        turned = outbox.activate_step(connection, alert.id, step, now)
        _move(connection, alert, next_due(alert), climbed=1)
        logged = [
            entry.escalation(
                at=now,
                due=alert.answer_by,
                alert=alert.id,
                recipient=alert.recipient,
                rung=alert.rung + 1,
                to=endpoint,
                reason=reason,
            ).encode()
            for endpoint in turned
        ]
        return Staged(turned, logged)

    return unit


def pass_on(alert: AlertRow, *, reason: Reason, now: datetime) -> Unit[None]:
    """Return the unit that ends what an alert does for itself: whom to turn to next is for the
    first alert of its chain to say.

    Where it was rejected or could not be delivered, that is due at once; where it met with silence,
    the first alert's own clock says when, if it has one.
    """

    def unit(connection: Connection) -> Staged[None]:
        if not _stands(connection, alert):
            return Staged(None)
        members = chain(connection, alert)
        latest = members[-1].id == alert.id
        _move(connection, alert, None, climbed=int(reason == "failed"))
        if latest and not is_held(members):
            silent = reason == "unanswered"
            at = milliseconds(alert.answer_by or now)
            connection.execute(_HURRY, {"at": at, "id": alert.escalates, "silent": silent})
        return Staged(None)

    return unit


# Nothing brings an alert back that a later one has taken the place of.
_HURRY: Final = (
    "UPDATE alert SET answer_by = min(coalesce(answer_by, :at), :at)"
    " WHERE id = :id AND recalled = 0 AND (answer_within IS NULL OR NOT :silent)"
    " AND NOT EXISTS (SELECT 1 FROM alert AS newer WHERE newer.recipient = alert.recipient"
    "   AND newer.decided_at >= alert.decided_at AND newer.supersedes = alert.id)"
)


def end(
    alert: AlertRow,
    *,
    reason: Reason,
    now: datetime,
    entries: tuple[bytes, ...] = (),
    incident: str | None,
) -> Unit[bool]:
    """Return the unit that says there is nobody left to turn to. The alert can still be answered.

    Args:
        alert: The first of its chain.
        reason: Why somebody was looked for.
        now: When it was found.
        entries: What else is logged: refusals of those who could not be told.
        incident: Name of what the operator is told; None: nothing.
    """

    def unit(connection: Connection) -> Staged[bool]:
        if not _stands(connection, alert):
            return Staged(False)
        _move(connection, alert, None, climbed=1)
        if incident is not None:
            incidents.see(connection, incident, now)
        logged = entry.escalation(
            at=now,
            due=alert.answer_by,
            alert=alert.id,
            recipient=alert.recipient,
            rung=alert.rung + 1,
            to="nobody",
            reason=reason,
        )
        return Staged(True, [*entries, logged.encode()])

    return unit


def next_due(alert: AlertRow) -> datetime | None:
    """Return when silence is acted on after the rung that is due now. Pure.

    Reckoned from when that rung was due, not from when it was climbed: with nothing but silence,
    the k-th rung is due at the decision and k times what each rung has.
    """
    if alert.within is None or alert.answer_by is None:
        return None
    return alert.answer_by + alert.within


def _stands(connection: Connection, alert: AlertRow) -> bool:
    """Return whether an alert is still as it was read, to be acted on."""
    found = connection.execute(
        "SELECT 1 FROM alert WHERE id = ? AND rung = ? AND answer_by = ? AND recalled = 0",
        (alert.id, alert.rung, milliseconds(alert.answer_by) if alert.answer_by else None),
    )
    return found.get is not None


def _move(
    connection: Connection, alert: AlertRow, answer_by: datetime | None, *, climbed: int = 0
) -> None:
    connection.execute(
        "UPDATE alert SET rung = rung + ?, answer_by = ? WHERE id = ?",
        (climbed, milliseconds(answer_by) if answer_by else None, alert.id),
    )


def is_lost(connection: Connection, alert: AlertId) -> bool:
    """Return whether every way of an alert that was tried has failed, and none is left. Reads
    only."""
    ways = [one.way for one in ways_of(connection, alert) if one.way.state != "withheld"]
    return bool(ways) and all(
        way.receipt == "failed" if way.state == "accepted" else way.state in {"rejected", "dead"}
        for way in ways
    )
