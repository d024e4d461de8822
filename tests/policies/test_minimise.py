"""A view is chosen, never cut down."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from gateway.model.decision import Grant, Permit
from gateway.model.groups import PROVENANCE
from gateway.model.ids import BasisId, EventRef, RecipientId, RuleId
from gateway.model.party import Recipient
from gateway.model.person import Person
from policies.minimise import select
from tests.policies.cases import (
    KIND,
    WHOLE,
    decide,
    people,
    permitted,
    person,
    recipient,
    recipients,
)
from tests.support.examples import examples


def permit_for(*members: str) -> Permit:
    grant = Grant(
        rule=RuleId("r"),
        basis=BasisId("LB01"),
        citation="c",
        regime="P3",
        condition="",
        purpose="p",
        members=members,
        for_action=False,
        acknowledge_within=None,
    )
    return Permit(
        event=EventRef("evt_1"),
        recipient=RecipientId("r"),
        grants=(grant,),
        withheld=(),
        rulebook="0" * 64,
    )


@given(about=people(), to=recipients(), kind=KIND)
@settings(max_examples=examples(200))
def test_a_view_holds_the_permitted_members_their_provenance_and_nothing_else(
    about: Person, to: Recipient, kind: str
) -> None:
    decision = decide(to, about, kind=kind)
    if not isinstance(decision, Permit):
        return
    view = select(about, decision)
    seen = {
        f"{group}.{member}"
        for group, members in view.groups.items()
        for member in members
        if member not in PROVENANCE
    }
    assert seen == set(decision.members)
    assert set(view.groups) == set(decision.groups)
    for group, members in view.groups.items():
        held = about.facts[group].members
        assert all(held[member] is value for member, value in members.items())


def test_a_group_comes_with_what_is_needed_to_judge_it() -> None:
    permit = permitted(decide(recipient("gp_practice"), person(mappa={"level": 1})))
    for members in select(person(), permit).groups.values():
        assert set(PROVENANCE) <= set(members)


def test_what_is_no_longer_held_is_left_out() -> None:
    permit = permit_for("victim.recorded", "custody.licence", "custody.prison")
    about = person(without=("victim",), custody={"licence": None})
    assert set(select(about, permit).groups) == {"custody"}
    assert "licence" not in select(about, permit).groups["custody"]


def test_a_group_with_no_permitted_member_held_sends_no_provenance_either() -> None:
    about = person(victim=dict.fromkeys(WHOLE["victim"]))
    assert select(about, permit_for("victim.recorded")).groups == {}


def test_choosing_leaves_the_person_as_they_were() -> None:
    about = person()
    select(about, permit_for("identity.family_name"))
    assert about == person()


@pytest.mark.parametrize("path", ["identity.shoe_size", "no_such_group.member"])
def test_a_path_nobody_holds_selects_nothing(path: str) -> None:
    assert select(replace(person()), permit_for(path)).groups == {}
