"""A scenario of events with dates, and the calendar of what then falls due, is met, late, chased.

Days pass only where something may change: a year takes milliseconds. Pure.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.duties.chase import Step, next_steps
from gateway.duties.deadlines import day_starts
from gateway.duties.reckoning import Duty, reckon
from gateway.model.event import Event, group_problems
from gateway.model.ids import AgencyName, EventRef, PersonRef
from gateway.model.kinds import KINDS, OWN_KINDS
from policies.clocks import Clocks

_NOON: Final = timedelta(hours=12)
_LAST_WORDS: Final = {
    "duty.due_soon": "chased: owner warned",
    "duty.missed": "chased: breach told",
    "consultation.missing": "chased: not consulted",
}

_Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 \-]{0,39}$")]


class BadScenario(Exception):
    """The file is no scenario. The text says where, and what is wrong; never a value."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Happening(_Table):
    on: date
    kind: str
    by: _Label  # organisation class of the agency that posts it
    person: _Label = "A"
    facts: dict[str, Any] = Field(default_factory=dict)


class _Telling(_Table):
    on: date
    role: _Label
    person: _Label = "A"


class Scenario(_Table):
    """Events and tellings of some synthetic persons, between two days."""

    title: str
    from_: Annotated[date, Field(alias="from")]
    until: date
    event: tuple[_Happening, ...]
    told: tuple[_Telling, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the calendar."""

    day: date
    person: str
    clock: str
    what: str  # a status, "no longer owed" or what was chased
    due: date
    basis_date: date
    owner: str


@dataclass(slots=True)
class _Watched:
    """One person as the days pass."""

    label: str
    history: list[Event]
    told: list[tuple[str, date]]
    stated: frozenset[Any] = frozenset()
    last: Mapping[str, Duty] = field(default_factory=dict)


def read_scenario(text: str) -> Scenario:
    """Return a scenario from TOML.

    Raises:
        BadScenario: not TOML, a key unknown, a kind no agency posts, or facts no group takes.
    """
    try:
        scenario = Scenario.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as err:
        raise BadScenario(f"not TOML: {err}") from err
    except ValidationError as err:
        first = err.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise BadScenario(f"{where}: {first['msg']}") from None
    for number, one in enumerate(scenario.event):
        if one.kind not in KINDS - OWN_KINDS:
            raise BadScenario(f"event.{number}.kind: not a kind an agency posts")
        if problems := group_problems(_plain(one.facts)):
            raise BadScenario(f"event.{number}: {problems[0]}")
    return scenario


def simulate(scenario: Scenario, clocks: Clocks) -> list[Line]:
    """Return the calendar, day by day. Pure."""
    lines: list[Line] = []
    for label in sorted({one.person for one in scenario.event}):
        watched = _Watched(
            label=label,
            history=[_event(one, i) for i, one in _in_order(scenario) if one.person == label],
            told=[(one.role, one.on) for one in scenario.told if one.person == label],
        )
        lines += _life(watched, scenario, clocks)
    return sorted(lines, key=lambda line: (line.day, line.person, line.clock))


def _in_order(scenario: Scenario) -> list[tuple[int, _Happening]]:
    return sorted(enumerate(scenario.event), key=lambda one: (one[1].on, one[0]))


def _life(watched: _Watched, scenario: Scenario, clocks: Clocks) -> list[Line]:
    happens = {event.received_at.date() for event in watched.history} | {
        on for _role, on in watched.told
    }
    day: date | None = min([scenario.from_, *happens])
    lines: list[Line] = []
    while day is not None and day <= scenario.until:
        found, again = _day(watched, day, clocks)
        if day >= scenario.from_:
            lines += found
        upcoming = [one for one in happens if one > day]
        upcoming += [again] if again is not None else []
        day = min(upcoming, default=None)
    return lines


def _day(watched: _Watched, day: date, clocks: Clocks) -> tuple[list[Line], date | None]:
    """Let one day pass: what changed, what was chased, and when to look again."""
    reckoning = reckon(
        watched.history,
        today=day,
        clocks=clocks,
        classes=_classes(watched.history),
        told=watched.told,
    )
    steps = next_steps(reckoning, clocks=clocks, stated=watched.stated, today=day)
    watched.stated |= {step.key for step in steps}
    now = {str(duty.clock): duty for duty in reckoning.duties}
    lines = _changes(watched, now, day) + [_chased(watched, step, day) for step in steps]
    watched.last = now
    return lines, reckoning.look_again


def _changes(watched: _Watched, now: Mapping[str, Duty], day: date) -> list[Line]:
    gone = [
        _line(watched, watched.last[clock], day, "no longer owed")
        for clock in watched.last.keys() - now.keys()
    ]
    return gone + [
        _line(watched, duty, day, _status(duty))
        for clock, duty in now.items()
        if clock not in watched.last or _seen(watched.last[clock]) != _seen(duty)
    ]


def _seen(duty: Duty) -> tuple[object, ...]:
    return (duty.status, duty.due, duty.basis_date, duty.met_on)


def _status(duty: Duty) -> str:
    words = duty.status.replace("_", " ")
    if duty.status.startswith("late") and not duty.open:
        words += ", done"
    return f"{words}, priority" if duty.priority and duty.open else words


def _chased(watched: _Watched, step: Step, day: date) -> Line:
    return _line(watched, step.duty, day, _LAST_WORDS[step.kind])


def _line(watched: _Watched, duty: Duty, day: date, what: str) -> Line:
    return Line(
        day=day,
        person=watched.label,
        clock=duty.clock,
        what=what,
        due=duty.due,
        basis_date=duty.basis_date,
        owner=duty.owner,
    )


def _classes(history: Sequence[Event]) -> Mapping[AgencyName, str]:
    """An agency of a scenario is named by its class."""
    return {event.agency: str(event.agency) for event in history}


def _event(happening: _Happening, number: int) -> Event:
    at = day_starts(happening.on) + _NOON
    return Event(
        ref=EventRef(f"evt_{number}"),
        agency=AgencyName(happening.by),
        person=PersonRef(f"per_{happening.person}"),
        kind=happening.kind,
        occurred_at=at,
        received_at=at,
        groups=_plain(happening.facts),
    )


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts as JSON would have them: TOML's dates and times as text."""
    return {name: _json(value) for name, value in facts.items()}


def _json(value: Any) -> Any:  # noqa: ANN401 - whatever TOML holds
    if isinstance(value, dict):
        return _plain(value)
    if isinstance(value, list):
        return [_json(one) for one in value]
    return value.isoformat() if isinstance(value, date | datetime | time) else value
