"""Prison healthcare's FHIR: what each resource and code of a Bundle becomes, and what stops it."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.contract import Translation, UnsupportedEvent
from adapters.systmone import ADAPTER
from adapters.systmone.codes import (
    CARE_TEAM,
    DESTINATIONS,
    IN_REACH,
    LEGAL_STATUSES,
    MEDICATION,
    METHODS,
    OTHER_FLAGS,
    PRIOR_PRACTICE,
    PRISON_NUMBER,
    TRACED,
    WHOLE_RECORD,
)
from gateway.model.problem import MalformedEvent
from tests.adapters.examples import FOLDER, SOURCE
from tests.third_party import vector_files, vectors

UK = "https://fhir.hl7.org.uk/CodeSystem/UKCore-"
UK_EXTENSION = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
FLAGS = "http://terminology.hl7.org/CodeSystem/flag-category"
WHOLE = "urn:throughgate:fhir:prison-health-record"
PRIOR = "urn:throughgate:fhir:prior-community-practice"

Change = Callable[[dict[str, dict[str, Any]]], None]


def example() -> dict[str, Any]:
    value: dict[str, Any] = json.loads((FOLDER / "systmone" / "bundle.in.json").read_bytes())
    return value


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def bundle(change: Change | None = None, *, whole: bool = True, **members: Any) -> bytes:
    """The example, changed: resources by type (the first of each), or the Bundle's own members."""
    value = example()
    resources = {
        entry["resource"]["resourceType"]: entry["resource"] for entry in reversed(value["entry"])
    }
    if change is not None:
        change(resources)
    if not whole:
        del value["meta"]
    return json.dumps(value | members).encode()


def add(*resources: dict[str, Any], whole: bool = True, without: tuple[str, ...] = ()) -> bytes:
    value = example()
    value["entry"] = [
        one for one in value["entry"] if one["resource"]["resourceType"] not in without
    ] + [{"resource": one} for one in resources]
    if not whole:
        del value["meta"]
    return json.dumps(value).encode()


def translate(body: bytes) -> Translation:
    return ADAPTER.translate(body, source=SOURCE)


def kinds(body: bytes) -> list[str]:
    return [event.kind for event in translate(body).events]


def facts(body: bytes, group: str, kind: str = "health.care_team_recorded") -> dict[str, Any]:
    (event,) = [one for one in translate(body).events if one.kind == kind]
    provenance = {"assertion", "as_of", "source_system", "verified"}
    return {k: v for k, v in event.groups.get(group, {}).items() if k not in provenance}


def refused(body: bytes, *, human: bool) -> str:
    with pytest.raises(UnsupportedEvent) as error:
        translate(body)
    assert error.value.needs_human is human
    return error.value.problems[0].reason


def reasons(body: bytes) -> list[str]:
    return [note.reason for note in translate(body).notes]


# Who.


def test_the_care_team_the_discharge_and_the_concern_of_one_bundle_are_three_events() -> None:
    assert kinds(bundle()) == [
        "health.care_team_recorded",
        "health.discharge_planned",
        "health.concern",
    ]


def test_the_general_practice_and_the_mental_health_team_come_first() -> None:
    assert list(facts(bundle(), "health_routing"))[:2] == ["community_gp", "mental_health_team"]


@pytest.mark.parametrize("status", sorted(TRACED - {"07"}))
def test_a_tracing_status_goes_with_its_number(status: str) -> None:
    def change(one: dict[str, Any]) -> None:
        extension = one["Patient"]["identifier"][0]["extension"][0]
        extension["valueCodeableConcept"]["coding"][0]["code"] = status

    assert facts(bundle(change), "identifiers")["nhs_number_status"] == status


@pytest.mark.parametrize("status", ["00", "07", "09", "1"])
def test_a_status_that_is_unknown_or_denies_the_number_needs_a_human(status: str) -> None:
    def change(one: dict[str, Any]) -> None:
        extension = one["Patient"]["identifier"][0]["extension"][0]
        extension["valueCodeableConcept"]["coding"][0]["code"] = status

    refused(bundle(change), human=True)


