"""The rows a deliverer has taken up and not yet settled, and how much memory they hold."""

from collections.abc import Collection, Iterable, Iterator, KeysView, Sequence
from typing import Final

from gateway.delivery.batch import bytes_of
from gateway.delivery.terms import Owed
from gateway.store.outbox import Key, OutboxRow

MAX_BYTES: Final = 64 << 20  # but for the few rows that every endpoint may have
_TOGETHER: Final = 20  # rows loaded before their bytes are counted


class Taken(Collection[Key]):
    """Keys of rows, each with its size."""

    def __init__(self) -> None:
        self._sizes: dict[Key, int] = {}
        self._bytes = 0

    def __contains__(self, key: object) -> bool:
        return key in self._sizes

    def __iter__(self) -> Iterator[Key]:
        return iter(self._sizes)

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def keys(self) -> KeysView[Key]:
        """The rows, as a set that follows."""
        return self._sizes.keys()

    @property
    def is_full(self) -> bool:
        """Whether they hold as many bytes as they may."""
        return self._bytes >= MAX_BYTES

    def load(self, owed: Owed, keys: Sequence[Key]) -> tuple[Sequence[OutboxRow], bool]:
        """Load rows in order, to be added; return them, and whether that is all of them: one alert
        may be a hundred times as long as another, and memory ends first."""
        rows: list[OutboxRow] = []
        size = self._bytes
        for first in range(0, len(keys), _TOGETHER):
            if first and size >= MAX_BYTES:
                return rows, False
            loaded = owed.load(keys[first : first + _TOGETHER])
            size += sum(bytes_of(row) for row in loaded)
            rows += loaded
        return rows, True

    def add(self, rows: Iterable[OutboxRow]) -> None:
        """Take in rows that are not in."""
        for row in rows:
            self._sizes[row.key] = bytes_of(row)
            self._bytes += self._sizes[row.key]

    def drop(self, keys: Iterable[Key]) -> None:
        """Let go of rows, whether they are in or not."""
        for key in keys:
            self._bytes -= self._sizes.pop(key, 0)
