"""Rotating the key-encryption key: every wrapped key is wrapped anew, in small batches, beside a
gateway that serves. No ciphertext is touched.

Every row opens with exactly one known key throughout: its wrapped key names the one that wrapped
it, and each is replaced whole. What is left to do is read off the rows themselves, so a rotation
cut short at any point goes on where it was.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.disclosure_log import entry
from gateway.store import own_secrets
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.sealed import person_context
from keys.at_rest import KeyEncryptionKey, header


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table with wrapped keys in it."""

    name: str
    row: str
    wrapped: str
    context: Callable[[str], bytes]


_TABLES: Final = (
    _Table(name="own_secret", row="name", wrapped="wrapped", context=own_secrets.context),
    _Table(name="person", row="ref", wrapped="wrapped_key", context=person_context),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrapped:
    """One key wrapped anew."""

    table: str
    row: str
    was: bytes
    becomes: bytes


Batches = Iterator[list[Rewrapped]]


def remaining(connection: Connection, key_id: str) -> int:
    """Return how many keys are wrapped under another than this one. Reads only; every row."""
    return sum(
        connection.execute(
            f"SELECT count(*) FROM {table.name} WHERE {_other(table)}",  # noqa: S608 - constants
            _bindings(key_id),
        ).get
        for table in _TABLES
    )


def is_complete(connection: Connection, key_id: str) -> bool:
    """Say whether the last rotation ended with this key, and every key is under it. Reads only."""
    return _last(connection) == key_id and remaining(connection, key_id) == 0


def batches(connection: Connection, ring: KeyEncryptionKey, *, limit: int) -> Batches:
    """Yield every key that is not under the active key of a ring, wrapped anew under it, up to
    `limit` at a time. Reads only: no transaction is open while the provider works.

    Raises:
        KeyProblem: one of them does not unwrap, or the provider cannot.
    """
    for table in _TABLES:
        last = ""
        rows: list[tuple[Any, ...]]
        while rows := connection.execute(
            f"SELECT {table.row}, {table.wrapped} FROM {table.name}"  # noqa: S608 - constants
            f" WHERE {table.row} > ?3 AND {_other(table)} ORDER BY {table.row} LIMIT ?4",
            (*_bindings(ring.id), last, limit),
        ).fetchall():
            last = str(rows[-1][0])
            yield [_rewrapped(table, row, wrapped, ring) for row, wrapped in rows]


def replace(batch: Sequence[Rewrapped]) -> Unit[int]:
    """Return the unit that puts a batch in place; its result is how many rows it changed.

    A row that changed meanwhile (its person was erased) is left as it is.
    """

    def unit(connection: Connection) -> Staged[int]:
        before = connection.total_changes()
        for table in _TABLES:
            connection.executemany(
                f"UPDATE {table.name} SET {table.wrapped} = ?"  # noqa: S608 - constants
                f" WHERE {table.row} = ? AND {table.wrapped} = ?",
                [(one.becomes, one.row, one.was) for one in batch if one.table == table.name],
            )
        return Staged(connection.total_changes() - before)

    return unit


def complete(key_id: str, *, by: str, now: datetime) -> Unit[int]:
    """Return the unit that ends a rotation, once, with its log entry, if nothing is left to do;
    its result is how many keys are left.

    Args:
        key_id: The key-encryption key now in force.
        by: Role or staff id of who rotates.
        now: Of the entry.
    """

    def unit(connection: Connection) -> Staged[int]:
        left = remaining(connection, key_id)
        if left or _last(connection) == key_id:
            return Staged(left)
        connection.execute(
            "INSERT INTO setting (name, value) VALUES ('kek', ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (key_id,),
        )
        logged = entry.directory(
            at=now,
            action="kek-rotated",
            subject=key_id,
            actor=by,
            digest=hashlib.sha256(key_id.encode()).hexdigest(),
        )
        return Staged(left, [logged.encode()])

    return unit


def _last(connection: Connection) -> str | None:
    found: str | None = connection.execute("SELECT value FROM setting WHERE name = 'kek'").get
    return found


def _rewrapped(table: _Table, row: str, wrapped: bytes, ring: KeyEncryptionKey) -> Rewrapped:
    context = table.context(row)
    becomes = ring.wrap(ring.unwrap(wrapped, context), context)
    return Rewrapped(table=table.name, row=row, was=wrapped, becomes=becomes)


def _other(table: _Table) -> str:
    """Whether a row is wrapped, and under another key than the one bound."""
    return f"length({table.wrapped}) > 0 AND substr({table.wrapped}, 1, ?1) <> ?2"


def _bindings(key_id: str) -> tuple[int, bytes]:
    head = header(key_id)
    return len(head), head
