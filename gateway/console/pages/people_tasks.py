"""Tasks that only a person may decide: who is who, and whether somebody is told."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, cast

from aiohttp import web

from gateway.audit.asking import Asking
from gateway.clock import day
from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Given, Moved, Shown, Visitor
from gateway.console.pages import words
from gateway.console.pages.consulting import WHY, asks_why, justified, read
from gateway.console.pages.forms import Reading
from gateway.console.pages.scoping import agency_of, covers_person, organisation_of
from gateway.console.pages.task_rows import open_page
from gateway.model.decision import Reason
from gateway.model.ids import EventRef, PersonRef, TaskId
from gateway.model.staff import StaffRole
from gateway.store import people, tasks
from gateway.store.group_commit import Unit

_ROLES: Final[frozenset[StaffRole]] = frozenset(("coordinator",))
_PATH: Final = "/console/tasks"
_MOST_REASON: Final = 1000
_ACTIONS: Final[Mapping[str, str]] = {
    "approved": "Approve",
    "declined": "Decline",
    "link": "They are one person: join the two records",
    "separate": "They are two people: part the two records",
    "dismiss": "Leave the records as they are",
}


def routes(own: ConsoleOwn) -> list[ConsoleRoute]:
    """Return the pages of tasks."""

    async def listing(request: web.Request, visitor: Visitor) -> Shown:
        return _listing(own, visitor, request.query)

    async def show(request: web.Request, visitor: Visitor) -> Given:
        task = _task(own, visitor, request)
        if asks_why(own):
            return _why(task, Reading(said={}))
        return await _shown(own, visitor, task, Reading(said={}))

    async def justify(request: web.Request, visitor: Visitor, said: Mapping[str, str]) -> Given:
        return await _shown(own, visitor, _task(own, visitor, request), Reading(said=said))

    async def decide(request: web.Request, visitor: Visitor, said: Mapping[str, str]) -> Given:
        return await _decided(own, visitor, _task(own, visitor, request), Reading(said=said))

    one = _PATH + "/{task:tsk_[0-9a-f]{32}}"
    return [
        ConsoleRoute(path=_PATH, roles=_ROLES, get=listing, nav="Tasks"),
        ConsoleRoute(path=one, roles=_ROLES, get=show, post=justify),
        ConsoleRoute(path=one + "/decide", roles=_ROLES, post=decide),
    ]


def _listing(own: ConsoleOwn, visitor: Visitor, query: Mapping[str, str]) -> Shown:
    which = "decisions" if query.get("show") == "decisions" else "people"
    found, after = open_page(
        own.store.reader,
        decisions=which == "decisions",
        after=query.get("after", ""),
        keep=lambda task: _covered(own, visitor, task),
    )
    values = {
        "rows": [
            {
                "id": one.id,
                "kind": words.TASKS.get(one.kind, one.kind),
                "opened": words.when(one.opened_at),
                "recipient": one.recipient or "",
                "rule": one.rule or "",
            }
            for one in found
        ],
        "which": which,
        "next": after,
        "done": query.get("done", ""),
        "done_words": _DONE,
    }
    return Shown(template="pages/tasks.html", title="Tasks", values=values)


_DONE: Final[Mapping[str, str]] = {
    "approved": "Approved. If somebody is to be told, they are told now.",
    "declined": "Declined. Nothing was told.",
    "link": "The two records are one person now.",
    "separate": "The two records are two people now. What was told by mistake is recalled.",
    "dismiss": "The records stay as they are.",
}


def _covered(own: ConsoleOwn, visitor: Visitor, task: tasks.Task) -> bool:
    scope = visitor.scope
    return scope.covers(
        agency=agency_of(own, task.event), organisation=organisation_of(own, task.recipient)
    ) or covers_person(own, scope, task.person)


def _task(own: ConsoleOwn, visitor: Visitor, request: web.Request) -> tasks.Task:
    """Return a task that is the visitor's to see; else there is no such page."""
    found = tasks.task_by_id(own.store.reader, request.match_info["task"])
    if found is None or not _covered(own, visitor, found):
        raise web.HTTPNotFound
    return found


def _why(task: tasks.Task, reading: Reading) -> Shown:
    values = {
        "action": f"{_PATH}/{task.id}",
        "errors": reading.problems,
        "problems": reading.by_field,
    }
    return Shown(
        template="pages/why.html",
        title=words.TASKS.get(task.kind, "Task"),
        values=values,
        status=422 if reading.problems else 200,
    )


async def _shown(own: ConsoleOwn, visitor: Visitor, task: tasks.Task, reading: Reading) -> Given:
    why = justified(own, reading)
    if reading.problems:
        return _why(task, reading)
    values = await read(
        own,
        visitor,
        "task",
        lambda asking: _values(own, asking, task),
        person=task.person,
        about={"task": task.id},
        why=why,
    )
    if isinstance(values, Reason):
        reading.wrong(WHY, values.text)
        return _why(task, reading)
    return _one(task, values, Reading(said={}))


