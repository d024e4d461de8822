"""Sessions of the console at rest: begun, seen, ended. A cookie is kept as a keyed digest alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from gateway.disclosure_log import entry
from gateway.model.staff import Staff, StaffId
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.times import milliseconds, moment

SignInMeans = Literal["passkey", "oidc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a session lasts: without a request, and at all."""

    idle: timedelta
    absolute: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody who is signed in, unless the limits say otherwise."""

    staff: Staff
    began_at: datetime  # they proved who they are
    seen_at: datetime
    means: SignInMeans

    def lasts(self, limits: Limits, now: datetime) -> bool:
        """Return whether it stands at a time."""
        return now < self.seen_at + limits.idle and now < self.began_at + limits.absolute


def find(connection: Connection, mac: bytes) -> Session | None:
    """Return the session of a cookie's digest, within its limits or beyond. Reads only."""
    row = connection.execute(
        "SELECT body, began_at, seen_at, means FROM session JOIN staff ON staff.id = staff"
        " WHERE mac = ?",
        (mac,),
    ).fetchone()
    if row is None:
        return None
    body, began_at, seen_at, means = row
    return Session(
        staff=staff_of(body), began_at=moment(began_at), seen_at=moment(seen_at), means=means
    )


def begin(
    connection: Connection,
    mac: bytes,
    staff: Staff,
    means: SignInMeans,
    *,
    replaces: bytes | None,
    limits: Limits,
    now: datetime,
) -> list[bytes]:
    """Begin a session in place of another, and end those that are over. Returns what to log."""
    logged = sweep(connection, limits, now)
    if replaces is not None:
        before = connection.execute(
            "DELETE FROM session WHERE mac = ? RETURNING staff, means", (replaces,)
        ).fetchall()
        logged += [_logged(one, "signed-out", now) for one in before if one[0] != staff.id]
    at = milliseconds(now)
    connection.execute(
        "INSERT INTO session (mac, staff, began_at, seen_at, means) VALUES (?, ?, ?, ?, ?)",
        (mac, staff.id, at, at, means),
    )
    begun = entry.sign_in(at=now, staff=staff.id, means=means, outcome="signed-in")
    return [*logged, begun.encode()]


def use_once(connection: Connection, mac: bytes, *, until: datetime, now: datetime) -> bool:
    """Take note that a proof was used; False: it was before, at this worker or another. Writes.

    Args:
        connection: In the transaction that lets somebody in.
        mac: Keyed digest of what cannot be repeated in another proof.
        until: From then on it proves nothing anyway.
        now: What has ended by now is forgotten.
    """
    connection.execute("DELETE FROM used_once WHERE until <= ?", (milliseconds(now),))
    connection.execute(
        "INSERT INTO used_once (mac, until) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (mac, milliseconds(until)),
    )
    return connection.changes() == 1


def seen(mac: bytes, *, now: datetime) -> Unit[None]:
    """Return the unit that notes a request of a session."""

    def unit(connection: Connection) -> Staged[None]:
        connection.execute(
            "UPDATE session SET seen_at = max(seen_at, ?) WHERE mac = ?", (milliseconds(now), mac)
        )
        return Staged(None, while_behind=True)

    return unit


def end(mac: bytes, *, outcome: Literal["signed-out", "expired"], now: datetime) -> Unit[bool]:
    """Return the unit that ends a session; False: there was none any more."""

    def unit(connection: Connection) -> Staged[bool]:
        ended = connection.execute(
            "DELETE FROM session WHERE mac = ? RETURNING staff, means", (mac,)
        ).fetchall()
        return Staged(bool(ended), [_logged(one, outcome, now) for one in ended])

    return unit


def end_all(connection: Connection, staff: StaffId, now: datetime) -> list[bytes]:
    """End every session of one account. Returns what to log."""
    ended = connection.execute(
        "DELETE FROM session WHERE staff = ? RETURNING staff, means", (staff,)
    ).fetchall()
    return [_logged(one, "expired", now) for one in ended]


def sweep(connection: Connection, limits: Limits, now: datetime) -> list[bytes]:
    """End the sessions that are beyond their limits. Returns what to log."""
    ended = connection.execute(
        "DELETE FROM session WHERE seen_at <= ? OR began_at <= ? RETURNING staff, means",
        (milliseconds(now - limits.idle), milliseconds(now - limits.absolute)),
    ).fetchall()
    return [_logged(one, "expired", now) for one in ended]


def refused(staff: StaffId | None, means: SignInMeans, *, now: datetime) -> Unit[None]:
    """Return the unit that logs a refused sign-in; `staff` where it is known whose it was not."""

    def unit(_connection: Connection) -> Staged[None]:
        logged = entry.sign_in(at=now, staff=staff, means=means, outcome="refused")
        return Staged(None, [logged.encode()])

    return unit


def staff_of(body: str) -> Staff:
    """Return an account as its row holds it."""
    return _STAFF.validate_json(body)


_STAFF: Final = TypeAdapter(Staff)


def _logged(
    ended: tuple[Any, ...], outcome: Literal["signed-out", "expired"], now: datetime
) -> bytes:
    staff, means = ended
    return entry.sign_in(at=now, staff=staff, means=means, outcome=outcome).encode()
