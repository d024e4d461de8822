"""The referral: what it decides and what it only asks for, markings, contradictions, both forms."""

import csv
import io
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import NotRendered, Rendition, Translation, UnsupportedEvent
from adapters.kit.csv_text import write_rows
from adapters.mappa_forms import ADAPTER
from adapters.mappa_forms.columns import (
    COLUMNS,
    DATES,
    LEVELS_OF_RISK,
    TEXTS,
    TO_COMPLETE,
)
from adapters.mappa_forms.referral import split
from gateway.model.alert import Alert, parse_alert
from gateway.model.problem import MalformedEvent
from gateway.testing.statements import as_json
from tests.adapters.examples import FOLDER, SOURCE, inbound_of
from tests.contract.test_adapter import RoundTripContract
from tests.model.test_schemas import satisfies

PROVENANCE = {"assertion", "as_of", "source_system", "verified"}
SCHEMA = json.loads(
    (FOLDER.parents[1] / "reference/adapters/mappa_forms.schema.json").read_text("utf-8")
)


class TestMappaForms(RoundTripContract):
    adapter = ADAPTER
    round_trip = frozenset(
        {
            *(".".join(one) for one in (TEXTS | DATES | LEVELS_OF_RISK).values()),
            "identity.aliases", "mappa.category", "mappa.level", "offence.convicted",
            "location.address", "location.address_status",
            "professionals.community_offender_manager",
        }
    )  # fmt: skip


def form(**members: Any) -> dict[str, Any]:
    least = {"marking": "OFFICIAL-SENSITIVE", "crn": "X999001", "referred_on": "2026-02-01"}
    return {**least, **members}


def read(value: dict[str, Any]) -> Translation:
    return ADAPTER.translate(json.dumps(value).encode(), source=SOURCE)


def facts(value: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        event.kind: {
            group: {name: one for name, one in members.items() if name not in PROVENANCE}
            for group, members in event.groups.items()
            if group not in {"identifiers", "handling"}
        }
        for event in read(value).events
    }


def refused(value: dict[str, Any]) -> UnsupportedEvent:
    with pytest.raises(UnsupportedEvent) as caught:
        read(value)
    assert caught.value.needs_human
    return caught.value


class TestCategory:
    @pytest.mark.parametrize("number", [1, 2, 4])
    def test_the_one_that_is_ticked_is_stated(self, number: int) -> None:
        told = facts(form(**{f"category_{number}": True}))
        assert told == {"mappa.category_changed": {"mappa": {"category": number}}}

    def test_category_3_is_a_judgement(self) -> None:
        (event,) = read(form(category_3=True, index_offence="Stalking")).events
        assert event.groups["mappa"]["category"] == 3
        assert event.groups["mappa"]["assertion"] == "assessment"
        assert event.groups["offence"]["assertion"] == "fact"
        (event,) = read(form(category_1=True)).events
        assert event.groups["mappa"]["assertion"] == "fact"

    def test_category_3_without_an_offence_needs_a_human(self) -> None:
        assert refused(form(category_3=True)).problems[0].path == "$.index_offence"

    @given(st.sets(st.sampled_from([1, 2, 3, 4]), min_size=2))
    def test_two_ticked_are_refused_with_the_reason(self, ticked: set[int]) -> None:
        members = {f"category_{number}": True for number in ticked}
        error = refused(form(**members, index_offence="Stalking"))
        assert "one at a time" in error.problems[0].reason

    def test_none_ticked_needs_a_human(self) -> None:
        assert "no category" in refused(form()).problems[0].reason
        assert "no category" in refused(form(risk_overall="high")).problems[0].reason


class TestLevel:
    @pytest.mark.parametrize("level", [1, 2, 3])
    def test_the_level_referred_to_is_stated_nowhere(self, level: int) -> None:
        given = form(category_2=True, level_referred_to=level)
        assert facts(given) == {"mappa.category_changed": {"mappa": {"category": 2}}}
        assert [one.path for one in read(given).notes] == ["$.level_referred_to"]

    def test_the_current_level_is_the_level(self) -> None:
        told = facts(form(category_2=True, level_referred_to=3, current_level=2))
        assert told == {"mappa.category_changed": {"mappa": {"category": 2, "level": 2}}}

    @pytest.mark.parametrize("name", ["level_referred_to", "current_level"])
    def test_no_level_0_or_4_and_none_of_1_for_category_3(self, name: str) -> None:
        for level in (0, 4):
            refused(form(category_2=True, **{name: level}))
        error = refused(form(category_3=True, index_offence="Stalking", **{name: 1}))
        assert error.problems[0].path == f"$.{name}"


