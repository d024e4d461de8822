"""Recognising whom an accepted event is about, in the accepting transaction.

Identifiers are looked up by keyed digest, dates of birth and names compared by digest: nothing of
a person is opened here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from gateway.disclosure_log import entry
from gateway.model.event import CanonicalEvent, Event
from gateway.model.identifiers import is_placeholder
from gateway.model.ids import AgencyName, EventRef, PersonRef, TaskId
from gateway.people import (
    SUPERSEDED,
    Doubt,
    Known,
    Resolution,
    family_name,
    matching_identifiers,
    resolve,
    unmatched_nhs_number,
)
from gateway.store.engine import Connection
from gateway.store.merges import join, part, parted_by_a_person, root
from gateway.store.own_events import insert_own
from gateway.store.sealed import (
    Digests,
    ExerciseDigests,
    SealedStore,
    birth_mac,
    identifier_mac,
)
from gateway.store.tasks import Task, open_task

NewId = Callable[[str], str]  # prefix -> a fresh prefixed UUIDv7

# Doubts the log tells of: something an agency stated was not acted on.
_SECURITY = frozenset({"identifiers-conflict", "date-of-birth-conflict"})
_ALIKE = 10  # of so many similar records a task names the references
_SIMILAR = (
    "SELECT DISTINCT coalesce(merged_into, ref) AS root FROM person_likeness"
    " JOIN person ON person.ref = person_likeness.person"
    " WHERE mac = ? AND coalesce(merged_into, ref) <> ? LIMIT ?"
)


class CorrectsUnknown(Exception):
    """An event corrects or retracts one its source never sent: nothing of the request is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepting:
    """What accepting needs besides the request."""

    sealed: SealedStore
    new_id: NewId
    now: datetime
    today: date  # in Europe/London
    slot_for: Callable[[PersonRef], int]  # of what is to be decided about a person
    organisation_class: str


