"""The circuit breaker and the rate limit: what they allow, whatever happens and whenever."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.breaker import Breaker, BreakerTerms, Verdict
from gateway.delivery.outcomes import verdict_of
from gateway.delivery.rate import Rate
from gateway.model.outcome import Accepted, Deferred, Outcome, Rejected

TERMS = BreakerTerms(failures=5, shortest_s=30, longest_s=900)


def breaker(seed: int = 1) -> Breaker:
    return Breaker(TERMS, random.Random(seed))


def fail(one: Breaker, now: float, times: int = 5) -> None:
    for _ in range(times):
        one.ended("failed", now, probe=one.begin(now))


def test_it_opens_after_five_failures_in_a_row_and_not_before() -> None:
    one = breaker()
    fail(one, 0.0, 4)
    one.ended("answered", 0.0, probe=one.begin(0.0))
    fail(one, 0.0, 4)
    assert one.wait(0.0) == 0.0
    assert one.ended("failed", 0.0, probe=one.begin(0.0)) == "opened"
    assert one.is_open
    with pytest.raises(RuntimeError):
        one.begin(1.0)


def test_half_open_lets_one_probe_through_and_an_answer_closes_it() -> None:
    one = breaker()
    fail(one, 0.0)
    wait = one.wait(0.0)
    assert wait is not None
    assert 30 <= wait <= 60
    assert one.begin(wait)
    assert one.wait(wait) is None, "one probe at a time"
    assert one.ended("answered", wait, probe=True) == "closed"
    assert one.wait(wait) == 0.0


def test_a_probe_that_says_nothing_of_the_endpoint_makes_way_for_another() -> None:
    one = breaker()
    fail(one, 0.0)
    assert one.begin(60.0)
    assert one.ended("neither", 60.0, probe=True) is None
    assert one.is_open
    assert one.begin(60.0)


def test_what_began_before_it_opened_neither_lengthens_nor_ends_the_probe() -> None:
    one = breaker()
    fail(one, 0.0)
    until = one.wait(0.0)
    one.ended("failed", 1.0, probe=False)
    assert one.wait(0.0) == until
    assert one.begin(60.0)
    one.ended("failed", 60.0, probe=False)
    assert one.wait(60.0) is None
    assert one.ended("answered", 61.0, probe=False) == "closed", "it answers: that is enough"


@given(st.integers(0, 2**32), st.integers(1, 20))
def test_it_stays_open_longer_each_time_within_its_bounds(seed: int, probes: int) -> None:
    one, now = breaker(seed), 0.0
    fail(one, now)
    waits: list[float] = []
    for _ in range(probes):
        wait = one.wait(now)
        assert wait is not None
        waits.append(wait)
        now += wait
        now += 1e-6 if one.wait(now) else 0.0
        assert one.begin(now)
        assert one.ended("failed", now, probe=True) is None
    assert all(29.99 <= wait <= 900 for wait in waits)
    assert all(later >= earlier * 0.5 for earlier, later in pairwise(waits))
    assert probes < 6 or waits[-1] >= 450


@given(
    st.lists(
        st.tuples(st.floats(0, 2000), st.sampled_from(["answered", "failed", "neither"])),
        max_size=60,
    )
)
def test_it_never_shuts_for_good(steps: list[tuple[float, Verdict]]) -> None:
    one, now = breaker(), 0.0
    for passes, verdict in steps:
        now += passes
        if one.wait(now) == 0.0:
            one.ended(verdict, now, probe=one.begin(now))
        assert one.wait(now + 900.0) == 0.0


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Accepted(), "answered"),
        (Deferred(reason="timeout", outcome_unknown=True), "failed"),
        (Deferred(reason="connect"), "failed"),
        (Deferred(reason="tls"), "failed"),
        (Deferred(reason="dns"), "failed"),
        (Deferred(reason="connection-lost"), "failed"),
        (Deferred(reason="http-503"), "failed"),
        (Deferred(reason="notify-500"), "failed"),
        (Deferred(reason="smtp-421"), "failed"),
        (Deferred(reason="http-429"), "answered"),
        (Deferred(reason="notify-429-today"), "answered"),
        (Deferred(reason="http-404"), "answered"),
        (Deferred(reason="smtp-451"), "answered"),
        (Rejected(reason="http-410"), "answered"),
        (Deferred(reason="no-endpoint"), "neither"),
        (Deferred(reason="key-revoked"), "neither"),
        (Deferred(reason="not-signed"), "neither"),
        (Deferred(reason="fault-ValueError"), "neither"),
        (Deferred(reason="sms-cap"), "neither"),
        (Rejected(reason="address-refused"), "neither"),
        (Rejected(reason="exercise"), "neither"),
    ],
)
def test_what_an_outcome_says_of_its_endpoint(outcome: Outcome, verdict: Verdict) -> None:
    assert verdict_of(outcome) == verdict


@given(
    st.integers(1, 600),
    st.lists(st.floats(0, 90), min_size=1, max_size=200),
)
def test_no_minute_holds_more_than_was_agreed(per_minute: int, pauses: list[float]) -> None:
    rate, now, taken = Rate(per_minute), 0.0, list[float]()
    for pause in pauses:
        now += pause
        while len(taken) < 2000 and rate.wait(now) == 0.0:
            rate.take(now)
            taken.append(now)
    for first, begin in enumerate(taken):
        within = sum(1 for at in taken[first:] if at < begin + 59.9999)
        assert within <= per_minute


@given(st.integers(1, 600))
def test_a_rate_is_made_use_of(per_minute: int) -> None:
    rate, now, taken = Rate(per_minute), 0.0, 0
    while now < 600.0:
        wait = rate.wait(now)
        now += wait
        if rate.wait(now) == 0.0:
            rate.take(now)
            taken += 1
        else:
            now += 1e-6
    assert taken >= 9 * per_minute


def test_no_rate_is_no_limit_and_a_changed_one_holds_from_then_on() -> None:
    rate = Rate()
    for _ in range(1000):
        rate.take(0.0)
    rate.limit(60)
    taken = 0
    while rate.wait(0.0) == 0.0:
        rate.take(0.0)
        taken += 1
    assert taken == 6
    with pytest.raises(RuntimeError):
        rate.take(0.0)
    rate.limit(None)
    assert rate.wait(0.0) == 0.0
    with pytest.raises(ValueError, match="1 a minute"):
        rate.limit(0)


def test_a_clock_that_goes_back_gives_nothing_twice() -> None:
    rate = Rate(1)
    rate.take(100.0)
    assert rate.wait(0.0) > 0.0
    assert rate.wait(100.0) == pytest.approx(60.0)
