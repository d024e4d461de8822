"""Accepting a request: resolve the person, seal the events, log the collection: one transaction."""

from dataclasses import dataclass

import orjson

from gateway.disclosure_log import entry
from gateway.model.event import CanonicalEvent, Event
from gateway.model.ids import EventRef, PersonRef, ReceiptId
from gateway.model.posted import Conflict, Posted, Receipt
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.recognition import (
    Accepting,
    CorrectsUnknown,
    Gathered,
    NewId,
    Recognised,
    Recognising,
)
from gateway.store.sealed import event_context
from gateway.store.times import milliseconds

__all__ = [
    "Acceptance",
    "Accepting",
    "CorrectsUnknown",
    "EventIdReused",
    "NewId",
    "accept",
    "event_context",
    "reused_event_id",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """The answer to a request, and the events that are new and still to be decided."""

    answer: Receipt | Conflict
    new: tuple[Event, ...] = ()  # those posted, then those the gateway states because of them
    made: tuple[PersonRef, ...] = ()  # persons nobody had heard of


class EventIdReused(Exception):
    """Unwinds a unit one of whose events reuses an id: its earlier events must not stay."""


def accept(posted: Posted, context: Accepting) -> Unit[Acceptance]:
    """Return the unit of work that makes a request durable, once.

    The same (agency, message id) and bytes gets the stored answer; other bytes get a Conflict and
    a security entry. The same (source, event id) under another message id is the same event.

    Raises (from the unit):
        EventIdReused: an event's id came before with other content.
        CorrectsUnknown: an event revises one its source never sent.
    """

    def unit(connection: Connection) -> Staged[Acceptance]:
        mac = context.sealed.mac
        message_mac = mac("message", posted.agency, posted.message_id)
        body_mac = mac("body", posted.signed)
        row = connection.execute(
            "SELECT body_mac, answer FROM receipt WHERE agency = ? AND message_mac = ?",
            (posted.agency, message_mac),
        ).fetchone()
        if row is not None:
            return _repeat(row, body_mac, posted, context)
        return _first(connection, posted, context, message_mac, body_mac)

    return unit


def _repeat(
    row: tuple[bytes, str], body_mac: bytes, posted: Posted, context: Accepting
) -> Staged[Acceptance]:
    if row[0] != body_mac:
        return _conflict("request", posted, context)
    return Staged(Acceptance(answer=_read_answer(row[1])))


def _conflict(what: str, posted: Posted, context: Accepting) -> Staged[Acceptance]:
    body = entry.security(at=context.now, code=f"{what}-id-reused", agency=posted.agency).encode()
    return Staged(Acceptance(answer=Conflict(what=what)), [body])


def _first(
    connection: Connection,
    posted: Posted,
    context: Accepting,
    message_mac: bytes,
    body_mac: bytes,
) -> Staged[Acceptance]:
    receipt = ReceiptId(context.new_id("rcp"))
    refs: list[EventRef] = []
    new: list[Event] = []
    gathered = Gathered()
    for canonical in posted.events:
        held = _held(connection, canonical, context)
        if isinstance(held, Conflict):
            raise EventIdReused
        if held is not None:
            refs.append(held)
            continue
        event = _store(connection, canonical, posted, context, gathered)
        collection = entry.collection(
            at=context.now,
            event=event.ref,
            person=event.person,
            agency=event.agency,
            kind=event.kind,
            receipt=receipt,
            body_mac=body_mac.hex(),
        )
        gathered.entries.append(collection.encode())
        refs.append(event.ref)
        new.append(event)
    answer = Receipt(id=receipt, events=tuple(refs))
    connection.execute(
        "INSERT INTO receipt (agency, message_mac, body_mac, answer, signature, received_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            posted.agency,
            message_mac,
            body_mac,
            orjson.dumps([receipt, refs]).decode(),
            f"{posted.timestamp} {posted.signature}",
            milliseconds(context.now),
        ),
    )
    acceptance = Acceptance(answer=answer, new=(*new, *gathered.own), made=tuple(gathered.made))
    return Staged(acceptance, gathered.entries)


def reused_event_id(posted: Posted, context: Accepting) -> Unit[Acceptance]:
    """Return the unit that logs a reused event id, after `accept` was rolled back for it."""
    return lambda _connection: _conflict("event", posted, context)


def _held(
    connection: Connection, canonical: CanonicalEvent, context: Accepting
) -> EventRef | Conflict | None:
    row = connection.execute(
        "SELECT ref, content_mac FROM event WHERE source_mac = ?", (_source(canonical, context),)
    ).fetchone()
    if row is None:
        return None
    same = row[1] == context.sealed.mac("content", _content(canonical))
    return EventRef(row[0]) if same else Conflict(what="event")


def _source(canonical: CanonicalEvent, context: Accepting) -> bytes:
    return context.sealed.mac("source", canonical.source, canonical.id)


def _content(canonical: CanonicalEvent) -> bytes:
    return orjson.dumps(canonical.to_cloudevent(), option=orjson.OPT_SORT_KEYS)


def _store(
    connection: Connection,
    canonical: CanonicalEvent,
    posted: Posted,
    context: Accepting,
    gathered: Gathered,
) -> Event:
    ref = EventRef(context.new_id("evt"))
    recognised = Recognising(
        connection=connection,
        canonical=canonical,
        agency=posted.agency,
        ref=ref,
        accepting=context,
        gathered=gathered,
    ).recognise()
    _insert(connection, canonical, posted, context, ref, recognised)
    return Event(
        ref=ref,
        agency=posted.agency,
        person=recognised.person,
        kind=canonical.kind,
        occurred_at=canonical.occurred_at or context.now,
        received_at=context.now,
        groups=canonical.groups,
        corrects=recognised.corrects,
        exercise=canonical.exercise,
    )


def _insert(
    connection: Connection,
    canonical: CanonicalEvent,
    posted: Posted,
    context: Accepting,
    ref: EventRef,
    recognised: Recognised,
) -> None:
    key = context.sealed.key_of(connection, recognised.record)
    content = _content(canonical)
    connection.execute(
        "INSERT INTO event (ref, agency, source_mac, content_mac, person, kind, corrects, state,"
        " slot, received_at, sealed, raw) VALUES (?, ?, ?, ?, ?, ?, ?, 'accepted', ?, ?, ?, ?)",
        (
            ref,
            posted.agency,
            _source(canonical, context),
            context.sealed.mac("content", content),
            recognised.record,
            canonical.kind,
            recognised.corrects,
            context.slot_for(recognised.person),
            milliseconds(context.now),
            key.seal(content, event_context(ref)),
            key.seal(posted.raw, b"raw:" + ref.encode()) if posted.raw else None,
        ),
    )


def _read_answer(text: str) -> Receipt:
    receipt, refs = orjson.loads(text)
    return Receipt(id=receipt, events=tuple(refs))