def test_two_statuses_of_one_number_need_a_human() -> None:
    def change(one: dict[str, Any]) -> None:
        numbers = one["Patient"]["identifier"]
        again = copy.deepcopy(numbers[0])
        again["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] = "02"
        numbers.append(again)

    assert "contradicts itself" in refused(bundle(change), human=True)


@pytest.mark.parametrize("index", [0, 1])
def test_two_numbers_of_one_kind_need_a_human_but_an_old_one_does_not(index: int) -> None:
    other = {"value": "9990000026" if index == 0 else "Z0002ZZ"}

    def two(one: dict[str, Any]) -> None:
        numbers = one["Patient"]["identifier"]
        numbers.append({**numbers[index], **other})

    def old(one: dict[str, Any]) -> None:
        numbers = one["Patient"]["identifier"]
        numbers.append({**numbers[index], **other, "use": "old"})

    assert "two numbers" in refused(bundle(two), human=True)
    assert facts(bundle(old), "identifiers") == facts(bundle(), "identifiers")


def test_nobody_and_two_people_are_refused() -> None:
    with pytest.raises(MalformedEvent, match="names nobody"):
        translate(bundle(lambda one: one["Patient"].update(identifier=[])))
    with pytest.raises(MalformedEvent, match="names nobody"):
        translate(add(without=("Patient",)))
    assert "more than one Patient" in refused(add({"resourceType": "Patient"}), human=True)


@pytest.mark.parametrize(
    "members",
    [
        {"deceasedBoolean": True},
        {"deceasedDateTime": "2026-02-01"},
        {"active": False},
        {"link": [{"type": "replaced-by", "other": {"reference": "Patient/2"}}]},
    ],
)
def test_a_record_of_the_dead_or_no_longer_used_needs_a_human(members: dict[str, Any]) -> None:
    refused(bundle(lambda one: one["Patient"].update(members)), human=True)


def test_the_name_now_borne_is_told_from_the_others() -> None:
    def change(one: dict[str, Any]) -> None:
        one["Patient"]["name"] += [
            {"use": "nickname", "given": ["Lex"]},
            {"use": "maiden", "family": "Example", "given": ["Alex"]},
            {"use": "temp", "family": "Nobody"},
            {"family": "Formerly", "period": {"end": "2001-01-01"}},
        ]

    told = facts(bundle(change), "identity")
    assert told["family_name"] == "Specimen"
    assert told["aliases"] == ["Alex Example", "Formerly", "Lex"]


def test_two_official_names_need_a_human() -> None:
    def change(one: dict[str, Any]) -> None:
        one["Patient"]["name"].append({"use": "official", "family": "Example"})

    refused(bundle(change), human=True)


@pytest.mark.parametrize(
    ("stated", "told"),
    [("male", "male"), ("female", "female"), ("other", "other"), ("unknown", "not_known")],
)
def test_a_sex_is_read_by_its_code(stated: str, told: str) -> None:
    body = bundle(lambda one: one["Patient"].update(gender=stated))
    assert facts(body, "identity")["sex"] == told


def test_a_sex_of_no_known_code_needs_a_human() -> None:
    refused(bundle(lambda one: one["Patient"].update(gender="M")), human=True)


def test_a_year_is_not_taken_for_a_date_of_birth() -> None:
    body = bundle(lambda one: one["Patient"].update(birthDate="1980"))
    assert "date_of_birth" not in facts(body, "identity")
    assert any("not a day" in reason for reason in reasons(body))


# General practice.


def test_the_practice_now_registered_with_is_never_taken_for_the_community_practice() -> None:
    def change(one: dict[str, Any]) -> None:
        del one["Patient"]["extension"][0]

    told = facts(bundle(change, whole=False), "health_routing")
    assert told["registered_practice"]["ods"] == "Z99902"
    assert "community_gp" not in told
    assert facts(bundle(change), "health_routing")["community_gp"] == "NOT_RECORDED"


def test_a_record_can_say_that_no_community_practice_is_recorded() -> None:
    def change(one: dict[str, Any]) -> None:
        one["Patient"]["extension"][0] = {"url": PRIOR, "valueCode": "NOT_RECORDED"}

    assert facts(bundle(change, whole=False), "health_routing")["community_gp"] == "NOT_RECORDED"


def test_a_whole_record_says_what_it_does_not_hold_and_no_other_does() -> None:
    def change(one: dict[str, Any]) -> None:
        del one["Patient"]["generalPractitioner"]
        del one["CareTeam"]["status"]
        one["Patient"]["extension"] = []
        one["Encounter"]["extension"] = []

    told = facts(bundle(change), "health_routing")
    assert told == dict.fromkeys(
        ("community_gp", "mental_health_team", "registered_practice"), "NOT_RECORDED"
    )
    assert "health.care_team_recorded" not in kinds(bundle(change, whole=False))


@pytest.mark.parametrize("member", ["community_gp", "registered_practice"])
def test_a_practice_that_the_message_does_not_hold_is_not_said_to_be_missing(member: str) -> None:
    gone = {"reference": "Organization/elsewhere"}

    def change(one: dict[str, Any]) -> None:
        one["Patient"]["generalPractitioner"] = [gone]
        one["Patient"]["extension"][0]["extension"][0]["valueReference"] = gone

    assert member not in facts(bundle(change), "health_routing")
    assert any("does not name" in reason for reason in reasons(bundle(change)))


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ({"type": "Organization", "display": "Example Surgery"}, {"name": "Example Surgery"}),
        (
            {
                "identifier": {
                    "system": "https://fhir.nhs.uk/Id/ods-organization-code",
                    "value": "Z99904",
                },
                "display": "Example Surgery",
            },
            {"name": "Example Surgery", "ods": "Z99904"},
        ),
    ],
)
def test_a_practice_may_be_named_by_the_reference_itself(
    reference: dict[str, Any], told: dict[str, str]
) -> None:
    body = bundle(lambda one: one["Patient"].update(generalPractitioner=[reference]))
    assert facts(body, "health_routing")["registered_practice"] == told


