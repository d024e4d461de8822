"""What the disclosure log may be read for, and what of it the person themselves may be told.

The log is no source of statistics: DPA 2018 s.62(4) names four uses and no other.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.model.decision import Reason
from gateway.model.ids import RecipientId
from gateway.model.person import StatedGroup

LAWFUL_USES: Final[Mapping[str, str]] = {
    "lawfulness": "s.62(4)(a)",
    "self_monitoring": "s.62(4)(b)",
    "integrity_and_security": "s.62(4)(c)",
    "criminal_proceedings": "s.62(4)(d)",
    # Not a use of the log for the controller's ends: the answer the person is owed.
    "subject_access": "s.45(2)(c)",
}


def refuse_use(use: str) -> Reason | None:
    """Return why the log may not be read for this, or None if it may. Pure."""
    if use in LAWFUL_USES:
        return None
    return Reason(
        code="not-a-use-of-the-log",
        text="DPA 2018 s.62(4): the log serves to verify lawfulness, for self-monitoring, "
        "integrity and security, and criminal proceedings. Statistics come from the event store.",
    )


def recipients_for_subject(
    told: Iterable[RecipientId], facts: Mapping[str, StatedGroup]
) -> tuple[RecipientId, ...] | Reason:
    """Return to whom a person's facts were disclosed, once each and sorted; or why a DPO must
    decide first, where a sender has asked that the person not be shown.

    Source: DPA 2018 s.45(2)(c) (recipients), s.45(4) (restriction, reasons recorded). Pure.
    """
    handling = facts.get("handling")
    if handling is not None and handling.members.get("sar_restrict") is True:
        return Reason(
            code="subject-access-restricted",
            text="A sender has restricted what the person may be shown (DPA 2018 s.45(4)): the "
            "data protection officer decides, and records why.",
        )
    return tuple(sorted(set(told)))
