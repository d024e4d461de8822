"""What every carrier of texts promises the SMS channel, and the two lines a text may hold."""

import re
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.model.ids import AlertId
from gateway.model.outcome import Accepted, Deferred, Outcome

MAX_LINK_LENGTH: Final = 200

# Unreserved characters and the delimiters of host, port and path (RFC 3986): no query, no fragment,
# no user information, nothing a telephone could read in two ways.
_LINK = rb"https://[a-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]*)*"
_POINTER: Final = re.compile(rb"([A-Z0-9-]{1,40})(?:\n(" + _LINK + rb"))?")
_NOT_AN_ID: Final = re.compile(r"[^0-9A-Za-z-]")
_MAX_ID_LENGTH: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """All a text ever says: an opaque reference, and where to read what it points to."""

    reference: str
    link: str = ""  # https, at most 200 characters; empty without a pick-up page


class SmsProvider(Protocol):
    """One carrier of texts."""

    @property
    def name(self) -> str:
        """A short fixed word that reasons and configuration use."""
        ...

    @property
    def sends_receipts(self) -> bool:
        """Whether the carrier's receipts reach us, so that their slowness says something."""
        ...

    @property
    def looks_up(self) -> bool:
        """Whether `look_up` asks the carrier, or can only say what it happens to know."""
        ...

    async def submit(
        self, alert: AlertId, number: str, pointer: Pointer, *, within_s: float
    ) -> Outcome:
        """Hand one text over, once.

        Args:
            alert: Known to the carrier as the text's reference where it takes one.
            number: E.164.
            pointer: What the text says.
            within_s: Deadline of the whole call.

        Returns:
            `Accepted` with the carrier's id; `Rejected` when this text or number is refused for
            good; `Deferred` when the carrier refuses for itself, with ``outcome_unknown`` unless
            surely nothing was taken.

        Raises:
            Never, but for cancellation.
        """
        ...

    async def look_up(self, alert: AlertId, number: str, *, within_s: float) -> Outcome | None:
        """Return what became of an earlier text for this alert to this number, or None if it is
        safe to send.

        An answer that leaves the doubt is a deferral with the outcome still unknown.
        """
        ...

    async def stay_ready(self) -> None:
        """Keep the connection up that receipts and replies come in on; return if there is none.

        Runs until cancelled. A provider works without it, but hears only while it sends.
        """
        ...

    async def close(self) -> None:
        """Close connections. Texts under way end with their outcome unknown."""
        ...


def read_pointer(sealed: bytes) -> Pointer | None:
    """Return the one or two lines of a pointer, or None if these bytes are anything else. Pure."""
    match = _POINTER.fullmatch(sealed)
    if match is None:
        return None
    link = (match[2] or b"").decode("ascii")
    if len(link) > MAX_LINK_LENGTH:
        return None
    return Pointer(reference=match[1].decode("ascii"), link=link)


def accepted(provider_id: str, number: str) -> Accepted:
    """Return an acceptance whose detail is the provider's id, if that quotes nothing. Pure."""
    odd = _NOT_AN_ID.search(provider_id) or len(provider_id) > _MAX_ID_LENGTH
    return Accepted(detail="" if odd or number[-9:] in provider_id else provider_id)


def in_doubt(outcome: Outcome | None) -> bool:
    """Return whether a text may or may not have been taken. Pure."""
    return isinstance(outcome, Deferred) and outcome.outcome_unknown
