"""Tasks: what only a human may decide, and what they decided.

A body names members and references, never a value; a decider's reason is sealed under the
person's key and the log never sees it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import orjson

from gateway.disclosure_log import entry
from gateway.model.ids import EventRef, PersonRef, RecipientId, RuleId, TaskId
from gateway.model.strict_json import JsonObject
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.sealed import SealedStore, birth_mac, event_context
from gateway.store.times import milliseconds, moment

DISCLOSURE: Final = "disclosure"
State = Literal["open", "approved", "declined", "lapsed"]
Decision = Literal["approved", "declined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One question to a human. What the store fills in may be left out when opening one."""

    id: TaskId
    kind: str  # "disclosure", or what is doubtful about an identity
    person: PersonRef
    event: EventRef | None = None  # that raised the question
    recipient: RecipientId | None = None
    rule: RuleId | None = None
    body: JsonObject = field(default_factory=dict)
    opened_at: datetime | None = None
    state: State = "open"
    decided_at: datetime | None = None
    decided_by: str | None = None  # a role or staff id
    carried_out: bool = False


class NoSuchTask(Exception):
    """There is no task of that id, or it is no longer open. The text says which."""


def open_task(connection: Connection, task: Task, now: datetime) -> bool:
    """Open a task unless the same question was asked before, whatever the answer was.

    A disclosure is one question per event, recipient and rule; a doubt about an identity is one
    per person and body, however many events raise it. Returns whether it is new.
    """
    body = orjson.dumps(task.body, option=orjson.OPT_SORT_KEYS).decode()
    same = (
        (task.kind, task.person, task.event, task.recipient, task.rule)
        if task.kind == DISCLOSURE
        else (task.kind, task.person, body)
    )
    where = _SAME_DISCLOSURE if task.kind == DISCLOSURE else _SAME_DOUBT
    if connection.execute(f"SELECT 1 FROM task WHERE {where}", same).get:  # noqa: S608 - constants
        return False
    connection.execute(
        "INSERT INTO task (id, kind, person, event, recipient, rule, body, opened_at, state)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open')",
        (task.id, task.kind, task.person, task.event, task.recipient, task.rule, body,
         milliseconds(now)),
    )  # fmt: skip
    return True


_SAME_DISCLOSURE: Final = (
    "kind = ? AND person = ? AND event IS NOT DISTINCT FROM ?"
    " AND recipient IS NOT DISTINCT FROM ? AND rule IS NOT DISTINCT FROM ?"
)
_SAME_DOUBT: Final = "kind = ? AND person = ? AND body = ?"


def task_by_id(connection: Connection, id_: str) -> Task | None:
    """Return one task. Reads only."""
    found = _select(connection, "id = ?", (id_,))
    return found[0] if found else None


def open_tasks(connection: Connection, person: PersonRef | None = None) -> list[Task]:
    """Return the open tasks, oldest first: everyone's, or one person's (all records of theirs).

    Reads only.
    """
    if person is None:
        return _select(connection, "state = 'open'", ())
    return _select(connection, f"state = 'open' AND {_OF_PERSON}", (person, person, person))


def tasks_about(connection: Connection, person: PersonRef) -> list[Task]:
    """Return every task about a person, decided ones too, oldest first. Reads only."""
    return _select(connection, _OF_PERSON, (person, person, person))


def approved_disclosures(connection: Connection) -> list[Task]:
    """Return the disclosures a human approved that are still to be made, oldest first.

    Reads only.
    """
    where = "kind = 'disclosure' AND state = 'approved' AND carried_out = 0"
    return _select(connection, where, ())


def mark_carried_out(connection: Connection, id_: TaskId) -> None:
    """Note, in the transaction that makes it, that an approved disclosure was made."""
    connection.execute("UPDATE task SET carried_out = 1 WHERE id = ?", (id_,))


