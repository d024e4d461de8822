"""What an alert still to leave is sealed anew from, and the unit that puts it in place."""

from dataclasses import dataclass
from typing import Literal

from gateway.model.ids import PersonRef
from gateway.model.party import Form
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.outbox import OutboxRow
from gateway.store.sealed import SealedStore, alert_context


@dataclass(frozen=True, slots=True, kw_only=True)
class Resealed:
    """What a row becomes."""

    form: Form
    sealed: bytes
    key_id: str | None
    cipher: Literal["cbc"] | None = None  # where it is the weaker one


def content_of(
    connection: Connection, sealed: SealedStore, row: OutboxRow
) -> tuple[bytes, bytes] | None:
    """Return what an alert tells and the entry of its disclosure over this endpoint; None once its
    person is erased. Reads only.

    Raises:
        KeyProblem: it does not open.
    """
    found = connection.execute(_HELD, row.key).fetchone()
    if found is None or found[0] is None:
        return None
    held, person, entry = found
    key = sealed.key_of(connection, PersonRef(person))
    return key.open(held, alert_context(row.alert)), entry


_HELD = (
    "SELECT alert.held, alert.person, log_entry.body FROM outbox"
    " JOIN alert ON alert.id = outbox.alert JOIN log_entry ON log_entry.idx = outbox.leaf_index"
    " WHERE outbox.alert = ? AND outbox.endpoint = ?"
)


def reseal(row: OutboxRow, resealed: Resealed, entry: bytes) -> Unit[bool]:
    """Return the unit that puts a row's new content in place; its result: the row still leaves."""

    def unit(connection: Connection) -> Staged[bool]:
        connection.execute(
            "UPDATE outbox SET form = ?, sealed = ?, key_id = ?"
            " WHERE alert = ? AND endpoint = ? AND state = 'pending'",
            (resealed.form, resealed.sealed, resealed.key_id, *row.key),
        )
        changed = connection.changes() == 1
        return Staged(changed, [entry] if changed else [])

    return unit
