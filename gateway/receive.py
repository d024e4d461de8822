"""Receive: bytes to authentic, well-formed events. Checks the signature before it reads a byte
of meaning, and answers a stranger and a forger alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from adapters.contract import Adapter, Translation, UnsupportedEvent
from gateway.model.event import CanonicalEvent, parse_cloudevent
from gateway.model.groups import OWN_GROUPS
from gateway.model.ids import AgencyName
from gateway.model.kinds import OWN_KINDS
from gateway.model.party import Agency
from gateway.model.posted import Posted
from gateway.model.problem import MalformedEvent, Problem
from gateway.model.strict_json import Json, read_json
from gateway.people import identifiers_stated
from keys import webhook_signature
from keys.problem import BadSignature
from keys.signing import SigningKey

MAX_BODY_BYTES: Final = 256 * 1024
MAX_BATCH: Final = 500
MAX_BATCH_BYTES: Final = 2 * 1024 * 1024  # of a CloudEvents batch whose agency a header names
STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
AGENCY_HEADER: Final = "throughgate-agency"

# Someone we do not know costs the same time and gets the same answer as a wrong signature.
_NOBODY: Final = Agency(
    name="",  # type: ignore[arg-type]  # names nobody
    urn="",
    organisation_class="other",
    public_keys=(SigningKey.generate().public_text,),
    kinds=(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request, as far as it matters: lower-case header names, whole body."""

    headers: Mapping[str, str]
    body: bytes
    adapter: str | None = None  # the name in /v1/events/{adapter}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """One message that a feed fetched. Who sent it is known by where it was fetched: the queue,
    mailbox, certificate or folder that the configuration gives to this agency and no other."""

    feed: str  # its name in the configuration
    agency: AgencyName
    message_id: str  # the same for a message fetched again
    body: bytes
    adapter: str | None = None  # None: canonical events


class UntrustedSource(Exception):
    """Unknown agency, wrong signature or stale timestamp; `code` says which of the last two."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class NotAllowed(Exception):
    """The agency is who it says, and may not post this. The text says what."""


class UnsupportedContent(Exception):
    """A content type, encoding or adapter this gateway does not take. The text says which."""


class NeedsHuman(Exception):
    """An authentic event that contradicts itself: no program may say what it means."""

    def __init__(self, agency: AgencyName, unsupported: UnsupportedEvent) -> None:
        self.agency = agency
        self.unsupported = unsupported
        super().__init__(str(unsupported))


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """What receiving needs besides the request."""

    find_agency: Callable[[str], Agency | None]  # by name or URN
    may_post: Callable[[Agency, str], bool]  # agency, kind
    adapters: Mapping[str, Adapter]
    now: datetime


def receive(request: Request, context: Receiving) -> Posted:
    """Check one request and return its events.

    1. Content type and encoding are ones we take.
    2. The claimed agency is known and its signature over id, timestamp and body verifies.
    3. The body, under strict JSON, is one or more well-formed events, through an adapter if named.
    4. Each event is of the agency itself, of a kind it may post, about someone identifiable.

    Of a body longer than `MAX_BODY_BYTES` nothing is read before its signature has been checked.

    Raises:
        UnsupportedContent, UntrustedSource, MalformedEvent, UnsupportedEvent, NotAllowed,
        NeedsHuman.

    Pure.
    """
    mode = _mode(request)
    agency, value = _claimed_agency(request, mode, context)
    _verify(request, agency or _NOBODY, context)
    if agency is None or not agency.active:
        raise UntrustedSource("no-match")
    translation = _events(request, mode, agency, value, context)
    for event in translation.events:
        _authorise(event, agency, context)
    headers = request.headers
    return Posted(
        agency=agency.name,
        message_id=headers["webhook-id"],
        timestamp=headers["webhook-timestamp"],
        signature=headers["webhook-signature"],
        signed=_attributes(request) + request.body if mode == "binary" else request.body,
        raw=None if mode == "structured" else _evidence(request.body, translation),
        events=translation.events,
        unread=len(translation.unread),
    )


def receive_fed(fed: Fed, context: Receiving) -> Posted:
    """Check one fetched message and return its events: as `receive`, but for the signature, which
    the feed stands in for.

    Raises:
        UnsupportedContent: no adapter of that name reads anything.
        UntrustedSource: no such agency, or it is no longer active.
        MalformedEvent, UnsupportedEvent, NotAllowed, NeedsHuman.

    Pure.
    """
    agency = context.find_agency(fed.agency)
    if agency is None or not agency.active:
        raise UntrustedSource("no-match")
    translation = (
        _canonical(read_json(fed.body))
        if fed.adapter is None
        else _through(fed.adapter, fed.body, agency, context)
    )
    for event in translation.events:
        _authorise(event, agency, context)
    return Posted(
        agency=agency.name,
        message_id=f"{fed.feed}:{fed.message_id}",
        timestamp="feed",
        signature=fed.feed,
        signed=fed.body,
        raw=_evidence(fed.body, translation) if fed.adapter else None,
        events=translation.events,
        unread=len(translation.unread),
    )


def _evidence(body: bytes, translation: Translation) -> bytes | None:
    """Return the agency's own bytes where they are about one event: sealed under its person's
    key, they must not hold another's facts."""
    return body if len(translation.events) == 1 else None


def check_offline(body: bytes, *, adapter: Adapter | None, source: str) -> Translation:
    """Return what receive would see in these bytes, leaving out who sent them.

    Raises:
        MalformedEvent, UnsupportedEvent. Pure.
    """
    most = MAX_BATCH_BYTES if adapter is None and body.lstrip()[:1] == b"[" else MAX_BODY_BYTES
    if len(body) > most:
        raise MalformedEvent(Problem(path="$", reason=f"larger than {most} bytes"))
    if adapter is not None:
        translation = adapter.translate(body, source=source)
    else:
        translation = _canonical(read_json(body))
    for event in translation.events:
        _identifiable(event)
    return translation


