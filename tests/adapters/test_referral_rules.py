"""What the rules ask of an event they find in what these forms become."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from adapters.housing import ADAPTER as HOUSING
from adapters.marac import ADAPTER as MARAC
from adapters.mash import ADAPTER as MASH
from adapters.victim_contact import ADAPTER as VICTIM_CONTACT
from adapters.youth_offending import ADAPTER as YOUTH_OFFENDING
from gateway.model.event import CanonicalEvent
from gateway.model.groups import parse_time
from gateway.model.ids import AgencyName, RecipientId
from gateway.model.party import Recipient
from gateway.model.person import StatedGroup
from policies.facts import FactClass, classify, facing
from tests.adapters.referral_samples import changed, event, kept

TODAY = date(2026, 2, 4)


def known(one: CanonicalEvent) -> Mapping[str, StatedGroup]:
    return {
        name: StatedGroup(
            members=members,
            controller=AgencyName("example"),
            as_of=parse_time(str(members["as_of"])),
        )
        for name, members in one.groups.items()
    }


def facts(one: CanonicalEvent, organisation: str = "Elsewhere") -> FactClass:
    stated = known(one)
    found = classify(one.kind, stated, sender_class="probation", today=TODAY)
    recipient = Recipient(
        id=RecipientId("example"),
        organisation=organisation,
        organisation_class="local_housing_authority",
        role="housing_authority",
        areas=frozenset(),
        endpoints=(),
    )
    return facing(found, stated, recipient)


def form(name: str, file: str, **members: Any) -> dict[str, Any]:
    return changed(kept(name, file), **members)


def test_a_duty_to_refer_meets_every_test_of_its_basis_towards_the_authority_chosen() -> None:
    one = event(HOUSING, form("housing", "duty-to-refer.in.json"))
    found = facts(one, "Example Borough Council")
    assert found.housing_consent
    assert found.homeless_within_56_days
    assert found.chosen_authority_is_recipient
    assert not facts(one, "Another Council").chosen_authority_is_recipient


def test_a_provider_referred_to_is_the_one_told_and_no_other() -> None:
    one = event(HOUSING, form("housing", "referral.in.json"))
    assert facts(one, "Example Lodge").lodges_here
    assert not facts(one, "Another Lodge").lodges_here
    assert facts(one, "Another Lodge").lodges_elsewhere


def test_a_marac_referral_is_of_domestic_abuse_and_knows_who_knows_the_victim() -> None:
    one = event(MARAC, form("marac", "referral.in.json"))
    found = facts(one, "Example Domestic Abuse Service")
    assert found.domestic_abuse
    assert found.knows_victim
    assert found.areas == {"Example Borough"}
    assert not facts(one, "Another Service").knows_victim
    assert facts(one, "Example Housing Association").excluded


def test_a_mash_referral_is_of_a_risk_to_children() -> None:
    found = facts(event(MASH, form("mash", "referral.in.json")))
    assert found.children
    assert "children" in found.risk_to


def test_an_opting_in_is_known_of_the_case() -> None:
    assert facts(event(VICTIM_CONTACT, form("victim_contact", "opt-in.in.json"))).victim_opted_in


def test_a_young_person_is_a_child_to_the_rules_and_their_level_is_known() -> None:
    found = facts(event(YOUTH_OFFENDING, form("youth_offending", "assessed.in.json")))
    assert (found.age, found.category, found.level) == ("child", 2, 2)
