"""MARAC: the grounds of a referral, and what it says of an offence. The rest is shared."""

import pytest

from adapters.marac import ADAPTER
from tests.adapters.referral_samples import GONE, changed, event, kept, stated
from tests.contract.test_adapter import AdapterContract

FORM = kept("marac", "referral.in.json")


class TestMarac(AdapterContract):
    adapter = ADAPTER


@pytest.mark.parametrize(
    ("ground", "words"),
    [
        ("visible_high_risk", "visible high risk"),
        ("professional_judgement", "the referrer's professional judgement"),
        ("escalation", "potential escalation"),
    ],
)
def test_each_ground_is_said_in_words_and_states_no_level(ground: str, words: str) -> None:
    one = event(ADAPTER, changed(FORM, risk={"ground": ground}))
    assert one.kind == "conference.marac_referred"
    assert stated(one, "risk_narrative") == {"nature": f"Ground of referral: {words}."}
    assert "rosh" not in one.groups


def test_a_referral_is_of_domestic_abuse_reported_and_not_proved() -> None:
    one = event(ADAPTER, changed(FORM, convicted=GONE))
    assert stated(one, "offence") == {"domestic_abuse": True}
    assert one.groups["offence"]["assertion"] == "assessment"


@pytest.mark.parametrize("convicted", [True, False])
def test_a_conviction_is_carried_as_stated(convicted: bool) -> None:
    one = event(ADAPTER, changed(FORM, convicted=convicted))
    assert stated(one, "offence")["convicted"] is convicted
