"""The entries of the disclosure log: one function per operation, so none can be ill-formed.

They carry NO personal data: opaque references, roles, bases, purposes, names of groups and
members, rule ids, digests. What a person's record says is sealed elsewhere under their key.
Source: DPA 2018 s.62 (logging), s.62(4) (what the log may be used for). Pure.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.disclosure_log.afterwards import (
    acknowledgement,
    attempt,
    collected,
    escalation,
    receipt,
    sealing,
)
from gateway.disclosure_log.canonical import canonical_json
from gateway.disclosure_log.governing import approval, gap, log_key, question, sign_in
from gateway.disclosure_log.operation import OPERATIONS, Entry, stated, timestamp
from gateway.model.decision import Grant, Reason, Withheld
from gateway.model.disclosure import Message
from gateway.model.ids import (
    AgencyName,
    AlertId,
    EndpointId,
    EventRef,
    PersonRef,
    ReceiptId,
    RecipientId,
    RuleId,
    TaskId,
)
from gateway.model.party import ChannelName, Form
from gateway.model.strict_json import Json, JsonObject

__all__ = [
    "OPERATIONS",
    "Entry",
    "acknowledgement",
    "approval",
    "attempt",
    "canonical_json",
    "collected",
    "escalation",
    "gap",
    "log_key",
    "question",
    "receipt",
    "sealing",
    "sign_in",
    "timestamp",
]

CORRECTING: Final = "DPA 2018 s.38(5)(c)"  # why a correction or recall is sent at all


def genesis(*, at: datetime, origin: str, rulebook: str) -> Entry:
    """The first entry of every log: whose it is and which rulebook was in force."""
    return stated("genesis", at, origin=origin, rulebook=rulebook)


def collection(
    *,
    at: datetime,
    event: EventRef,
    person: PersonRef,
    agency: AgencyName,
    kind: str,
    receipt: ReceiptId,
    body_mac: str,
) -> Entry:
    """An event was accepted from an agency; `body_mac` is keyed, hex, over the posted bytes."""
    return stated(
        "collection",
        at,
        event=event,
        person=person,
        agency=agency,
        kind=kind,
        receipt=receipt,
        body_mac=body_mac,
    )


def combination(
    *,
    at: datetime,
    person: PersonRef,
    identifiers: Sequence[str],
    agency: AgencyName,
    event: EventRef,
    absorbed: PersonRef | None = None,
    separated: PersonRef | None = None,
    by: str | None = None,
) -> Entry:
    """Records were joined under one person; `identifiers` are kinds ("noms"), never numbers.

    Args:
        at: When.
        person: The record that goes on.
        identifiers: Kinds that were linked to it or, with `separated`, taken from it.
        agency: Who said so; the gateway itself when a person at it did.
        event: That said so.
        absorbed: The record merged into it.
        separated: The record a merge is undone for, or `person` itself when a link is.
        by: Role or staff id of who did it at the gateway.
    """
    return stated(
        "combination",
        at,
        person=person,
        identifiers=list[Json](sorted(identifiers)),
        agency=agency,
        event=event,
        absorbed=absorbed,
        separated=separated,
        by=by,
    )


def alteration(
    *, at: datetime, event: EventRef, person: PersonRef, agency: AgencyName, corrects: EventRef
) -> Entry:
    """An agency corrected, retracted or undid what it had stated in an earlier event."""
    return stated("alteration", at, event=event, person=person, agency=agency, corrects=corrects)


def consultation(*, at: datetime, what: str, start: int, end: int) -> Entry:
    """Records [start, end) of `what` ("log") were read."""
    return stated("consultation", at, what=what, start=start, end=end)


def decision(
    *,
    at: datetime,
    task: TaskId,
    person: PersonRef,
    event: EventRef | None,
    recipient: RecipientId | None,
    rule: RuleId | None,
    outcome: str,
    decider: str,
) -> Entry:
    """A human decided a task: `outcome` is "approved" or "declined", `decider` a role or staff id.

    Their reason is sealed with the task and never comes here.
    """
    return stated(
        "decision",
        at,
        task=task,
        person=person,
        event=event,
        recipient=recipient,
        rule=rule,
        outcome=outcome,
        decider=decider,
    )


def disclosure(
    *,
    at: datetime,
    alert: AlertId,
    event: EventRef,
    person: PersonRef,
    recipient: RecipientId,
    role: str,
    endpoint: EndpointId,
    channel: ChannelName,
    form: Form,
    grants: Sequence[Grant],
    withheld: Sequence[Withheld],
    rulebook: str,
    payload_mac: str,
    agreement: str | None,
    actor: str,
    acknowledge_by: datetime | None,
    message: Message = "NOTIFY",
    supersedes: AlertId | None = None,
    revised_by: EventRef | None = None,
    escalates: AlertId | None = None,
    reason: str | None = None,
    key_id: str | None = None,
    cipher: str | None = None,
    step: int = 1,
    exercise: bool = False,
) -> Entry:
    """An alert is about to leave over one endpoint: who is told which members, and why.

    Args:
        supersedes: The earlier alert this one updates, corrects or recalls.
        revised_by: Of a correction or recall: the event that made it necessary. `event` stays the
            one the alert is about, so that all ever told of an event is found under it.
        escalates: The alert whose silence or failure made this one.
        reason: Of what carries no grant (a recall, a chase, a test), a stable code.
        key_id: Of the recipient's key it is sealed to.
        cipher: "cbc" where the directory records that the agency accepts the weaker one.
        step: 1: it leaves at once; else only when the steps before failed or nobody answered.
        exercise: It is about nobody and may reach no live route.

    Source: DPA 2018 s.62(2)-(3): the date and time, who disclosed, who received.
    """
    return stated(
        "disclosure",
        at,
        alert=alert,
        event=event,
        person=person,
        recipient=recipient,
        role=role,
        endpoint=endpoint,
        channel=channel,
        form=form,
        grants=[_grant(grant) for grant in grants],
        withheld=[{"group": held.group, **_reason(held.reason)} for held in withheld],
        rulebook=rulebook,
        payload_mac=payload_mac,
        agreement=agreement,
        actor=actor,
        acknowledge_by=timestamp(acknowledge_by) if acknowledge_by else None,
        message=message,
        supersedes=supersedes,
        revised_by=revised_by,
        escalates=escalates,
        reason=reason,
        key=key_id,
        cipher=cipher,
        step=step if step > 1 else None,
        exercise=exercise or None,
        basis=CORRECTING if message in {"CORRECTION", "RECALL"} else None,
    )


def refusal(
    *,
    at: datetime,
    event: EventRef,
    person: PersonRef,
    recipient: RecipientId,
    role: str,
    reasons: Sequence[Reason],
    rulebook: str,
) -> Entry:
    """A recipient was told nothing of an event: every reason's code, and its rule."""
    return stated(
        "refusal",
        at,
        event=event,
        person=person,
        recipient=recipient,
        role=role,
        reasons=[_reason(reason) for reason in reasons],
        rulebook=rulebook,
    )


