"""What referrals to either conference have in common, and the forms that go out."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.contract import Adapter
from adapters.marac import ADAPTER as MARAC
from adapters.odoc import ADAPTER as ODOC
from tests.adapters.referral_samples import (
    GONE,
    changed,
    content,
    declined,
    event,
    kept,
    malformed_at,
    needs_human,
    stated,
    translated,
)

OTHER = {"MARAC": "odoc_referred", "ODOC": "marac_referred"}
LEVELS = ["low", "medium", "high", "very_high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conference:
    adapter: Adapter
    title: str
    form: dict[str, Any]
    referred: dict[str, Any]
    moved: dict[str, Any]
    recalled: dict[str, Any]


@pytest.fixture(params=[MARAC, ODOC], ids=["marac", "odoc"])
def conference(request: pytest.FixtureRequest) -> Conference:
    name = request.param.name
    return Conference(
        adapter=request.param,
        title=name.upper(),
        form=kept(name, "referral.in.json"),
        referred=kept(name, "referred.alert.json"),
        moved=kept(name, "moved.alert.json"),
        recalled=kept(name, "recalled.alert.json"),
    )


def test_a_ground_nobody_knows_waits_for_a_human(conference: Conference) -> None:
    assert (
        needs_human(conference.adapter, changed(conference.form, risk__ground="other"))
        == "$.risk.ground"
    )


@pytest.mark.parametrize("member", ["risk", "risk__ground"])
def test_a_referral_for_no_stated_ground_is_malformed(conference: Conference, member: str) -> None:
    path = malformed_at(conference.adapter, changed(conference.form, **{member: GONE}))
    assert path == "$." + member.replace("__", ".")


@pytest.mark.parametrize(
    "who", ["overall", "children", "public", "known_adult", "staff", "prisoners", "imminence"]
)
@pytest.mark.parametrize("level", LEVELS)
def test_each_level_is_carried_as_an_assessment(
    conference: Conference, who: str, level: str
) -> None:
    risk = {"ground": conference.form["risk"]["ground"], who: level, "assessed_on": "2026-02-01"}
    one = event(conference.adapter, changed(conference.form, risk=risk))
    assert stated(one, "rosh") == {who: level, "assessed_on": "2026-02-01"}
    assert one.groups["rosh"]["assertion"] == "assessment"


@pytest.mark.parametrize("who", ["children", "public", "known_adult", "staff"])
def test_an_overall_level_below_one_for_someone_waits_for_a_human(
    conference: Conference, who: str
) -> None:
    ground = conference.form["risk"]["ground"]
    for overall, level in (("low", "medium"), ("high", "very_high")):
        risk = {"ground": ground, "overall": overall, who: level}
        form = changed(conference.form, risk=risk)
        assert needs_human(conference.adapter, form) == "$.risk.overall"
    risk = {"ground": ground, "overall": "high", who: "high", "prisoners": "very_high"}
    one = event(conference.adapter, changed(conference.form, risk=risk))
    assert stated(one, "rosh")["overall"] == "high"


def test_a_level_nobody_knows_waits_for_a_human(conference: Conference) -> None:
    assert (
        needs_human(conference.adapter, changed(conference.form, risk__known_adult="14 ticks"))
        == "$.risk.known_adult"
    )


def test_a_day_of_assessment_without_a_level_states_nothing(conference: Conference) -> None:
    risk = {"ground": conference.form["risk"]["ground"], "assessed_on": "2026-02-01"}
    assert "rosh" not in event(conference.adapter, changed(conference.form, risk=risk)).groups


def test_what_the_referrer_wrote_is_in_the_risk_narrative_and_nowhere_else(
    conference: Conference,
) -> None:
    form = changed(
        conference.form, risk__narrative="marker-narrative", risk__triggers="marker-triggers"
    )
    groups = event(conference.adapter, form).groups
    for group, members in groups.items():
        assert ("marker" in json.dumps(members)) == (group == "risk_narrative")
    assert groups["risk_narrative"]["assertion"] == "assessment"


def test_a_narrative_too_long_to_carry_whole_is_malformed(conference: Conference) -> None:
    assert (
        malformed_at(conference.adapter, changed(conference.form, risk__narrative="x" * 3801))
        == "$.risk.narrative"
    )
    whole = event(conference.adapter, changed(conference.form, risk__narrative="x" * 3800))
    assert stated(whole, "risk_narrative")["nature"].endswith("x" * 3800)


def test_of_a_victim_only_what_names_nobody_is_carried(conference: Conference) -> None:
    particulars = {
        name: f"marker-{name}"
        for name in (
            "name", "date_of_birth", "address", "postcode", "telephone", "safe_contact", "views"
        )
    }  # fmt: skip
    known = {
        "recorded": True,
        "relationship": "former partner",
        "address_area": "Example Borough North",
        "known_to": ["Example Police"],
    }
    one = event(conference.adapter, changed(conference.form, victim=known | particulars))
    assert stated(one, "victim") == known
    assert "marker-" not in json.dumps(one.to_cloudevent())


@pytest.mark.parametrize("less", ["victim", "victim__relationship"])
def test_of_abuse_the_relation_to_the_victim_is_stated(conference: Conference, less: str) -> None:
    path = malformed_at(conference.adapter, changed(conference.form, **{less: GONE}))
    assert path == "$." + less.replace("__", ".")


def test_or_why_it_is_not_known(conference: Conference) -> None:
    victim = {"recorded": True, "relationship_unknown_because": "marker"}
    one = event(conference.adapter, changed(conference.form, victim=victim))
    assert stated(one, "victim") == {"recorded": True}
    assert "marker" not in json.dumps(one.to_cloudevent())


def test_of_children_only_what_names_nobody_is_carried(conference: Conference) -> None:
    names = {"names": ["marker-a"], "dates_of_birth": ["marker-b"], "schools": ["marker-c"]}
    known = {"at_risk": True, "known_to": ["Example Council Children's Services"]}
    one = event(conference.adapter, changed(conference.form, children=known | names))
    assert stated(one, "children") == known
    assert one.groups["children"]["assertion"] == "assessment"
    assert "marker-" not in json.dumps(one.to_cloudevent())
    assert (
        "children" not in event(conference.adapter, changed(conference.form, children=GONE)).groups
    )


def test_consent_refused_waits_for_a_human_unless_a_reason_is_recorded(
    conference: Conference,
) -> None:
    assert (
        needs_human(conference.adapter, changed(conference.form, consent={"given": False}))
        == "$.consent"
    )
    one = event(
        conference.adapter,
        changed(conference.form, consent={"given": False, "reason_without": "marker-why"}),
    )
    assert "marker-why" not in json.dumps(one.to_cloudevent())


@pytest.mark.parametrize("consent", [GONE, {}, {"reason_without": "Not asked."}])
def test_consent_not_stated_is_noted(conference: Conference, consent: object) -> None:
    notes = translated(conference.adapter, changed(conference.form, consent=consent)).notes
    assert "$.consent" in [note.path for note in notes]


def test_consent_given_needs_no_reason_and_no_note(conference: Conference) -> None:
    assert (
        translated(conference.adapter, changed(conference.form, consent={"given": True})).notes
        == ()
    )


def test_the_area_is_where_the_person_lives(conference: Conference) -> None:
    assert stated(event(conference.adapter, conference.form), "location") == {
        "home_area": "Example Borough"
    }


def test_a_research_request_asks_who_what_and_by_when_and_tells_nothing_else(
    conference: Conference,
) -> None:
    asked = content(conference.adapter, conference.referred, "research-request")
    assert set(asked["told"]) == {"identity", "identifiers", "location", "handling"}
    assert asked["told"]["location"] == {"home_area": "Example Borough"}
    assert asked["return_by"] == "2026-02-05"
    assert len(asked["questions"]) >= 5


def test_a_day_to_answer_by_is_londons(conference: Conference) -> None:
    late = changed(conference.referred, ack_required_by="2026-07-01T23:30:00Z")
    assert content(conference.adapter, late, "research-request")["return_by"] == "2026-07-02"


def test_without_an_hour_to_acknowledge_by_the_day_is_said_not_to_be_stated(
    conference: Conference,
) -> None:
    asked = content(
        conference.adapter, changed(conference.referred, ack_required_by=GONE), "research-request"
    )
    assert asked["return_by"] == "NOT_STATED"


def test_research_is_asked_for_on_a_referral_to_this_conference_alone(
    conference: Conference,
) -> None:
    other = changed(
        conference.referred, event_type=f"org.throughgate.conference.{OTHER[conference.title]}.v1"
    )
    assert f"referral to {conference.title}" in declined(
        conference.adapter, other, "research-request"
    )
    assert f"referral to {conference.title}" in declined(
        conference.adapter, conference.moved, "research-request"
    )


def test_an_outcome_note_is_of_an_update_and_says_what_it_supersedes(
    conference: Conference,
) -> None:
    note = content(conference.adapter, conference.moved, "outcome")
    assert note["status"] == "UPDATED"
    assert note["disclosure"]["supersedes"] == conference.moved["supersedes"]
    assert note["told"]["custody"]["planned_date"] == "2026-03-30"
    assert "before" in declined(conference.adapter, conference.referred, "outcome")


def test_actions_are_asked_for_and_never_given_as_none(conference: Conference) -> None:
    note = content(
        conference.adapter, changed(conference.moved, message_type="CORRECTION"), "outcome"
    )
    assert note["status"] == "CORRECTED"
    assert note["actions"] == "NOT_STATED"
    assert note["to_complete"]


@pytest.mark.parametrize("form", ["research-request", "outcome"])
def test_a_recall_withdraws_either_form(conference: Conference, form: str) -> None:
    withdrawn = content(conference.adapter, conference.recalled, form)
    assert withdrawn["status"] == "WITHDRAWN"
    assert withdrawn["reason"] == "retracted"
    assert "told" not in withdrawn
