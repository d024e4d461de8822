"""The index finds exactly those a scan of the whole directory would find."""

from dataclasses import replace
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.candidates import Candidates, named_in
from gateway.model.ids import AgencyName, PersonRef, RecipientId
from gateway.model.party import Recipient
from gateway.model.person import Person, StatedGroup
from policies.facts import FactClass, facing
from tests.policies.cases import recipient

AREAS = ("west_midlands", "west_mercia", "kent", "ZZI", "ZZA")
NAMES = ("Example Surgery", "EXAMPLE surgery", "Z99999", "Example Hostels", "one/1", "Straße", "x")
IDS = ("one/1", "ONE/1", "two/2", "x", "z99999", "straße", "b", "B")


def scan(
    directory: list[Recipient], facts: FactClass, person: Person, told: set[RecipientId]
) -> list[Recipient]:
    """Ask of every recipient whether they are a candidate: slow, and plainly right."""
    where = facts.areas | {facts.prison}
    found = []
    for one in directory:
        near = not facts.areas or not one.areas or not one.areas.isdisjoint(where)
        # That somebody else lodges the person, or that a role owes a duty, names nobody.
        standing = replace(facing(facts, person.facts, one), lodges_elsewhere=False, owes=False)
        if near or one.id in told or standing != facts:
            found.append(one)
    if facts.kind.startswith("duty.") and "duty" in person.facts:
        owner = person.facts["duty"].members["owner"]
        chased = {one.manager for one in found if one.role == owner}
        found += [one for one in directory if one.id in chased and one not in found]
    return sorted(found, key=lambda one: one.id)


@st.composite
def directories(draw: st.DrawFn) -> list[Recipient]:
    return [
        recipient(
            draw(st.sampled_from(["gp_practice", "police_offender_manager"])),
            id=RecipientId(id_),
            manager=draw(st.none() | st.sampled_from([*IDS, "withdrawn"])),
            organisation=draw(st.sampled_from(NAMES)),
            areas=frozenset(draw(st.sets(st.sampled_from(AREAS), max_size=3))),
        )
        for id_ in draw(st.sets(st.sampled_from(IDS)))
    ]


_NAME = st.sampled_from([*NAMES, "Nobody Known"])
_LIST = st.none() | st.lists(_NAME, max_size=2)
_CARER = (
    st.none()
    | st.just("NOT_RECORDED")
    | st.fixed_dictionaries({"name": _NAME}, optional={"ods": _NAME})
)


@st.composite
def records(draw: st.DrawFn) -> Person:
    groups: dict[str, dict[str, Any]] = {
        "handling": {one: draw(_LIST) for one in ("restricted_to", "excluded", "vetoed")},
        "professionals": {"plan_agencies": draw(_LIST)},
        "victim": {"known_to": draw(_LIST)},
        "duty": {"owner": draw(st.sampled_from(["police_offender_manager", "nobody"]))},
        "children": {"known_to": draw(_LIST)},
        "location": {
            "approved_premises": draw(st.none() | _NAME),
            "housing_referral": draw(
                st.none() | st.fixed_dictionaries({"chosen_authority": _NAME})
            ),
        },
        "health_routing": {
            one: draw(_CARER)
            for one in ("community_gp", "registered_practice", "mental_health_team")
        },
    }
    left_out = draw(st.sets(st.sampled_from(sorted(groups))))
    return Person(
        ref=PersonRef("per_1"),
        facts={
            name: StatedGroup(members=members, controller=AgencyName("hmp"), as_of=None)  # type: ignore[arg-type]
            for name, members in groups.items()
            if name not in left_out
        },
    )


@given(
    directory=directories(),
    person=records(),
    areas=st.sets(st.sampled_from(AREAS), max_size=2),
    prison=st.sampled_from(["", "ZZI", "ZZA"]),
    kind=st.sampled_from(["release.planned", "duty.missed"]),
    told=st.sets(st.sampled_from([*IDS, "withdrawn"]), max_size=2),
)
@example(
    directory=[recipient("gp_practice", areas=frozenset({"kent"}))],
    person=Person(ref=PersonRef("per_1"), facts={}),
    areas={"west_midlands"},
    prison="",
    kind="release.planned",
    told=set(),
)
def test_the_index_finds_whom_a_scan_finds(
    directory: list[Recipient],
    person: Person,
    areas: set[str],
    prison: str,
    kind: str,
    told: set[RecipientId],
) -> None:
    facts = FactClass(kind=kind, sender_class="prison", areas=frozenset(areas), prison=prison)
    found = Candidates(directory).find(facts, person, told)
    assert found == scan(directory, facts, person, told)


def test_those_of_other_areas_are_found_only_when_named_or_told_before() -> None:
    near, far, told = (
        recipient("gp_practice", id=RecipientId(id_), organisation=id_, areas=frozenset({area}))
        for id_, area in (("near", "kent"), ("far", "essex"), ("told", "essex"))
    )
    facts = FactClass(kind="release.planned", sender_class="prison", areas=frozenset({"kent"}))
    nobody = Person(ref=PersonRef("per_1"), facts={})
    candidates = Candidates([told, far, near])
    assert candidates.find(facts, nobody) == [near]
    assert candidates.find(facts, nobody, {told.id, RecipientId("gone")}) == [near, told]
    plan = StatedGroup(members={"plan_agencies": ["FAR"]}, controller=AgencyName("hmp"), as_of=None)  # type: ignore[arg-type]
    named = Person(ref=PersonRef("per_1"), facts={"professionals": plan})
    assert list(named_in(named)) == ["FAR"]
    assert candidates.find(facts, named) == [far, near]
    assert candidates.find(replace(facts, areas=frozenset()), nobody) == [far, near, told]
