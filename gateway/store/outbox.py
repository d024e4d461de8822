"""The outbox: what is still to leave, and what came of each attempt."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import apsw

from gateway.model.ids import AlertId, EndpointId, PersonRef
from gateway.model.party import ChannelName, Form
from gateway.store.group_commit import Staged, Unit
from gateway.store.times import milliseconds, moment

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
    def key(self) -> tuple[AlertId, EndpointId]:
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
    """Return the unit that stores an attempt's outcome with its log entry."""

    def unit(connection: apsw.Connection) -> Staged[None]:
        connection.execute(
            "UPDATE outbox SET state = ?, attempts = ?, next_at = ?, unknown = ?, reason = ?"
            " WHERE alert = ? AND endpoint = ? AND state = 'pending'",
            (
                attempted.state,
                attempted.attempts,
                milliseconds(attempted.next_at),
                int(attempted.outcome_unknown),
                attempted.reason,
                attempted.alert,
                attempted.endpoint,
            ),
        )
        return Staged(None, [attempted.entry])

    return unit


def due(
    connection: apsw.Connection, *, now: datetime, slot: int, slots: int, limit: int
) -> list[OutboxRow]:
    """Return pending rows whose time has come, urgent first, oldest first. Reads only.

    A routine row waits while an older one about the same person is owed to the same endpoint.
    """
    rows = connection.execute(
        "SELECT alert, endpoint, person, channel, form, sealed, proof, urgent, attempts, unknown,"
        " decided_at, next_at FROM outbox WHERE state = 'pending' AND next_at <= ?"
        " AND slot % ? = ? AND (urgent OR NOT EXISTS ("
        "   SELECT 1 FROM outbox AS older WHERE older.state = 'pending'"
        "   AND older.endpoint = outbox.endpoint AND older.person = outbox.person"
        "   AND older.decided_at < outbox.decided_at))"
        " ORDER BY urgent DESC, decided_at, alert LIMIT ?",
        (milliseconds(now), slots, slot, limit),
    )
    return [_row(*values) for values in rows]


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
