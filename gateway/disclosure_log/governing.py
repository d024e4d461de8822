"""Entries of how the log itself is kept and looked at: questions, approvals, gaps, keys, sign-ins.

They carry NO personal data. Use them through `gateway.disclosure_log.entry`. Pure.
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from gateway.disclosure_log.operation import Entry, stated
from gateway.model.ids import AgencyName, PersonRef, RecipientId
from gateway.model.staff import ApprovalId, StaffId


def question(
    *,
    at: datetime,
    what: str,
    reader: str | None,
    person: PersonRef | None = None,
    recipient: RecipientId | None = None,
    agency: AgencyName | None = None,
    about: Mapping[str, str] | None = None,
    shown: int | None = None,
    reason_mac: str | None = None,
) -> Entry:
    """The log was asked a question, or what is held of people was read: a consultation.

    Args:
        at: When.
        what: A code: "audit.told", "timeline".
        reader: Role or staff id, or a recipient; None: somebody of `agency`.
        person: Of whom, where one is named and known.
        recipient: About whom, where one is named.
        agency: The controller it was asked for.
        about: What else it was asked of: references only, never a value somebody typed.
        shown: How many rows were shown; 0: it was asked in vain.
        reason_mac: Keyed digest, hex, of the justification.

    Source: DPA 2018 s.62(1)(c), s.62(2).
    """
    return stated(
        "consultation",
        at,
        what=what,
        reader=reader,
        person=person,
        recipient=recipient,
        agency=agency,
        about=dict(about) if about else None,
        shown=shown,
        reason_mac=reason_mac,
    )


def approval(
    *,
    at: datetime,
    approval: ApprovalId,
    kind: str,
    subject: str,
    state: Literal["proposed", "approved", "declined", "lapsed"],
    by: str,
    reason: str | None = None,
) -> Entry:
    """Somebody proposed what needs two, or somebody else decided it; `reason` is a code."""
    return stated(
        "approval",
        at,
        approval=approval,
        kind=kind,
        subject=subject,
        state=state,
        by=by,
        reason=reason,
    )


def gap(
    *,
    at: datetime,
    size: int,
    known_size: int,
    known_root: bytes,
    origin: str,
    proposed_by: str,
    approved_by: str,
    reason: str,
) -> Entry:
    """The log was restored from before a checkpoint that was published, and goes on.

    Args:
        at: When.
        size: Entries the restored log had.
        known_size: Entries of the checkpoint that was published: what lies between is lost.
        known_root: Its root, 32 bytes.
        origin: Under which it goes on: the old one is never signed for again.
        proposed_by: Who found it acceptable.
        approved_by: Who else.
        reason: A code.
    """
    return stated(
        "gap",
        at,
        size=size,
        known_size=known_size,
        known_root=base64.b64encode(known_root).decode(),
        origin=origin,
        proposed_by=proposed_by,
        approved_by=approved_by,
        reason=reason,
    )


def log_key(*, at: datetime, action: Literal["added", "retired"], verifier: str, by: str) -> Entry:
    """A key the log signs its checkpoints with came into use or went out of it."""
    return stated("log-key", at, action=action, verifier=verifier, by=by)


def sign_in(
    *,
    at: datetime,
    staff: StaffId | None,
    means: Literal["passkey", "oidc"],
    outcome: Literal["signed-in", "signed-out", "refused", "expired"],
) -> Entry:
    """Somebody signed in to the console, or out; `staff` is None where nobody proved who."""
    return stated("sign-in", at, staff=staff, means=means, outcome=outcome)
