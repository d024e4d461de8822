"""A disclosure: a view already sealed for one endpoint, with the log entry that records it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from gateway.model.ids import AlertId, EndpointId, EventRef, PersonRef, RecipientId
from gateway.model.party import ChannelName, Form

# What an alert is to its reader: news; newer news of the same release; what an earlier alert should
# have said; or that an earlier alert is to be disregarded (DPA 2018 s.38(5)(c)).
Message = Literal["NOTIFY", "UPDATE", "CORRECTION", "RECALL", "CHASE", "TEST"]
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
    key_id: str | None = None  # what `sealed` is sealed to
    step: int = 1  # as the endpoint's
    not_before: datetime | None = None  # quiet hours or a digest keep it until then
    digest: bool = False  # it goes as one of several in one notice
    exercise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertKept:
    """What the gateway keeps of one alert, whatever the endpoints it leaves over."""

    alert: AlertId
    event: EventRef  # the one the alert is about
    person: PersonRef
    recipient: RecipientId
    message: Message
    supersedes: AlertId | None  # the earlier alert it updates, corrects or recalls
    escalates: AlertId | None  # the alert whose silence or failure made this one
    urgent: bool
    exercise: bool
    acknowledge_by: datetime | None
    acknowledge_within: timedelta | None  # what each rung of the chain has to answer in
    content: bytes  # plaintext: alert and digest key, to be sealed at rest and sealed anew from


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
    urgent: bool = False
    exercise: bool = False  # the alert is an exercise: it may reach no live route
    exercise_route: bool = False  # the endpoint is for exercises, and for nothing else
    route: str | None = None  # email: the named transport rule the directory asks for
