"""Committing what was decided about one event: entries, facts and outbox rows together, once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import apsw

from gateway.model.disclosure import Disclosure
from gateway.model.event import Event
from gateway.model.ids import EventRef
from gateway.store.group_commit import Proofs, Staged, Unit
from gateway.store.outbox import OutboxRow
from gateway.store.times import milliseconds

Verdict = Literal["committed", "already-decided", "person-changed", "directory-changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Everything one event led to, decided against one version of what is known of the person."""

    event: Event
    directory: str | None  # marker of the directory it was decided against
    person_version: int  # the version read; a newer one means: decide again
    facts: bytes  # the person's row as it now is, sealed
    disclosures: tuple[Disclosure, ...]
    held: tuple[bytes | None, ...]  # per disclosure: the view sealed at rest, for a notice
    refusals: tuple[bytes, ...]  # entries
    now: datetime
    slot: int


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

    def unit(connection: apsw.Connection) -> Staged[Committed]:
        if directory() != decided.directory:
            return Staged(Committed("directory-changed"))
        connection.execute(
            "UPDATE event SET state = 'decided' WHERE ref = ? AND state = 'accepted'",
            (decided.event.ref,),
        )
        if connection.changes() != 1:
            return Staged(Committed("already-decided"))
        connection.execute(
            "UPDATE person SET facts = ?, version = version + 1 WHERE ref = ? AND version = ?",
            (decided.facts, decided.event.person, decided.person_version),
        )
        if connection.changes() != 1:
            connection.execute(
                "UPDATE event SET state = 'accepted' WHERE ref = ?", (decided.event.ref,)
            )
            return Staged(Committed("person-changed"))
        proofs: list[str] = []

        def finish(connection: apsw.Connection, first: int, prove: Proofs) -> None:
            proofs.extend(prove(first + i) for i in range(len(decided.disclosures)))
            connection.executemany(_INSERT, _rows(decided, first, proofs))

        entries = [disclosure.entry for disclosure in decided.disclosures]
        return Staged(Committed("committed", proofs), [*entries, *decided.refusals], finish)

    return unit


_INSERT = (
    "INSERT INTO outbox (alert, endpoint, event, person, recipient, channel, form, sealed, held,"
    " leaf_index, proof, urgent, state, next_at, decided_at, acknowledge_by, slot)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?)"
)


def _rows(decided: Decided, first: int, proofs: Sequence[str]) -> list[tuple[object, ...]]:
    now = milliseconds(decided.now)
    return [
        (
            disclosure.alert,
            disclosure.endpoint,
            disclosure.event,
            disclosure.person,
            disclosure.recipient,
            disclosure.channel,
            disclosure.form,
            disclosure.sealed,
            decided.held[i],
            first + i,
            proofs[i],
            int(disclosure.urgent),
            now,
            now,
            milliseconds(disclosure.acknowledge_by) if disclosure.acknowledge_by else None,
            decided.slot,
        )
        for i, disclosure in enumerate(decided.disclosures)
    ]


def quarantine(event: EventRef, entry: bytes, *, after: int) -> Unit[bool]:
    """Return the unit that counts a failed decision and, after so many, sets the event aside.

    Its result is whether the event is now quarantined; its bytes stay sealed for the DPO.
    """

    def unit(connection: apsw.Connection) -> Staged[bool]:
        connection.execute(
            "UPDATE event SET failures = failures + 1,"
            " state = CASE WHEN failures + 1 >= ? THEN 'quarantined' ELSE state END"
            " WHERE ref = ? AND state = 'accepted'",
            (after, event),
        )
        row = connection.execute("SELECT state FROM event WHERE ref = ?", (event,)).fetchone()
        done = row is not None and row[0] == "quarantined"
        return Staged(done, [entry] if done else [])

    return unit


def rows_of(decided: Decided, committed: Committed) -> list[OutboxRow]:
    """Return the outbox rows a commit wrote, as if read back. Pure."""
    return [
        _as_read(disclosure, proof, decided.now)
        for disclosure, proof in zip(decided.disclosures, committed.proofs, strict=True)
    ]


def _as_read(disclosure: Disclosure, proof: str, now: datetime) -> OutboxRow:
    return OutboxRow(
        alert=disclosure.alert,
        endpoint=disclosure.endpoint,
        person=disclosure.person,
        channel=disclosure.channel,
        form=disclosure.form,
        sealed=disclosure.sealed,
        proof=proof,
        urgent=disclosure.urgent,
        attempts=0,
        outcome_unknown=False,
        decided_at=now,
        next_at=now,
    )
