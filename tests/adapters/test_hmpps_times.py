"""Java dates with a named zone: read exactly, and never guessed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hmpps_domain_events.times import parse_java_date

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
    time=st.datetimes(),
    zone=st.sampled_from(sorted(_OFFSETS)),
)
def test_what_java_prints_is_read_back(time: datetime, zone: str) -> None:
    expected = time.replace(microsecond=0, tzinfo=timezone(_OFFSETS[zone]))
    parsed = parse_java_date(java(time, zone))
    assert parsed == expected
    assert parsed.date() == time.date()


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
