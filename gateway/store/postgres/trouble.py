"""What PostgreSQL and the way to it report, by the names the store knows. The only place for it.

No text of the server's is passed on: it may quote a value.
"""

from typing import Final

import psycopg
from psycopg.pq import ConnStatus, DiagnosticField
from psycopg.pq.abc import PGconn, PGresult

from gateway.store.engine import DatabaseTrouble, RuleBroken

AWAY: Final = "the database cannot be reached now"

_CODES: Final = {
    "08": "unavailable",  # the connection
    "57P": "unavailable",  # the server shuts down, starts, or was crashed
    "25006": "unavailable",  # a standby: another server is the one that writes now
    "53100": "no-space",
    "53": "busy",  # out of memory, or of connections
    "40": "busy",  # serialisation failure, deadlock
    "55P03": "busy",  # a lock was not had in time
    "55006": "busy",
    "57014": "busy",  # the statement took longer than it may
    "25P03": "unavailable",  # idle in a transaction for too long: the server has ended it
    "25P04": "unavailable",
}
_TEXTS: Final = {
    "unavailable": AWAY,
    "no-space": "the database has no room to write",
    "busy": "the database is busy",
}
_OWN: Final = ("22", "23")  # data exceptions, and what the schema forbids


def of_result(result: PGresult, pgconn: PGconn) -> Exception:
    """Return what a failed result means."""
    field = result.error_field(DiagnosticField.SQLSTATE)
    state = field.decode("ascii", "replace") if field else ""
    if not state or pgconn.status != ConnStatus.OK:
        return DatabaseTrouble("unavailable", AWAY)
    if state.startswith(_OWN):
        return RuleBroken(f"PostgreSQL refuses a value or a row ({state})")
    return of_state(state)


def of_state(state: str) -> DatabaseTrouble:
    """Return what an SQLSTATE means that no single statement is to blame for."""
    for length in (5, 3, 2):
        code = _CODES.get(state[:length])
        if code is not None:
            return DatabaseTrouble(code, f"{_TEXTS[code]} ({state})")
    return DatabaseTrouble("database", f"PostgreSQL refuses a statement ({state})")


def of_connecting(error: psycopg.Error) -> DatabaseTrouble:
    """Return what it means that no connection came about."""
    if error.sqlstate is None:
        return DatabaseTrouble("unavailable", AWAY)
    if error.sqlstate[:2] in {"28", "3D"}:  # the user or the database is not known there
        return DatabaseTrouble(
            "cannot-open", f"PostgreSQL does not let us in ({error.sqlstate}): check user and name"
        )
    return of_state(error.sqlstate)
