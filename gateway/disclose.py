"""Disclose: minimise, seal, and write the entry. The only maker of Disclosure.

What leaves is chosen by selection from the permit; what cannot be sealed does not leave.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from gateway.alert import Envelope, alert_of, chase_of, months_after, recall_of, test_of
from gateway.disclosing import NEWS, Disclosing, Revision, Told, key_refusal, no_route
from gateway.disclosure_log.entry import canonical_json
from gateway.model.decision import Permit, Refusal
from gateway.model.disclosure import AlertKept, Disclosure, RecallReason
from gateway.model.event import Event
from gateway.model.ids import AlertId, RecipientId
from gateway.model.kinds import URGENT
from gateway.model.party import Endpoint, Form, Recipient
from gateway.model.person import Person
from gateway.model.strict_json import JsonObject
from gateway.over_endpoint import (
    entry_over,
    forms_for,
    key_in_use,
    plaintext,
    seal_over,
    unsealed_text,
)
from gateway.quiet import digest_at, quiet_until
from keys.problem import KeyProblem
from policies.minimise import select

__all__ = [
    "NEWS",
    "Disclosing",
    "Revision",
    "Told",
    "chase",
    "disclose",
    "recall",
    "test_alert",
]


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
    within = _acknowledge_within(permit, revision)
    acknowledge_by = context.now + within if within else None
    content = alert_of(
        envelope,
        permit,
        person,
        select(person, permit),
        acknowledge_by=acknowledge_by,
        review_due=months_after(context.now.date(), context.review_months),
    )
    entry_of = partial(
        entry_over,
        grants=permit.grants,
        withheld=permit.withheld,
        acknowledge_by=acknowledge_by,
        revision=revision,
        reason=None,
    )
    return _tell(
        _telling(
            envelope, content, context, entry_of, revision,
            within=within, for_action=permit.for_action,
        )
    )  # fmt: skip


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
    return _without_facts(envelope, recall_of(envelope, reason), context, revision, reason)


def chase(
    unanswered: AlertId,
    event: Event,
    recipient: Recipient,
    context: Disclosing,
    rulebook: str,
    *,
    addressee: RecipientId,
    within: timedelta,
) -> Told:
    """Tell a recipient that somebody else's alert is unanswered, and nothing of what it says.

    For whoever stands next in an escalation chain and may not be told the facts themselves.

    Args:
        unanswered: The alert; the recipient learns its reference.
        event: The one that alert was about; the recipient learns nothing of it.
        recipient: Who is told.
        context: Time, randomness and keys.
        rulebook: Digest of the rulebook in force.
        addressee: Whose alert it is.
        within: How long there is to answer.

    Pure but for `context`.
    """
    revision = Revision(message="CHASE", escalates=unanswered)
    envelope = _envelope(event, recipient, rulebook, context, revision)
    content = chase_of(envelope, unanswered, addressee, context.now + within)
    return _without_facts(envelope, content, context, revision, "unanswered", within)


def test_alert(
    event: Event, recipient: Recipient, context: Disclosing, rulebook: str, *, within: timedelta
) -> Told:
    """Send a recipient an alert that says nothing of anybody, over the way real ones take.

    Args:
        event: The gateway's own, about nobody.
        recipient: Who is to answer it.
        context: Time, randomness and keys.
        rulebook: Digest of the rulebook in force.
        within: How long there is to answer.

    Pure but for `context`.
    """
    revision = Revision(message="TEST")
    envelope = _envelope(event, recipient, rulebook, context, revision)
    content = test_of(envelope, context.now + within)
    return _without_facts(envelope, content, context, revision, "test", within)


def _without_facts(
    envelope: Envelope,
    content: JsonObject,
    context: Disclosing,
    revision: Revision,
    reason: str,
    within: timedelta | None = None,
) -> Told:
    """Tell what rests on no grant; its entry carries a reason in place of one."""
    entry_of = partial(
        entry_over,
        grants=(),
        withheld=(),
        acknowledge_by=context.now + within if within else None,
        revision=revision,
        reason=reason,
    )
    return _tell(_telling(envelope, content, context, entry_of, revision, within=within))


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
    refusals: list[Refusal] = []
    envelope = telling.envelope
    routes = [
        one for one in envelope.recipient.endpoints if one.exercise == envelope.event.exercise
    ]
    if not routes:
        refusals.append(no_route(envelope))
    for endpoint in routes:
        for form in forms_for(endpoint):
            try:
                disclosures.append(_over(endpoint, form, telling))
            except KeyProblem as error:
                refusals.append(key_refusal(envelope, endpoint, error.code))
                continue
            break
    return Told(alert=telling.kept, disclosures=tuple(disclosures), refusals=tuple(refusals))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Telling:
    """What is the same over every endpoint of one alert."""

    envelope: Envelope
    kept: AlertKept
    entry_of: Callable[..., bytes]  # of endpoint and form
    context: Disclosing
    for_action: bool


def _telling(
    envelope: Envelope,
    content: JsonObject,
    context: Disclosing,
    entry_of: Callable[..., bytes],
    revision: Revision,
    *,
    within: timedelta | None = None,
    for_action: bool = True,
) -> _Telling:
    bare = revision.message in {"CHASE", "TEST"}
    renditions = [] if bare else list(context.render(content, envelope.recipient))
    body = canonical_json(content | ({"renditions": renditions} if renditions else {}))
    # Lets the recipient, and nobody else, tie the log entry to the content.
    digest_key = context.random_bytes(32)
    payload_mac = hmac.new(digest_key, body, hashlib.sha256).hexdigest()
    kept = AlertKept(
        alert=envelope.id,
        event=envelope.event.ref,
        person=envelope.event.person,
        recipient=envelope.recipient.id,
        message=revision.message,
        supersedes=revision.supersedes,
        escalates=revision.escalates,
        # Whoever acts on what is wrong is told so before anything else.
        urgent=envelope.event.kind in URGENT or revision.revised_by is not None or bare,
        exercise=envelope.event.exercise,
        acknowledge_by=context.now + within if within else None,
        acknowledge_within=within,
        content=b'{"alert":%b,"digest_key":"%b"' % (body, base64.b64encode(digest_key)),
    )
    return _Telling(
        envelope=envelope,
        kept=kept,
        entry_of=partial(entry_of, envelope=envelope, payload_mac=payload_mac, at=context.now),
        context=context,
        for_action=for_action,
    )


def _over(endpoint: Endpoint, form: Form, telling: _Telling) -> Disclosure:
    """Make the disclosure over one endpoint.

    Raises:
        KeyProblem: none of the endpoint's keys may be used now.
    """
    kept, context = telling.kept, telling.context
    held = key_in_use(endpoint, context.now) if form == "sealed" else None
    logged = telling.entry_of(endpoint, form, held)
    quiet = quiet_until(
        telling.envelope.recipient,
        endpoint,
        urgent=kept.urgent,
        acknowledge_by=kept.acknowledge_by,
        now=context.now,
    )
    together = digest_at(
        telling.envelope.recipient,
        endpoint,
        form,
        urgent=kept.urgent,
        for_action=telling.for_action,
        acknowledge_by=kept.acknowledge_by,
        now=context.now,
    )
    return Disclosure(
        alert=kept.alert,
        event=kept.event,
        person=kept.person,
        recipient=kept.recipient,
        endpoint=endpoint.id,
        channel=endpoint.channel,
        form=form,
        sealed=(
            unsealed_text(kept.alert, endpoint.id, form, context.links)
            if held is None
            else seal_over(
                endpoint,
                held,
                kept.alert,
                plaintext(kept.alert, kept.content, logged, context.links),
                context,
            )
        ),
        entry=logged,
        key_id=held.key.key_id if held else None,
        step=endpoint.step,
        not_before=together or quiet,
        digest=together is not None,
        exercise=kept.exercise,
    )


def _acknowledge_within(permit: Permit, revision: Revision) -> timedelta | None:
    """Return the shortest wait that any grant or the alert's chain sets."""
    waits = [grant.acknowledge_within for grant in permit.grants]
    return min((wait for wait in (*waits, revision.within) if wait), default=None)
