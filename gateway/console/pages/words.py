"""Words of the console's pages: codes of the log and the store in plain English. Pure."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

from gateway.clock import LONDON

ALERT_STATES: Final[Mapping[str, str]] = {
    "decided": "Decided, waiting for its turn",
    "held": "Held until quiet hours or a digest",
    "queued": "About to leave",
    "sent": "Sent",
    "delivered": "Delivered",
    "collected": "Read",
    "acknowledged": "Acknowledged",
    "accepted": "Accepted",
    "rejected": "Rejected",
    "actioned": "Actioned",
    "escalated": "Passed on, no answer yet",
    "failed": "Failed",
    "recalled": "Recalled",
}
DELIVERY_STATES: Final[Mapping[str, str]] = {
    "pending": "About to leave",
    "waiting": "Waiting for its step",
    "accepted": "Taken by the carrier",
    "rejected": "Refused",
    "dead": "Given up",
    "withheld": "Kept back",
    "failed": "Taken, then reported failed",
}
DUTY_STATES: Final[Mapping[str, str]] = {
    "due": "Due",
    "met": "Met",
    "late": "Late",
    "late_by_circumstance": "Late, for a recorded reason",
}
MESSAGES: Final[Mapping[str, str]] = {
    "NOTIFY": "Alert",
    "UPDATE": "Update",
    "CORRECTION": "Correction",
    "RECALL": "Recall",
    "CHASE": "Chase",
    "TEST": "Test",
}
OPERATIONS: Final[Mapping[str, str]] = {
    "collection": "Received from an agency",
    "alteration": "Corrected or taken back by an agency",
    "consultation": "Read",
    "disclosure": "Disclosed",
    "combination": "Records joined or parted",
    "erasure": "Erased",
    "refusal": "Not told",
    "decision": "Decided by a person",
    "attempt": "Delivery attempt",
    "acknowledgement": "Answered",
    "receipt": "Carrier’s report",
    "sealing": "Sealed to another key",
    "escalation": "Passed on",
    "security": "Security",
    "directory": "Directory changed",
    "rulebook": "Rulebook changed",
    "approval": "Approval",
    "gap": "Gap acknowledged",
    "log-key": "Key of the log",
    "sign-in": "Sign-in",
    "genesis": "Log begun",
}
TASKS: Final[Mapping[str, str]] = {
    "disclosure": "Should somebody be told?",
    "similar-person": "Possible match: is this the same person?",
    "identifiers-conflict": "Conflict: identifiers name different records",
    "date-of-birth-conflict": "Conflict: another date of birth was stated",
    "nhs-number-placeholder": "An NHS number that is a placeholder",
    "nhs-number-unverified": "An NHS number that was not traced",
}
TASK_STATES: Final[Mapping[str, str]] = {
    "open": "Open",
    "approved": "Approved",
    "declined": "Declined",
    "lapsed": "Lapsed",
}
IDENTIFIERS: Final[Mapping[str, str]] = {
    "noms": "Prison number",
    "crn": "Probation CRN",
    "nhs_number": "NHS number",
    "pnc": "PNC id",
    "cro": "CRO number",
}


def when(at: datetime | None) -> str:
    """Return a time as people in London read it; "" of None."""
    if at is None:
        return ""
    here = at.astimezone(LONDON)
    half = "am" if here.hour < 12 else "pm"
    return f"{day(here.date())}, {here.hour % 12 or 12}:{here:%M}{half}"


def day(on: date) -> str:
    """Return a day as it is written: 2 March 2026."""
    return f"{on.day} {on:%B %Y}"


def when_logged(text: object) -> str:
    """Return a time as the log writes it, as people read it; anything else as it is."""
    if not isinstance(text, str):
        return ""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return when(at) if at.tzinfo else text


def number(count: int) -> str:
    """Return a count with commas."""
    return f"{count:,}"
