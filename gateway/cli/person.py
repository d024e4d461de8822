"""`person`: what the gateway holds of whom, joining and parting records. Never prints a number,
a name or a fact; every reading and every change is a log entry."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import orjson
import typer

from gateway import clock
from gateway.cli.beside import checked, commit, consulted, reader
from gateway.cli.exits import NO, OK, Trouble
from gateway.config import load_config
from gateway.disclosure_log import entry
from gateway.instance import sealed_store
from gateway.model.identifiers import canonical
from gateway.model.ids import EventRef, PersonRef
from gateway.model.strict_json import Json, JsonObject
from gateway.people import MATCHED
from gateway.store import people
from gateway.store.consultation import Asked, Seen
from gateway.store.engine import Connection
from gateway.store.group_commit import Unit
from gateway.store.merges import history, records, root
from gateway.store.sealed import SealedStore
from gateway.store.tasks import Task, open_tasks, tasks_about
from gateway.store.times import moment

T = TypeVar("T")

_NOBODY: Final = "nobody known is meant by that"
_REF: Final = re.compile(r"per_[0-9a-f]{32}")


def show(config_file: Path, who: str, *, by: str, reason: str, as_json: bool) -> int:
    """Print what is held of a person: references, kinds, times; log first that it was read."""
    config = load_config(config_file)
    by, reason = checked(by, reason)
    sealed = sealed_store(config)

    def look(connection: Connection) -> Seen[JsonObject | None]:
        ref = named(connection, sealed, who)
        if ref is None:
            return Seen(result=None, shown=0)
        return Seen(result=_record(connection, ref), shown=1, person=root(connection, ref))

    asked = Asked(what="record", reader=by, why=(sealed, reason))
    found = consulted(config, asked, look)
    if found is None:
        raise Trouble(_NOBODY, NO)
    typer.echo(orjson.dumps(found).decode() if as_json else "\n".join(_lines(found)))
    return OK


def tasks(config_file: Path, who: str | None, *, by: str | None, as_json: bool) -> int:
    """Print the open tasks about who somebody is, everybody's or one person's; log it first."""
    config = load_config(config_file)
    sealed = sealed_store(config)

    def look(connection: Connection) -> Seen[list[Task] | None]:
        person = named(connection, sealed, who) if who is not None else None
        if who is not None and person is None:
            return Seen(result=None, shown=0)
        found = [one for one in open_tasks(connection, person) if one.kind != "disclosure"]
        return Seen(result=found, shown=len(found), person=person)

    found = consulted(config, Asked(what="tasks", reader=reader(by)), look)
    if found is None:
        raise Trouble(_NOBODY, NO)
    print_tasks(found, as_json=as_json)
    return OK


def link(config_file: Path, ref: str, pair: str, *, by: str, reason: str, as_json: bool) -> int:
    """Say that an identifier names a record."""
    kind, text = _pair(pair)
    record = _reference(ref)
    return _change(
        config_file, by, reason, lambda act: people.link(record, kind, text, act), as_json=as_json
    )


def unlink(config_file: Path, ref: str, pair: str, *, by: str, reason: str, as_json: bool) -> int:
    """Say that an identifier does not name a record."""
    kind, text = _pair(pair)
    record = _reference(ref)
    return _change(
        config_file, by, reason, lambda act: people.unlink(record, kind, text, act), as_json=as_json
    )


def merge(config_file: Path, one: str, other: str, *, by: str, reason: str, as_json: bool) -> int:
    """Merge the person of one record into the person of another."""
    survivor, absorbed = _reference(one), _reference(other)
    return _change(
        config_file, by, reason, lambda act: people.merge(survivor, absorbed, act), as_json=as_json
    )


def unmerge(config_file: Path, one: str, other: str, *, by: str, reason: str, as_json: bool) -> int:
    """Undo the newest merge that makes two records one person."""
    first, second = _reference(one), _reference(other)
    return _change(
        config_file, by, reason, lambda act: people.unmerge(first, second, act), as_json=as_json
    )


def print_tasks(found: Sequence[Task], *, as_json: bool) -> None:
    """Print tasks, one a line."""
    if as_json:
        typer.echo(orjson.dumps([task_json(one) for one in found]).decode())
        return
    for one in found:
        typer.echo(task_line(one))
    if not found:
        typer.echo("none")


def task_line(task: Task) -> str:
    """Return a task as one line: id, state, kind, references. No value is in a task to print."""
    parts = [task.id, task.state, task.kind, task.person, *_named_in(task)]
    return "  ".join(parts)


def task_json(task: Task) -> JsonObject:
    """Return a task as JSON."""
    return {
        "id": task.id,
        "kind": task.kind,
        "state": task.state,
        "person": task.person,
        "event": task.event,
        "recipient": task.recipient,
        "rule": task.rule,
        "body": task.body,
        "opened_at": _text(task.opened_at),
        "decided_at": _text(task.decided_at),
        "decided_by": task.decided_by,
        "carried_out": task.carried_out,
    }


def _named_in(task: Task) -> Iterator[str]:
    if task.recipient and task.rule:
        yield f"{task.recipient} by {task.rule}"
    for name, value in task.body.items():
        if isinstance(value, list) and value:
            yield f"{name}: " + ", ".join(str(one) for one in value)
        elif isinstance(value, str):
            yield f"{name}: {value}"


def _change(
    config_file: Path,
    by: str,
    reason: str,
    unit: Callable[[people.Act], Unit[EventRef]],
    *,
    as_json: bool,
) -> int:
    """Commit a change to the records and print the event that has a server look at it again."""
    config = load_config(config_file)
    by, reason = checked(by, reason)
    now = clock.now()
    act = people.Act(
        sealed=sealed_store(config),
        new_id=clock.new_id,
        by=by,
        reason=reason,
        now=now,
        today=clock.day(now),
    )
    try:
        event = commit(config, unit(act))
    except people.NotPossible as error:
        raise Trouble(str(error), NO) from None
    except ValueError as error:  # never quotes the value
        raise Trouble(str(error)) from None
    typer.echo(orjson.dumps({"event": event}).decode() if as_json else f"Done: {event}")
    return OK


def _record(connection: Connection, ref: PersonRef) -> JsonObject:
    """Return what is held of a person, without any fact: no key is used to make it."""
    own = records(connection, ref)
    marks = ", ".join("?" * len(own))
    events = connection.execute(
        "SELECT ref, kind, received_at, agency, state, person FROM event"  # noqa: S608 - marks
        f" WHERE person IN ({marks}) ORDER BY received_at, ref",
        own,
    )
    return {
        "person": own[0],
        "records": [
            {"record": one, "identifiers": dict(people.identifier_kinds(connection, one))}
            for one in own
        ],
        "merges": [
            {
                "survivor": one.survivor,
                "absorbed": one.absorbed,
                "merged_at": _text(one.merged_at),
                "event": one.event,
                "undone_at": _text(one.undone_at),
                "undone_by": one.undone_by,
            }
            for one in history(connection, own[0])
        ],
        "tasks": [task_json(one) for one in tasks_about(connection, own[0])],
        "events": [
            {
                "event": event,
                "kind": kind,
                "received_at": _text(moment(received)),
                "agency": agency,
                "state": state,
                "record": record,
            }
            for event, kind, received, agency, state, record in events
        ],
    }


def _lines(found: JsonObject) -> Iterator[str]:
    yield f"Person {found['person']}"
    for title, name in _SECTIONS.items():
        rows = found[name]
        yield f"\n{title}"
        if isinstance(rows, list) and rows:
            yield from (f"  {_line(row)}" for row in rows)
        else:
            yield "  none"


_SECTIONS: Final = {"Records": "records", "Merges": "merges", "Tasks": "tasks", "Events": "events"}


def _line(row: Json) -> str:
    """Return the members of a row that say something, side by side."""
    assert isinstance(row, dict)  # noqa: S101 - _record makes nothing else
    return "  ".join(_word(value) for value in row.values() if value not in (None, {}, [], False))


def _word(value: Json) -> str:
    if isinstance(value, dict):
        return " ".join(
            f"{name}={_word(one)}" for name, one in value.items() if one not in (None, {}, [])
        )
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def named(connection: Connection, sealed: SealedStore, who: str) -> PersonRef | None:
    """Return the record meant: a reference, KIND=VALUE, or an identifier whose form says its kind;
    None if nobody known is.

    Raises:
        Trouble: a value that its kind cannot have; the text does not quote it.
    """
    if _REF.fullmatch(who):
        if people.exists(connection, who):
            return PersonRef(who)
    else:
        today = clock.day(clock.now())
        for kind, text in _readings(who):
            with suppress(ValueError):
                found = people.find(connection, sealed, kind, text, today=today)
                if found is not None:
                    return found
    return None


def _readings(who: str) -> Iterator[tuple[str, str]]:
    if "=" in who:
        kind, text = _pair(who)
        try:
            canonical(kind, text, today=clock.day(clock.now()))
        except ValueError as error:
            raise Trouble(str(error)) from None
        yield kind, text
        return
    text = _typed(who)
    yield from ((kind, text) for kind in MATCHED)


def _pair(text: str) -> tuple[str, str]:
    """Return kind and value of KIND=VALUE; a value of - is read from standard input.

    Raises:
        Trouble: not of that form.
    """
    kind, separator, value = text.partition("=")
    if not separator or kind not in MATCHED or not value:
        raise Trouble(f"give KIND=VALUE, KIND one of {', '.join(MATCHED)}; VALUE - reads it")
    return kind, _typed(value)


def _typed(text: str) -> str:
    """Return the text, or the first line of standard input: out of the shell's history."""
    return sys.stdin.readline().strip() if text == "-" else text


def _reference(text: str) -> PersonRef:
    if not _REF.fullmatch(text):
        raise Trouble("give the record's reference, per_ and 32 hex digits; `person show` has it")
    return PersonRef(text)


def _text(at: datetime | None) -> str | None:
    return None if at is None else entry.timestamp(at)
