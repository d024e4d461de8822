"""What a human may answer an alert with, after what they answered before. Answers only go forward:
acknowledged, then accepted or rejected, then actioned.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final, Literal, get_args

from gateway.model.alert_state import Answer

Means = Literal["link", "api", "sms", "page", "operator"]
RejectionCode = Literal["not-ours", "wrong-person", "duplicate", "cannot-act", "other"]
REJECTIONS: Final[tuple[RejectionCode, ...]] = get_args(RejectionCode)
ANSWERS: Final[tuple[Answer, ...]] = get_args(Answer)
# That somebody has it; a rejection says that nobody has.
HELD: Final[AbstractSet[Answer]] = frozenset({"acknowledged", "accepted", "actioned"})

# "repeated": said before, nothing to do. "needs-reason": a rejection without a code of the list.
Judged = Literal["taken", "repeated", "needs-reason", "recalled", "not-forward"]

_FORWARD: Final[Mapping[Answer | None, AbstractSet[Answer]]] = {
    None: frozenset(ANSWERS),
    "acknowledged": frozenset({"accepted", "rejected", "actioned"}),
    "accepted": frozenset({"actioned"}),
    "rejected": frozenset(),
    "actioned": frozenset(),
}


def judge(before: Answer | None, said: Answer, *, reason: str | None, recalled: bool) -> Judged:
    """Return what becomes of an answer. Pure.

    Args:
        before: What was answered so far.
        said: What is answered now.
        reason: Of a rejection, one of `REJECTIONS`; of any other answer it means nothing.
        recalled: The alert is to be disregarded: that much may be acknowledged.
    """
    if said == before:
        return "repeated"
    if recalled and said != "acknowledged":
        return "recalled"
    if said == "rejected" and reason not in REJECTIONS:
        return "needs-reason"
    return "taken" if said in _FORWARD[before] else "not-forward"
