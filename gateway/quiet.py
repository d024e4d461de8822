"""What may wait: routine mail and texts in a recipient's quiet hours, routine notices for a digest.

Imminent risk never waits, nor what has to be answered before the waiting would end.
"""

from datetime import UTC, datetime, time, timedelta
from typing import Final

from gateway.clock import LONDON
from gateway.model.party import Endpoint, Form, QuietHours, Recipient

_WAITING_CHANNELS: Final = frozenset({"email", "sms"})  # what wakes people; systems take all hours


def quiet_until(
    recipient: Recipient,
    endpoint: Endpoint,
    *,
    urgent: bool,
    acknowledge_by: datetime | None,
    now: datetime,
) -> datetime | None:
    """Return until when an alert over an endpoint is kept, or None: it leaves now. Pure."""
    if urgent or recipient.quiet is None or endpoint.channel not in _WAITING_CHANNELS:
        return None
    end = end_of_quiet(recipient.quiet, now)
    late = end is not None and acknowledge_by is not None and acknowledge_by <= end
    return None if late else end


def digest_at(
    recipient: Recipient,
    endpoint: Endpoint,
    form: Form,
    *,
    urgent: bool,
    for_action: bool,
    acknowledge_by: datetime | None,
    now: datetime,
) -> datetime | None:
    """Return when a routine notice for information leaves together with others; None: alone.
    Pure."""
    if recipient.digest is None or urgent or for_action or acknowledge_by is not None:
        return None
    if form == "sealed" or endpoint.channel not in _WAITING_CHANNELS:
        return None
    return _next(recipient.digest, now)


def end_of_quiet(quiet: QuietHours, now: datetime) -> datetime | None:
    """Return when the quiet hours that `now` lies in end, or None outside them. Pure.

    By the clock in London: where the clocks go back, the repeated hour is quiet twice.
    """
    here = now.astimezone(LONDON).time()
    if quiet.begin <= quiet.end:
        within = quiet.begin <= here < quiet.end
    else:
        within = here >= quiet.begin or here < quiet.end
    return _next(quiet.end, now) if within else None


def _next(at: time, now: datetime) -> datetime:
    """Return the next time that a London clock shows `at`, later than `now`; a time that the clocks
    leave out is an hour later on them."""
    today = now.astimezone(LONDON).date()
    shown = [
        datetime.combine(today + timedelta(days=days), at.replace(fold=fold), LONDON)
        for days in (0, 1)
        for fold in (0, 1)
    ]
    # Compared in UTC: on the clock, the second showing of a repeated hour is not after the first.
    real = (one.astimezone(UTC) for one in shown if not one.fold or _is_shown(one))
    return min(one for one in real if one > now).astimezone(now.tzinfo)


def _is_shown(here: datetime) -> bool:
    """Whether a London clock ever shows this: going forward it leaves an hour out."""
    back = here.astimezone(UTC).astimezone(LONDON)
    return back.time() == here.time()