class TestMarking:
    @pytest.mark.parametrize("text", ["OFFICIAL", "official"])
    def test_official(self, text: str) -> None:
        (event,) = read(form(category_1=True, marking=text)).events
        assert event.groups["handling"]["marking"] == "OFFICIAL"

    @pytest.mark.parametrize(
        "text", ["OFFICIAL-SENSITIVE", "Official - Sensitive", "OFFICIAL SENSITIVE"]
    )
    def test_official_sensitive(self, text: str) -> None:
        (event,) = read(form(category_1=True, marking=text)).events
        assert event.groups["handling"]["marking"] == "OFFICIAL-SENSITIVE"

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("SECRET", "ceiling"),
            ("Top Secret", "ceiling"),
            ("RESTRICTED", "withdrawn in 2014"),
            ("Confidential", "withdrawn in 2014"),
            ("PROTECT", "withdrawn in 2014"),
            ("OFFICIAL-SECRET", "must be OFFICIAL"),
            ("", "required"),
        ],
    )
    def test_any_other_is_refused_with_the_reason(self, text: str, why: str) -> None:
        with pytest.raises(MalformedEvent) as caught:
            read(form(category_1=True, marking=text))
        assert caught.value.problems[0].path == "$.marking"
        assert why in caught.value.problems[0].reason


class TestTheRest:
    def test_risk_is_an_event_of_its_own_with_the_handling_it_needs(self) -> None:
        given = form(
            category_2=True, risk_overall="high", triggers="Alcohol.", handling_grade="1AP"
        )
        changed, assessed = read(given).events
        assert "rosh" not in changed.groups
        assert set(assessed.groups) == {"identifiers", "handling", "rosh", "risk_narrative"}
        assert assessed.groups["handling"]["grade"] == "1AP"

    @pytest.mark.parametrize("column", LEVELS_OF_RISK)
    def test_an_unknown_level_of_risk_needs_a_human(self, column: str) -> None:
        refused(form(category_2=True, **{column: "none"}))

    def test_no_fixed_abode_keeps_the_area_and_has_no_address(self) -> None:
        told = facts(form(category_2=True, no_fixed_abode=True, area_of_closest_links="Example"))
        location = told["mappa.category_changed"]["location"]
        assert location == {"address_status": "NFA", "home_area": "Example"}
        address = ["1 Sample Street"]
        refused(form(category_2=True, no_fixed_abode=True, approved_release_address=address))

    def test_an_approved_address_is_a_confirmed_one(self) -> None:
        told = facts(form(category_2=True, approved_release_address=["1 Sample Street"]))
        location = told["mappa.category_changed"]["location"]
        assert location["address_status"] == "CONFIRMED"
        with pytest.raises(MalformedEvent):
            read(form(category_2=True, approved_release_postcode="ZZ99 3WZ"))

    def test_a_caution_is_not_said_to_be_a_conviction_nor_none(self) -> None:
        for outcome, told in (("conviction", {"convicted": True}), ("caution", None)):
            changed = facts(form(category_1=True, index_outcome=outcome))
            assert changed["mappa.category_changed"].get("offence") == told
        refused(form(category_1=True, index_outcome="acquittal"))

    def test_what_has_no_member_is_known_and_not_carried(self) -> None:
        text = {"conviction_summary": "X Example", "reason_for_referral": "X Example"}
        text |= {
            "previous_offences": "X Example",
            "hospital": "X Example",
            "ethnicity": "X Example",
        }
        translation = read(form(category_1=True, agencies=["X Example"], **text))
        assert translation.unread == ()
        assert "X Example" not in json.dumps([one.to_cloudevent() for one in translation.events])

    def test_it_holds_from_the_day_of_the_referral(self) -> None:
        given = form(category_1=True, referred_on="2026-06-01", stated_at="2026-02-01T00:00:00Z")
        (event,) = read(given).events
        assert event.groups["mappa"]["as_of"] == "2026-06-01T00:00:00+01:00"
        del given["referred_on"]
        assert read(given).events[0].groups["mappa"]["as_of"] == "2026-02-01T00:00:00Z"
        del given["stated_at"]
        with pytest.raises(MalformedEvent):
            read(given)

    def test_nobody_named_is_refused(self) -> None:
        given = form(category_1=True, visor_ref="EX-V-0001", crn="")
        with pytest.raises(MalformedEvent) as caught:
            read(given)
        assert caught.value.problems[0].path == "$.crn"


class TestCsv:
    def test_a_row_says_what_the_object_says(self) -> None:
        for example in inbound_of("mappa_forms"):
            if example.given.suffix != ".json":
                continue
            value = json.loads(example.given.read_bytes())
            row = ["; ".join(one) if isinstance(one, list) else one for one in value.values()]
            theirs = ADAPTER.translate(write_rows(list(value), [row]), source=SOURCE)
            assert theirs.events == read(value).events

    @given(st.lists(st.integers(0, 400), max_size=5))
    def test_pieces_are_cut_alike_however_they_arrive(self, cuts: list[int]) -> None:
        body = b' \r\n form,marking,crn\r\nMAPPA A,"OFF\nICIAL",X999001\r\nMAPPA B,x,y\r\n'
        for whole in (body, json.dumps([form(), form()]).encode()):
            edges = sorted({0, *(min(cut, len(whole)) for cut in cuts), len(whole)})
            pieces = [whole[a:b] for a, b in pairwise(edges)]
            assert list(split(pieces)) == list(split([whole]))
            assert len(list(split(pieces))) == 2

    def test_a_file_of_many_is_as_many_referrals(self) -> None:
        rows: list[list[str | bool]] = [
            ["OFFICIAL", f"X99900{i}", "2026-02-01", True] for i in range(5)
        ]
        body = write_rows(["marking", "crn", "referred_on", "category_1"], rows)
        assert len(ADAPTER.translate(body, source=SOURCE).events) == 5


