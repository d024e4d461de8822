"""What leaves over one endpoint: which form, sealed to which key, saying what; and its entry."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from gateway.alert import Envelope
from gateway.channels.mail_message import SEALED_SUBJECT
from gateway.disclosing import Disclosing, Revision
from gateway.disclosure_log import entry
from gateway.links import Links
from gateway.model.decision import Grant, Withheld
from gateway.model.ids import AlertId, EndpointId
from gateway.model.keyring import HeldKey, usable_key
from gateway.model.party import Endpoint, Form
from gateway.model.reference import reference
from keys.cms import Cipher
from keys.problem import BadKey
from keys.seal import seal

CONTEXT: Final = b"throughgate/alert/v1:"


def forms_for(endpoint: Endpoint) -> tuple[Form, ...]:
    """Return what may be put on an endpoint, best first. No key: nothing with content."""
    if endpoint.channel == "sms":
        return ("pointer",)
    if endpoint.channel == "mesh":
        return ("sealed",)
    if endpoint.channel == "webhook":
        return ("sealed", "notice")
    return ("sealed", "notice") if endpoint.keys and endpoint.smime else ("notice",)


def key_in_use(endpoint: Endpoint, now: datetime) -> HeldKey:
    """Return the key an endpoint is sealed to now. Pure.

    Raises:
        BadKey: there is none: "no-key", "unconfirmed", "not-yet-valid", "expired", "unvouched" or
            "revoked".
    """
    found = usable_key(endpoint.keys, now)
    if isinstance(found, str):
        raise BadKey(found, "the directory holds no key for this endpoint that may be used now")
    return found


def plaintext(alert: AlertId, content: bytes, logged: bytes, links: Links) -> bytes:
    """Return what is sealed over one endpoint: the alert, its log entry, and where to answer it.

    Args:
        alert: Its id.
        content: As `AlertKept` has it.
        logged: The entry of the disclosure over this endpoint.
        links: Of this instance.

    Pure.
    """
    return b'%b,"entry":"%b","answer":{"url":"%b","api":"%b","token":"%b"}}' % (
        content,
        base64.b64encode(logged),
        links.answer(alert).encode(),
        f"{links.public_url}/v1/alerts/{alert}/answer".encode(),
        links.answer_token(alert).encode(),
    )


def seal_over(
    endpoint: Endpoint, held: HeldKey, alert: AlertId, content: bytes, context: Disclosing
) -> bytes:
    """Return content sealed to an endpoint's key, as its directory entry says.

    Raises:
        KeyProblem: the key cannot be used after all.
    """
    outer = _outer_headers(endpoint, context) if held.key.form == "cms" else {}
    return seal(
        content,
        held.key,
        context=CONTEXT + alert.encode(),
        now=context.now,
        mail_signer=context.mail_signer,
        cipher=cipher_of(endpoint, held),
        headers=outer | {"Subject": f"Alert {reference(alert)}"} if outer else None,
        outer=outer,
    )


def cipher_of(endpoint: Endpoint, held: HeldKey) -> Cipher:
    """Return the cipher of mail to an endpoint: the weaker one only by recorded consent. Pure."""
    consented = endpoint.smime == "cbc" and bool(endpoint.cbc_accepted)
    return "cbc" if held.key.form == "cms" and consented else "gcm"


def cipher_logged(endpoint: Endpoint, held: HeldKey | None) -> Literal["cbc"] | None:
    """Return what an entry says of the cipher: the weaker one, where it is used. Pure."""
    return "cbc" if held is not None and cipher_of(endpoint, held) == "cbc" else None


def _outer_headers(endpoint: Endpoint, context: Disclosing) -> dict[str, str]:
    """Return the header fields of mail that stand outside the seal, and are repeated in it."""
    sender = context.mail_from(endpoint)
    known = {"From": sender} if sender else {}
    return known | {"To": endpoint.address, "Subject": SEALED_SUBJECT}


def unsealed_text(
    alert: AlertId, endpoint: EndpointId, form: Form, links: Links, *, issue: int = 0
) -> bytes:
    """Return the content-free text of a notice or a pointer, with its pick-up link. Pure."""
    link = links.pick_up(alert, endpoint, issue)
    if form == "pointer":
        return f"{reference(alert)}\n{link}".encode()
    return NOTICE.format(reference=reference(alert), link=link).encode()


NOTICE: Final = """\
A message is waiting for you.

Reference: {reference}

It is not in this email. To read it, once, open

{link}

and confirm who you are. Opening the page alone does nothing.
If you did not expect this, do not reply: tell your information security team.
"""


def entry_over(
    endpoint: Endpoint,
    form: Form,
    held: HeldKey | None,
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
    """Return the log entry of a disclosure over an endpoint, canonical JSON. Pure."""
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
        escalates=revision.escalates,
        reason=reason,
        key_id=held.key.key_id if held else None,
        cipher=cipher_logged(endpoint, held),
        step=endpoint.step,
        exercise=event.exercise,
    ).encode()