def _one(task: tasks.Task, values: Mapping[str, object], reading: Reading) -> Shown:
    more = {
        "said": reading.said,
        "errors": reading.problems,
        "problems": reading.by_field,
        "task": task,
        "action": f"{_PATH}/{task.id}/decide",
    }
    return Shown(
        template="pages/task.html",
        title=words.TASKS.get(task.kind, "Task"),
        values={**values, **more},
        status=422 if reading.problems else 200,
    )


def _values(own: ConsoleOwn, asking: Asking, task: tasks.Task) -> dict[str, object]:
    rule = own.law.rulebook.rules.get(task.rule) if task.rule else None
    others = _others(task)
    records = [task.person, *(one for one in others if one != task.person)]
    return {
        "state": words.TASK_STATES[task.state],
        "opened": words.when(task.opened_at),
        "decided": words.when(task.decided_at),
        "rule_source": rule.source if rule else "",
        "asked": _asked(task.body),
        "records": [_record(asking, one) for one in records],
        "actions": {name: _ACTIONS[name] for name in _possible(task, others)},
        "others": others,
    }


def _others(task: tasks.Task) -> list[PersonRef]:
    found = task.body.get("others", [])
    return [PersonRef(str(one)) for one in found] if isinstance(found, list) else []


def _possible(task: tasks.Task, others: list[PersonRef]) -> tuple[str, ...]:
    if task.kind in {tasks.DISCLOSURE, "date-of-birth-conflict"} or not others:
        return ("approved", "declined")
    return ("link", "separate", "dismiss")


def _record(asking: Asking, record: PersonRef) -> dict[str, object]:
    kinds = people.identifier_kinds(asking.reader, record)
    events: Any = asking.reader.execute(
        "SELECT kind, agency, count(*) FROM event WHERE person = ? GROUP BY kind, agency LIMIT 20",
        (record,),
    ).fetchall()
    return {
        "ref": record,
        "identifiers": ", ".join(words.IDENTIFIERS.get(one, one) for one in kinds) or "None",
        "events": [f"{kind}, stated by {agency}: {count}" for kind, agency, count in events],
    }


def _asked(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a task names, its other records apart: members, kinds and codes."""
    found = []
    for name, value in body.items():
        if name == "others":
            continue
        if isinstance(value, list) and value:
            found.append(
                (name.replace("_", " ").capitalize(), ", ".join(str(one) for one in value))
            )
        elif isinstance(value, str) and value:
            found.append((name.replace("_", " ").capitalize(), value))
    return found


async def _decided(own: ConsoleOwn, visitor: Visitor, task: tasks.Task, reading: Reading) -> Given:
    others = _others(task)
    allowed = {name: _ACTIONS[name] for name in _possible(task, others)}
    action = reading.choice("decision", allowed, "Choose what you decide")
    reason = reading.needed("reason", "Say why you decide so", most=_MOST_REASON)
    other = reading.text("other")
    if action in {"link", "separate"} and other not in others:
        if len(others) == 1:
            other = others[0]
        else:
            reading.wrong("other", "Choose the other record")
    if not reading.problems:
        await _do(own, visitor, task, action, PersonRef(other), reason, reading)
    if reading.problems:
        values = await read(
            own,
            visitor,
            "task",
            lambda asking: _values(own, asking, task),
            person=task.person,
            about={"task": task.id},
            why=reason or "A decision is being made",
        )
        if isinstance(values, Reason):
            reading.wrong("reason", values.text)
            return _why(task, reading)
        return _one(task, values, reading)
    which = "decisions" if task.kind == tasks.DISCLOSURE else "people"
    return Moved(to=f"{_PATH}?show={which}&done={action}")


async def _do(
    own: ConsoleOwn,
    visitor: Visitor,
    task: tasks.Task,
    action: str,
    other: PersonRef,
    reason: str,
    reading: Reading,
) -> None:
    """Join or part the records, where that is decided, and close the task."""
    change = _CHANGES.get(action)
    try:
        if change is not None:
            await own.store.commit(change(task.person, other, _act(own, visitor, reason)))
        decision: Literal["approved", "declined"] = (
            cast('Literal["approved", "declined"]', action)
            if action in {"approved", "declined"}
            else ("approved" if action == "link" else "declined")
        )
        await own.store.commit(
            tasks.decide(
                own.store.sealed,
                TaskId(task.id),
                decision,
                by=visitor.staff,
                reason=reason,
                now=own.now(),
            )
        )
    except (people.NotPossible, tasks.NoSuchTask) as error:
        text = str(error)
        reading.wrong("decision", text[:1].upper() + text[1:])


_CHANGES: Final[Mapping[str, Callable[[PersonRef, PersonRef, people.Act], Unit[EventRef]]]] = {
    "link": people.merge,
    "separate": people.unmerge,
}


def _act(own: ConsoleOwn, visitor: Visitor, reason: str) -> people.Act:
    now = own.now()
    return people.Act(
        sealed=own.store.sealed,
        new_id=own.new_id,
        by=visitor.staff,
        reason=reason,
        now=now,
        today=day(now),
    )
