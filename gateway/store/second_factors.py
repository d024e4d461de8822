"""Second factors at rest: enrolled, used, revoked; and how often a recipient's were wrong.

Secrets and public keys are sealed under a key of the instance's own. A passkey that is offered but
not yet registered is a row without a credential, its `sealed` the digest of its one-time link.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.disclosure_log import entry
from gateway.model.ids import RecipientId
from gateway.second_factor import Credential, Factor, FactorKind, Proven
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.sealed import SealedStore
from gateway.store.times import milliseconds, moment
from keys.at_rest import DataKey

OFFER_LASTS: Final = timedelta(hours=24)

_FREE_TRIES: Final = 5  # wrong ones before a recipient has to wait between two tries
_LONGEST_WAIT_S: Final = 60  # so that nobody else can keep a recipient from an alert for long
_FORGOTTEN_AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """One row, as an operator sees it."""

    id: str
    recipient: RecipientId
    kind: FactorKind
    enrolled_at: datetime
    enrolled_by: str
    offered: bool  # a passkey whose link was not followed yet
    revoked_at: datetime | None


def factor_key(sealed: SealedStore) -> DataKey:
    """Return what second factors are sealed under."""
    return DataKey(sealed.derive("second-factor"))


def listed(connection: Connection, recipient: str) -> list[Enrolled]:
    """Return every factor a recipient has or had, oldest first. Reads only."""
    return [_enrolled(row) for row in connection.execute(_OF_RECIPIENT, (recipient,))]


def usable(connection: Connection, key: DataKey, recipient: RecipientId) -> list[Factor]:
    """Return a recipient's factors that prove something now, opened. Reads only.

    Raises:
        KeyProblem: a row was altered.
    """
    rows = connection.execute(
        "SELECT id, kind, credential, sealed, last FROM second_factor WHERE recipient = ?"
        " AND revoked_at IS NULL AND (kind = 'totp' OR credential IS NOT NULL) ORDER BY id",
        (recipient,),
    )
    return [
        Factor(
            id=id_,
            recipient=recipient,
            kind=kind,
            credential=credential,
            secret=key.open(sealed, _context(id_)),
            last=last,
        )
        for id_, kind, credential, sealed, last in rows
    ]


def add_totp(
    id_: str, recipient: RecipientId, sealed: bytes, *, by: str, now: datetime
) -> Unit[None]:
    """Return the unit that enrols an authenticator app. `sealed` is of `seal_secret`."""

    def unit(connection: Connection) -> Staged[None]:
        connection.execute(_INSERT, (id_, recipient, "totp", sealed, 0, milliseconds(now), by))
        return Staged(None, [_logged("factor-enrolled", recipient, by, sealed, now)])

    return unit


def offer_passkey(
    id_: str, recipient: RecipientId, digest: bytes, *, by: str, now: datetime
) -> Unit[None]:
    """Return the unit that lets whoever has one link register one passkey, within a day."""

    def unit(connection: Connection) -> Staged[None]:
        connection.execute(_INSERT, (id_, recipient, "passkey", digest, 0, milliseconds(now), by))
        return Staged(None, [_logged("factor-offered", recipient, by, digest, now)])

    return unit


def register(digest: bytes, credential: Credential, key: DataKey, *, now: datetime) -> Unit[bool]:
    """Return the unit that makes an offer into a passkey, once; False: no such offer stands."""

    def unit(connection: Connection) -> Staged[bool]:
        row = connection.execute(_OFFERED, (digest, milliseconds(now - OFFER_LASTS))).fetchone()
        if row is None or connection.execute(_TAKEN, (credential.id,)).get:
            return Staged(False)
        id_, recipient, by = row
        sealed = seal_secret(key, id_, credential.public_key)
        connection.execute(
            "UPDATE second_factor SET credential = ?, sealed = ?, last = ?, enrolled_at = ?"
            " WHERE id = ?",
            (credential.id, sealed, credential.counter, milliseconds(now), id_),
        )
        return Staged(True, [_logged("factor-enrolled", recipient, by, sealed, now)])

    return unit


def revoke(id_: str, *, by: str, now: datetime) -> Unit[Enrolled | None]:
    """Return the unit that ends a factor, or an offer of one; None: there is none in force."""

    def unit(connection: Connection) -> Staged[Enrolled | None]:
        row = connection.execute(_IN_FORCE, (id_,)).fetchone()
        if row is None:
            return Staged(None)
        found = _enrolled(row)
        sealed = connection.execute("SELECT sealed FROM second_factor WHERE id = ?", (id_,)).get
        connection.execute(
            "UPDATE second_factor SET revoked_at = ? WHERE id = ?", (milliseconds(now), id_)
        )
        return Staged(found, [_logged("factor-revoked", found.recipient, by, sealed, now)])

    return unit


def use(connection: Connection, proof: Proven) -> None:
    """Take note of a factor just shown, so that the same code or counter is good no more. In a
    transaction in which it was found usable."""
    factor = proof.factor
    connection.execute("UPDATE second_factor SET last = ? WHERE id = ?", (proof.last, factor.id))
    connection.execute("DELETE FROM wrong_factor WHERE recipient = ?", (factor.recipient,))


def must_wait(connection: Connection, recipient: RecipientId, now: datetime) -> bool:
    """Return whether a recipient's last wrong factor is too recent for another try. Reads only."""
    row = connection.execute(_WRONG, (recipient,)).fetchone()
    if row is None or row[0] < _FREE_TRIES:
        return False
    wait_s = min(2 ** min(row[0] - _FREE_TRIES, 10), _LONGEST_WAIT_S)
    return now < moment(row[1]) + timedelta(seconds=wait_s)


