"""What the store asks of a database: the few calls that every unit of work and reading makes.

SQLite's `apsw.Connection` is one as it stands; `gateway.store.postgres` makes another. Statements
are written once, in SQL that both understand or that the second translates.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

__all__ = ["Bindings", "Connection", "DatabaseTrouble", "Rows", "RuleBroken", "StoreUnavailable"]

Bindings: TypeAlias = Sequence[Any] | Mapping[str, Any]  # for `?`, `?1`, or `:name`


class StoreUnavailable(Exception):
    """The database cannot be opened or used. `code` is stable; the text says what to do."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(text)


class DatabaseTrouble(StoreUnavailable):
    """A statement failed for a reason of the database's own.

    Codes: unavailable (the server or the way to it), busy, no-space; anything else is for good:
    unsettled (whether a commit took place cannot be told), lost (one that did is gone), database.
    """


class RuleBroken(Exception):
    """A statement asked for what the schema or a type does not allow: the fault is its own."""


class Rows(Protocol):
    """What one statement found, in order; may be read once."""

    def __iter__(self) -> Iterator[Any]:
        """Yield a tuple for each row."""

    def fetchone(self) -> Any:  # noqa: ANN401 - the columns are the statement's
        """Return the next row, or None."""

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""

    @property
    def get(self) -> Any:  # noqa: ANN401 - the columns are the statement's
        """The only value of the only row, or that row if it has several; None: no row."""


class Connection(Protocol):
    """One connection to the database; used by one thread at a time."""

    def execute(self, statements: str, bindings: Bindings | None = None, /) -> Rows:
        """Run a statement."""

    def executemany(self, statements: str, rows: Iterable[Bindings], /) -> Any:  # noqa: ANN401
        """Run a statement once for each row of bindings."""

    def changes(self) -> int:
        """Return how many rows the newest statement that changes any has changed."""

    def total_changes(self) -> int:
        """Return how many rows this connection has ever changed."""

    @property
    def in_transaction(self) -> bool:
        """Whether what is done now can still be undone."""

    def close(self) -> None:
        """End the connection; what is not committed is undone."""

    def __enter__(self) -> Self:
        """Begin a transaction, or a part of one: what is read in it is of one moment."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> bool | None:
        """Commit, or undo if an exception leaves it."""
