"""One message of the bounce mailbox, read as a delivery status notification.

A report says what became of one alert, or is left aside with a code. What is no report (an
automatic reply, a complaint, a bounce in words only) is never an outcome.
Source: RFC 3464, RFC 3461 (envelope id), RFC 3463 (status codes), RFC 3834 (automatic replies).
"""

import contextlib
import re
from dataclasses import dataclass
from typing import Final, Literal

from gateway.bounces.mime import (
    Entity,
    Malformed,
    content_type,
    read_entity,
    read_groups,
    read_parts,
)
from gateway.model.ids import AlertId
from gateway.model.outcome import Receipt

MAX_MESSAGE_BYTES: Final = 2 * 1024 * 1024  # a report that returns the whole message, and room
MAX_RECIPIENTS: Final = 50

State = Literal["delivered", "failed", "delayed"]
AsideCode = Literal[
    "too-large",
    "malformed",
    "auto-reply",  # RFC 3834: out of office and kin
    "feedback-report",  # RFC 5965: somebody pressed "spam"
    "disposition",  # RFC 8098: a mail reader's own notice that it was shown, which proves nothing
    "bounce-unreadable",  # a bounce in words only
    "not-a-report",
    "not-null-sender",  # a report never has a sender (RFC 3464 section 2); an imitation may
    "no-alert",  # about no alert of ours
    "conflicting",  # it names two
    "relayed",  # passed to where no reports come from, or to a list: not yet delivered
    "inconsistent",  # action and status contradict each other
]

_ALERT = r"alt_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ALERT_ID: Final = re.compile(_ALERT)
_RETURN_PATH: Final = re.compile(rf"\+({_ALERT})@")
_MESSAGE_ID: Final = re.compile(rf"<({_ALERT})@[A-Za-z0-9.-]{{1,253}}>")
_STATUS: Final = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?=[ \t(]|\Z)")
_ACTION: Final = re.compile(r"([A-Za-z]{1,20})(?=[ \t(]|\Z)")
_MAILER: Final = re.compile(r"(?i)\b(?:mailer-daemon|postmaster|mail delivery (?:sub)?system)\b")

# What each action means, and the classes of status that may go with it: a relay that gives up
# waiting reports a failure with the passing reason it waited for.
_STATES: Final[dict[str, tuple[State, str]]] = {
    "failed": ("failed", "45"),
    "delayed": ("delayed", "4"),
    "delivered": ("delivered", "2"),
}
_PASSED_ON: Final = ("relayed", "expanded")
_WORST_FIRST: Final = ("failed", "delayed", "passed-on", "delivered")
# As a mail system writes the empty sender into a mailbox (postfix pipe(8), null_sender).
_NO_SENDER: Final = re.compile(r"(?i)<(?:mailer-daemon(?:@[a-z0-9.-]{1,253})?)?>")
_REPORT_TYPES: Final[dict[str, AsideCode]] = {
    "feedback-report": "feedback-report",
    "disposition-notification": "disposition",
}
_STATUS_TYPES: Final = ("message/delivery-status", "message/global-delivery-status")
_HEADER_TYPES: Final = (
    "text/rfc822-headers",
    "message/rfc822",
    "message/global",
    "message/global-headers",
)
_AS_IT_IS: Final = ("7bit", "8bit", "binary")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A message that says nothing of an alert, and why."""

    code: AsideCode


class _Left(Exception):
    def __init__(self, code: AsideCode) -> None:
        self.code = code
        super().__init__(code)


def read_report(message: bytes) -> Receipt | Aside:
    """Return what one message of the mailbox says of an alert. Never raises.

    A report on several mailboxes (an alias behind ours) says the worst it says of any: an alert
    chased in vain costs less than one believed to have arrived.

    Pure.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        return Aside(code="too-large")
    try:
        return _read(read_entity(message))
    except Malformed:
        return Aside(code="malformed")
    except _Left as left:
        return Aside(code=left.code)