def test_a_doctor_is_not_a_practice() -> None:
    doctor = {"reference": "Practitioner/1", "display": "Dr Example"}
    body = bundle(lambda one: one["Patient"].update(generalPractitioner=[doctor]), whole=False)
    assert "registered_practice" not in facts(body, "health_routing")


def test_a_role_leads_to_its_practice() -> None:
    role = {
        "resourceType": "PractitionerRole",
        "id": "role",
        "organization": {"reference": "urn:uuid:6f0c0a3e-2222-4a8e-9c86-0d5f6a7b1c01"},
    }
    value = json.loads(add(role))
    value["entry"][0]["resource"]["generalPractitioner"] = [{"reference": "PractitionerRole/role"}]
    told = facts(json.dumps(value).encode(), "health_routing")
    assert told["registered_practice"]["ods"] == "Z99901"


def test_two_practices_where_one_is_meant_need_a_human() -> None:
    def change(one: dict[str, Any]) -> None:
        one["Patient"]["generalPractitioner"].append(
            {"reference": "urn:uuid:6f0c0a3e-2222-4a8e-9c86-0d5f6a7b1c01"}
        )

    refused(bundle(change), human=True)


# The mental health team.


@pytest.mark.parametrize("status", ["inactive", "proposed", "suspended", "entered-in-error", None])
def test_a_team_that_is_not_active_is_not_told_of(status: str | None) -> None:
    body = bundle(lambda one: one["CareTeam"].update(status=status), whole=False)
    assert "mental_health_team" not in facts(body, "health_routing")
    assert any("not an active care team" in reason for reason in reasons(body))


@pytest.mark.parametrize("setting", ["710", "711", "712", "713", "715"])
def test_a_mental_health_setting_makes_the_team_one(setting: str) -> None:
    category = [concept(f"{UK}PracticeSettingCodeEngland", setting)]
    body = bundle(lambda one: one["CareTeam"].update(category=category))
    assert facts(body, "health_routing")["mental_health_team"]["ods"] == "Z99903"


def test_another_team_is_not_taken_for_it_whatever_it_is_called() -> None:
    category = [concept(f"{UK}PracticeSettingCodeEngland", "361")]
    body = bundle(lambda one: one["CareTeam"].update(category=category, name="CMHT"))
    assert facts(body, "health_routing")["mental_health_team"] == "NOT_RECORDED"


def test_a_team_of_a_code_that_our_list_does_not_have_is_of_no_known_kind() -> None:
    ours = "urn:throughgate:fhir:care-team"
    other = bundle(lambda one: one["CareTeam"].update(category=[concept(ours, "other")]))
    assert facts(other, "health_routing")["mental_health_team"] == "NOT_RECORDED"
    refused(
        bundle(lambda one: one["CareTeam"].update(category=[concept(ours, "dentists")])), human=True
    )


def test_an_active_team_that_does_not_say_what_it_is_for_needs_a_human_in_a_whole_record() -> None:
    def change(one: dict[str, Any]) -> None:
        del one["CareTeam"]["category"]

    refused(bundle(change), human=True)
    assert "mental_health_team" not in facts(bundle(change, whole=False), "health_routing")


