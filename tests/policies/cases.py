"""Synthetic people, recipients and rulebook texts that the policy tests share."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import policies
from gateway.model.decision import Permit, Refusal
from gateway.model.ids import AgencyName, BasisId, EventRef, PersonRef, RecipientId, RuleId
from gateway.model.kinds import KINDS
from gateway.model.party import AssociateDesignation, Recipient
from gateway.model.person import Person, StatedGroup
from policies.evaluate import evaluate
from policies.facts import classify
from policies.rulebook import Rulebook, load_rulebook

TODAY = date(2026, 3, 2)
RELEASES = ("release.planned", "release.actual", "release.cancelled")
SUFFIXES = (".cedar", ".cedarschema", ".toml")


def rulebook_files() -> dict[str, str]:
    """Read the rulebook as shipped."""
    root = Path(policies.__file__).parent
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*"))
        if path.suffix in SUFFIXES
    }


FILES: Mapping[str, str] = rulebook_files()
RULEBOOK: Rulebook = load_rulebook(FILES)

# The class that usually holds a role, where it is not the only one.
_USUAL = {
    "mappa_coordinator": "mappa_coordination",
    "mental_health_in_reach": "prison_healthcare",
    "prison_discharge_coordinator": "prison",
    "housing_authority": "local_housing_authority",
    "accommodation_associate": "charity",
    "counter_terrorism_unit": "police",
    "data_protection_officer": "police",
}
CLASS_OF_ROLE = {
    name: _USUAL.get(name) or min(role.held_by) for name, role in RULEBOOK.catalogues.roles.items()
}
ROLES = tuple(CLASS_OF_ROLE)
INSIDE = frozenset(  # their areas are prisons
    {"mental_health_in_reach", "prison_discharge_coordinator", "prison_public_protection"}
)
DESIGNATED = frozenset({"gp_practice", "accommodation_associate"})
ORGANISATION_OF_ROLE = {
    "gp_practice": "Example Surgery",
    "community_mental_health_team": "Example Mental Health Trust",
    "housing_authority": "Example City Council",
    "accommodation_associate": "Example Hostels",
}
DESIGNATION = AssociateDesignation(reference="RA-2026-7", designated_on=date(2026, 1, 5))

# Every member of every group, so that anything a rule could leak is there to leak.
PROVENANCE = {
    "assertion": "fact",
    "as_of": "2026-02-01T10:00:00Z",
    "source_system": "NOMIS",
    "verified": True,
}
WHOLE: Mapping[str, Mapping[str, Any]] = {
    "identity": {
        "family_name": "Testcase",
        "given_names": "Alex",
        "aliases": ["Al"],
        "date_of_birth": "1980-01-01",
        "sex": "male",
        "photo_held": True,
    },
    "identifiers": {
        "noms": "Z0001ZZ",
        "crn": "X000001",
        "pnc": "2000/0000001A",
        "cro": "1/00A",
        "nhs_number": "9990000018",
        "nhs_number_status": "01",
        "visor_ref": "V1",
        "nino": "QQ000000A",
        "superseded_noms": "Z0002ZZ",
    },
    "custody": {
        "prison": "ZZI",
        "release_type": "CONDITIONAL",
        "planned_date": "2026-06-01",
        "confirmed_date": "2026-06-02",
        "released_at": "2026-06-02T09:00:00Z",
        "licence": True,
        "sentence_expiry_date": "2027-06-01",
        "licence_expiry_date": "2027-06-01",
        "reason_code": "CR",
        "cancelled_because": "remand",
        "return_reason": "other",
        "probation_powers_end": False,
        "immigration_interest": False,
    },
    "mappa": {
        "category": 2,
        "level": 2,
        "lead_agency": "probation",
        "next_review": "2026-05-01",
        "reviewed_on": "2026-01-01",
        "coordinator_contact": "Example desk",
    },
    "rosh": {
        "overall": "high",
        "children": "low",
        "public": "high",
        "known_adult": "medium",
        "staff": "low",
        "prisoners": "low",
        "imminence": "medium",
        "assessed_on": "2026-01-14",
        "flags": ["NOMIS:XRF"],
    },
    "risk_narrative": {
        "who_is_at_risk": "narrative",
        "nature": "narrative",
        "triggers": "narrative",
        "modus_operandi": "narrative",
        "protective_factors": "narrative",
    },
    "offence": {
        "index_category": "violence",
        "sentence": "48 months",
        "sentenced_on": "2023-06-01",
        "orders": [{"kind": "RESTRAINING_ORDER", "terms": ["terms"]}],
        "convicted": True,
        "domestic_abuse": False,
        "harassment_or_no_contact": False,
        "notification_from": "2023-06-01",
        "notification_until": "2033-06-01",
        "notification_indefinite": False,
        "notification_outcome": "cautioned",
        "serious_further_offence": False,
    },
    "licence": {
        "conditions": ["condition"],
        "exclusion_zones": ["zone"],
        "residence_conditions": ["condition"],
        "child_conditions": ["condition"],
        "victim_conditions": ["condition"],
        "no_contact_conditions": ["condition"],
        "monitoring_conditions": ["condition"],
        "employment_conditions": ["condition"],
        "electronic_monitoring": False,
        "monitoring_from": "2026-06-02",
    },
    "location": {
        "address_status": "CONFIRMED",
        "address": {"lines": ["1 Example Street"], "postcode": "ZZ1 1ZZ"},
        "home_area": "west_midlands",
        "areas_of_interest": ["west_mercia"],
        "tenancy": "hostel",
        "approved_premises": "Example Hostels",
        "housing_referral": {
            "consent_to_referral": True,
            "consent_to_contact": True,
            "chosen_authority": "Example City Council",
            "contact": "07700 900123",
        },
    },
    "victim": {
        "recorded": True,
        "relationship": "ex-partner",
        "address_area": "west_mercia",
        "liaison_officer": "Example Officer",
        "contact_opted_in": True,
        "known_to": ["Another Organisation"],
    },
    "children": {
        "at_risk": False,
        "contact_restrictions": ["restriction"],
        "pprc": False,
        "known_to": ["Another Organisation"],
    },
    "health_routing": {
        "community_gp": {"name": "Example Surgery", "ods": "Z99999"},
        "registered_practice": {"name": "Example Prison Healthcare"},
        "mental_health_team": {"name": "Example Mental Health Trust"},
        "care_coordinator": "Example Coordinator",
        "mha_status": "01",
        "in_reach_caseload": True,
        "medication_continuity": True,
        "onward_referral": {"name": "Example Mental Health Trust"},
    },
    "health_clinical": {
        "diagnosis": "clinical",
        "medication": "clinical",
        "self_harm": "clinical",
    },
    "professionals": {
        "prison_offender_manager": {"name": "P"},
        "community_offender_manager": {"name": "C"},
        "public_protection_coordinator": {"name": "K"},
        "police_offender_manager": {"name": "O"},
        "victim_liaison_officer": {"name": "V"},
        "plan_agencies": ["Another Organisation"],
        "plan_ref": "RMP-1",
    },
    "handling": {
        "marking": "OFFICIAL-SENSITIVE",
        "grade": "1AP",
        "conditions": "none",
        "agreement_ref": "ISA-1",
        "restricted": False,
        "restricted_to": ["Another Organisation"],
        "excluded": ["Another Organisation"],
        "vetoed": ["Another Organisation"],
        "sar_restrict": False,
    },
    "duty": {
        "clock": "C1",
        "owner": "prison_public_protection",
        "due": "2026-03-01",
        "status": "due",
        "basis_date": "2026-06-01",
        "missing": ["notice of release"],
    },
}


def person(
    *, controller: str = "hmp", without: tuple[str, ...] = (), **changes: Mapping[str, Any]
) -> Person:
    """Build a person about whom everything is held, but for whole groups left `without` and
    members changed; a member changed to None is not held."""
    facts = {
        name: StatedGroup(
            members={**members, **PROVENANCE, **changes.get(name, {})},
            controller=AgencyName(controller),
            as_of=datetime(2026, 2, 1, tzinfo=UTC),
        )
        for name, members in WHOLE.items()
        if name not in without
    }
    return Person(ref=PersonRef("per_1"), facts=facts)


def recipient(role: str, /, **changes: Any) -> Recipient:
    """Build a recipient who serves the person's home area; health and housing by name."""
    known = Recipient(
        id=RecipientId(f"example/{role}"),
        organisation=ORGANISATION_OF_ROLE.get(role, f"Example {role}"),
        organisation_class=CLASS_OF_ROLE[role],
        role=role,
        areas=frozenset({"ZZI" if role in INSIDE else "west_midlands"}),
        endpoints=(),
        associate=DESIGNATION if role in DESIGNATED else None,
    )
    return replace(known, **changes)


