"""What a database reports, by one name for both engines."""

from typing import Final, Protocol, runtime_checkable

import apsw

from gateway.store.engine import Connection, DatabaseTrouble, StoreUnavailable

# What reading may raise; the connection to a server raises StoreUnavailable itself.
TROUBLES: Final = (StoreUnavailable, apsw.Error)

PASSING: Final = frozenset({"unavailable", "busy", "no-space"})


def passing(error: BaseException) -> str | None:
    """Return the code of what fails a transaction and nothing else; None: it is for good."""
    if isinstance(error, apsw.FullError):
        return "no-space"
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return "busy"
    if isinstance(error, DatabaseTrouble) and error.code in PASSING:
        return error.code
    return None


def is_own(error: BaseException) -> bool:
    """Return whether what a unit of work raised is its own fault, not the database's."""
    return isinstance(error, apsw.ConstraintError) or not isinstance(
        error, apsw.Error | DatabaseTrouble
    )


@runtime_checkable
class _Deferring(Protocol):
    """A connection that sends statements together: what one meets shows later."""

    def settle(self) -> None:
        """Wait for all that was sent."""


def settle(connection: Connection) -> None:
    """Wait until what was executed is done: what one statement met is raised here at the latest.

    SQLite does each at once.
    """
    if isinstance(connection, _Deferring):
        connection.settle()
