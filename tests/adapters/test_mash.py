"""MASH: concerns for a child in, the children's notification out, as a document and as a row."""

import csv
import io
import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mash import ADAPTER
from tests.adapters.referral_samples import (
    GONE,
    changed,
    content,
    declined,
    event,
    kept,
    malformed_at,
    needs_human,
    of_no_concern,
    rendition,
    stated,
    translated,
)
from tests.contract.test_adapter import AdapterContract

FORM = kept("mash", "referral.in.json")
RELEASE = kept("mash", "release.alert.json")
MOVED = kept("mash", "moved.alert.json")
CANCELLED = kept("mash", "cancelled.alert.json")
ROW = "childrens-notification-csv"


class TestMash(AdapterContract):
    adapter = ADAPTER


def row(alert: dict[str, Any]) -> dict[str, str]:
    (one,) = csv.DictReader(io.StringIO(rendition(ADAPTER, alert, ROW).body.decode(), newline=""))
    return one


@pytest.mark.parametrize("form", ["child-protection-referral", "enquiry"])
@pytest.mark.parametrize(
    "stage",
    ["referral", "strategy_discussion", "section_47_enquiry", "child_protection_conference"],
)
def test_every_stage_at_which_there_is_a_concern_reports_it(form: str, stage: str) -> None:
    one = event(ADAPTER, changed(FORM, form=form, stage=stage))
    assert one.kind == "safeguarding.child_concern"


def test_stages_of_one_referral_are_events_of_their_own() -> None:
    ids = {
        event(ADAPTER, changed(FORM, stage=one)).id for one in ("referral", "section_47_enquiry")
    }
    assert len(ids) == 2


def test_an_enquiry_that_found_nothing_is_nobodys_concern() -> None:
    assert of_no_concern(ADAPTER, changed(FORM, stage="closed_no_concern")) == "$.stage"


def test_a_stage_nobody_knows_waits_for_a_human_and_none_is_malformed() -> None:
    assert needs_human(ADAPTER, changed(FORM, stage="early help")) == "$.stage"
    assert malformed_at(ADAPTER, changed(FORM, stage=GONE)) == "$.stage"


@pytest.mark.parametrize("consent", [GONE, {"given": False}, {"given": True}])
def test_a_concern_for_a_child_waits_for_nobodys_consent(consent: object) -> None:
    translation = translated(ADAPTER, changed(FORM, consent=consent))
    assert len(translation.events) == 1
    assert translation.notes == ()


def test_no_child_is_named_in_an_event() -> None:
    third = {
        name: [f"marker-{name}"] for name in ("names", "dates_of_birth", "schools", "addresses")
    }
    known = {
        "at_risk": True,
        "pprc": False,
        "contact_restrictions": ["Supervised contact only."],
        "known_to": ["Example Council Children's Services"],
    }
    one = event(ADAPTER, changed(FORM, children=known | third))
    assert stated(one, "children") == known
    assert one.groups["children"]["assertion"] == "assessment"
    assert "marker-" not in json.dumps(one.to_cloudevent())


def test_what_was_written_of_the_concern_is_in_the_risk_narrative_alone() -> None:
    groups = event(ADAPTER, changed(FORM, risk={"narrative": "marker"})).groups
    assert [name for name in groups if "marker" in json.dumps(groups[name])] == ["risk_narrative"]


def test_without_a_word_on_risk_or_children_only_the_concern_is_reported() -> None:
    one = event(ADAPTER, changed(FORM, risk=GONE, children=GONE))
    assert set(one.groups) == {"identity", "identifiers", "handling", "location"}


def test_a_notification_states_the_day_and_the_notice_given() -> None:
    notice = content(ADAPTER, RELEASE)
    assert notice["release_date"] == "2026-03-23"
    assert notice["notice"] == {
        "from": "2026-02-04",
        "days": 47,
        "weeks": 6,
        "due_by": "2026-02-09",
    }


def test_a_confirmed_day_goes_before_a_planned_one() -> None:
    alert = changed(RELEASE, facts__custody__confirmed_date="2026-03-24")
    assert content(ADAPTER, alert)["release_date"] == "2026-03-24"


