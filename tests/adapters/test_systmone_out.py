"""What prison and community healthcare are given: the card, the communication, the notices, A03."""

import json
from typing import Any

import pytest

from adapters.contract import NotRendered, Rendition
from adapters.kit.hl7_text import read_message
from adapters.systmone import ADAPTER
from gateway.model.alert import Alert, read_alert
from gateway.model.kinds import KINDS, type_of
from tests.adapters.examples import FOLDER, SOURCE
from tests.adapters.probes import HOSTILE_TEXTS

EXAMPLES = FOLDER / "systmone"


def alert(name: str = "planned", *, facts: dict[str, Any] | None = None, **changes: Any) -> Alert:
    """An example alert, changed; `facts` replaces groups, None takes one out."""
    value = json.loads((EXAMPLES / f"{name}.alert.json").read_bytes())
    told = value.get("facts", {}) | (facts or {})
    value["facts"] = {group: members for group, members in told.items() if members is not None}
    return read_alert(json.dumps(value | changes).encode())


def render(form: str, of: Alert) -> Rendition | NotRendered:
    found = ADAPTER.form(form)
    assert found is not None
    return found.render(of)


def made(form: str, of: Alert) -> Any:
    rendition = render(form, of)
    assert isinstance(rendition, Rendition), rendition
    return json.loads(rendition.body)


def declined(form: str, of: Alert) -> bool:
    return isinstance(render(form, of), NotRendered)


def entries(bundle: Any) -> list[Any]:
    return [entry["resource"] for entry in bundle["entry"]]


def one(bundle: Any, kind: str) -> Any:
    (found,) = [resource for resource in entries(bundle) if resource["resourceType"] == kind]
    return found


def trail(resource: Any) -> dict[str, Any]:
    (extension,) = resource["extension"]
    return {
        part["url"]: next(value for name, value in part.items() if name != "url")
        for part in extension["extension"]
    }


# The card.


def test_the_community_practice_and_the_team_stand_first_on_the_card() -> None:
    first, second, *rest = entries(made("card", alert()))
    assert (first["resourceType"], first["name"]) == ("Organization", "Example Street Surgery")
    assert first["type"][0]["coding"][0]["code"] == "community-gp"
    assert second["resourceType"] == "CareTeam"
    assert second["participant"][0]["member"] == {"display": "Kim Example"}
    assert [resource["resourceType"] for resource in rest] == [
        "Encounter", "Task", "Patient", "Organization",
    ]  # fmt: skip


def test_a_gap_is_said_where_the_practice_and_the_team_would_stand() -> None:
    card = made("card", alert("gaps"))
    texts = [resource["code"]["text"] for resource in entries(card)[:2]]
    assert texts == ["Community GP: NOT_RECORDED", "Mental health team: NOT_RECORDED"]
    assert "is not recorded" in one(card, "Task")["description"]


def test_what_was_not_told_is_not_said_to_be_unrecorded() -> None:
    routing = {"community_gp": "NOT_RECORDED"}
    card = made("card", alert(facts={"health_routing": routing}))
    texts = [resource["code"]["text"] for resource in entries(card)[:2]]
    assert texts == ["Community GP: NOT_RECORDED", "Mental health team: NOT_STATED"]
    assert "Mental health team" not in one(card, "Task")["description"]


def test_there_is_no_card_where_neither_was_told() -> None:
    assert declined("card", alert(facts={"health_routing": None}))
    assert declined("card", alert(facts={"health_routing": {"mha_status": "01"}}))


@pytest.mark.parametrize(
    ("custody", "status", "end"),
    [
        ({"planned_date": "2026-02-20"}, "in-progress", "2026-02-20"),
        (
            {"planned_date": "2026-02-20", "confirmed_date": "2026-02-21"},
            "in-progress",
            "2026-02-21",
        ),
        ({"released_at": "2026-02-22T09:00:00Z"}, "finished", "2026-02-22T09:00:00Z"),
    ],
)
def test_the_card_has_the_surest_date_of_release(
    custody: dict[str, str], status: str, end: str
) -> None:
    encounter = one(made("card", alert(facts={"custody": custody})), "Encounter")
    assert (encounter["status"], encounter["period"]["end"]) == (status, end)


def test_a_card_without_a_date_has_none() -> None:
    kinds = {one["resourceType"] for one in entries(made("card", alert(facts={"custody": None})))}
    assert "Encounter" not in kinds


def test_the_card_holds_nothing_clinical() -> None:
    clinical = {"self_harm": "Specimen wording", "diagnosis": "Specimen disorder"}
    card = json.dumps(made("card", alert(facts={"health_clinical": clinical})))
    assert "Specimen wording" not in card
    assert "Specimen disorder" not in card


def test_every_reference_on_the_card_is_to_an_entry_of_it() -> None:
    for name in ("planned", "released", "gaps"):
        card = made("card", alert(name))
        there = {entry["fullUrl"] for entry in card["entry"]}
        assert len(there) == len(card["entry"])
        assert references(card) <= there


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["reference"]} if isinstance(value.get("reference"), str) else set()
        return own.union(*(references(inner) for inner in value.values()))
    return (
        set().union(*(references(inner) for inner in value)) if isinstance(value, list) else set()
    )


