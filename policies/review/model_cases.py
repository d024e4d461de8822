"""Model cases: one recipient of every role, and one person of whom everything is held.

The matrix, the coverage check and an explanation without an instance ask the rulebook about
these. They are nobody: every value is a placeholder.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Final

from gateway.model.ids import AgencyName, EventRef, PersonRef, RecipientId
from gateway.model.kinds import OWN_KINDS
from gateway.model.party import AssociateDesignation, Recipient
from gateway.model.person import Person, StatedGroup
from gateway.model.strict_json import Json, JsonObject
from policies.bases import standing
from policies.catalogue import Catalogues, may_post
from policies.engine import Question
from policies.facts import FactClass, facing
from policies.rulebook import Rulebook

AREA: Final = "model area"
PRISON: Final = "ZZZ"
DAY: Final = date(2026, 3, 2)
EVENT: Final = EventRef("evt_model")

# Who would post a kind, best first: the agency whose business it most often is.
_SENDERS: Final = (
    "prison",
    "probation",
    "police",
    "mappa_coordination",
    "nhs_mental_health_trust",
    "prison_healthcare",
    "childrens_services",
    "local_housing_authority",
)
_OURSELVES: Final = "gateway"
_HEALTH: Final = frozenset({"health_routing", "health_clinical"})
_HEALTH_CLASS: Final = "prison_healthcare"

_DESIGNATION: Final = AssociateDesignation(reference="model", designated_on=date(2020, 1, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCase:
    """One class of case, in words and in facts."""

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)  # to the class of `_USUAL`
    related: bool = True  # the record names the recipient as carer, lodging, plan agency, ...
    told_before: bool = False
    ordinary: bool = True  # an identified, convicted, unrestricted person in a known area


_RISKS: Final = frozenset({"children", "public", "known_adult", "staff", "prisoners"})
_NO_RISK: Final[Mapping[str, Any]] = {
    "rosh": 1,
    "rosh_rose": False,
    "imminent": False,
    "risk_to": frozenset(),
    "children": False,
    "domestic_abuse": False,
    "harassment": False,
}

CASES: Final = (
    ModelCase(name="level 3, every risk"),
    ModelCase(name="level 3, the record does not name the recipient", related=False),
    ModelCase(name="level 2, every risk", changes={"level": 2}),
    ModelCase(name="level 1, every risk", changes={"level": 1}),
    ModelCase(name="level 1, no particular risk", changes={"level": 1, **_NO_RISK}),
    ModelCase(
        name="level 1, no particular risk, sentence ends without licence",
        changes={"level": 1, **_NO_RISK, "release_type": "SED_NO_LICENCE", "licence": "no"},
    ),
    ModelCase(name="category 1", changes={"category": 1}),
    ModelCase(name="category 4", changes={"category": 4}),
    ModelCase(name="under 18", changes={"age": "child"}),
    ModelCase(
        name="nowhere to live",
        changes={"address_status": "NFA", "homeless_within_56_days": True},
    ),
    ModelCase(name="told before", told_before=True),
    ModelCase(
        name="told before, now in another prison",
        changes={"prison": "YYY"},
        told_before=True,
        ordinary=False,
    ),
    ModelCase(name="restricted patient", changes={"restricted_patient": True}, ordinary=False),
    ModelCase(name="category not stated", changes={"category": 0, "level": 0}, ordinary=False),
    ModelCase(
        name="suspect, not convicted",
        changes={"category": 0, "level": 0, "convicted": "no"},
        ordinary=False,
    ),
    ModelCase(name="area not known", changes={"areas": frozenset()}, ordinary=False),
)


def model_class(kind: str, case: ModelCase, *, sender_class: str) -> FactClass:
    """Return the fact class of a model case, as towards nobody yet. Pure."""
    usual = FactClass(
        kind=kind,
        sender_class=sender_class,
        category=2,
        level=3,
        rosh=4,
        rosh_rose=True,
        imminent=True,
        risk_to=_RISKS,
        children=True,
        domestic_abuse=True,
        harassment=True,
        age="adult",
        convicted="yes",
        release_type="CONDITIONAL",
        licence="yes",
        monitored=True,
        foreign_national=True,
        address_status="CONFIRMED",
        victim_opted_in=True,
        prison=PRISON,
        areas=frozenset({AREA}),
        marking="OFFICIAL-SENSITIVE",
        housing_consent=True,
    )
    return replace(usual, **case.changes)


def model_recipients(
    catalogues: Catalogues, *, areas: frozenset[str] = frozenset({AREA, PRISON})
) -> Mapping[str, Recipient]:
    """Return one recipient per role, by role: of the first class that holds it by name, designated
    as an Associate where that class has no standing of its own in s.325. Pure."""
    return {role: _recipient(catalogues, role, areas) for role in catalogues.roles}


def model_questions(
    rulebook: Rulebook, role: str, kind: str, cases: Iterable[ModelCase]
) -> Iterator[Question]:
    """Yield what the rulebook's engine is asked of some model cases, for the model recipient.

    Pure.
    """
    catalogues = rulebook.catalogues
    recipient = model_recipients(catalogues)[role]
    sender = model_sender(catalogues, kind)
    for case in cases:
        person, _ = model_person(catalogues, recipient, related=case.related, sender_class=sender)
        facts = model_class(kind, case, sender_class=sender)
        yield Question(
            role=role,
            standing=standing(recipient, DAY, catalogues),
            areas=recipient.areas,
            country="GB",
            facts=facing(facts, person.facts, recipient, told_before=case.told_before),
        )


def _recipient(catalogues: Catalogues, role: str, areas: frozenset[str]) -> Recipient:
    class_ = min(catalogues.roles[role].held_by)
    standing = catalogues.standing_of(class_)
    own = standing & {"responsible_authority", "duty_to_cooperate"}
    return Recipient(
        id=RecipientId(f"model/{role}"),
        organisation=f"Model {role.replace('_', ' ')}",
        organisation_class=class_,
        role=role,
        areas=areas,
        endpoints=(),
        associate=None if own else _DESIGNATION,
    )


def model_sender(catalogues: Catalogues, kind: str) -> str:
    """Return the class that most often posts a kind; "gateway" for the gateway's own. Pure."""
    if kind in OWN_KINDS:
        return _OURSELVES
    listed = [class_ for class_ in _SENDERS if may_post(catalogues, class_, kind)]
    others = [name for name in sorted(catalogues.organisations) if may_post(catalogues, name, kind)]
    return next(iter(listed + others), "other")


