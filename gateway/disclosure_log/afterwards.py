"""Entries of what becomes of an alert once it is decided: attempts, receipts, answers, escalation.

They carry NO personal data. Use them through `gateway.disclosure_log.entry`. Pure.
"""

from datetime import datetime
from typing import Literal

from gateway.disclosure_log.operation import Entry, stated, timestamp
from gateway.model.ids import AlertId, EndpointId, PersonRef, RecipientId
from gateway.model.party import ChannelName, Form


def attempt(
    *,
    at: datetime,
    alert: AlertId,
    endpoint: EndpointId,
    channel: ChannelName,
    number: int,
    outcome: str,
    reason: str | None,
    by: str | None = None,
) -> Entry:
    """One try to deliver ended. `number` counts from 1; `reason` is a stable code.

    Outcome "withheld": the alert no longer leaves; `number` is how many tries had been made.
    "retried": somebody (`by`, a role or staff id) set it going again after so many had failed.
    """
    return stated(
        "attempt",
        at,
        alert=alert,
        endpoint=endpoint,
        channel=channel,
        number=number,
        outcome=outcome,
        reason=reason or None,
        by=by,
    )


def acknowledgement(
    *,
    at: datetime,
    alert: AlertId,
    recipient: RecipientId,
    answer: str,
    means: str,
    by: str | None = None,
    reason: str | None = None,
) -> Entry:
    """A human answered an alert: acknowledged, accepted, rejected (with a reason) or actioned.

    Args:
        means: A code: "link", "api", "sms", "page" or "operator".
        by: Role or staff id, where it is known.
        reason: Of a rejection, a stable code.
    """
    return stated(
        "acknowledgement",
        at,
        alert=alert,
        recipient=recipient,
        answer=answer,
        means=means,
        by=by,
        reason=reason,
    )


def receipt(
    *,
    at: datetime,
    alert: AlertId,
    endpoint: EndpointId,
    channel: ChannelName,
    state: str,
    code: str,
) -> Entry:
    """A carrier reported what became of an alert it had taken: delivered, failed or delayed."""
    return stated(
        "receipt", at, alert=alert, endpoint=endpoint, channel=channel, state=state, code=code
    )


def sealing(
    *,
    at: datetime,
    alert: AlertId,
    endpoint: EndpointId,
    channel: ChannelName,
    form: Form,
    reason: str,
    key_id: str | None,
    cipher: Literal["cbc"] | None = None,
) -> Entry:
    """An alert still to leave was sealed to another key, or became a notice, since the key it was
    sealed to may not be used any more. `reason` is what is wrong with that key."""
    return stated(
        "sealing",
        at,
        alert=alert,
        endpoint=endpoint,
        channel=channel,
        form=form,
        reason=reason,
        key=key_id,
        cipher=cipher,
    )


def escalation(
    *,
    at: datetime,
    alert: AlertId,
    recipient: RecipientId,
    rung: int,
    to: str,
    reason: str,
    due: datetime | None = None,
    raised: AlertId | None = None,
) -> Entry:
    """Nobody answered an alert in time, or no way to its recipient was left.

    Args:
        rung: Counts from 1 for each alert.
        to: The endpoint or the recipient that is turned to now; "nobody" at the end of the chain.
        reason: "unanswered", "failed" or "rejected".
        due: When the rung was due: earlier than `at` where the gateway was down.
        raised: The alert made for another recipient.
    """
    return stated(
        "escalation",
        at,
        alert=alert,
        recipient=recipient,
        rung=rung,
        to=to,
        reason=reason,
        due=timestamp(due) if due else None,
        raised=raised,
    )


def collected(
    *,
    at: datetime,
    alert: AlertId,
    person: PersonRef,
    recipient: RecipientId,
    endpoint: EndpointId,
    means: str,
) -> Entry:
    """A recipient read an alert at its pick-up page, or their system fetched it.

    `means`: "passkey", "totp" or "system". Source: DPA 2018 s.62(1)(c), consultation.
    """
    return stated(
        "consultation",
        at,
        what="alert",
        alert=alert,
        person=person,
        recipient=recipient,
        endpoint=endpoint,
        means=means,
    )