def decide(
    to: Recipient,
    about: Person,
    *,
    kind: str = "release.planned",
    sender_class: str = "prison",
    rulebook: Rulebook = RULEBOOK,
    controller_classes: Mapping[AgencyName, str] | None = None,
    today: date = TODAY,
    before: Person | None = None,
    told_before: bool = False,
    decided: frozenset[RuleId] = frozenset(),
    claimed: BasisId | None = None,
) -> Permit | Refusal:
    """Evaluate with the sender as the controller of everything, unless told otherwise."""
    return evaluate(
        rulebook,
        event=EventRef("evt_1"),
        recipient=to,
        person=about,
        facts=classify(
            kind,
            about.facts,
            sender_class=sender_class,
            today=today,
            before=before.facts if before else None,
        ),
        controller_classes=controller_classes or {AgencyName("hmp"): sender_class},
        today=today,
        told_before=told_before,
        decided=decided,
        claimed=claimed,
    )


def permitted(decision: Permit | Refusal) -> Permit:
    """Insist on a permit."""
    assert isinstance(decision, Permit), [reason.code for reason in decision.reasons]
    return decision


def codes(decision: Permit | Refusal) -> set[str]:
    """Insist on a refusal and return the codes of its reasons."""
    assert isinstance(decision, Refusal), decision.members
    return {reason.code for reason in decision.reasons}


