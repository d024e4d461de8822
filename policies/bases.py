"""May this controller rely on this legal basis, toward this recipient, for these facts?"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from gateway.model.decision import Reason
from gateway.model.ids import BasisId
from gateway.model.party import Recipient
from policies.catalogue import ASSOCIATE, BasisEntry, Catalogues, TestName
from policies.facts import FactClass


def holds(
    basis: BasisId,
    *,
    controller_class: str,
    recipient: Recipient,
    facts: FactClass,
    today: date,
    catalogues: Catalogues,
    by_human: bool = False,
) -> Reason | None:
    """Return why the basis may not be relied on, or None if it may.

    Args:
        basis: In the catalogue.
        controller_class: Organisation class of the discloser: the group's controller.
        recipient: Who would be told.
        facts: As towards this recipient.
        today: In Europe/London; decides whether an Associate's designation is in force.
        catalogues: Of the rulebook in force.
        by_human: Whether a named person decides this disclosure.

    Raises:
        KeyError: the catalogue has no such basis.

    Pure.
    """
    entry = catalogues.bases[basis]
    if not entry.power:
        return Reason(code="no-power", text=f"{entry.citation} gives no power to disclose.")
    if entry.human_only and not by_human:
        return Reason(
            code="human-only", text=f"{entry.citation} is relied on by a person, never by a rule."
        )
    closed = _closed_route(entry, controller_class, recipient, today, catalogues)
    if closed is not None:
        return closed
    for test in entry.tests:
        met, reason = _TESTS[test]
        if not met(facts):
            text = f"{entry.citation}: {reason[1]}{_instead(entry, catalogues)}"
            return Reason(code=reason[0], text=text)
    return None


def passes(test: TestName, facts: FactClass) -> bool:
    """Return whether the facts meet one test of a basis. Pure."""
    return _TESTS[test][0](facts)


def _instead(entry: BasisEntry, catalogues: Catalogues) -> str:
    """Name the bases to look to, so that a refusal is not a dead end."""
    others = [
        f"{catalogues.bases[other].citation} [{other}]"
        + (", by a person's decision" if catalogues.bases[other].human_only else "")
        for other in entry.instead
    ]
    return f" Look instead to {'; or '.join(others)}." if others else ""


def standing(recipient: Recipient, today: date, catalogues: Catalogues) -> frozenset[str]:
    """Return every standing a recipient has today, designation included. Pure."""
    standings = catalogues.standing_of(recipient.organisation_class)
    if recipient.associate is not None and recipient.associate.in_force(today):
        return standings | {ASSOCIATE}
    return standings


def _closed_route(
    entry: BasisEntry,
    controller_class: str,
    recipient: Recipient,
    today: date,
    catalogues: Catalogues,
) -> Reason | None:
    sender = catalogues.standing_of(controller_class)
    receiver = standing(recipient, today, catalogues)
    from_here = [route for route in entry.routes if route.from_ & sender]
    if any(route.to & receiver for route in from_here):
        return None
    from_title = catalogues.title_of(controller_class)
    to_title = catalogues.title_of(recipient.organisation_class)
    if not from_here:
        return Reason(
            code="sender-may-not-rely",
            text=f"{entry.citation} gives this sender no power to disclose ({from_title}).",
        )
    if any(ASSOCIATE in route.to for route in from_here):
        return _not_an_associate(entry, recipient, to_title)
    return Reason(
        code="route-not-open",
        text=f"{entry.citation} opens no route from a {from_title} to a {to_title}.",
    )


def _not_an_associate(entry: BasisEntry, recipient: Recipient, title: str) -> Reason:
    if recipient.associate is None:
        return Reason(
            code="associate-not-designated",
            text=f"{entry.citation}: a {title} may be told only once the Responsible Authority "
            "records that it may contribute (s.325(4A)(c)), and no designation is recorded.",
        )
    return Reason(
        code="associate-not-in-force",
        text=f"{entry.citation}: the recorded designation does not cover today (s.325(4A)(c)).",
    )


_TESTS: Final[Mapping[TestName, tuple[Callable[[FactClass], bool], tuple[str, str]]]] = {
    "mappa_category_known": (
        lambda facts: 1 <= facts.category <= 4,
        ("not-a-mappa-person", "no MAPPA category is stated, so s.325(2) is not met."),
    ),
    "convicted_or_category": (
        lambda facts: facts.convicted != "no",
        ("not-convicted", "the person is stated not to be convicted, so s.325(2) is not met."),
    ),
    "risk_to_children": (
        lambda facts: facts.children or facts.kind == "safeguarding.child_concern",
        ("no-risk-to-children", "no risk to children is stated."),
    ),
    "adult_at_risk": (
        lambda facts: "known_adult" in facts.risk_to,
        ("no-adult-at-risk", "no risk to a known adult is stated."),
    ),
    "restricted_patient": (
        lambda facts: facts.restricted_patient,
        ("not-a-restricted-patient", "no hospital order with restrictions is stated."),
    ),
    "victim_opted_in": (
        lambda facts: facts.victim_opted_in,
        ("victim-not-opted-in", "the victim is not recorded as having asked for contact."),
    ),
    "homeless_within_56_days": (
        lambda facts: facts.homeless_within_56_days,
        ("not-homeless-within-56-days", "no homelessness within 56 days is stated."),
    ),
    "housing_consent": (
        lambda facts: facts.housing_consent,
        (
            "housing-consent-missing",
            "no consent to the referral and to sharing contact details is recorded.",
        ),
    ),
    "chosen_authority_is_recipient": (
        lambda facts: facts.chosen_authority_is_recipient,
        ("authority-not-chosen", "this is not the authority the person chose."),
    ),
}
