"""Duties: what is owed by when, what is done, what is late. Reckoned anew from the whole history.

Nothing here is stored or remembered: the same history, day and clocks give the same duties, so a
date that moves moves every deadline reckoned from it. Pure: the day is handed in.
Source: domain facts 4 (C1-C19), D1-D6, D12, D29-D32.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

from gateway import clock as time_zone
from gateway.duties.case import Case, Onset, read_case
from gateway.duties.consultation import Consultation, release_date_stated
from gateway.duties.deadlines import shifted
from gateway.duties.orders import next_limit
from gateway.model.event import Event
from gateway.model.ids import AgencyName
from policies.clocks import Clock, ClockId, Clocks, Met

Status = Literal["due", "met", "late", "late_by_circumstance"]

HOMELESSNESS: Final = timedelta(days=56)  # Housing Act 1996 s.213B with s.175(4)
_DAY: Final = timedelta(days=1)

# A sentence may be too short for these: nobody could have kept the period.
_AGAINST_SENTENCE: Final = frozenset({"release", "sentence_expiry", "eligibility_end"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """One duty about one person, as it stands on a day."""

    clock: ClockId
    owner: str  # a role
    to: tuple[str, ...]  # roles
    due: date
    status: Status
    basis_date: date  # the date the deadline was reckoned from
    met_on: date | None = None
    priority: bool = False
    missing: tuple[str, ...] = ()  # who was not consulted
    warn_on: date
    breach: bool = True  # False: a reminder, never late

    @property
    def open(self) -> bool:
        """Whether it is still to be done."""
        return self.met_on is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """Everything owed about one person on a day, and when to reckon it anew."""

    duties: tuple[Duty, ...]
    consultation: Consultation | None
    look_again: date | None  # the next day on which it may differ though nothing happens


@dataclass(frozen=True, slots=True, kw_only=True)
class _Basis:
    """The date a deadline is reckoned from, and what bears on it."""

    day: date
    start: int = 0  # index of the first event that can show the duty done
    until: int | None = None  # index of the event at which what was known is judged; None: now


def reckon(
    history: Sequence[Event],
    *,
    today: date,
    clocks: Clocks,
    classes: Mapping[AgencyName, str],
    told: Iterable[tuple[str, date]] = (),
) -> Reckoning:
    """Return what is owed about one person.

    Args:
        history: Every decided event about them, in the order received; corrections and
            retractions among them take effect, what was received after `today` is not seen.
        today: In Europe/London.
        clocks: From the catalogue; those not automated are left alone.
        classes: Organisation class of every agency, by name.
        told: Roles the gateway told of this person, or a human decided about, and the day.

    Pure.
    """
    case = read_case(history, classes=classes, told=told, today=today)
    if case.stay.died or not case.events:
        return Reckoning(duties=(), consultation=None, look_again=None)
    found = (_duty(name, clock, case) for name, clock in clocks.items() if clock.automated)
    duties = tuple(duty for duty in found if duty is not None)
    return Reckoning(
        duties=duties, consultation=case.consultation, look_again=_look_again(duties, case)
    )


def _duty(name: ClockId, clock: Clock, case: Case) -> Duty | None:
    basis = _basis(clock, case)
    if basis is None:
        return None
    onset = case.onset(clock.when, until=basis.until)
    if onset is None:
        return None
    due = _due(clock, basis.day, case)
    met_on = _met_on(clock, basis, due, case)
    possible = _possible_from(clock, onset, case)
    status = _status(clock, due, met_on, possible, basis, case)
    if status == "late_by_circumstance" and met_on is None and possible is not None:
        due = min(possible, max(due, basis.day))  # due at once, though never after the date itself
    return Duty(
        clock=name,
        owner=clock.owner,
        to=(*clock.to, *clock.copy_to),
        due=due,
        status=status,
        basis_date=basis.day,
        met_on=met_on,
        priority=any(
            case.onset(frozenset((one,)), until=basis.until) for one in clock.priority_when
        ),
        missing=_missing(clock, case),
        warn_on=due - clock.warning,
        breach=clock.breach,
    )


def _missing(clock: Clock, case: Case) -> tuple[str, ...]:
    """Return who ought to have been consulted and was not, or not in time."""
    if clock.anchor != "change" or case.consultation is None:
        return ()
    return case.consultation.missing_then or case.consultation.missing


def _due(clock: Clock, basis: date, case: Case) -> date:
    assert clock.offset is not None  # noqa: S101 - an automated clock has one
    young = clock.offset_under_18 is not None and case.under_18_on(basis)
    return shifted(
        basis, clock.offset_under_18 if young and clock.offset_under_18 else clock.offset
    )


def _possible_from(clock: Clock, onset: Onset, case: Case) -> date | None:
    """Return the first day on which the duty could have been done in time, where that is known."""
    days = []
    if clock.anchor in _AGAINST_SENTENCE and case.serving_since is not None:
        days.append(case.serving_since)
    if clock.when and onset.turned:
        days.append(time_zone.day(case.events[onset.index].occurred_at))
    return max(days, default=None)


def _status(
    clock: Clock,
    due: date,
    met_on: date | None,
    possible: date | None,
    basis: _Basis,
    case: Case,
) -> Status:
    if clock.anchor == "change" and case.consultation and case.consultation.missing_then:
        return "late"  # whoever is asked afterwards
    if met_on is not None and met_on <= due:
        return "met"
    if not clock.breach:
        return "due" if met_on is None else "met"
    excused = possible is not None and possible > due
    if met_on is not None:
        return "late_by_circumstance" if excused else "late"
    if excused and case.today <= max(basis.day, due):
        return "late_by_circumstance"
    return "due" if case.today <= due else "late"


def _basis(clock: Clock, case: Case) -> _Basis | None:
    assert clock.anchor is not None  # noqa: S101 - an automated clock has one
    return _BASES[clock.anchor](clock, case)


def _release(_clock: Clock, case: Case) -> _Basis | None:
    if case.release is None:
        return None
    return _Basis(day=case.release, start=case.stay.start, until=case.stay.released)


def _change(_clock: Clock, case: Case) -> _Basis | None:
    consultation = case.consultation
    if consultation is None:
        return None
    if consultation.changed_on is not None:
        return _Basis(day=consultation.changed_on)
    days = [day for day in (case.release, consultation.proposed) if day is not None]
    return _Basis(day=min(days)) if days else None


def _latest(clock: Clock, case: Case) -> _Basis | None:
    for index in range(len(case.events) - 1, -1, -1):
        event = case.events[index]
        if event.kind in clock.starts:
            return _Basis(day=time_zone.day(event.occurred_at), start=index)
    return None


def _aware(clock: Clock, case: Case) -> _Basis | None:
    onset = case.onset(clock.when)
    if onset is None:
        return None
    day = time_zone.day(case.events[onset.index].received_at)
    if "homeless_with_consent" in clock.when and case.release is not None:
        day = max(day, case.release - HOMELESSNESS)
    return _Basis(day=day, start=onset.index) if day <= case.today else None


def _stated(group: str, member: str) -> "_Finder":
    def find(_clock: Clock, case: Case) -> _Basis | None:
        day = case.date_of(group, member)
        return None if day is None else _Basis(day=day)

    return find


def _eligibility_end(_clock: Clock, case: Case) -> _Basis | None:
    notification = case.date_of("offence", "notification_until")
    licence = case.date_of("custody", "licence_expiry_date")
    first, second = notification, licence
    if case.members("mappa").get("category") != 1:
        first, second = licence, notification
    day = first or second
    return None if day is None else _Basis(day=day)


def _limit(_clock: Clock, case: Case) -> _Basis | None:
    day = next_limit(case.members("offence"), case.members("licence"), case.today)
    return None if day is None else _Basis(day=day)


_Finder = Callable[[Clock, Case], _Basis | None]

_BASES: Final[Mapping[str, _Finder]] = {
    "aware": _aware,
    "change": _change,
    "eligibility_end": _eligibility_end,
    "event": _latest,
    "notification_from": _stated("offence", "notification_from"),
    "order_limit": _limit,
    "release": _release,
    "sentence_expiry": _stated("custody", "sentence_expiry_date"),
    "sentenced": _stated("offence", "sentenced_on"),
}


def _met_on(clock: Clock, basis: _Basis, due: date, case: Case) -> date | None:
    """Return the first day on which the duty was shown to be done, or None."""
    met = clock.met
    assert met is not None  # noqa: S101 - an automated clock has one
    if met.consulted:
        return case.consultation.completed_on if case.consultation else None
    if met.told is not None:
        began = time_zone.day(case.events[basis.start].received_at)
        return min(
            (day for role, day in case.told if role == met.told and day >= began), default=None
        )
    earliest = shifted(due, met.within) if met.within is not None else date.min
    start = 0 if met.within is not None else basis.start
    days = [
        day
        for event in case.events[start:]
        if _shows(met, event, basis.day, case) and (day := _day_of(met, event)) >= earliest
    ]
    return min(days, default=None)


def _day_of(met: Met, event: Event) -> date:
    if met.counted == "received":
        return time_zone.day(event.received_at)
    reviewed = event.groups.get("mappa", {}).get("reviewed_on")
    if event.kind == "mappa.review_completed" and isinstance(reviewed, str):
        return date.fromisoformat(reviewed)
    return time_zone.day(event.occurred_at)


def _shows(met: Met, event: Event, basis: date, case: Case) -> bool:
    """Whether an event is of those that show a duty done."""
    if event.kind not in met.kinds:
        return False
    if met.by and case.classes.get(event.agency) not in met.by:
        return False
    match met.states:
        case "release_date":
            # A date put back does not undo the notice of the earlier one.
            stated = release_date_stated(event)
            return stated is not None and date.fromisoformat(stated) <= basis
        case "notification_from":
            since = event.groups.get("offence", {}).get("notification_from")
            return isinstance(since, str) and date.fromisoformat(since) >= basis
        case "offender_manager":
            return "community_offender_manager" in event.groups.get("professionals", {})
        case "victim_contact":
            return "contact_opted_in" in event.groups.get("victim", {})
    return True


def _look_again(duties: Iterable[Duty], case: Case) -> date | None:
    """Return the next day on which the reckoning may differ though nothing happens."""
    days = []
    for duty in duties:
        if duty.open:
            days += [duty.warn_on, duty.due, duty.due + _DAY, duty.basis_date + _DAY]
    if case.release is not None:
        days.append(case.release - HOMELESSNESS)
    return min((day for day in days if day > case.today), default=None)
