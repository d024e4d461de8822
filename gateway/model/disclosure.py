"""A disclosure: a view already sealed for one endpoint, with the log entry that records it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gateway.model.ids import AlertId, EndpointId, EventRef, PersonRef, RecipientId
from gateway.model.party import ChannelName, Form

# What an alert is to its reader: news; newer news of the same release; what an earlier alert should
# have said; or that an earlier alert is to be disregarded (DPA 2018 s.38(5)(c)).
Message = Literal["NOTIFY", "UPDATE", "CORRECTION", "RECALL"]
RecallReason = Literal["retracted", "corrected-no-longer-entitled", "wrong-merge", "reversed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """One alert over one endpoint. Only `gateway.disclose` makes one (an architecture test holds
    that); committing it writes the entry and the outbox row together."""

    alert: AlertId  # fixed now: webhook-id and Message-ID derive from it, over every attempt
    event: EventRef  # the one the alert is about, also when a later event revises it
    person: PersonRef
    recipient: RecipientId
    endpoint: EndpointId
    channel: ChannelName
    form: Form
    sealed: bytes  # ciphertext, or the content-free text of a notice or pointer
    entry: bytes  # canonical JSON of the log entry
    urgent: bool
    acknowledge_by: datetime | None
    message: Message = "NOTIFY"
    supersedes: AlertId | None = None  # the earlier alert it updates, corrects or recalls


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