def _read(message: Entity) -> Receipt:
    kind, parameters = content_type(message)
    reported = parameters.get("report-type", "").lower()
    if kind != "multipart/report":
        raise _Left(_what_else(message))
    if reported != "delivery-status":
        raise _Left(_REPORT_TYPES.get(reported, "not-a-report"))
    if not all(map(_NO_SENDER.fullmatch, message.values("return-path"))):
        raise _Left("not-null-sender")
    parts = read_parts(message.body, parameters.get("boundary", ""))
    whole, *recipients = _groups(parts)
    alert = _alert(message, whole, parts[2:])
    state, status = min(map(_said, recipients), key=lambda said: _WORST_FIRST.index(said[0]))
    if state == "passed-on":
        raise _Left("relayed")
    return Receipt(alert=alert, channel="email", state=state, code=f"dsn-{status}")


def _groups(parts: list[Entity]) -> list[Entity]:
    """Return the fields of the report, then those of each of its recipients; at least one.

    The machine's part is the second, and stands as it is (RFC 6522 section 3; RFC 3464 section
    2.1).
    """
    if len(parts) < 2 or content_type(parts[1])[0] not in _STATUS_TYPES:
        raise _Left("bounce-unreadable")
    if (parts[1].one("content-transfer-encoding") or "7bit").lower() not in _AS_IT_IS:
        raise Malformed
    groups = read_groups(parts[1].body, most=MAX_RECIPIENTS + 1)
    if len(groups) < 2:
        raise Malformed
    return groups


def _said(recipient: Entity) -> tuple[State | Literal["passed-on"], str]:
    """Return what is said of one recipient: the action and the status, never who it is."""
    action = _ACTION.match(recipient.one("action") or "")
    status = _STATUS.match(recipient.one("status") or "")
    if action is None or status is None:
        raise Malformed
    name = action[1].lower()
    if name in _PASSED_ON:
        return "passed-on", status[1]
    if name not in _STATES:
        raise Malformed
    state, classes = _STATES[name]
    if status[1][0] not in classes:
        raise _Left("inconsistent")
    return state, status[1]


def _alert(message: Entity, whole: Entity, returned: list[Entity]) -> AlertId:
    """Return the one alert that the envelope id, the return path and the returned header name."""
    envelope_id = whole.one("original-envelope-id") or ""
    found = {envelope_id} if _ALERT_ID.fullmatch(envelope_id) else set()
    for name in ("delivered-to", "x-original-to", "to"):
        for value in message.values(name):
            found.update(_RETURN_PATH.findall(value))
    if returned and content_type(returned[0])[0] in _HEADER_TYPES:
        # What is returned has been through other hands: where it is damaged, the rest counts.
        with contextlib.suppress(Malformed):
            for value in read_entity(returned[0].body).values("message-id"):
                found.update(_MESSAGE_ID.findall(value))
    if len(found) > 1:
        raise _Left("conflicting")
    if not found:
        raise _Left("no-alert")
    return AlertId(found.pop())


def _what_else(message: Entity) -> AsideCode:
    unsent = any(map(_NO_SENDER.fullmatch, message.values("return-path")))
    from_a_mailer = any(map(_MAILER.search, message.values("from")))
    if message.values("x-failed-recipients") or (unsent and from_a_mailer):
        return "bounce-unreadable"
    automatic = [value.lower() for value in message.values("auto-submitted")]
    if any(not value.startswith("no") for value in automatic) or _replies_by_itself(message):
        return "auto-reply"
    return "bounce-unreadable" if unsent or from_a_mailer else "not-a-report"


def _replies_by_itself(message: Entity) -> bool:
    """Whether it says so in one of the ways that were used before RFC 3834."""
    precedence = {value.lower() for value in message.values("precedence")}
    return bool(
        precedence & {"auto_reply", "auto-reply", "bulk", "junk"}
        or message.values("x-autoreply")
        or message.values("x-autorespond")
        or message.values("x-auto-response-suppress")
    )