@pytest.mark.parametrize("name", ["planned", "gaps", "released"])
def test_the_card_reads_back_as_what_it_was_made_from(name: str) -> None:
    given = alert(name)
    rendition = render("card", given)
    assert isinstance(rendition, Rendition)
    translation = ADAPTER.translate(rendition.body, source=SOURCE)
    (team,) = [one for one in translation.events if one.kind == "health.care_team_recorded"]
    for group, members in (
        ("health_routing", ("community_gp", "registered_practice", "care_coordinator")),
        ("identifiers", ("noms", "nhs_number", "nhs_number_status")),
        ("identity", ("family_name", "given_names", "date_of_birth", "sex")),
    ):
        for member in members:
            assert team.groups.get(group, {}).get(member) == given.fact(group, member), member
    told = given.object("health_routing", "mental_health_team")
    assert team.groups["health_routing"].get("mental_health_team", {}) == told


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_rendered_or_declined_with_a_reason(kind: str) -> None:
    changed = alert(event_type=type_of(kind))
    for form in ADAPTER.outbound:
        rendition = form.render(changed)
        if isinstance(rendition, NotRendered):
            assert all(rendition.reasons)
        else:
            assert rendition.media_type == form.media_type
    family = kind.partition(".")[0]
    moved = {"custody.transferred", "custody.hospital_transfer"}
    assert declined("card", changed) is not (family in ("release", "health") or kind in moved)
    proposals = {"release.planned", "release.date_changed", "health.discharge_planned"}
    assert declined("adw-discharge", changed) is (kind not in proposals)
    assert declined("adt-a03", changed) is (kind != "release.actual")


# What traces each form to its disclosure.


@pytest.mark.parametrize("form", ["card", "communication", "adw-discharge"])
def test_each_form_carries_what_traces_it_to_its_disclosure(form: str) -> None:
    given = alert(
        message_type="CORRECTION", supersedes="alt_before", intel_grade="1BC", intel_conditions="c"
    )
    said = made(form, given)
    holder = (
        said
        if form == "communication"
        else one(said, "Task" if form == "card" else "MessageHeader")
    )
    assert trail(holder) == {
        "id": given.id,
        "caseRef": given.case_ref,
        "source": given.source,
        "message": "CORRECTION",
        "supersedes": "alt_before",
        "recipientType": "FA",
        "marking": "OFFICIAL-SENSITIVE",
        "handlingGrade": "1BC",
        "handlingConditions": "c",
        "acknowledgeBy": "2026-02-04T09:30:00+00:00",
    }


# The communication.


def points(of: Alert) -> list[str]:
    return [payload["contentString"] for payload in made("communication", of)["payload"]]


def test_each_point_of_the_hand_over_is_a_fact_that_was_told() -> None:
    said = points(alert(facts={"custody": {"planned_date": "2026-02-20"}, "location": None}))
    assert said[0] == "Release planned: 2026-02-20"
    assert "Medication continuity arranged: yes" in said
    assert not [point for point in said if point.startswith(("Prison:", "Address", "Area"))]


def test_gaps_and_refusals_are_said_in_the_communication() -> None:
    said = points(alert("gaps"))
    assert "Community GP: NOT_RECORDED" in said
    assert "Medication continuity arranged: no" in said


def test_a_communication_of_nothing_is_none() -> None:
    value = json.loads((EXAMPLES / "planned.alert.json").read_bytes()) | {"facts": {}}
    assert declined("communication", read_alert(json.dumps(value).encode()))


def test_a_recalled_communication_says_that_it_was_an_error() -> None:
    said = made("communication", alert("recall"))
    assert said["status"] == "entered-in-error"
    assert trail(said)["supersedes"] == "alt_01hexampleplanned"
    assert "payload" not in said


# Notices.


def test_a_notice_proposes_a_date_while_the_stay_goes_on() -> None:
    notice = made("adw-discharge", alert())
    header = notice["entry"][0]["resource"]
    assert header["resourceType"] == "MessageHeader"
    assert header["event"] == {"system": "http://snomed.info/sct", "code": "975731000000100"}
    encounter = one(notice, "Encounter")
    assert encounter["status"] == "in-progress"
    assert encounter["period"] == {"end": "2026-02-20"}
    assert references(notice) <= {entry["fullUrl"] for entry in notice["entry"]}


def test_a_withdrawal_names_the_referral_of_the_notice() -> None:
    noticed = one(made("adw-discharge", alert()), "ReferralRequest")
    withdrawal = made("adw-withdrawal", alert("recall"))
    withdrawn = one(withdrawal, "ReferralRequest")
    assert noticed["identifier"][0] == withdrawn["identifier"][0]
    assert (noticed["status"], withdrawn["status"]) == ("requested", "cancelled")
    assert withdrawal["entry"][0]["resource"]["event"]["code"] == "975841000000102"
    assert "period" not in one(withdrawal, "Encounter")


