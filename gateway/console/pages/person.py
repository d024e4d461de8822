"""A person's timeline: what was stated, told and owed, by reference and kind, in order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Final

import orjson
from aiohttp import web

from gateway.audit.asking import Asking
from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Given, Shown, Visitor
from gateway.console.pages import words
from gateway.console.pages.consulting import WHY, asks_why, justified, read
from gateway.console.pages.forms import Reading
from gateway.console.pages.persons import named
from gateway.console.pages.scoping import covers_person, organisation_of
from gateway.model.decision import Reason
from gateway.model.ids import AgencyName, PersonRef
from gateway.model.reference import reference
from gateway.model.staff import StaffRole
from gateway.pages.words import happened
from gateway.store import duties, people
from gateway.store.engine import Connection
from gateway.store.erasure import is_erased
from gateway.store.history import alerts_about
from gateway.store.tasks import tasks_about
from gateway.store.times import moment

_ROLES: Final[frozenset[StaffRole]] = frozenset(("dpo", "coordinator"))
_PATH: Final = "/console/person"
_PAGE: Final = 100
_EVENT_STATES: Final[Mapping[str, str]] = {
    "accepted": "waiting to be decided",
    "held": "held, in case it is undone",
    "decided": "decided",
    "retracted": "taken back",
    "cancelled": "cancelled",
    "quarantined": "set aside",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing of a timeline."""

    at: datetime
    what: str  # "Event", "Alert", "Task" or "Duty"
    text: str
    ref: str
    entry: int | None = None  # of the log, where there is one to look at


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What a visitor may see of a person."""

    person: PersonRef
    records: Sequence[tuple[PersonRef, str]]  # each with the kinds of identifier that name it
    lines: Sequence[Line]  # the newest first
    more: bool
    erased: bool


def routes(own: ConsoleOwn) -> list[ConsoleRoute]:
    """Return the timeline."""

    async def empty(_request: web.Request, _visitor: Visitor) -> Shown:
        return _page(own, Reading(said={}), None)

    async def show(_request: web.Request, visitor: Visitor, said: Mapping[str, str]) -> Given:
        return await _shown(own, visitor, Reading(said=said))

    return [ConsoleRoute(path=_PATH, roles=_ROLES, get=empty, post=show, nav="People")]


async def _shown(own: ConsoleOwn, visitor: Visitor, reading: Reading) -> Given:
    if asks_why(own) and WHY not in reading.said:  # led here from another page
        return _page(own, reading, None)
    typed = reading.needed("person", "Enter a reference or an identifier")
    why = justified(own, reading)
    before = _before(reading)
    if reading.problems:
        return _page(own, reading, None)
    person = named(own, typed)
    if person is not None and not covers_person(own, visitor.scope, person):
        person = None
    found = await read(
        own,
        visitor,
        "timeline",
        lambda asking: timeline(own, asking, person, before) if person else None,
        person=person,
        why=why,
    )
    if isinstance(found, Reason):
        reading.wrong(WHY, found.text)
    elif found is None:
        reading.wrong("person", "Nobody you can see has that reference or identifier")
    else:
        return _page(own, reading, found)
    return _page(own, reading, None)


def timeline(
    own: ConsoleOwn, asking: Asking, person: PersonRef, before: datetime | None
) -> Timeline:
    """Return what the asker may see of a person, a page of it."""
    every = [*_events(asking, person), *_alerts(own, asking, person), *_tasks(asking, person)]
    every += _duties(own, asking, person)
    found = [one for one in every if before is None or one.at < before]
    found.sort(key=lambda one: (one.at, one.ref), reverse=True)
    records = asking.records(person)
    return Timeline(
        person=person,
        records=[(one, _kinds(asking.reader, one)) for one in records],
        lines=found[:_PAGE],
        more=len(found) > _PAGE,
        erased=is_erased(asking.reader, person),
    )


def _events(asking: Asking, person: PersonRef) -> Iterator[Line]:
    own = orjson.dumps(asking.records(person)).decode()
    rows = asking.reader.execute(
        "SELECT ref, kind, received_at, agency, state FROM event"
        " WHERE person IN (SELECT value FROM json_each(?)) AND state <> 'quarantined'",
        (own,),
    )
    for ref, kind, received_at, agency, state in rows:
        if asking.scope.covers(agency=AgencyName(str(agency)), organisation=None):
            yield Line(
                at=moment(int(str(received_at))),
                what="Event",
                text=f"{agency} stated: {happened(str(kind))}"
                f" ({_EVENT_STATES.get(str(state), state)})",
                ref=str(ref),
            )


def _alerts(own: ConsoleOwn, asking: Asking, person: PersonRef) -> Iterator[Line]:
    for one in alerts_about(asking.reader, person):
        organisation = organisation_of(own, one.recipient)
        if asking.scope.covers(agency=one.agency, organisation=organisation):
            what = words.MESSAGES.get(one.message, one.message)
            yield Line(
                at=one.decided_at,
                what="Alert",
                text=f"{what} to {one.recipient}" + ("" if one.told else " (never left)"),
                ref=reference(one.id),
                entry=one.leaf_index,
            )


def _tasks(asking: Asking, person: PersonRef) -> Iterator[Line]:
    for one in tasks_about(asking.reader, person):
        if one.opened_at is not None:
            state = words.TASK_STATES[one.state].lower()
            yield Line(
                at=one.opened_at,
                what="Task",
                text=f"{words.TASKS.get(one.kind, one.kind)} ({state})",
                ref=one.id,
            )


def _duties(own: ConsoleOwn, asking: Asking, person: PersonRef) -> Iterator[Line]:
    clocks = {str(name): one for name, one in own.law.catalogues.clocks.items()}
    for one in duties.listing(asking.reader, person=person):
        clock = clocks.get(one.clock)
        title = clock.title if clock else one.clock
        yield Line(
            at=datetime.combine(one.due, time(), UTC),
            what="Duty",
            text=f"{title}: {words.DUTY_STATES.get(one.status, one.status).lower()}",
            ref=one.clock,
        )


def _kinds(connection: Connection, record: PersonRef) -> str:
    found = people.identifier_kinds(connection, record)
    return ", ".join(words.IDENTIFIERS.get(kind, kind) for kind in found) or "none"


def _before(reading: Reading) -> datetime | None:
    text = reading.text("before", most=40)
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo else None


def _reference(reading: Reading) -> str:
    """Return what was asked for, if it is a reference; an identifier is not sent back."""
    typed = reading.said.get("person", "")
    return typed if typed.startswith("per_") else ""


def _page(own: ConsoleOwn, reading: Reading, found: Timeline | None) -> Shown:
    values = {
        "errors": reading.problems,
        "problems": reading.by_field,
        "said": {**reading.said, "person": found.person if found else _reference(reading)},
        "asks_why": asks_why(own),
        "found": found,
        "when": words.when,
        "day": words.day,
        "last": found.lines[-1].at.isoformat() if found and found.lines else "",
    }
    return Shown(
        template="pages/person.html",
        title="Person timeline" if found else "People",
        values=values,
        status=422 if reading.problems else 200,
    )
