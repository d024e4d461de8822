"""Who is who, and what is known of them after each event."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.event import Event
from gateway.model.ids import AgencyName, EventRef, PersonRef
from gateway.model.person import Person
from gateway.people import matching_identifiers, resolve, with_event

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ALICE, BOB = PersonRef("per_a"), PersonRef("per_b")


def event(groups: dict[str, object], *, agency: str = "prison", kind: str = "release.planned",
          at: dt.datetime = NOW) -> Event:  # fmt: skip
    return Event(
        ref=EventRef("evt_1"),
        agency=AgencyName(agency),
        person=ALICE,
        kind=kind,
        occurred_at=at,
        received_at=at,
        groups=groups,  # type: ignore[arg-type]
    )


def test_an_untraced_nhs_number_finds_nobody() -> None:
    stated = {"identifiers": {"nhs_number": "9990000026", "noms": "Z0001ZZ"}}
    assert set(matching_identifiers(stated, today=NOW.date())) == {"noms"}
    stated["identifiers"]["nhs_number_status"] = "01"
    assert set(matching_identifiers(stated, today=NOW.date())) == {"noms", "nhs_number"}


def test_forms_of_one_identifier_match() -> None:
    def pnc(text: str) -> dict[str, str]:
        return matching_identifiers({"identifiers": {"pnc": text}}, today=NOW.date())

    assert pnc("02/73319Z") == pnc("2002/0073319Z")


def test_nobody_known_is_a_new_person_with_every_identifier_linked() -> None:
    found = resolve({"noms": None, "crn": None}, organisation_class="prison")
    assert (found.person, set(found.link), found.conflict) == (None, {"noms", "crn"}, False)


def test_identifiers_stated_together_meet_in_one_person() -> None:
    found = resolve({"noms": ALICE, "crn": None}, organisation_class="probation")
    assert (found.person, found.link, found.conflict) == (ALICE, ("crn",), False)


@pytest.mark.parametrize(("sender", "expected"), [("prison", ALICE), ("probation", BOB)])
def test_a_conflict_merges_nothing_and_follows_the_senders_own_numbering(
    sender: str, expected: PersonRef
) -> None:
    found = resolve({"noms": ALICE, "crn": BOB, "pnc": None}, organisation_class=sender)
    assert (found.person, found.link, found.conflict) == (expected, (), True)


def test_the_same_agency_adds_to_what_it_said_and_replaces_members_it_names() -> None:
    person = with_event(Person(ref=ALICE), event({"custody": {"prison": "EXI", "licence": False}}))
    later = event({"custody": {"prison": "EXJ"}}, at=NOW + dt.timedelta(hours=1))
    assert with_event(person, later).facts["custody"].members == {"prison": "EXJ", "licence": False}


def test_another_agency_replaces_a_group_whole() -> None:
    person = with_event(Person(ref=ALICE), event({"mappa": {"category": 2, "level": 3}}))
    later = event({"mappa": {"category": 2}}, agency="probation", at=NOW + dt.timedelta(hours=1))
    stated = with_event(person, later).facts["mappa"]
    assert (stated.members, stated.controller) == ({"category": 2}, "probation")


def test_identifiers_add_up_across_agencies() -> None:
    person = with_event(Person(ref=ALICE), event({"identifiers": {"noms": "Z0001ZZ"}}))
    later = event({"identifiers": {"crn": "Z000001"}}, agency="probation")
    members = with_event(person, later).facts["identifiers"].members
    assert members == {"noms": "Z0001ZZ", "crn": "Z000001"}


def test_a_late_event_never_overwrites_newer_state() -> None:
    person = with_event(Person(ref=ALICE), event({"mappa": {"level": 3}}))
    late = event({"mappa": {"level": 1}}, at=NOW - dt.timedelta(days=1))
    assert with_event(person, late).facts["mappa"].members == {"level": 3}


def test_a_cancelled_release_leaves_no_date_standing() -> None:
    planned = event({"custody": {"planned_date": "2026-04-01", "prison": "EXI"}})
    person = with_event(Person(ref=ALICE), planned)
    cancelled = event({"custody": {"cancelled_because": "remand"}}, kind="release.cancelled")
    members = with_event(person, cancelled).facts["custody"].members
    assert members == {"prison": "EXI", "cancelled_because": "remand"}


def test_only_the_agency_that_restricted_a_case_may_lift_it() -> None:
    person = with_event(Person(ref=ALICE), event({"handling": {"restricted": True}}))
    other = event({"handling": {"restricted": False}}, agency="police")
    still = with_event(person, other)
    assert still.facts["handling"].members["restricted"] is True
    again = with_event(still, other)
    assert again.facts["handling"].members["restricted"] is True
    lifted = with_event(again, event({"handling": {"restricted": False}}))
    assert lifted.facts["handling"].members["restricted"] is False


@given(st.permutations([0, 1, 2, 3, 4]))
def test_in_whatever_order_one_agencys_statements_come_the_newest_whole_one_wins(
    order: list[int],
) -> None:
    person = Person(ref=ALICE)
    for hours in order:
        at = NOW + dt.timedelta(hours=hours)
        person = with_event(person, event({"mappa": {"level": hours % 3 + 1}}, at=at))
    assert person.facts["mappa"].members == {"level": 4 % 3 + 1}
    assert person.facts["mappa"].as_of == NOW + dt.timedelta(hours=4)
