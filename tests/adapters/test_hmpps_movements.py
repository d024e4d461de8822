"""What prisons call released is translated for what it is: by type, reason, code and status."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import UnsupportedEvent
from adapters.hmpps_domain_events import ADAPTER
from adapters.hmpps_domain_events.catalogue import CATALOGUE
from adapters.hmpps_domain_events.movements import _KIND_BY_CODE, _KIND_BY_REASON
from gateway.model.event import CanonicalEvent
from tests.adapters.samples import NOMS, OCCURRED, body, death, movement, recall

UNDER = "UNDER_PRISON_CARE"
NOT_UNDER = "NOT_UNDER_PRISON_CARE"
IMMEDIATE: dict[str, Any] = {"family": "prisoner-offender-search", "currentPrisonStatus": None}


def translate(event: dict[str, Any]) -> CanonicalEvent:
    (translated,) = ADAPTER.translate(body(event), source="urn:example:prison").events
    return translated


def refused(event: dict[str, Any]) -> UnsupportedEvent:
    with pytest.raises(UnsupportedEvent) as caught:
        translate(event)
    return caught.value


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("CR", "release.actual"),
        ("NCS", "release.actual"),
        (None, "release.actual"),
        ("UAL", "custody.escaped"),
        ("UAL_ECL", "custody.escaped"),
        (" ual ", "custody.escaped"),
        ("DEC", "custody.died"),
        ("MRG", "person.merged"),
        ("HO", "custody.hospital_transfer"),
        ("HQ", "custody.hospital_transfer"),
        ("HP", "custody.hospital_transfer"),
        ("DD", "custody.transferred"),
        ("DE", "custody.transferred"),
        ("DL", "custody.transferred"),
    ],
)
def test_released_means_what_its_movement_code_says(code: str | None, kind: str) -> None:
    assert translate(movement(code)).kind == kind


@pytest.mark.parametrize(
    ("reason", "status", "kind"),
    [
        ("TEMPORARY_ABSENCE_RELEASE", UNDER, "release.temporary"),
        ("SENT_TO_COURT", UNDER, "custody.sent_to_court"),
        ("TRANSFERRED", UNDER, "custody.transferred"),
        ("RELEASED_TO_HOSPITAL", UNDER, "custody.hospital_transfer"),
        ("RELEASED_TO_HOSPITAL", NOT_UNDER, "custody.hospital_transfer"),
    ],
)
def test_other_reasons_are_no_release(reason: str, status: str, kind: str) -> None:
    assert translate(movement("X", reason=reason, currentPrisonStatus=status)).kind == kind


@pytest.mark.parametrize(
    "event",
    [
        movement(currentPrisonStatus=UNDER),
        movement(currentPrisonStatus=None),
        movement(currentPrisonStatus="SOMETHING_NEW"),
        movement(currentLocation="IN_PRISON"),
        movement(currentLocation="BEING_TRANSFERRED"),
        movement(reason="UNKNOWN"),
        movement("DEC", reason="UNKNOWN"),
        movement(reason=None),
        movement("DEC", reason="SENT_TO_COURT"),
        movement("UAL", reason="TEMPORARY_ABSENCE_RELEASE"),
        movement("CRT", reason="SENT_TO_COURT"),  # and not under prison care
        movement("CRT", reason="SENT_TO_COURT", currentPrisonStatus=None),
        movement(kind="received", reason="ADMISSION"),  # and not under prison care
        movement(kind="received", reason="POST_MERGE_ADMISSION", currentPrisonStatus=UNDER),
        movement(kind="received", reason=None, currentPrisonStatus=UNDER),
        movement() | {"version": 2},
    ],
)
def test_what_contradicts_itself_or_is_unknown_waits_for_a_human(event: dict[str, Any]) -> None:
    error = refused(event)
    assert error.needs_human
    assert "needs a human" in str(error)
    assert error.event_type == event["eventType"]


@given(
    code=st.sampled_from([*_KIND_BY_CODE, "CR", "NCS", "24", "ZZ"]) | st.none(),
    reason=st.sampled_from([*_KIND_BY_REASON, "UNKNOWN", "OTHER"]) | st.none(),
    status=st.sampled_from([UNDER, NOT_UNDER, "OTHER"]) | st.none(),
    location=st.sampled_from(["IN_PRISON", "OUTSIDE_PRISON", "BEING_TRANSFERRED"]) | st.none(),
    family=st.sampled_from(["prison-offender-events", "prisoner-offender-search"]),
)
def test_a_release_is_stated_by_everything_at_once(
    code: str | None, reason: str | None, status: str | None, location: str | None, family: str
) -> None:
    event = movement(
        code, family=family, reason=reason, currentPrisonStatus=status, currentLocation=location
    )
    kind = None
    with suppress(UnsupportedEvent):
        kind = translate(event).kind
    released = (
        family == "prison-offender-events"
        and code not in _KIND_BY_CODE
        and reason == "RELEASED"
        and status == NOT_UNDER
        and location in {None, "OUTSIDE_PRISON"}
    )
    assert (kind == "release.actual") == released


@given(
    code=st.sampled_from([*_KIND_BY_CODE, "CR", "NCS", "24", "ZZ"]) | st.none(),
    reason=st.sampled_from(sorted(_KIND_BY_REASON)),
)
def test_reason_and_movement_code_together_say_what_it_is(code: str | None, reason: str) -> None:
    status = NOT_UNDER if reason.startswith("RELEASED") else UNDER
    event = movement(code, reason=reason, currentPrisonStatus=status)
    by_code, by_reason = _KIND_BY_CODE.get(code or ""), _KIND_BY_REASON[reason]
    if by_code in {None, by_reason}:
        assert translate(event).kind == by_reason
    elif reason == "RELEASED":
        assert translate(event).kind == by_code
    else:
        assert refused(event).needs_human


@given(
    code=st.sampled_from([*_KIND_BY_CODE, "CR", "ZZ"]) | st.none(),
    reason=st.sampled_from([*_KIND_BY_REASON, "ADMISSION", "NEW_ADMISSION", "OTHER"]),
    status=st.sampled_from([UNDER, NOT_UNDER]) | st.none(),
    cause=st.sampled_from(["RECALL", "REMAND"]) | st.none(),
    family=st.sampled_from(["prison-offender-events", "prisoner-offender-search"]),
    kind=st.sampled_from(["released", "received"]),
)
def test_a_movement_becomes_nothing_that_its_catalogue_entry_does_not_say(
    code: str | None, reason: str, status: str | None, cause: str | None, family: str, kind: str
) -> None:
    more = {"reason": reason, "currentPrisonStatus": status, "probableCause": cause}
    event = movement(code, kind=kind, family=family, **more)
    with suppress(UnsupportedEvent):
        assert translate(event).kind in CATALOGUE[event["eventType"]].kinds


def test_the_immediate_report_of_a_release_waits_for_the_settled_one() -> None:
    error = refused(movement(None, **IMMEDIATE, currentLocation=None))
    assert not error.needs_human
    assert "settled" in str(error)


def test_the_immediate_report_of_another_way_out_is_taken_and_marked_unverified() -> None:
    event = translate(movement(None, **IMMEDIATE, reason="SENT_TO_COURT"))
    assert event.kind == "custody.sent_to_court"
    assert {members["verified"] for members in event.groups.values()} == {False}


def test_a_release_states_prison_code_and_time_as_sent_and_nothing_else() -> None:
    event = translate(movement())
    provenance = {
        "assertion": "fact",
        "as_of": OCCURRED,
        "source_system": "NOMIS",
        "verified": True,
    }
    assert event.groups == {
        "custody": {"prison": "WSI", "reason_code": "CR", "released_at": OCCURRED} | provenance,
        "identifiers": {"noms": NOMS} | provenance,
    }
    assert event.occurred_at is not None
    assert event.occurred_at.microsecond == 912169


def test_only_a_release_has_a_time_of_release() -> None:
    assert "released_at" not in translate(movement("UAL")).groups["custody"]
    assert "released_at" not in translate(death()).groups["custody"]
    temporary = movement(reason="TEMPORARY_ABSENCE_RELEASE", currentPrisonStatus=UNDER)
    assert translate(temporary).groups["custody"]["released_at"] == OCCURRED


def test_a_death_is_told_without_a_person_reference() -> None:
    event = translate(death())
    assert event.kind == "custody.died"
    assert event.groups["identifiers"]["noms"] == NOMS


def test_a_recall_is_an_admission_with_recall_as_its_cause() -> None:
    assert translate(recall()).kind == "custody.recalled"
    admission = movement(kind="received", reason="ADMISSION", currentPrisonStatus=UNDER)
    assert translate(admission).kind == "custody.received"
    returned = movement(
        kind="received",
        reason="RETURN_FROM_COURT",
        probableCause="RECALL",
        currentPrisonStatus=UNDER,
    )
    assert translate(returned).kind == "custody.received"


@pytest.mark.parametrize("reason", ["NEW_ADMISSION", "READMISSION", "TRANSFERRED"])
def test_the_immediate_report_of_a_reception_is_taken_and_marked_unverified(reason: str) -> None:
    event = translate(movement(None, kind="received", **IMMEDIATE, reason=reason))
    assert event.kind == "custody.received"
    assert event.groups["custody"]["verified"] is False
