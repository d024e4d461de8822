"""Committing what was decided about one event: entries, facts and outbox rows together, once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from gateway.model.disclosure import AlertKept, Disclosure
from gateway.model.event import Event
from gateway.model.ids import AlertId, EventRef, PersonRef, TaskId
from gateway.store import alerts, duties, outbox, tasks
from gateway.store.engine import Connection
from gateway.store.group_commit import Proofs, Staged, Unit
from gateway.store.outbox import OutboxRow
from gateway.store.tasks import Task
from gateway.store.times import milliseconds

Verdict = Literal["committed", "already-decided", "person-changed", "directory-changed"]

_OPEN: Final = ("accepted", "held")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is now known of a person, sealed, and the version of theirs it was worked out from."""

    person: PersonRef
    version: int
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """An earlier event that a later one corrects, retracts or undoes, and its new state."""

    event: EventRef
    was: str
    becomes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step up the chain of an alert that nobody answered or that could not be delivered."""

    alert: AlertId
    rung: int  # the one it is on now
    answer_by: datetime | None  # when silence is acted on again; None: the chain has ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Everything one event led to, decided against one version of what is known of the person."""

    event: Event
    directory: str | None  # marker of the directory it was decided against
    person_version: int  # the version read; a newer one means: decide again
    facts: bytes | None  # the person's row as it now is, sealed; None: nothing new is known
    alerts: tuple[tuple[AlertKept, bytes], ...]  # what is kept of each, and sealed at rest
    disclosures: tuple[Disclosure, ...]
    refusals: tuple[bytes, ...]  # entries; alterations and warnings too
    now: datetime
    slot: int
    others: tuple[Facts, ...] = ()  # of persons a merge undone has parted
    moves: tuple[Move, ...] = ()
    withheld: tuple[tuple[AlertId, str], ...] = ()  # alerts that are not to leave any more, and why
    tasks: tuple[Task, ...] = ()  # what only a human may decide
    ends_holds: bool = False  # nothing else about the person waits any longer
    carries_out: TaskId | None = None  # an approved task this is the doing of; the event is old
    climbs: Rung | None = None  # an unanswered alert this follows from; the event is old


@dataclass(frozen=True, slots=True)
class Committed:
    """The verdict, and for each disclosure its leaf index and proof, in order."""

    verdict: Verdict
    proofs: Sequence[str] = ()


def commit(decided: Decided, *, directory: Callable[[], str | None]) -> Unit[Committed]:
    """Return the unit of work that makes a decision final.

    Args:
        decided: What to commit.
        directory: Returns the directory's marker as of the transaction: a recipient or key
            withdrawn meanwhile is not told.

    An event is decided once: a second decision of it changes nothing and says so.
    """

    def unit(connection: Connection) -> Staged[Committed]:
        if directory() != decided.directory:
            return Staged(Committed("directory-changed"))
        state, version = connection.execute(_STANDS, (decided.event.ref, decided.event.person)).get
        if not _still_open(connection, decided, state):
            return Staged(Committed("already-decided"))
        if version != decided.person_version or not _unchanged(connection, decided):
            return Staged(Committed("person-changed"))
        _settle(connection, decided)
        withheld = [
            one
            for alert, reason in decided.withheld
            for one in outbox.withhold(connection, alert, reason, decided.now)
        ]
        proofs: list[str] = []

        def finish(connection: Connection, first: int, prove: Proofs) -> None:
            proofs.extend(prove(first + i) for i in range(len(decided.disclosures)))
            connection.executemany(_INSERT, _rows(decided, first, proofs))
            connection.executemany(_INSERT_ALERT, _alerts(decided))

        entries = [disclosure.entry for disclosure in decided.disclosures]
        entries += [*decided.refusals, *withheld]
        return Staged(Committed("committed", proofs), entries, finish)

    return unit


_STANDS: Final = (
    "SELECT (SELECT state FROM event WHERE ref = ?), (SELECT version FROM person WHERE ref = ?)"
)
_UNANSWERED: Final = (
    "SELECT 1 FROM alert WHERE id = ? AND rung = ? AND answer_by IS NOT NULL AND recalled = 0"
)
_APPROVED: Final = "SELECT 1 FROM task WHERE id = ? AND state = 'approved' AND carried_out = 0"