def test_two_active_mental_health_teams_need_a_human() -> None:
    other = copy.deepcopy(example()["entry"][4]["resource"]) | {"name": "Another team"}
    refused(add(other), human=True)


@pytest.mark.parametrize("code", ["HIV", "SDV", "ETH", "UNHEARD-OF"])
def test_a_team_whose_name_would_tell_too_much_is_not_named(code: str) -> None:
    def change(one: dict[str, Any]) -> None:
        one["CareTeam"]["meta"]["security"] = [{"system": ACT_CODE, "code": code}]

    told = facts(bundle(change), "health_routing")
    assert not {"mental_health_team", "care_coordinator"} & set(told)


def test_psychiatry_is_what_the_team_is_for() -> None:
    def change(one: dict[str, Any]) -> None:
        one["CareTeam"]["meta"]["security"] = [{"system": ACT_CODE, "code": "PSY"}]

    assert "mental_health_team" in facts(bundle(change), "health_routing")


def test_a_coordinator_who_has_left_is_not_told_of() -> None:
    def change(one: dict[str, Any]) -> None:
        one["CareTeam"]["participant"][0]["period"] = {"end": "2026-01-31"}

    assert "care_coordinator" not in facts(bundle(change), "health_routing")


def test_a_member_of_the_team_who_does_not_coordinate_is_not_told_of() -> None:
    def change(one: dict[str, Any]) -> None:
        one["CareTeam"]["participant"][0]["role"] = [concept("http://snomed.info/sct", "224535009")]

    assert "care_coordinator" not in facts(bundle(change), "health_routing")


@pytest.mark.parametrize("kind", ["CareTeam", "Flag", "Encounter"])
def test_what_is_about_somebody_else_needs_a_human(kind: str) -> None:
    def change(one: dict[str, Any]) -> None:
        one[kind]["subject"] = {"reference": "Patient/somebody-else"}

    refused(bundle(change), human=True)


# Discharge.


@pytest.mark.parametrize("code", sorted(DESTINATIONS))
def test_a_destination_is_a_release_only_if_it_is_in_the_community(code: str) -> None:
    def change(one: dict[str, Any]) -> None:
        stay = one["Encounter"]["hospitalization"]["dischargeDisposition"]
        stay["coding"][0]["code"] = code

    meaning = DESTINATIONS[code]
    if meaning in ("hospital", "died"):
        refused(bundle(change), human=True)
    else:
        released = "health.discharge_planned" in kinds(bundle(change))
        assert released is (meaning != "elsewhere")


def test_every_destination_of_the_list_has_a_meaning() -> None:
    published = "19 29 30 37 38 48 49 50 51 52 53 54 65 66 79 84 85 87 88 98 99"
    assert " ".join(sorted(DESTINATIONS)) == published
    assert " ".join(sorted(METHODS)) == "1 3 4 5 6 7 8 9"


def test_the_usual_residence_states_no_address() -> None:
    (event,) = [one for one in translate(bundle()).events if one.kind.endswith("planned")]
    assert "location" not in event.groups
    assert "custody" not in event.groups


@pytest.mark.parametrize("code", [*sorted(METHODS), "2", "X"])
def test_a_method_of_discharge_is_read_by_its_code(code: str) -> None:
    def change(one: dict[str, Any]) -> None:
        method = concept(f"{UK}DischargeMethodEngland", code)
        url = f"{UK_EXTENSION}DischargeMethod"
        one["Encounter"]["extension"].append({"url": url, "valueCodeableConcept": method})

    if METHODS.get(code, "died") == "died":
        refused(bundle(change), human=True)
    else:
        assert "health.discharge_planned" in kinds(bundle(change))


@pytest.mark.parametrize(
    ("change", "released"),
    [
        ({"status": "finished"}, True),
        ({"status": "planned"}, True),
        ({"status": "onleave"}, True),
        ({"period": {"start": "2025-11-03"}}, False),
        ({"status": "finished", "hospitalization": {}}, False),
        ({"class": {"system": ACT_CODE, "code": "AMB"}, "hospitalization": {}}, False),
    ],
)
def test_a_stay_is_a_discharge_when_its_end_is_proposed_or_was(
    change: dict[str, Any], released: bool
) -> None:
    body = bundle(lambda one: one["Encounter"].update(change))
    assert ("health.discharge_planned" in kinds(body)) is released


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error", "unknown", "x"])
def test_a_stay_taken_back_or_of_unknown_state_needs_a_human(status: str) -> None:
    refused(bundle(lambda one: one["Encounter"].update(status=status)), human=True)


