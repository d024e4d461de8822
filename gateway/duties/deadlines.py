"""Calendar arithmetic of the clocks: days in Europe/London, bank holidays of England and Wales."""

import calendar
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays

from policies.clocks import Offset

_LONDON: Final = ZoneInfo("Europe/London")
_SATURDAY: Final = 5


def shifted(day: date, offset: Offset) -> date:
    """Return the day that lies an offset away.

    Months and years keep the day of the month, clipped to the end of a shorter month. Working days
    are counted from the day after (or before); an offset of none is the day itself. Pure.
    """
    if offset.working_days is not None:
        return working_days_from(day, offset.working_days)
    if offset.months is not None or offset.years is not None:
        return months_from(day, (offset.months or 0) + 12 * (offset.years or 0))
    return day + timedelta(days=offset.days or 0, weeks=offset.weeks or 0)


def months_from(day: date, months: int) -> date:
    """Return the same day of the month so many calendar months away, clipped. Pure."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def working_days_from(day: date, count: int) -> date:
    """Return the day so many working days after, or before if negative. Pure."""
    step = timedelta(days=1 if count > 0 else -1)
    for _ in range(abs(count)):
        day += step
        while not is_working_day(day):
            day += step
    return day


def is_working_day(day: date) -> bool:
    """Return whether a day is neither of a weekend nor a bank holiday. Pure."""
    return day.weekday() < _SATURDAY and day not in _bank_holidays(day.year)


def day_starts(day: date) -> datetime:
    """Return the first moment of a day in Europe/London, aware. Pure."""
    return datetime.combine(day, time.min, _LONDON)


@lru_cache(maxsize=64)
def _bank_holidays(year: int) -> frozenset[date]:
    # England's are those of Wales too.
    return frozenset(holidays.country_holidays("GB", subdiv="ENG", years=year))
