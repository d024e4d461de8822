"""The store as the path uses it: durable units of work in, rows out."""

from collections.abc import Callable, Container
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

from gateway.disclosure_log.checkpoint import Checkpoint, LogKey
from gateway.model.event import Event
from gateway.model.ids import AgencyName, EventRef, PersonRef
from gateway.model.person import Person
from gateway.model.posted import Posted
from gateway.model.problem import MalformedEvent
from gateway.shards import Shards, Tokens
from gateway.store import acceptance, epoch, history, own_secrets
from gateway.store.acceptance import Acceptance, Accepting
from gateway.store.engine import Connection
from gateway.store.group_commit import GroupCommit, LogKeys, Unit
from gateway.store.history import Past
from gateway.store.leases import OWNED, About, fenced
from gateway.store.log_tree import newest_checkpoint
from gateway.store.place import Place, SqlitePlace, placed
from gateway.store.sealed import Held, SealedStore, open_facts
from gateway.store.sqlite import StoreUnavailable
from gateway.store.times import milliseconds
from gateway.store.turns import turns
from keys.at_rest import KeyEncryptionKey
from keys.problem import KeyProblem
from keys.providers.problem import ProviderProblem

T = TypeVar("T")


class Store:
    """One worker's hold on the database: the writer, and a reader that never blocks it."""

    def __init__(self, place: Place, *, sealed: SealedStore, shards: Shards) -> None:
        self.place = place
        self.sealed = sealed
        self.shards = shards
        self._writer: GroupCommit | None = None
        self._fresh: set[PersonRef] = set()  # made here, not yet looked at: bounded by the queue
        self.reader: Connection = place.open_reader()

    @classmethod
    async def open(
        cls,
        where: Place | Path,
        *,
        key_encryption_key: KeyEncryptionKey,
        log_key: LogKey | LogKeys,
        on_fatal: Callable[[str], None],
        slot: int = 0,
        slots: int = 1,
        shards: Shards | None = None,
        published: Checkpoint | None = None,
    ) -> "Store":
        """Open the database for serving; an embedded one is checked whole first.

        `where` it is: a path is that of an embedded database. `shards` are what this process owns;
        if none are given, they are those of worker `slot` of `slots`.

        A log that cannot show the checkpoint that was `published` last is held back, for good and
        for every other worker and command: see `behind`.

        Raises:
            StoreUnavailable: missing, damaged, of another version or another key, or its log does
                not add up; high-water: what was published is of another log.
            KeyProblem: where the key-encryption key lives cannot or will not unwrap.
        """
        place = placed(where)
        writer = place.open_writer()
        if slot == 0:
            place.check(writer)
        sealed = own_secrets.open_or_found(writer, key_encryption_key)
        store = cls(place, sealed=sealed, shards=shards or Shards.of_worker(slot, slots))
        keys: LogKeys = (lambda: [log_key]) if isinstance(log_key, LogKey) else log_key
        if published is not None:
            with writer:
                if epoch.is_behind(writer, published, name=keys()[-1].origin):
                    epoch.mark_behind(writer, published)
        try:
            file = place.path if isinstance(place, SqlitePlace) else None
            turn = turns(file, writer, workers=slots)
            store._writer = GroupCommit(writer, keys, on_fatal=on_fatal, turn=turn)
        except KeyProblem as error:
            if error.code != "log-key":
                raise
            raise StoreUnavailable("wrong-log-key", str(error)) from error
        return store

    async def commit(self, unit: Unit[T]) -> T:
        """Run a unit of work and return its result once durable.

        Cancellation: the unit may commit all the same; repeat with the same ids to learn.
        """
        assert self._writer is not None  # noqa: S101 - open() is the only maker outside tests
        return await self._writer.submit(unit)

    async def commit_owned(self, unit: Unit[T], about: About, under: Tokens) -> T:
        """Commit what decides, records or carries out, as long as what it is about is owned.

        Args:
            unit: What to do.
            about: Finds the shards it is about, in its own transaction.
            under: The tokens held when the work on it began.

        Raises:
            LeaseLost: nothing was done: another process owns one of them, or did in between.
        """
        return await self.commit(fenced(unit, under, about))

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
            slot_for=self.shards.slot_for,
            organisation_class=organisation_class,
        )
        try:
            accepted = await self.commit(acceptance.accept(posted, context))
        except acceptance.EventIdReused:
            return await self.commit(acceptance.reused_event_id(posted, context))
        self._fresh.update(accepted.made)
        return accepted

    def held(self, ref: PersonRef) -> Held:
        """Return what is held under one record."""
        row = self.reader.execute(_HELD, (ref,)).get
        return self._held(*row)

    def held_for(self, event: Event) -> Held:
        """Return what is held of the person an event is about: records may have merged or parted
        since it was accepted.

        A person this worker has just made is known to be version 0 without asking; should another
        worker have been quicker, the commit's version check finds it, and the next look reads.
        """
        key = self.sealed.known_key(event.person)
        if key is not None and event.person in self._fresh:
            self._fresh.discard(event.person)
            return Held(person=Person(ref=event.person), version=0, key=key)
        row = self.reader.execute(_HELD_ALONE, (event.person,)).fetchone()
        return self._held(*(row or self.reader.execute(_HELD_FOR, (event.ref,)).get))

    def _held(self, ref: str, wrapped: bytes, facts: bytes | None, version: int) -> Held:
        person = PersonRef(ref)
        key = self.sealed.data_key(person, wrapped)
        return Held(person=open_facts(key, person, facts), version=version, key=key)

    @property
    def behind(self) -> Checkpoint | None:
        """The checkpoint that was published and that this log cannot show; None: it is whole.

        While it is not None every commit fails with StoreUnavailable ``log-behind``, but for what
        looks at the log and acknowledges the gap.
        """
        return epoch.behind_of(self.reader)

    @property
    def refused(self) -> str | None:
        """Why the store took nothing when it was last asked, lately; None: it takes work."""
        return self._writer.refused if self._writer else None

    def signers(self) -> tuple[LogKey, ...]:
        """The keys that this worker's newest transaction was signed with, under their origin."""
        return self._writer.signers if self._writer else ()

    @property
    def directory_marker(self) -> str | None:
        """A mark that changes with the directory, as of this worker's newest transaction."""
        return self._writer.directory_marker if self._writer else None

    def undecided(
        self, *, limit: int, now: datetime | None = None, known: Container[EventRef] = ()
    ) -> tuple[list[Event], list[tuple[EventRef, AgencyName]]]:
        """Return the events of its own shards that await a decision, oldest first; and, apart,
        those that do not open any more, which nobody can decide. Where keys cannot be used now,
        fewer.

        Args:
            limit: At most so many are looked at.
            now: Events whose hold has ended by then are among them; None: none that is held.
            known: Events the caller has already; they are left out, unopened.
        """
        bindings = {"owned": self.shards.mask, "limit": limit}
        refs = [ref for (ref,) in self.reader.execute(_ACCEPTED, bindings)]
        if now is not None:
            due = self.reader.execute(_HOLD_ENDED, {"now": milliseconds(now), **bindings})
            refs += [ref for (ref,) in due]
        found: list[Event] = []
        unopened: list[tuple[EventRef, AgencyName]] = []
        for ref in refs:
            if ref in known:
                continue
            try:
                past = self.past(ref)
            except ProviderProblem:  # no fault of the event's, nor of those behind it
                break
            except (KeyProblem, MalformedEvent):
                agency = self.reader.execute("SELECT agency FROM event WHERE ref = ?", (ref,)).get
                unopened.append((EventRef(ref), AgencyName(agency)))
            else:
                found += [past.event] if past else []
        return found, unopened

    def history(self, person: PersonRef) -> list[Past]:
        """Return every event of a person with its state, in the order received, but for those set
        aside: those of their own record and of the records merged into it now.

        Raises:
            KeyProblem, MalformedEvent: one of them does not open.
        """
        return history.past_of(self.reader, self.sealed, person)

    def past(self, ref: EventRef) -> Past | None:
        """Return one event with its state, or None if there is none of that reference.

        Raises:
            KeyProblem, MalformedEvent: it does not open.
        """
        return history.past(self.reader, self.sealed, ref)

    def latest_checkpoint(self) -> str | None:
        """Return the newest signed checkpoint, or None before the first entry."""
        newest = newest_checkpoint(self.reader)
        return newest[1] if newest else None

    async def close(self) -> None:
        """Commit what is queued and close both connections.

        The writer last: only it can fold the write-ahead log back into one file.
        """
        self.reader.close()
        if self._writer is not None:
            await self._writer.close()