def test_finished_and_not_discharged_needs_a_human() -> None:
    def change(one: dict[str, Any]) -> None:
        one["Encounter"]["status"] = "finished"
        one["Encounter"]["hospitalization"]["dischargeDisposition"]["coding"][0]["code"] = "98"

    refused(bundle(change), human=True)


def test_another_date_of_discharge_is_another_event() -> None:
    later = bundle(lambda one: one["Encounter"]["period"].update(end="2026-02-27"))
    ids = [{one.id for one in translate(body).events} for body in (bundle(), later)]
    assert len(ids[0] ^ ids[1]) == 2


@pytest.mark.parametrize("code", [*sorted(LEGAL_STATUSES), "98", "99", "11", "2"])
def test_a_legal_status_is_two_digits_of_englands_list(code: str) -> None:
    def change(one: dict[str, Any]) -> None:
        part = one["Encounter"]["extension"][0]["extension"][1]
        part["valueCodeableConcept"]["coding"][0]["code"] = code

    if code in ("11", "2"):
        refused(bundle(change), human=True)
    else:
        told = facts(bundle(change), "health_routing").get("mha_status")
        assert told == (code if code in LEGAL_STATUSES else None)


def test_another_countrys_legal_status_needs_a_human() -> None:
    def change(one: dict[str, Any]) -> None:
        part = one["Encounter"]["extension"][0]["extension"][1]
        part["valueCodeableConcept"]["coding"][0]["system"] = f"{UK}LegalStatusClassificationWales"

    refused(bundle(change), human=True)


def test_the_legal_status_on_discharge_counts_before_that_on_admission() -> None:
    def change(one: dict[str, Any]) -> None:
        before = copy.deepcopy(one["Encounter"]["extension"][0])
        for part, code in zip(before["extension"], ("admission", "16"), strict=True):
            part["valueCodeableConcept"]["coding"][0]["code"] = code
        one["Encounter"]["extension"].insert(0, before)

    assert facts(bundle(change), "health_routing")["mha_status"] == "01"


# Flags.


def flag(**members: Any) -> bytes:
    return bundle(lambda one: one["Flag"].update(members))


def test_a_risk_of_suicide_is_told_by_its_code_and_as_an_assessment() -> None:
    body = flag(code=concept("http://snomed.info/sct", "225444004") | {"text": "free text"})
    (event,) = [one for one in translate(body).events if one.kind == "health.concern"]
    clinical = event.groups["health_clinical"]
    assert (clinical["self_harm"], clinical["assertion"]) == ("At risk of suicide", "assessment")
    assert b"free text" not in json.dumps(event.to_cloudevent()).encode()


@pytest.mark.parametrize("category", ["behavioral", "safety"])
def test_a_flag_of_concern_says_that_there_is_one_and_no_more(category: str) -> None:
    body = flag(category=[concept(FLAGS, category)], code={"text": "Throws things"})
    (event,) = [one for one in translate(body).events if one.kind == "health.concern"]
    assert set(event.groups) == {"identifiers", "identity"}


@pytest.mark.parametrize("category", sorted(OTHER_FLAGS))
def test_a_flag_of_another_kind_is_of_no_concern(category: str) -> None:
    body = flag(category=[concept(FLAGS, category)], code={"text": "Peanuts"})
    assert "health.concern" not in kinds(body)


@pytest.mark.parametrize("category", [[], [concept(FLAGS, "x")], [concept("urn:example:x", "y")]])
def test_a_flag_of_no_known_category_needs_a_human(category: list[Any]) -> None:
    assert "no category" in refused(flag(category=category, code={"text": "?"}), human=True)


def test_a_flag_that_is_not_active_is_passed_over_and_one_taken_back_needs_a_human() -> None:
    assert "health.concern" not in kinds(flag(status="inactive"))
    refused(flag(status="entered-in-error"), human=True)


def test_a_flag_active_and_over_needs_a_human() -> None:
    refused(flag(period={"start": "2026-01-01", "end": "2026-01-31"}), human=True)


# Labels.


def label(kind: str, system: str, code: str) -> bytes:
    labelled = {"meta": {"security": [{"system": system, "code": code}]}}
    return bundle(lambda one: one[kind].update(labelled))


