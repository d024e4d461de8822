"""The catalogue is what the adapter does: every type in it behaves as it says, and none is left."""

from typing import Any

import pytest

from adapters.contract import UnsupportedEvent
from adapters.hmpps_domain_events import ADAPTER, TRANSLATED
from adapters.hmpps_domain_events.catalogue import CATALOGUE, _entries
from adapters.hmpps_domain_events.reference import page as reference_page
from adapters.hmpps_domain_events.thin import THIN
from gateway.model.kinds import KINDS, OWN_KINDS
from gateway.model.problem import MalformedEvent
from tests.adapters.hmpps_reference import PAGE
from tests.adapters.samples import (
    alert,
    body,
    mappa_information,
    merge,
    movement,
    recall,
    registration,
    simple,
)
from tests.adapters.test_hmpps_vectors import EXAMPLES, FOLDER, read
from tests.support.every import every
from tests.third_party import vectors

UNDER = {"currentPrisonStatus": "UNDER_PRISON_CARE"}
DEPARTURES: dict[str, dict[str, Any]] = {
    "release.temporary": {"reason": "TEMPORARY_ABSENCE_RELEASE", **UNDER},
    "custody.transferred": {"reason": "TRANSFERRED", **UNDER},
    "custody.sent_to_court": {"reason": "SENT_TO_COURT", **UNDER},
    "custody.hospital_transfer": {"reason": "RELEASED_TO_HOSPITAL"},
    "custody.escaped": {"nomisMovementReasonCode": "UAL"},
    "custody.died": {"nomisMovementReasonCode": "DEC"},
    "person.merged": {"nomisMovementReasonCode": "MRG"},
}
SEARCH = "prisoner-offender-search"
REGISTERS = ("MAPP", "RHRH", "STRG", "RCCO", "RVAD")

# One event for every kind that a type may become; thin types have but one.
WITNESSES: list[dict[str, Any]] = [
    movement(),
    *(movement(**one) for one in DEPARTURES.values()),
    *(movement(**one, family=SEARCH) for one in DEPARTURES.values()),
    movement(kind="received", reason="TRANSFERRED", **UNDER),
    movement(kind="received", reason="TRANSFERRED", family=SEARCH, **UNDER),
    recall(),
    merge(),
    simple("probation-case.prison-identifier.added"),
    *(alert(code) for code in ("P33", "ROH", "CC1", "HA")),
    *(alert("RDV", change=change) for change in ("inactive", "deleted")),
    *(registration(one, category="", level="") for one in REGISTERS),
    *(registration(one, change="updated") for one in ("MAPP", "RHRH")),
    *(registration(one, change="deregistered") for one in ("MAPP", "STRG")),
    registration("STRG", change="deleted"),
    *(mappa_information(1, change=change) for change in ("created", "updated")),
    *(simple(event_type) for event_type in THIN),
]


def kind_of(event: dict[str, Any]) -> str:
    (translated,) = ADAPTER.translate(body(event), source="urn:example:agency").events
    return translated.kind


def test_every_kind_in_the_catalogue_is_shown_and_no_other() -> None:
    shown: dict[str, set[str]] = {}
    for event in WITNESSES:
        shown.setdefault(event["eventType"], set()).add(kind_of(event))
    assert shown == {name: set(entry.kinds) for name, entry in CATALOGUE.items() if entry.kinds}
    assert set(TRANSLATED) == set(shown)


def test_the_kinds_in_the_catalogue_are_kinds_an_agency_may_state() -> None:
    assert {kind for entry in CATALOGUE.values() for kind in entry.kinds} <= KINDS - OWN_KINDS


@pytest.mark.parametrize("event_type", [name for name, one in CATALOGUE.items() if not one.kinds])
@pytest.mark.parametrize("version", [1, "1.0", None])
def test_a_type_without_kinds_is_refused_with_the_reason_in_the_catalogue(
    event_type: str, version: object
) -> None:
    entry = CATALOGUE[event_type]
    with pytest.raises(UnsupportedEvent) as caught:
        kind_of(simple(event_type) | {"version": version})
    assert caught.value.needs_human == entry.needs_human
    prefix = "needs a human: " if entry.needs_human else ""
    (problem,) = caught.value.problems
    assert (problem.path, problem.reason) == ("$.eventType", prefix + entry.why)


@every("event_type", [name for name, one in CATALOGUE.items() if one.kinds])
def test_a_translated_type_of_another_version_waits_for_a_human(event_type: str) -> None:
    with pytest.raises(UnsupportedEvent) as caught:
        kind_of(simple(event_type) | {"version": 2})
    assert caught.value.needs_human
    with pytest.raises(MalformedEvent, match=r"\$\.version"):
        kind_of(simple(event_type) | {"version": "1"})


def test_no_type_is_in_the_catalogue_twice_and_each_has_a_reason() -> None:
    assert len(list(_entries())) == len(CATALOGUE)
    assert all(entry.why and "|" not in entry.why for entry in CATALOGUE.values())
    assert not [name for name, entry in CATALOGUE.items() if entry.kinds and entry.needs_human]


def test_every_published_example_is_of_a_type_in_the_catalogue() -> None:
    vectors(f"{FOLDER}/{EXAMPLES}")
    types = {example["event"]["eventType"] for example in read(EXAMPLES)}
    assert len(types) == 142
    assert types <= set(CATALOGUE)


def test_the_catalogue_has_at_least_the_types_the_public_catalogue_counts() -> None:
    assert len(CATALOGUE) >= 204


def test_the_reference_page_is_what_the_catalogue_says() -> None:
    assert PAGE.read_text("utf-8") == reference_page(), "python -m tests.adapters.hmpps_reference"


def test_the_reference_page_has_a_row_for_every_type() -> None:
    for name, entry in CATALOGUE.items():
        (row,) = (line for line in reference_page().splitlines() if f"| `{name}` |" in line)
        assert entry.why in row
        assert all(f"`{kind}`" in row for kind in entry.kinds)
