"""ViSOR-style nominals: every code, every refusal, both shapes, and no more out than is told."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import NotRendered, Rendition, Translation, UnsupportedEvent
from adapters.kit.members import Members
from adapters.kit.xml_text import read_xml, write_xml
from adapters.visor import ADAPTER, codes
from adapters.visor.nominal import category_of, facts_of
from gateway.model.alert import read_alert
from gateway.model.groups import Custody, Order, Rosh
from gateway.model.kinds import KINDS
from gateway.model.problem import MalformedEvent
from tests.adapters.examples import FOLDER
from tests.contract.test_adapter import RoundTripContract
from tests.support.every import every

RELEASE = (FOLDER / "visor" / "release.alert.json").read_bytes()
BASE: dict[str, Any] = {
    "system": "ViSOR",
    "recordedAt": "2026-02-03T16:20:00Z",
    "report": "VISIT_RECORDED",
    "visorRef": "99/0001204",
    "pncId": "1981/0000034U",
}


class TestVisor(RoundTripContract):
    adapter = ADAPTER
    round_trip = frozenset(
        f"{group}.{member}"
        for group, members in {
            "identity": ("family_name", "given_names", "aliases", "date_of_birth", "sex"),
            "identifiers": ("visor_ref", "pnc", "cro", "noms", "crn"),
            "mappa": ("category", "level", "lead_agency", "next_review", "reviewed_on"),
            "rosh": ("overall", "children", "public", "known_adult", "staff", "assessed_on"),
            "custody": (
                "prison", "release_type", "planned_date", "confirmed_date", "licence",
                "sentence_expiry_date", "licence_expiry_date",
            ),
            "children": ("at_risk",),
            "professionals": ("plan_ref",),
            "handling": ("grade", "conditions", "marking"),
        }.items()
        for member in members
    )  # fmt: skip


def nominal(**more: Any) -> bytes:
    """A nominal; keyword arguments set members, None takes one out."""
    return write_xml("nominal", {**BASE, **more})


def translated(**more: Any) -> Translation:
    return ADAPTER.translate(nominal(**more), source="urn:example:agency")


def groups(**more: Any) -> Any:
    (event,) = translated(**more).events
    return event.groups


def refusal(**more: Any) -> MalformedEvent:
    with pytest.raises(MalformedEvent) as caught:
        translated(**more)
    return caught.value


def unclear(**more: Any) -> str:
    error = refusal(**more)
    assert isinstance(error, UnsupportedEvent)
    assert error.needs_human
    return str(error)


def malformed(**more: Any) -> str:
    error = refusal(**more)
    assert not isinstance(error, UnsupportedEvent)
    return str(error)


@every(("report", "kind"), codes.REPORTS.items())
def test_every_report_is_the_kind_it_is_said_to_be(report: str, kind: str) -> None:
    (event,) = translated(report=report, mappaCategory="1").events
    assert event.kind == kind
    assert kind in KINDS


def test_no_two_reports_are_the_same_kind() -> None:
    assert len(codes.REPORT_OF) == len(codes.REPORTS)


def test_a_record_gives_an_event_for_each_report_and_each_once() -> None:
    events = translated(report=["ARRESTED", "CHARGED", "ARRESTED"]).events
    assert [event.kind for event in events] == ["police.arrested", "police.charged"]
    assert len({event.id for event in events}) == 2


def test_a_record_exported_again_says_the_same_event_and_another_time_another() -> None:
    (first,), (again,) = translated().events, translated().events
    assert first.id == again.id
    (later,) = translated(recordedAt="2026-02-03T16:21:00Z").events
    (other,) = translated(visorRef="99/0001205").events
    assert len({first.id, later.id, other.id}) == 3


@pytest.mark.parametrize("report", [None, "EXPORTED", "REVIEW_DUE", ["EXPORTED", "REVIEW_DUE"]])
def test_a_record_that_reports_nothing_is_nobodys_business(report: Any) -> None:
    error = refusal(report=report)
    assert isinstance(error, UnsupportedEvent)
    assert not error.needs_human


@pytest.mark.parametrize("report", [*codes.FOR_A_HUMAN, "SOMETHING_NEW", "arrested"])
def test_a_report_no_kind_says_needs_a_human_even_beside_another(report: str) -> None:
    assert "needs a human" in unclear(report=report)
    assert "needs a human" in unclear(report=["ARRESTED", report])


@pytest.mark.parametrize("system", ["ViSOR", "MAPPS", "Another Register"])
def test_the_system_is_the_one_the_record_names(system: str) -> None:
    for group in groups(system=system).values():
        assert group["source_system"] == system


@pytest.mark.parametrize("name", ["system", "recordedAt"])
def test_what_a_record_cannot_do_without_is_asked_for(name: str) -> None:
    assert f"$.{name}: required" in malformed(**{name: None})


def test_a_record_that_names_nobody_is_refused() -> None:
    assert "they name the person" in malformed(pncId=None)
    assert "they name the person" not in str(groups(pncId=None, crn="X999001"))


def test_when_it_happened_is_apart_from_when_it_was_recorded() -> None:
    (event,) = translated(occurredAt="2026-02-03T10:00:00Z").events
    assert event.to_cloudevent()["time"] == "2026-02-03T10:00:00Z"
    assert event.groups["identifiers"]["as_of"] == "2026-02-03T16:20:00Z"


def test_a_time_without_a_zone_is_londons_and_noted_once() -> None:
    translation = translated(recordedAt="2026-07-03T16:20:00", report=["ARRESTED", "CHARGED"])
    assert translation.events[0].to_cloudevent()["time"] == "2026-07-03T16:20:00+01:00"
    assert [note.path for note in translation.notes] == ["$.recordedAt"]


@every(
    ("members", "expected"),
    [
        ({"mappaCategory": "2", "mappaLevel": "3"}, {"category": 2, "level": 3}),
        ({"mappaCategory": "0", "mappaLevel": "0"}, None),
        ({}, None),
        ({"mappaCategory": "2"}, {"category": 2}),
        ({"category": "RSO"}, {"category": 1}),
        ({"category": "RSO", "mappaCategory": "1"}, {"category": 1}),
        ({"category": "RSO", "mappaCategory": "4"}, {"category": 4}),
        ({"category": "VO"}, None),
        ({"category": "OSO"}, None),
        ({"category": "TO"}, None),
        ({"category": "PDP"}, None),
        ({"category": "VO", "mappaCategory": "3", "mappaLevel": "2"}, {"category": 3, "level": 2}),
    ],
)
def test_category_and_level_are_what_is_stated_and_never_guessed(
    members: dict[str, str], expected: dict[str, int] | None
) -> None:
    stated = groups(**members).get("mappa")
    assert (stated and {k: stated[k] for k in ("category", "level") if k in stated}) == expected


def test_an_unknown_level_is_noted() -> None:
    assert [one.path for one in translated(mappaLevel="0").notes] == ["$.mappaLevel"]


@every(
    "members",
    [
        {"category": "RSO", "mappaCategory": "2"},
        {"category": "RSO", "mappaCategory": "3", "mappaLevel": "2"},
        {"category": "PDP", "mappaCategory": "1"},
        {"category": "XYZ"},
        {"mappaCategory": "5"},
        {"mappaCategory": "M1"},
        {"mappaLevel": "4"},
        {"report": "CATEGORY_CHANGED"},
        {"riskOverall": "NONE"},
        {"armsLevel": "6"},
        {"addressStatus": "NFA", "postcode": "ZZ99 1AA"},
        {"addressStatus": "UNKNOWN", "addressLine": "1 Example Street"},
        {"notificationUntil": "2030-01-01", "notificationIndefinite": "true"},
        {"order": {"kind": "ASBO"}},
        {"officer": {"name": "Example", "agency": "COUNCIL"}},
        {"releaseType": "FREEDOM"},
        {"returnReason": "WHIM"},
        {"sex": "1"},
        {"marking": "SENSITIVE"},
    ],
)
def test_what_contradicts_itself_or_has_no_known_meaning_needs_a_human(
    members: dict[str, Any],
) -> None:
    assert "needs a human" in unclear(**members)


def test_category_three_at_level_one_is_refused() -> None:
    assert "category 3 requires level 2 or 3" in malformed(mappaCategory="3", mappaLevel="1")


@every("report", sorted(r for r, k in codes.REPORTS.items() if k in codes.ENDING))
def test_the_record_s_own_category_decides_none_once_it_is_over(report: str) -> None:
    assert "mappa" not in groups(report=report, category="RSO")


def test_an_arms_result_is_no_level_of_risk_of_serious_harm() -> None:
    translation = translated(report="RISK_ASSESSED", armsLevel="HIGH", armsDate="2026-02-01")
    (event,) = translation.events
    assert event.kind == "risk.assessed"
    assert "rosh" not in event.groups
    assert [note.path for note in translation.notes] == ["$.armsLevel"]
    assert "$.armsDate" in malformed(armsDate="1 Feb")


@pytest.mark.parametrize(("word", "level"), codes.RISK_LEVELS.items())
@pytest.mark.parametrize(("member", "group"), codes.RISK_TO.items())
def test_risk_is_by_who_is_at_risk_and_an_assessment(
    member: str, group: str, word: str, level: str
) -> None:
    rosh = groups(**{member: word})["rosh"]
    assert rosh[group] == level
    assert rosh["assertion"] == "assessment"
    assert group in Rosh.model_fields


def test_that_a_child_is_at_risk_is_an_assessment() -> None:
    assert groups(childrenAtRisk="true")["children"]["assertion"] == "assessment"


def test_the_plan_is_pointed_at_and_never_quoted() -> None:
    told = groups(planRef="RMP-1", planAgency=["A", "B"], riskPlanText="the whole plan")
    assert told["professionals"]["plan_ref"] == "RMP-1"
    assert told["professionals"]["plan_agencies"] == ["A", "B"]
    assert "whole plan" not in json.dumps(told)


def test_what_is_known_and_not_carried_is_neither_told_nor_unread() -> None:
    kept = dict.fromkeys(
        ("photograph", "attachment", "activityLog", "modusOperandi", "nextVisit"), "2026-01-01"
    )
    translation = translated(**kept, somethingNew="x")
    assert translation.unread == ("$.somethingNew",)
    assert "risk_narrative" not in translation.events[0].groups


@every(("agency", "contact"), codes.CONTACTS.items())
def test_an_officer_is_the_contact_of_that_agency(agency: str, contact: str) -> None:
    told = groups(officer=[{"agency": agency, "name": "Example", "contact": "01632 960101"}])
    assert told["professionals"][contact] == {"name": "Example", "contact": "01632 960101"}


def test_of_two_officers_of_one_agency_the_first_is_carried_and_the_other_noted() -> None:
    officers = [{"agency": "POLICE", "name": name} for name in ("First", "Second")]
    translation = translated(officer=officers)
    told = translation.events[0].groups["professionals"]
    assert told["police_offender_manager"] == {"name": "First"}
    assert [note.path for note in translation.notes] == ["$.officer[1].agency"]


def test_an_officer_without_name_or_agency_is_refused() -> None:
    assert "$.officer.name" in malformed(officer={"agency": "POLICE"})
    assert "$.officer.agency" in malformed(officer={"name": "Example"})


@every(("code", "kind"), codes.ORDERS.items())
def test_every_order_is_the_kind_it_is_said_to_be(code: str, kind: str) -> None:
    (order,) = groups(order={"kind": code, "madeOn": "2026-01-01"})["offence"]["orders"]
    assert order == {"kind": kind, "made_on": "2026-01-01"}
    Order.model_validate(order)


def test_an_order_states_its_kind() -> None:
    assert "$.order.kind: required" in malformed(order={"madeOn": "2026-01-01"})


@every("code", codes.RELEASE_TYPES)
def test_every_release_type_is_one_of_the_published(code: str) -> None:
    assert groups(releaseType=code)["custody"]["release_type"] == code
    Custody.model_validate({"release_type": code})


@pytest.mark.parametrize("name", ["dateOfBirth", "nextReview", "nextVisit", "notificationFrom"])
@pytest.mark.parametrize("value", ["30/04/1962", "2026-02-30", "soon"])
def test_a_date_of_another_form_is_refused_and_not_quoted(name: str, value: str) -> None:
    text = malformed(**{name: value})
    assert text.startswith(f"$.{name}:")
    assert value not in text


@pytest.mark.parametrize("value", ["1981/0000034A", "81-34U", "1234"])
def test_a_pnc_id_whose_letter_is_wrong_is_refused_and_not_quoted(value: str) -> None:
    text = malformed(pncId=value)
    assert "pnc" in text
    assert value not in text


@pytest.mark.parametrize("value", ["001204/91X", "1204"])
def test_a_cro_number_whose_letter_is_wrong_is_refused(value: str) -> None:
    assert "cro" in malformed(croNumber=value)


@pytest.mark.parametrize(
    ("grading", "verified"),
    [("1AP", True), ("2BP", True), ("3CP", False), ("1DP", False), ("2EP", False)],
)
def test_a_grade_is_carried_and_tells_what_is_not_confirmed(grading: str, verified: bool) -> None:
    told = groups(grading=grading)
    assert told["handling"]["grade"] == grading
    assert {group["verified"] for group in told.values()} == {verified}


def test_handling_code_c_states_its_conditions() -> None:
    assert "$.conditions: required" in malformed(grading="1AC")
    assert groups(grading="1AC", conditions="Ask first.")["handling"]["conditions"] == "Ask first."


@pytest.mark.parametrize("grading", ["B24", "A11", "E/4/1", "B 2 4"])
def test_5x5x5_is_for_the_sender_to_convert(grading: str) -> None:
    text = malformed(grading=grading)
    assert "5x5x5" in text
    assert "never converted here" in text


@pytest.mark.parametrize("grading", ["4AP", "1FP", "1AX", "1ap", "1A", "1APP", "1AP "[:2]])
def test_a_grade_of_another_form_is_refused(grading: str) -> None:
    assert "$.grading: must be a 3x5x2 grade" in malformed(grading=grading)


@pytest.mark.parametrize("marking", ["SECRET", "TOP SECRET", "Secret UK eyes only", "TOP-SECRET"])
def test_nothing_above_the_ceiling_is_carried(marking: str) -> None:
    assert "$.marking: above OFFICIAL-SENSITIVE" in malformed(marking=marking)


@pytest.mark.parametrize(
    "marking", ["RESTRICTED", "CONFIDENTIAL", "Protect", "UNCLASSIFIED", "PROTECT - POLICY"]
)
def test_a_marking_of_the_former_scheme_is_for_the_sender_to_convert(marking: str) -> None:
    assert "former scheme" in malformed(marking=marking)


@pytest.mark.parametrize(
    ("stated", "marking"),
    [
        ("OFFICIAL", "OFFICIAL"),
        ("Official (Sensitive)", "OFFICIAL-SENSITIVE"),
        ("OFFICIAL-SENSITIVE", "OFFICIAL-SENSITIVE"),
        ("Official Sensitive", "OFFICIAL-SENSITIVE"),
    ],
)
def test_a_marking_is_read_however_it_is_spelt(stated: str, marking: str) -> None:
    assert groups(marking=stated)["handling"]["marking"] == marking


def test_a_restricted_record_names_who_may_know() -> None:
    told = groups(restrictedTo=["Exampleshire Police"], notForSubject="true")["handling"]
    assert told["restricted_to"] == ["Exampleshire Police"]
    assert told["sar_restrict"] is True


def row(**cells: str) -> bytes:
    stated = {**{name: str(one) for name, one in BASE.items()}, **cells}
    return ",".join(stated).encode() + b"\r\n" + ",".join(stated.values()).encode() + b"\r\n"


def test_a_row_says_what_the_same_nominal_in_xml_says() -> None:
    in_xml = nominal(
        report=["ARRESTED", "CHARGED"],
        alias=["A", "B"],
        addressLine=["1 Example Street", "Exampleton"],
        order={"kind": "SHPO", "madeOn": "2026-01-01"},
        officer={"agency": "POLICE", "name": "Example"},
    )
    in_csv = row(
        report="ARRESTED; CHARGED",
        alias="A;B",
        addressLine="1 Example Street;Exampleton",
        orderKind="SHPO",
        orderMadeOn="2026-01-01",
        officerAgency="POLICE",
        officerName="Example",
    )
    both = [ADAPTER.translate(body, source="urn:x").events for body in (in_xml, in_csv)]
    assert both[0] == both[1]


@pytest.mark.parametrize(
    "cells", [{"order": "x", "orderKind": "SHPO"}, {"orderKind": "SHPO", "order": "x"}]
)
def test_a_column_that_names_the_whole_is_refused(cells: dict[str, str]) -> None:
    with pytest.raises(MalformedEvent, match=r"\$\.order: must be an object"):
        ADAPTER.translate(row(**cells), source="urn:x")


@pytest.mark.parametrize("size", [1, 5, 64, 10_000])
@pytest.mark.parametrize("name", ["nominals.in.xml", "nominals-csv.in.csv"])
def test_a_file_is_cut_into_nominals_whatever_its_pieces(name: str, size: int) -> None:
    body = (FOLDER / "visor" / name).read_bytes()
    inbound = ADAPTER.inbound
    assert inbound
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    messages = list(inbound.split(pieces))
    assert messages == list(inbound.split((b"\xef\xbb\xbf" + body,)))
    events = [
        event for one in messages for event in inbound.translate(one, "urn:example:agency").events
    ]
    assert tuple(events) == ADAPTER.translate(body, source="urn:example:agency").events


def test_a_marking_around_the_nominals_is_not_lost() -> None:
    body = nominal().partition(b"\n")[2]
    with pytest.raises(MalformedEvent, match="what stands around nominal is not read"):
        ADAPTER.translate(b'<nominals marking="SECRET">' + body + b"</nominals>", source="urn:x")


def rendered(form: str, **change: Any) -> Rendition:
    made = read_one(form, **change)
    assert isinstance(made, Rendition)
    return made


def read_one(form: str, **change: Any) -> Rendition | NotRendered:
    outbound = ADAPTER.form(form)
    assert outbound
    value = json.loads(RELEASE) | change
    return outbound.render(read_alert(json.dumps(value).encode()))


@pytest.mark.parametrize("form", ["xml", "csv"])
def test_an_export_is_one_nominal_and_no_bulk_copy(form: str) -> None:
    body = rendered(form).body
    inbound = ADAPTER.inbound
    assert inbound
    assert len(list(inbound.split((body,)))) == 1
    for kept_in_the_alert in (b"Example House", b"ZZ99", b"town centre", b"Home Area", b"01632"):
        assert kept_in_the_alert not in body


def test_an_export_is_traceable_to_the_alert_and_says_whose_statements_these_are() -> None:
    value = read_xml(rendered("xml").body)[1]["nominal"]
    assert isinstance(value, dict)
    alert = json.loads(RELEASE)
    assert value["alertId"] == alert["message_id"]
    assert value["caseRef"] == alert["case_ref"]
    assert value["for"] == "action"
    assert value["acknowledgeBy"] == alert["ack_required_by"]
    assert (value["marking"], value["grading"]) == ("OFFICIAL-SENSITIVE", "1AC")
    assert value["conditions"] == alert["intel_conditions"]
    stated = value["stated"]
    assert isinstance(stated, list)
    told = {one["@group"]: one for one in stated if isinstance(one, dict)}
    assert told["mappa"]["@system"] == "nDelius"
    assert told["rosh"]["@assertion"] == "ASSESSMENT"
    assert "licence" not in told


@pytest.mark.parametrize("message", ["UPDATE", "CORRECTION"])
def test_a_revision_names_what_it_supersedes(message: str) -> None:
    body = rendered("csv", message_type=message, supersedes="alt_earlier").body
    assert b"alt_earlier" in body
    assert message.encode() in body


@pytest.mark.parametrize("form", ["xml", "csv"])
def test_a_recall_withdraws_and_is_for_a_human_where_it_comes_back(form: str) -> None:
    change: dict[str, Any] = {"message_type": "RECALL", "facts": {}, "groups": []}
    made = rendered(form, **change, supersedes="alt_earlier", reason="retracted")
    assert b"WITHDRAWN" in made.body
    assert b"alt_earlier" in made.body
    with pytest.raises(UnsupportedEvent) as caught:
        ADAPTER.translate(made.body, source="urn:x")
    assert caught.value.needs_human


def test_a_kind_without_a_word_in_this_form_is_not_rendered() -> None:
    made = read_one("xml", event_type="org.throughgate.health.concern.v1")
    assert isinstance(made, NotRendered)


@given(name=st.sampled_from(["alias", "familyName", "leadAgency", "conditions"]), text=st.text())
def test_any_text_of_a_nominal_is_carried_as_it_is_or_refused(name: str, text: str) -> None:
    try:
        translation = translated(**{name: text})
    except MalformedEvent:
        return
    kept = json.dumps([event.to_cloudevent() for event in translation.events], ensure_ascii=False)
    written = read_xml(nominal(**{name: text}))[1].get(name)
    assert not written or json.dumps(written, ensure_ascii=False)[1:-1].strip() in kept


PAGE = (Path(__file__).parents[2] / "docs/reference/adapters/visor.md").read_text("utf-8")


def listed(heading: str) -> set[str]:
    """The names in the first column of the tables under a heading of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [row for row in section.splitlines() if row.startswith("| `")]
    return {name for row in rows for name in row.split("|")[1].replace("`", "").split(", ")}


def test_the_page_lists_every_member_that_is_known_and_no_other() -> None:
    record = Members(read_xml(nominal())[1])
    facts_of(record)
    category_of(record, None, ending=False)
    known = {*record._known, "system", "recordedAt", "occurredAt", "report"}
    assert {name.strip() for name in listed("Members")} == known


def test_the_page_lists_every_report() -> None:
    assert {name.strip() for name in listed("Reports")} == {*codes.REPORTS, *codes.FOR_A_HUMAN}
    for report, kind in codes.REPORTS.items():
        assert f"| `{report}` | `{kind}` |" in PAGE
    assert all(f"`{one}`" in PAGE for one in codes.NOTHING_HAPPENED)