@pytest.mark.parametrize("kind", ["Patient", "Organization", "CareTeam", "Encounter", "Flag"])
def test_very_restricted_content_is_not_taken_in(kind: str) -> None:
    with pytest.raises(MalformedEvent, match="very restricted") as refusal:
        translate(label(kind, CONFIDENTIALITY, "V"))
    assert not isinstance(refusal.value, UnsupportedEvent)


def test_a_very_restricted_message_or_contained_resource_is_not_taken_in() -> None:
    very = {"security": [{"system": CONFIDENTIALITY, "code": "V"}]}
    for body in (
        bundle(meta=very),
        bundle(
            lambda one: one["Patient"].update(
                contained=[{"resourceType": "Organization", "id": "c", "meta": very}]
            )
        ),
    ):
        with pytest.raises(MalformedEvent, match="very restricted"):
            translate(body)


@pytest.mark.parametrize(
    ("system", "code"), [(CONFIDENTIALITY, "R"), (ACT_CODE, "HIV"), (ACT_CODE, "SDV")]
)
def test_a_restricted_patient_is_filed_by_number_and_not_named(system: str, code: str) -> None:
    for event in translate(label("Patient", system, code)).events:
        assert set(event.groups) <= {"identifiers", "health_routing", "health_clinical"}


def test_a_restricted_message_is_told_inside_the_health_groups_alone() -> None:
    meta = {"security": [{"system": CONFIDENTIALITY, "code": "R"}]}
    for event in translate(bundle(meta=meta)).events:
        assert set(event.groups) <= {"identifiers", "health_routing", "health_clinical"}


@pytest.mark.parametrize("code", ["U", "L", "M", "N"])
def test_a_lesser_confidentiality_changes_nothing(code: str) -> None:
    assert "family_name" in facts(label("Patient", CONFIDENTIALITY, code), "identity")


def test_an_unknown_confidentiality_needs_a_human() -> None:
    refused(label("Patient", CONFIDENTIALITY, "X"), human=True)


@pytest.mark.parametrize("kind", ["Patient", "CareTeam", "Flag", "Encounter"])
def test_what_the_person_is_not_to_be_told_is_marked_so(kind: str) -> None:
    assert facts(label(kind, ACT_CODE, "NOPAT"), "handling") == {"sar_restrict": True}
    assert facts(bundle(), "handling") == {}


def test_test_data_goes_nowhere() -> None:
    act_reason = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
    assert "test data" in refused(label("Patient", act_reason, "HTEST"), human=False)


# The message.


@pytest.mark.parametrize(
    "kind", ["message", "transaction", "batch", "collection", "document", "searchset"]
)
def test_a_bundle_of_these_types_is_read(kind: str) -> None:
    assert kinds(bundle(type=kind))


@pytest.mark.parametrize("kind", ["history", "transaction-response", "batch-response", "x"])
def test_a_bundle_of_any_other_type_reports_nothing(kind: str) -> None:
    refused(bundle(type=kind), human=False)


def test_the_time_is_the_messages_own_and_required() -> None:
    value = json.loads(bundle())
    del value["timestamp"]
    with pytest.raises(MalformedEvent, match="timestamp"):
        translate(json.dumps(value).encode())
    value["meta"]["lastUpdated"] = "2026-02-03T10:00:00+01:00"
    (event, *_) = translate(json.dumps(value).encode()).events
    assert event.groups["identifiers"]["as_of"] == "2026-02-03T10:00:00+01:00"


def test_a_deletion_and_a_withdrawal_need_a_human() -> None:
    value = example()
    value["entry"].append({"request": {"method": "DELETE", "url": "Flag/1"}})
    refused(json.dumps(value).encode(), human=True)
    withdrawn = {"system": "http://snomed.info/sct", "code": "975841000000102"}
    refused(add({"resourceType": "MessageHeader", "eventCoding": withdrawn}), human=True)


@pytest.mark.parametrize("name", ["modifierExtension", "implicitRules"])
def test_a_modifier_that_is_not_known_needs_a_human(name: str) -> None:
    refused(bundle(lambda one: one["CareTeam"].update({name: ["x"]})), human=True)


def test_a_nested_bundle_is_refused() -> None:
    with pytest.raises(MalformedEvent, match="inside a Bundle"):
        translate(add({"resourceType": "Bundle", "type": "collection"}))


