"""A request whose signature has been checked and whose every event is well formed.

Not yet durable: nothing may be promised to the sender until the store has accepted it.
"""

from dataclasses import dataclass

from gateway.model.event import CanonicalEvent
from gateway.model.ids import AgencyName, EventRef, ReceiptId


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """One authentic request and the canonical events it carries, in order."""

    agency: AgencyName
    message_id: str  # webhook-id as signed; kept only as a keyed digest
    timestamp: str  # webhook-timestamp as signed
    signature: str  # webhook-signature as sent: evidence
    signed: bytes  # what "the same bytes" means: the body, and in binary mode its ce- headers
    raw: bytes | None  # the body, where it is not itself the one canonical event
    events: tuple[CanonicalEvent, ...]
    unread: int = 0  # members of an agency's own form that its adapter does not know


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the sender is answered, now and for every repeat of the same request."""

    id: ReceiptId
    events: tuple[EventRef, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """The same id was used before with other bytes. Nothing was stored but a security entry."""

    what: str  # "request" or "event"
