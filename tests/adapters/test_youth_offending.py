"""Youth offending: register records in, the notification to the team out."""

import json

import pytest

from adapters.youth_offending import ADAPTER
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
    stated,
)
from tests.contract.test_adapter import AdapterContract

RECORD = kept("youth_offending", "assessed.in.json")
RELEASE = kept("youth_offending", "release.alert.json")


class TestYouthOffending(AdapterContract):
    adapter = ADAPTER


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("transferred_in", "supervision.transferred"),
        ("transferred_to_probation", "supervision.transferred"),
        ("assessed", "risk.assessed"),
        ("mappa_category", "mappa.category_changed"),
        ("mappa_level", "mappa.level_changed"),
    ],
)
def test_each_change_is_the_event_it_is(change: str, kind: str) -> None:
    assert event(ADAPTER, changed(RECORD, change=change)).kind == kind


@pytest.mark.parametrize("change", ["intervention_plan_updated", "reparation_completed"])
def test_a_change_of_no_concern_outside_the_team_is_passed_over(change: str) -> None:
    assert of_no_concern(ADAPTER, changed(RECORD, change=change)) == "$.change"


def test_a_change_nobody_knows_waits_for_a_human_and_none_is_malformed() -> None:
    assert needs_human(ADAPTER, changed(RECORD, change="closed")) == "$.change"
    assert malformed_at(ADAPTER, changed(RECORD, change=GONE)) == "$.change"


@pytest.mark.parametrize("level", ["low", "medium", "high", "very_high"])
@pytest.mark.parametrize("tool", ["asset", "assetplus", GONE])
def test_each_level_of_serious_harm_is_the_overall_one(level: str, tool: object) -> None:
    assessment = {"risk_of_serious_harm": level, "assessed_on": "2026-01-28"}
    one = event(ADAPTER, changed(RECORD, assessment=assessment, assessment__tool=tool))
    assert stated(one, "rosh") == {"overall": level, "assessed_on": "2026-01-28"}
    assert one.groups["rosh"]["assertion"] == "assessment"


def test_offending_again_and_wellbeing_are_no_risk_of_serious_harm() -> None:
    other = {"likelihood_of_reoffending": "high", "safety_and_wellbeing": "marker"}
    form = changed(RECORD, assessment={"risk_of_serious_harm": "low"} | other)
    assert stated(event(ADAPTER, form), "rosh") == {"overall": "low"}
    assert "marker" not in json.dumps(event(ADAPTER, form).to_cloudevent())


@pytest.mark.parametrize(
    ("member", "code"), [("risk_of_serious_harm", "3"), ("tool", "onset")]
)  # fmt: skip
def test_an_assessment_code_nobody_knows_waits_for_a_human(member: str, code: str) -> None:
    form = changed(RECORD, **{f"assessment__{member}": code})
    assert needs_human(ADAPTER, form) == f"$.assessment.{member}"


@pytest.mark.parametrize("less", ["assessment", "assessment__risk_of_serious_harm"])
def test_an_assessment_that_states_no_level_is_malformed(less: str) -> None:
    path = malformed_at(ADAPTER, changed(RECORD, **{less: GONE}))
    assert path == "$.assessment.risk_of_serious_harm"


@pytest.mark.parametrize(
    ("category", "level", "mappa"),
    [
        (1, 1, {"category": 1, "level": 1}),
        (2, 3, {"category": 2, "level": 3}),
        (3, 2, {"category": 3, "level": 2}),
        (4, 1, {"category": 4, "level": 1}),
        (0, 2, {"level": 2}),
        (1, 0, {"category": 1}),
        (0, 0, {}),
        ("2", "1", {"category": 2, "level": 1}),
    ],
)
def test_mappa_status_is_as_stated_and_nought_states_nothing(
    category: object, level: object, mappa: dict[str, int]
) -> None:
    form = changed(RECORD, mappa={"category": category, "level": level})
    assert stated(event(ADAPTER, form), "mappa") == mappa


@pytest.mark.parametrize(("member", "number"), [("category", 5), ("level", 4), ("level", -1)])
def test_a_category_or_level_there_is_not_waits_for_a_human(member: str, number: int) -> None:
    assert (
        needs_human(ADAPTER, changed(RECORD, **{f"mappa__{member}": number})) == f"$.mappa.{member}"
    )


def test_category_3_at_level_1_is_malformed() -> None:
    form = changed(RECORD, mappa={"category": 3, "level": 1})
    assert malformed_at(ADAPTER, form) == "$.data.mappa"


@pytest.mark.parametrize("member", ["category", "level"])
@pytest.mark.parametrize("number", [0, GONE])
def test_a_change_of_status_that_states_none_waits_for_a_human(member: str, number: object) -> None:
    form = changed(RECORD, change=f"mappa_{member}", **{f"mappa__{member}": number})
    assert needs_human(ADAPTER, form) == "$.mappa"


def test_a_case_worker_is_the_offender_manager_and_none_is_invented() -> None:
    one = event(ADAPTER, changed(RECORD, change="transferred_in"))
    assert stated(one, "professionals") == {
        "community_offender_manager": {"name": "A. Example", "contact": "01632 960102"}
    }
    assert "professionals" not in event(ADAPTER, changed(RECORD, case_worker=GONE)).groups


def test_changes_on_one_record_are_events_of_their_own() -> None:
    changes = ("assessed", "transferred_in", "transferred_to_probation", "mappa_level")
    assert len({event(ADAPTER, changed(RECORD, change=one)).id for one in changes}) == len(changes)


def test_a_notification_carries_what_the_team_manages_the_case_by() -> None:
    told = content(ADAPTER, RELEASE)["told"]
    for group in ("identity", "identifiers", "custody", "mappa", "rosh", "offence", "licence"):
        assert told[group] == RELEASE["facts"][group], group


def test_a_notification_carries_no_health_routing_and_no_order_terms() -> None:
    orders = [{"kind": "OTHER", "terms": ["marker"]}]
    alert = changed(RELEASE, facts__offence__orders=orders)
    told = content(ADAPTER, alert)["told"]
    assert "health_routing" not in told
    assert "marker" not in json.dumps(told)


def test_a_notification_of_nothing_is_declined() -> None:
    none = changed(RELEASE, facts={"identity": RELEASE["facts"]["identity"]})
    assert declined(ADAPTER, none) == "nothing was told that this form has room for"