# The record an event came under has the key it is sealed under; the root it is merged into, if
# any, is the person.
_COLUMNS = "SELECT root.ref, root.wrapped_key, root.facts, root.version "
_HELD = _COLUMNS + "FROM person AS root WHERE root.ref = ?"
_HELD_ALONE = (  # of one who was never merged with another: the record is the person
    _HELD + " AND merged_into IS NULL"  # noqa: S608 - constants
    " AND NOT EXISTS (SELECT 1 FROM person_merge WHERE survivor = root.ref)"
)
# Cross joins keep this order: SQLite takes no index for the last join if it goes first.
_HELD_FOR = _COLUMNS + (
    "FROM event CROSS JOIN person AS own ON own.ref = event.person"
    " CROSS JOIN person AS root ON root.ref = COALESCE(own.merged_into, own.ref)"
    " WHERE event.ref = ?"
)
_ACCEPTED = (
    "SELECT ref FROM event WHERE state = 'accepted'"  # noqa: S608 - constants
    f" AND {OWNED} ORDER BY received_at, ref LIMIT :limit"
)
_HOLD_ENDED = (
    "SELECT ref FROM event WHERE state = 'held' AND decide_at <= :now"  # noqa: S608 - constants
    f" AND {OWNED} ORDER BY decide_at, ref LIMIT :limit"
)
