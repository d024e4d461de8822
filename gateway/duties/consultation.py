"""Consultation before a release date is changed: who was asked, and who was not.

    proposed -> consulted (police and probation) -> confirmed

A change confirmed with one of them missing is not confirmed here: it stays where it was, and the
missing ones are an exception to be told at once. Pure. Source: D3.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal

from gateway import clock
from gateway.model.event import Event
from gateway.model.ids import AgencyName, EventRef

State = Literal["proposed", "consulted", "confirmed"]

PARTIES: Final = ("police", "probation")

# Which of them an organisation speaks for. A youth offending team supervises in probation's place.
_SPEAKS_FOR: Final[Mapping[str, str]] = {
    "police": "police",
    "probation": "probation",
    "youth_offending_team": "probation",
}
# Who consulted them may say so by naming whom they asked.
_NAMED_AS: Final[Mapping[str, str]] = {
    "police_offender_manager": "police",
    "community_offender_manager": "probation",
}
_STEPS: Final = frozenset({"release.date_change_proposed", "release.date_change_consulted"})
_ENDS: Final = frozenset({"release.cancelled", "release.actual", "custody.recalled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Consultation:
    """The latest change of a release date, as far as it has come."""

    opened_on: date
    consulted: Mapping[str, date]  # party -> the first day it was consulted
    proposed: date | None = None  # the new date as proposed
    changed_by: EventRef | None = None  # the event that made the change
    changed_on: date | None = None
    missing_then: tuple[str, ...] = ()  # who had not been consulted when it was made

    @property
    def missing(self) -> tuple[str, ...]:
        """Who has not been consulted yet."""
        return tuple(party for party in PARTIES if party not in self.consulted)

    @property
    def state(self) -> State:
        """How far it has come. A change made too early is confirmed once all are consulted."""
        if self.missing:
            return "proposed"
        return "confirmed" if self.changed_by is not None else "consulted"

    @property
    def completed_on(self) -> date | None:
        """The day the last party was consulted, or None."""
        return None if self.missing else max(self.consulted.values())


def follow(events: Iterable[Event], classes: Mapping[AgencyName, str]) -> Consultation | None:
    """Return the latest change of release date, or None if none is under way or was made.

    Args:
        events: As they now stand, in the order received.
        classes: Organisation class of every agency, by name.

    Pure.
    """
    current: Consultation | None = None
    standing: object = None  # the release date as last stated
    for event in events:
        if event.kind in _ENDS and current is not None and current.changed_by is None:
            current = None  # a change that was made stays to be answered for
        elif event.kind in _STEPS:
            current = _step(current, event, classes)
        stated = release_date_stated(event)
        if event.kind == "release.date_changed" and (stated is None or stated != standing):
            current = _changed(current, event, classes)
        standing = stated if stated is not None else standing
    return current


def release_date_stated(event: Event) -> str | None:
    """Return the release date an event states as standing; a proposal states none. Pure."""
    if event.kind in _STEPS:
        return None
    custody = event.groups.get("custody", {})
    stated = custody.get("confirmed_date") or custody.get("planned_date")
    return stated if isinstance(stated, str) else None


def _step(
    current: Consultation | None, event: Event, classes: Mapping[AgencyName, str]
) -> Consultation:
    on = clock.day(event.received_at)
    custody = event.groups.get("custody", {})
    stated = custody.get("confirmed_date") or custody.get("planned_date")
    proposed = date.fromisoformat(stated) if isinstance(stated, str) else None
    opens = current is None or (
        event.kind == "release.date_change_proposed" and not _same(current, proposed)
    )
    if opens or current is None:
        current = Consultation(opened_on=on, consulted={}, proposed=proposed)
    return _consulted(current, event, classes)


def _same(current: Consultation, proposed: date | None) -> bool:
    """Whether a proposal repeats the one under way."""
    return current.changed_by is None and proposed in (None, current.proposed)


def _changed(
    current: Consultation | None, event: Event, classes: Mapping[AgencyName, str]
) -> Consultation:
    on = clock.day(event.received_at)
    if current is None or current.changed_by is not None:
        current = Consultation(opened_on=on, consulted={})
    current = _consulted(current, event, classes)
    return replace(current, changed_by=event.ref, changed_on=on, missing_then=current.missing)


def _consulted(
    current: Consultation, event: Event, classes: Mapping[AgencyName, str]
) -> Consultation:
    """Note who took part: the agency that posted the step, and whom the step names as asked."""
    on = clock.day(event.received_at)
    parties = {_SPEAKS_FOR.get(classes.get(event.agency, ""))}
    if event.kind == "release.date_change_consulted":
        named = event.groups.get("professionals", {})
        parties |= {party for member, party in _NAMED_AS.items() if member in named}
    new = {party: on for party in parties if party is not None and party not in current.consulted}
    return replace(current, consulted={**current.consulted, **new}) if new else current
