"""Dates and times as agencies write them. Each form is stated; none is guessed.

A time without a zone is civil time in the United Kingdom: it is taken as Europe/London, and the
caller notes that it was. One that the clocks skip, or that they show twice, is refused.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo

LONDON: Final = ZoneInfo("Europe/London")

_JAVA: Final = re.compile(
    r"(?P<weekday>[A-Z][a-z]{2}) (?P<month>[A-Z][a-z]{2}) (?P<day>[0-9]{2}) "
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2}) (?P<zone>[A-Z]{3}) "
    r"(?P<year>[0-9]{4})"
)
# English always, as Java prints them: strptime would read the names of the host's locale.
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_ZONES: Final = {
    "GMT": timezone(timedelta(0), "GMT"),
    "BST": timezone(timedelta(hours=1), "BST"),  # British, not Bangladesh, Summer Time
}

# name -> (pattern with year, month, day; a spelling for people)
_DATE_FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    "YYYY-MM-DD": re.compile(r"(?P<y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"),
    "YYYYMMDD": re.compile(r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})"),
    "DD/MM/YYYY": re.compile(r"(?P<d>[0-9]{1,2})/(?P<m>[0-9]{1,2})/(?P<y>[0-9]{4})"),
    "DD-MM-YYYY": re.compile(r"(?P<d>[0-9]{1,2})-(?P<m>[0-9]{1,2})-(?P<y>[0-9]{4})"),
    "DD.MM.YYYY": re.compile(r"(?P<d>[0-9]{1,2})\.(?P<m>[0-9]{1,2})\.(?P<y>[0-9]{4})"),
    "DD Mon YYYY": re.compile(r"(?P<d>[0-9]{1,2}) (?P<m>[A-Z][a-z]{2}) (?P<y>[0-9]{4})"),
    "DD-Mon-YYYY": re.compile(r"(?P<d>[0-9]{1,2})-(?P<m>[A-Z][a-z]{2})-(?P<y>[0-9]{4})"),
}
DATE_FORMS: Final = tuple(_DATE_FORMS)

_CIVIL: Final = re.compile(
    r"(?P<date>[^T ]+|[0-9]{1,2} [A-Z][a-z]{2} [0-9]{4})[T ]"
    r"(?P<clock>[0-9]{2}:[0-9]{2}(:[0-9]{2})?)(\.[0-9]{1,9})?"
)


def parse_date(text: str, form: str = "YYYY-MM-DD") -> str:
    """Return a day as ``YYYY-MM-DD``.

    Args:
        text: The day.
        form: One of `DATE_FORMS`. Day before month always: the forms with a slash are British.

    Raises:
        ValueError: another form, or no such day. Never quotes the text.
        KeyError: no such form.

    Pure.
    """
    match = _DATE_FORMS[form].fullmatch(text)
    if match is None or not text.isascii():
        raise ValueError(f"must be a date, {form}")
    try:
        month = match["m"] if match["m"].isdigit() else MONTHS.index(match["m"]) + 1
        return date(int(match["y"]), int(month), int(match["d"])).isoformat()
    except ValueError:
        raise ValueError("no such day in the calendar") from None


def civil_time(text: str, form: str = "YYYY-MM-DD") -> datetime:
    """Return the aware time of a date and a clock time without a zone, as in London.

    Raises:
        ValueError: another form; no such time; or one that falls in the hour the clocks skip or
            repeat, which nobody can place without a zone. Never quotes the text.

    Pure.
    """
    match = _CIVIL.fullmatch(text)
    if match is None or not text.isascii():
        raise ValueError(f"must be a time, {form}THH:MM:SS")
    day = parse_date(match["date"], form)
    try:
        naive = datetime.fromisoformat(f"{day}T{match['clock']}")
    except ValueError:
        raise ValueError("no such time in the calendar") from None
    return in_london(naive)


def in_london(naive: datetime) -> datetime:
    """Return a naive time as the one moment it can mean in London.

    Raises:
        ValueError: the clocks skip or repeat it.

    Pure.
    """
    times = {naive.replace(tzinfo=LONDON, fold=fold).astimezone(UTC) for fold in (0, 1)}
    if len(times) > 1:
        raise ValueError("falls in the hour the clocks skip or repeat: state a zone")
    return naive.replace(tzinfo=LONDON)


def parse_java_date(text: str) -> datetime:
    """Return the aware time of e.g. ``Fri Jun 14 00:00:00 BST 2024``.

    Raises:
        ValueError: another form, no such day, a weekday that is not that day's, or a zone other
            than GMT and BST. Never guesses a zone, never quotes the text.

    Source: java.util.Date.toString. Pure.
    """
    match = _JAVA.fullmatch(text)
    if match is None or match["month"] not in MONTHS or match["zone"] not in _ZONES:
        raise ValueError("must be a date like Fri Jun 14 00:00:00 BST 2024, in GMT or BST")
    try:
        time = datetime(
            int(match["year"]),
            MONTHS.index(match["month"]) + 1,
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


def rfc3339(time: datetime) -> str:
    """Return an aware time in the form of the published events, to the second or finer."""
    return time.isoformat().replace("+00:00", "Z")
