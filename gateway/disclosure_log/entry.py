"""The entries of the disclosure log: one function per operation, so none can be ill-formed.

They carry NO personal data: opaque references, roles, bases, purposes, names of groups and
members, rule ids, digests. What a person's record says is sealed elsewhere under their key.
Source: DPA 2018 s.62 (logging), s.62(4) (what the log may be used for). Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.disclosure_log.canonical import canonical_json
from gateway.model.decision import Grant, Reason, Withheld
from gateway.model.ids import (
    AgencyName,
    AlertId,
    EndpointId,
    EventRef,
    PersonRef,
    ReceiptId,
    RecipientId,
)
from gateway.model.party import ChannelName, Form
from gateway.model.strict_json import Json, JsonObject

__all__ = ["OPERATIONS", "Entry", "canonical_json", "timestamp"]

MAX_TEXT: Final = 300  # characters of any string; a narrative does not fit by accident
MAX_ENTRY_BYTES: Final = 65_535  # an entry bundle prefixes each entry with a uint16

_LAWFUL_OPERATIONS: Final = frozenset(  # DPA 2018 s.62(1): all six
    ("collection", "alteration", "consultation", "disclosure", "combination", "erasure")
)
OPERATIONS: Final = _LAWFUL_OPERATIONS | {  # and what else a DPO must be able to prove
    "genesis",
    "refusal",
    "attempt",
    "acknowledgement",
    "security",
    "directory",
    "rulebook",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry. Make it with the functions below.

    Raises:
        ValueError: unknown operation, a time without a zone, a text over 300 characters, or a
            field that would hide ``v``, ``op`` or ``at``.
    """

    op: str
    at: datetime
    fields: Mapping[str, Json]

    def __post_init__(self) -> None:
        if self.op not in OPERATIONS:
            raise ValueError("not an operation of the log")
        if self.at.tzinfo is None:
            raise ValueError("an entry's time must be aware")
        if not self.fields.keys().isdisjoint(("v", "op", "at")):
            raise ValueError("fields may not rename the entry")
        _check_texts(self.fields.values())

    def encode(self) -> bytes:
        """Return the entry's canonical JSON: the exact bytes that are hashed, stored and served.

        Raises:
            ValueError: longer than 65535 bytes, or a text that is not Unicode.
        """
        head: JsonObject = {"v": 1, "op": self.op, "at": timestamp(self.at)}
        body = canonical_json(head | dict(self.fields))
        if len(body) > MAX_ENTRY_BYTES:
            raise ValueError("an entry is at most 65535 bytes")
        return body


def timestamp(moment: datetime) -> str:
    """Return an aware time as the log writes it: RFC 3339, UTC, milliseconds (cut), ``Z``."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"


def genesis(*, at: datetime, origin: str, rulebook: str) -> Entry:
    """The first entry of every log: whose it is and which rulebook was in force."""
    return _entry("genesis", at, origin=origin, rulebook=rulebook)


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
    return _entry(
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
) -> Entry:
    """Records were joined under one person; `identifiers` are kinds ("noms"), never numbers."""
    return _entry(
        "combination",
        at,
        person=person,
        identifiers=list[Json](sorted(identifiers)),
        agency=agency,
        event=event,
    )


def alteration(
    *, at: datetime, event: EventRef, person: PersonRef, agency: AgencyName, corrects: EventRef
) -> Entry:
    """An agency corrected or retracted what it had stated in an earlier event."""
    return _entry("alteration", at, event=event, person=person, agency=agency, corrects=corrects)


def consultation(*, at: datetime, what: str, start: int, end: int) -> Entry:
    """Records [start, end) of `what` ("log") were read."""
    return _entry("consultation", at, what=what, start=start, end=end)


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
) -> Entry:
    """An alert is about to leave over one endpoint: who is told which members, and why.

    Source: DPA 2018 s.62(2)-(3): the date and time, who disclosed, who received.
    """
    return _entry(
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
    return _entry(
        "refusal",
        at,
        event=event,
        person=person,
        recipient=recipient,
        role=role,
        reasons=[_reason(reason) for reason in reasons],
        rulebook=rulebook,
    )


def attempt(
    *,
    at: datetime,
    alert: AlertId,
    endpoint: EndpointId,
    channel: ChannelName,
    number: int,
    outcome: str,
    reason: str | None,
) -> Entry:
    """One try to deliver ended. `number` counts from 1; `reason` is a stable code."""
    return _entry(
        "attempt",
        at,
        alert=alert,
        endpoint=endpoint,
        channel=channel,
        number=number,
        outcome=outcome,
        reason=reason or None,
    )


def acknowledgement(
    *, at: datetime, alert: AlertId, recipient: RecipientId, endpoint: EndpointId, means: str
) -> Entry:
    """A human said they have the alert. `means` is a code: "link", "api", "sms"."""
    return _entry(
        "acknowledgement", at, alert=alert, recipient=recipient, endpoint=endpoint, means=means
    )


def erasure(*, at: datetime, person: PersonRef, actor: str, reason: str) -> Entry:
    """A person's data key was destroyed; every proof about them still verifies."""
    return _entry("erasure", at, person=person, actor=actor, reason=reason)


def security(
    *, at: datetime, code: str, agency: AgencyName | None, event: EventRef | None = None
) -> Entry:
    """Something an operator must look at; `agency` is None when nobody proved who they were."""
    return _entry("security", at, code=code, agency=agency, event=event)


def directory(*, at: datetime, action: str, subject: str, actor: str, digest: str) -> Entry:
    """An agency, recipient or key was registered, changed or revoked; `digest` is of the record.

    Raises:
        ValueError: the subject is a mailbox: ids end up in every later entry.
    """
    if "@" in subject:
        raise ValueError("an id in the directory may not be a mailbox")
    return _entry("directory", at, action=action, subject=subject, actor=actor, digest=digest)


def rulebook(*, at: datetime, digest: str, actor: str) -> Entry:
    """Another rulebook is in force from here on; `digest` is its hex SHA-256."""
    return _entry("rulebook", at, digest=digest, actor=actor)


def _entry(op: str, at: datetime, **fields: Json) -> Entry:
    stated = {name: value for name, value in fields.items() if value is not None}
    return Entry(op=op, at=at, fields=stated)


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


def _check_texts(values: Iterable[Json]) -> None:
    for value in values:
        if isinstance(value, str):
            if len(value) > MAX_TEXT:
                raise ValueError("a text in an entry is at most 300 characters")
        elif isinstance(value, dict):
            _check_texts(value.values())
        elif isinstance(value, list):
            _check_texts(value)