def _still_open(connection: Connection, decided: Decided, state: str | None) -> bool:
    if decided.climbs is not None:
        climbs = decided.climbs
        return bool(connection.execute(_UNANSWERED, (climbs.alert, climbs.rung)).get)
    if decided.carries_out is not None:
        return bool(connection.execute(_APPROVED, (decided.carries_out,)).get)
    return state in _OPEN


def _unchanged(connection: Connection, decided: Decided) -> bool:
    """Return whether all else this was decided against is still as it was."""
    return all(
        connection.execute("SELECT version FROM person WHERE ref = ?", (one.person,)).get
        == one.version
        for one in decided.others
    ) and all(
        connection.execute("SELECT state FROM event WHERE ref = ?", (move.event,)).get == move.was
        for move in decided.moves
    )


def _settle(connection: Connection, decided: Decided) -> None:
    """Write what is now known, what became of the events, and what is asked of a human."""
    if decided.climbs is not None:
        _climb(connection, decided.climbs)
    elif decided.carries_out is None:
        _set_state(connection, decided.event.ref, "decided")
    else:
        _carried_out(connection, decided, decided.carries_out)
    if decided.facts is not None:
        _set_facts(connection, decided.event.person, decided.facts)
    for one in decided.others:
        _set_facts(connection, one.person, one.sealed)
    for move in decided.moves:
        _set_state(connection, move.event, move.becomes)
        if move.becomes != "decided":  # what could be decided of it cannot any more
            connection.execute(_LAPSE, (move.event,))
    if decided.ends_holds:
        connection.execute(_END_HOLDS, (decided.event.person,))
    alerts.supersede(connection, [kept for kept, _ in decided.alerts])
    for task in decided.tasks:
        tasks.open_task(connection, task, decided.now)
    for person in {decided.event.person, *(one.person for one in decided.others)}:
        duties.touch(connection, person, decided.now)


_LAPSE: Final = "UPDATE task SET state = 'lapsed' WHERE event = ? AND state = 'open'"
_END_HOLDS: Final = (
    "UPDATE event SET decide_at = 0 WHERE state = 'held'"
    " AND person IN (SELECT ref FROM person WHERE ref = ?1 OR merged_into = ?1)"
)


def _climb(connection: Connection, climbed: Rung) -> None:
    connection.execute(
        "UPDATE alert SET rung = rung + 1, answer_by = ? WHERE id = ?",
        (milliseconds(climbed.answer_by) if climbed.answer_by else None, climbed.alert),
    )


def _carried_out(connection: Connection, decided: Decided, task: TaskId) -> None:
    if decided.disclosures:
        tasks.mark_carried_out(connection, task)
    else:  # refused all the same: what was approved is not lawful any more
        connection.execute("UPDATE task SET state = 'lapsed' WHERE id = ?", (task,))


def _set_state(connection: Connection, event: EventRef, state: str) -> None:
    connection.execute("UPDATE event SET state = ? WHERE ref = ?", (state, event))


def _set_facts(connection: Connection, person: PersonRef, sealed: bytes) -> None:
    connection.execute(
        "UPDATE person SET facts = ?, version = version + 1 WHERE ref = ?", (sealed, person)
    )


