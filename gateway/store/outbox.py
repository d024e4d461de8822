"""The outbox: what is still to leave, and what came of each attempt."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import apsw

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