@pytest.mark.parametrize(
    ("reason", "code"),
    [("retracted", "12"), ("wrong-merge", "12"), ("corrected-no-longer-entitled", "12"),
     ("reversed", "13"), (None, "12")],
)  # fmt: skip
def test_a_withdrawal_says_why_by_code(reason: str | None, code: str) -> None:
    header = made("adw-withdrawal", alert("recall", reason=reason))["entry"][0]["resource"]
    assert header["reason"]["coding"][0]["code"] == code


def test_a_cancelled_release_withdraws_the_notice_before_it() -> None:
    cancelled = {"event_type": type_of("release.cancelled"), "message_type": "UPDATE"}
    withdrawal = made("adw-withdrawal", alert(**cancelled, supersedes="alt_before"))
    assert one(withdrawal, "ReferralRequest")["identifier"][0]["value"] == "alt_before"
    assert declined("adw-withdrawal", alert(**cancelled, supersedes=None))


def test_a_notice_that_takes_anothers_place_is_found_by_either() -> None:
    changed = alert(message_type="UPDATE", supersedes="alt_before")
    identifiers = one(made("adw-discharge", changed), "ReferralRequest")["identifier"]
    assert {changed.id, "alt_before"} <= {one["value"] for one in identifiers}


def test_a_notice_without_a_date_to_come_or_a_time_is_none() -> None:
    assert declined("adw-discharge", alert(facts={"custody": None}))
    released = {"custody": {"released_at": "2026-02-20T11:00:00Z"}}
    assert declined("adw-discharge", alert(facts=released))
    assert declined("adw-discharge", alert(occurred_at=None))


def test_a_recall_of_what_had_no_notice_withdraws_none() -> None:
    assert declined("adw-withdrawal", alert("recall", event_type=type_of("risk.assessed")))
    assert declined("adw-withdrawal", alert("recall", supersedes=None))
    assert declined("adw-withdrawal", alert())


# ADT^A03.


def test_the_discharge_message_reads_back_as_what_was_told() -> None:
    rendition = render("adt-a03", alert("released"))
    assert isinstance(rendition, Rendition)
    message = read_message(rendition.body)
    assert [one.name for one in message.segments] == ["MSH", "EVN", "PID", "PD1", "PV1", "ZTG"]
    person, practice, trace = (message.segment(name) for name in ("PID", "PD1", "ZTG"))
    assert person is not None
    assert practice is not None
    assert trace is not None
    issued = {one.text(4): one.text(1) for one in person.repetitions(3)}
    assert issued == {
        "THROUGHGATE": "per_01hexample", "NHS": "9990000018", "NOMIS": "Z0001ZZ",
    }  # fmt: skip
    assert person.text(32) == "01"
    assert practice.text(3, 3) == "Z99902"
    assert [trace.text(field) for field in range(1, 9)] == [
        "alt_01hexamplereleased", "UPDATE", "alt_01hexampleplanned", "per_01hexample", "FA",
        "OFFICIAL-SENSITIVE", "2BC", "Not to be told to the person",
    ]  # fmt: skip
    assert [trace.text(field, 3) for field in (10, 11)] == ["Z99901", "Z99903"]


def test_the_discharge_message_is_one_this_adapter_reads() -> None:
    rendition = render("adt-a03", alert("released"))
    assert isinstance(rendition, Rendition)
    translation = ADAPTER.translate(rendition.body, source=SOURCE)
    (event,) = translation.events
    assert event.kind == "health.discharge_planned"
    assert translation.unread == ("$.ZTG",)


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=range(len(HOSTILE_TEXTS)))
def test_no_value_leaves_its_field(text: str) -> None:
    """Names, practices, addresses, conditions full of marks: the same segments, the same text."""
    told = text.encode("utf-8", "replace").decode()[:190] or "x"
    hostile = alert(
        "released",
        facts={
            "identity": {"family_name": told, "given_names": told},
            "location": {"address": {"lines": [told, told], "postcode": "ZZ99 1AA"}},
            "health_routing": {
                "community_gp": {"name": told, "telephone": told},
                "care_coordinator": told,
            },
        },
        intel_conditions=told,
    )
    rendition = render("adt-a03", hostile)
    assert isinstance(rendition, Rendition)
    message = read_message(rendition.body)
    assert [one.name for one in message.segments] == ["MSH", "EVN", "PID", "PD1", "PV1", "ZTG"]
    person, trace = message.segment("PID"), message.segment("ZTG")
    assert person is not None
    assert trace is not None
    assert [person.repetitions(5)[0].exact(part) for part in (1, 2)] == [told, told]
    assert [person.repetitions(11)[0].exact(part) for part in (1, 2)] == [told, told]
    assert trace.repetitions(8)[0].exact() == told
    assert [trace.repetitions(10)[0].exact(part) for part in (1, 4)] == [told, told]
    assert trace.repetitions(12)[0].exact() == told


def test_a_discharge_message_without_a_name_or_a_time_is_none() -> None:
    assert declined("adt-a03", alert("released", facts={"identity": {"sex": "male"}}))
    assert declined("adt-a03", alert("released", occurred_at=None))
    assert declined("adt-a03", alert("released", message_type="RECALL", facts={}))
