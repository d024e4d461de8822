"""Disclose: minimise, seal, and write the entry. The only maker of Disclosure.

What leaves is chosen by selection from the permit; what cannot be sealed does not leave.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from gateway.alert import Envelope, alert_of, months_after, recall_of
from gateway.disclosure_log import entry
from gateway.disclosure_log.entry import canonical_json
from gateway.model.decision import Grant, Permit, Reason, Refusal, Withheld
from gateway.model.disclosure import Disclosure, Message, RecallReason
from gateway.model.event import Event
from gateway.model.ids import AlertId, EventRef
from gateway.model.kinds import URGENT
from gateway.model.party import Endpoint, Form, Recipient
from gateway.model.person import Person
from gateway.model.strict_json import Json, JsonObject
from gateway.rendering import Render
from keys.cms import MailSigner
from keys.problem import BadKey, KeyProblem
from keys.seal import seal
from policies.minimise import select

CONTEXT: Final = b"throughgate/alert/v1:"


def _in_no_other_form(_content: JsonObject, _recipient: Recipient) -> Sequence[Json]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosing:
    """What disclosing needs besides the decision. Time and randomness come in here."""

    instance: str  # the gateway's name in entries and alerts
    new_id: Callable[[str], str]
    random_bytes: Callable[[int], bytes]
    now: datetime
    mail_signer: MailSigner | None
    public_url: str  # where a notice says to collect
    review_months: int = 6  # after which a recipient looks again at what it keeps
    render: Render = _in_no_other_form


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One permit carried out: a disclosure per endpoint, the view held for those that get only a
    notice or pointer, and a refusal for every endpoint whose key could not be used."""

    disclosures: tuple[Disclosure, ...]
    held: tuple[bytes | None, ...]  # per disclosure: plaintext for the sealed store
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What an alert is, which alert it follows, and on which event's word."""

    message: Message
    supersedes: AlertId | None = None
    revised_by: EventRef | None = None  # None: no earlier alert was wrong


NEWS: Final = Revision(message="NOTIFY")


def disclose(
    permit: Permit,
    event: Event,
    person: Person,
    recipient: Recipient,
    context: Disclosing,
    revision: Revision = NEWS,
) -> Told:
    """Turn a permit into disclosures. Every id that retries must keep is fixed here.

    Never raises for a key's sake: a key that cannot be used means a content-free notice by
    email, nothing by webhook, and a Refusal that names the key problem's code.
    Pure but for `context`.
    """
    envelope = _envelope(event, recipient, permit.rulebook, context, revision)
    acknowledge_by = _acknowledge_by(permit, context.now)
    content = alert_of(
        envelope,
        permit,
        person,
        select(person, permit),
        acknowledge_by=acknowledge_by,
        review_due=months_after(context.now.date(), context.review_months),
    )
    entry_of = partial(
        _entry,
        grants=permit.grants,
        withheld=permit.withheld,
        acknowledge_by=acknowledge_by,
        revision=revision,
        reason=None,
    )
    return _tell(_telling(envelope, content, context, entry_of, acknowledge_by, revision))


def recall(
    event: Event,
    recipient: Recipient,
    reason: RecallReason,
    context: Disclosing,
    revision: Revision,
    rulebook: str,
) -> Told:
    """Tell a recipient to disregard an earlier alert: no fact, no grant, over every endpoint.

    Args:
        event: The one the earlier alert was about.
        recipient: Who was told.
        reason: Why it no longer stands; the recipient learns no more.
        context: Time, randomness and keys.
        revision: Names the alert recalled and the event that made it necessary.
        rulebook: Digest of the rulebook in force.

    Source: DPA 2018 s.38(5)(c). Pure but for `context`.
    """
    envelope = _envelope(event, recipient, rulebook, context, revision)
    entry_of = partial(
        _entry, grants=(), withheld=(), acknowledge_by=None, revision=revision, reason=reason
    )
    content = recall_of(envelope, reason)
    return _tell(_telling(envelope, content, context, entry_of, None, revision))


def _envelope(
    event: Event, recipient: Recipient, rulebook: str, context: Disclosing, revision: Revision
) -> Envelope:
    return Envelope(
        id=AlertId(context.new_id("alt")),
        message=revision.message,
        supersedes=revision.supersedes,
        event=event,
        recipient=recipient,
        rulebook=rulebook,
        instance=context.instance,
    )


def _tell(telling: "_Telling") -> Told:
    """Make the disclosure of one alert over every endpoint of its recipient."""
    disclosures: list[Disclosure] = []
    held: list[bytes | None] = []
    refusals: list[Refusal] = []
    for endpoint in telling.envelope.recipient.endpoints:
        for form in _forms(endpoint):
            try:
                disclosure, plaintext = _over(endpoint, form, telling)
            except KeyProblem as error:
                refusals.append(_key_refusal(telling.envelope, endpoint, error.code))
                continue
            disclosures.append(disclosure)
            held.append(None if form == "sealed" else plaintext)
            break
    return Told(disclosures=tuple(disclosures), held=tuple(held), refusals=tuple(refusals))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Telling:
    """What is the same over every endpoint of one alert."""

    envelope: Envelope
    body: bytes  # the alert, canonical JSON
    digest_key: bytes  # lets the recipient, and nobody else, tie the log entry to the content
    entry_of: Callable[[Endpoint, Form], bytes]
    context: Disclosing
    acknowledge_by: datetime | None
    urgent: bool


