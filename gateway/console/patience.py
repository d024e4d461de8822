"""How many wrong answers an address may give before it has to wait.

A right answer is never kept waiting: nobody can lock anybody out. What is over is answered without
an entry, so that nobody can fill the log from outside.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Final

_FREE: Final = 5  # wrong ones of an address before it waits between two
_FREE_OF_ALL: Final = 100
_LONGEST_S: Final = 60
_FORGOTTEN_AFTER: Final = timedelta(hours=1)
_ADDRESSES: Final = 4096
_ALL: Final = "*"


class Patience:
    """Counts wrong answers, of each address and of all. In memory: each worker has its own."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._wrong: OrderedDict[str, tuple[int, datetime]] = OrderedDict()

    def is_over(self, address: str | None) -> bool:
        """Return whether a wrong answer from there comes too soon after others; else count it."""
        own = _network(address)
        if self._must_wait(own, _FREE) or self._must_wait(_ALL, _FREE_OF_ALL):
            return True
        self._count(own)
        self._count(_ALL)
        return False

    def _must_wait(self, key: str, free: int) -> bool:
        count, last = self._wrong.get(key, (0, self._now()))
        if count < free:
            return False
        wait_s = min(2 ** min(count - free, 10), _LONGEST_S)
        return self._now() < last + timedelta(seconds=wait_s)

    def _count(self, key: str) -> None:
        now = self._now()
        count, last = self._wrong.pop(key, (0, now))
        self._wrong[key] = (1 if now > last + _FORGOTTEN_AFTER else count + 1, now)
        if len(self._wrong) > _ADDRESSES:
            self._wrong.popitem(last=False)


def _network(address: str | None) -> str:
    """Return what counts as one address: of IPv6, all that one household or office has."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return "unknown"
    if found.version == 4:
        return str(found)
    return str(ip_network(f"{found}/64", strict=False))
