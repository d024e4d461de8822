"""What agencies ask: a person's timeline, as one of their recipients may see it.

1. Whoever cannot prove who they are learns nothing; that comes before any look-up.
2. Each reading is an entry of the log, durable *before* the answer is sent (DPA 2018 s.62(1)(c)).
3. Unknown, forbidden and filtered are one answer: the same entry is written, the same body sent,
   and no sooner than a fixed time after the request came, however little there was to look at.

An identifier is never part of a path: paths end up in the logs of whatever lies between.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
import structlog
from aiohttp import web

from gateway import clock
from gateway.directory import Directory
from gateway.disclosure_log import entry
from gateway.http.problems import problem
from gateway.known import standing
from gateway.model.event import Event
from gateway.model.ids import OURSELVES, PersonRef, RecipientId
from gateway.model.problem import MalformedEvent, Problem
from gateway.model.strict_json import Json, JsonObject, read_object
from gateway.people import MATCHED
from gateway.reading import (
    JUSTIFICATION_HEADER,
    MAX_JUSTIFICATION,
    Reader,
    ReadRequest,
    authenticate,
)
from gateway.receive import MAX_BODY_BYTES, UntrustedSource
from gateway.store import history, justifications, people
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from gateway.store.times import milliseconds
from gateway.timeline import Reading, Timeline, timeline
from keys.problem import KeyProblem
from policies.rulebook import Rulebook

NOT_FOUND_AFTER_S: Final = 0.25  # well above what any look-up takes

_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Consulting:
    """What answering a reading request needs."""

    store: Store
    directory: Directory
    rulebook: Rulebook
    clock: Callable[[], datetime]
    justified: bool  # a justification is required
    not_found_after_s: float = NOT_FOUND_AFTER_S


class _Malformed(Exception):
    """The request says too little, or a thing that cannot be. Says nothing about anybody."""

    def __init__(self, path: str, reason: str) -> None:
        self.problem = Problem(path=path, reason=reason)
        super().__init__(reason)


class _Repeated(Exception):
    """A reading request was seen before: sent again by whoever could copy it, or by mistake."""


def routes(consulting: Consulting) -> list[web.RouteDef]:
    """Return the routes of people's timelines."""

    async def by_ref(request: web.Request) -> web.Response:
        ref = request.match_info["ref"]
        return await _answer(consulting, request, lambda _body: _by_ref(consulting, ref))

    async def by_identifier(request: web.Request) -> web.Response:
        return await _answer(consulting, request, lambda body: _by_identifier(consulting, body))

    return [
        web.get("/v1/people/{ref}/timeline", by_ref),
        web.post("/v1/people/find", by_identifier),
    ]


