"""Who is who: which person an event is about, and what is then known of them.

Identifiers meet in one person only when an agency states them together. Where they point to two
people, nothing is merged: the event goes to the person the sender's own system names, and the
conflict is logged for a human.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from gateway.model.event import Event, FactsByGroup
from gateway.model.groups import PROVENANCE, parse_time
from gateway.model.identifiers import canonical
from gateway.model.ids import PersonRef
from gateway.model.person import Person, StatedGroup
from gateway.model.strict_json import JsonObject

MATCHED: Final = ("noms", "crn", "nhs_number", "pnc", "cro")

# Whose numbering an agency keeps itself, and so gets right.
_OWN: Final[Mapping[str, str]] = {
    "prison": "noms",
    "probation": "crn",
    "police": "pnc",
    "prison_healthcare": "nhs_number",
    "nhs_mental_health_trust": "nhs_number",
}

# A cancelled release leaves none of its arrangements standing.
_CLEARED: Final[Mapping[str, frozenset[str]]] = {
    "release.cancelled": frozenset({"planned_date", "confirmed_date", "released_at"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Which person, and which identifiers of the event are to be linked to them."""

    person: PersonRef | None  # None: nobody known has any of these identifiers
    link: tuple[str, ...]  # kinds of identifier to link to that person
    conflict: bool


def matching_identifiers(groups: FactsByGroup, *, today: date) -> dict[str, str]:
    """Return the identifiers a person may be found by: kind -> canonical form.

    An NHS number counts only once traced (verification status 01): an untraced one may be
    someone else's. Pure.
    """
    stated = groups.get("identifiers", {})
    found: dict[str, str] = {}
    for kind in MATCHED:
        text = stated.get(kind)
        if not isinstance(text, str):
            continue
        if kind == "nhs_number" and stated.get("nhs_number_status") != "01":
            continue
        found[kind] = canonical(kind, text, today=today)
    return found


def resolve(matches: Mapping[str, PersonRef | None], *, organisation_class: str) -> Resolution:
    """Decide which person an event is about.

    Args:
        matches: For each kind of identifier the event states, whom it already names, if anyone.
        organisation_class: The sender's, to prefer the numbering it keeps itself.

    Pure.
    """
    known = {person for person in matches.values() if person is not None}
    unknown = tuple(kind for kind, person in matches.items() if person is None)
    if not known:
        return Resolution(person=None, link=unknown, conflict=False)
    if len(known) == 1:
        return Resolution(person=known.pop(), link=unknown, conflict=False)
    own = matches.get(_OWN.get(organisation_class, ""))
    first: Sequence[PersonRef] = [person for person in matches.values() if person is not None]
    return Resolution(person=own or first[0], link=(), conflict=True)


def with_event(person: Person, event: Event) -> Person:
    """Return the person as known after this event.

    The same agency's newer statement of a group replaces members it names and keeps the rest;
    another agency's newer statement replaces the group; an older one changes nothing. Identifiers
    add up across agencies: each keeps its own numbering. Pure.
    """
    facts = dict(person.facts)
    for name, members in event.groups.items():
        statement = StatedGroup(
            members=members, controller=event.agency, as_of=_as_of(members, event)
        )
        facts[name] = _newer(name, facts.get(name), statement, event.kind)
    return Person(ref=person.ref, facts=facts)


def _restricted_still(held: StatedGroup, stated: StatedGroup) -> StatedGroup:
    """Keep a restriction that another agency set: only it may lift what it set."""
    if held.members.get("restricted") is not True:
        return stated
    members = stated.members | {"restricted": True}
    return StatedGroup(members=members, controller=held.controller, as_of=stated.as_of)


def _as_of(members: JsonObject, event: Event) -> datetime:
    stated = members.get("as_of")
    return parse_time(stated) if isinstance(stated, str) else event.occurred_at


def _newer(name: str, held: StatedGroup | None, stated: StatedGroup, kind: str) -> StatedGroup:
    if held is None:
        return stated
    if stated.as_of < held.as_of:
        return held
    if held.controller != stated.controller and name != "identifiers":
        return _restricted_still(held, stated) if name == "handling" else stated
    cleared = _CLEARED.get(kind, frozenset())
    kept = {
        member: value
        for member, value in held.members.items()
        if member not in cleared and member not in PROVENANCE
    }
    return StatedGroup(
        members=kept | dict(stated.members), controller=stated.controller, as_of=stated.as_of
    )