def decide(
    sealed: SealedStore,
    id_: TaskId,
    decision: Decision,
    *,
    by: str,
    reason: str,
    now: datetime,
) -> Unit[Task]:
    """Return the unit that decides an open task; its result is the task as it now stands.

    Approving a doubtful date of birth makes the one the event stated the known one; other doubts
    are settled by linking or merging, and approving or declining records that they are.

    Args:
        sealed: To seal the reason under the person's key.
        id_: The task.
        decision: What was decided.
        by: Role or staff id of the decider; it enters the log.
        reason: The decider's words; never logged.
        now: When.

    Raises (from the unit):
        NoSuchTask: unknown, or already decided.
    """

    def unit(connection: Connection) -> Staged[Task]:
        task = task_by_id(connection, id_)
        if task is None:
            raise NoSuchTask("no task has that id")
        if task.state != "open":
            raise NoSuchTask(f"that task is {task.state}, no longer open")
        key = sealed.key_of(connection, task.person)
        connection.execute(
            "UPDATE task SET state = ?, decided_at = ?, decided_by = ?, reason = ? WHERE id = ?",
            (decision, milliseconds(now), by, key.seal(reason.encode(), _context(id_)), id_),
        )
        if decision == "approved" and task.kind == "date-of-birth-conflict" and task.event:
            _take_birth(connection, sealed, task.event)
        logged = entry.decision(
            at=now,
            task=task.id,
            person=task.person,
            event=task.event,
            recipient=task.recipient,
            rule=task.rule,
            outcome=decision,
            decider=by,
        )
        decided = task_by_id(connection, id_)
        assert decided is not None  # noqa: S101 - updated in this transaction
        return Staged(decided, [logged.encode()])

    return unit


def _take_birth(connection: Connection, sealed: SealedStore, event: EventRef) -> None:
    """Make the date of birth an event states the known one of its record."""
    record, wrapped, content = connection.execute(
        "SELECT person.ref, wrapped_key, event.sealed FROM event"
        " JOIN person ON person.ref = event.person WHERE event.ref = ?",
        (event,),
    ).get
    stated = orjson.loads(sealed.data_key(record, wrapped).open(content, event_context(event)))
    born = stated["data"]["identity"]["date_of_birth"]
    connection.execute(
        "UPDATE person SET born = ? WHERE ref = ?", (birth_mac(sealed, born), record)
    )


def reason_of(connection: Connection, sealed: SealedStore, id_: TaskId) -> str | None:
    """Return the reason a decider gave, opened; None while nothing is decided.

    Raises:
        KeyProblem: it was altered, or the person was erased.
    """
    row = connection.execute(
        "SELECT task.person, person.wrapped_key, task.reason FROM task"
        " JOIN person ON person.ref = task.person WHERE task.id = ?",
        (id_,),
    ).fetchone()
    if row is None or row[2] is None:
        return None
    key = sealed.data_key(PersonRef(row[0]), row[1])
    return key.open(row[2], _context(id_)).decode()


# Of the person's own record, of the one it was merged into, and of those merged into that.
_OF_PERSON: Final = (
    "person IN (SELECT ref FROM person WHERE ref = ?"
    " OR ref = (SELECT merged_into FROM person WHERE ref = ?)"
    " OR merged_into = (SELECT COALESCE(merged_into, ref) FROM person WHERE ref = ?))"
)


def _select(connection: Connection, where: str, bindings: tuple[str, ...]) -> list[Task]:
    rows = connection.execute(
        "SELECT id, kind, person, event, recipient, rule, body, opened_at, state, decided_at,"  # noqa: S608 - constants
        f" decided_by, carried_out FROM task WHERE {where} ORDER BY opened_at, id",
        bindings,
    )
    return [_task(row) for row in rows]


def _task(row: tuple[Any, ...]) -> Task:
    id_, kind, person, event, recipient, rule, body, opened, state, decided, by, done = row
    return Task(
        id=id_,
        kind=kind,
        person=person,
        event=event,
        recipient=recipient,
        rule=rule,
        body=orjson.loads(body),
        opened_at=moment(opened),
        state=state,
        decided_at=None if decided is None else moment(decided),
        decided_by=by,
        carried_out=bool(done),
    )


def _context(id_: str) -> bytes:
    return b"task-reason:" + id_.encode()
