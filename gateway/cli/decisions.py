"""`decisions`: what waits for a human to decide, and deciding it: one log entry each, the decider's
words sealed."""

from pathlib import Path

import orjson
import typer

from gateway import clock
from gateway.adoption import law_in_force
from gateway.cli.beside import checked, commit, consulted, log_reading, opened, reader
from gateway.cli.exits import NO, OK, Trouble
from gateway.cli.person import print_tasks, task_json, task_line
from gateway.config import load_config
from gateway.decide import decide_for
from gateway.directory import Directory
from gateway.instance import sealed_store
from gateway.known import for_event, replay
from gateway.law import Law
from gateway.model.decision import Proposal
from gateway.model.ids import EventRef, PersonRef, RecipientId, RuleId, TaskId
from gateway.model.party import Recipient
from gateway.store import history, tasks
from gateway.store.all_events import events_of
from gateway.store.consultation import Asked, Seen
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from gateway.store.merges import root
from gateway.store.sealed import SealedStore
from gateway.telling import question


def listed(config_file: Path, *, by: str | None, as_json: bool) -> int:
    """Print the open tasks, oldest first; they name persons, so it is logged."""

    def look(connection: Connection) -> Seen[list[tasks.Task]]:
        found = tasks.open_tasks(connection)
        return Seen(result=found, shown=len(found))

    asked = Asked(what="tasks", reader=reader(by))
    found = consulted(load_config(config_file), asked, look)
    print_tasks(found, as_json=as_json)
    return OK


def show(config_file: Path, id_: str, *, by: str | None, as_json: bool) -> int:
    """Print one task, once the log has the reading; to somebody who says who they are, also the
    reason its decider gave.

    Raises:
        Trouble: no task has that id.
    """
    config = load_config(config_file)
    sealed = sealed_store(config) if by is not None else None

    def look(connection: Connection) -> Seen[tuple[tasks.Task | None, str | None]]:
        task = tasks.task_by_id(connection, id_)
        if task is None:
            return Seen(result=(None, None), shown=0)
        reason = tasks.reason_of(connection, sealed, task.id) if sealed else None
        return Seen(result=(task, reason), shown=1, person=task.person)

    asked = Asked(what="decision" if by else "task", reader=reader(by))
    task, reason = consulted(config, asked, look)
    if task is None:
        raise Trouble("no task has that id", NO)
    if as_json:
        typer.echo(orjson.dumps(task_json(task) | {"reason": reason}).decode())
        return OK
    typer.echo(task_line(task))
    if task.decided_by:
        typer.echo(f"decided by {task.decided_by}")
    if reason:
        typer.echo(f"because: {reason}")
    return OK


def request(
    config_file: Path,
    event: str,
    recipient: str,
    rule: str,
    *,
    by: str,
    reason: str,
    as_json: bool,
) -> int:
    """Ask for a decision that a rule leaves to a human and nobody was asked about.

    Reading the person's record is logged before it is done.

    Raises:
        Trouble: no such event or recipient, or no such rule waits for a decision about them.
    """
    config = load_config(config_file)
    by, reason = checked(by, reason)
    sealed = sealed_store(config)
    with opened(config) as connection:
        law = law_in_force(config, connection).law
        directory = Directory(connection, law.catalogues)
        to = directory.recipients.get(RecipientId(recipient))
        row = connection.execute("SELECT person FROM event WHERE ref = ?", (event,)).fetchone()
        if to is None or row is None:
            raise Trouble("no recipient has that id" if row else "no event has that reference", NO)
        person = root(connection, PersonRef(row[0]))
        log_reading(config, person, what="record", reader=by, why=(sealed, reason))
        found = _proposed(connection, sealed, law, directory, person, EventRef(event), to)
    asked = [one for one in found if one.rule == rule]
    if not asked:
        others = ", ".join(sorted({one.rule for one in found})) or "none"
        raise Trouble(f"no such rule waits for a decision about this; those that do: {others}", NO)
    task = tasks.Task(
        id=TaskId(clock.new_id("tsk")),
        kind=tasks.DISCLOSURE,
        person=person,
        event=EventRef(event),
        recipient=to.id,
        rule=RuleId(rule),
        body=question(asked),
    )
    new = commit(config, lambda connection: Staged(tasks.open_task(connection, task, clock.now())))
    if not new:
        raise Trouble("that was asked before; see `throughgate decisions list`", NO)
    typer.echo(orjson.dumps(task_json(task)).decode() if as_json else task_line(task))
    return OK


def _proposed(
    connection: Connection,
    sealed: SealedStore,
    law: Law,
    directory: Directory,
    person: PersonRef,
    event: EventRef,
    to: Recipient,
) -> tuple[Proposal, ...]:
    """Return what a human could decide about one event and recipient, as things stand."""
    events = events_of(connection, sealed, person)
    about = next((one for one in events if one.ref == event), None)
    if about is None:
        raise Trouble("that event no longer stands", NO)
    known = for_event(replay(person, events), about)
    alerts = history.standing(history.alerts_about(connection, person))
    told = {alert.recipient for alert in alerts}
    return decide_for(
        to,
        known,
        event=event,
        kind=about.kind,
        agency=about.agency,
        candidates=directory.candidates,
        rulebook=law.rulebook,
        classes=directory.classes,
        today=clock.day(clock.now()),
        told_before=to.id in told,
    ).proposals


def decide(
    config_file: Path, id_: str, decision: tasks.Decision, *, by: str, reason: str, as_json: bool
) -> int:
    """Approve or decline an open task.

    Raises:
        Trouble: no task has that id, or it is no longer open.
    """
    config = load_config(config_file)
    by, reason = checked(by, reason)
    sealed = sealed_store(config)
    unit = tasks.decide(sealed, TaskId(id_), decision, by=by, reason=reason, now=clock.now())
    try:
        task = commit(config, unit)
    except tasks.NoSuchTask as error:
        raise Trouble(str(error), NO) from None
    typer.echo(orjson.dumps(task_json(task)).decode() if as_json else task_line(task))
    return OK
