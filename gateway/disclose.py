"""Disclose: minimise, seal, and write the entry. The only maker of Disclosure.

What leaves is chosen by selection from the permit; what cannot be sealed does not leave.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.disclosure_log import entry
from gateway.disclosure_log.entry import canonical_json
from gateway.model.decision import Grant, Permit, Reason, Refusal, View
from gateway.model.disclosure import Disclosure
from gateway.model.event import Event
from gateway.model.ids import AlertId
from gateway.model.kinds import URGENT, type_of
from gateway.model.party import Endpoint, Form, Recipient
from gateway.model.person import Person
from gateway.model.strict_json import Json, JsonObject
from keys.cms import MailSigner
from keys.problem import BadKey, KeyProblem
from keys.seal import seal
from policies.minimise import select

CONTEXT: Final = b"throughgate/alert/v1:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosing:
    """What disclosing needs besides the decision. Time and randomness come in here."""

    instance: str  # the gateway's name in entries and alerts
    new_id: Callable[[str], str]
    random_bytes: Callable[[int], bytes]
    now: datetime
    mail_signer: MailSigner | None
    public_url: str  # where a notice says to collect


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One permit carried out: a disclosure per endpoint, the view held for those that get only a
    notice or pointer, and a refusal for every endpoint whose key could not be used."""

    disclosures: tuple[Disclosure, ...]
    held: tuple[bytes | None, ...]  # per disclosure: plaintext for the sealed store
    refusals: tuple[Refusal, ...]


def disclose(
    permit: Permit, event: Event, person: Person, recipient: Recipient, context: Disclosing
) -> Told:
    """Turn a permit into disclosures. Every id that retries must keep is fixed here.

    Never raises for a key's sake: a key that cannot be used means a content-free notice by
    email, nothing by webhook, and a Refusal that names the key problem's code.
    Pure but for `context`.
    """
    alert = AlertId(context.new_id("alt"))
    view = select(person, permit)
    body = canonical_json(_alert(alert, permit, event, recipient, view, context))
    digest_key = context.random_bytes(32)
    telling = _Telling(
        alert=alert,
        body=body,
        digest_key=digest_key,
        payload_mac=hmac.new(digest_key, body, hashlib.sha256).hexdigest(),
        permit=permit,
        event=event,
        recipient=recipient,
        context=context,
    )
    disclosures: list[Disclosure] = []
    held: list[bytes | None] = []
    refusals: list[Refusal] = []
    for endpoint in recipient.endpoints:
        for form in _forms(endpoint):
            try:
                disclosure, plaintext = _over(endpoint, form, telling)
            except KeyProblem as error:
                refusals.append(_key_refusal(permit, endpoint, error.code))
                continue
            disclosures.append(disclosure)
            held.append(None if form == "sealed" else plaintext)
            break
    return Told(disclosures=tuple(disclosures), held=tuple(held), refusals=tuple(refusals))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Telling:
    """What is the same over every endpoint of one alert."""

    alert: AlertId
    body: bytes  # the alert, canonical JSON
    digest_key: bytes  # lets the recipient, and nobody else, tie the log entry to the content
    payload_mac: str  # HMAC-SHA256 of `body` under it, hex
    permit: Permit
    event: Event
    recipient: Recipient
    context: Disclosing


def _forms(endpoint: Endpoint) -> tuple[Form, ...]:
    """Return what may be put on an endpoint, best first. No key: nothing with content."""
    if endpoint.channel == "sms":
        return ("pointer",)
    if endpoint.channel == "webhook":
        return ("sealed",)
    return ("sealed", "notice") if endpoint.key and endpoint.smime == "gcm" else ("notice",)


