"""What came of one attempt to deliver one parcel, and what is heard of it afterwards."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from gateway.model.ids import AlertId
from gateway.model.party import ChannelName


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The receiving system took it (2xx, 250, 201). Not that a human read it."""

    detail: str = ""  # e.g. the provider's message id; never an address or content


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """Not now: try again. `after` only lengthens the back-off."""

    reason: str  # a stable code with a status number: "http-503", "smtp-451", "timeout"
    after: timedelta | None = None
    outcome_unknown: bool = False  # the receiver may have taken it


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Never over this endpoint: visible to the operator as a dead letter, with its reason."""

    reason: str


Outcome = Accepted | Deferred | Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a carrier says later of an alert it took: a delivery report by mail or by text."""

    alert: AlertId
    channel: ChannelName
    state: Literal["delivered", "failed", "delayed"]
    code: str  # stable: "dsn-5.1.1", "sms-permanent-failure"; never the carrier's words


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a person answered by text message."""

    channel: ChannelName
    address: str  # it came from; E.164. Compared with the directory, never kept or logged
    answer: Literal["acknowledged", "rejected"]
    reference: str  # as `gateway.model.reference.reference` makes it, without dashes
