"""One person's case as the clocks see it: the stay in custody, the dates, the conditions. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from gateway import clock
from gateway.duties.conditions import Facts, holds, members_of
from gateway.duties.consultation import Consultation, follow, release_date_stated
from gateway.known import standing
from gateway.model.event import Event
from gateway.model.groups import parse_time
from gateway.model.ids import OURSELVES, AgencyName
from gateway.model.strict_json import JsonObject
from policies.clocks import Condition

_ADULT: Final = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """The current, or else the latest, stay in custody."""

    start: int = 0  # index of the first event that counts towards its release
    in_custody: bool | None = None  # None: nothing said yet
    began: date | None = None
    again: bool = False  # after an earlier release, or by recall: no sentence date explains it
    release: date | None = None  # as it stands: confirmed, or else planned
    release_as_of: float = 0
    released: int | None = None  # index of the event that says so
    released_on: date | None = None
    died: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a history comes to on one day."""

    events: Sequence[Event]  # as they stand, without the gateway's own
    known: Sequence[Facts]  # what was known after each of them
    classes: Mapping[AgencyName, str]
    stay: Stay
    consultation: Consultation | None  # of the latest change of the release date
    told: Sequence[tuple[str, date]]  # roles told of this person, and when
    today: date

    @property
    def facts(self) -> Facts:
        """What is known now."""
        return self.known[-1] if self.known else {}

    def members(self, group: str) -> JsonObject:
        """Return what is known now of one group."""
        return members_of(self.facts, group)

    def date_of(self, group: str, member: str) -> date | None:
        """Return a date known now, or None."""
        stated = self.members(group).get(member)
        return date.fromisoformat(stated) if isinstance(stated, str) else None

    @property
    def release(self) -> date | None:
        """The release date as it stands; without one, what else says when custody ends."""
        if self.stay.release is not None:
            return self.stay.release
        if self.stay.in_custody is True:
            return self.date_of("custody", "sentence_expiry_date")
        return self.stay.released_on

    @property
    def serving_since(self) -> date | None:
        """The first day on which anybody could have reckoned with this release, if known."""
        sentenced = self.date_of("offence", "sentenced_on")
        if sentenced is None or self.stay.again:
            return self.stay.began if self.stay.began is not None else sentenced
        return sentenced

    def under_18_on(self, day: date) -> bool:
        """Return whether the person is known to have been under 18 on a day."""
        born = self.date_of("identity", "date_of_birth")
        if born is None:
            return False
        return day.year - born.year - ((day.month, day.day) < (born.month, born.day)) < _ADULT

    def onset(self, when: frozenset[Condition], *, until: int | None = None) -> "Onset | None":
        """Return since when all these conditions hold without a break, or None if they do not.

        Args:
            when: The conditions.
            until: Index of the event up to which to look; None: all.
        """
        last = len(self.known) - 1 if until is None else until
        if last < 0 or not all(holds(one, self.known[last]) is True for one in when):
            return None
        first = last
        while first > 0 and all(holds(one, self.known[first - 1]) is True for one in when):
            first -= 1
        turned = first > 0 and any(holds(one, self.known[first - 1]) is False for one in when)
        return Onset(index=first, turned=turned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Onset:
    """When conditions came to hold, and whether the contrary had been stated until then."""

    index: int
    turned: bool


def read_case(
    history: Iterable[Event],
    *,
    classes: Mapping[AgencyName, str],
    told: Iterable[tuple[str, date]],
    today: date,
) -> Case:
    """Return what the events received by the end of a day come to.

    Args:
        history: In the order received, the gateway's own among them or not.
        classes: Organisation class of every agency, by name.
        told: Roles told of this person, and when.
        today: In Europe/London; what was received or told later is not seen.

    Pure.
    """
    seen = standing(one for one in history if clock.day(one.received_at) <= today)
    events = [one for one in seen if one.agency != OURSELVES]
    known: list[Facts] = []
    stay = Stay()
    ended = False
    facts: Facts = {}
    as_of: dict[str, float] = {}
    for index, event in enumerate(events):
        facts = _learn(facts, as_of, event)
        ended = _ended(ended, event)
        known.append(_without_mappa(facts) if ended else facts)
        stay = _after(stay, event, index)
    return Case(
        events=events,
        known=known,
        classes=classes,
        stay=stay,
        consultation=follow(events, classes),
        told=[(role, day) for role, day in told if day <= today],
        today=today,
    )


def _learn(facts: Facts, as_of: dict[str, float], event: Event) -> Facts:
    """Return what is known after one more event, member by member, whoever stated it.

    What may be disclosed goes by who controls a group; what is owed does not: one agency's review
    must not make another's category forgotten, and its duties with it.
    """
    learnt = dict(facts)
    for name, members in event.groups.items():
        at = _as_of(event, name)
        held = learnt.get(name, {})
        newer = at >= as_of.get(name, at)
        learnt[name] = {**held, **members} if newer else {**members, **held}
        as_of[name] = max(at, as_of.get(name, at))
    return learnt


def _ended(before: bool, event: Event) -> bool:
    """Whether MAPPA eligibility has ended, with this event; a new category or level reopens it."""
    if event.kind == "mappa.eligibility_ended":
        return True
    stated = event.groups.get("mappa", {})
    return before and not ("category" in stated or "level" in stated)


def _without_mappa(facts: Facts) -> Facts:
    return {name: group for name, group in facts.items() if name != "mappa"}


def _after(stay: Stay, event: Event, index: int) -> Stay:
    """Return the stay as it is after one more event."""
    move = _MOVES.get(event.kind)
    if move is not None:
        stay = move(stay, event, index)
    stated = release_date_stated(event)
    as_of = _as_of(event, "custody")
    if stated is None or as_of < stay.release_as_of:
        return stay
    return replace(stay, release=date.fromisoformat(stated), release_as_of=as_of)


def _as_of(event: Event, group: str) -> float:
    stated = event.groups.get(group, {}).get("as_of")
    return (parse_time(stated) if isinstance(stated, str) else event.occurred_at).timestamp()


def _received(stay: Stay, event: Event, index: int) -> Stay:
    if stay.in_custody is True and event.kind != "custody.recalled":
        return stay  # from court, or from another prison
    return Stay(
        start=index,
        in_custody=True,
        began=clock.day(event.occurred_at),
        again=stay.released is not None or event.kind == "custody.recalled",
    )


def _planned(stay: Stay, _event: Event, index: int) -> Stay:
    if stay.in_custody is False:  # back in custody, though nobody said so
        return Stay(start=index, in_custody=True, again=True)
    return replace(stay, in_custody=True)


def _cancelled(stay: Stay, _event: Event, index: int) -> Stay:
    return replace(stay, start=index, in_custody=True, release=None)


def _released(stay: Stay, event: Event, index: int) -> Stay:
    stated = event.groups.get("custody", {}).get("released_at")
    at = parse_time(stated) if isinstance(stated, str) else event.occurred_at
    return replace(stay, in_custody=False, released=index, released_on=clock.day(at))


_MOVES: Final[Mapping[str, Callable[[Stay, Event, int], Stay]]] = {
    "custody.received": _received,
    "custody.recalled": _received,
    "custody.transferred": lambda stay, _event, _index: replace(stay, in_custody=True),
    "custody.died": lambda stay, _event, _index: replace(stay, died=True),
    "release.planned": _planned,
    "release.cancelled": _cancelled,
    "release.actual": _released,
}