async def _answer(
    consulting: Consulting,
    request: web.Request,
    find: Callable[[bytes], PersonRef | None],
) -> web.Response:
    loop = asyncio.get_running_loop()
    arrived = loop.time()
    try:
        body = await request.read()
        reader = _authenticated(consulting, request, body)
        _must_justify(consulting, reader)
        found = await _consult(consulting, reader, find(body))
    except web.HTTPRequestEntityTooLarge:
        return problem(413, "too-large", "Body too large", detail=f"at most {MAX_BODY_BYTES} bytes")
    except UntrustedSource as error:
        return _untrusted(error)
    except _Malformed as error:
        return problem(
            400, "malformed-request", "Not a well-formed request", problems=[error.problem]
        )
    except _Repeated:
        return problem(
            409,
            "request-id-reused",
            "That id was used before",
            detail="each reading is its own: sign it under a new webhook-id",
        )
    except StoreUnavailable as error:
        headers = {"Retry-After": "10"}
        return problem(503, error.code, "The store cannot take this now", headers=headers)
    if found is None:
        await asyncio.sleep(arrived + consulting.not_found_after_s - loop.time())
        return problem(404, "not-found", "Nobody you may be told of")
    return web.Response(
        body=orjson.dumps(_shape(found, reader)),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _authenticated(consulting: Consulting, request: web.Request, body: bytes) -> Reader:
    asked = ReadRequest(
        method=request.method,
        path=request.raw_path,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
    )
    directory = consulting.directory
    now = consulting.clock()
    try:
        directory.refresh()
        return authenticate(
            asked, find_agency=directory.find_agency, recipients=directory.recipients, now=now
        )
    except UntrustedSource as error:
        _LOG.warning("reading refused", code=error.code)
        raise


def _must_justify(consulting: Consulting, reader: Reader) -> None:
    if len(reader.justification) > MAX_JUSTIFICATION:
        raise _Malformed(JUSTIFICATION_HEADER, f"at most {MAX_JUSTIFICATION} characters")
    if consulting.justified and not reader.justification:
        raise _Malformed(JUSTIFICATION_HEADER, "say why the timeline is read")


def _by_ref(consulting: Consulting, ref: str) -> PersonRef | None:
    connection = consulting.store.reader
    if not people.exists(connection, ref):
        return None
    return people.root(connection, PersonRef(ref))


def _by_identifier(consulting: Consulting, body: bytes) -> PersonRef | None:
    try:
        asked = read_object(body)
    except MalformedEvent as error:
        raise _Malformed(error.problems[0].path, error.problems[0].reason) from None
    kind, value = asked.get("kind"), asked.get("value")
    if asked.keys() != {"kind", "value"} or not isinstance(value, str):
        raise _Malformed("$", 'must be {"kind": ..., "value": ...}')
    if not isinstance(kind, str) or kind not in MATCHED:
        raise _Malformed("$.kind", f"one of {', '.join(MATCHED)}")
    store = consulting.store
    today = clock.day(consulting.clock())
    try:
        return people.find(store.reader, store.sealed, kind, value, today=today)
    except ValueError:
        raise _Malformed("$.value", "not in the form this identifier takes") from None


async def _consult(
    consulting: Consulting, reader: Reader, person: PersonRef | None
) -> Timeline | None:
    """Look, log that it was looked, and only then return what was seen."""
    found = _look(consulting, reader, person)
    unit = _logged(consulting, reader, person, found)
    if not await consulting.store.commit(unit):
        raise _Repeated
    return found


def _look(consulting: Consulting, reader: Reader, person: PersonRef | None) -> Timeline | None:
    if person is None or reader.recipient is None:
        return None
    store = consulting.store
    try:
        known, events = store.held(person).person, _decided(store, person)
    except (KeyProblem, MalformedEvent) as error:
        _LOG.error("a record does not open", error=type(error).__name__)
        return None
    reading = Reading(
        recipient=reader.recipient,
        rulebook=consulting.rulebook,
        classes={OURSELVES: "gateway", **consulting.directory.classes},
        today=clock.day(consulting.clock()),
        told=_told(store.reader, person),
    )
    return timeline(known, events, reading)


def _decided(store: Store, person: PersonRef) -> list[Event]:
    """Return a person's events as they now stand; what is held or awaits a decision is not yet."""
    past = store.history(person)
    return standing(one.event for one in past if one.state == "decided")


def _told(connection: Connection, person: PersonRef) -> frozenset[RecipientId]:
    return frozenset(
        alert.recipient for alert in history.standing(history.alerts_about(connection, person))
    )


def _logged(
    consulting: Consulting, reader: Reader, person: PersonRef | None, found: Timeline | None
) -> Unit[bool]:
    """Return the unit that logs a reading once; its result is False for one seen before."""
    mac = consulting.store.sealed.mac
    now = consulting.clock()
    agency = reader.agency.name
    reason = reader.justification
    logged = entry.question(
        at=now,
        what="timeline",
        person=person,
        reader=reader.recipient.id if reader.recipient else None,
        agency=agency,
        shown=len(found.events) if found else 0,
        reason_mac=justifications.digest(consulting.store.sealed, reason) if reason else None,
    ).encode()

    def unit(connection: Connection) -> Staged[bool]:
        connection.execute(
            "INSERT INTO receipt"
            " (agency, message_mac, body_mac, answer, signature, received_at)"
            " VALUES (?, ?, ?, '', ?, ?) ON CONFLICT (agency, message_mac) DO NOTHING",
            (
                agency,
                mac("reading", agency, reader.message_id),
                mac("reading-of", agency, person or ""),
                reader.evidence,
                milliseconds(now),
            ),
        )
        fresh = connection.changes() == 1
        if fresh and reason and person is not None:
            justifications.keep(connection, consulting.store.sealed, person, reason)
        return Staged(fresh, [logged] if fresh else [])

    return unit


def _untrusted(error: UntrustedSource) -> web.Response:
    detail = (
        "webhook-timestamp is more than 300 s from this gateway's clock"
        if error.code == "stale"
        else "sign id.timestamp.text under Standard Webhooks with a registered key; the text "
        "begins throughgate-read-v1"
    )
    return problem(
        401,
        "untrusted-source",
        "The signature does not verify",
        detail=detail,
        headers={"WWW-Authenticate": 'StandardWebhooks realm="throughgate"'},
    )


def _shape(found: Timeline, reader: Reader) -> JsonObject:
    front: JsonObject = {"front_screen": dict(found.front_screen)} if found.front_screen else {}
    events: list[Json] = [
        {
            "event": seen.event.ref,
            "kind": seen.event.kind,
            "time": entry.timestamp(seen.event.occurred_at),
            "received": entry.timestamp(seen.event.received_at),
            "agency": seen.event.agency,
            "groups": dict(seen.groups),
        }
        for seen in found.events
    ]
    return {
        "person": found.person,
        "recipient": reader.recipient.id if reader.recipient else None,
        **front,
        "events": events,
    }
