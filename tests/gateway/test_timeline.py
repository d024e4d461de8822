"""A timeline shows what the law lets its reader be told today, of what each agency stated."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.candidates import Candidates
from gateway.known import replay
from gateway.model.decision import Permit
from gateway.model.event import Event
from gateway.model.ids import AgencyName, EventRef
from gateway.model.kinds import KINDS
from gateway.model.person import Person
from gateway.timeline import FRONT_SCREEN, NOT_RECORDED, Reading, Timeline, timeline
from policies.facts import classify
from policies.minimise import select
from tests.policies import cases
from tests.support.examples import examples

CLASSES = {
    AgencyName("hmp"): "prison",
    AgencyName("healthcare"): "prison_healthcare",
    AgencyName("probation"): "probation",
}


def event(kind: str, groups: Mapping[str, Any], *, agency: str = "hmp", day: int = 1) -> Event:
    moment = dt.datetime(2026, 2, day, 10, tzinfo=dt.UTC)
    stated = {
        name: {**members, "assertion": "fact", "as_of": moment.isoformat()}
        for name, members in groups.items()
    }
    return Event(
        ref=EventRef(f"evt_{agency}_{kind}_{day}"),
        agency=AgencyName(agency),
        person=cases.person().ref,
        kind=kind,
        occurred_at=moment,
        received_at=moment,
        groups=stated,
    )


def reading(role: str, **changes: Any) -> Reading:
    return Reading(
        recipient=cases.recipient(role, **changes),
        rulebook=cases.RULEBOOK,
        classes=CLASSES,
        today=cases.TODAY,
    )


def read(role: str, *events: Event, **changes: Any) -> Timeline | None:
    known = replay(cases.person().ref, events)
    return timeline(known, events, reading(role, **changes))


def shown(found: Timeline | None) -> set[str]:
    """Return "group.member" paths, provenance left out."""
    if found is None:
        return set()
    return {
        f"{name}.{member}"
        for seen in found.events
        for name, members in seen.groups.items()
        for member in members
        if member not in {"assertion", "as_of", "source_system", "verified"}
    }


RELEASE = {
    "identity": {"family_name": "Example", "date_of_birth": "1980-01-01"},
    "identifiers": {"noms": "Z0001ZZ", "nhs_number": "9990000018", "nhs_number_status": "01"},
    "custody": {"prison": "ZZI", "release_type": "SED_NO_LICENCE", "planned_date": "2026-06-01"},
    "mappa": {"category": 2, "level": 3},
    "rosh": {"overall": "high", "public": "high"},
    "location": {"home_area": "west_midlands", "address_status": "NFA"},
    "victim": {"recorded": True, "relationship": "ex-partner"},
    "offence": {"convicted": True},
}
ROUTING = {"mental_health_team": {"name": "Example Mental Health Trust"}}


AREAS = (frozenset({"west_midlands"}), frozenset({"ZZI"}), frozenset({"kent"}), frozenset[str]())


@settings(max_examples=examples(300), deadline=None)
@given(
    cases.people(),
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(cases.ROLES),
    st.sampled_from(AREAS),
)
def test_of_what_is_known_exactly_what_the_law_permits_is_shown(
    known: Person, kind: str, role: str, areas: frozenset[str]
) -> None:
    """One statement of everything known, by the one agency that stated it: evaluate's own case."""
    whole = event(kind, {})
    whole = replace(
        whole, groups={name: dict(group.members) for name, group in known.facts.items()}
    )
    who = reading(role, areas=areas)
    found = timeline(known, [whole], who)
    decision = cases.decide(who.recipient, known, kind=kind, controller_classes=CLASSES)
    facts = classify(kind, known.facts, sender_class="prison", today=cases.TODAY)
    concerned = Candidates([who.recipient]).find(facts, known)
    if not (concerned and isinstance(decision, Permit)):
        assert found is None
    else:
        assert found is not None
        assert found.events[0].groups == select(known, decision).groups


@settings(max_examples=examples(150), deadline=None)
@given(
    cases.people(),
    st.lists(
        st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from(sorted(CLASSES)),
                  st.sets(st.sampled_from(sorted(cases.WHOLE)), min_size=1)),
        max_size=4,
    ),
    st.sampled_from(cases.ROLES),
)  # fmt: skip
def test_a_timeline_is_a_selection_and_a_refused_case_shows_nothing(
    known: Person, told: list[tuple[str, AgencyName, set[str]]], role: str
) -> None:
    events = [
        event(kind, {name: cases.WHOLE[name] for name in names}, agency=agency, day=day)
        for day, (kind, agency, names) in enumerate(told, start=1)
    ]
    who = reading(role)
    found = timeline(known, events, who)
    for seen in found.events if found else ():
        assert seen.groups
        for name, members in seen.groups.items():
            stated = seen.event.groups[name]
            assert members.items() <= stated.items()
        if "victim" in seen.groups:
            assert role in {
                "police_offender_manager", "probation_offender_manager", "victim_liaison_officer",
            }  # fmt: skip
    restricted = known.facts.get("handling")
    if restricted and restricted.members.get("restricted") and role == "gp_practice":
        assert found is None