def _mode(request: Request) -> str:
    headers = request.headers
    if headers.get("content-encoding", "identity").lower() not in {"identity", ""}:
        raise UnsupportedContent("send the body without Content-Encoding")
    if request.adapter is not None:
        return "adapter"
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == STRUCTURED:
        return "structured"
    if media_type == BATCH:
        return "batch"
    if media_type == "application/json" and "ce-specversion" in headers:
        return "binary"
    raise UnsupportedContent(
        f"send {STRUCTURED}, {BATCH}, or application/json with ce- headers (binary mode)"
    )


def _claimed_agency(request: Request, mode: str, context: Receiving) -> tuple[Agency | None, Json]:
    """Return who the request says it is from: the header, else the CloudEvents source."""
    claimed = request.headers.get(AGENCY_HEADER) or request.headers.get("ce-source")
    if claimed is not None or mode == "adapter":
        return (context.find_agency(claimed) if claimed else None), None
    if len(request.body) > MAX_BODY_BYTES:
        raise UnsupportedContent(
            f"a batch longer than {MAX_BODY_BYTES} bytes needs its agency in Throughgate-Agency"
        )
    value = read_json(request.body)
    first = value[0] if isinstance(value, list) and value else value
    source = first.get("source") if isinstance(first, dict) else None
    return (context.find_agency(source) if isinstance(source, str) else None), value


def _verify(request: Request, agency: Agency, context: Receiving) -> None:
    verify_agency(agency, request.headers, request.body, context.now)


def verify_agency(
    agency: Agency | None, headers: Mapping[str, str], signed: bytes, now: datetime
) -> None:
    """Return if a request is signed by an agency; None costs the same time and never is.

    Raises:
        UntrustedSource: it is not, or not now.

    Pure.
    """
    try:
        webhook_signature.verify(
            (agency or _NOBODY).public_keys,
            message_id=headers.get("webhook-id", ""),
            timestamp=headers.get("webhook-timestamp", ""),
            signature=headers.get("webhook-signature", ""),
            body=signed,
            now=int(now.timestamp()),
        )
    except BadSignature as error:
        raise UntrustedSource(error.code) from None


def _events(
    request: Request, mode: str, agency: Agency, value: Json, context: Receiving
) -> Translation:
    if mode == "adapter":
        return _through(request.adapter or "", request.body, agency, context)
    if value is None:
        value = read_json(request.body)
    if mode == "binary":
        value = _from_headers(request, value)
    if mode == "batch":
        return Translation(events=_batch(value))
    return Translation(events=(parse_cloudevent(value),))


def _through(name: str, body: bytes, agency: Agency, context: Receiving) -> Translation:
    adapter = context.adapters.get(name)
    if adapter is None or adapter.inbound is None:
        raise UnsupportedContent(
            "no adapter of that name reads events; GET /v1/adapters lists them"
        )
    try:
        translation = adapter.translate(body, source=agency.urn)
    except UnsupportedEvent as error:
        if error.needs_human:
            raise NeedsHuman(agency.name, error) from error
        raise
    if len(translation.events) > MAX_BATCH:
        raise MalformedEvent(Problem(path="$", reason=f"more than {MAX_BATCH} events in one post"))
    return translation


def _canonical(value: Json) -> Translation:
    if isinstance(value, list):
        return Translation(events=_batch(value))
    return Translation(events=(parse_cloudevent(value),))


def _batch(value: Json) -> tuple[CanonicalEvent, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_BATCH:
        raise MalformedEvent(
            Problem(path="$", reason=f"must be an array of 1 to {MAX_BATCH} events")
        )
    events: list[CanonicalEvent] = []
    problems: list[Problem] = []
    for index, item in enumerate(value):
        try:
            events.append(parse_cloudevent(item))
        except MalformedEvent as error:
            problems += [
                Problem(path=f"$[{index}]{problem.path[1:]}", reason=problem.reason)
                for problem in error.problems
            ]
    if problems:
        raise MalformedEvent(*problems)
    return tuple(events)


def _from_headers(request: Request, data: Json) -> Json:
    """Put a binary-mode event back together (CloudEvents HTTP binding section 3.1)."""
    attributes: dict[str, Json] = {
        name[3:]: text for name, text in request.headers.items() if name.startswith("ce-")
    }
    return attributes | {"datacontenttype": "application/json", "data": data}


def _attributes(request: Request) -> bytes:
    """Return the ce- headers in one form: other attributes under the same id are other bytes."""
    lines = sorted(
        f"{name}:{text}\n" for name, text in request.headers.items() if name[:3] == "ce-"
    )
    return "".join(lines).encode()


def _authorise(event: CanonicalEvent, agency: Agency, context: Receiving) -> None:
    if event.source != agency.urn:
        raise NotAllowed("source is not this agency's URN")
    if not context.may_post(agency, event.kind):
        raise NotAllowed(f"this agency may not post {event.kind}")
    if event.kind in OWN_KINDS or not OWN_GROUPS.isdisjoint(event.groups):
        raise NotAllowed("a duty is stated by this gateway alone")
    _identifiable(event)


def _identifiable(event: CanonicalEvent) -> None:
    """Refuse an event about nobody: it names someone, or the event it corrects or retracts."""
    if not identifiers_stated(event.groups) and event.corrects is None:
        raise MalformedEvent(
            Problem(
                path="$.data.identifiers",
                reason="needs a noms, crn, pnc, cro or nhs_number",
            )
        )