_INSERT = (
    "INSERT INTO outbox (alert, endpoint, event, person, recipient, channel, form, message,"
    " supersedes, sealed, leaf_index, proof, urgent, exercise, step, digest, state, next_at,"
    " decided_at, key_id, slot)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_ALERT = (
    "INSERT INTO alert (id, event, person, recipient, message, supersedes, escalates, urgent,"
    " exercise, decided_at, answer_by, answer_within, slot, held)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def _rows(decided: Decided, first: int, proofs: Sequence[str]) -> list[tuple[object, ...]]:
    now = milliseconds(decided.now)
    kept = {alert.alert: alert for alert, _ in decided.alerts}
    begin = first_steps(decided.disclosures)
    return [
        (
            disclosure.alert,
            disclosure.endpoint,
            disclosure.event,
            disclosure.person,
            disclosure.recipient,
            disclosure.channel,
            disclosure.form,
            kept[disclosure.alert].message,
            kept[disclosure.alert].supersedes,
            disclosure.sealed,
            first + i,
            proofs[i],
            int(kept[disclosure.alert].urgent),
            int(disclosure.exercise),
            disclosure.step,
            int(disclosure.digest),
            "pending" if disclosure.step == begin[disclosure.alert] else "waiting",
            milliseconds(disclosure.not_before) if disclosure.not_before else now,
            now,
            disclosure.key_id,
            decided.slot,
        )
        for i, disclosure in enumerate(decided.disclosures)
    ]


def _alerts(decided: Decided) -> list[tuple[object, ...]]:
    return [
        (
            alert.alert,
            alert.event,
            alert.person,
            alert.recipient,
            alert.message,
            alert.supersedes,
            alert.escalates,
            int(alert.urgent),
            int(alert.exercise),
            milliseconds(decided.now),
            milliseconds(alert.acknowledge_by) if alert.acknowledge_by else None,
            alert.acknowledge_within // _MS if alert.acknowledge_within else None,
            decided.slot,
            held,
        )
        for alert, held in decided.alerts
    ]


_MS: Final = timedelta(milliseconds=1)


def first_steps(disclosures: Sequence[Disclosure]) -> dict[AlertId, int]:
    """Return the step each alert begins with: the lowest that any endpoint has. Pure."""
    found: dict[AlertId, int] = {}
    for one in disclosures:
        found[one.alert] = min(one.step, found.get(one.alert, one.step))
    return found


def hold(event: EventRef, until: datetime) -> Unit[None]:
    """Return the unit that keeps an event undecided until a time; the sweep brings it back."""

    def unit(connection: Connection) -> Staged[None]:
        connection.execute(
            "UPDATE event SET state = 'held', decide_at = ? WHERE ref = ? AND state = 'accepted'",
            (milliseconds(until), event),
        )
        return Staged(None)

    return unit


def quarantine(event: EventRef, entry: bytes, *, after: int) -> Unit[bool]:
    """Return the unit that counts a failed decision and, after so many, sets the event aside.

    Its result is whether the event is now quarantined; its bytes stay sealed for the DPO.
    """

    def unit(connection: Connection) -> Staged[bool]:
        connection.execute(
            "UPDATE event SET failures = failures + 1,"
            " state = CASE WHEN failures + 1 >= ? THEN 'quarantined' ELSE state END"
            " WHERE ref = ? AND state IN ('accepted', 'held')",
            (after, event),
        )
        row = connection.execute("SELECT state FROM event WHERE ref = ?", (event,)).fetchone()
        done = row is not None and row[0] == "quarantined"
        return Staged(done, [entry] if done else [])

    return unit


def rows_of(decided: Decided, committed: Committed) -> list[OutboxRow]:
    """Return the outbox rows a commit wrote that may leave now, as if read back. Pure."""
    kept = {alert.alert: alert for alert, _ in decided.alerts}
    begin = first_steps(decided.disclosures)
    return [
        _as_read(disclosure, kept[disclosure.alert], proof, decided)
        for disclosure, proof in zip(decided.disclosures, committed.proofs, strict=True)
        if disclosure.step == begin[disclosure.alert] and disclosure.not_before is None
    ]


def _as_read(disclosure: Disclosure, alert: AlertKept, proof: str, decided: Decided) -> OutboxRow:
    event = decided.event
    return OutboxRow(
        alert=disclosure.alert,
        endpoint=disclosure.endpoint,
        person=disclosure.person,
        channel=disclosure.channel,
        form=disclosure.form,
        sealed=disclosure.sealed,
        proof=proof,
        urgent=alert.urgent,
        exercise=disclosure.exercise,
        step=disclosure.step,
        digest=disclosure.digest,
        key_id=disclosure.key_id,
        attempts=0,
        outcome_unknown=False,
        decided_at=decided.now,
        next_at=decided.now,
        slot=decided.slot,
        came_of=(event.ref, event.received_at) if disclosure.event == event.ref else None,
        alone=decided.person_version == 0,
    )
