"""Who may disclose what to whom, as the rulebook alone says: what both registers are made from.

It is the widest the rules allow. In a case the facts, a forbid, a missing policy document or a
restriction narrow it. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from gateway.model.ids import BasisId
from gateway.model.kinds import KINDS
from policies.catalogue import ASSOCIATE, BasisEntry, Catalogues
from policies.catalogue_entries import AgreementEntry
from policies.rule import Rule
from policies.rulebook import Rulebook

EVERY_KIND: Final = "every kind of event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One rule on one legal basis, from one class of organisation to one role."""

    sender: str  # organisation class
    role: str
    holders: tuple[str, ...]  # organisation classes that may hold the role and be told; sorted
    designated: bool  # only while the recipient is designated as an Associate (s.325(4A)(c))
    rule: Rule
    basis: BasisId
    members: Mapping[str, tuple[str, ...]]  # by group name: what of it may go


def ways(
    rulebook: Rulebook, *, sender: str | None = None, role: str | None = None
) -> Iterator[Way]:
    """Yield every way the rules open, in the order of the catalogues.

    Args:
        rulebook: Any, in force or not.
        sender: Only from this organisation class.
        role: Only to this role.
    """
    catalogues = rulebook.catalogues
    permits = sorted(
        (rule for rule in rulebook.rules.values() if rule.effect == "permit"),
        key=lambda rule: rule.id,
    )
    for name, organisation in catalogues.organisations.items():
        if not organisation.kinds or sender not in {None, name}:
            continue  # it states nothing, so there is nothing of its own to disclose
        for one in catalogues.roles:
            if role in {None, one}:
                for rule in permits:
                    if rule.role == one:
                        yield from _of_rule(rule, name, catalogues)


def _of_rule(rule: Rule, sender: str, catalogues: Catalogues) -> Iterator[Way]:
    held_by = sorted(catalogues.roles[rule.role].held_by)
    for basis in rule.bases:
        entry = catalogues.bases[basis]
        openings = {one: _opening(entry, sender, one, catalogues) for one in held_by}
        holders = tuple(one for one, opening in openings.items() if opening)
        members = _members(rule, entry, catalogues)
        if holders and members:
            yield Way(
                sender=sender,
                role=rule.role,
                holders=holders,
                designated=all(openings[one] == ASSOCIATE for one in holders),
                rule=rule,
                basis=basis,
                members=members,
            )


def _opening(entry: BasisEntry, sender: str, holder: str, catalogues: Catalogues) -> str:
    """Return "" where no route is open, "associate" where one is by designation alone."""
    routes = [one for one in entry.routes if one.from_ & catalogues.standing_of(sender)]
    if any(one.to & catalogues.standing_of(holder) for one in routes):
        return "open"
    return ASSOCIATE if any(ASSOCIATE in one.to for one in routes) else ""


def _members(
    rule: Rule, entry: BasisEntry, catalogues: Catalogues
) -> Mapping[str, tuple[str, ...]]:
    found = {
        name: tuple(member for member, path in members if entry.only is None or path in entry.only)
        for name, members in rule.groups
        # Sensitive facts go on no basis that states no condition (DPA 2018 s.35(5)).
        if entry.condition or not catalogues.groups[name].sensitive
    }
    return {name: members for name, members in found.items() if members}


def agreements_over(way: Way, catalogues: Catalogues) -> tuple[AgreementEntry, ...]:
    """Return the agreements that bind both ends and describe the basis."""
    return tuple(
        one
        for one in catalogues.agreements.values()
        if way.sender in one.parties
        and one.parties.intersection(way.holders)
        and way.basis in one.bases
    )


def document_for(way: Way, catalogues: Catalogues, today: date) -> str:
    """Return the policy document the sender would rely on for what is sensitive in it; "" where
    nothing is."""
    if not any(catalogues.groups[name].sensitive for name in way.members):
        return ""
    condition = catalogues.bases[way.basis].condition
    document = catalogues.policy_document_for(way.sender, condition, today)
    return document.reference if document else "NONE IN FORCE: health facts are withheld"


def in_order(texts: Iterable[str]) -> str:
    """Return each text once, in order of first appearance, as one cell."""
    return "; ".join(dict.fromkeys(text for text in texts if text))


def kinds_of(rules: Iterable[Rule]) -> str:
    """Return the kinds of event the rules are about, as one cell."""
    kinds = frozenset[str]().union(*(rule.kinds for rule in rules))
    return EVERY_KIND if kinds >= KINDS else "; ".join(sorted(kinds))


def spoken(within: timedelta | None) -> str:
    """Return a deadline in words: "2 days", "4 hours"; "" where there is none."""
    if within is None:
        return ""
    hours = int(within.total_seconds() // 3600)
    if hours and hours % 24 == 0:
        return f"{hours // 24} day{'s' if hours > 24 else ''}"
    minutes = int(within.total_seconds() // 60)
    whole = minutes % 60 == 0
    return f"{hours} hour{'s' if hours > 1 else ''}" if whole else f"{minutes} minutes"


def in_words(code: str) -> str:
    """Return a code of underscored words as people read it."""
    return code.replace("_", " ")
