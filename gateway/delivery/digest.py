"""A digest: one content-free notice for several alerts of one mailbox. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from gateway.store.outbox import OutboxRow

MOST: Final = 50  # alerts in one notice; what is over leaves in another


def is_listed(row: OutboxRow) -> bool:
    """Return whether an alert leaves as one of several in a notice."""
    return row.digest and row.form == "notice"


def notices(rows: Sequence[OutboxRow]) -> Iterator[tuple[OutboxRow, ...]]:
    """Yield the alerts of each notice, in order."""
    listed = [row for row in rows if is_listed(row)]
    for first in range(0, len(listed), MOST):
        yield tuple(listed[first : first + MOST])


def digest_text(alerts: Sequence[tuple[str, str]]) -> bytes:
    """Return the notice that lists alerts.

    Args:
        alerts: Reference and pick-up link of each, in the order they are to be read; one or more.

    Raises:
        ValueError: none, or more than a notice lists.
    """
    if not 1 <= len(alerts) <= MOST:
        raise ValueError(f"a digest lists 1 to {MOST} alerts")
    listed = "\n".join(f"Reference: {reference}\n{link}\n" for reference, link in alerts)
    return DIGEST.format(count=len(alerts), listed=listed).encode()


DIGEST: Final = """\
Messages for information are waiting for you: {count}.

They are not in this email. To read each, once, open its page and confirm who you are.
Opening a page alone does nothing.

{listed}
If you did not expect this, do not reply: tell your information security team.
"""
