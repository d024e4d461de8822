"""OASys: both shapes of the summary, community and custody, risk to self, and what is at odds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import Translation, UnsupportedEvent
from adapters.oasys import ADAPTER
from gateway.model.problem import MalformedEvent
from tests.adapters.examples import FOLDER, SOURCE, inbound_of
from tests.contract.test_adapter import InboundContract
from tests.model.test_schemas import satisfies

LEVELS = {"LOW": "low", "MEDIUM": "medium", "HIGH": "high", "VERY_HIGH": "very_high"}
GROUPS = {
    "Children": "children",
    "Public": "public",
    "Known adult": "known_adult",
    "Staff": "staff",
}
NAMES = {"Children": "children", "Public": "public", "Known adult": "knownAdult", "Staff": "staff"}
PROVENANCE = {"assertion", "as_of", "source_system", "verified"}


class TestOasys(InboundContract):
    adapter = ADAPTER


def document(summary: Any = None, **members: Any) -> dict[str, Any]:
    held = {} if summary is None else {"summary": summary}
    return {"crn": "X999001", "dateCompleted": "2026-01-12T14:20:05Z", **held, **members}


def read(value: Any) -> Translation:
    return ADAPTER.translate(json.dumps(value).encode(), source=SOURCE)


def group(value: Any, name: str) -> dict[str, Any]:
    (event,) = read(value).events
    assert event.kind == "risk.assessed"
    return {key: one for key, one in event.groups.get(name, {}).items() if key not in PROVENANCE}


def refused(value: Any) -> UnsupportedEvent:
    with pytest.raises(UnsupportedEvent) as caught:
        read(value)
    return caught.value


@given(
    st.dictionaries(st.sampled_from(sorted(GROUPS)), st.sampled_from(sorted(LEVELS)), min_size=1)
)
def test_both_shapes_of_the_summary_say_the_same(levels: dict[str, str]) -> None:
    by_group = {NAMES[who]: level for who, level in levels.items()}
    by_level: dict[str, list[str]] = {}
    for who, level in levels.items():
        by_level.setdefault(level, []).append(who)
    told = {GROUPS[who]: LEVELS[level] for who, level in levels.items()}
    for shape in (by_group, by_level):
        rosh = group(document({"riskInCommunity": shape}), "rosh")
        assert rosh == told | {"assessed_on": "2026-01-12"}


class TestLevels:
    @pytest.mark.parametrize(("code", "level"), LEVELS.items())
    def test_the_overall_level(self, code: str, level: str) -> None:
        assert group(document({"overallRiskLevel": code}), "rosh")["overall"] == level

    @pytest.mark.parametrize("code", ["NONE", "No risk", "UNKNOWN", "4", "0"])
    def test_a_level_that_is_none_needs_a_human_and_is_never_low(self, code: str) -> None:
        for summary in (
            {"overallRiskLevel": code},
            {"riskInCommunity": {"children": code}},
            {"riskInCommunity": {code: ["Children"]}},
            {"riskInCustody": {"prisoners": code}},
        ):
            error = refused(document(summary))
            assert error.needs_human
            assert code not in error.problems[0].reason

    def test_an_unknown_group_needs_a_human(self) -> None:
        assert refused(document({"riskInCommunity": {"HIGH": ["Neighbours"]}})).needs_human
        assert refused(document({"riskInCommunity": {"neighbours": "HIGH"}})).needs_human

    def test_one_group_under_two_levels_needs_a_human(self) -> None:
        both = {"HIGH": ["Children"], "LOW": ["Public", "Children"]}
        error = refused(document({"riskInCommunity": both}))
        assert error.needs_human
        assert "two levels" in error.problems[0].reason
        assert refused(document({"riskInCustody": both})).needs_human

    def test_an_overall_level_below_one_for_the_community_needs_a_human(self) -> None:
        low = {"overallRiskLevel": "LOW", "riskInCommunity": {"public": "HIGH"}}
        assert refused(document(low)).needs_human

    def test_levels_are_the_communitys_but_for_prisoners(self) -> None:
        summary = {
            "overallRiskLevel": "MEDIUM",
            "riskInCommunity": {"staff": "LOW", "prisoners": "LOW"},
            "riskInCustody": {"staff": "VERY_HIGH", "prisoners": "HIGH"},
        }
        told = {"overall": "medium", "staff": "low", "prisoners": "high"}
        assert group(document(summary), "rosh") == told | {"assessed_on": "2026-01-12"}
        paths = {one.path for one in read(document(summary)).notes}
        assert paths == {"$.summary.riskInCommunity", "$.summary.riskInCustody"}

    def test_a_level_for_prisoners_in_the_community_is_carried_nowhere(self) -> None:
        summary = {"overallRiskLevel": "LOW", "riskInCommunity": {"prisoners": "HIGH"}}
        assert "prisoners" not in group(document(summary), "rosh")

    def test_no_level_is_read_from_prose(self) -> None:
        summary = {"riskImminence": "Imminent: very high.", "natureOfRisk": "High."}
        assert group(document(summary), "rosh") == {}
        assert group(document(summary), "risk_narrative") == {"nature": "High."}
        notes = {one.path for one in read(document(summary)).notes}
        assert notes == {"$.summary.riskImminence"}


class TestWhen:
    @pytest.mark.parametrize("name", ["dateCompleted", "assessedOn"])
    @pytest.mark.parametrize("form", ["2026-06-12", "2026-06-12T00:00:00", "2026-06-11T23:30:00Z"])
    def test_the_day_is_londons(self, name: str, form: str) -> None:
        given = {"crn": "X999001", name: form, "summary": {"overallRiskLevel": "LOW"}}
        assert group(given, "rosh")["assessed_on"] == "2026-06-12"

    def test_without_a_day_it_is_refused(self) -> None:
        with pytest.raises(MalformedEvent) as caught:
            read({"crn": "X999001", "summary": {"overallRiskLevel": "LOW"}})
        assert caught.value.problems[0].path == "$.dateCompleted"

    def test_two_days_need_a_human(self) -> None:
        assert refused(document({"overallRiskLevel": "LOW"}, assessedOn="2026-01-13")).needs_human


class TestToSelf:
    @pytest.mark.parametrize("yes", ["YES", "Yes"])
    def test_what_is_current_is_named_for_health_alone(self, yes: str) -> None:
        risks = {
            "suicide": {"risk": yes, "current": yes, "currentConcernsText": "Told a friend."},
            "selfHarm": {"risk": yes, "previous": yes, "current": "No"},
            "vulnerability": {"current": yes},
        }
        (event,) = read(document(riskToSelf=risks)).events
        health = event.groups["health_clinical"]
        assert health["self_harm"] == "Current risk to self: suicide, vulnerability."
        assert health["assertion"] == "assessment"
        assert set(event.groups) == {"identifiers", "health_clinical"}

    @pytest.mark.parametrize("answer", ["NO", "No", "DK", "Don't know", "NA", "N/A", None])
    def test_what_is_not_current_is_carried_nowhere(self, answer: str | None) -> None:
        risks = {"suicide": {"risk": "YES", "previous": "YES", "current": answer}}
        assert not refused(document(riskToSelf=risks)).needs_human

    @pytest.mark.parametrize("risk", [{"current": "maybe"}, {"risk": "NO", "current": "YES"}])
    def test_an_answer_without_a_meaning_or_at_odds_needs_a_human(
        self, risk: dict[str, str]
    ) -> None:
        assert refused(document(riskToSelf={"suicide": risk})).needs_human


class TestPlan:
    def test_only_where_it_is_kept_is_carried(self) -> None:
        plan = {"assessmentId": "999000001", "victimSafetyPlanning": "Moves to Exampleton."}
        (event,) = read(document(riskManagementPlan=plan)).events
        assert event.groups["professionals"]["plan_ref"] == "OASys 999000001"
        assert "Exampleton" not in json.dumps(event.to_cloudevent())
        told = group(document(riskManagementPlan={"supervision": "Weekly."}), "professionals")
        assert told == {"plan_ref": "OASys"}

    def test_an_empty_plan_is_none(self) -> None:
        assert not refused(document(riskManagementPlan={"supervision": ""})).needs_human


def test_answers_about_other_risks_are_no_levels() -> None:
    others = {"riskToOtherPrisoners": "YES", "escapeOrAbscond": "YES"}
    assert not refused(document(otherRisks=others)).needs_human


def test_nobody_named_is_refused() -> None:
    with pytest.raises(MalformedEvent):
        read({"dateCompleted": "2026-01-12", "summary": {"overallRiskLevel": "LOW"}})


def test_a_repeat_is_the_same_event_and_another_assessment_is_not() -> None:
    one, again = (read(document({"overallRiskLevel": "LOW"})).events[0].id for _ in range(2))
    other = read(document({"overallRiskLevel": "LOW"}, assessmentId="2")).events[0].id
    assert one == again != other


SCHEMA = json.loads((FOLDER.parents[1] / "reference/adapters/oasys.schema.json").read_text("utf-8"))


def test_the_examples_are_in_the_published_form_and_its_least_is_enough() -> None:
    for example in inbound_of("oasys"):
        assert satisfies(SCHEMA, json.loads(example.given.read_bytes())), example.name
    least = {"noms": "Z0001ZZ", "assessedOn": "2026-01-12", "summary": {"overallRiskLevel": "LOW"}}
    assert satisfies(SCHEMA, least)
    assert read(least).events
    for name in ("noms", "assessedOn"):
        less = {key: one for key, one in least.items() if key != name}
        assert not satisfies(SCHEMA, less)
        with pytest.raises(MalformedEvent):
            read(less)


def test_every_member_of_the_published_form_is_read() -> None:
    def all_of(schema: Any) -> Any:
        return {name: all_of(one) for name, one in schema.get("properties", {}).items()} or None

    full = all_of(SCHEMA) | document()
    full["summary"]["overallRiskLevel"] = "LOW"
    full["otherRisks"] = {"breachOfTrust": "DK"}
    assert read(full).unread == ()
    assert read({**full, "stranger": 1}).unread == ("$.stranger",)
