"""Every entry a question needs, page after page, and how much was looked at."""

from dataclasses import dataclass
from typing import Any, Final

from gateway.audit.asking import Asking
from gateway.store.log_index import Query, search

MOST: Final = 20_000  # entries one answer is made from
_PAGE: Final = 1000

Logged = tuple[int, dict[str, Any]]  # leaf index, entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Entries, newest first, of those the asker may see."""

    entries: tuple[Logged, ...]
    next: int | None  # pass as `after`; None: these are all


def every(asking: Asking, query: Query, *, after: int | None = None, most: int = MOST) -> Gathered:
    """Return the entries a query means that are the asker's to see. Reads only.

    Raises:
        NotLogged: as `Asking.reader`.
    """
    found: list[Logged] = []
    while True:
        page = search(asking.reader, query, after=after, limit=min(_PAGE, most - len(found)))
        found += [one for one in page.entries if asking.sees(one[1])]
        after = page.next
        if after is None or len(found) >= most:
            return Gathered(entries=tuple(found), next=after)
