"""The outbox: what is still to leave, and what came of each attempt."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from gateway.disclosure_log import entry
from gateway.model.ids import AlertId, EndpointId, EventRef, PersonRef
from gateway.model.party import ChannelName, Form
from gateway.shards import EVERY
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.leases import OWNED
from gateway.store.receipts import receive
from gateway.store.steps import (
    ALL_IN_REACH,
    OutOfReach,
    activate_step,
    fall_over,
    next_step,
)
from gateway.store.times import milliseconds, moment

__all__ = [
    "Attempted",
    "Key",
    "OutboxRow",
    "State",
    "activate_step",
    "counts",
    "is_pending",
    "load",
    "next_step",
    "receive",
    "record",
    "withhold",
]

Key = tuple[AlertId, EndpointId]  # what names a row

State = Literal["waiting", "pending", "accepted", "rejected", "dead", "withheld"]


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
    exercise: bool
    step: int
    digest: bool  # leaves together with others of its endpoint
    key_id: str | None  # of the key it is sealed to
    attempts: int  # made so far
    outcome_unknown: bool
    decided_at: datetime
    next_at: datetime
    link_issue: int = 0  # of its pick-up link
    retried_at: datetime | None = None  # a human set it going again
    came_of: tuple[EventRef, datetime] | None = None  # event, its acceptance; None: look it up
    alone: bool = False  # nobody was told of this person before
    slot: int = 0  # of its shard

    @property
    def key(self) -> Key:
        """What names this row."""
        return self.alert, self.endpoint

    @property
    def owed_since(self) -> datetime:
        """From when its giving up is counted."""
        return self.retried_at or self.decided_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """The durable consequence of one attempt."""

    alert: AlertId
    endpoint: EndpointId
    state: State
    attempts: int
    at: datetime  # it ended
    next_at: datetime
    outcome_unknown: bool
    reason: str
    entry: bytes

    @property
    def key(self) -> Key:
        """What names its row."""
        return self.alert, self.endpoint


def record(
    attempted: Attempted | Sequence[Attempted], out: OutOfReach = ALL_IN_REACH
) -> Unit[None]:
    """Return the unit that stores what one attempt led to, with its log entries.

    A row withheld while the attempt was on the wire stays so, unless the alert got through: then
    its recipient was told, and a later recall must find them. Where an alert has finally failed
    over one step, the next is turned to, in the same transaction.

    Args:
        attempted: Of one row, or of all that left in one digest.
        out: Endpoints whose alerts need not wait for them.
    """
    each = (attempted,) if isinstance(attempted, Attempted) else attempted

    def unit(connection: Connection) -> Staged[None]:
        entries: list[bytes] = []
        for one in each:
            got_through = _record(connection, one)
            entries.append(one.entry)
            if one.state != "pending" and not got_through:
                entries += fall_over(connection, one.alert, one.at, out)
        return Staged(None, entries)

    return unit


def _record(connection: Connection, attempted: Attempted) -> bool:
    """Store what one attempt led to; return whether the alert got through, and nobody said since
    that it did not."""
    row = connection.execute(_RECORD, {
        "state": attempted.state,
        "attempts": attempted.attempts,
        "next_at": milliseconds(attempted.next_at),
        "settled_at": None if attempted.state == "pending" else milliseconds(attempted.at),
        "unknown": int(attempted.outcome_unknown),
        "reason": attempted.reason,
        "alert": attempted.alert,
        "endpoint": attempted.endpoint,
    }).fetchone()  # fmt: skip
    return attempted.state == "accepted" and row is not None and row[0] != "failed"


_RECORD = (
    "UPDATE outbox SET attempts = :attempts, next_at = :next_at, unknown = :unknown,"
    " settled_at = :settled_at,"
    " reason = CASE WHEN state = 'pending' OR :state = 'accepted' THEN :reason ELSE reason END,"
    " state = CASE WHEN state = 'pending' OR :state = 'accepted' THEN :state ELSE state END"
    " WHERE alert = :alert AND endpoint = :endpoint AND state IN ('pending', 'withheld')"
    " RETURNING receipt"
)


def is_pending(connection: Connection, key: Key, owned: int = EVERY) -> bool:
    """Return whether a row is still to leave, and of these shards: it may have been withheld since.
    Reads only."""
    bindings = {"alert": key[0], "endpoint": key[1], "owned": owned}
    return connection.execute(_PENDING, bindings).get is not None


_PENDING = (
    "SELECT 1 FROM outbox WHERE alert = :alert AND endpoint = :endpoint"  # noqa: S608 - constants
    f" AND state = 'pending' AND {OWNED}"
)


def withhold(connection: Connection, alert: AlertId, reason: str, now: datetime) -> list[bytes]:
    """Keep what of an alert has not left yet from leaving; return the entries that say so.

    Args:
        connection: The writer's, in a transaction.
        alert: All its pending rows, whatever the endpoint.
        reason: A stable code.
        now: Of the entries.
    """
    rows: list[tuple[Any, ...]] = connection.execute(
        "UPDATE outbox SET state = 'withheld', reason = ?"
        " WHERE alert = ? AND state IN ('pending', 'waiting')"
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


def load(connection: Connection, keys: Iterable[Key]) -> Iterator[OutboxRow]:
    """Yield the rows named, in order, leaving out what is no longer pending. Reads only."""
    for key in keys:
        values = connection.execute(_LOAD, key).fetchone()
        if values is not None:
            yield _row(*values)


_LOAD = (
    "SELECT alert, endpoint, person, channel, form, sealed, proof, urgent, exercise, step, digest,"
    " key_id, attempts, unknown, decided_at, next_at, link_issue, retried_at, slot FROM outbox"
    " WHERE alert = ? AND endpoint = ? AND state = 'pending'"
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
    exercise: int,
    step: int,
    digest: int,
    key_id: str | None,
    attempts: int,
    unknown: int,
    decided_at: int,
    next_at: int,
    link_issue: int,
    retried_at: int | None,
    slot: int,
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
        exercise=bool(exercise),
        step=step,
        digest=bool(digest),
        key_id=key_id,
        attempts=attempts,
        outcome_unknown=bool(unknown),
        decided_at=moment(decided_at),
        next_at=moment(next_at),
        link_issue=link_issue,
        retried_at=None if retried_at is None else moment(retried_at),
        slot=slot,
    )


def counts(connection: Connection) -> dict[str, int]:
    """Return how many rows are in each state. Reads only."""
    return dict(connection.execute("SELECT state, count(*) FROM outbox GROUP BY state"))
