"""Calendar arithmetic: month ends, leap years, bank holidays, the days the clocks change."""

from datetime import UTC, date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.duties.deadlines import (
    day_starts,
    is_working_day,
    months_from,
    shifted,
    working_days_from,
)
from policies.clocks import Offset

DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2026-08-31", -3, "2026-05-31"),
        ("2026-05-31", -3, "2026-02-28"),
        ("2028-05-31", -3, "2028-02-29"),
        ("2026-08-31", -6, "2026-02-28"),
        ("2026-03-31", -1, "2026-02-28"),
        ("2026-01-15", -3, "2025-10-15"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 12 * 15, "2039-02-28"),
        ("2024-02-29", 12 * 8, "2032-02-29"),
        ("2026-12-31", 2, "2027-02-28"),
    ],
)
def test_months_keep_the_day_clipped_to_the_months_end(
    day: str, months: int, expected: str
) -> None:
    assert months_from(date.fromisoformat(day), months) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("day", "count", "expected"),
    [
        ("2026-04-02", 1, "2026-04-07"),  # over Good Friday and Easter Monday
        ("2026-12-24", 1, "2026-12-29"),  # Boxing Day on a Saturday is kept on the Monday
        ("2026-05-01", 1, "2026-05-05"),
        ("2026-04-07", -1, "2026-04-02"),
        ("2026-06-06", 1, "2026-06-08"),
        ("2026-06-06", 0, "2026-06-06"),
        ("2026-12-31", 2, "2027-01-05"),
    ],
)
def test_working_days_leave_out_weekends_and_bank_holidays(
    day: str, count: int, expected: str
) -> None:
    assert working_days_from(date.fromisoformat(day), count) == date.fromisoformat(expected)


def test_scotlands_holiday_of_2_january_is_a_working_day_here() -> None:
    assert is_working_day(date(2025, 1, 2))
    assert not is_working_day(date(2025, 1, 1))


def test_the_first_moment_of_a_day_follows_the_clocks() -> None:
    starts = [day_starts(date(2026, 3, 29)), day_starts(date(2026, 3, 30))]
    assert starts[1].astimezone(UTC) - starts[0].astimezone(UTC) == timedelta(hours=23)
    assert day_starts(date(2026, 7, 1)).astimezone(UTC).hour == 23


@given(DAYS, st.integers(-48, 48))
def test_months_never_reach_beyond_the_month_meant(day: date, months: int) -> None:
    there = months_from(day, months)
    assert there.year * 12 + there.month == day.year * 12 + day.month + months
    assert there.day <= day.day


@given(DAYS, st.integers(1, 30))
def test_working_days_ahead_are_working_days_and_that_many(day: date, count: int) -> None:
    there = working_days_from(day, count)
    between = [day + timedelta(days=n) for n in range(1, (there - day).days + 1)]
    assert is_working_day(there)
    assert sum(is_working_day(one) for one in between) == count


@given(DAYS, st.integers(-60, 60))
def test_weeks_are_seven_days(day: date, count: int) -> None:
    assert shifted(day, Offset(weeks=count)) == shifted(day, Offset(days=7 * count))
