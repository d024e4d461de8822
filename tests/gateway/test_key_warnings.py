"""Which keys end soon, and which endpoints have none that may be used."""

import datetime as dt
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.key_warnings import WARN_DAYS, KeyWarning, key_warnings
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.keyring import HeldKey, RecipientKey, confirmed
from gateway.model.party import ChannelName, Endpoint, Recipient

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
KEY = RecipientKey(form="hpke", key_id="k", public="")
HELD = confirmed(KEY, at=NOW - DAY, by="DPO-EXAMPLE")


def warned(
    *keys: HeldKey, channel: ChannelName = "webhook", smime: bool = False
) -> list[KeyWarning]:
    endpoint = Endpoint(
        id=EndpointId("police/way"),
        channel=channel,
        address="https://example.org/hook",
        keys=keys,
        smime="gcm" if smime else None,
    )
    recipient = Recipient(
        id=RecipientId("police"),
        organisation="Example Police",
        organisation_class="police",
        role="police_offender_manager",
        areas=frozenset(),
        endpoints=(endpoint,),
    )
    return list(key_warnings([recipient], NOW))


@pytest.mark.parametrize(
    ("left", "within"),
    [
        (60 * DAY + dt.timedelta(seconds=1), None),
        (60 * DAY, 60),
        (30 * DAY + dt.timedelta(seconds=1), 60),
        (30 * DAY, 30),
        (7 * DAY + dt.timedelta(seconds=1), 30),
        (7 * DAY, 7),
        (dt.timedelta(0), 7),
    ],
)
def test_the_narrowest_of_60_30_and_7_days_is_said(left: dt.timedelta, within: int | None) -> None:
    found = warned(replace(HELD, valid_until=NOW + left))
    assert [one.within_days for one in found] == ([within] if within else [])
    assert all(one.ends == NOW + left and one.unusable is None for one in found)


@given(st.integers(-100, 100), st.none() | st.integers(0, 40))
def test_how_long_an_issuer_vouches_neither_hides_nor_makes_a_warning(
    days: int, vouched: int | None
) -> None:
    plain = replace(HELD, valid_until=NOW + days * DAY)
    anchored = replace(
        plain,
        needs_vouching=vouched is not None,
        vouched_until=None if vouched is None else NOW + vouched * DAY,
    )
    assert warned(anchored) == warned(plain)
    assert bool(warned(plain)) == (days <= WARN_DAYS[0])


def test_a_key_about_to_end_is_no_matter_once_its_successor_is_confirmed() -> None:
    ending = replace(HELD, valid_until=NOW + DAY)
    successor = replace(HELD, key=replace(KEY, key_id="n"), confirmed_at=NOW)
    assert warned(ending, successor) == []
    [still] = warned(ending, replace(successor, confirmed_at=None))
    assert still.within_days == 7


@pytest.mark.parametrize("channel", get_args(ChannelName))
def test_an_endpoint_without_a_key_is_named_where_it_wants_one(channel: ChannelName) -> None:
    found = warned(channel=channel)
    assert bool(found) == (channel in {"webhook", "mesh"})
    assert all(one.unusable == "no-key" for one in found)
    [unconfirmed] = warned(replace(HELD, confirmed_at=None), channel=channel)
    assert unconfirmed.unusable == "unconfirmed"


def test_mail_that_is_to_be_sealed_wants_a_key() -> None:
    assert [one.unusable for one in warned(channel="email", smime=True)] == ["no-key"]
