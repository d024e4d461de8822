"""What is known of a person: every agency's statements, as they stand after each event. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from gateway.model.event import Event
from gateway.model.groups import PROVENANCE, parse_time
from gateway.model.identifiers import is_placeholder
from gateway.model.ids import EventRef, PersonRef
from gateway.model.kinds import REVISING_KINDS
from gateway.model.person import Origin, Person, StatedGroup
from gateway.model.strict_json import JsonObject
from gateway.people import SUPERSEDED

# A cancelled release leaves none of its arrangements standing.
_CLEARED: Final[Mapping[str, frozenset[str]]] = {
    "release.cancelled": frozenset({"planned_date", "confirmed_date", "released_at"}),
}

# Members that mean something only as one agency states them together.
_TOGETHER: Final[Mapping[str, tuple[frozenset[str], ...]]] = {
    "mappa": (frozenset({"category", "level"}),),
    "location": (frozenset({"address_status", "address", "tenancy", "approved_premises"}),),
    "handling": (frozenset({"grade", "conditions"}),),
    "offence": (frozenset({"index_category", "sentence", "sentenced_on"}),),
}

# A stay in custody ends, and a plan is cancelled: what was said before is no gap to be filled.
_MOVES_ON: Final = frozenset({"custody"})

# A group only the gateway states: it is about one event, and no fact about the person.
_OURS: Final = "duty"

# What was raised or ended by one event: kept, a flag would outlive the event that ended it.
_FLAGS: Final = "flags"


def with_event(person: Person, event: Event) -> Person:
    """Return the person as known after this event.

    A newer statement of a group replaces the members it names and keeps the rest, each with the
    agency that stated it; an older one adds what nobody has said since. Identifiers are the newest
    stater's: each agency repeats what it files the person under. An NHS number is kept only once
    traced (status 01): an untraced one may be somebody else's. Nor is kept what is said of one
    event: a duty of the gateway's, a flag raised or ended. Source: ADR 0017. Pure.
    """
    facts = dict(person.facts)
    for name, stated in event.groups.items():
        members = _kept(name, stated)
        if members is None:
            continue
        statement = StatedGroup(
            members=members, controller=event.agency, as_of=_as_of(members, event)
        )
        facts[name] = _newer(name, facts.get(name), statement, event.kind)
    return Person(ref=person.ref, facts=facts)


def for_event(person: Person, event: Event) -> Person:
    """Return the person with what only this event states and nobody keeps: a duty, if it is of
    one; flags raised or ended. What is told of the event is taken from here. Pure."""
    duty, rosh = event.groups.get(_OURS), event.groups.get("rosh", {})
    of_it: dict[str, StatedGroup] = {}
    if duty is not None:
        of_it[_OURS] = StatedGroup(members=duty, controller=event.agency, as_of=event.occurred_at)
    if _FLAGS in rosh:
        said = {name: rosh[name] for name in (_FLAGS, *PROVENANCE) if name in rosh}
        flagged = StatedGroup(members=said, controller=event.agency, as_of=_as_of(rosh, event))
        of_it["rosh"] = _newer("rosh", person.facts.get("rosh"), flagged, event.kind)
    return Person(ref=person.ref, facts={**person.facts, **of_it}) if of_it else person


def replay(ref: PersonRef, events: Iterable[Event]) -> Person:
    """Return the person as known from all the events about them, in the order received.

    Args:
        ref: The person's.
        events: Of every record of theirs; corrections and retractions among them take effect on
            the events they revise.

    Pure.
    """
    person = Person(ref=ref)
    for event in standing(events):
        person = with_event(person, event)
    return person


def standing(events: Iterable[Event]) -> list[Event]:
    """Return events as they now stand: retracted ones gone, each group that was corrected in its
    corrected form, corrections and retractions themselves left out.

    A corrected correction acts on the event that was first corrected; a retracted one does nothing.
    Keeps the order. Pure.
    """
    stated = list(events)
    retracted: set[EventRef] = set()
    for event in reversed(stated):  # a retraction may itself have been retracted since
        if event.kind == "event.retracted" and event.corrects and event.ref not in retracted:
            retracted.add(event.corrects)
    current: dict[EventRef, Event] = {}
    corrected: dict[EventRef, EventRef] = {}  # a correction -> the event it corrects in the end
    for event in stated:
        if event.ref in retracted:
            continue
        if event.kind not in REVISING_KINDS:
            current[event.ref] = event
        elif event.kind == "event.corrected" and event.corrects:
            target = corrected[event.ref] = corrected.get(event.corrects, event.corrects)
            if target in current:
                groups = {**current[target].groups, **event.groups}
                current[target] = replace(current[target], groups=groups)
    return list(current.values())


def _kept(name: str, stated: JsonObject) -> JsonObject | None:
    """Return what of a stated group is kept as fact; None: nothing."""
    if name == _OURS:
        return None
    if name == "rosh" and _FLAGS in stated:
        kept = {member: value for member, value in stated.items() if member != _FLAGS}
        return kept if kept.keys() - set(PROVENANCE) else None
    number = stated.get("nhs_number")
    if name != "identifiers" or not isinstance(number, str):
        return stated
    if stated.get("nhs_number_status") == "01" and not is_placeholder(number):
        return stated
    dropped = {"nhs_number", "nhs_number_status"}
    return {member: value for member, value in stated.items() if member not in dropped}


def _as_of(members: JsonObject, event: Event) -> datetime:
    stated = members.get("as_of")
    return parse_time(stated) if isinstance(stated, str) else event.occurred_at


def _newer(name: str, held: StatedGroup | None, stated: StatedGroup, kind: str) -> StatedGroup:
    """Return a group with a statement added. What it does not name stands as it stood, and stays
    whose it was."""
    if held is None:
        return stated
    if stated.as_of < held.as_of:
        return _older(name, held, stated)
    dropped = _CLEARED.get(kind, frozenset()) | set(PROVENANCE) | set(stated.members)
    if held.controller != stated.controller:
        dropped |= _superseded(name, held, stated)
    members = stated.members | {
        member: value for member, value in held.members.items() if member not in dropped
    }
    earlier = {} if name == "identifiers" else _earlier(held, stated, members)
    if name == "handling" and held.members.get("restricted") is True:
        set_by = held.origin("restricted")
        if set_by.controller != stated.controller:  # only who set a restriction may lift it
            members["restricted"] = True
            earlier["restricted"] = set_by
    return StatedGroup(
        members=members, controller=stated.controller, as_of=stated.as_of, earlier=earlier
    )


def _older(name: str, held: StatedGroup, stated: StatedGroup) -> StatedGroup:
    """Return a group with an older statement added: what nobody has said anything of since."""
    if name in _MOVES_ON:
        return held
    dropped = set(PROVENANCE) | set(held.members) | _superseded(name, stated, held)
    dropped |= {SUPERSEDED}  # a merge of then, which may have been undone since
    added = {member: value for member, value in stated.members.items() if member not in dropped}
    if not added:
        return held
    origins = {} if name == "identifiers" else {one: stated.origin(one) for one in added}
    return replace(held, members=held.members | added, earlier={**held.earlier, **origins})


def _earlier(held: StatedGroup, stated: StatedGroup, members: JsonObject) -> dict[str, Origin]:
    """Return whose the members are that a statement leaves standing, where not its agency's."""
    kept = members.keys() - stated.members.keys()
    origins = {member: held.origin(member) for member in kept}
    return {
        member: origin
        for member, origin in origins.items()
        if origin.controller != stated.controller
    }


def _superseded(name: str, held: StatedGroup, stated: StatedGroup) -> set[str]:
    """Return what another agency's statement takes away with what it says otherwise.

    A level is of a category, and an address of its status: half of one agency's and half of
    another's is what nobody ever stated.
    """
    gone: set[str] = set()
    for together in _TOGETHER.get(name, ()):
        differing = [
            member
            for member in together
            if member in stated.members and stated.members[member] != held.members.get(member)
        ]
        gone |= together if differing else set()
    return gone
