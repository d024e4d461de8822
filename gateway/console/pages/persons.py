"""Whom somebody means by what they typed: a reference, or an identifier whose form says its kind.

What was typed is never kept, logged or shown again.
"""

import re
from contextlib import suppress
from typing import Final

from gateway.clock import day
from gateway.console.own import ConsoleOwn
from gateway.model.ids import PersonRef
from gateway.people import MATCHED
from gateway.store import people
from gateway.store.merges import root

_REF: Final = re.compile(r"per_[0-9a-f]{32}")


def named(own: ConsoleOwn, typed: str) -> PersonRef | None:
    """Return the person meant; None if nobody known is. Reads only.

    An erased person is found by reference only, for what was disclosed stays disclosed.
    """
    connection = own.store.reader
    if _REF.fullmatch(typed):
        known = connection.execute("SELECT 1 FROM person WHERE ref = ?", (typed,)).get
        return root(connection, PersonRef(typed)) if known else None
    today = day(own.now())
    for kind in MATCHED:
        with suppress(ValueError):
            found = people.find(connection, own.store.sealed, kind, typed, today=today)
            if found is not None:
                return found
    return None
