"""What came of one attempt to deliver one parcel."""

from dataclasses import dataclass
from datetime import timedelta


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
