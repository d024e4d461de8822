"""Who is who, and what is known of them after each event."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.known import for_event, with_event
from gateway.model.event import Event
from gateway.model.ids import AgencyName, EventRef, PersonRef
from gateway.model.kinds import KINDS
from gateway.model.person import Person
from gateway.people import MATCHED, Known, matching_identifiers, resolve, unmatched_nhs_number

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


BIRTH, OTHER_BIRTH = b"one day", b"another"


def known(ref: PersonRef, *births: bytes, root: PersonRef | None = None) -> Known:
    return Known(record=ref, root=root or ref, born=frozenset(births))


def test_nobody_known_is_a_new_person_with_every_identifier_linked() -> None:
    found = resolve({"noms": None, "crn": None}, organisation_class="prison")
    assert (found.record, set(found.link), found.doubts) == (None, {"noms", "crn"}, ())
    assert not found.apart


def test_identifiers_stated_together_meet_in_one_person() -> None:
    found = resolve({"noms": known(ALICE), "crn": None}, organisation_class="probation")
    assert (found.record, found.link, found.doubts) == (ALICE, ("crn",), ())


@pytest.mark.parametrize(("sender", "expected"), [("prison", ALICE), ("probation", BOB)])
def test_a_conflict_merges_nothing_and_follows_the_senders_own_numbering(
    sender: str, expected: PersonRef
) -> None:
    matches = {"noms": known(ALICE), "crn": known(BOB), "pnc": None}
    found = resolve(matches, organisation_class=sender)
    assert (found.record, found.link, found.absorb) == (expected, (), ())
    (doubt,) = found.doubts
    assert doubt.kind == "identifiers-conflict"
    assert doubt.others == (BOB if expected == ALICE else ALICE,)


def test_records_merged_before_are_one_person_and_no_conflict() -> None:
    matches = {"noms": known(ALICE), "crn": known(BOB, root=ALICE), "pnc": None}
    found = resolve(matches, organisation_class="probation")
    assert (found.record, found.link, found.doubts) == (BOB, ("pnc",), ())


def test_another_date_of_birth_joins_nothing_to_the_record_of_the_senders_own_number() -> None:
    found = resolve(
        {"noms": known(ALICE, BIRTH), "crn": None}, organisation_class="prison", born=OTHER_BIRTH
    )
    assert (found.record, found.link) == (ALICE, ())
    (doubt,) = found.doubts
    assert (doubt.kind, doubt.identifiers) == ("date-of-birth-conflict", ("noms",))


def test_another_date_of_birth_and_an_own_number_nobody_knows_is_a_new_person() -> None:
    found = resolve(
        {"noms": known(ALICE, BIRTH), "crn": None}, organisation_class="probation", born=OTHER_BIRTH
    )
    assert (found.record, found.link, found.apart) == (None, ("crn",), True)
    assert found.doubts[0].others == (ALICE,)


def test_another_date_of_birth_from_a_sender_without_numbering_is_a_new_person_or_who_agrees() -> (
    None
):
    matches = {"noms": known(ALICE, BIRTH)}
    found = resolve(matches, organisation_class="local_authority", born=OTHER_BIRTH)
    assert (found.record, found.link, found.apart) == (None, (), True)
    agreeing = matches | {"crn": known(BOB, OTHER_BIRTH)}
    found = resolve(agreeing, organisation_class="local_authority", born=OTHER_BIRTH)
    assert (found.record, found.link, found.apart) == (BOB, (), False)


@pytest.mark.parametrize("kind", ["person.linked", "person.merged"])
def test_an_agency_may_say_that_two_records_are_one_person(kind: str) -> None:
    matches = {"noms": known(ALICE, BIRTH), "superseded_noms": known(BOB)}
    found = resolve(matches, organisation_class="prison", kind=kind)
    assert (found.record, found.absorb, found.doubts) == (ALICE, (BOB,), ())


@pytest.mark.parametrize("kind", ["person.linked", "person.merged"])
def test_records_with_two_dates_of_birth_are_not_merged_on_an_agencys_word(kind: str) -> None:
    matches = {"noms": known(ALICE, BIRTH), "superseded_noms": known(BOB, OTHER_BIRTH)}
    found = resolve(matches, organisation_class="prison", kind=kind)
    assert (found.record, found.absorb) == (ALICE, ())
    assert [one.kind for one in found.doubts] == ["date-of-birth-conflict"]


def test_a_merge_of_prison_numbers_says_nothing_about_a_third_record() -> None:
    third = PersonRef("per_c")
    matches = {"noms": known(ALICE), "crn": known(third), "superseded_noms": known(BOB)}
    found = resolve(matches, organisation_class="prison", kind="person.merged")
    assert found.absorb == ()
    assert [one.kind for one in found.doubts] == ["identifiers-conflict"]
    linked = resolve(matches, organisation_class="prison", kind="person.linked")
    assert (set(linked.absorb), linked.doubts) == ({third, BOB}, ())


def test_an_unmerge_parts_the_two_prison_numbers_and_leaves_what_else_is_stated() -> None:
    third = PersonRef("per_c")
    matches = {
        "noms": known(ALICE),
        "crn": known(third, root=ALICE),
        "superseded_noms": known(BOB, root=ALICE),
    }
    found = resolve(matches, organisation_class="prison", kind="person.unmerged")
    assert (found.record, found.separate, found.link) == (ALICE, (BOB,), ())


def test_an_unmerge_of_two_numbers_of_one_record_is_for_a_human() -> None:
    matches = {"noms": known(ALICE), "superseded_noms": known(ALICE)}
    found = resolve(matches, organisation_class="prison", kind="person.unmerged")
    assert found.separate == ()
    assert [one.kind for one in found.doubts] == ["identifiers-conflict"]


births = st.sampled_from([None, BIRTH, OTHER_BIRTH])
records = st.sampled_from([PersonRef(f"per_{letter}") for letter in "abc"])
somebody = st.builds(lambda ref, born: known(ref, *([born] if born else [])), records, births)
matching = st.dictionaries(st.sampled_from(MATCHED), st.none() | somebody, min_size=1)
kinds = st.sampled_from(sorted(KINDS))


@given(matches=matching, sender=st.sampled_from(["prison", "police", "other"]), kind=kinds,
       born=births)  # fmt: skip
def test_nothing_doubtful_ever_merges_or_links_to_anyone_known(
    matches: dict[str, Known | None], sender: str, kind: str, born: bytes | None
) -> None:
    found = resolve(matches, organisation_class=sender, kind=kind, born=born)
    stated = [one for one in matches.values() if one]
    if found.absorb:
        assert kind in {"person.linked", "person.merged"}
        merged = [one for one in stated if one.root in {*found.absorb, found.record}]
        assert len(frozenset().union(*(one.born for one in merged))) <= 1
    if found.doubts:
        assert not found.absorb
        assert found.record is None or not found.link
    if kind not in {"person.linked", "person.merged"} and len({one.root for one in stated}) > 1:
        assert not found.absorb
    assert found.record is None or found.record in {one.record for one in stated}


def test_a_placeholder_for_an_nhs_number_finds_nobody_and_is_not_kept() -> None:
    stated = {"noms": "Z0001ZZ", "nhs_number": "333 333 3333", "nhs_number_status": "01"}
    assert set(matching_identifiers({"identifiers": stated}, today=NOW.date())) == {"noms"}
    assert unmatched_nhs_number({"identifiers": stated}) == "333 333 3333"
    person = with_event(Person(ref=ALICE), event({"identifiers": stated}))
    assert person.facts["identifiers"].members == {"noms": "Z0001ZZ"}


def test_a_placeholder_leaves_the_number_that_was_known() -> None:
    traced = {"nhs_number": "9990000026", "nhs_number_status": "01"}
    person = with_event(Person(ref=ALICE), event({"identifiers": traced}))
    typed = {"nhs_number": "9999999999", "nhs_number_status": "02"}
    assert with_event(person, event({"identifiers": typed})).facts["identifiers"].members == traced


@pytest.mark.parametrize("status", ["02", "04", "05", None])
def test_an_untraced_number_is_not_kept_for_it_may_be_somebody_elses(status: str | None) -> None:
    stated = {"noms": "Z0001ZZ", "nhs_number": "9990000026"}
    if status is not None:
        stated["nhs_number_status"] = status
    person = with_event(Person(ref=ALICE), event({"identifiers": stated}))
    assert person.facts["identifiers"].members == {"noms": "Z0001ZZ"}


def test_an_untraced_number_is_compared_in_the_form_it_would_match_in() -> None:
    stated = {"nhs_number": "999 000 0026", "nhs_number_status": "02"}
    assert unmatched_nhs_number({"identifiers": stated}) == "9990000026"
    assert unmatched_nhs_number({"identifiers": stated | {"nhs_number_status": "01"}}) is None
    assert unmatched_nhs_number({"identifiers": {"noms": "Z0001ZZ"}}) is None


def test_what_the_gateway_states_of_a_duty_is_told_and_not_kept() -> None:
    due = event({"duty": {"clock": "C1"}}, kind="duty.missed", agency="throughgate")
    person = with_event(Person(ref=ALICE), due)
    assert person.facts == {}
    told = for_event(person, due)
    assert told.facts["duty"].members == {"clock": "C1"}
    assert for_event(person, event({"mappa": {"level": 1}})) == person


def test_the_same_agency_adds_to_what_it_said_and_replaces_members_it_names() -> None:
    person = with_event(Person(ref=ALICE), event({"custody": {"prison": "EXI", "licence": False}}))
    later = event({"custody": {"prison": "EXJ"}}, at=NOW + dt.timedelta(hours=1))
    assert with_event(person, later).facts["custody"].members == {"prison": "EXJ", "licence": False}


LATER = NOW + dt.timedelta(hours=1)


def test_what_another_agency_does_not_name_stands_and_stays_whose_it_was() -> None:
    rosh = {"overall": "high", "children": "high", "as_of": NOW.isoformat(), "verified": True}
    person = with_event(Person(ref=ALICE), event({"rosh": rosh}))
    thin = event({"rosh": {"overall": "very_high"}}, agency="probation", at=LATER)
    stated = with_event(person, thin).facts["rosh"]
    assert stated.members == {"overall": "very_high", "children": "high"}
    assert stated.controller == stated.controller_of("overall") == "probation"
    origin = stated.origin("children")
    assert (origin.controller, origin.as_of) == ("prison", NOW)
    assert origin.provenance == {"as_of": NOW.isoformat(), "verified": True}
    again = with_event(with_event(person, thin), event({"rosh": {"children": "low"}}, at=LATER))
    assert again.facts["rosh"].controller_of("children") == "prison"
    assert again.facts["rosh"].controller_of("overall") == "probation"


def test_a_level_is_of_the_category_its_agency_stated() -> None:
    person = with_event(Person(ref=ALICE), event({"mappa": {"category": 2, "level": 3}}))
    same = event({"mappa": {"category": 2}}, agency="probation", at=LATER)
    assert with_event(person, same).facts["mappa"].members == {"category": 2, "level": 3}
    other = event({"mappa": {"category": 3}}, agency="probation", at=LATER)
    assert with_event(person, other).facts["mappa"].members == {"category": 3}


def test_one_agencys_address_never_stands_under_anothers_status() -> None:
    here = {"address_status": "CONFIRMED", "address": {"lines": ["1 Example Street"]}}
    person = with_event(Person(ref=ALICE), event({"location": here | {"home_area": "kent"}}))
    nowhere = event({"location": {"address_status": "NFA"}}, agency="housing", at=LATER)
    members = with_event(person, nowhere).facts["location"].members
    assert members == {"address_status": "NFA", "home_area": "kent"}


def test_what_an_agency_excluded_outlives_anothers_marking() -> None:
    person = with_event(Person(ref=ALICE), event({"handling": {"excluded": ["Example Housing"]}}))
    marked = event({"handling": {"marking": "OFFICIAL"}}, agency="police", at=LATER)
    stated = with_event(person, marked).facts["handling"]
    assert stated.members == {"marking": "OFFICIAL", "excluded": ["Example Housing"]}
    assert stated.controller_of("excluded") == "prison"


def test_identifiers_add_up_across_agencies() -> None:
    person = with_event(Person(ref=ALICE), event({"identifiers": {"noms": "Z0001ZZ"}}))
    later = event({"identifiers": {"crn": "Z000001"}}, agency="probation")
    members = with_event(person, later).facts["identifiers"].members
    assert members == {"noms": "Z0001ZZ", "crn": "Z000001"}


def test_a_late_event_never_overwrites_newer_state() -> None:
    person = with_event(Person(ref=ALICE), event({"mappa": {"level": 3}}))
    late = event({"mappa": {"level": 1}}, at=NOW - dt.timedelta(days=1))
    assert with_event(person, late).facts["mappa"].members == {"level": 3}


def test_a_flag_is_told_of_its_own_event_and_not_kept() -> None:
    known = with_event(Person(ref=ALICE), event({"rosh": {"overall": "high"}}))
    raised = event({"rosh": {"flags": ["NOMIS:XRF"]}}, agency="police", kind="risk.flag_raised")
    person = with_event(known, raised)
    assert person.facts["rosh"].members == {"overall": "high"}
    told = for_event(person, raised).facts["rosh"]
    assert told.members == {"overall": "high", "flags": ["NOMIS:XRF"]}
    assert (told.controller_of("flags"), told.controller_of("overall")) == ("police", "prison")
    assert "flags" not in for_event(person, event({"mappa": {"level": 2}})).facts["rosh"].members


def test_a_late_event_adds_what_nobody_said_since() -> None:
    person = with_event(Person(ref=ALICE), event({"identifiers": {"noms": "Z0001ZZ"}}))
    earlier = NOW - dt.timedelta(days=1)
    late = event({"identifiers": {"crn": "Z000001"}}, agency="probation", at=earlier)
    members = with_event(person, late).facts["identifiers"].members
    assert members == {"noms": "Z0001ZZ", "crn": "Z000001"}
    person = with_event(Person(ref=ALICE), event({"mappa": {"category": 2}}))
    level = event({"mappa": {"category": 2, "level": 3}}, agency="probation", at=earlier)
    stated = with_event(person, level).facts["mappa"]
    assert stated.members == {"category": 2, "level": 3}
    assert (stated.controller, stated.controller_of("level")) == ("prison", "probation")
    of_another = event({"mappa": {"category": 3, "level": 3}}, agency="probation", at=earlier)
    assert with_event(person, of_another).facts["mappa"].members == {"category": 2}


def test_a_late_event_brings_no_cancelled_date_back() -> None:
    cancelled = event({"custody": {"prison": "EXI"}}, kind="release.cancelled")
    person = with_event(Person(ref=ALICE), cancelled)
    late = event({"custody": {"planned_date": "2026-04-01"}}, at=NOW - dt.timedelta(days=1))
    assert with_event(person, late).facts["custody"].members == {"prison": "EXI"}


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
