"""Where an alert stands: one word, derived from what is recorded of it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

AlertState = Literal[
    "decided",
    "held",
    "queued",
    "sent",
    "delivered",
    "collected",
    "acknowledged",
    "accepted",
    "rejected",
    "actioned",
    "escalated",
    "failed",
    "recalled",
]
# What a human says to an alert. "acknowledged": I have it. "accepted": it is mine to act on.
# "rejected": it is not, with a reason. "actioned": it is done.
Answer = Literal["acknowledged", "accepted", "rejected", "actioned"]
Receipted = Literal["", "delivered", "failed", "delayed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One endpoint of an alert: where its outbox row stands."""

    state: Literal["waiting", "pending", "accepted", "rejected", "dead", "withheld"]
    attempts: int
    receipt: Receipted
    not_before: datetime | None  # quiet hours or a digest keep it until then


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is recorded of an alert."""

    ways: Sequence[Way]
    collected_at: datetime | None
    answer: Answer | None
    rung: int  # how often silence or failure has been acted on
    recalled: bool


def state_of(standing: Standing, now: datetime) -> AlertState:
    """Return where an alert stands: what a human did outranks what a carrier did."""
    ways = standing.ways
    if standing.recalled:
        return "recalled"
    if standing.answer is not None:
        return standing.answer
    if standing.collected_at is not None:
        return "collected"
    if standing.rung:
        return "escalated"
    if any(way.receipt == "delivered" for way in ways):
        return "delivered"
    taken = [way for way in ways if way.state == "accepted"]
    if taken:
        return "failed" if _nothing_left(ways) else "sent"
    pending = [way for way in ways if way.state == "pending"]
    if pending:
        kept = all(way.not_before is not None and way.not_before > now for way in pending)
        return "held" if kept else "queued"
    return "decided" if any(way.state == "waiting" for way in ways) else "failed"


def _nothing_left(ways: Sequence[Way]) -> bool:
    """Whether every way that was tried has failed after all: a bounce undoes an acceptance."""
    return all(
        way.receipt == "failed" if way.state == "accepted" else way.state in {"rejected", "dead"}
        for way in ways
        if way.state != "withheld"
    )
