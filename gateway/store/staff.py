"""Who may sign in to the console, and the passkeys they sign in with.

Public keys are sealed under a key of the instance's own. A passkey that is offered but not yet
registered is a row without a public key, its `credential` the digest of its one-time link.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from gateway.disclosure_log import entry
from gateway.model.ids import RecipientId
from gateway.model.staff import Staff, StaffId
from gateway.second_factor import Credential, Factor
from gateway.store import sessions
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.sealed import SealedStore
from gateway.store.times import milliseconds, moment
from keys.at_rest import DataKey

OFFER_LASTS: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One row, as whoever keeps accounts sees it."""

    staff: Staff
    added_at: datetime
    added_by: str
    passkeys: int  # in force
    offered: bool  # a link waits to be followed


def passkey_key(sealed: SealedStore) -> DataKey:
    """Return what the passkeys of staff are sealed under."""
    return DataKey(sealed.derive("staff-passkey"))


def link_digest(sealed: SealedStore, token: str) -> bytes:
    """Return what a one-time enrolment link is kept as."""
    return sealed.mac("staff-enrolment", token)


def listed(connection: Connection, now: datetime) -> list[Account]:
    """Return every account there is or was, by id. Reads only."""
    rows = connection.execute(_ACCOUNTS, (milliseconds(now - OFFER_LASTS),))
    return [
        Account(
            staff=sessions.staff_of(body),
            added_at=moment(at),
            added_by=by,
            passkeys=passkeys,
            offered=bool(offers),
        )
        for body, at, by, passkeys, offers in rows
    ]


def find(connection: Connection, id_: str) -> Staff | None:
    """Return an account by its id, revoked or not. Reads only."""
    return _staff(connection, "SELECT body FROM staff WHERE id = ?", id_)


def vouched_for(connection: Connection, subject: str) -> Staff | None:
    """Return whose account a provider's subject is, where it is in force. Reads only."""
    found = _staff(connection, "SELECT body FROM staff WHERE subject = ?", subject)
    return found if found is not None and found.active else None


def passkey_of(
    connection: Connection, key: DataKey, credential: bytes
) -> tuple[Staff, Factor] | None:
    """Return whose passkey has that id, and what it is checked against. Reads only.

    Raises:
        KeyProblem: a row was altered.
    """
    row = connection.execute(_USABLE, (credential,)).fetchone()
    if row is None:
        return None
    body, sealed, counter = row
    staff = sessions.staff_of(body)
    factor = Factor(
        id=staff.id,
        recipient=RecipientId(staff.id),  # whose it is: a factor knows recipients alone
        kind="passkey",
        credential=credential,
        secret=key.open(sealed, _context(credential)),
        last=counter,
    )
    return staff, factor


def add(staff: Staff, *, link: bytes | None, by: str, now: datetime) -> Unit[bool]:
    """Return the unit that makes an account, with the digest of a link to enrol a passkey by, if
    it has one; False: the id is or was somebody's, or the subject is."""

    def unit(connection: Connection) -> Staged[bool]:
        taken = connection.execute(
            "SELECT 1 FROM staff WHERE id = ? OR subject = ?", (staff.id, staff.subject)
        ).get
        if taken:
            return Staged(False)
        body = _STAFF.dump_json(staff)
        connection.execute(
            "INSERT INTO staff (id, body, subject, added_at, added_by) VALUES (?, ?, ?, ?, ?)",
            (staff.id, body.decode(), staff.subject, milliseconds(now), by),
        )
        logged = [_logged("staff-added", staff.id, by, body, now)]
        if link is not None:
            logged.append(_offer(connection, staff.id, link, by, now))
        return Staged(True, logged)

    return unit


def offer(id_: str, link: bytes, *, lost: bool, by: str, now: datetime) -> Unit[bool]:
    """Return the unit that lets whoever has one link register one passkey, within a day.

    Links before it are void; `lost`: so are the passkeys, and whoever is signed in is out.
    False: no such account is in force.
    """

    def unit(connection: Connection) -> Staged[bool]:
        staff = find(connection, id_)
        if staff is None or not staff.active:
            return Staged(False)
        logged = _end_all(connection, staff.id, by, now) if lost else []
        logged.append(_offer(connection, staff.id, link, by, now))
        return Staged(True, logged)

    return unit


