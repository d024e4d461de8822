"""How many wrong answers an address may give: counted by network, forgotten after an hour."""

import datetime as dt

from gateway.console.patience import Patience

START = dt.datetime(2026, 3, 5, 9, 30, tzinfo=dt.UTC)


class Clock:
    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> dt.datetime:
        return self.at


def test_an_address_waits_ever_longer_and_never_more_than_a_minute() -> None:
    now = Clock()
    patience = Patience(now)
    assert [patience.is_over("192.0.2.1") for _ in range(6)] == [False] * 5 + [True]
    for wait_s in (1, 2, 4, 8, 16, 32, 60, 60, 60):
        now.at += dt.timedelta(seconds=wait_s - 0.5)
        assert patience.is_over("192.0.2.1")
        now.at += dt.timedelta(seconds=0.5)
        assert not patience.is_over("192.0.2.1")
    assert not patience.is_over("192.0.2.2")
    now.at += dt.timedelta(hours=1, seconds=1)
    assert [patience.is_over("192.0.2.1") for _ in range(5)] == [False] * 5


def test_one_office_is_one_address() -> None:
    patience = Patience(Clock())
    answers = [patience.is_over(f"2001:db8::{number:x}") for number in range(6)]
    assert answers == [False] * 5 + [True]
    assert not patience.is_over("2001:db8:0:1::1")
    assert [patience.is_over(None) for _ in range(6)] == [False] * 5 + [True]


def test_many_addresses_together_are_slowed_down_and_kept_within_bounds() -> None:
    now = Clock()
    patience = Patience(now)
    answers = [patience.is_over(f"192.0.2.{number}") for number in range(200)]
    assert answers == [False] * 100 + [True] * 100
    for number in range(5000):
        now.at += dt.timedelta(minutes=1)
        assert not patience.is_over(f"10.0.{number // 250}.{number % 250}")
    assert len(patience._wrong) <= 4096
