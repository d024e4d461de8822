"""What was said once and need not be said again: the newest so many keys, in memory."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Protocol


class Once(Protocol):
    """Remembers for a while what was done, in this process or among several."""

    async def is_first(self, *key: str) -> bool:
        """Return whether nobody asked of this key before, and remember it."""

    async def forget(self, *key: str) -> None:
        """Let a key be new again: what it stood for did not happen."""


class Seen:
    """Remembers the newest keys. Forgetting one only means that a thing is said twice."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._keys: OrderedDict[Hashable, None] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def add(self, key: Hashable) -> None:
        """Remember a key, and forget the oldest if there are too many."""
        self._keys[key] = None
        self._keys.move_to_end(key)
        if len(self._keys) > self._limit:
            self._keys.popitem(last=False)

    def discard(self, key: Hashable) -> None:
        """Forget a key, if it is remembered."""
        self._keys.pop(key, None)


class OnceHere:
    """Remembers what this process did."""

    def __init__(self) -> None:
        self._seen = Seen()

    async def is_first(self, *key: str) -> bool:
        """As `Once.is_first`."""
        first = key not in self._seen
        self._seen.add(key)
        return first

    async def forget(self, *key: str) -> None:
        """As `Once.forget`."""
        self._seen.discard(key)
