"""What an attempt's outcome means: for its row, for its endpoint's breaker and for its rate."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gateway.delivery.attempt import Made
from gateway.delivery.batch import parts_at_once
from gateway.delivery.breaker import Verdict
from gateway.delivery.terms import Delivering
from gateway.disclosure_log import entry
from gateway.model.outcome import Accepted, Deferred, Outcome, Rejected
from gateway.store.outbox import Attempted, OutboxRow, State

LONGEST_PAUSE: Final = timedelta(hours=1)

# Nobody is there, or whoever is there cannot serve anybody.
_NO_ANSWER: Final = re.compile(
    r"timeout|connect|connection-lost|dns|tls|bad-reply|smtp-421|(http|notify|mesh)-5\d\d"
    r"|smpp-(unreachable|timeout|lost)"
)
_SPOKE: Final = re.compile(r"(http|notify|mesh|smtp|smpp)-[\w-]+")
_TOO_MANY: Final = re.compile(r"\w+-429(-\w+)?")


def after(
    row: OutboxRow,
    outcome: Outcome,
    now: datetime,
    delivering: Delivering,
    *,
    at_once: bool = False,
) -> Attempted:
    """Return what an attempt's outcome means for its row; `at_once`: it need not wait.

    `Deferred.after` only lengthens the wait. Draws from `delivering.rng`; otherwise pure.
    """
    number = row.attempts + 1
    state: State = "pending"
    next_at = now
    reason = ""
    unknown = False
    if isinstance(outcome, Accepted):
        state = "accepted"
    elif isinstance(outcome, Rejected):
        state, reason = "rejected", outcome.reason
    else:
        reason, unknown = outcome.reason, outcome.outcome_unknown
        next_at = now if at_once else now + _wait(number, outcome, delivering)
        if next_at - row.owed_since > delivering.give_up_after:
            state = "dead"
    return _attempted(row, state, number, reason, now, next_at, unknown=unknown)


def after_made(made: Made, now: datetime, delivering: Delivering) -> Sequence[Attempted]:
    """Return what an attempt means for each of its rows; it was of one or more."""
    first, *others = made.rows
    if first.digest:
        return after_digest(made.rows, made.each[0], now, delivering)
    if others:
        return after_batch(made.rows, made.each, made.said, now, delivering)
    return [after(first, made.each[0], now, delivering)]


def after_digest(
    rows: Sequence[OutboxRow], outcome: Outcome, now: datetime, delivering: Delivering
) -> list[Attempted]:
    """Return what one attempt at several alerts means for each; they leave together again."""
    each = [after(row, outcome, now, delivering) for row in rows]
    waits = [one.next_at for one in each if one.state == "pending"]
    return [replace(one, next_at=max(waits)) if one.state == "pending" else one for one in each]


def after_batch(
    rows: Sequence[OutboxRow],
    each: Sequence[Outcome],
    said: Outcome | None,
    now: datetime,
    delivering: Delivering,
) -> list[Attempted]:
    """Return what one post of several alerts means for each.

    Where it failed as a whole, and one of them may be why, they are tried at once, in parts; where
    nobody was there, they come again together.
    """
    whole = [outcome is said and isinstance(outcome, Deferred) for outcome in each]
    at_once = sum(whole) > 1 and said is not None and parts_at_once(said)
    came = [
        after(row, outcome, now, delivering, at_once=at_once and of_all)
        for row, outcome, of_all in zip(rows, each, whole, strict=True)
    ]
    if at_once or sum(whole) < 2:
        return came
    last = max(one.next_at for one, of_all in zip(came, whole, strict=True) if of_all)
    return [
        replace(one, next_at=last) if of_all and one.state == "pending" else one
        for one, of_all in zip(came, whole, strict=True)
    ]


def given_up(row: OutboxRow, now: datetime) -> Attempted:
    """Return the end of a row whose endpoint stayed out of reach for too long: no attempt more."""
    return _attempted(row, "dead", row.attempts, "unreachable", now, row.next_at, unknown=False)


def _attempted(
    row: OutboxRow,
    state: State,
    number: int,
    reason: str,
    now: datetime,
    next_at: datetime,
    *,
    unknown: bool,
) -> Attempted:
    logged = entry.attempt(
        at=now,
        alert=row.alert,
        endpoint=row.endpoint,
        channel=row.channel,
        number=number,
        outcome="deferred" if state == "pending" else state,
        reason=reason,
    )
    return Attempted(
        alert=row.alert,
        endpoint=row.endpoint,
        state=state,
        attempts=number,
        at=now,
        next_at=next_at,
        outcome_unknown=unknown or (row.outcome_unknown and state in {"pending", "dead"}),
        reason=reason,
        entry=logged.encode(),
    )


def verdict_of(outcome: Outcome) -> Verdict:
    """Return what an outcome says of its endpoint. Pure.

    An answer of any sort shows that somebody is there, also "too many" and "not you"; trouble of
    our own (a key, a route, a fault) says nothing.
    """
    if isinstance(outcome, Accepted):
        return "answered"
    if _NO_ANSWER.fullmatch(outcome.reason):
        return "failed"
    return "answered" if _SPOKE.fullmatch(outcome.reason) else "neither"


def pause_of(outcome: Outcome, wait: timedelta) -> timedelta:
    """Return how long the whole endpoint is left alone after an outcome. Pure.

    Args:
        outcome: "Too many requests", or anything that names a time; not what is merely looked up
            again later because nobody knows whether it arrived.
        wait: Of the row itself: what "too many" without a time amounts to.
    """
    if not isinstance(outcome, Deferred) or outcome.outcome_unknown:
        return timedelta()
    pause = outcome.after or timedelta()
    if _TOO_MANY.fullmatch(outcome.reason):
        pause = pause or wait
    return min(pause, LONGEST_PAUSE)


def _wait(number: int, outcome: Deferred, delivering: Delivering) -> timedelta:
    ladder = delivering.ladder
    ceiling = ladder[min(number, len(ladder)) - 1]
    jittered = ceiling * delivering.rng.uniform(0.5, 1.0)
    return max(jittered, outcome.after or timedelta())
