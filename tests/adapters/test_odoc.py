"""ODOC: the grounds of a referral, and what it says of an offence. The rest is shared."""

import pytest

from adapters.odoc import ADAPTER
from tests.adapters.referral_samples import GONE, changed, event, kept, stated
from tests.contract.test_adapter import AdapterContract

FORM = kept("odoc", "referral.in.json")


class TestOdoc(AdapterContract):
    adapter = ADAPTER


@pytest.mark.parametrize(
    ("ground", "words"),
    [
        ("violence", "a risk of serious violence"),
        ("sexual_harm", "a risk of sexual harm"),
        ("weapons", "a risk from access to weapons"),
        ("stalking", "a risk of stalking or harassment"),
        ("professional_judgement", "the referrer's professional judgement"),
    ],
)
def test_each_ground_is_said_in_words_and_states_no_level(ground: str, words: str) -> None:
    one = event(ADAPTER, changed(FORM, risk={"ground": ground}))
    assert one.kind == "conference.odoc_referred"
    assert stated(one, "risk_narrative") == {"nature": f"Ground of referral: {words}."}
    assert "rosh" not in one.groups


def test_domestic_abuse_and_a_conviction_are_carried_as_stated_and_never_assumed() -> None:
    assert stated(event(ADAPTER, FORM), "offence") == {"domestic_abuse": True, "convicted": False}
    less = changed(FORM, domestic_abuse=GONE, convicted=GONE)
    assert "offence" not in event(ADAPTER, less).groups


@pytest.mark.parametrize("abuse", [False, GONE])
def test_where_no_abuse_is_reported_a_victim_may_go_unstated(abuse: object) -> None:
    none = changed(FORM, domestic_abuse=abuse, victim=GONE)
    assert "victim" not in event(ADAPTER, none).groups
    unrelated = changed(FORM, domestic_abuse=abuse, victim={"recorded": True})
    assert stated(event(ADAPTER, unrelated), "victim") == {"recorded": True}