def erasure(*, at: datetime, person: PersonRef, actor: str, reason: str) -> Entry:
    """A person's data key was destroyed; every proof about them still verifies."""
    return stated("erasure", at, person=person, actor=actor, reason=reason)


def disposal(*, at: datetime, kind: str, count: int, before: datetime, actor: str) -> Entry:
    """So many rows of a kind, all from before a moment, were kept for as long as was laid down and
    are gone; no person's key was destroyed."""
    return stated(
        "erasure",
        at,
        kind=kind,
        count=count,
        before=timestamp(before),
        actor=actor,
        reason="retention",
    )


def security(
    *, at: datetime, code: str, agency: AgencyName | None, event: EventRef | None = None
) -> Entry:
    """Something an operator must look at; `agency` is None when nobody proved who they were."""
    return stated("security", at, code=code, agency=agency, event=event)


def directory(*, at: datetime, action: str, subject: str, actor: str, digest: str) -> Entry:
    """An agency, recipient or key was registered, changed or revoked; `digest` is of the record.

    Raises:
        ValueError: the subject is a mailbox: ids end up in every later entry.
    """
    if "@" in subject:
        raise ValueError("an id in the directory may not be a mailbox")
    return stated("directory", at, action=action, subject=subject, actor=actor, digest=digest)


def rulebook(*, at: datetime, digest: str, actor: str) -> Entry:
    """Another rulebook is in force from here on; `digest` is its hex SHA-256."""
    return stated("rulebook", at, digest=digest, actor=actor)


def _grant(grant: Grant) -> JsonObject:
    found: JsonObject = {
        "rule": grant.rule,
        "basis": grant.basis,
        "regime": grant.regime,
        "condition": grant.condition,
        "purpose": grant.purpose,
        "members": list(grant.members),
        "for_action": grant.for_action,
    }
    if grant.policy_document:
        found["policy_document"] = grant.policy_document
    if grant.decided_by:
        found["decided_by"] = grant.decided_by
    if grant.acknowledge_within is not None:
        found["acknowledge_within_s"] = grant.acknowledge_within // timedelta(seconds=1)
    return found


def _reason(reason: Reason) -> JsonObject:
    """Code and rule only: the sentence is for the DPO's screen."""
    return (
        {"code": reason.code}
        if reason.rule is None
        else {
            "code": reason.code,
            "rule": reason.rule,
        }
    )
