"""Which of an endpoint's keys may be sealed to, if any."""

import datetime as dt
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.keyring import HeldKey, RecipientKey, confirmed, joined, usable_key

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
TIMES = st.none() | st.integers(-3, 3).map(lambda days: NOW + dt.timedelta(days=days))
KEYS = st.lists(
    st.builds(
        HeldKey,
        key=st.integers(0, 3).map(lambda n: RecipientKey(form="hpke", key_id=f"k{n}", public="")),
        added_at=st.just(NOW),
        confirmed_at=TIMES,
        valid_from=TIMES,
        valid_until=TIMES,
        revoked_at=TIMES,
        vouched_until=TIMES,
        needs_vouching=st.booleans(),
    ),
    max_size=5,
)


@given(KEYS)
def test_a_key_is_used_only_if_nothing_speaks_against_it(keys: list[HeldKey]) -> None:
    found = usable_key(keys, NOW)
    if isinstance(found, str):
        assert found == "no-key" or any(one.trouble(NOW) == found for one in keys)
        return
    assert found.confirmed_at is not None
    assert found.revoked_at is None or found.revoked_at > NOW
    assert found.valid_until is None or found.valid_until >= NOW
    assert found.valid_from is None or found.valid_from <= NOW
    if found.needs_vouching:
        assert found.vouched_until is not None
        assert found.vouched_until >= NOW
    begun = [one for one in keys if one.valid_from is None or one.valid_from <= NOW]
    assert all(one.confirmed_at <= found.confirmed_at for one in begun if one.confirmed_at)


@given(KEYS)
def test_no_older_key_stands_in_for_one_that_may_not_be_used(keys: list[HeldKey]) -> None:
    found = usable_key(keys, NOW)
    newest = HeldKey(
        key=RecipientKey(form="hpke", key_id="newest", public=""),
        added_at=NOW,
        confirmed_at=NOW + dt.timedelta(days=9),
        revoked_at=NOW,
    )
    assert usable_key([*keys, newest], NOW) == "revoked"
    unconfirmed = replace(newest, confirmed_at=None)
    if isinstance(found, HeldKey):
        assert usable_key([*keys, unconfirmed], NOW) == found


def test_a_confirmed_key_that_is_not_valid_yet_leaves_the_one_before_it_in_use() -> None:
    key = RecipientKey(form="hpke", key_id="k", public="")
    held = confirmed(key, at=NOW - dt.timedelta(days=9), by="DPO-EXAMPLE")
    begins = NOW + dt.timedelta(days=1)
    to_come = replace(confirmed(replace(key, key_id="n"), at=NOW, by="DPO-EXAMPLE"),
                      valid_from=begins)  # fmt: skip
    assert usable_key([held, to_come], NOW) == held
    assert usable_key([held, to_come], begins) == to_come
    assert usable_key([to_come], NOW) == "not-yet-valid"


@given(KEYS, KEYS)
def test_bringing_keys_never_forgets_nor_revives_one(
    held: list[HeldKey], brought: list[HeldKey]
) -> None:
    after = {one.key.key_id: one for one in joined(held, brought)}
    assert set(after) == {one.key.key_id for one in (*held, *brought)}
    for before in {one.key.key_id: one for one in held}.values():
        assert after[before.key.key_id].revoked_at == before.revoked_at
        assert after[before.key.key_id].valid_until == before.valid_until


def test_a_key_brought_again_confirmed_is_confirmed_and_not_the_other_way_round() -> None:
    key = RecipientKey(form="hpke", key_id="k", public="")
    sure = confirmed(key, at=NOW, by="DPO-EXAMPLE")
    unsure = replace(sure, confirmed_at=None, confirmed_by=None)
    assert joined((unsure,), (sure,))[0].confirmed_by == "DPO-EXAMPLE"
    assert joined((sure,), (unsure,))[0].confirmed_by == "DPO-EXAMPLE"