def members_of(decision: Permit | Refusal) -> set[str]:
    """Return what is granted; nothing for a refusal."""
    return set(decision.members) if isinstance(decision, Permit) else set()


LEVELS = st.sampled_from(["low", "medium", "high", "very_high", None])
CLASSES = tuple(RULEBOOK.catalogues.organisations)


@st.composite
def people(draw: st.DrawFn) -> Person:
    """Draw a person of any fact class, holding any of the groups."""
    areas = st.sampled_from(["west_midlands", "west_mercia", "kent", None])
    sides = ("overall", "children", "public", "known_adult", "staff", "prisoners")
    orders = st.booleans() | st.none()
    return person(
        without=tuple(draw(st.sets(st.sampled_from(sorted(WHOLE)), max_size=4))),
        mappa={
            "category": draw(st.sampled_from([1, 2, 3, 4, None])),
            "level": draw(st.sampled_from([1, 2, 3, None])),
        },
        rosh={side: draw(LEVELS) for side in sides},
        custody={
            "release_type": draw(
                st.sampled_from(["SED_NO_LICENCE", "CONDITIONAL", "PAROLE", "TEMPORARY", None])
            ),
            "licence": draw(orders),
            "prison": draw(st.sampled_from(["ZZI", None])),
        },
        children={"at_risk": draw(orders), "pprc": draw(orders)},
        handling={"restricted": draw(st.sampled_from([False, False, False, True, None]))},
        location={
            "home_area": draw(areas),
            "areas_of_interest": draw(st.sampled_from([None, [], ["west_midlands"]])),
            "approved_premises": draw(st.sampled_from([None, "Example Hostels", "Another House"])),
            "housing_referral": draw(
                st.none()
                | st.fixed_dictionaries(
                    {
                        "consent_to_referral": st.booleans(),
                        "consent_to_contact": st.booleans(),
                        "chosen_authority": st.sampled_from(["Example City Council", "Another"]),
                    }
                )
            ),
        },
    )


@st.composite
def recipients(draw: st.DrawFn, *, role: str | None = None) -> Recipient:
    """Draw a recipient of any role, area, country and designation."""
    return recipient(
        draw(st.sampled_from(ROLES)) if role is None else role,
        areas=draw(
            st.sampled_from([frozenset(), frozenset({"west_midlands", "ZZI"}), frozenset("k")])
        ),
        country=draw(st.sampled_from(["GB", "GB", "GB", "FR"])),
        associate=draw(st.sampled_from([None, DESIGNATION])),
    )


KIND = st.sampled_from([*RELEASES, *RELEASES, *sorted(KINDS)])
SENDER = st.sampled_from(["prison", "prison", "probation", *CLASSES])
