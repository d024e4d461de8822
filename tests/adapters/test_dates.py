"""Dates and times: read exactly in the form stated, and never guessed."""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kit.dates import (
    DATE_FORMS,
    LONDON,
    MONTHS,
    civil_time,
    in_london,
    parse_date,
    parse_java_date,
    rfc3339,
)
from gateway.model.groups import parse_time

_OFFSETS = {"GMT": timedelta(0), "BST": timedelta(hours=1)}


def java(time: datetime, zone: str) -> str:
    """Print as java.util.Date does: English names, in every locale."""
    weekday = "MonTueWedThuFriSatSun"[3 * time.weekday() :][:3]
    month = "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * time.month - 3 :][:3]
    return f"{weekday} {month} {time:%d %H:%M:%S} {zone} {time.year:04d}"


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("Fri Jun 14 00:00:00 BST 2024", datetime(2024, 6, 13, 23, tzinfo=UTC)),
        ("Fri Jun 14 09:06:52 BST 2024", datetime(2024, 6, 14, 8, 6, 52, tzinfo=UTC)),
        ("Thu Feb 20 00:08:57 GMT 2020", datetime(2020, 2, 20, 0, 8, 57, tzinfo=UTC)),
    ],
)
def test_published_dates_are_read_in_their_zone(text: str, utc: datetime) -> None:
    assert parse_java_date(text) == utc


@given(
    moment=st.datetimes(),
    zone=st.sampled_from(sorted(_OFFSETS)),
)
def test_what_java_prints_is_read_back(moment: datetime, zone: str) -> None:
    expected = moment.replace(microsecond=0, tzinfo=timezone(_OFFSETS[zone]))
    parsed = parse_java_date(java(moment, zone))
    assert parsed == expected
    assert parsed.date() == moment.date()


@pytest.mark.parametrize(
    "text",
    [
        "Fri Jun 14 00:00:00 2024",
        "Fri Jun 14 00:00:00 CET 2024",
        "Fri Jun 14 00:00:00 UTC 2024",
        "Sat Jun 14 00:00:00 BST 2024",
        "Fri Jun 31 00:00:00 BST 2024",
        "Fri Jun 14 24:00:00 BST 2024",
        "Fri Juni 14 00:00:00 BST 2024",
        "fri jun 14 00:00:00 bst 2024",
        "Fri Jun 14 00:00:00 BST 2024\n",
        "Fri Jun ١٤ 00:00:00 BST 2024",
        "2024-06-14",
        "",
    ],
)
def test_any_other_form_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_java_date(text)
    assert not text or text not in str(caught.value)
    assert caught.value.__cause__ is None


@given(text=st.text(max_size=40))
def test_arbitrary_text_is_a_value_error_and_nothing_else(text: str) -> None:
    with pytest.raises(ValueError):
        parse_java_date(text)


DAYS = st.dates()
CLOCKS = st.times().map(lambda time: time.replace(microsecond=0))


def written(day: date, form: str) -> str:
    parts = {
        "YYYY": f"{day.year:04d}", "MM": f"{day.month:02d}", "DD": f"{day.day:02d}",
        "Mon": MONTHS[day.month - 1],
    }  # fmt: skip
    return re.sub("YYYY|MM|DD|Mon", lambda match: parts[match.group()], form)


@pytest.mark.parametrize("form", DATE_FORMS)
@given(day=DAYS)
def test_a_day_is_read_back_in_every_form(form: str, day: date) -> None:
    assert parse_date(written(day, form), form) == day.isoformat()


@pytest.mark.parametrize("form", DATE_FORMS)
@given(text=st.text("0123456789/-. JanFeb٣", max_size=12))
def test_any_text_is_a_day_in_a_form_or_a_value_error(form: str, text: str) -> None:
    try:
        said = date.fromisoformat(parse_date(text, form)).isoformat()
    except ValueError as error:
        said = str(error)
        assert len(text.strip()) < 4 or text not in said
    assert said
    assert text.isascii() or "date" in said


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("02/13/2026", "DD/MM/YYYY"),  # no month before day
        ("29/02/2026", "DD/MM/YYYY"),
        ("00/01/2026", "DD/MM/YYYY"),
        ("2026-2-3", "YYYY-MM-DD"),
        ("26-02-03", "YYYY-MM-DD"),
        ("3 FEB 2026", "DD Mon YYYY"),
        ("3 Fév 2026", "DD Mon YYYY"),
        ("03/02/26", "DD/MM/YYYY"),
        ("0000-01-01", "YYYY-MM-DD"),
        ("2026-02-03 ", "YYYY-MM-DD"),
        ("2026-02-03\n", "YYYY-MM-DD"),
    ],
)
def test_a_day_in_no_form_or_of_no_calendar_is_refused(text: str, form: str) -> None:
    with pytest.raises(ValueError):
        parse_date(text, form)


@pytest.mark.parametrize("form", DATE_FORMS)
@pytest.mark.parametrize("between", ["T", " "])
@given(day=DAYS.filter(lambda day: 1 < day.year < 9999), clock=CLOCKS)
def test_a_civil_time_is_the_one_moment_it_means_in_london(
    form: str, between: str, day: date, clock: time
) -> None:
    naive = datetime.combine(day, clock)
    moments = {naive.replace(tzinfo=LONDON, fold=fold).astimezone(UTC) for fold in (0, 1)}
    text = f"{written(day, form)}{between}{clock.isoformat()}"
    if len(moments) > 1:
        with pytest.raises(ValueError, match="skip or repeat"):
            civil_time(text, form)
        return
    found = civil_time(text, form)
    assert found.astimezone(UTC) in moments
    assert found.replace(tzinfo=None) == naive


def changes_of(year: int) -> tuple[date, date]:
    """Return the last Sundays of March and October: when the clocks change, at one o'clock UTC."""
    ends = (date(year, 3, 31), date(year, 10, 31))
    spring, autumn = (end - timedelta(days=(end.weekday() + 1) % 7) for end in ends)
    return spring, autumn


@given(year=st.integers(1996, 2037), second=st.integers(0, 3599), which=st.sampled_from([0, 1]))
def test_the_hour_the_clocks_skip_or_repeat_is_refused_and_its_edges_are_not(
    year: int, second: int, which: int
) -> None:
    hour = datetime.combine(changes_of(year)[which], time(1))
    with pytest.raises(ValueError, match="skip or repeat"):
        in_london(hour + timedelta(seconds=second))
    before = in_london(hour - timedelta(seconds=1)).astimezone(UTC)
    after = in_london(hour + timedelta(hours=1)).astimezone(UTC)
    # In March an hour of the clock is missing between them; in October there are two.
    assert after - before == timedelta(seconds=1, hours=2 * which)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-03", "2026-02-03T", "2026-02-03T24:00", "2026-02-03T9:30", "2026-02-03T09:30:61",
        "2026-02-03T09:30Z", "2026-02-03T09:30+00:00", "2026-02-30T09:30", "", "T09:30",
        "2026-02-03T09:30:00.", "2026-02-03T٠٩:30",
    ],
)  # fmt: skip
def test_a_civil_time_in_no_form_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        civil_time(text)
    assert len(text) < 4 or text not in str(caught.value)


@given(time_=st.datetimes(timezones=st.just(UTC)), offset=st.integers(-14, 14))
def test_a_time_is_written_so_that_the_gateway_reads_it_as_it_was(
    time_: datetime, offset: int
) -> None:
    zone = timezone(timedelta(hours=offset))
    try:
        moved = time_.astimezone(zone)
    except OverflowError:
        return
    assert parse_time(rfc3339(moved)) == time_
