"""What a person at the gateway may find out about records, and change: each change one unit of
work with its log entry, its reason sealed beside the event that it makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from gateway.disclosure_log import entry
from gateway.model.identifiers import canonical
from gateway.model.ids import OURSELVES, EventRef, PersonRef
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.merges import Merge, history, join, part, records, root
from gateway.store.own_events import insert_own
from gateway.store.sealed import SealedStore, identifier_mac

__all__ = ["Act", "Merge", "NotPossible", "history", "records", "root"]

FROM_COMMAND_LINE: Final = 0  # slot: the first worker, there under every number of workers


class NotPossible(Exception):
    """The records do not stand as the request supposes. The text says how, and names no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who changes the records at the gateway, why, and when."""

    sealed: SealedStore
    new_id: Callable[[str], str]
    by: str  # role or staff id; enters the log
    reason: str  # sealed beside the event it makes
    now: datetime
    today: date  # in Europe/London


def exists(connection: Connection, ref: str) -> bool:
    """Say whether there is a record of this reference that was not erased. Reads only."""
    where = "ref = ? AND length(wrapped_key) > 0"
    return bool(connection.execute(f"SELECT 1 FROM person WHERE {where}", (ref,)).get)  # noqa: S608


def find(
    connection: Connection,
    sealed: SealedStore,
    kind: str,
    text: str,
    *,
    today: date | None = None,
) -> PersonRef | None:
    """Return the person an identifier names; None if nobody known has it. Reads only.

    Args:
        connection: To read by.
        sealed: Makes the digest identifiers are found by.
        kind: One of `gateway.people.MATCHED`.
        text: As an agency states it or a person types it; in canonical form if `today` is None.
        today: Gives a two-digit PNC year its century.

    Raises:
        ValueError: no such kind, or the text fails its check; never quotes it.
    """
    form = canonical(kind, text, today=today) if today else text
    row = connection.execute(
        "SELECT COALESCE(person.merged_into, person.ref) FROM person_identifier"
        " JOIN person ON person.ref = person_identifier.person WHERE mac = ?",
        (identifier_mac(sealed, kind, form),),
    ).fetchone()
    return PersonRef(row[0]) if row else None


def identifier_kinds(connection: Connection, ref: PersonRef) -> Mapping[str, int]:
    """Return how many identifiers of each kind name one record. Reads only."""
    rows = connection.execute(
        "SELECT kind, count(*) FROM person_identifier WHERE person = ? GROUP BY kind ORDER BY kind",
        (ref,),
    )
    return {str(kind): int(count) for kind, count in rows}


def merge(survivor: PersonRef, absorbed: PersonRef, act: Act) -> Unit[EventRef]:
    """Return the unit by which a person at the gateway merges two persons.

    Its result is the own event (person.merged) that has what is known and told looked at again.

    Raises (from the unit):
        NotPossible: no such record, or they are one person already.
    """

    def unit(connection: Connection) -> Staged[EventRef]:
        _must_exist(connection, survivor, absorbed)
        _must_be_alike(connection, survivor, absorbed)
        ref = EventRef(act.new_id("evt"))
        joined = join(connection, survivor, absorbed, id_=act.new_id("mrg"), event=ref, now=act.now)
        if joined is None:
            raise NotPossible("these records are one person already")
        _state(connection, act, ref, joined[0], "person.merged")
        logged = _logged(act, ref, joined[0], absorbed=joined[1])
        return Staged(ref, [logged])

    return unit


def _must_be_alike(connection: Connection, one: PersonRef, other: PersonRef) -> None:
    kinds = connection.execute(
        "SELECT count(DISTINCT exercise) FROM person WHERE ref IN (?, ?)", (one, other)
    ).get
    if kinds != 1:
        raise NotPossible("one record is of exercises only and the other of somebody real")


def unmerge(one: PersonRef, other: PersonRef, act: Act) -> Unit[EventRef]:
    """Return the unit by which a person at the gateway undoes the newest merge of two records.

    Its result is the own event (person.unmerged) about the record that went on; the record set
    free gets one too.

    Raises (from the unit):
        NotPossible: no such record, or they are two persons already.
    """

    def unit(connection: Connection) -> Staged[EventRef]:
        _must_exist(connection, one, other)
        ref = EventRef(act.new_id("evt"))
        undone = part(connection, one, other, event=ref, now=act.now)
        if undone is None:
            raise NotPossible("these records are not merged")
        top = root(connection, undone.survivor)
        _state(connection, act, ref, top, "person.unmerged")
        freed = EventRef(act.new_id("evt"))
        _state(connection, act, freed, undone.absorbed, "person.unmerged")
        return Staged(ref, [_logged(act, ref, top, separated=undone.absorbed)])

    return unit


def link(record: PersonRef, kind: str, text: str, act: Act) -> Unit[EventRef]:
    """Return the unit by which a person at the gateway says that an identifier names a record.

    Raises (from the unit):
        NotPossible: no such record, or the identifier names somebody, be it this person.

    Raises:
        ValueError: no such kind of identifier, or it fails its check; never quotes it.
    """
    mac = identifier_mac(act.sealed, kind, canonical(kind, text, today=act.today))

    def unit(connection: Connection) -> Staged[EventRef]:
        _must_exist(connection, record)
        if holder := _holder(connection, mac):
            same = root(connection, holder) == root(connection, record)
            whose = "this person" if same else "another person; merge the two if they are one"
            raise NotPossible(f"that identifier already names {whose}")
        connection.execute(
            "INSERT INTO person_identifier (mac, kind, person) VALUES (?, ?, ?)",
            (mac, kind, record),
        )
        return _changed(connection, act, record, kind, "person.linked")

    return unit


def unlink(record: PersonRef, kind: str, text: str, act: Act) -> Unit[EventRef]:
    """Return the unit by which a person at the gateway says that an identifier names no such
    record. The next event that states it is about someone new, unless another identifier says.

    Raises (from the unit):
        NotPossible: no such record, or the identifier does not name it.

    Raises:
        ValueError: no such kind of identifier, or it fails its check; never quotes it.
    """
    mac = identifier_mac(act.sealed, kind, canonical(kind, text, today=act.today))

    def unit(connection: Connection) -> Staged[EventRef]:
        _must_exist(connection, record)
        holder = _holder(connection, mac)
        if holder is None or root(connection, holder) != root(connection, record):
            raise NotPossible("that identifier does not name this person")
        connection.execute("DELETE FROM person_identifier WHERE mac = ?", (mac,))
        return _changed(connection, act, holder, kind, "person.unmerged", separated=holder)

    return unit


def _changed(
    connection: Connection,
    act: Act,
    record: PersonRef,
    kind: str,
    event_kind: str,
    *,
    separated: PersonRef | None = None,
) -> Staged[EventRef]:
    ref = EventRef(act.new_id("evt"))
    _state(connection, act, ref, record, event_kind)
    top = root(connection, record)
    return Staged(ref, [_logged(act, ref, top, identifiers=(kind,), separated=separated)])


def _state(connection: Connection, act: Act, ref: EventRef, record: PersonRef, kind: str) -> None:
    insert_own(
        connection,
        act.sealed,
        ref=ref,
        record=record,
        kind=kind,
        now=act.now,
        slot=FROM_COMMAND_LINE,
        note={"by": act.by, "reason": act.reason},
    )


def _logged(
    act: Act,
    event: EventRef,
    person: PersonRef,
    *,
    identifiers: tuple[str, ...] = (),
    absorbed: PersonRef | None = None,
    separated: PersonRef | None = None,
) -> bytes:
    return entry.combination(
        at=act.now,
        person=person,
        identifiers=identifiers,
        agency=OURSELVES,
        event=event,
        absorbed=absorbed,
        separated=separated,
        by=act.by,
    ).encode()


def _holder(connection: Connection, mac: bytes) -> PersonRef | None:
    row = connection.execute("SELECT person FROM person_identifier WHERE mac = ?", (mac,)).get
    return PersonRef(row) if row else None


def _must_exist(connection: Connection, *refs: PersonRef) -> None:
    for ref in refs:
        if not exists(connection, ref):
            raise NotPossible("no record has that reference")
