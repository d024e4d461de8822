"""Every published example event is translated to valid events or refused; none falls through."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from adapters.contract import UnsupportedEvent
from adapters.hmpps_domain_events import ADAPTER
from gateway.model.event import CanonicalEvent, parse_cloudevent
from gateway.model.groups import PROVENANCE
from gateway.model.problem import MalformedEvent
from tests.third_party import vector_files, vectors

FOLDER = "hmpps-events"
EXAMPLES = "events-from-spec-examples.json"
NOTIFICATIONS = "sns-wrapped-samples.json"


def read(name: str) -> list[dict[str, Any]]:
    found: list[Path] = vector_files(FOLDER, name)
    return json.loads(found[0].read_text()) if found else []


def outcome(message: object) -> tuple[str, tuple[CanonicalEvent, ...]]:
    try:
        events = ADAPTER.translate(json.dumps(message).encode(), source="urn:example:agency").events
    except UnsupportedEvent:
        return "unsupported", ()
    except MalformedEvent:
        return "malformed", ()
    return "translated", events


@pytest.mark.parametrize("example", read(EXAMPLES), ids=lambda example: example["source"])
def test_an_example_is_translated_to_valid_events_or_refused(example: dict[str, Any]) -> None:
    what, events = outcome(example["event"])
    assert (what == "translated") == bool(events)
    for event in events:
        assert parse_cloudevent(event.to_cloudevent()) == event
        assert all(set(PROVENANCE) <= set(members) for members in event.groups.values())


def test_exactly_these_examples_are_translated() -> None:
    vectors(f"{FOLDER}/{EXAMPLES}")
    translated = Counter(
        (example["event"]["eventType"], event.kind)
        for example in read(EXAMPLES)
        for event in outcome(example["event"])[1]
    )
    assert translated == {
        ("accommodation.cas3.booking.cancelled", "accommodation.lost"): 1,
        ("accommodation.cas3.booking.confirmed", "accommodation.placed"): 1,
        ("accommodation.cas3.person.arrived", "address.changed"): 1,
        ("approved-premises.booking.cancelled", "accommodation.lost"): 1,
        ("approved-premises.booking.made", "accommodation.placed"): 2,
        ("calculate-release-dates.prisoner.changed", "release.date_changed"): 1,
        ("create-and-vary-a-licence.licence.activated", "licence.activated"): 1,
        ("create-and-vary-a-licence.variation.activated", "licence.varied"): 1,
        ("offender-management.handover.changed", "supervision.transferred"): 1,
        ("person.community.manager.allocated", "supervision.transferred"): 2,
        ("person.temporary-absence.overdue", "release.overdue"): 1,
        ("prison-offender-events.prisoner.received", "custody.received"): 1,
        ("prison-offender-events.prisoner.released", "release.actual"): 1,
        ("prison-offender-events.prisoner.sentence-dates-changed", "release.date_changed"): 1,
        ("probation-case.prison-identifier.added", "person.linked"): 1,
        ("probation-case.registration.added", "risk.assessed"): 1,
        ("probation-case.registration.updated", "risk.assessed"): 1,
    }


def test_every_example_is_counted_and_times_without_a_zone_are_refused() -> None:
    vectors(f"{FOLDER}/{EXAMPLES}")
    examples = read(EXAMPLES)
    counted = Counter(outcome(example["event"])[0] for example in examples)
    assert counted == {"translated": 19, "unsupported": 127, "malformed": 7}
    malformed = {
        example["event"]["eventType"].partition(".")[0]
        for example in examples
        if outcome(example["event"])[0] == "malformed"
    }
    assert malformed == {"activities", "appointments", "interventions"}


def test_the_published_notifications_are_translated() -> None:
    vectors(f"{FOLDER}/{NOTIFICATIONS}")
    notifications = read(NOTIFICATIONS)
    assert notifications
    for notification in notifications:
        what, events = outcome(notification["raw"])
        assert what == "translated"
        assert [event.kind for event in events] == ["release.actual"]
        assert events[0].groups["custody"]["reason_code"] == "NCS"
