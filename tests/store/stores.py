"""Stores to test: opened on a fresh database, and requests to put into them."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import apsw
import orjson

from gateway import clock
from gateway.disclosure_log import entry
from gateway.disclosure_log.checkpoint import LogKey
from gateway.model.disclosure import AlertKept
from gateway.model.event import Event, parse_cloudevent
from gateway.model.ids import AgencyName, AlertId, RecipientId
from gateway.model.posted import Posted
from gateway.store.acceptance import Acceptance
from gateway.store.decisions import quarantine
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.place import Place, placed
from gateway.store.store import Store
from keys.at_rest import RootKey
from tests.support.events import release_members

Where: TypeAlias = Place | Path

LOG_KEY = LogKey.generate("log.example.org/store")
KEK = RootKey(bytes(range(32)))
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PRISON = AgencyName("hmp-exampleton")

_numbers = itertools.count(1)


def kept(event: Event, alert: str, recipient: str = "police", *, urgent: bool = False) -> AlertKept:
    """Return what is kept of an alert about an event: nobody has to answer it."""
    return AlertKept(
        alert=AlertId(alert),
        event=event.ref,
        person=event.person,
        recipient=RecipientId(recipient),
        message="NOTIFY",
        supersedes=None,
        escalates=None,
        urgent=urgent,
        exercise=False,
        acknowledge_by=None,
        acknowledge_within=None,
        content=b"content",
    )


@contextlib.asynccontextmanager
async def opened(
    path: Where,
    *,
    fatal: list[str] | None = None,
    key: RootKey = KEK,
    log_key: LogKey = LOG_KEY,
    slot: int = 0,
    slots: int = 1,
) -> AsyncIterator[Store]:
    """Open the database at a path, making it if it is not there; close it after."""
    if not path.exists():
        placed(path).create()
    store = await Store.open(
        path,
        key_encryption_key=key,
        log_key=log_key,
        on_fatal=(fatal if fatal is not None else []).append,
        slot=slot,
        slots=slots,
    )
    try:
        yield store
    finally:
        await store.close()


def body(text: str = "") -> bytes:
    """Return an entry unlike any other."""
    return entry.security(at=NOW, code=f"test-{next(_numbers)}-{text}", agency=None).encode()


def logging(*entries: bytes) -> Unit[int]:
    """Return a unit that writes these entries; its result is how many."""
    return lambda _connection: Staged(len(entries), entries)


def setting(name: str, value: str, entries: Sequence[bytes] = ()) -> Unit[str]:
    """Return a unit that writes one row of settings, and entries."""

    def unit(connection: Connection) -> Staged[str]:
        connection.execute("INSERT INTO setting (name, value) VALUES (?, ?)", (name, value))
        return Staged(name, entries)

    return unit


def pragma(name: str, value: int) -> Unit[None]:
    """Return a unit that sets something of the writer's own connection."""

    def unit(connection: Connection) -> Staged[None]:
        assert isinstance(connection, apsw.Connection)
        connection.pragma(name, value)
        return Staged(None)

    return unit


def posted(
    *events: dict[str, Any],
    message_id: str = "msg-1",
    signed: bytes | None = None,
    agency: AgencyName = PRISON,
) -> Posted:
    """Return a request whose signature was checked; its bytes are its events unless given."""
    return Posted(
        agency=agency,
        message_id=message_id,
        timestamp="1772443800",
        signature="v1a,c2lnbmF0dXJl",
        signed=signed if signed is not None else orjson.dumps(events),
        raw=None,
        events=tuple(parse_cloudevent(event) for event in events),
    )


def one_release(person: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a release event, some of its top-level members changed."""
    return release_members(person) | changes


def about(identifiers: dict[str, str], *, id_: str) -> dict[str, Any]:
    """Return a release event about whoever has these identifiers."""
    event = release_members(1, id_=id_)
    stated = {
        name: value
        for name, value in event["data"]["identifiers"].items()
        if name not in {"noms", "crn"}
    }
    event["data"]["identifiers"] = stated | identifiers
    return event


async def accept(
    store: Store, request: Posted, *, organisation_class: str = "prison"
) -> Acceptance:
    return await store.accept(
        request,
        now=NOW,
        today=NOW.date(),
        organisation_class=organisation_class,
        new_id=clock.new_id,
    )


async def accepted(
    store: Store, event: dict[str, Any], *, organisation_class: str = "prison"
) -> Event:
    """Accept one event in a request of its own and return it as the gateway holds it."""
    request = posted(event, message_id=f"msg-{next(_numbers)}")
    (found,) = (await accept(store, request, organisation_class=organisation_class)).new
    return found


def undecided(store: Store) -> list[Event]:
    """Return the events this worker still has to decide."""
    found, _unopened = store.undecided(limit=100)
    return found


async def set_aside(store: Store, event: Event, entry: bytes, *, after: int) -> bool:
    """Count a failure to decide an event; return whether it is now quarantined."""
    return await store.commit(quarantine(event.ref, entry, after=after))


def entries(path: Where) -> list[bytes]:
    """Return every committed entry, in order."""
    return column(path, "SELECT body FROM log_entry ORDER BY idx")


def operations(path: Where) -> list[str]:
    """Return the operation of every committed entry, in order."""
    return [orjson.loads(one)["op"] for one in entries(path)]


def checkpoints(path: Where) -> list[str]:
    """Return every committed checkpoint, smallest first."""
    return column(path, "SELECT note FROM log_checkpoint ORDER BY size")


def column(path: Where, statement: str) -> list[Any]:
    """Read one column over a connection of its own."""
    reader = placed(path).open_reader()
    try:
        return [value for (value,) in reader.execute(statement).fetchall()]
    finally:
        reader.close()


def stored(path: Where) -> bytes:
    """Return all that is stored, as bytes that a search can be made in."""
    if isinstance(path, Path):
        return b"".join(file.read_bytes() for file in path.parent.iterdir())
    reader = placed(path).open_reader()
    try:
        tables = reader.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [row for (table,) in tables for row in reader.execute(f"SELECT * FROM {table}")]
    finally:
        reader.close()
    values = [value for row in rows for value in row]
    return b"\n".join(
        value if isinstance(value, bytes) else str(value).encode() for value in values
    )


def edit(path: Where, statement: str, bindings: Sequence[Any] | Mapping[str, Any] = ()) -> None:
    """Change the database behind the store's back."""
    if isinstance(path, Path):
        connection: Connection = apsw.Connection(str(path))
    else:
        connection = path.open_writer()
    connection.execute(statement, bindings)
    assert connection.total_changes() > 0, "the edit changed nothing"
    connection.close()
