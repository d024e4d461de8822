"""Revise: which earlier events no longer stand as they were told, and what becomes of each.

Event by event: a correction gives an earlier event other groups and leaves its kind; a retraction
takes it back, or takes an earlier correction or retraction back; a movement the other way undoes
one within its window; records parted again leave what was told of them as one person wrong.
Source: DPA 2018 s.38(5)(c); vectors 21 and 30. Pure: who was told is read elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from gateway.known import standing
from gateway.model.disclosure import RecallReason
from gateway.model.event import Event
from gateway.model.ids import AlertId, EventRef, PersonRef
from gateway.model.kinds import REVISING_KINDS
from gateway.store.decisions import Move
from gateway.store.history import Past

UNTOLD: Final = frozenset({"accepted", "held"})  # states in which nobody has been told yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Revised:
    """An earlier event whose alerts are wrong."""

    event: Event  # as it stands now, or as it last stood
    stands: bool  # False: whoever was told is told to disregard it
    reason: RecallReason  # for those who are not, or no longer, entitled
    only: frozenset[AlertId] | None = None  # the alerts that are wrong; None: every one about it


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an event does to earlier ones."""

    moves: tuple[Move, ...] = ()
    revised: tuple[Revised, ...] = ()
    silent: str = ""  # why the event itself tells nobody, as a code; empty: it is decided itself
    past: tuple[Event, ...] | None = None  # all that stands now, in order; None: as before, and it
    also: tuple[PersonRef, ...] = ()  # other persons of whom everything is known anew

    @property
    def corrects(self) -> tuple[EventRef, ...]:
        """The earlier events it says something about, for the log."""
        return tuple(dict.fromkeys([*(move.event for move in self.moves), *self._told_anew]))

    @property
    def _told_anew(self) -> list[EventRef]:
        return [one.event.ref for one in self.revised]


NOTHING: Final = Plan()
IN_VAIN: Final = "revises-nothing"  # nothing of that reference stands
UNDOES: Final = "undoes-an-untold-movement"  # both ways cancel out, and nobody heard of either
REVISES: Final = "revises-an-earlier-event"  # what it says is told as that event


def plan_revision(event: Event, history: Sequence[Past]) -> Plan:
    """Return what a correction or retraction does.

    Args:
        event: Of one of `REVISING_KINDS`.
        history: Every event of the person, this one too, in the order received.
    """
    past = {one.event.ref: one for one in history}
    target = past.get(event.corrects) if event.corrects else None
    first = _first(target, past)
    if (
        target is None
        or first is None
        or _gone(target)
        or (event.kind == "event.corrected" and _gone(first))
    ):
        return Plan(silent=IN_VAIN, past=_standing(history, (), event))
    moves = _moves(event, target, first, past)
    now = _standing(history, moves, event)
    found = [one for one in now if one.ref == first.event.ref]
    if not found and first.state != "decided":  # gone before, or never told
        return Plan(moves=moves, silent=REVISES, past=now)
    revised = Revised(
        event=found[0] if found else _as_told(history, first.event),
        stands=bool(found),
        reason="corrected-no-longer-entitled" if found else "retracted",
    )
    return Plan(moves=moves, revised=(revised,), silent=REVISES, past=now)


def plan_reversal(event: Event, history: Sequence[Past], undone: Mapping[str, timedelta]) -> Plan:
    """Return what a movement undoes: the newest one the other way, if it is recent enough.

    Args:
        event: The later movement.
        history: Every event of the person, in the order received.
        undone: The kinds it undoes, and for how long after they were received.
    """
    for one in reversed(history):
        earlier = one.event
        if earlier.ref == event.ref or earlier.kind not in undone:
            continue
        if _gone(one) or not _undoes(event, earlier, undone[earlier.kind]):
            return NOTHING
        untold = one.state in UNTOLD
        move = Move(
            event=earlier.ref, was=one.state, becomes="cancelled" if untold else "retracted"
        )
        revised = Revised(event=_as_told(history, earlier), stands=False, reason="reversed")
        return Plan(
            moves=(move,),
            revised=() if untold else (revised,),
            silent=UNDOES if untold else "",
            past=_standing(history, (move,), event),
        )
    return NOTHING


def _gone(one: Past) -> bool:
    return one.state in {"retracted", "cancelled"}


def _undoes(event: Event, earlier: Event, window: timedelta) -> bool:
    """Same agency, same prison where both name one, in time, and after it in fact."""
    here, there = (one.groups.get("custody", {}).get("prison") for one in (event, earlier))
    return (
        event.agency == earlier.agency
        and (here is None or there is None or here == there)
        and timedelta() <= event.received_at - earlier.received_at <= window
        and event.occurred_at >= earlier.occurred_at
    )


def _first(one: Past | None, past: Mapping[EventRef, Past]) -> Past | None:
    """Return the event that a correction, or a correction of that, is about in the end."""
    while one is not None and one.event.kind in REVISING_KINDS:
        one = past.get(one.event.corrects) if one.event.corrects else None
    return one


def _moves(
    event: Event, target: Past, first: Past, past: Mapping[EventRef, Past]
) -> tuple[Move, ...]:
    if event.kind == "event.corrected":
        # Nobody was told of it yet: it is told now, as corrected, and not again when its hold ends.
        return (_move(first, "decided"),) if first.state in UNTOLD else ()
    if target.state in UNTOLD:
        return (_move(target, "cancelled"),)
    gone = _move(target, "retracted")
    if target.event.kind == "event.retracted" and target.event.corrects:
        again = past.get(target.event.corrects)
        if again is not None and again.state == "retracted":
            return (gone, _move(again, "decided"))
    return (gone,)


def _move(one: Past, becomes: str) -> Move:
    return Move(event=one.event.ref, was=one.state, becomes=becomes)


def _standing(history: Sequence[Past], moves: Sequence[Move], event: Event) -> tuple[Event, ...]:
    """Return the events that stand once `event` is decided, each in its corrected form."""
    states = {one.event.ref: one.state for one in history}
    states |= {move.event: move.becomes for move in moves} | {event.ref: "decided"}
    events = [one.event for one in history if states[one.event.ref] == "decided"]
    return tuple(standing(events))


def _as_told(history: Sequence[Past], event: Event) -> Event:
    """Return an event with its corrections so far, as its newest alerts told it."""
    events = [one.event for one in history if one.state == "decided" or one.event.ref == event.ref]
    found = [one for one in standing(events) if one.ref == event.ref]
    return found[0] if found else event