def test_clinical_and_audit_resources_are_known_and_nothing_is_taken_from_them() -> None:
    more = [
        {"resourceType": kind, "code": {"text": "Specimen disorder"}}
        for kind in ("Condition", "MedicationRequest", "AuditEvent", "Provenance", "Consent")
    ]
    translation = translate(add(*more))
    assert translation.unread == ()
    assert translation.events == translate(bundle()).events


def test_a_resource_and_a_member_that_are_not_known_are_reported() -> None:
    assert any("not known" in reason for reason in reasons(add({"resourceType": "Novelty"})))
    body = bundle(lambda one: one["Patient"].update(favouriteColour="blue"))
    assert translate(body).unread == ("$.entry[0].resource.favouriteColour",)


def test_a_reference_is_never_looked_for_outside_the_message() -> None:
    gone = {"reference": "https://elsewhere.example/fhir/Organization/1"}
    body = bundle(lambda one: one["Patient"].update(generalPractitioner=[gone]), whole=False)
    assert "registered_practice" not in facts(body, "health_routing")


def test_a_name_that_two_resources_go_by_needs_a_human() -> None:
    twins = [{"resourceType": "Organization", "id": "twin", "name": name} for name in "AB"]
    value = json.loads(add(*twins))
    value["entry"][0]["resource"]["generalPractitioner"] = [{"reference": "Organization/twin"}]
    refused(json.dumps(value).encode(), human=True)


def test_a_role_that_leads_to_itself_leads_nowhere() -> None:
    me = {"reference": "PractitionerRole/me"}
    role = {"resourceType": "PractitionerRole", "id": "me", "organization": me, "practitioner": me}
    value = json.loads(add(role, whole=False))
    value["entry"][0]["resource"]["generalPractitioner"] = [me]
    value["entry"][4]["resource"]["participant"][0]["member"] = me
    told = facts(json.dumps(value).encode(), "health_routing")
    assert not {"registered_practice", "care_coordinator"} & set(told)


JUNK = (None, True, 7, 1.5, "x", "", [], {}, ["x"], [{}], {"x": "y"}, [[]], "2026-02-02")


@pytest.mark.parametrize("junk", JUNK, ids=str)
def test_any_value_in_the_place_of_any_member_is_translated_or_refused(junk: Any) -> None:
    for changed in with_each(example(), junk):
        try:
            events = translate(json.dumps(changed).encode()).events
        except MalformedEvent as error:
            assert error.problems, "a refusal says what is wrong"  # noqa: PT017
        else:
            assert events


