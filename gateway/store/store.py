"""The store as the path uses it: durable units of work in, rows out."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

import apsw

from gateway.disclosure_log.checkpoint import LogKey
from gateway.model.event import Event, parse_cloudevent
from gateway.model.ids import AgencyName, EventRef, PersonRef
from gateway.model.person import Person
from gateway.model.posted import Posted
from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import read_json
from gateway.store import acceptance, sqlite
from gateway.store.acceptance import Acceptance, Accepting, event_context
from gateway.store.group_commit import GroupCommit, Unit
from gateway.store.sealed import Held, SealedStore, open_facts
from gateway.store.sqlite import StoreUnavailable
from gateway.store.times import moment
from keys.at_rest import KeyEncryptionKey
from keys.problem import KeyProblem

T = TypeVar("T")


class Store:
    """One worker's hold on the database: the writer, and a reader that never blocks it."""

    def __init__(self, path: Path, *, sealed: SealedStore, slot: int, slots: int) -> None:
        self.path = path
        self.sealed = sealed
        self.slot = slot
        self.slots = slots
        self._writer: GroupCommit | None = None
        self._fresh: set[PersonRef] = set()  # made here, not yet looked at: bounded by the queue
        self.reader: apsw.Connection = sqlite.open_reader(path)

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        key_encryption_key: KeyEncryptionKey,
        log_key: LogKey,
        on_fatal: Callable[[str], None],
        slot: int = 0,
        slots: int = 1,
    ) -> "Store":
        """Open the database for serving; checks the whole file first.

        Raises:
            StoreUnavailable: missing, damaged, of another version or another key, or its log does
                not add up.
        """
        writer = sqlite.open_writer(path)
        if slot == 0:
            sqlite.quick_check(writer)
        store = cls(path, sealed=SealedStore(key_encryption_key), slot=slot, slots=slots)
        _hold_to_one_key(writer, store.sealed)
        store._writer = GroupCommit(writer, log_key, on_fatal=on_fatal)
        return store

    async def commit(self, unit: Unit[T]) -> T:
        """Run a unit of work and return its result once durable.

        Cancellation: the unit may commit all the same; repeat with the same ids to learn.
        """
        assert self._writer is not None  # noqa: S101 - open() is the only maker outside tests
        return await self._writer.submit(unit)

    async def accept(
        self,
        posted: Posted,
        *,
        now: datetime,
        today: date,
        organisation_class: str,
        new_id: Callable[[str], str],
    ) -> Acceptance:
        """Make a request durable, once (P1-P3). Returns only after fsync."""
        context = Accepting(
            sealed=self.sealed,
            new_id=new_id,
            now=now,
            today=today,
            slot=self.slot,
            organisation_class=organisation_class,
        )
        try:
            accepted = await self.commit(acceptance.accept(posted, context))
        except acceptance.EventIdReused:
            return await self.commit(acceptance.reused_event_id(posted, context))
        self._fresh.update(accepted.made)
        return accepted

    def held(self, ref: PersonRef) -> Held:
        """Return what is held of a person.

        A person this worker has just made is known to be version 0 without asking; should another
        worker have been quicker, the commit's version check finds it, and the next look reads.
        """
        key = self.sealed.known_key(ref)
        if key is not None and ref in self._fresh:
            self._fresh.discard(ref)
            return Held(person=Person(ref=ref), version=0, key=key)
        wrapped, facts, version = self.reader.execute(
            "SELECT wrapped_key, facts, version FROM person WHERE ref = ?", (ref,)
        ).get
        key = self.sealed.data_key(ref, wrapped)
        return Held(person=open_facts(key, ref, facts), version=version, key=key)

    @property
    def directory_marker(self) -> str | None:
        """A mark that changes with the directory, as of this worker's newest transaction."""
        return self._writer.directory_marker if self._writer else None

    def undecided(self, *, limit: int) -> tuple[list[Event], list[tuple[EventRef, AgencyName]]]:
        """Return this worker's accepted events that await a decision, oldest first; and, apart,
        those that do not open any more, which nobody can decide."""
        rows = self.reader.execute(
            "SELECT event.ref, agency, person, kind, received_at, sealed, wrapped_key FROM event"
            " JOIN person ON person.ref = event.person WHERE state = 'accepted' AND slot % ? = ?"
            " ORDER BY received_at, event.ref LIMIT ?",
            (self.slots, self.slot, limit),
        ).fetchall()
        found: list[Event] = []
        unopened: list[tuple[EventRef, AgencyName]] = []
        for row in rows:
            try:
                found.append(self._event(row))
            except (KeyProblem, MalformedEvent):
                unopened.append((EventRef(str(row[0])), AgencyName(str(row[1]))))
        return found, unopened

    def latest_checkpoint(self) -> str | None:
        """Return the newest signed checkpoint, or None before the first entry."""
        row = self.reader.execute(
            "SELECT note FROM log_checkpoint ORDER BY size DESC LIMIT 1"
        ).fetchone()
        return row[0] if row else None

    async def close(self) -> None:
        """Commit what is queued and close both connections.

        The writer last: only it can fold the write-ahead log back into one file.
        """
        self.reader.close()
        if self._writer is not None:
            await self._writer.close()

    def _event(self, row: tuple[Any, ...]) -> Event:
        ref, agency, person, kind, received_at, sealed, wrapped = row
        key = self.sealed.data_key(PersonRef(person), wrapped)
        canonical = parse_cloudevent(read_json(key.open(sealed, event_context(EventRef(ref)))))
        received = moment(received_at)
        return Event(
            ref=EventRef(ref),
            agency=AgencyName(agency),
            person=PersonRef(person),
            kind=kind,
            occurred_at=canonical.occurred_at or received,
            received_at=received,
            groups=canonical.groups,
        )


def _hold_to_one_key(writer: apsw.Connection, sealed: SealedStore) -> None:
    """Refuse another key-encryption key than the first: what it wrote would match nothing here."""
    mark = sealed.mac("key-check").hex()
    writer.execute("INSERT OR IGNORE INTO setting (name, value) VALUES ('key-check', ?)", (mark,))
    if writer.execute("SELECT value FROM setting WHERE name = 'key-check'").get != mark:
        raise StoreUnavailable("wrong-key", "this database is sealed under another key")
