"""Prison records merged, a prison number linked to a case; what nobody can say waits."""

from typing import Any

import pytest

from adapters.contract import UnsupportedEvent
from adapters.hmpps_domain_events import ADAPTER
from gateway.model.event import CanonicalEvent
from gateway.model.problem import MalformedEvent
from tests.adapters.samples import CRN, NOMS, body, merge, movement, simple

LINKED = "probation-case.prison-identifier.added"


def translate(event: dict[str, Any]) -> CanonicalEvent:
    (translated,) = ADAPTER.translate(body(event), source="urn:example:prison").events
    return translated


def refused(event: dict[str, Any]) -> UnsupportedEvent:
    with pytest.raises(UnsupportedEvent) as caught:
        translate(event)
    return caught.value


def test_a_merge_says_which_number_lives_on_and_nothing_of_custody() -> None:
    event = translate(merge())
    assert event.kind == "person.merged"
    assert set(event.groups) == {"identifiers"}
    assert event.groups["identifiers"]["noms"] == NOMS
    assert event.groups["identifiers"]["superseded_noms"] == "Z0002ZZ"
    assert set(translate(movement("MRG")).groups) == {"identifiers"}


def test_a_merge_without_the_number_that_lives_on_is_malformed() -> None:
    event = merge()
    del event["additionalInformation"]["nomsNumber"]
    with pytest.raises(MalformedEvent, match=r"\$\.additionalInformation\.nomsNumber: required"):
        translate(event)


def test_a_merge_without_the_number_removed_waits_for_a_human() -> None:
    event = merge()
    del event["additionalInformation"]["removedNomsNumber"]
    assert refused(event).needs_human


@pytest.mark.parametrize(
    "change", [{"removedNomsNumber": NOMS}, {"reason": "RELEASED"}, {"reason": "merge"}]
)
def test_what_contradicts_a_merge_waits_for_a_human(change: dict[str, str]) -> None:
    event = merge()
    event["additionalInformation"] |= change
    assert refused(event).needs_human


def test_a_superseded_number_is_checked_as_any_other() -> None:
    event = merge()
    event["additionalInformation"]["removedNomsNumber"] = "Q12"
    with pytest.raises(MalformedEvent, match="superseded_noms") as caught:
        translate(event)
    assert "Q12" not in str(caught.value)


def test_a_link_states_both_numbers_and_nothing_else() -> None:
    event = translate(simple(LINKED, bookingNumber="1"))
    assert event.kind == "person.linked"
    assert set(event.groups) == {"identifiers"}
    assert event.groups["identifiers"]["noms"] == NOMS
    assert event.groups["identifiers"]["crn"] == CRN


@pytest.mark.parametrize("type_", ["CRN", "NOMS"])
def test_a_link_of_one_number_links_nothing(type_: str) -> None:
    event = simple(LINKED)
    value = CRN if type_ == "CRN" else NOMS
    event["personReference"] = {"identifiers": [{"type": type_, "value": value}]}
    with pytest.raises(MalformedEvent, match="both numbers"):
        translate(event)


@pytest.mark.parametrize(
    ("event_type", "additional"),
    [
        ("probation-case.merge.completed", {"sourceCRN": "X999002", "targetCRN": CRN}),
        ("probation-case.unmerge.completed", {"reactivatedCRN": "X999002", "unmergedCRN": CRN}),
        (
            "prison-offender-events.prisoner.booking.moved",
            {"movedFromNomsNumber": "Z0002ZZ", "movedToNomsNumber": NOMS},
        ),
    ],
)
def test_joined_and_parted_cases_wait_for_a_human_with_the_reason(
    event_type: str, additional: dict[str, str]
) -> None:
    error = refused(simple(event_type, **additional))
    assert error.needs_human
    assert "needs a human: " in str(error)
    assert error.event_type == event_type