def _telling(
    envelope: Envelope,
    content: JsonObject,
    context: Disclosing,
    entry_of: Callable[..., bytes],
    acknowledge_by: datetime | None,
    revision: Revision,
) -> _Telling:
    renditions = list(context.render(content, envelope.recipient))
    body = canonical_json(content | ({"renditions": renditions} if renditions else {}))
    digest_key = context.random_bytes(32)
    payload_mac = hmac.new(digest_key, body, hashlib.sha256).hexdigest()
    return _Telling(
        envelope=envelope,
        body=body,
        digest_key=digest_key,
        entry_of=partial(entry_of, envelope=envelope, payload_mac=payload_mac, at=context.now),
        context=context,
        acknowledge_by=acknowledge_by,
        # Whoever acts on what is wrong is told so before anything else.
        urgent=envelope.event.kind in URGENT or revision.revised_by is not None,
    )


def _forms(endpoint: Endpoint) -> tuple[Form, ...]:
    """Return what may be put on an endpoint, best first. No key: nothing with content."""
    if endpoint.channel == "sms":
        return ("pointer",)
    if endpoint.channel in {"webhook", "mesh"}:
        return ("sealed",)
    return ("sealed", "notice") if endpoint.key and endpoint.smime == "gcm" else ("notice",)


def _over(endpoint: Endpoint, form: Form, telling: _Telling) -> tuple[Disclosure, bytes]:
    """Make the disclosure over one endpoint, and the plaintext it seals or points to.

    Raises:
        KeyProblem: the endpoint's key cannot be used.
    """
    envelope = telling.envelope
    logged = telling.entry_of(endpoint, form)
    plaintext = b'{"alert":%b,"digest_key":"%b","entry":"%b"}' % (
        telling.body,
        base64.b64encode(telling.digest_key),
        base64.b64encode(logged),
    )
    disclosure = Disclosure(
        alert=envelope.id,
        event=envelope.event.ref,
        person=envelope.event.person,
        recipient=envelope.recipient.id,
        endpoint=endpoint.id,
        channel=endpoint.channel,
        form=form,
        sealed=_content(endpoint, form, plaintext, telling),
        entry=logged,
        urgent=telling.urgent,
        acknowledge_by=telling.acknowledge_by,
        message=envelope.message,
        supersedes=envelope.supersedes,
    )
    return disclosure, plaintext


def _content(endpoint: Endpoint, form: Form, plaintext: bytes, telling: _Telling) -> bytes:
    alert, context = telling.envelope.id, telling.context
    if form == "pointer":
        return reference(alert).encode()
    if form == "notice":
        return _NOTICE.format(reference=reference(alert), url=context.public_url).encode()
    if endpoint.key is None:
        raise BadKey("no-key", "the directory holds no key for this endpoint")
    return seal(
        plaintext,
        endpoint.key,
        context=CONTEXT + alert.encode(),
        now=context.now,
        mail_signer=context.mail_signer,
    )


_NOTICE: Final = """\
A message is waiting for you.

Reference: {reference}

It is not in this email. Sign in at {url} and quote the reference to read it.
If you did not expect this, do not reply: tell your information security team.
"""


def reference(alert: AlertId) -> str:
    """Return the short opaque reference a human reads out: the last 12 characters, in threes."""
    tail = alert[-12:].upper()
    return "-".join(tail[i : i + 3] for i in range(0, 12, 3))


def _entry(
    endpoint: Endpoint,
    form: Form,
    *,
    envelope: Envelope,
    payload_mac: str,
    at: datetime,
    grants: Sequence[Grant],
    withheld: Sequence[Withheld],
    acknowledge_by: datetime | None,
    revision: Revision,
    reason: str | None,
) -> bytes:
    event, recipient = envelope.event, envelope.recipient
    return entry.disclosure(
        at=at,
        alert=envelope.id,
        event=event.ref,
        person=event.person,
        recipient=recipient.id,
        role=recipient.role,
        endpoint=endpoint.id,
        channel=endpoint.channel,
        form=form,
        grants=grants,
        withheld=withheld,
        rulebook=envelope.rulebook,
        payload_mac=payload_mac,
        agreement=recipient.agreement_ref,
        actor=event.agency,
        acknowledge_by=acknowledge_by,
        message=revision.message,
        supersedes=revision.supersedes,
        revised_by=revision.revised_by,
        reason=reason,
    ).encode()


def _acknowledge_by(permit: Permit, now: datetime) -> datetime | None:
    """Return the soonest deadline any grant sets."""
    waits = [grant.acknowledge_within for grant in permit.grants if grant.acknowledge_within]
    return now + min(waits) if waits else None


def _key_refusal(envelope: Envelope, endpoint: Endpoint, code: str) -> Refusal:
    reason = Reason(
        code=f"key-{code}",
        text=f"The key for {endpoint.id} cannot be used ({code}): no content left over it.",
    )
    return Refusal(
        event=envelope.event.ref,
        recipient=envelope.recipient.id,
        reasons=(reason,),
        rulebook=envelope.rulebook,
    )
