"""The outbox: what is still to leave, and what came of each attempt."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import apsw

from gateway.disclosure_log import entry
from gateway.model.ids import AlertId, EndpointId, PersonRef
from gateway.model.party import ChannelName, Form
from gateway.store.group_commit import Staged, Unit
from gateway.store.times import milliseconds, moment

Key = tuple[AlertId, EndpointId]  # what names a row

State = Literal["pending", "accepted", "rejected", "dead", "withheld"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """One alert waiting to leave over one endpoint."""

    alert: AlertId
    endpoint: EndpointId
    person: PersonRef
    channel: ChannelName
    form: Form
    sealed: bytes
    proof: str
    urgent: bool
    attempts: int  # made so far
    outcome_unknown: bool
    decided_at: datetime
    next_at: datetime

    @property
    def key(self) -> Key:
        """What names this row."""
        return self.alert, self.endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """The durable consequence of one attempt."""

    alert: AlertId
    endpoint: EndpointId
    state: State
    attempts: int
    next_at: datetime
    outcome_unknown: bool
    reason: str
    entry: bytes


def record(attempted: Attempted) -> Unit[None]:
    """Return the unit that stores an attempt's outcome with its log entry.

    A row withheld while the attempt was on the wire stays so, unless the alert got through: then
    its recipient was told, and a later recall must find them.
    """

    def unit(connection: apsw.Connection) -> Staged[None]:
        connection.execute(_RECORD, {
            "state": attempted.state,
            "attempts": attempted.attempts,
            "next_at": milliseconds(attempted.next_at),
            "unknown": int(attempted.outcome_unknown),
            "reason": attempted.reason,
            "alert": attempted.alert,
            "endpoint": attempted.endpoint,
        })  # fmt: skip
        return Staged(None, [attempted.entry])

    return unit


_RECORD = (
    "UPDATE outbox SET attempts = :attempts, next_at = :next_at, unknown = :unknown,"
    " reason = CASE WHEN state = 'pending' OR :state = 'accepted' THEN :reason ELSE reason END,"
    " state = CASE WHEN state = 'pending' OR :state = 'accepted' THEN :state ELSE state END"
    " WHERE alert = :alert AND endpoint = :endpoint AND state IN ('pending', 'withheld')"
)


def is_pending(connection: apsw.Connection, key: Key) -> bool:
    """Return whether a row is still to leave: it may have been withheld since. Reads only."""
    return connection.execute(_PENDING, key).get is not None


_PENDING = "SELECT 1 FROM outbox WHERE alert = ? AND endpoint = ? AND state = 'pending'"


def withhold(
    connection: apsw.Connection, alert: AlertId, reason: str, now: datetime
) -> list[bytes]:
    """Keep what of an alert has not left yet from leaving; return the entries that say so.

    Args:
        connection: The writer's, in a transaction.
        alert: All its pending rows, whatever the endpoint.
        reason: A stable code.
        now: Of the entries.
    """
    rows: list[tuple[Any, ...]] = connection.execute(
        "UPDATE outbox SET state = 'withheld', reason = ? WHERE alert = ? AND state = 'pending'"
        " RETURNING endpoint, channel, attempts",
        (reason, alert),
    ).fetchall()
    return [
        entry.attempt(
            at=now,
            alert=alert,
            endpoint=EndpointId(endpoint),
            channel=channel,
            number=attempts,
            outcome="withheld",
            reason=reason,
        ).encode()
        for endpoint, channel, attempts in rows
    ]


def due(
    connection: apsw.Connection, *, now: datetime, slot: int, slots: int, limit: int
) -> list[Key]:
    """Name the pending rows whose time has come, urgent first, oldest first. Reads only.

    A routine row waits while an older one about the same person is owed to the same endpoint.
    """
    rows = connection.execute(
        "SELECT alert, endpoint FROM outbox WHERE state = 'pending' AND next_at <= ?"
        " AND slot % ? = ? AND (urgent OR NOT EXISTS ("
        "   SELECT 1 FROM outbox AS older WHERE older.state = 'pending'"
        "   AND older.endpoint = outbox.endpoint AND older.person = outbox.person"
        "   AND older.decided_at < outbox.decided_at))"
        " ORDER BY urgent DESC, decided_at, alert LIMIT ?",
        (milliseconds(now), slots, slot, limit),
    )
    return [(AlertId(alert), EndpointId(endpoint)) for alert, endpoint in rows]


def load(connection: apsw.Connection, keys: Iterable[Key]) -> Iterator[OutboxRow]:
    """Yield the rows named, in order, leaving out what is no longer pending. Reads only."""
    for key in keys:
        values = connection.execute(_LOAD, key).fetchone()
        if values is not None:
            yield _row(*values)


_LOAD = (
    "SELECT alert, endpoint, person, channel, form, sealed, proof, urgent, attempts, unknown,"
    " decided_at, next_at FROM outbox WHERE alert = ? AND endpoint = ? AND state = 'pending'"
)


def _row(
    alert: str,
    endpoint: str,
    person: str,
    channel: ChannelName,
    form: Form,
    sealed: bytes,
    proof: str,
    urgent: int,
    attempts: int,
    unknown: int,
    decided_at: int,
    next_at: int,
) -> OutboxRow:
    return OutboxRow(
        alert=AlertId(alert),
        endpoint=EndpointId(endpoint),
        person=PersonRef(person),
        channel=channel,
        form=form,
        sealed=sealed,
        proof=proof,
        urgent=bool(urgent),
        attempts=attempts,
        outcome_unknown=bool(unknown),
        decided_at=moment(decided_at),
        next_at=moment(next_at),
    )


def counts(connection: apsw.Connection) -> dict[str, int]:
    """Return how many rows are in each state. Reads only."""
    return dict(connection.execute("SELECT state, count(*) FROM outbox GROUP BY state"))