def count_wrong(connection: Connection, recipient: RecipientId, now: datetime) -> None:
    """Count a wrong factor against a recipient; an hour without one starts afresh. Writes."""
    connection.execute(
        "DELETE FROM wrong_factor WHERE recipient = ? AND last_at < ?",
        (recipient, milliseconds(now - _FORGOTTEN_AFTER)),
    )
    connection.execute(
        "INSERT INTO wrong_factor (recipient, count, last_at) VALUES (?, 1, ?)"
        " ON CONFLICT (recipient) DO UPDATE"
        " SET count = wrong_factor.count + 1, last_at = excluded.last_at",
        (recipient, milliseconds(now)),
    )


def seal_secret(key: DataKey, id_: str, secret: bytes) -> bytes:
    """Seal what a factor is checked against, bound to its row."""
    return key.seal(secret, _context(id_))


def offer_digest(sealed: SealedStore, token: str) -> bytes:
    """Return what a one-time enrolment link is kept as."""
    return sealed.mac("enrolment", token)


_INSERT: Final = (
    "INSERT INTO second_factor (id, recipient, kind, sealed, last, enrolled_at, enrolled_by)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_COLUMNS: Final = (
    "SELECT id, recipient, kind, enrolled_at, enrolled_by,"
    " kind = 'passkey' AND credential IS NULL, revoked_at FROM second_factor"
)
_OF_RECIPIENT: Final = _COLUMNS + " WHERE recipient = ? ORDER BY enrolled_at, id"
_IN_FORCE: Final = _COLUMNS + " WHERE id = ? AND revoked_at IS NULL"
_OFFERED: Final = (
    "SELECT id, recipient, enrolled_by FROM second_factor WHERE kind = 'passkey'"
    " AND credential IS NULL AND revoked_at IS NULL AND sealed = ?"
    " AND enrolled_at >= ?"
)
_TAKEN: Final = "SELECT 1 FROM second_factor WHERE credential = ?"
_WRONG: Final = "SELECT count, last_at FROM wrong_factor WHERE recipient = ?"


def _enrolled(row: tuple[Any, ...]) -> Enrolled:
    id_, recipient, kind, at, by, offered, revoked_at = row
    return Enrolled(
        id=id_,
        recipient=RecipientId(recipient),
        kind=kind,
        enrolled_at=moment(at),
        enrolled_by=by,
        offered=bool(offered),
        revoked_at=None if revoked_at is None else moment(revoked_at),
    )


def _logged(action: str, recipient: str, by: str, sealed: bytes, now: datetime) -> bytes:
    return entry.directory(
        at=now,
        action=action,
        subject=recipient,
        actor=by,
        digest=hashlib.sha256(sealed).hexdigest(),
    ).encode()


def _context(id_: str) -> bytes:
    return b"second-factor:" + id_.encode()
