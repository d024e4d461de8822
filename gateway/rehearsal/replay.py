"""Replay: what another rulebook would have done to the events already received.

Reads the stored events and decides each twice, under the rulebook in force and under the other.
Nothing is sent, and nothing is logged as a disclosure: nobody is told anything.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from gateway.candidates import Candidates
from gateway.decide import decide
from gateway.known import for_event, with_event
from gateway.model.decision import Permit, Refusal
from gateway.model.event import Event
from gateway.model.ids import AgencyName, EventRef, PersonRef, RecipientId
from gateway.model.party import Recipient
from gateway.model.person import Person
from policies.rulebook import Rulebook

Effect = Literal["newly-told", "no-longer-told", "told-otherwise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One alert that would be another, or be at all, or not be. Names of members, no facts."""

    event: EventRef
    kind: str
    recipient: RecipientId
    role: str
    effect: Effect
    gained: tuple[str, ...] = ()  # "group.member" paths
    lost: tuple[str, ...] = ()
    because: tuple[str, ...] = ()  # no longer told: codes of the reasons


@dataclass(slots=True, kw_only=True)
class Tally:
    """How much was replayed, counted as it goes."""

    persons: int = 0
    events: int = 0
    decisions: int = 0  # of the rulebook in force


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaying:
    """What every event is decided with."""

    recipients: Mapping[RecipientId, Recipient]
    candidates: Candidates
    classes: Mapping[AgencyName, str]
    current: Rulebook
    other: Rulebook
    day_of: Callable[[datetime], date]
    since: date | None = None  # events received earlier are followed, and not compared
    tally: Tally = field(default_factory=Tally)


def replay(
    histories: Iterable[tuple[PersonRef, list[Event]]], context: Replaying
) -> Iterator[Change]:
    """Yield each change, person by person in the order events were received.

    Each event is decided on what was known after it, on the day it was received, by the directory
    as it is now. Corrections count in their corrected form and retracted events not at all.

    Pure, but for counting in `context.tally`.
    """
    for ref, events in histories:
        context.tally.persons += 1
        yield from _person(ref, events, context)


def _person(ref: PersonRef, events: list[Event], context: Replaying) -> Iterator[Change]:
    person = Person(ref=ref)
    told: set[RecipientId] = set()  # each rulebook would have told its own
    told_otherwise: set[RecipientId] = set()
    for event in events:
        before, person = person, with_event(person, event)
        was = _decide(event, before, person, context, context.current, told)
        now = _decide(event, before, person, context, context.other, told_otherwise)
        told |= _told(was)
        told_otherwise |= _told(now)
        if context.since is not None and context.day_of(event.received_at) < context.since:
            continue
        context.tally.events += 1
        context.tally.decisions += len(was)
        yield from _changes(event, was, now, context)


def _decide(
    event: Event,
    before: Person,
    person: Person,
    context: Replaying,
    rulebook: Rulebook,
    told: set[RecipientId],
) -> Mapping[RecipientId, Permit | Refusal]:
    decisions = decide(
        event,
        for_event(person, event),
        before=before if before.facts else None,
        candidates=context.candidates,
        rulebook=rulebook,
        classes=context.classes,
        today=context.day_of(event.received_at),
        told=told,
    )
    return {one.recipient: one for one in decisions}


def _told(decisions: Mapping[RecipientId, Permit | Refusal]) -> set[RecipientId]:
    return {id_ for id_, decision in decisions.items() if isinstance(decision, Permit)}


def _changes(
    event: Event,
    was: Mapping[RecipientId, Permit | Refusal],
    now: Mapping[RecipientId, Permit | Refusal],
    context: Replaying,
) -> Iterator[Change]:
    for id_ in sorted(_told(was) | _told(now)):
        before, after = was.get(id_), now.get(id_)
        had = set(before.members) if isinstance(before, Permit) else set[str]()
        has = set(after.members) if isinstance(after, Permit) else set[str]()
        if had == has:
            continue
        effect: Effect = "newly-told" if not had else "no-longer-told" if not has else _OTHERWISE
        reasons = after.reasons if isinstance(after, Refusal) else ()
        yield Change(
            event=event.ref,
            kind=event.kind,
            recipient=id_,
            role=context.recipients[id_].role,
            effect=effect,
            gained=tuple(sorted(has - had)),
            lost=tuple(sorted(had - has)),
            because=tuple(sorted({reason.code for reason in reasons})),
        )


_OTHERWISE: Effect = "told-otherwise"
