"""Alerts as a whole: where each stands, what its reader answered, which of them make one chain.

A chain is an alert and those its silence, failure or rejection led to: whoever answers one of them
has it, for all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from gateway.disclosure_log import entry
from gateway.model.alert_answer import HELD, Judged, Means, judge
from gateway.model.alert_state import AlertState, Answer, Receipted, Standing, Way, state_of
from gateway.model.disclosure import AlertKept, Message
from gateway.model.ids import AlertId, EndpointId, EventRef, PersonRef, RecipientId
from gateway.model.party import ChannelName
from gateway.model.strict_json import JsonObject
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.times import milliseconds, moment

_MS: Final = timedelta(milliseconds=1)
WayState = Literal["waiting", "pending", "accepted", "rejected", "dead", "withheld"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """One alert as recorded."""

    id: AlertId
    event: EventRef
    person: PersonRef
    recipient: RecipientId
    message: Message
    escalates: AlertId | None
    urgent: bool
    exercise: bool
    decided_at: datetime
    answer_by: datetime | None  # when its silence is acted on next
    within: timedelta | None  # what each rung of the chain has
    rung: int
    collected_at: datetime | None
    answer: Answer | None
    answered_at: datetime | None
    recalled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WayRow:
    """One endpoint of an alert, by name."""

    endpoint: EndpointId
    channel: ChannelName
    step: int
    way: Way

    def shown(self) -> JsonObject:
        """Return how the way stands, for whoever may know the alert. Pure."""
        return {
            "endpoint": self.endpoint,
            "channel": self.channel,
            "step": self.step,
            "state": self.way.state,
            "attempts": self.way.attempts,
            "receipt": self.way.receipt or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerResult:
    """What became of an answer, and where the alert stands now; nothing of an unknown alert."""

    verdict: Judged | Literal["unknown"]
    state: AlertState | None


def find(connection: Connection, alert: AlertId) -> AlertRow | None:
    """Return an alert, or None. Reads only."""
    row = connection.execute(_SELECT + "WHERE id = ?", (alert,)).fetchone()
    return _row(*row) if row else None


def event_of(connection: Connection, alert: AlertId) -> EventRef | None:
    """Return the event an alert tells of, or None. Reads only."""
    row = connection.execute("SELECT event FROM alert WHERE id = ?", (alert,)).fetchone()
    return EventRef(row[0]) if row else None


def by_reference(connection: Connection, plain: str) -> list[AlertRow]:
    """Return the alerts of a reference without dashes: one, but for a chance in 2**48. Reads
    only."""
    rows = connection.execute(_SELECT + "WHERE substr(id, -12) = ?", (plain.lower(),))
    return [_row(*row) for row in rows]


def chain(connection: Connection, alert: AlertRow) -> list[AlertRow]:
    """Return the alerts of one chain: its first, then those made for others, in order. Reads
    only."""
    first = alert.escalates or alert.id
    rows = connection.execute(
        _SELECT + "WHERE id = ?1 OR escalates = ?1 ORDER BY escalates IS NOT NULL, decided_at, id",
        (first,),
    )
    return [_row(*row) for row in rows]


def is_held(members: Sequence[AlertRow]) -> bool:
    """Return whether somebody answered that they have what a chain is about. Pure."""
    return any(one.answer in HELD for one in members)


def ways_of(connection: Connection, alert: AlertId) -> list[WayRow]:
    """Return the ways of an alert, first steps first. Reads only."""
    rows = connection.execute(
        "SELECT endpoint, channel, step, state, attempts, receipt, next_at, decided_at"
        " FROM outbox WHERE alert = ? ORDER BY step, endpoint",
        (alert,),
    )
    return [_way(*row) for row in rows]


def state(connection: Connection, alert: AlertRow, now: datetime) -> AlertState:
    """Return where an alert stands. Reads only."""
    standing = Standing(
        ways=[one.way for one in ways_of(connection, alert.id)],
        collected_at=alert.collected_at,
        answer=alert.answer,
        rung=alert.rung,
        recalled=alert.recalled,
    )
    return state_of(standing, now)


def listed(
    connection: Connection,
    *,
    recipient: RecipientId | None = None,
    since: datetime | None = None,
    unanswered: bool = False,
) -> Iterator[AlertRow]:
    """Yield alerts, newest first. Reads only.

    Args:
        recipient: Only theirs.
        since: Only those decided then or later.
        unanswered: Only those that somebody still has to answer, or had to when the chain ended.
    """
    where = ["TRUE"]
    bindings: list[Any] = []
    if recipient is not None:
        where.append("recipient = ?")
        bindings.append(recipient)
    if since is not None:
        where.append("decided_at >= ?")
        bindings.append(milliseconds(since))
    if unanswered:
        where.append("answer IS NULL AND recalled = 0 AND (answer_by IS NOT NULL OR rung > 0)")
    rows = connection.execute(
        _SELECT + "WHERE " + " AND ".join(where) + " ORDER BY decided_at DESC, id DESC", bindings
    )
    return (_row(*row) for row in rows)


def answer(
    alert: AlertId,
    said: Answer,
    *,
    means: Means,
    by: str | None,
    reason: str | None,
    now: datetime,
    recipient: RecipientId | None = None,
) -> Unit[AnswerResult]:
    """Return the unit that takes a human's answer, once.

    Args:
        alert: What is answered.
        said: What they say; the same again changes nothing.
        means: How they said it.
        by: Role or staff id, where it is known.
        reason: Of a rejection, one of `REJECTIONS`.
        now: When they said it.
        recipient: Where given, the alert must be this recipient's, or it is unknown.

    Whoever has it stops the clock of the whole chain. A rejection by whom the chain has come to
    sets its next rung due at once; one by whom it has passed already changes no clock.
    """

    def unit(connection: Connection) -> Staged[AnswerResult]:
        row = find(connection, alert)
        if row is None or (recipient is not None and row.recipient != recipient):
            return Staged(AnswerResult(verdict="unknown", state=None))
        verdict = judge(row.answer, said, reason=reason, recalled=row.recalled)
        if verdict != "taken":
            return Staged(AnswerResult(verdict=verdict, state=state(connection, row, now)))
        code = reason if said == "rejected" else None
        connection.execute(
            "UPDATE alert SET answer = ?, answered_at = ? WHERE id = ?",
            (said, milliseconds(now), alert),
        )
        if said == "rejected":
            _hurry(connection, row, now)
        else:
            connection.execute(_STOP_CHAIN, (row.escalates or row.id,))
        logged = entry.acknowledgement(
            at=now, alert=alert, recipient=row.recipient, answer=said, means=means, by=by,
            reason=code,
        )  # fmt: skip
        fresh = find(connection, alert) or row
        result = AnswerResult(verdict="taken", state=state(connection, fresh, now))
        return Staged(result, [logged.encode()])

    return unit


_STOP_CHAIN: Final = "UPDATE alert SET answer_by = NULL WHERE id = ?1 OR escalates = ?1"


def _hurry(connection: Connection, row: AlertRow, now: datetime) -> None:
    """Set the next rung due: somebody else must take what was just rejected."""
    members = chain(connection, row)
    if is_held(members):
        return
    if members[-1].id == row.id:
        connection.execute(
            "UPDATE alert SET answer_by = ? WHERE id = ?", (milliseconds(now), row.id)
        )
    elif row.escalates is not None:  # the clock of the chain itself is its first alert's
        connection.execute("UPDATE alert SET answer_by = NULL WHERE id = ?", (row.id,))


def supersede(connection: Connection, made: Sequence[AlertKept]) -> None:
    """Stop the clocks of alerts that others take the place of, and of what chased them.

    Args:
        connection: The writer's, in a transaction.
        made: The alerts now told; a RECALL among them marks the one it is about as recalled.
    """
    for one in made:
        if one.supersedes is None:
            continue
        connection.execute(
            "UPDATE alert SET answer_by = NULL, recalled = max(recalled, ?2)"
            " WHERE id = ?1 OR (escalates = ?1 AND message = 'CHASE')",
            (one.supersedes, int(one.message == "RECALL")),
        )


_SELECT: Final = (
    "SELECT id, event, person, recipient, message, escalates, urgent, exercise, decided_at,"
    " answer_by, answer_within, rung, collected_at, answer, answered_at, recalled FROM alert "
)


def _row(
    id_: str,
    event: str,
    person: str,
    recipient: str,
    message: Message,
    escalates: str | None,
    urgent: int,
    exercise: int,
    decided_at: int,
    answer_by: int | None,
    within: int | None,
    rung: int,
    collected_at: int | None,
    answered: Answer | None,
    answered_at: int | None,
    recalled: int,
) -> AlertRow:
    return AlertRow(
        id=AlertId(id_),
        event=EventRef(event),
        person=PersonRef(person),
        recipient=RecipientId(recipient),
        message=message,
        escalates=AlertId(escalates) if escalates else None,
        urgent=bool(urgent),
        exercise=bool(exercise),
        decided_at=moment(decided_at),
        answer_by=_moment(answer_by),
        within=None if within is None else within * _MS,
        rung=rung,
        collected_at=_moment(collected_at),
        answer=answered,
        answered_at=_moment(answered_at),
        recalled=bool(recalled),
    )


def _way(
    endpoint: str,
    channel: ChannelName,
    step: int,
    sent: WayState,
    attempts: int,
    receipt: Receipted,
    next_at: int,
    decided_at: int,
) -> WayRow:
    # Before the first attempt, only quiet hours or a digest put the next one off.
    kept = attempts == 0 and next_at > decided_at and sent == "pending"
    way = Way(
        state=sent,
        attempts=attempts,
        receipt=receipt,
        not_before=moment(next_at) if kept else None,
    )
    return WayRow(endpoint=EndpointId(endpoint), channel=channel, step=step, way=way)


def _moment(stored: int | None) -> datetime | None:
    return None if stored is None else moment(stored)
