"""Events that say that something happened, and nothing of what."""

from typing import Any

import pytest

from adapters.hmpps_domain_events import ADAPTER
from adapters.hmpps_domain_events.thin import THIN
from gateway.model.event import CanonicalEvent
from gateway.model.problem import MalformedEvent
from tests.adapters.samples import CRN, NOMS, OCCURRED, body, simple

KINDS = {
    "prison-offender-events.prisoner.sentence-dates-changed": "release.date_changed",
    "calculate-release-dates.prisoner.changed": "release.date_changed",
    "person.temporary-absence.overdue": "release.overdue",
    "restricted-patients.patient.added": "custody.hospital_transfer",
    "probation-case.address.created": "address.changed",
    "probation-case.address.updated": "address.changed",
    "probation-case.sentence.terminated": "sentence.terminated",
    "person.community.manager.allocated": "supervision.transferred",
    "person.community.manager.transferred": "supervision.transferred",
    "offender-management.handover.changed": "supervision.transferred",
    "create-and-vary-a-licence.licence.activated": "licence.activated",
    "create-and-vary-a-licence.variation.activated": "licence.varied",
    "approved-premises.booking.made": "accommodation.placed",
    "approved-premises.booking.cancelled": "accommodation.lost",
    "accommodation.cas3.booking.confirmed": "accommodation.placed",
    "accommodation.cas3.booking.cancelled": "accommodation.lost",
    "accommodation.cas3.person.arrived": "address.changed",
    "accommodation.cas3.person.departed": "accommodation.lost",
}


def translate(event: dict[str, Any]) -> CanonicalEvent:
    (translated,) = ADAPTER.translate(body(event), source="urn:example:agency").events
    return translated


def test_every_thin_type_is_here() -> None:
    assert set(THIN) == set(KINDS)


@pytest.mark.parametrize("event_type", KINDS)
def test_a_thin_event_states_its_kind_and_whom_it_is_about_and_nothing_else(
    event_type: str,
) -> None:
    event = translate(simple(event_type, bookingId=1, sentenceCalculationId="2"))
    assert event.kind == KINDS[event_type]
    assert event.groups == {
        "identifiers": {
            "noms": NOMS,
            "crn": CRN,
            "assertion": "fact",
            "as_of": OCCURRED,
            "source_system": THIN[event_type].system,
            "verified": event_type != "offender-management.handover.changed",
        }
    }


@pytest.mark.parametrize(
    ("event_type", "name"),
    [(event_type, name) for event_type, thin in THIN.items() for name in thin.told_apart_by],
)
def test_another_reference_is_another_event(event_type: str, name: str) -> None:
    ids = {translate(simple(event_type, **{name: value})).id for value in ("1", "2", 3)}
    assert len(ids) == 3
    assert translate(simple(event_type, **{name: 1})).id in ids  # a number, or its digits


@pytest.mark.parametrize("value", [[], {}, True, 1.5])
def test_a_reference_that_is_neither_text_nor_number_is_malformed(value: Any) -> None:
    with pytest.raises(MalformedEvent, match=r"\$\.additionalInformation\.licenceId"):
        translate(simple("create-and-vary-a-licence.licence.activated", licenceId=value))


def test_a_restricted_patient_is_in_hospital_and_no_section_is_stated() -> None:
    event = simple("restricted-patients.patient.added", prisonerNumber=NOMS)
    assert set(translate(event).groups) == {"identifiers"}


@pytest.mark.parametrize(
    ("source", "system"), [("DPS", "DPS"), ("NOMIS", "NOMIS"), (None, "NOMIS")]
)
def test_an_overdue_return_names_the_system_it_is_recorded_in(
    source: str | None, system: str
) -> None:
    event = translate(simple("person.temporary-absence.overdue", id="1", source=source))
    assert event.groups["identifiers"]["source_system"] == system
