"""What was said once and need not be said again: the newest so many keys, in memory."""

from collections import OrderedDict
from collections.abc import Hashable


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