def register(link: bytes, made: Credential, key: DataKey, *, now: datetime) -> Unit[StaffId | None]:
    """Return the unit that makes an offer into a passkey, once; None: no such offer stands."""

    def unit(connection: Connection) -> Staged[StaffId | None]:
        row = connection.execute(_OFFERED, (link, milliseconds(now - OFFER_LASTS))).fetchone()
        if row is None or connection.execute(_TAKEN, (made.id,)).get:
            return Staged(None)
        sealed = key.seal(made.public_key, _context(made.id))
        connection.execute(
            "UPDATE staff_passkey SET credential = ?, public_key = ?, counter = ?, enrolled_at = ?"
            " WHERE credential = ?",
            (made.id, sealed, made.counter, milliseconds(now), link),
        )
        (id_,) = row
        return Staged(StaffId(id_), [_logged("staff-passkey-enrolled", id_, id_, sealed, now)])

    return unit


def revoke(id_: str, *, by: str, now: datetime) -> Unit[bool]:
    """Return the unit that ends an account for good: its passkeys, its links and its sessions.

    False: no such account is in force.
    """

    def unit(connection: Connection) -> Staged[bool]:
        staff = find(connection, id_)
        if staff is None or not staff.active:
            return Staged(False)
        body = _STAFF.dump_json(_revoked(staff))
        connection.execute("UPDATE staff SET body = ? WHERE id = ?", (body.decode(), id_))
        ended = _end_all(connection, staff.id, by, now)
        return Staged(True, [_logged("staff-revoked", id_, by, body, now), *ended])

    return unit


def use(connection: Connection, credential: bytes, counter: int) -> bool:
    """Take note of a passkey just shown; False: it is in force no more, or was shown since."""
    connection.execute(
        "UPDATE staff_passkey SET counter = ?1 WHERE credential = ?2 AND revoked_at IS NULL"
        " AND (counter < ?1 OR counter = 0)",
        (counter, credential),
    )
    return connection.changes() == 1


_STAFF: Final = TypeAdapter(Staff)
_ACCOUNTS: Final = (
    "SELECT body, added_at, added_by,"
    " (SELECT count(*) FROM staff_passkey WHERE staff = staff.id AND revoked_at IS NULL"
    "  AND public_key <> x''),"
    " (SELECT count(*) FROM staff_passkey WHERE staff = staff.id AND revoked_at IS NULL"
    "  AND public_key = x'' AND enrolled_at >= ?)"
    " FROM staff ORDER BY id"
)
_USABLE: Final = (
    "SELECT body, public_key, counter FROM staff_passkey JOIN staff ON staff.id = staff"
    " WHERE credential = ? AND revoked_at IS NULL AND public_key <> x''"
)
_OFFERED: Final = (
    "SELECT staff FROM staff_passkey WHERE credential = ? AND revoked_at IS NULL"
    " AND public_key = x'' AND enrolled_at >= ?"
)
_TAKEN: Final = "SELECT 1 FROM staff_passkey WHERE credential = ?"


def _offer(connection: Connection, id_: StaffId, link: bytes, by: str, now: datetime) -> bytes:
    connection.execute("DELETE FROM staff_passkey WHERE staff = ? AND public_key = x''", (id_,))
    connection.execute(
        "INSERT INTO staff_passkey (credential, staff, public_key, counter, enrolled_at)"
        " VALUES (?, ?, x'', 0, ?)",
        (link, id_, milliseconds(now)),
    )
    return _logged("staff-passkey-offered", id_, by, link, now)


def _end_all(connection: Connection, id_: StaffId, by: str, now: datetime) -> list[bytes]:
    keys: list[tuple[Any, ...]] = connection.execute(
        "SELECT public_key FROM staff_passkey WHERE staff = ? AND revoked_at IS NULL"
        " AND public_key <> x''",
        (id_,),
    ).fetchall()
    logged = [_logged("staff-passkey-revoked", id_, by, sealed, now) for (sealed,) in keys]
    connection.execute("DELETE FROM staff_passkey WHERE staff = ? AND public_key = x''", (id_,))
    connection.execute(
        "UPDATE staff_passkey SET revoked_at = ? WHERE staff = ? AND revoked_at IS NULL",
        (milliseconds(now), id_),
    )
    return [*logged, *sessions.end_all(connection, id_, now)]


def _staff(connection: Connection, sql: str, value: str) -> Staff | None:
    row = connection.execute(sql, (value,)).fetchone()
    return None if row is None else sessions.staff_of(row[0])


def _revoked(staff: Staff) -> Staff:
    return Staff(
        id=staff.id,
        roles=staff.roles,
        agencies=staff.agencies,
        organisations=staff.organisations,
        subject=staff.subject,
        active=False,
    )


def _logged(action: str, id_: str, by: str, about: bytes, now: datetime) -> bytes:
    return entry.directory(
        at=now, action=action, subject=id_, actor=by, digest=hashlib.sha256(about).hexdigest()
    ).encode()


def _context(credential: bytes) -> bytes:
    return b"staff-passkey:" + credential
