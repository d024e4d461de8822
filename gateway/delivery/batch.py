"""Which alerts share one post, where an endpoint takes several. Pure.

Together go alerts that wait now because their lane is full: nothing waits to fill a post, and what
is urgent goes alone. After a post that failed as a whole its alerts go in parts, an eighth as large
each time, so that after at most three more each is alone and one that the receiver chokes on keeps
nobody else's back. How often an alert was tried says how large its part is: that is in the outbox,
so a restart changes nothing.
"""

import re
from collections import deque
from typing import Final

from gateway.model.outcome import Deferred, Outcome
from gateway.store.outbox import OutboxRow

ABREAST: Final = 4  # posts under way at once: the fuller a lane, the more goes in the next
_HALVINGS: Final = 3  # at each failure
_AROUND_BYTES: Final = 500  # of an event, beside what is sealed and proven

# It read the body and choked, or may have: not what is said of a whole route, or of too many posts.
_OVER_THE_CONTENT: Final = re.compile(r"http-(?!401|403|404|429|503)[45]\d\d")

Load = tuple[OutboxRow, ...]


def share(attempts: int, most: int) -> int:
    """Return how many alerts tried so often may share a post, 1 or more."""
    return max(1, most >> _HALVINGS * min(attempts, 3))


def bytes_of(row: OutboxRow) -> int:
    """Return about how many bytes a row is in a post; what leaves is measured again."""
    return len(row.sealed) + len(row.proof) + _AROUND_BYTES


def take_together(line: deque[Load], most: int, most_bytes: int) -> Load:
    """Take off a line the first load and what may share its post, in the order it stood.

    Args:
        line: Loads of a row each, no two about one person, and digests; one or more.
        most: Alerts that never failed in one post.
        most_bytes: The longest post.
    """
    load = line.popleft()
    first = load[0]
    number = 1 if first.digest else share(first.attempts, most)
    if number == 1:
        return load
    members, passed, room = [first], deque[Load](), most_bytes - bytes_of(first)
    while line and len(members) < number:
        row = line[0][0]
        if row.digest or share(row.attempts, most) != number:
            passed.append(line.popleft())
            continue
        room -= bytes_of(row)
        if room < 0:
            break
        members.append(line.popleft()[0])
    line.extendleft(reversed(passed))
    return tuple(members)


def parts_at_once(said: Outcome) -> bool:
    """Return whether the alerts of a post that failed so are tried at once, in parts."""
    return (
        isinstance(said, Deferred)
        and said.after is None
        and (said.outcome_unknown or _OVER_THE_CONTENT.fullmatch(said.reason) is not None)
    )