def model_person(
    catalogues: Catalogues, recipient: Recipient, *, related: bool, sender_class: str
) -> tuple[Person, Mapping[AgencyName, str]]:
    """Return a person of whom every member of every group is held, and the class of each
    controller. Health facts are a health provider's, the rest the sender's. Pure."""
    us = recipient.organisation
    named = _names(us, recipient.role) if related else _NAMES_NOBODY
    controller, health = AgencyName("model sender"), AgencyName("model health provider")
    facts = {
        group.name: StatedGroup(
            members=dict(_members(group.members, named.get(group.name, {}))),
            controller=health if group.name in _HEALTH else controller,
            as_of=datetime(2026, 2, 1, tzinfo=UTC),
        )
        for group in catalogues.groups.values()
    }
    # What the gateway states of a duty rests on facts that the lead agency stated.
    stated_by = "probation" if sender_class == _OURSELVES else sender_class
    return Person(ref=PersonRef("per_model"), facts=facts), {
        controller: stated_by,
        health: _HEALTH_CLASS,
    }


def _members(members: tuple[str, ...], named: JsonObject) -> Iterator[tuple[str, Json]]:
    for member in members:
        yield member, named.get(member, _UNNAMED.get(member, "held"))


# Where the person will lodge is not recorded: elsewhere would be another case.
_NAMES_NOBODY: Final[Mapping[str, JsonObject]] = {"location": {"approved_premises": None}}

_UNNAMED: Final[JsonObject] = {
    "known_to": ["somebody else"],
    "plan_agencies": ["somebody else"],
    "restricted_to": ["somebody else"],
    "excluded": ["somebody else"],
    "vetoed": ["somebody else"],
}


def _names(organisation: str, role: str) -> Mapping[str, JsonObject]:
    """Return the members by which a record may name a recipient, naming this one."""
    carer: Json = {"name": organisation}
    return {
        "health_routing": {
            "community_gp": carer,
            "registered_practice": carer,
            "mental_health_team": carer,
        },
        "location": {
            "approved_premises": organisation,
            "housing_referral": {"chosen_authority": organisation},
        },
        "professionals": {"plan_agencies": [organisation]},
        "victim": {"known_to": [organisation]},
        "children": {"known_to": [organisation]},
        "duty": {"owner": role},
    }
