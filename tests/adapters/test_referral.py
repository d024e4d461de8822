"""What all forms of partner agencies have in common, in and out, tried on each of them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import Adapter, UnsupportedEvent
from adapters.dwp import ADAPTER as DWP
from adapters.electronic_monitoring import ADAPTER as MONITORING
from adapters.housing import ADAPTER as HOUSING
from adapters.kit.members import NAIVE
from adapters.kit.referral import START_OF_DAY, forms, read_form
from adapters.kit.referral_form import allowed, london_day
from adapters.marac import ADAPTER as MARAC
from adapters.mash import ADAPTER as MASH
from adapters.odoc import ADAPTER as ODOC
from adapters.victim_contact import ADAPTER as VICTIM_CONTACT
from adapters.youth_offending import ADAPTER as YOUTH_OFFENDING
from gateway.model.alert import parse_alert, read_alert
from gateway.model.groups import parse_time
from tests.adapters.examples import FOLDER, inbound_of
from tests.adapters.referral_samples import (
    GONE,
    as_table,
    changed,
    event,
    kept,
    malformed_at,
    needs_human,
    refused,
    stated,
    translated,
)
from tests.support.every import every

FORMS: dict[str, tuple[Adapter, str]] = {
    "marac": (MARAC, "referral.in.json"),
    "odoc": (ODOC, "referral.in.json"),
    "mash": (MASH, "referral.in.json"),
    "youth_offending": (YOUTH_OFFENDING, "assessed.in.json"),
    "housing duty to refer": (HOUSING, "duty-to-refer.in.json"),
    "housing referral": (HOUSING, "referral.in.json"),
    "electronic_monitoring": (MONITORING, "zone.in.json"),
    "victim_contact": (VICTIM_CONTACT, "opt-in.in.json"),
}
ADAPTERS = {adapter.name: adapter for adapter, _ in FORMS.values()}
WRITTEN = ADAPTERS | {"dwp": DWP}


@pytest.fixture(params=sorted(FORMS))
def one(request: pytest.FixtureRequest) -> tuple[Adapter, dict[str, Any]]:
    adapter, file = FORMS[request.param]
    return adapter, kept(adapter.name, file)


def test_a_row_of_a_table_says_what_the_document_says(one: tuple[Adapter, dict[str, Any]]) -> None:
    adapter, form = one
    by_row = translated(adapter, as_table(form))
    assert by_row.events == translated(adapter, form).events
    assert by_row.unread == ()


def test_every_row_of_a_table_is_a_form_and_so_is_every_document_of_an_array(
    one: tuple[Adapter, dict[str, Any]],
) -> None:
    adapter, form = one
    two = [form, changed(form, reference="ANOTHER-1")]
    by_rows = translated(adapter, as_table(*two)).events
    assert by_rows == translated(adapter, json.dumps(two).encode()).events
    assert len({event.id for event in by_rows}) == 2


@pytest.mark.parametrize("member", ["form", "reference", "made_at", "sender", "person"])
def test_a_form_without_its_common_parts_is_malformed(
    one: tuple[Adapter, dict[str, Any]], member: str
) -> None:
    adapter, form = one
    assert malformed_at(adapter, changed(form, **{member: GONE})) == f"$.{member}"


def test_a_form_that_names_no_sending_agency_is_malformed(
    one: tuple[Adapter, dict[str, Any]],
) -> None:
    adapter, form = one
    assert malformed_at(adapter, changed(form, sender__agency="")) == "$.sender.agency"


def test_another_form_waits_for_a_human(one: tuple[Adapter, dict[str, Any]]) -> None:
    adapter, form = one
    assert needs_human(adapter, changed(form, form="another-form")) == "$.form"


def test_a_form_about_two_people_is_malformed(one: tuple[Adapter, dict[str, Any]]) -> None:
    adapter, form = one
    two = [form["person"], {"family_name": "Example", "crn": "X999009"}]
    error = refused(adapter, changed(form, person=two))
    assert [problem.path for problem in error.problems] == ["$.person"]
    assert "one form, one person" in str(error)


def test_a_name_and_a_date_of_birth_do_not_say_who_it_is(
    one: tuple[Adapter, dict[str, Any]],
) -> None:
    adapter, form = one
    nobody = {"family_name": "Specimen", "given_names": "Robin", "date_of_birth": "1988-05-17"}
    assert malformed_at(adapter, changed(form, person=nobody)) == "$.person"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("noms", "Z0001ZZ"),
        ("crn", "X999001"),
        ("pnc", "2020/0099901R"),
        ("cro", "SF05/482703J"),
        ("nhs_number", "999 000 0018"),
    ],
)
def test_any_one_number_names_the_person(number: str, text: str) -> None:
    form = kept("marac", "referral.in.json")
    assert stated(event(MARAC, changed(form, person={number: text})), "identifiers") == {
        number: text
    }


def test_an_nhs_number_keeps_its_status() -> None:
    form = kept("mash", "referral.in.json")
    person = {"nhs_number": "999 000 0018", "nhs_number_status": "01"}
    assert stated(event(MASH, changed(form, person=person)), "identifiers") == person


def test_a_number_that_fails_its_check_is_malformed_and_not_quoted() -> None:
    form = changed(kept("marac", "referral.in.json"), person__pnc="2020/0099901A")
    error = refused(MARAC, form)
    assert [problem.path for problem in error.problems] == ["$.data.identifiers.pnc"]
    assert "0099901" not in str(error)


@pytest.mark.parametrize("marking", ["SECRET", "TOP SECRET"])
def test_a_marking_above_the_ceiling_is_refused(
    one: tuple[Adapter, dict[str, Any]], marking: str
) -> None:
    adapter, form = one
    error = refused(adapter, changed(form, handling__marking=marking))
    assert error.problems[0].path == "$.handling.marking"
    assert not isinstance(error, UnsupportedEvent)


@pytest.mark.parametrize("marking", ["RESTRICTED", "CONFIDENTIAL", "PROTECT"])
def test_a_marking_of_the_withdrawn_scheme_is_not_converted(marking: str) -> None:
    form = changed(kept("marac", "referral.in.json"), handling__marking=marking)
    assert malformed_at(MARAC, form) == "$.handling.marking"


def test_a_marking_nobody_knows_waits_for_a_human() -> None:
    form = changed(kept("marac", "referral.in.json"), handling__marking="INTERNAL")
    assert needs_human(MARAC, form) == "$.handling.marking"


def test_how_a_form_may_be_handled_goes_in_and_is_left_out_where_not_stated() -> None:
    form = kept("marac", "referral.in.json")
    handling = changed(form["handling"], grading=GONE, grade="1BC")
    assert stated(event(MARAC, form), "handling") == handling
    assert "handling" not in event(MARAC, changed(form, handling=GONE)).groups


def test_handling_code_c_must_state_its_conditions() -> None:
    form = changed(kept("marac", "referral.in.json"), handling__conditions=GONE)
    assert malformed_at(MARAC, form) == "$.handling.conditions"


@pytest.mark.parametrize(("grading", "verified"), [("1AP", True), ("2BP", True), ("2DP", False)])
def test_what_is_graded_as_not_confirmed_is_not_verified(grading: str, verified: bool) -> None:
    form = changed(kept("marac", "referral.in.json"), handling__grading=grading)
    groups = event(MARAC, form).groups.values()
    assert {members["verified"] for members in groups} == {verified}


@pytest.mark.parametrize("grading", ["B24", "4AP"])
def test_a_grade_of_another_scheme_is_not_converted(grading: str) -> None:
    form = changed(kept("marac", "referral.in.json"), handling__grading=grading)
    assert malformed_at(MARAC, form) == "$.handling.grading"


def test_someone_born_after_the_form_was_made_waits_for_a_human() -> None:
    form = changed(kept("marac", "referral.in.json"), person__date_of_birth="2026-02-03")
    assert needs_human(MARAC, form) == "$.person.date_of_birth"


@pytest.mark.parametrize("sex", ["male", "female", "other", "not_known"])
def test_each_word_for_sex_is_carried(sex: str) -> None:
    form = changed(kept("marac", "referral.in.json"), person__sex=sex)
    assert stated(event(MARAC, form), "identity")["sex"] == sex


def test_a_word_for_sex_nobody_knows_waits_for_a_human() -> None:
    form = changed(kept("marac", "referral.in.json"), person__sex="M")
    assert needs_human(MARAC, form) == "$.person.sex"


@pytest.mark.parametrize(
    ("made_at", "as_of", "note"),
    [
        ("2026-02-02T10:15:00Z", "2026-02-02T10:15:00Z", None),
        ("2026-07-03T14:05:00", "2026-07-03T14:05:00+01:00", NAIVE),
        ("2026-07-03", "2026-07-03T00:00:00+01:00", START_OF_DAY),
    ],
)
def test_when_a_form_was_made_is_when_its_facts_are_of(
    one: tuple[Adapter, dict[str, Any]], made_at: str, as_of: str, note: str | None
) -> None:
    adapter, form = one
    translation = translated(adapter, changed(form, made_at=made_at))
    groups = translation.events[0].groups
    assert {members["as_of"] for members in groups.values()} == {as_of}
    notes = [text.reason for text in translation.notes if text.path == "$.made_at"]
    assert notes == ([note] if note else [])


@pytest.mark.parametrize("made_at", ["03/07/2026", "2026-02-30", "2026-03-29T01:30:00", "soon"])
def test_a_time_in_no_stated_form_or_at_no_moment_is_malformed(made_at: str) -> None:
    form = changed(kept("marac", "referral.in.json"), made_at=made_at)
    assert malformed_at(MARAC, form) == "$.made_at"


def test_members_nobody_asked_for_are_reported_by_path(
    one: tuple[Adapter, dict[str, Any]],
) -> None:
    adapter, form = one
    more = changed(form, shoe_size="9", person__hobby="chess")
    assert set(translated(adapter, more).unread) == {"$.shoe_size", "$.person.hobby"}


def test_who_filled_the_form_in_is_no_fact_about_the_person(
    one: tuple[Adapter, dict[str, Any]],
) -> None:
    adapter, form = one
    said = json.dumps(event(adapter, form).to_cloudevent())
    assert form["sender"]["contact"] not in said
    assert form["sender"]["role"] not in said


def test_headings_that_cannot_both_be_are_malformed() -> None:
    form = as_table(kept("marac", "referral.in.json"))
    heading, row = form.split(b"\r\n")[:2]
    for more in (b"person", b"person.crn[]", b"person.crn.more"):
        body = heading + b"," + more + b"\r\n" + row + b",X999001\r\n"
        assert malformed_at(MARAC, body) == "$"


def test_texts_of_a_cell_are_parted_by_semicolons_and_blank_ones_dropped() -> None:
    members = read_form(b"a.b[],c\r\n one; two ;;,x; y\r\n")
    inner = members.object("a")
    assert inner is not None
    assert inner.texts("b") == ("one", "two")
    assert members.text("c") == "x; y"


def test_a_mark_before_the_heading_and_a_cell_made_safe_are_read_through() -> None:
    body = b"\xef\xbb\xbfreference,note\r\nR-1,'=SUM(A1)\r\n"
    members = read_form(body)
    assert members.text("reference") == "R-1"
    assert members.text("note") == "=SUM(A1)"


@given(sizes=st.lists(st.integers(1, 400), max_size=30), drawn=st.data())
def test_pieces_of_any_size_are_cut_into_the_same_forms(
    sizes: list[int], drawn: st.DataObject
) -> None:
    examples = [path.given for name in sorted(ADAPTERS) for path in inbound_of(name)]
    body = b"\n" + drawn.draw(st.sampled_from(examples)).read_bytes()
    pieces, at = [], 0
    for size in sizes:
        pieces.append(body[at : at + size])
        at += size
    assert list(forms([*pieces, body[at:]])) == list(forms([body]))


@every("name", sorted(WRITTEN))
def test_no_form_has_room_for_a_victim_clinical_facts_or_narrative(name: str) -> None:
    """An allow-list: what the form has no room for stays out, even if the alert told it."""
    adapter = WRITTEN[name]
    told = {
        "victim": {"relationship": "marker-victim", "address_area": "marker-area"},
        "health_clinical": {"diagnosis": "marker-diagnosis", "medication": "marker-medication"},
        "risk_narrative": {"nature": "marker-nature", "who_is_at_risk": "marker-who"},
    }
    seen = 0
    for path in sorted((FOLDER / name).glob("*.alert.json")):
        alert = kept(name, path.name)
        if alert["message_type"] == "RECALL":
            continue
        more = {**alert, "facts": alert["facts"] | told}
        for form in adapter.outbound:
            made = form.render(parse_alert(more))
            if body := getattr(made, "body", None):
                assert b"marker-" not in body
                seen += 1
    assert seen


@every("name", sorted(WRITTEN))
def test_every_form_traces_to_its_disclosure(name: str) -> None:
    adapter = WRITTEN[name]
    for path in sorted((FOLDER / name).glob("*.alert.json")):
        alert = {**kept(name, path.name), "intel_grade": "1BC", "intel_conditions": "By hand only."}
        for form in adapter.outbound:
            made = form.render(parse_alert(alert))
            if body := getattr(made, "body", None):
                for trace in ("message_id", "case_ref", "marking", "supersedes", "ack_required_by"):
                    assert str(alert.get(trace) or "").encode() in body, trace
                for text in (b"1BC", b"By hand only."):
                    assert text in body


def test_a_group_says_whose_it_is_and_whether_it_is_an_assessment() -> None:
    adapter, alert = HOUSING, kept("housing", "release.alert.json")
    form = adapter.form()
    assert form is not None
    value = json.loads(form.render(parse_alert(alert)).body)  # type: ignore[union-attr]
    assert set(value["statements"]) == set(value["told"])
    assert value["statements"]["rosh"]["assertion"] == "ASSESSMENT"
    assert value["statements"]["custody"]["controller"] == "Example Prison"


def test_what_is_allowed_and_not_told_is_left_out() -> None:
    alert = read_alert((FOLDER / "dwp" / "varied.alert.json").read_bytes())
    assert allowed(alert, {"identifiers": ("nino",), "custody": ("released_at",)}) == {}


@pytest.mark.parametrize(
    ("time", "day"),
    [
        ("2026-07-01T23:30:00Z", "2026-07-02"),
        ("2026-01-01T23:30:00Z", "2026-01-01"),
        ("0001-01-01T00:00:00Z", None),
    ],
)
def test_a_day_is_londons_and_none_past_its_calendar(time: str, day: str | None) -> None:
    found = london_day(parse_time(time))
    assert (found.isoformat() if found else None) == day
