"""The sentences a data protection officer reads."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from gateway.model.party import Recipient
from gateway.model.person import Person
from policies.explain import explain
from policies.rulebook import load_rulebook
from tests.policies.cases import (
    FILES,
    KIND,
    RULEBOOK,
    decide,
    people,
    person,
    recipient,
    recipients,
)
from tests.support.examples import examples

SED = {"release_type": "SED_NO_LICENCE", "licence": False}


def test_a_permit_is_explained_by_rule_basis_groups_and_what_was_withheld() -> None:
    to = recipient("police_offender_manager")
    text = explain(decide(to, person(custody=SED)), to, RULEBOOK)
    assert text.startswith(
        "Example police_offender_manager (Police offender manager) may be told, for action.\n"
    )
    for part in (
        "Rule police-release (",
        "Criminal Justice Act 2003 s.325(4) [LB01] under DPA 2018 Part 3, DPA 2018 Sch 8 para 1",
        "mappa (category, coordinator_contact, lead_agency, level, next_review, reviewed_on)",
        "Acknowledge within 2 days.",
        "Withheld, health_clinical: No rule that applies gives this role any of this group.",
        f"Decided under this rulebook, {RULEBOOK.digest[:16]}.",
    ):
        assert part in text


def test_two_grants_are_explained_apart() -> None:
    to = recipient("housing_authority")
    soon = {"planned_date": "2026-04-01", "confirmed_date": None}
    about = person(custody=SED | soon, location={"address_status": "NFA"})
    lines = explain(decide(to, about), to, RULEBOOK).splitlines()
    assert [line.split(" ")[1] for line in lines if line.startswith("Rule ")] == [
        "housing-referral",
        "housing-release",
    ]


def test_a_refusal_gives_every_reason_with_its_rule() -> None:
    to = recipient("accommodation_associate", associate=None)
    text = explain(decide(to, person(custody=SED)), to, RULEBOOK)
    assert text.splitlines()[0].endswith("is told nothing.")
    assert "[associate-not-designated, rule associate-release]" in text


def test_a_decision_under_another_rulebook_says_so() -> None:
    to = recipient("police_offender_manager")
    older = replace(decide(to, person()), rulebook="f" * 64)
    assert "a rulebook other than this one, ffffffffffffffff" in explain(older, to, RULEBOOK)


@given(about=people(), to=recipients(), kind=KIND)
@settings(max_examples=examples(100))
def test_an_explanation_quotes_no_fact_of_the_person(
    about: Person, to: Recipient, kind: str
) -> None:
    text = explain(decide(to, about, kind=kind), to, RULEBOOK)
    for secret in ("Testcase", "Alex", "Z0001ZZ", "9990000018", "1980-01-01", "Another House"):
        assert secret not in text


@pytest.mark.parametrize(
    ("duration", "said"),
    [("P1D", "1 day."), ("P2D", "2 days."), ("PT36H", "36 hours."), ("PT1H", "1 hour."),
     ("PT90M", "90 minutes.")],
)  # fmt: skip
def test_a_deadline_is_said_in_its_largest_whole_unit(duration: str, said: str) -> None:
    to = recipient("police_offender_manager")
    text = FILES["rulebook/police.cedar"]
    start = text.index('@acknowledge("', text.index('@id("police-release")'))
    end = text.index(")", start) + 1
    changed = f'{text[:start]}@acknowledge("{duration}"){text[end:]}'
    rulebook = load_rulebook({**FILES, "rulebook/police.cedar": changed})
    told = explain(decide(to, person(), rulebook=rulebook), to, rulebook)
    assert f"Acknowledge within {said}" in told
