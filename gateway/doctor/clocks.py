"""The clock: whether it agrees with the serving gateway, and with the times of its own files."""

import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.doctor.asked import Asked
from gateway.doctor.finding import Finding, error, ok, unknown, warning
from gateway.store.place import SqlitePlace
from gateway.store.sqlite import StoreUnavailable
from gateway.store.times import moment

_SLIGHT: Final = timedelta(seconds=3)  # the header is cut to seconds, and the answer takes time
_WRONG: Final = timedelta(seconds=60)
_TIMEOUT_S: Final = 5.0
_SET_IT: Final = (
    "Set the clock by a time server (chronyd does it slowly): docs/runbook.md, Clock skew."
)
_SUMMER: Final = datetime(2026, 7, 1, 12, tzinfo=UTC)
_SCHEME: Final = re.compile(r"https?://")


def examine(asked: Asked) -> Iterator[Finding]:
    """Yield what can be told of the clock without asking a time server."""
    yield _zone()
    yield from _past(asked)
    if asked.url is not None:
        yield _served(asked.url, asked.now)


def _zone() -> Finding:
    check = "clock.zone"
    try:
        summer = _SUMMER.astimezone(ZoneInfo("Europe/London")).utcoffset()
    except ZoneInfoNotFoundError:
        summer = None
    if summer != timedelta(hours=1):
        return error(check, "The time zone Europe/London is not known here.", "Install tzdata.")
    offset = time.localtime().tm_gmtoff // 60
    return ok(check, f"Europe/London is known; the machine's own zone is UTC{offset:+d} min.")


def _past(asked: Asked) -> Iterator[Finding]:
    """Yield whether something here is from a time still to come: then the clock is behind."""
    check = "clock.past"
    newest = [asked.config.file.stat().st_mtime]
    try:
        if isinstance(asked.place, SqlitePlace):
            newest.append(asked.place.path.stat().st_mtime)
        with asked.reader() as connection:
            received = connection.execute("SELECT max(received_at) FROM receipt").get
            if received is not None:
                newest.append(moment(received).timestamp())
    except (OSError, StoreUnavailable):
        yield unknown(check, "The times in the database cannot be read.", "See the other findings.")
        return
    ahead = timedelta(seconds=max(newest) - asked.now.timestamp())
    if ahead > _WRONG:
        text = f"The newest of the gateway's own times is {_said(ahead)} ahead of this clock."
        yield error(check, text, _SET_IT)
    else:
        yield ok(check, "Nothing the gateway wrote is from a time still to come.")


def _served(url: str, now: datetime) -> Finding:
    check = "clock.served"
    if not _SCHEME.match(url):
        return unknown(check, "--url is no web address.", "Give it as https://HOST.")
    request = urllib.request.Request(url.rstrip("/") + "/health/live", method="GET")  # noqa: S310
    began = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            stated = answer.headers.get("Date")
    except (urllib.error.URLError, OSError, ValueError):
        return unknown(check, "The gateway does not answer at --url.", "Is it serving there?")
    if stated is None:
        return unknown(check, "The answer at --url states no time.", "Ask the gateway itself.")
    try:
        theirs = parsedate_to_datetime(stated)
    except ValueError:
        return unknown(check, "The answer at --url states no time.", "Ask the gateway itself.")
    took = timedelta(seconds=time.monotonic() - began)
    apart = abs(theirs - now) - took
    if apart > _WRONG:
        return error(check, f"The serving gateway's clock is {_said(apart)} away.", _SET_IT)
    if apart > _SLIGHT:
        return warning(check, f"The serving gateway's clock is {_said(apart)} away.", _SET_IT)
    return ok(check, "The serving gateway's clock agrees with this one.")


def _said(span: timedelta) -> str:
    return f"{int(span.total_seconds())} s"
