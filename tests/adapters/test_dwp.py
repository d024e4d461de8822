"""The restrictions notice to Jobcentre Plus: what not, whom to ask, and nothing on why."""

import json

import pytest

from adapters.dwp import ADAPTER
from tests.adapters.referral_samples import GONE, changed, content, declined, kept, malformed_at
from tests.contract.test_adapter import OutboundContract

RELEASE = kept("dwp", "release.alert.json")
VARIED = kept("dwp", "varied.alert.json")


class TestDwp(OutboundContract):
    adapter = ADAPTER


def test_a_notice_tells_restrictions_and_whom_to_ask() -> None:
    told = content(ADAPTER, RELEASE)["told"]
    assert told["licence"] == RELEASE["facts"]["licence"]
    assert told["professionals"]["community_offender_manager"]["contact"] == "01632 960105"
    assert told["custody"] == {"planned_date": "2026-03-23"}


@pytest.mark.parametrize(
    ("group", "members"),
    [
        ("offence", {"index_category": "marker", "sentence": "marker"}),
        ("custody", {"prison": "ZZI", "reason_code": "marker"}),
        ("mappa", {"category": 1, "level": 2}),
        ("rosh", {"staff": "high", "children": "high"}),
        ("licence", {"conditions": ["marker"], "child_conditions": ["marker"]}),
        ("children", {"at_risk": True, "contact_restrictions": ["marker"]}),
        ("location", {"home_area": "marker"}),
        ("identifiers", {"noms": "Z0009ZZ", "crn": "X999001"}),
    ],
)
def test_a_notice_says_nothing_on_why_or_on_risk(group: str, members: dict[str, object]) -> None:
    facts = RELEASE["facts"].get(group, {})
    notice = content(ADAPTER, changed(RELEASE, **{f"facts__{group}": facts | members}))
    assert not set(members) & set(notice["told"].get(group, {}))
    assert "marker" not in json.dumps(notice)


def test_an_insurance_number_is_there_only_where_told() -> None:
    assert content(ADAPTER, RELEASE)["told"]["identifiers"] == {"nino": "ZZ999901A"}
    assert "identifiers" not in content(ADAPTER, VARIED)["told"]


def test_a_first_notice_of_no_restriction_is_declined() -> None:
    assert "no condition" in declined(ADAPTER, changed(RELEASE, facts__licence=GONE))


@pytest.mark.parametrize("message", ["UPDATE", "CORRECTION"])
def test_a_later_notice_says_that_none_is_stated_any_more(message: str) -> None:
    notice = content(ADAPTER, changed(VARIED, message_type=message))
    assert notice["restrictions"] == "NOT_STATED"
    assert notice["disclosure"]["supersedes"] == VARIED["supersedes"]
    assert "restrictions" not in content(ADAPTER, RELEASE)


def test_a_recall_withdraws_the_notice() -> None:
    recall = changed(VARIED, message_type="RECALL", reason="wrong-merge", facts={}, groups=[])
    notice = content(ADAPTER, recall)
    assert (notice["status"], notice["reason"]) == ("WITHDRAWN", "wrong-merge")
    assert "told" not in notice


def test_nothing_is_read() -> None:
    assert ADAPTER.inbound is None
    assert malformed_at(ADAPTER, {"form": "restrictions-notice"}) == "$"
