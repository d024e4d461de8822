"""The short reference of an alert: what a human reads out, and answers a text with."""

import re
from typing import Final

from gateway.model.ids import AlertId

_PLAIN: Final = re.compile(r"[0-9A-Z]{12}")


def reference(alert: AlertId) -> str:
    """Return an alert's reference: the last 12 characters of its id, in threes. Pure."""
    tail = plain_reference(alert)
    return "-".join(tail[i : i + 3] for i in range(0, 12, 3))


def plain_reference(alert: AlertId) -> str:
    """Return an alert's reference without dashes. Pure."""
    return alert[-12:].upper()


def read_reference(text: str) -> str | None:
    """Return a reference as typed by a human without dashes and spaces, or None. Pure."""
    plain = re.sub(r"[\s-]", "", text).upper()
    return plain if _PLAIN.fullmatch(plain) else None
