"""Dates as the probation system prints them: Java's ``Date.toString``, with a named zone."""

import re
from datetime import datetime, timedelta, timezone
from typing import Final

_FORM: Final = re.compile(
    r"(?P<weekday>[A-Z][a-z]{2}) (?P<month>[A-Z][a-z]{2}) (?P<day>[0-9]{2}) "
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2}) (?P<zone>[A-Z]{3}) "
    r"(?P<year>[0-9]{4})"
)
# English always, as Java prints them: strptime would read the names of the host's locale.
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_ZONES: Final = {
    "GMT": timezone(timedelta(0), "GMT"),
    "BST": timezone(timedelta(hours=1), "BST"),  # British, not Bangladesh, Summer Time
}


def parse_java_date(text: str) -> datetime:
    """Return the aware time of e.g. ``Fri Jun 14 00:00:00 BST 2024``.

    Raises:
        ValueError: another form, no such day, a weekday that is not that day's, or a zone other
            than GMT and BST. Never guesses a zone, never quotes the text.

    Source: java.util.Date.toString. Pure.
    """
    match = _FORM.fullmatch(text)
    if match is None or match["month"] not in _MONTHS or match["zone"] not in _ZONES:
        raise ValueError("must be a date like Fri Jun 14 00:00:00 BST 2024, in GMT or BST")
    try:
        time = datetime(
            int(match["year"]),
            _MONTHS.index(match["month"]) + 1,
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            int(match["second"]),
            tzinfo=_ZONES[match["zone"]],
        )
    except ValueError:
        raise ValueError("no such time in the calendar") from None
    if _WEEKDAYS[time.weekday()] != match["weekday"]:
        raise ValueError("the weekday is not that of the date")
    return time
