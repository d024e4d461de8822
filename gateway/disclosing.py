"""What disclosing works with and what comes of it: circumstances, revisions, what was told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.alert import Envelope
from gateway.links import Links
from gateway.model.decision import Reason, Refusal
from gateway.model.disclosure import AlertKept, Disclosure, Message
from gateway.model.ids import AlertId, EventRef
from gateway.model.party import Endpoint, Recipient
from gateway.model.strict_json import Json, JsonObject
from gateway.rendering import Render
from keys.cms import MailSigner


def _in_no_other_form(_content: JsonObject, _recipient: Recipient) -> Sequence[Json]:
    return ()


def _from_nobody_yet(_endpoint: Endpoint) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosing:
    """What disclosing needs besides the decision. Time and randomness come in here."""

    instance: str  # the gateway's name in entries and alerts
    new_id: Callable[[str], str]
    random_bytes: Callable[[int], bytes]
    now: datetime
    mail_signer: MailSigner | None
    links: Links
    review_months: int = 6  # after which a recipient looks again at what it keeps
    render: Render = _in_no_other_form
    mail_from: Callable[[Endpoint], str | None] = _from_nobody_yet  # the sender mail will have


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One permit carried out: what is kept of the alert, a disclosure per endpoint, and a refusal
    for every endpoint whose key could not be used."""

    alert: AlertKept
    disclosures: tuple[Disclosure, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What an alert is, which alert it follows, and on which event's word."""

    message: Message
    supersedes: AlertId | None = None
    revised_by: EventRef | None = None  # None: no earlier alert was wrong
    escalates: AlertId | None = None  # the alert whose silence or failure made this one
    within: timedelta | None = None  # the longest its chain lets it go unanswered


NEWS: Final = Revision(message="NOTIFY")


def no_route(envelope: Envelope) -> Refusal:
    """Return the refusal where a recipient has no endpoint for such an alert. Pure."""
    reason = Reason(
        code="no-exercise-route" if envelope.event.exercise else "no-live-route",
        text="The directory holds no endpoint for "
        + ("exercises" if envelope.event.exercise else "live alerts")
        + " of this recipient: nothing left.",
    )
    return Refusal(
        event=envelope.event.ref,
        recipient=envelope.recipient.id,
        reasons=(reason,),
        rulebook=envelope.rulebook,
    )


def key_refusal(envelope: Envelope, endpoint: Endpoint, code: str) -> Refusal:
    """Return the refusal of content over an endpoint none of whose keys may be used. Pure."""
    reason = Reason(
        code=f"key-{code}",
        text=f"No key for {endpoint.id} can be used ({code}): no content left over it.",
    )
    return Refusal(
        event=envelope.event.ref,
        recipient=envelope.recipient.id,
        reasons=(reason,),
        rulebook=envelope.rulebook,
    )