class TestPrefilled:
    def alert(self, **changes: Any) -> Alert:
        alert = next(one for one in TestMappaForms().outbound() if one.message == "NOTIFY")
        return parse_alert({**as_json(alert), **changes})

    def made(self, alert: Alert) -> dict[str, Any]:
        rendition = ADAPTER.outbound[0].render(alert)
        assert isinstance(rendition, Rendition)
        value = json.loads(rendition.body)
        assert isinstance(value, dict)
        return value

    def test_it_is_in_the_published_form_and_read_without_a_stranger(self) -> None:
        made = self.made(self.alert())
        assert satisfies(SCHEMA, made)
        assert read(made).unread == ()

    def test_the_level_told_is_the_current_one_and_none_is_asked_for(self) -> None:
        made = self.made(self.alert())
        assert made["current_level"] == 2
        assert not set(TO_COMPLETE) & set(made)
        assert made["to_complete"] == list(TO_COMPLETE)

    def test_one_category_is_ticked(self) -> None:
        for category in (1, 2, 3, 4):
            told = {"identifiers": {"crn": "X999001"}, "mappa": {"category": category}}
            made = self.made(self.alert(facts=told))
            assert {name for name in made if name.startswith("category_")} == {
                f"category_{category}"
            }

    @pytest.mark.parametrize("status", ["PROPOSED", "UNKNOWN", None])
    def test_an_address_that_is_not_confirmed_is_not_an_approved_one(
        self, status: str | None
    ) -> None:
        location: dict[str, Any] = {"address": {"lines": ["1 Sample Street"]}}
        location |= {"address_status": status} if status else {}
        told = {"identifiers": {"crn": "X999001"}, "location": location}
        assert "approved_release_address" not in self.made(self.alert(facts=told))

    def test_it_is_traceable_and_carries_its_handling(self) -> None:
        alert = self.alert()
        made = self.made(alert)
        assert (made["alert_id"], made["case_ref"]) == (alert.id, alert.case_ref)
        assert (made["marking"], made["handling_grade"]) == ("OFFICIAL-SENSITIVE", "1AC")
        assert made["recipient_type"] == "FOR_ACTION"
        assert made["handling_conditions"] == alert.conditions
        assert made["acknowledge_by"].startswith("2026-02-03")
        assert any(one.startswith("rosh: ") and "ASSESSMENT" in one for one in made["sources"])

    def test_a_recall_or_nobody_named_has_no_form(self) -> None:
        for changes in (
            {"message_type": "RECALL", "facts": {}},
            {"facts": {"identifiers": {"visor_ref": "EX-V-0001"}}},
        ):
            for outbound in ADAPTER.outbound:
                assert isinstance(outbound.render(self.alert(**changes)), NotRendered)

    def test_the_row_has_every_column(self) -> None:
        rendition = ADAPTER.outbound[1].render(self.alert())
        assert isinstance(rendition, Rendition)
        heading, row = csv.reader(io.StringIO(rendition.body.decode(), newline=""), strict=True)
        assert tuple(heading) == COLUMNS
        assert len(row) == len(COLUMNS)

    def test_a_formula_in_a_fact_is_text_and_read_back_as_it_was(self) -> None:
        told: dict[str, Any] = {
            "identifiers": {"crn": "X999001"},
            "identity": {"family_name": '=cmd|"/C calc"!A0'},
            "mappa": {"category": 1},
        }
        rendition = ADAPTER.outbound[1].render(self.alert(facts=told))
        assert isinstance(rendition, Rendition)
        _, row = csv.reader(io.StringIO(rendition.body.decode(), newline=""), strict=True)
        assert row[COLUMNS.index("family_name")].startswith("'=")
        (event,) = ADAPTER.translate(rendition.body, source=SOURCE).events
        assert event.groups["identity"]["family_name"] == told["identity"]["family_name"]


class TestPublishedForm:
    def test_it_has_every_column_and_no_other(self) -> None:
        assert tuple(SCHEMA["properties"]) == COLUMNS

    def test_the_examples_are_in_it(self) -> None:
        for example in inbound_of("mappa_forms"):
            if example.given.suffix == ".json":
                assert satisfies(SCHEMA, json.loads(example.given.read_bytes()))

    def test_every_column_is_read(self) -> None:
        full = dict.fromkeys(COLUMNS) | form(category_1=True)
        assert read(full).unread == ()
        assert read({**full, "stranger": 1}).unread == ("$.stranger",)

    def test_what_it_requires_a_reader_requires(self) -> None:
        least = form(category_1=True)
        assert satisfies(SCHEMA, least)
        assert read(least).events
        for name in ("marking", "crn", "referred_on"):
            less = {key: one for key, one in least.items() if key != name}
            assert not satisfies(SCHEMA, less)
            with pytest.raises(MalformedEvent):
                read(less)
