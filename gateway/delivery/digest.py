"""The text of a digest: one content-free notice for several alerts of one mailbox. Pure."""

from collections.abc import Sequence
from typing import Final

MOST: Final = 50  # alerts in one notice; what is over leaves in another


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
