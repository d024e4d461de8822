"""Open tasks a page at a time, oldest first, by key. Reads only."""

import re
from collections.abc import Callable
from typing import Final

from gateway.store.engine import Connection
from gateway.store.tasks import Task, task_by_id

_KEY: Final = re.compile(r"(\d{1,16})-(tsk_[0-9a-f]{32})")
_PAGE: Final = 50
_LOOKED_AT: Final = 500  # of which a visitor may see some, or none


def open_page(
    connection: Connection, *, decisions: bool, after: str, keep: Callable[[Task], bool]
) -> tuple[list[Task], str | None]:
    """Return one page of open tasks that may be shown, and what gives the next; None: this is all.

    Args:
        decisions: Those about telling somebody; else those about who is who.
        after: What the page before gave.
        keep: Whether a task may be shown.
    """
    found = _KEY.fullmatch(after)
    key = (int(found[1]), found[2]) if found else (0, "")
    rows = connection.execute(
        "SELECT opened_at, id FROM task WHERE state = 'open'"
        " AND CASE WHEN kind = 'disclosure' THEN 1 ELSE 0 END = ?"
        " AND (opened_at, id) > (?, ?) AND opened_at >= ? ORDER BY opened_at, id LIMIT ?",
        (int(decisions), *key, key[0], _LOOKED_AT),
    ).fetchall()
    shown: list[Task] = []
    for at, id_ in rows:
        task = task_by_id(connection, str(id_))
        if task is not None and keep(task):
            shown.append(task)
        if len(shown) == _PAGE:
            return shown, f"{at}-{id_}"
    more = f"{rows[-1][0]}-{rows[-1][1]}" if len(rows) == _LOOKED_AT else None
    return shown, more