def _over(endpoint: Endpoint, form: Form, telling: _Telling) -> tuple[Disclosure, bytes]:
    """Make the disclosure over one endpoint, and the plaintext it seals or points to.

    Raises:
        KeyProblem: the endpoint's key cannot be used.
    """
    logged = _entry(endpoint, form, telling)
    plaintext = b'{"alert":%b,"digest_key":"%b","entry":"%b"}' % (
        telling.body,
        base64.b64encode(telling.digest_key),
        base64.b64encode(logged),
    )
    disclosure = Disclosure(
        alert=telling.alert,
        event=telling.event.ref,
        person=telling.event.person,
        recipient=telling.recipient.id,
        endpoint=endpoint.id,
        channel=endpoint.channel,
        form=form,
        sealed=_content(endpoint, form, plaintext, telling),
        entry=logged,
        urgent=telling.event.kind in URGENT,
        acknowledge_by=_acknowledge_by(telling.permit, telling.context.now),
    )
    return disclosure, plaintext


def _content(endpoint: Endpoint, form: Form, plaintext: bytes, telling: _Telling) -> bytes:
    if form == "pointer":
        return reference(telling.alert).encode()
    if form == "notice":
        return _NOTICE.format(
            reference=reference(telling.alert), url=telling.context.public_url
        ).encode()
    if endpoint.key is None:
        raise BadKey("no-key", "the directory holds no key for this endpoint")
    return seal(
        plaintext,
        endpoint.key,
        context=CONTEXT + telling.alert.encode(),
        now=telling.context.now,
        mail_signer=telling.context.mail_signer,
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


def _alert(
    alert: AlertId,
    permit: Permit,
    event: Event,
    recipient: Recipient,
    view: View,
    context: Disclosing,
) -> JsonObject:
    """Return the alert a recipient reads: the view, and all they need to judge and use it.

    Source: DPA 2018 s.38(5)(b), domain facts 9.1.
    """
    acknowledge_by = _acknowledge_by(permit, context.now)
    return {
        "message_id": alert,
        "message_type": "NOTIFY",
        "recipient": recipient.id,
        "recipient_type": "FA" if permit.for_action else "FI",
        "event_type": type_of(event.kind),
        "occurred_at": entry.timestamp(event.occurred_at),
        "case_ref": event.person,
        "grants": [_grant(grant) for grant in permit.grants],
        "agreement_ref": recipient.agreement_ref,
        "policy_version": permit.rulebook,
        "marking": "OFFICIAL-SENSITIVE",
        "source": context.instance,
        "ack_required_by": entry.timestamp(acknowledge_by) if acknowledge_by else None,
        "facts": dict(view.groups),
    }


def _grant(grant: Grant) -> Json:
    return {
        "rule_id": grant.rule,
        "legal_basis_id": grant.basis,
        "citation": grant.citation,
        "regime": grant.regime,
        "condition": grant.condition,
        "purpose": grant.purpose,
        "members": list(grant.members),
    }


def _entry(endpoint: Endpoint, form: Form, telling: _Telling) -> bytes:
    permit, recipient = telling.permit, telling.recipient
    return entry.disclosure(
        at=telling.context.now,
        alert=telling.alert,
        event=telling.event.ref,
        person=telling.event.person,
        recipient=recipient.id,
        role=recipient.role,
        endpoint=endpoint.id,
        channel=endpoint.channel,
        form=form,
        grants=permit.grants,
        withheld=permit.withheld,
        rulebook=permit.rulebook,
        payload_mac=telling.payload_mac,
        agreement=recipient.agreement_ref,
        actor=telling.event.agency,
        acknowledge_by=_acknowledge_by(permit, telling.context.now),
    ).encode()


def _acknowledge_by(permit: Permit, now: datetime) -> datetime | None:
    """Return the soonest deadline any grant sets."""
    waits = [grant.acknowledge_within for grant in permit.grants if grant.acknowledge_within]
    return now + min(waits) if waits else None


def _key_refusal(permit: Permit, endpoint: Endpoint, code: str) -> Refusal:
    reason = Reason(
        code=f"key-{code}",
        text=f"The key for {endpoint.id} cannot be used ({code}): no content left over it.",
    )
    return Refusal(
        event=permit.event,
        recipient=permit.recipient,
        reasons=(reason,),
        rulebook=permit.rulebook,
    )