def test_different_roles_see_different_things_of_the_same_events() -> None:
    events = [event("release.planned", RELEASE), event("mappa.level_changed", {}, day=2)]
    police = shown(read("police_offender_manager", *events))
    housing = shown(read("housing_authority", *events))
    health = shown(read("community_mental_health_team", *events))
    assert "custody.planned_date" in police
    assert "identifiers.nhs_number" not in police
    assert "identifiers.nhs_number" in health
    assert not any(path.startswith("victim.") for path in housing | health)
    assert len({frozenset(police), frozenset(housing), frozenset(health)}) == 3


def test_a_role_with_no_rule_and_a_reader_of_another_area_see_nothing() -> None:
    events = [event("release.planned", RELEASE)]
    assert read("data_protection_officer", *events) is None
    elsewhere = frozenset({"kent"})
    assert read("police_offender_manager", *events, areas=elsewhere) is None


def test_a_case_restricted_since_is_closed_whatever_was_open_before() -> None:
    before = event("release.planned", RELEASE)
    later = event("mappa.level_changed", {"handling": {"restricted": True}}, day=2)
    assert read("police_offender_manager", before)
    assert read("police_offender_manager", before, later) is None


def test_an_old_list_of_the_allowed_opens_nothing_now() -> None:
    allowed = {"handling": {"restricted": True, "restricted_to": ["Example police"]}}
    then = event("release.planned", RELEASE | allowed)
    now = event(
        "mappa.level_changed",
        {"handling": {"restricted": True, "restricted_to": ["Somebody else"]}},
        day=2,
    )
    police = {"organisation": "Example police"}
    assert read("police_offender_manager", then, **police)
    assert read("police_offender_manager", then, now, **police) is None
    # Nor where what is known now has no list at all.
    bare = replace(cases.person().facts["handling"], members={"restricted": True})
    closed = Person(ref=cases.person().ref, facts={**cases.person().facts, "handling": bare})
    who = reading("police_offender_manager", **police)
    assert timeline(closed, [then], who) is None


def test_a_team_that_once_treated_the_person_is_no_reader_now() -> None:
    quiet = RELEASE | {"mappa": {"category": 2, "level": 1}, "rosh": {"overall": "low"}}
    quiet["custody"] = {"prison": "ZZI", "release_type": "SED_NO_LICENCE"}
    once = event("release.planned", quiet | {"health_routing": ROUTING})
    team = {"areas": frozenset({"kent"})}
    assert read("community_mental_health_team", once, **team)
    other = {"mental_health_team": {"name": "Another Trust"}}
    since = event("health.care_team_recorded", {"health_routing": other}, day=2)
    assert read("community_mental_health_team", once, since, **team) is None
    # But where the newer statement, by another agency, says nothing of a team, it stands.
    silent = event(
        "health.care_team_recorded",
        {"health_routing": {"in_reach_caseload": True}},
        agency="healthcare",
        day=2,
    )
    assert read("community_mental_health_team", once, silent, **team)
    surgery = {"community_gp": {"name": "Example Surgery"}}
    once = event("release.planned", quiet | {"health_routing": surgery})
    assert read("gp_practice", once)
    assert read("gp_practice", once, silent)


def test_health_sees_who_treats_the_person_first_and_each_gap_said() -> None:
    found = read("community_mental_health_team", event("release.planned", RELEASE))
    assert found is not None
    assert list(found.front_screen) == list(FRONT_SCREEN)
    assert set(found.front_screen.values()) == {NOT_RECORDED}
    found = read(
        "community_mental_health_team",
        event("release.planned", RELEASE | {"health_routing": ROUTING}),
    )
    assert found is not None
    assert found.front_screen["mental_health_team"] == ROUTING["mental_health_team"]
    assert found.front_screen["community_gp"] == NOT_RECORDED


def test_others_have_no_front_screen() -> None:
    found = read("police_offender_manager", event("release.planned", RELEASE))
    assert found is not None
    assert found.front_screen == {}


def test_what_rose_is_judged_as_when_the_event_came() -> None:
    low = event("risk.assessed", RELEASE | {"rosh": {"overall": "low"}})
    high = event("risk.assessed", {"rosh": {"overall": "very_high"}}, day=2)
    again = event("risk.assessed", {"rosh": {"overall": "very_high"}}, day=3)
    found = read("mappa_coordinator", low, high, again)
    assert found is not None
    seen = {one.event.ref for one in found.events}
    assert high.ref in seen
    assert again.ref not in seen


@pytest.mark.parametrize("broken", [{"mappa": {"category": "two"}}, {"location": {"home_area": 7}}])
def test_facts_nobody_can_class_are_shown_to_nobody(broken: dict[str, Any]) -> None:
    assert read("police_offender_manager", event("release.planned", RELEASE | broken)) is None
