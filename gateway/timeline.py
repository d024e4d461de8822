"""A person's timeline, as one reader may see it: what every agency stated, in one place.

A statement is shown as far as the law would let its own agency tell it to this reader today: the
case is judged as it now stands, so a case restricted since is closed to those outside it, and a
correction or a retraction is what is seen.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from gateway.candidates import Candidates
from gateway.known import with_event
from gateway.model.decision import Permit
from gateway.model.event import Event
from gateway.model.ids import AgencyName, PersonRef, RecipientId
from gateway.model.party import Recipient
from gateway.model.person import Person, StatedGroup
from gateway.model.strict_json import Json, JsonObject
from policies.evaluate import evaluate
from policies.facts import FactClass, classify
from policies.minimise import select
from policies.rulebook import Rulebook

# Front screen first, a gap said and never left blank (D20, D21).
FRONT_SCREEN: Final[tuple[str, ...]] = ("community_gp", "mental_health_team", "care_coordinator")
NOT_RECORDED: Final[str] = "NOT_RECORDED"
HEALTH_ROLES: Final = frozenset(
    {
        "mental_health_in_reach", "prison_discharge_coordinator", "community_mental_health_team",
        "gp_practice",
    }
)  # fmt: skip

# Whom a record names decides how a reader stands to it, and is read from what is known now. An
# old statement of it keeps its place, so that it can be shown, and names nobody.
_NAMES_NOBODY: Final[Mapping[str, JsonObject]] = {
    "location": {"approved_premises": "", "housing_referral": {}},
    "victim": {"known_to": []},
    "children": {"known_to": []},
    "professionals": {"plan_agencies": []},
    "health_routing": {
        "community_gp": NOT_RECORDED,
        "registered_practice": NOT_RECORDED,
        "mental_health_team": NOT_RECORDED,
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Who reads, and by what law and directory."""

    recipient: Recipient
    rulebook: Rulebook
    classes: Mapping[AgencyName, str]  # organisation class of every agency
    today: date  # in Europe/London
    told: AbstractSet[RecipientId] = frozenset()  # of this person, and not recalled since


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One event, and of its groups the members this reader may see; never none."""

    event: Event
    groups: Mapping[str, JsonObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What a reader may see of a person. How much more is held does not show."""

    person: PersonRef
    events: tuple[Seen, ...]  # in the order received
    front_screen: Mapping[str, Json] = field(default_factory=dict)  # health roles only


def timeline(known: Person, events: Iterable[Event], reading: Reading) -> Timeline | None:
    """Return what a reader may see of a person; None if that is nothing.

    Args:
        known: As the person is known now.
        events: Theirs, as they now stand, in the order received.
        reading: Who reads.

    Never raises for what a record holds: what cannot be judged is not shown. Pure.
    """
    seen: list[Seen] = []
    front: dict[str, Json] = {}
    before = Person(ref=known.ref)
    for event in events:
        after = with_event(before, event)
        facts = _class(event, known, before, after, reading)
        before = after
        if facts is None or not _concerned(facts, known, reading):
            continue
        groups = _shown(event, known, facts, reading)
        if groups:
            seen.append(Seen(event=event, groups=groups))
            if reading.recipient.role in HEALTH_ROLES:
                front |= _front_screen(event, known, facts, reading)
    if not seen:
        return None
    ordered = {name: front[name] for name in FRONT_SCREEN if name in front}
    return Timeline(person=known.ref, events=tuple(seen), front_screen=ordered)


def _class(
    event: Event, known: Person, before: Person, after: Person, reading: Reading
) -> FactClass | None:
    """Return the class of the case as it stands, with what rose when the event came."""
    sender = reading.classes.get(event.agency, "other")
    try:
        now = classify(event.kind, known.facts, sender_class=sender, today=reading.today)
        then = classify(
            event.kind,
            after.facts,
            sender_class=sender,
            today=reading.today,
            before=before.facts,
        )
    except Exception:  # noqa: BLE001 - facts nobody can class are shown to nobody
        return None
    return replace(now, rosh_rose=then.rosh_rose)


def _concerned(facts: FactClass, known: Person, reading: Reading) -> bool:
    return bool(Candidates([reading.recipient]).find(facts, known, reading.told))


def _shown(
    event: Event, known: Person, facts: FactClass, reading: Reading
) -> Mapping[str, JsonObject]:
    permit = _permit(event, _as_stated(event, known), facts, reading)
    if permit is None:
        return {}
    own = {name: _stated(members, event) for name, members in event.groups.items()}
    return select(Person(ref=known.ref, facts=own), permit).groups


def _permit(event: Event, person: Person, facts: FactClass, reading: Reading) -> Permit | None:
    decision = evaluate(
        reading.rulebook,
        event=event.ref,
        recipient=reading.recipient,
        person=person,
        facts=facts,
        controller_classes=reading.classes,
        today=reading.today,
        told_before=reading.recipient.id in reading.told,
    )
    return decision if isinstance(decision, Permit) else None


def _as_stated(event: Event, known: Person) -> Person:
    """Return the person to judge a statement by: its groups are its agency's, and hold what it
    stated besides what is known; who stands how to the person is what is known now."""
    facts = dict(known.facts)
    for name, members in event.groups.items():
        if name == "handling" and name in known.facts:
            continue
        held = known.facts[name].members if name in known.facts else {}
        neutral = _NAMES_NOBODY.get(name, {})
        stated = {member: neutral.get(member, value) for member, value in members.items()}
        facts[name] = _stated(stated | held, event)
    return Person(ref=known.ref, facts=facts)


def _front_screen(
    event: Event, known: Person, facts: FactClass, reading: Reading
) -> Mapping[str, Json]:
    """Return who treats the person, as far as this event lets the reader know, gaps said."""
    held = known.facts.get("health_routing")
    gaps: JsonObject = dict.fromkeys(FRONT_SCREEN, NOT_RECORDED)
    routing = replace(held, members=gaps | held.members) if held else _stated(gaps, event)
    person = Person(ref=known.ref, facts={**known.facts, "health_routing": routing})
    permit = _permit(event, person, facts, reading)
    if permit is None:
        return {}
    shown = select(person, permit).groups.get("health_routing", {})
    return {name: shown[name] for name in FRONT_SCREEN if name in shown}


def _stated(members: JsonObject, event: Event) -> StatedGroup:
    return StatedGroup(members=members, controller=event.agency, as_of=event.occurred_at)