def with_each(value: Any, junk: Any) -> Iterator[Any]:
    """Yield a JSON value once per member anywhere in it, with that member replaced."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield {**value, name: junk}
            for other in with_each(inner, junk):
                yield {**value, name: other}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for other in with_each(inner, junk):
                yield [*value[:index], other, *value[index + 1 :]]


def test_a_record_that_says_nothing_of_care_is_passed_over_with_the_reason() -> None:
    body = add(without=("CareTeam", "Encounter", "Flag", "Organization"), whole=False)
    value = json.loads(body)
    for name in ("extension", "generalPractitioner"):
        del value["entry"][0]["resource"][name]
    refused(json.dumps(value).encode(), human=False)
    value["entry"].append({"resource": {"resourceType": "CareTeam", "status": "inactive"}})
    assert "not an active" in refused(json.dumps(value).encode(), human=False)


def test_a_resource_alone_and_about_nobody_is_passed_over() -> None:
    refused(b'{"resourceType": "Organization", "name": "Example"}', human=False)


def test_two_legal_statuses_or_two_discharges_need_a_human() -> None:
    other = copy.deepcopy(example()["entry"][6]["resource"])
    part = other["extension"][0]["extension"][1]
    part["valueCodeableConcept"]["coding"][0]["code"] = "15"
    refused(add(other), human=True)
    later = copy.deepcopy(example()["entry"][6]["resource"])
    later["period"]["end"] = "2026-03-01"
    refused(add(later), human=True)
    assert kinds(add(copy.deepcopy(example()["entry"][6]["resource"]))) == kinds(bundle())


@pytest.mark.parametrize(("number", "same"), [("9990000018", True), ("9990000026", False)])
def test_a_subject_may_be_named_by_number(number: str, same: bool) -> None:
    subject = {"identifier": {"value": number}, "display": "A Specimen"}
    body = bundle(lambda one: one["Flag"].update(subject=subject))
    if same:
        assert kinds(body) == kinds(bundle())
    else:
        refused(body, human=True)


def test_a_practice_whose_name_would_tell_too_much_is_not_named() -> None:
    labelled = {"security": [{"system": ACT_CODE, "code": "STD"}]}
    body = bundle(lambda one: one["Organization"].update(meta=labelled))
    assert "community_gp" not in facts(body, "health_routing")
    assert any("not named" in reason for reason in reasons(body))


def test_a_practice_without_name_or_code_is_not_told_of() -> None:
    def change(one: dict[str, Any]) -> None:
        del one["Organization"]["name"], one["Organization"]["identifier"]

    assert "community_gp" not in facts(bundle(change), "health_routing")


def test_a_coordinator_may_be_named_through_a_role_or_by_the_reference() -> None:
    kim = "urn:uuid:6f0c0a3e-6666-4a8e-9c86-0d5f6a7b1c01"
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": kim}}
    value = json.loads(add(role))
    (participant,) = value["entry"][4]["resource"]["participant"]
    participant["member"] = {"reference": "PractitionerRole/r"}
    assert facts(json.dumps(value).encode(), "health_routing")["care_coordinator"] == "Kim Example"
    participant["member"] = {"display": "Duty desk"}
    assert facts(json.dumps(value).encode(), "health_routing")["care_coordinator"] == "Duty desk"


def test_two_coordinators_need_a_human() -> None:
    def change(one: dict[str, Any]) -> None:
        (first,) = one["CareTeam"]["participant"]
        one["CareTeam"]["participant"].append({**first, "member": {"display": "Another"}})

    refused(bundle(change), human=True)


def test_the_profile_names_all_that_is_our_own() -> None:
    page = (FOLDER.parents[1] / "reference" / "adapters" / "systmone.fhir.md").read_text("utf-8")
    ours = (PRISON_NUMBER, WHOLE_RECORD, PRIOR_PRACTICE, IN_REACH, MEDICATION, CARE_TEAM)
    assert [name for name in ours if f"`{name}`" not in page] == []


# UK Core's own examples.


@pytest.mark.parametrize(
    "path", vector_files("fhir-ukcore/examples", "*.xml"), ids=lambda path: path.name
)
def test_every_example_of_uk_core_is_read_or_refused_with_a_reason(path: Any) -> None:
    with pytest.raises(MalformedEvent) as error:  # one alone states no time, and mostly nobody
        translate(path.read_bytes())
    assert all(problem.reason for problem in error.value.problems)


def test_the_examples_of_uk_core_together_are_read() -> None:
    """The baby, with a number and a practice; the flag and the team are about somebody else."""
    folder = vectors("fhir-ukcore/examples")
    names = (
        "UKCore-Patient-BabyPatient", "UKCore-Organization-LeedsTeachingHospital",
        "UKCore-PractitionerRole-GeneralPractitioner", "UKCore-Consent-ForInformationAccess",
        "UKCore-Provenance-RARecordConsent",
    )  # fmt: skip
    entries = "".join(
        "<entry><resource>"
        + (folder / f"{name}-Example.xml").read_text("utf-8")
        + "</resource></entry>"
        for name in names
    )
    leeds = "Organization/UKCore-Organization-LeedsTeachingHospital-Example"
    practice = f"<generalPractitioner><reference value='{leeds}'/></generalPractitioner></Patient>"
    body = (
        '<Bundle xmlns="http://hl7.org/fhir"><type value="collection"/>'
        '<timestamp value="2026-02-02T09:30:00Z"/>'
        + entries.replace("</Patient>", practice)
        + "</Bundle>"
    ).encode()
    with pytest.raises(MalformedEvent, match="check digit"):
        translate(body)  # the baby's number is not one
    body = body.replace(b"9912003890", b"9990000018")
    told = facts(body, "health_routing")
    assert told["registered_practice"]["ods"] == "RR8"
    assert facts(body, "identity")["date_of_birth"] == "2021-02-11"
    assert facts(body, "identifiers")["nhs_number_status"] == "01"
    assert translate(body).unread == ()
    for name in ("UKCore-Flag-FoodAllergy", "UKCore-CareTeam-WeightManagementTeam"):
        more = (folder / f"{name}-Example.xml").read_text("utf-8")
        other = body.replace(
            b"</Bundle>", f"<entry><resource>{more}</resource></entry></Bundle>".encode()
        )
        assert "not the one Patient" in refused(other, human=True)
