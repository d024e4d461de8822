"""Receipts: what carriers say later of alerts they took."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.disclosure_log import entry
from gateway.model.ids import EndpointId
from gateway.model.outcome import Receipt
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.steps import fall_over
from gateway.store.times import milliseconds

_FINAL: Final = ("delivered", "failed")


def receive(receipt: Receipt, now: datetime) -> Unit[bool]:
    """Return the unit that records a receipt; its result is whether it is of an alert of ours.

    The first final one stands; "delayed" never overrides, and a repeat writes nothing. A failed
    one undoes the acceptance: it is a dead letter, and the alert's next step is turned to. A
    delivered one settles what was still to be tried again, or had been given up.

    A receipt names no endpoint: of several on the channel it is taken to be of the one accepted
    last, and of every alert that left in the same digest.
    """

    def unit(connection: Connection) -> Staged[bool]:
        found = _told(connection, receipt)
        entries: list[bytes] = []
        for alert, endpoint, state, before in found:
            if before in _FINAL or before == receipt.state:
                continue
            _write(connection, receipt, alert, endpoint, state, now)
            logged = entry.receipt(
                at=now,
                alert=alert,
                endpoint=EndpointId(endpoint),
                channel=receipt.channel,
                state=receipt.state,
                code=receipt.code,
            )
            entries.append(logged.encode())
            if receipt.state == "failed":
                entries += fall_over(connection, alert, now)
        return Staged(bool(found), entries)

    return unit


def _told(connection: Connection, receipt: Receipt) -> Sequence[tuple[Any, ...]]:
    """Return alert, endpoint, state and earlier receipt of each row a receipt is of."""
    row = connection.execute(_NEWEST, (receipt.alert, receipt.channel)).fetchone()
    if row is None:
        return ()
    endpoint, state, before, digest, settled_at, recipient = row
    if digest and state == "accepted":
        together = (recipient, settled_at - _KEPT_MS, settled_at, endpoint, settled_at)
        return connection.execute(_TOGETHER, together).fetchall()
    return ((receipt.alert, endpoint, state, before),)


_NEWEST: Final = (
    "SELECT endpoint, state, receipt, digest, settled_at, recipient FROM outbox"
    " WHERE alert = ? AND channel = ? AND state <> 'waiting'"
    " ORDER BY state = 'accepted' DESC, attempts > 0 DESC, coalesce(settled_at, 0) DESC,"
    " endpoint LIMIT 1"
)
_TOGETHER: Final = (  # one attempt, one commit, one time
    "SELECT outbox.alert, outbox.endpoint, outbox.state, outbox.receipt"
    " FROM alert CROSS JOIN outbox ON outbox.alert = alert.id"
    " WHERE alert.recipient = ? AND alert.decided_at BETWEEN ? AND ?"
    " AND outbox.endpoint = ? AND outbox.digest = 1 AND outbox.state = 'accepted'"
    " AND outbox.settled_at = ?"
)
_KEPT_MS: Final = timedelta(days=30) // timedelta(milliseconds=1)  # none waits longer to leave


def _write(
    connection: Connection,
    receipt: Receipt,
    alert: str,
    endpoint: str,
    state: str,
    now: datetime,
) -> None:
    at = milliseconds(now)
    connection.execute(
        "UPDATE outbox SET receipt = ?, receipt_at = ? WHERE alert = ? AND endpoint = ?",
        (receipt.state, at, alert, endpoint),
    )
    if receipt.state == "failed" and state == "accepted":
        connection.execute(
            "UPDATE outbox SET reason = ? WHERE alert = ? AND endpoint = ?",
            (receipt.code, alert, endpoint),
        )
    if receipt.state == "delivered" and state != "accepted":
        connection.execute(
            "UPDATE outbox SET state = 'accepted', reason = '', settled_at = ?"
            " WHERE alert = ? AND endpoint = ?",
            (at, alert, endpoint),
        )
