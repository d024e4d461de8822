"""Quiet hours and digests: what may wait, until when, and that nothing urgent ever does."""

import datetime as dt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.clock import LONDON
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.party import ChannelName, Endpoint, Form, QuietHours, Recipient
from gateway.quiet import digest_at, end_of_quiet, quiet_until

TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
NOWS = st.datetimes(
    dt.datetime(2026, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    dt.datetime(2027, 12, 31),  # noqa: DTZ001
    timezones=st.just(dt.UTC),
)
CHANNELS = st.sampled_from(["webhook", "email", "sms", "mesh"])
FORMS = st.sampled_from(["sealed", "notice", "pointer"])
HOUR = dt.timedelta(hours=1)
# Clocks in London went forward at 01:00 UTC on the first and back at 01:00 UTC on the second.
FORWARD = dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC)
BACK = dt.datetime(2026, 10, 25, 1, tzinfo=dt.UTC)


def asleep(begin: dt.time, end: dt.time, digest: dt.time | None = None) -> Recipient:
    return Recipient(
        id=RecipientId("one"), organisation="Example", organisation_class="police",
        role="police_offender_manager", areas=frozenset(), endpoints=(),
        quiet=QuietHours(begin=begin, end=end), digest=digest,
    )  # fmt: skip


def over(channel: ChannelName) -> Endpoint:
    return Endpoint(id=EndpointId(f"one/{channel}"), channel=channel, address="of-no-matter")


@given(begin=TIMES, end=TIMES, now=NOWS, channel=CHANNELS, form=FORMS)
def test_imminent_risk_never_waits(
    begin: dt.time, end: dt.time, now: dt.datetime, channel: ChannelName, form: Form
) -> None:
    one = asleep(begin, end, digest=end)
    assert quiet_until(one, over(channel), urgent=True, acknowledge_by=None, now=now) is None
    assert (
        digest_at(
            one, over(channel), form, urgent=True, for_action=False, acknowledge_by=None, now=now
        )
        is None
    )


@given(begin=TIMES, end=TIMES, now=NOWS, channel=CHANNELS)
def test_systems_take_all_hours(
    begin: dt.time, end: dt.time, now: dt.datetime, channel: ChannelName
) -> None:
    until = quiet_until(
        asleep(begin, end), over(channel), urgent=False, acknowledge_by=None, now=now
    )
    assert until is None or channel in {"email", "sms"}


@given(begin=TIMES, end=TIMES, now=NOWS, minutes=st.integers(-600, 3000))
def test_what_must_be_answered_before_the_quiet_ends_is_not_muted(
    begin: dt.time, end: dt.time, now: dt.datetime, minutes: int
) -> None:
    by = now + dt.timedelta(minutes=minutes)
    until = quiet_until(asleep(begin, end), over("sms"), urgent=False, acknowledge_by=by, now=now)
    assert until is None or now < until < by


@given(begin=TIMES, end=TIMES, now=NOWS)
@example(begin=dt.time(22), end=dt.time(1, 30), now=FORWARD - HOUR)  # a time that day lacks
@example(begin=dt.time(22), end=dt.time(1, 30), now=BACK - HOUR)  # and one it has twice
@example(begin=dt.time(22), end=dt.time(1, 30), now=BACK + HOUR / 4)
def test_the_quiet_ends_later_than_now_and_within_a_day(
    begin: dt.time, end: dt.time, now: dt.datetime
) -> None:
    until = end_of_quiet(QuietHours(begin=begin, end=end), now)
    if until is None:
        return
    assert now < until <= now + 25 * HOUR
    assert until.utcoffset() == dt.timedelta()


@given(begin=TIMES, end=TIMES, now=NOWS)
def test_outside_quiet_hours_nothing_waits_and_inside_something_does(
    begin: dt.time, end: dt.time, now: dt.datetime
) -> None:
    here = now.astimezone(LONDON).time()
    within = begin <= here < end if begin <= end else (here >= begin or here < end)
    assert (end_of_quiet(QuietHours(begin=begin, end=end), now) is not None) == within


@pytest.mark.parametrize(
    ("now", "until"),
    [
        # Midnight before the clocks go forward: eight in the morning is seven hours away in UTC.
        (dt.datetime(2026, 3, 29, 0, tzinfo=dt.UTC), dt.datetime(2026, 3, 29, 7, tzinfo=dt.UTC)),
        (dt.datetime(2026, 3, 28, 0, tzinfo=dt.UTC), dt.datetime(2026, 3, 28, 8, tzinfo=dt.UTC)),
        # And before they go back: nine hours by UTC from 23:00 UTC, which is midnight in London.
        (dt.datetime(2026, 10, 24, 23, tzinfo=dt.UTC), dt.datetime(2026, 10, 25, 8, tzinfo=dt.UTC)),
        (dt.datetime(2026, 10, 23, 23, tzinfo=dt.UTC), dt.datetime(2026, 10, 24, 7, tzinfo=dt.UTC)),
    ],
)
def test_mornings_are_by_the_clock_in_london(now: dt.datetime, until: dt.datetime) -> None:
    assert end_of_quiet(QuietHours(begin=dt.time(22), end=dt.time(8)), now) == until


def test_the_repeated_hour_is_quiet_twice() -> None:
    quiet = QuietHours(begin=dt.time(1, 15), end=dt.time(1, 45))
    for now in (BACK - HOUR / 2, BACK + HOUR / 2):  # half past one, and half past one again
        assert now.astimezone(LONDON).time() == dt.time(1, 30)
        until = end_of_quiet(quiet, now)
        assert until is not None
        assert until > now


@given(at=TIMES, now=NOWS, channel=CHANNELS, form=FORMS, action=st.booleans())
def test_a_digest_gathers_routine_notices_for_information_and_nothing_else(
    at: dt.time, now: dt.datetime, channel: ChannelName, form: Form, action: bool
) -> None:
    one = asleep(dt.time(22), dt.time(8), digest=at)
    until = digest_at(
        one, over(channel), form, urgent=False, for_action=action, acknowledge_by=None, now=now
    )
    if until is None:
        assert action or form == "sealed" or channel not in {"email", "sms"}
    else:
        assert now < until <= now + 25 * HOUR
        assert not action
    by = now + 48 * HOUR
    answered = digest_at(
        one, over(channel), form, urgent=False, for_action=False, acknowledge_by=by, now=now
    )
    assert answered is None
