"""nDelius: every register and code, who is restricted, what is at odds, the note written back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import NotRendered, Rendition, Translation, UnsupportedEvent
from adapters.hmpps_domain_events import ADAPTER as HMPPS_DOMAIN_EVENTS
from adapters.ndelius import ADAPTER
from gateway.model.alert import Alert, parse_alert
from gateway.model.problem import MalformedEvent
from gateway.testing.statements import as_json
from tests.adapters.examples import FOLDER, SOURCE, inbound_of
from tests.contract.test_adapter import AdapterContract
from tests.model.test_schemas import satisfies
from tests.third_party import vectors

JAVA = "Fri Jun 14 09:06:52 BST 2024"


class TestNdelius(AdapterContract):
    adapter = ADAPTER


def record(code: str = "MAPP", **members: Any) -> dict[str, Any]:
    return {
        "registerTypeCode": code,
        "registrationId": "1",
        "registrationDate": "Fri Jun 14 00:00:00 BST 2024",
        "createdDateAndTime": JAVA,
        **members,
    }


def document(*records: dict[str, Any], **members: Any) -> dict[str, Any]:
    held = {"registrations": list(records)} if records else {}
    return {"crn": "X999001", "asOf": "2026-02-01T09:30:00Z", **held, **members}


def read(value: Any) -> Translation:
    return ADAPTER.translate(json.dumps(value).encode(), source=SOURCE)


def facts(value: Any) -> tuple[str, dict[str, Any]]:
    (event,) = read(value).events
    bare = {
        group: {
            name: one
            for name, one in members.items()
            if name not in {"assertion", "as_of", "source_system", "verified"}
        }
        for group, members in event.groups.items()
        if group != "identifiers"
    }
    return event.kind, bare


def refused(value: Any) -> UnsupportedEvent:
    with pytest.raises(UnsupportedEvent) as caught:
        read(value)
    return caught.value


class TestMappa:
    @pytest.mark.parametrize(("code", "category"), [("M1", 1), ("M2", 2), ("M3", 3), ("M4", 4)])
    def test_a_category_without_a_level_is_a_category(self, code: str, category: int) -> None:
        given = document(record(registrationCategoryCode=code))
        assert facts(given) == ("mappa.category_changed", {"mappa": {"category": category}})

    @pytest.mark.parametrize(("code", "level"), [("M1", 1), ("M2", 2), ("M3", 3)])
    def test_a_level_is_a_level(self, code: str, level: int) -> None:
        given = document(record(registrationLevelCode=code, registrationCategoryCode=""))
        assert facts(given) == ("mappa.level_changed", {"mappa": {"level": level}})

    @pytest.mark.parametrize("category", ["M0", "X9", "", None])
    @pytest.mark.parametrize("level", ["M0", "", None])
    def test_what_ndelius_does_not_know_is_stated_nowhere(
        self, category: str | None, level: str | None
    ) -> None:
        given = document(record(registrationCategoryCode=category, registrationLevelCode=level))
        assert facts(given) == ("mappa.level_changed", {})
        assert "neither category nor level" in read(given).notes[0].reason

    @pytest.mark.parametrize("name", ["registrationCategoryCode", "registrationLevelCode"])
    @pytest.mark.parametrize("code", ["M5", "1", "m1", "SECRET"])
    def test_a_code_without_a_meaning_needs_a_human(self, name: str, code: str) -> None:
        error = refused(document(record(**{name: code})))
        assert error.needs_human
        assert error.problems[0].path == f"$.registrations[0].{name}"
        assert code not in error.problems[0].reason

    @pytest.mark.parametrize(
        "label",
        ["MAPPA Level 3", "Level 3 – MAPPP", "LEVEL_3", "level 3", "MAPPA Level 3 - MAPPP"],
    )
    def test_a_label_is_understood_and_held_to_its_code(self, label: str) -> None:
        told = {"mappa": {"level": 3}}
        given = record(registrationLevelDescription=label)
        assert facts(document(given)) == ("mappa.level_changed", told)
        assert facts(document({**given, "registrationLevelCode": "M3"}))[1] == told
        for other in ("M1", "M0"):
            error = refused(document({**given, "registrationLevelCode": other}))
            assert error.needs_human
            assert "differ" in error.problems[0].reason

    @pytest.mark.parametrize(
        "prose",
        ["To be managed at Level 3 in future", "Level 3 until level 2", "Level 33", "third"],
    )
    def test_prose_about_a_level_states_none(self, prose: str) -> None:
        given = record(registrationLevelCode="M1", registrationLevelDescription=prose)
        assert facts(document(given))[1] == {"mappa": {"level": 1}}

    @pytest.mark.parametrize("label", ["MAPPA Cat 2", "Category 2", "Cat. 2 - Violent offender"])
    def test_a_label_of_a_category_is_held_to_its_code(self, label: str) -> None:
        given = record(registrationCategoryCode="M1", registrationCategoryDescription=label)
        assert refused(document(given)).needs_human
        given["registrationCategoryCode"] = "M2"
        assert facts(document(given))[1] == {"mappa": {"category": 2}}

    def test_category_3_at_level_1_needs_a_human(self) -> None:
        given = record(registrationCategoryCode="M3", registrationLevelCode="M1")
        error = refused(document(given))
        assert error.needs_human
        assert "level 2 or 3" in error.problems[0].reason

    def test_two_levels_of_one_person_need_a_human(self) -> None:
        given = document(
            record(registrationLevelCode="M1"),
            record(registrationLevelCode="M2", registrationId="2"),
        )
        assert refused(given).needs_human
        given = document(record(registrationLevelCode="M1"), mappaDetail={"level": 2})
        assert refused(given).needs_human

    def test_leaving_the_register_ends_eligibility_and_states_no_level(self) -> None:
        left = record(
            registrationCategoryCode="M2", registrationLevelCode="M2",
            deregistrationDate="Thu Jan 15 00:00:00 GMT 2026", deregistrationId="9",
        )  # fmt: skip
        (event,) = read(document(left)).events
        assert event.kind == "mappa.eligibility_ended"
        assert set(event.groups) == {"identifiers"}
        assert event.occurred_at is not None
        assert event.occurred_at.date().isoformat() == "2026-01-15"

    def test_a_level_changed_on_one_registration_is_another_event(self) -> None:
        ids = {read(document(record(registrationLevelCode=c))).events[0].id for c in ("M1", "M2")}
        assert len(ids) == 2


class TestDetail:
    def test_it_states_category_level_and_next_review(self) -> None:
        detail = {"level": 2, "category": 1, "reviewDate": "2026-05-01", "notes": "M. Example said"}
        told = {"mappa": {"level": 2, "category": 1, "next_review": "2026-05-01"}}
        assert facts(document(mappaDetail=detail)) == ("mappa.level_changed", told)
        body = json.dumps(
            [one.to_cloudevent() for one in read(document(mappaDetail=detail)).events]
        )
        assert "Example said" not in body

    def test_zero_is_unknown_and_never_one(self) -> None:
        assert facts(document(mappaDetail={"level": 0, "category": 0}))[1] == {}
        told = facts(document(mappaDetail={"level": 0, "category": 4}))
        assert told == ("mappa.category_changed", {"mappa": {"category": 4}})

    def test_all_null_is_nothing_found(self) -> None:
        names = ("level", "levelDescription", "category", "categoryDescription", "startDate")
        error = refused(document(mappaDetail=dict.fromkeys((*names, "reviewDate", "notes"))))
        assert not error.needs_human

    @pytest.mark.parametrize("detail", [{"level": 4}, {"category": 5}, {"level": -1}])
    def test_another_number_needs_a_human(self, detail: dict[str, int]) -> None:
        assert refused(document(mappaDetail=detail)).needs_human

    def test_it_needs_a_time_to_hold_from(self) -> None:
        with pytest.raises(MalformedEvent) as caught:
            read({"crn": "X999001", "mappaDetail": {"level": 2, "startDate": "2020-01-01"}})
        assert caught.value.problems[0].path == "$.asOf"

    def test_it_may_stand_alone(self) -> None:
        given = document(level=3, levelDescription="LEVEL_3", startDate="2020-01-01")
        assert facts(given) == ("mappa.level_changed", {"mappa": {"level": 3}})


class TestOtherRegisters:
    @pytest.mark.parametrize(
        ("code", "level"), [("RLRH", "low"), ("RMRH", "medium"), ("RHRH", "high")]
    )
    def test_a_risk_register_states_the_overall_risk(self, code: str, level: str) -> None:
        told = {"rosh": {"overall": level, "assessed_on": "2024-06-14"}}
        assert facts(document(record(code))) == ("risk.assessed", told)

    def test_a_risk_whose_label_says_otherwise_needs_a_human(self) -> None:
        assert refused(document(record("RLRH", registerTypeDescription="High RoSH"))).needs_human

    def test_two_overall_risks_need_a_human(self) -> None:
        assert refused(document(record("RLRH"), record("RHRH"))).needs_human

    @pytest.mark.parametrize(
        ("code", "kind", "told"),
        [
            ("RCCO", "safeguarding.child_concern", {"children": {"at_risk": True}}),
            ("RCPR", "safeguarding.child_concern", {"children": {"at_risk": True}}),
            ("RVAD", "safeguarding.adult_concern", {}),
            ("ASFO", "risk.flag_raised", {"offence": {"serious_further_offence": True}}),
            *((code, "risk.flag_raised", {}) for code in ("STRG", "WEAP", "AVIS", "WRSM")),
        ],
    )
    def test_a_flag_states_what_being_on_the_register_states(
        self, code: str, kind: str, told: dict[str, Any]
    ) -> None:
        which = {"rosh": {"flags": [f"NDELIUS:{code}"]}}
        assert facts(document(record(code))) == (kind, told or which)
        ended = record(code, deregistrationDate="Thu Jan 15 00:00:00 GMT 2026")
        assert facts(document(ended)) == ("risk.flag_ended", which)

    def test_the_domain_events_of_a_register_are_of_the_same_kind(self) -> None:
        for code in (
            "MAPP",
            "RHRH",
            "RCCO",
            "RCPR",
            "RVAD",
            "STRG",
            "WEAP",
            "AVIS",
            "ASFO",
            "WRSM",
        ):
            event = {
                "eventType": "probation-case.registration.added",
                "version": 1,
                "occurredAt": "2024-06-14T09:06:52+01:00",
                "additionalInformation": record(code, registrationLevelCode=""),
                "personReference": {"identifiers": [{"type": "CRN", "value": "X999001"}]},
            }
            body = json.dumps(event).encode()
            (theirs,) = HMPPS_DOMAIN_EVENTS.translate(body, source=SOURCE).events
            (ours,) = read(document(record(code))).events
            assert ours.kind == theirs.kind, code

    def test_victim_contact_is_passed_over(self) -> None:
        assert not refused(document(record("INVI"))).needs_human
        both = read(document(record("INVI"), record("WEAP")))
        assert [one.kind for one in both.events] == ["risk.flag_raised"]

    def test_the_end_of_a_risk_register_is_passed_over_with_a_note(self) -> None:
        left = record("RHRH", deregistrationDate="Thu Jan 15 00:00:00 GMT 2026")
        assert not refused(document(left)).needs_human
        both = read(document(left, record("WEAP")))
        assert [one.kind for one in both.events] == ["risk.flag_raised"]
        assert "states no level" in " ".join(one.reason for one in both.notes)

    @pytest.mark.parametrize("code", ["RVHR", "ZZZZ", "mapp"])
    def test_an_unknown_register_needs_a_human(self, code: str) -> None:
        assert refused(document(record(code), record("WEAP"))).needs_human


class TestTimes:
    @pytest.mark.parametrize(
        "wrong", ["Sat Jun 14 00:00:00 BST 2024", "Fri Jun 14 00:00:00 IST 2024"]
    )
    def test_a_java_date_that_is_none_is_refused(self, wrong: str) -> None:
        with pytest.raises(MalformedEvent) as caught:
            read(document(record("RHRH", registrationDate=wrong)))
        assert caught.value.problems[0].path.endswith(".registrationDate")
        assert wrong not in caught.value.problems[0].reason

    def test_other_forms_of_date_are_read(self) -> None:
        for form in ("2024-06-14", "2024-06-14T00:00:00+01:00", "2024-06-14T00:00:00"):
            told = facts(document(record("RHRH", registrationDate=form)))
            assert told[1]["rosh"]["assessed_on"] == "2024-06-14"

    def test_what_is_stated_holds_from_when_it_was_last_recorded(self) -> None:
        given = record("RHRH", updatedDateAndTime="Mon Jan 12 14:20:05 GMT 2026")
        (event,) = read(document(given)).events
        assert event.groups["rosh"]["as_of"] == "2026-01-12T14:20:05Z"
        del given["updatedDateAndTime"], given["createdDateAndTime"]
        (event,) = read(document(given)).events
        assert event.groups["rosh"]["as_of"] == "2026-02-01T09:30:00Z"

    def test_without_any_time_it_is_refused(self) -> None:
        bare = {"crn": "X999001", "registerTypeCode": "WEAP"}
        with pytest.raises(MalformedEvent):
            read(bare)
        (event,) = read({**bare, "registrationDate": "2024-06-14"}).events
        assert event.groups["identifiers"]["as_of"] == "2024-06-14T00:00:00+01:00"


class TestWhose:
    def test_nobody_named_is_refused(self) -> None:
        with pytest.raises(MalformedEvent) as caught:
            read({"asOf": "2026-02-01T09:30:00Z", "registrations": [record()]})
        assert caught.value.problems[0].path == "$.crn"

    def test_identifiers_are_gathered(self) -> None:
        given = document(
            record("WEAP", noms="Z0001ZZ"),
            identifiers={"nomsId": "Z0001ZZ", "pnc": "2008/0545166T"},
        )
        (event,) = read(given).events
        stated = event.groups["identifiers"]
        assert (stated["crn"], stated["noms"], stated["pnc"]) == (
            "X999001", "Z0001ZZ", "2008/0545166T",
        )  # fmt: skip

    def test_two_persons_in_one_document_need_a_human(self) -> None:
        assert refused(document(record("WEAP", crn="X999002"))).needs_human
        assert refused(document(record(), accessLimitations={"crn": "X999002"})).needs_human


class TestAccess:
    @pytest.mark.parametrize(
        "limits",
        [
            {"userRestricted": True},
            {"userExcluded": True, "userRestricted": False},
            {"restrictionMessage": "Restricted."},
            {"exclusionMessage": "Excluded."},
            {"restrictedTo": [{"email": "officer@probation.example"}], "excludedFrom": []},
            {"excludedFrom": [{"email": "officer@probation.example"}], "restrictedTo": []},
        ],
    )
    def test_any_limit_on_staff_restricts_the_case(self, limits: dict[str, Any]) -> None:
        told = ("person.linked", {"handling": {"restricted": True}})
        assert facts(document(accessLimitations=limits)) == told

    def test_no_address_or_message_is_carried(self) -> None:
        limits = {
            "restrictedTo": [{"email": "officer@probation.example"}],
            "restrictionMessage": "Because of M. Example.",
        }
        translation = read(document(accessLimitations=limits))
        body = json.dumps([one.to_cloudevent() for one in translation.events])
        assert "officer@" not in body
        assert "M. Example" not in body
        assert any("a human decides" in one.reason for one in translation.notes)

    def test_organisations_are_let_through_or_kept_out(self) -> None:
        limits = {
            "restrictedTo": [{"organisation": "Example Police"}],
            "excludedFrom": [{"organisation": "Example Housing"}],
        }
        told = {
            "restricted": True,
            "restricted_to": ["Example Police"],
            "excluded": ["Example Housing"],
        }
        assert facts(document(accessLimitations=limits))[1] == {"handling": told}
        only = {"excludedFrom": limits["excludedFrom"], "exclusionMessage": "Excluded."}
        assert facts(document(accessLimitations=only))[1] == {
            "handling": {"excluded": ["Example Housing"]}
        }

    def test_only_two_empty_lists_lift_a_restriction(self) -> None:
        lifted: dict[str, Any] = {"excludedFrom": [], "restrictedTo": []}
        told = facts(document(accessLimitations=lifted))[1]
        assert told == {"handling": {"restricted": False}}
        unlimited: tuple[dict[str, Any], ...] = (
            {"userExcluded": False, "userRestricted": False},
            {"restrictedTo": []},
        )
        for open_to_one in unlimited:
            assert not refused(document(accessLimitations=open_to_one)).needs_human

    def test_a_limit_comes_before_what_it_limits_and_links_nobody(self) -> None:
        given = document(record("WEAP"), noms="Z0001ZZ", accessLimitations={"userRestricted": True})
        events = read(given).events
        assert [one.kind for one in events] == ["person.linked", "risk.flag_raised"]
        assert {"crn", "noms"} & set(events[0].groups["identifiers"]) == {"crn"}

    def test_it_needs_a_time_to_hold_from(self) -> None:
        with pytest.raises(MalformedEvent) as caught:
            read({"crn": "X999001", "userRestricted": True})
        assert caught.value.problems[0].path == "$.asOf"
        with pytest.raises(MalformedEvent) as caught:
            read({"noms": "Z0001ZZ", "asOf": "2026-02-01", "userRestricted": True})
        assert caught.value.problems[0].path == "$.crn"


def test_the_registrations_of_the_published_events_are_read_bare() -> None:
    samples = json.loads(
        (vectors("hmpps-events") / "events-from-spec-examples.json").read_text("utf-8")
    )
    seen = 0
    for sample in samples:
        event = sample["event"]
        if "registerTypeCode" not in event.get("additionalInformation", {}):
            continue
        crn = event["personReference"]["identifiers"][0]["value"]
        translation = read({"crn": crn, **event["additionalInformation"]})
        assert [one.kind for one in translation.events] == ["risk.assessed"]
        assert translation.unread == ()
        seen += 1
    assert seen >= 3


@given(
    category=st.sampled_from(["M0", "M1", "M2", "M3", "M4", "X9", "M9", ""]),
    level=st.sampled_from(["M0", "M1", "M2", "M3", "M9", ""]),
)
def test_a_number_is_stated_only_as_its_code_says(category: str, level: str) -> None:
    given = record(registrationCategoryCode=category, registrationLevelCode=level)
    if "M9" in (category, level) or (category, level) == ("M3", "M1"):
        assert refused(document(given)).needs_human
        return
    _, told = facts(document(given))
    mappa = told.get("mappa", {})
    assert mappa.get("category", 0) == (int(category[1]) if category[:1] == "M" else 0)
    assert mappa.get("level", 0) == (int(level[1]) if level else 0)


class TestNote:
    def alert(self, **changes: Any) -> Alert:
        (alert,) = (one for one in TestNdelius().outbound() if one.kind == "mappa.level_changed")
        return parse_alert({**as_json(alert), **changes})

    def note(self, alert: Alert) -> dict[str, Any]:
        made = ADAPTER.outbound[0].render(alert)
        assert isinstance(made, Rendition)
        value = json.loads(made.body)
        assert isinstance(value, dict)
        return value

    def test_codes_are_the_reverse_of_what_is_read(self) -> None:
        for category in (1, 2, 4):
            for level in (1, 2, 3):
                facts = {
                    "identifiers": {"crn": "X999001"},
                    "mappa": {"category": category, "level": level},
                }
                (entry,) = self.note(self.alert(facts=facts))["registrations"]
                (event,) = read(document({**_bare(entry), "registrationId": "1"})).events
                assert event.groups["mappa"]["category"] == category
                assert event.groups["mappa"]["level"] == level

    @pytest.mark.parametrize(
        ("level", "code"), [("low", "RLRH"), ("medium", "RMRH"), ("high", "RHRH")]
    )
    def test_a_risk_has_its_register(self, level: str, code: str) -> None:
        facts = {"identifiers": {"crn": "X999001"}, "rosh": {"overall": level}}
        (entry,) = self.note(self.alert(facts=facts))["registrations"]
        assert entry["registerTypeCode"] == code

    def test_a_very_high_risk_has_none_and_is_said(self) -> None:
        facts = {"identifiers": {"crn": "X999001"}, "rosh": {"overall": "very_high"}}
        note = self.note(self.alert(facts=facts))
        assert "registrations" not in note
        assert "very high" in note["note"]

    def test_the_end_of_eligibility_is_a_deregistration(self) -> None:
        note = self.note(
            self.alert(
                event_type="org.throughgate.mappa.eligibility_ended.v1",
                facts={"identifiers": {"crn": "X999001"}},
            )
        )
        (entry,) = note["registrations"]
        assert (entry["registerTypeCode"], entry["deregistrationDate"]) == ("MAPP", "2026-02-01")

    def test_it_is_traceable_and_carries_its_handling(self) -> None:
        alert = self.alert()
        trace = self.note(alert)["alert"]
        assert trace["alertId"] == alert.id
        assert trace["caseRef"] == alert.case_ref
        assert trace["marking"] == "OFFICIAL-SENSITIVE"
        assert (trace["handlingGrade"], trace["handlingConditions"]) == (
            alert.grade,
            alert.conditions,
        )
        assert trace["recipientType"] == "FOR_ACTION"
        assert trace["acknowledgeBy"].startswith("2026-02-03T09:30:00")

    def test_without_a_number_ndelius_knows_there_is_no_note(self) -> None:
        made = ADAPTER.outbound[0].render(
            self.alert(facts={"identifiers": {"pnc": "2008/0545166T"}})
        )
        assert isinstance(made, NotRendered)

    def test_an_update_says_what_it_supersedes(self) -> None:
        note = self.note(self.alert(message_type="CORRECTION", supersedes="alt_1"))
        assert (note["status"], note["alert"]["supersedes"]) == ("CORRECTION", "alt_1")


def _bare(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in entry.items() if name.startswith("regist")}


class TestPublishedForm:
    SCHEMA = json.loads(
        (FOLDER.parents[1] / "reference/adapters/ndelius.schema.json").read_text("utf-8")
    )

    def test_the_examples_are_in_it(self) -> None:
        for example in inbound_of("ndelius"):
            assert satisfies(self.SCHEMA, json.loads(example.given.read_bytes())), example.name

    def test_what_it_requires_is_enough(self) -> None:
        least = {"pncNumber": "2008/0545166T", "registrationDate": "2024-06-14"}
        least["registerTypeCode"] = "WEAP"
        assert satisfies(self.SCHEMA, least)
        assert read(least).events
        del least["pncNumber"]
        assert not satisfies(self.SCHEMA, least)

    def test_a_register_is_in_it_exactly_if_it_is_read(self) -> None:
        for code in self.SCHEMA["properties"]["registerTypeCode"]["enum"]:
            assert read(document(record(code), record("WEAP"))).events
        assert not satisfies(self.SCHEMA, document(record("ZZZZ")))

    def test_every_member_of_it_is_read(self) -> None:
        named = self.SCHEMA["properties"]
        given = document(
            dict.fromkeys(named["registrations"]["anyOf"][0]["properties"]) | record("WEAP"),
            mappaDetail=dict.fromkeys(named["mappaDetail"]["properties"]),
            accessLimitations=dict.fromkeys(named["accessLimitations"]["properties"]),
        )
        assert read(given).unread == ()
        assert read({**given, "stranger": 1}).unread == ("$.stranger",)