@dataclass(slots=True)
class Gathered:
    """What storing the events of one request adds up to."""

    entries: list[bytes] = field(default_factory=list)
    made: list[PersonRef] = field(default_factory=list)
    own: list[Event] = field(default_factory=list)  # stated by the gateway because of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """Whom one event is about, and which earlier event it revises, if it does."""

    record: PersonRef  # as the identifiers name it: the event is sealed under its key
    person: PersonRef  # the root it belongs to
    corrects: EventRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognising:
    """One event on its way in."""

    connection: Connection
    canonical: CanonicalEvent
    agency: AgencyName
    ref: EventRef
    accepting: Accepting
    gathered: Gathered

    def recognise(self) -> Recognised:
        """Find or make the record an event is about; link, merge and part what its sender may say
        belongs together or does not; log it; and open a task for whatever is doubtful.

        Raises:
            CorrectsUnknown: it revises an event its source never sent.
        """
        matches, macs = self._matches()
        born = self._born()
        if self.canonical.corrects is not None:
            return self._revision(self.canonical.corrects, matches, born)
        found = resolve(
            matches,
            organisation_class=self.accepting.organisation_class,
            kind=self.canonical.kind,
            born=born,
        )
        record = found.record
        if record is None and found.apart and born is not None:
            record = self._set_apart(found.doubts, born)
        known = record is not None
        if record is None:
            record = self._make(found, born)
        self._link(record, found.link, macs, known=known)
        doubts = [*found.doubts, *self._absorb(record, found.absorb)]
        self._separate(record, found.separate)
        self._open(record, [*doubts, *self._nhs_doubts(record, alone=not matches)])
        if not found.doubts or not known:
            self._open(record, self._remember(record, born, known=known))
        person = root(self.connection, record) if known or found.absorb else record
        return Recognised(record=record, person=person)

    @property
    def _digests(self) -> Digests:
        sealed = self.accepting.sealed
        return ExerciseDigests(sealed) if self.canonical.exercise else sealed

    def _matches(self) -> tuple[dict[str, Known | None], dict[str, bytes]]:
        """Return whom each identifier names, and its digest."""
        texts = matching_identifiers(self.canonical.groups, today=self.accepting.today)
        macs = {kind: identifier_mac(self._digests, kind, text) for kind, text in texts.items()}
        superseded = self.canonical.groups.get("identifiers", {}).get(SUPERSEDED)
        if isinstance(superseded, str):
            macs[SUPERSEDED] = identifier_mac(self._digests, "noms", superseded)
        held = self._known(list(macs.values()))
        return {kind: held.get(mac) for kind, mac in macs.items()}, macs

    def _known(self, macs: list[bytes]) -> dict[bytes, Known]:
        if not macs:
            return {}
        marks = ", ".join("?" * len(macs))
        rows = self.connection.execute(
            "SELECT mac, record.ref, COALESCE(record.merged_into, record.ref), record.born,"  # noqa: S608 - marks
            " root.born FROM person_identifier JOIN person AS record ON record.ref = person"
            f" LEFT JOIN person AS root ON root.ref = record.merged_into WHERE mac IN ({marks})",
            macs,
        )
        return {
            mac: Known(
                record=PersonRef(record),
                root=PersonRef(root_),
                born=frozenset(one for one in births if one is not None),
            )
            for mac, record, root_, *births in rows
        }

    def _born(self) -> bytes | None:
        stated = self.canonical.groups.get("identity", {}).get("date_of_birth")
        return birth_mac(self._digests, stated) if isinstance(stated, str) else None

    def _revision(
        self, corrects: str, matches: Mapping[str, Known | None], born: bytes | None
    ) -> Recognised:
        """An event that revises another is about whom that one is; it joins nothing."""
        row = self.connection.execute(
            "SELECT event.ref, person.ref, COALESCE(merged_into, person.ref) FROM event"
            " JOIN person ON person.ref = event.person"
            " WHERE source_mac = ? AND person.exercise = ? AND length(wrapped_key) > 0",
            (
                self.accepting.sealed.mac("source", self.canonical.source, corrects),
                int(self.canonical.exercise),
            ),
        ).fetchone()
        if row is None:
            raise CorrectsUnknown
        earlier, record, person = EventRef(row[0]), PersonRef(row[1]), PersonRef(row[2])
        others = {one.root: None for one in matches.values() if one and one.root != person}
        if others:
            kinds = tuple(kind for kind, one in matches.items() if one)
            doubt = Doubt(kind="identifiers-conflict", identifiers=kinds, others=tuple(others))
            self._open(record, [doubt])
        if born is not None and self.canonical.kind == "event.corrected":
            self.connection.execute("UPDATE person SET born = ? WHERE ref = ?", (born, record))
        return Recognised(record=record, person=person, corrects=earlier)

    def _set_apart(self, doubts: tuple[Doubt, ...], born: bytes) -> PersonRef | None:
        """Return the record made when these identifiers came with this date of birth before."""
        held = self._known(list(self._with_birth(doubts, born).values()))
        return next((one.record for one in held.values()), None)

    def _with_birth(self, doubts: tuple[Doubt, ...], born: bytes) -> dict[str, bytes]:
        """Return digests of doubtful identifiers together with the date of birth stated."""
        mac = self._digests.mac
        _, macs = self._matches()
        kinds = [kind for doubt in doubts for kind in doubt.identifiers]
        return {kind: mac("identifier-born", macs[kind], born) for kind in kinds}

    def _make(self, found: Resolution, born: bytes | None) -> PersonRef:
        record = PersonRef(self.accepting.new_id("per"))
        self.connection.execute(
            "INSERT INTO person (ref, wrapped_key, facts, version, born, exercise)"
            " VALUES (?, ?, NULL, 0, ?, ?)",
            (record, self.accepting.sealed.new_person(record), born, int(self.canonical.exercise)),
        )
        self.gathered.made.append(record)
        if found.apart and born is not None:
            self._insert(record, self._with_birth(found.doubts, born))
        return record

    def _link(
        self, record: PersonRef, kinds: tuple[str, ...], macs: Mapping[str, bytes], *, known: bool
    ) -> None:
        """Link identifiers an agency states together, and log what was added to someone known."""
        self._insert(record, {kind: macs[kind] for kind in kinds})
        if known and kinds:
            self._combined(root(self.connection, record), identifiers=kinds)

    def _insert(self, record: PersonRef, macs: Mapping[str, bytes]) -> None:
        # Two members may state one number: the superseded prison number and the one that lives on.
        self.connection.executemany(
            "INSERT INTO person_identifier (mac, kind, person) VALUES (?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            [(mac, "noms" if kind == SUPERSEDED else kind, record) for kind, mac in macs.items()],
        )

    def _absorb(self, record: PersonRef, others: tuple[PersonRef, ...]) -> list[Doubt]:
        """Merge records an agency says are one person's, unless someone here parted them."""
        doubts: list[Doubt] = []
        merged = False
        for other in others:
            if parted_by_a_person(self.connection, record, other):
                doubts.append(Doubt(kind="identifiers-conflict", others=(other,)))
                continue
            id_ = self.accepting.new_id("mrg")
            joined = join(
                self.connection, record, other, id_=id_, event=self.ref, now=self.accepting.now
            )
            if joined is not None:
                merged = True
                self._combined(joined[0], absorbed=joined[1])
        if merged and self.canonical.kind != "person.merged":
            self._state(record, "person.merged")
        return doubts

    def _separate(self, record: PersonRef, others: tuple[PersonRef, ...]) -> None:
        """Undo a merge an agency says was wrong; the record set free gets an event of its own."""
        for other in others:
            undone = part(self.connection, record, other, event=self.ref, now=self.accepting.now)
            if undone is None:
                continue
            self._combined(root(self.connection, undone.survivor), separated=undone.absorbed)
            about = root(self.connection, record)
            freed = undone.absorbed
            still = root(self.connection, undone.survivor)
            self._state(still if about == freed else freed, "person.unmerged")

    def _state(self, record: PersonRef, kind: str) -> None:
        """State an event of the gateway's own, so that what is known and told is looked at."""
        event = insert_own(
            self.connection,
            self.accepting.sealed,
            ref=EventRef(self.accepting.new_id("evt")),
            record=record,
            kind=kind,
            now=self.accepting.now,
            slot=self.accepting.slot_for(record),
        )
        self.gathered.own.append(event)

    def _combined(
        self,
        person: PersonRef,
        *,
        identifiers: tuple[str, ...] = (),
        absorbed: PersonRef | None = None,
        separated: PersonRef | None = None,
    ) -> None:
        logged = entry.combination(
            at=self.accepting.now,
            person=person,
            identifiers=identifiers,
            agency=self.agency,
            event=self.ref,
            absorbed=absorbed,
            separated=separated,
        )
        self.gathered.entries.append(logged.encode())

    def _nhs_doubts(self, record: PersonRef, *, alone: bool) -> list[Doubt]:
        """Return what is doubtful about an NHS number that may not be matched.

        Args:
            record: Whom the event is about.
            alone: Whether the event states nothing else that may be matched.
        """
        number = unmatched_nhs_number(self.canonical.groups)
        if number is None:
            return []
        kinds = ("nhs_number",)
        if is_placeholder(number):
            return [Doubt(kind="nhs-number-placeholder", identifiers=kinds)]
        mac = identifier_mac(self._digests, "nhs_number", number)
        holder = self._known([mac]).get(mac)
        if holder is not None and holder.root != root(self.connection, record):
            return [Doubt(kind="nhs-number-unverified", identifiers=kinds, others=(holder.root,))]
        return [Doubt(kind="nhs-number-unverified", identifiers=kinds)] if alone else []

    def _remember(self, record: PersonRef, born: bytes | None, *, known: bool) -> list[Doubt]:
        """Remember a date of birth and, with a family name, whom it makes this record look like."""
        if born is None:
            return []
        if known:
            self.connection.execute(
                "UPDATE person SET born = ? WHERE ref = ? AND born IS NULL", (born, record)
            )
        name = family_name(self.canonical.groups)
        if name is None:
            return []
        mac = self._digests.mac("likeness", name, born)
        self.connection.execute(
            "INSERT INTO person_likeness (mac, person) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (mac, record),
        )
        if self.connection.changes() == 0:
            return []
        # However many share a name and a date of birth, no more are read than can be named.
        person = root(self.connection, record) if known else record
        alike = self.connection.execute(_SIMILAR, (mac, person, _ALIKE))
        others = tuple(PersonRef(ref) for (ref,) in alike)
        return [Doubt(kind="similar-person", others=others)] if others else []

    def _open(self, record: PersonRef, doubts: list[Doubt]) -> None:
        for doubt in doubts:
            task = Task(
                id=TaskId(self.accepting.new_id("tsk")),
                kind=doubt.kind,
                person=record,
                event=self.ref,
                body=doubt.body,
            )
            open_task(self.connection, task, self.accepting.now)
            if doubt.kind in _SECURITY:
                warning = entry.security(
                    at=self.accepting.now, code=doubt.kind, agency=self.agency, event=self.ref
                )
                self.gathered.entries.append(warning.encode())
