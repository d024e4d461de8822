"""A disclosure: a view already sealed for one endpoint, with the log entry that records it."""

from dataclasses import dataclass
from datetime import datetime

from gateway.model.ids import AlertId, EndpointId, EventRef, PersonRef, RecipientId
from gateway.model.party import ChannelName, Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """One alert over one endpoint. Only `gateway.disclose` makes one (an architecture test holds
    that); committing it writes the entry and the outbox row together."""

    alert: AlertId  # fixed now: webhook-id and Message-ID derive from it, over every attempt
    event: EventRef
    person: PersonRef
    recipient: RecipientId
    endpoint: EndpointId
    channel: ChannelName
    form: Form
    sealed: bytes  # ciphertext, or the content-free text of a notice or pointer
    entry: bytes  # canonical JSON of the log entry
    urgent: bool
    acknowledge_by: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """All a channel ever sees: ciphertext or content-free text, an address, fixed ids and proof."""

    alert: AlertId
    endpoint: EndpointId
    channel: ChannelName
    form: Form
    address: str
    sealed: bytes
    proof: str  # tlog-proof text: index, path, signed checkpoint
    decided_at: datetime
    attempt: int  # 1 for the first
    outcome_unknown: bool = False  # an earlier attempt ended without an answer
