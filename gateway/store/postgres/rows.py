"""What a statement found, as apsw's cursors give it; read from the server when first asked for."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import psycopg
from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format
from psycopg.pq.abc import PGresult
from psycopg.types.numeric import NumericBinaryLoader


class _Whole(NumericBinaryLoader):
    """Sums of whole numbers are numeric there: int if whole, else float."""

    def load(self, data: Buffer) -> Any:  # noqa: ANN401 - an int or a float
        value = super().load(data)
        return int(value) if value == value.to_integral_value() else float(value)


class _Truth(Loader):
    """Truth is 1 or 0, as in SQLite."""

    format = Format.BINARY

    def load(self, data: Buffer) -> int:
        return int(bytes(data) != b"\0")


def adapt(base: "psycopg.Connection[Any]") -> None:
    """Let a connection give values of the types SQLite gives."""
    base.adapters.register_loader("numeric", _Whole)
    base.adapters.register_loader("bool", _Truth)


class PostgresRows:
    """One statement's rows; may be read once."""

    __slots__ = ("_left", "_load")

    def __init__(self, load: Callable[[], Iterable[Any]]) -> None:
        self._load = load
        self._left: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        """Yield a tuple for each row."""
        if self._left is None:
            self._left = iter(self._load())
        return self._left

    def fetchone(self) -> Any:  # noqa: ANN401 - the columns are the statement's
        """Return the next row, or None."""
        return next(iter(self), None)

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        return list(self)

    @property
    def get(self) -> Any:  # noqa: ANN401 - the columns are the statement's
        """With as little around it as can be: None, a value, a row, a column, or all rows."""
        rows = self.fetchall()
        if not rows:
            return None
        if len(rows[0]) == 1:
            return rows[0][0] if len(rows) == 1 else [value for (value,) in rows]
        return rows[0] if len(rows) == 1 else rows


def loaded(base: "psycopg.Connection[Any]", result: PGresult) -> list[Any]:
    """Return a result's rows as tuples."""
    if not result.ntuples:
        return []
    transformer = psycopg.adapt.Transformer(base)
    transformer.set_pgresult(result)
    return list(transformer.load_rows(0, result.ntuples, tuple))
