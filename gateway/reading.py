"""Reading requests: who asks about a person, proven before anything is looked up.

The signature is Standard Webhooks over id, timestamp and a text that begins ``throughgate-read``
and names the method, the path, the recipient and the justification, then the body. So none of
them can be exchanged, and nothing signed to post an event, which begins with a bracket or a brace,
reads as a request, or the other way round.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.model.ids import RecipientId
from gateway.model.party import Agency, Recipient
from gateway.receive import AGENCY_HEADER, UntrustedSource, verify_agency

RECIPIENT_HEADER: Final = "throughgate-recipient"
JUSTIFICATION_HEADER: Final = "throughgate-justification"
MAX_JUSTIFICATION: Final = 500

_PREFIX: Final = "throughgate-read-v1"
_APART = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """One HTTP request, as far as it matters: lower-case header names, whole body."""

    method: str
    path: str  # as sent, with any query
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who proved that they ask, and for which recipient of theirs; None: for none of theirs."""

    agency: Agency
    recipient: Recipient | None
    justification: str  # as given; free text, never logged
    message_id: str
    evidence: str  # timestamp and signature as sent


def signed_text(
    method: str, path: str, *, recipient: str, justification: str, body: bytes = b""
) -> bytes:
    """Return what a reading request signs in place of a body. Pure."""
    head = f"{_PREFIX}\n{method}\n{path}\n{recipient}\n{justification}\n"
    return head.encode("utf-8", "surrogateescape") + body


def authenticate(
    request: ReadRequest,
    *,
    find_agency: Callable[[str], Agency | None],
    recipients: Mapping[RecipientId, Recipient],
    now: datetime,
) -> Reader:
    """Check the signature of a reading request and return who asks.

    Raises:
        UntrustedSource: unknown agency, wrong signature or stale timestamp.

    Pure.
    """
    headers = request.headers
    named = headers.get(RECIPIENT_HEADER, "")
    justification = headers.get(JUSTIFICATION_HEADER, "").strip()
    agency = find_agency(headers.get(AGENCY_HEADER, ""))
    signed = signed_text(
        request.method,
        request.path,
        recipient=named,
        justification=justification,
        body=request.body,
    )
    verify_agency(agency, headers, signed, now)
    if agency is None or not agency.active:
        raise UntrustedSource("no-match")
    recipient = recipients.get(RecipientId(named))
    if recipient is not None and not reads_for(agency, recipient):
        recipient = None
    return Reader(
        agency=agency,
        recipient=recipient,
        justification=justification,
        message_id=headers["webhook-id"],
        evidence=f"{headers['webhook-timestamp']} {headers['webhook-signature']}",
    )


def reads_for(agency: Agency, recipient: Recipient) -> bool:
    """Return whether a recipient belongs to an agency: one organisation, of one class.

    Names are compared as words: "Exampleshire Police" is exampleshire-police. Pure.
    """
    same = _words(agency.name) == _words(recipient.organisation)
    return same and agency.organisation_class == recipient.organisation_class


def _words(name: str) -> str:
    return _APART.sub("-", name.casefold()).strip("-")