@given(
    told=st.dates(date(2000, 1, 2), date(2100, 1, 1)), days=st.integers(-400, 400)
)  # fmt: skip
def test_notice_is_reckoned_from_the_alerts_own_two_days(told: date, days: int) -> None:
    release = told + timedelta(days=days)
    alert = changed(
        RELEASE,
        occurred_at=f"{told.isoformat()}T12:00:00Z",
        facts__custody__planned_date=release.isoformat(),
    )
    notice = content(ADAPTER, alert)["notice"]
    if days < 0:
        assert notice == "NOT_STATED"
    else:
        assert (notice["days"], notice["weeks"]) == (days, days // 7)
        assert date.fromisoformat(notice["due_by"]) + timedelta(weeks=6) == release
        assert (notice["weeks"] >= 6) == (notice["from"] <= notice["due_by"])


@pytest.mark.parametrize(
    "less",
    [{"occurred_at": GONE}, {"facts__custody__planned_date": GONE}, {"facts__custody": GONE}],
)
def test_notice_that_cannot_be_reckoned_is_not_stated(less: dict[str, Any]) -> None:
    assert content(ADAPTER, changed(RELEASE, **less))["notice"] == "NOT_STATED"


def test_days_at_the_edges_of_the_calendar_still_make_a_form() -> None:
    first = changed(
        RELEASE, occurred_at="0001-01-01T12:00:00Z", facts__custody__planned_date="0001-01-20"
    )
    assert "due_by" not in content(ADAPTER, first)["notice"]


@pytest.mark.parametrize("kind", ["release.actual", "release.temporary", "release.cancelled"])
def test_there_is_no_notice_of_what_is_past_or_off(kind: str) -> None:
    alert = changed(RELEASE, event_type=f"org.throughgate.{kind}.v1")
    assert content(ADAPTER, alert)["notice"] == "NOT_STATED"


def test_a_cancelled_release_has_no_day_and_says_why() -> None:
    notice = content(ADAPTER, CANCELLED)
    assert notice["release_date"] == "NOT_STATED"
    assert notice["told"]["custody"]["cancelled_because"] == "further remand"
    assert row(CANCELLED)["release_date"] == "NOT_STATED"
    assert row(CANCELLED)["cancelled_because"] == "further remand"


def test_the_copy_list_is_those_told_of_once_each_and_those_by_duty() -> None:
    copied = content(ADAPTER, RELEASE)["copy_list"]
    assert copied["as_told"] == [
        "Example Council Children's Services",
        "Example Police",
        "Example Probation",
    ]
    assert [text.partition(",")[0] for text in copied["by_duty"]] == ["police", "probation"]
    twice = changed(RELEASE, facts__children__known_to=["Example Police"])
    assert content(ADAPTER, twice)["copy_list"]["as_told"] == [
        "Example Police",
        "Example Probation",
    ]


def test_a_notification_carries_no_offence_category_and_no_level() -> None:
    notice = content(ADAPTER, RELEASE)
    assert not {"offence", "mappa"} & set(notice["told"])


def test_a_notification_is_of_a_release() -> None:
    other = changed(RELEASE, event_type="org.throughgate.safeguarding.child_concern.v1")
    for form in ("childrens-notification", ROW):
        assert declined(ADAPTER, other, form) == "this form is for a release"


def test_the_row_says_what_the_document_says() -> None:
    cells, notice = row(MOVED), content(ADAPTER, MOVED)
    told = notice["told"]
    assert cells["status"] == notice["status"] == "UPDATED"
    assert cells["supersedes"] == MOVED["supersedes"]
    assert cells["release_date"] == notice["release_date"] == "2026-03-09"
    assert cells["weeks_of_notice"] == str(notice["notice"]["weeks"]) == "3"
    assert cells["family_name"] == told["identity"]["family_name"]
    assert cells["risk_to_children"] == told["rosh"]["children"]
    assert cells["risk_stated_as"] == "ASSESSMENT"
    assert cells["address"] == "1 Sample Street, Exampleton, ZZ99 1AA"
    assert cells["offender_manager"] == "C. Example"
    assert cells["children_at_risk"] == "true"
    assert cells["contact_restrictions"] == told["children"]["contact_restrictions"][0]
    assert cells["copy_as_told"].split("; ") == notice["copy_list"]["as_told"]


def test_the_row_of_a_recall_is_a_withdrawal_without_facts() -> None:
    cells = {name: cell for name, cell in row(kept("mash", "recalled.alert.json")).items() if cell}
    assert set(cells) == {
        "status", "event", "alert", "supersedes", "case_ref", "for", "marking", "reason"
    }  # fmt: skip
    assert cells["status"] == "WITHDRAWN"


def test_no_cell_of_the_row_is_a_formula() -> None:
    alert = changed(
        RELEASE,
        facts__children__contact_restrictions=["=HYPERLINK(1)", "@x"],
        facts__identity__family_name="+44",
    )
    cells = row(alert)
    assert cells["contact_restrictions"].startswith("'=")
    assert cells["family_name"] == "'+44"
