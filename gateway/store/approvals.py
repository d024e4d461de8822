"""What one person proposes and another approves: an erasure, a gap in the log, a rulebook.

Nobody approves their own; the table refuses it once more. Every step is an entry, written in the
transaction that takes it. Carrying out what was approved is `gateway.approving`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from gateway.disclosure_log import entry
from gateway.model.ids import OURSELVES
from gateway.model.staff import ApprovalId
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.times import milliseconds, moment

LAPSES_AFTER: Final = timedelta(days=7)

Kind = Literal["erasure", "gap", "rulebook"]
State = Literal["open", "approved", "declined", "lapsed"]
Decision = Literal["approved", "declined"]
# own: they proposed it; closed: somebody else decided it, or it lapsed before; gone: what it is
# about is no longer there.
Verdict = Literal["approved", "declined", "repeated", "own", "closed", "lapsed", "gone", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One proposal, and what became of it."""

    id: ApprovalId
    kind: Kind
    subject: str  # a person's reference, a size, a digest
    reason: str  # a code
    proposed_by: str  # role or staff id
    proposed_at: datetime
    state: State
    decided_by: str | None
    decided_at: datetime | None

    def lapses_at(self, after: timedelta = LAPSES_AFTER) -> datetime:
        """Return from when on nobody can approve it any more."""
        return self.proposed_at + after


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a decision came to. Done only where `verdict` is "approved" or "declined"."""

    verdict: Verdict
    approval: Approval | None


class SubjectGone(Exception):
    """Unwinds carrying out: what was approved is about nothing that is there any more."""


CarryOut = Callable[[Connection, Approval, str], list[bytes]]  # approver; returns entries


def propose(
    *, id_: ApprovalId, kind: Kind, subject: str, reason: str, by: str, now: datetime
) -> Unit[ApprovalId]:
    """Return the unit that opens a proposal; its result is its id, or the id of the one that is
    open about the same subject, whoever proposed that.

    Args:
        id_: A fresh one.
        kind: What is proposed.
        subject: About what: a reference, a size, a digest; never a value about a person.
        reason: A code; enters the log.
        by: Role or staff id; enters the log.
        now: When.
    """

    def unit(connection: Connection) -> Staged[ApprovalId]:
        stale = _lapse(connection, now, LAPSES_AFTER)
        found = _select(connection, "kind = ? AND subject = ? AND state = 'open'", (kind, subject))
        if found:
            return Staged(found[0].id, stale)
        connection.execute(
            "INSERT INTO approval (id, kind, subject, reason, proposed_by, proposed_at, state)"
            " VALUES (?, ?, ?, ?, ?, ?, 'open')",
            (id_, kind, subject, reason, by, milliseconds(now)),
        )
        logged = entry.approval(
            at=now, approval=id_, kind=kind, subject=subject, state="proposed", by=by,
            reason=reason,
        )  # fmt: skip
        return Staged(id_, [*stale, logged.encode()])

    return unit


def decide(
    id_: str,
    decision: Decision,
    *,
    by: str,
    now: datetime,
    carry_out: CarryOut | None = None,
    after: timedelta = LAPSES_AFTER,
) -> Unit[Decided]:
    """Return the unit that approves or declines a proposal; what was approved is carried out in
    the same transaction, or the approval is not made.

    Deciding it again alike is "repeated" and does nothing. Whoever proposed may decline.

    Args:
        id_: The proposal's; anybody's text.
        decision: What is decided.
        by: Role or staff id of who decides; enters the log.
        now: When.
        carry_out: Called once it is approved; may raise `SubjectGone`, and then it lapses.
        after: How long a proposal waits.
    """

    def unit(connection: Connection) -> Staged[Decided]:
        stale = _lapse(connection, now, after)
        found = approval_by_id(connection, id_)
        verdict = _verdict(found, decision, by)
        if found is None or verdict is not None:
            return Staged(Decided(verdict=verdict or "unknown", approval=found), stale)
        own, entries = _take(connection, found, decision, by, carry_out)
        state: State = decision if own == decision else "lapsed"
        decider = by if own == decision else OURSELVES
        entries.insert(0, _close(connection, found, state, decider, now))
        result = Decided(verdict=own, approval=approval_by_id(connection, id_))
        return Staged(result, [*stale, *entries])

    return unit


def _verdict(found: Approval | None, decision: Decision, by: str) -> Verdict | None:
    """Return why a proposal cannot be decided so; None: it can."""
    if found is None:
        return "unknown"
    if found.state == "lapsed":
        return "lapsed"
    if found.state != "open":
        return "repeated" if (found.state, found.decided_by) == (decision, by) else "closed"
    return "own" if decision == "approved" and found.proposed_by == by else None


def _take(
    connection: Connection,
    found: Approval,
    decision: Decision,
    by: str,
    carry_out: CarryOut | None,
) -> tuple[Verdict, list[bytes]]:
    if decision == "declined" or carry_out is None:
        return decision, []
    try:
        return "approved", list(carry_out(connection, found, by))
    except SubjectGone:
        return "gone", []


def lapse(now: datetime, after: timedelta = LAPSES_AFTER) -> Unit[int]:
    """Return the unit that closes proposals nobody decided in time; its result is how many."""

    def unit(connection: Connection) -> Staged[int]:
        entries = _lapse(connection, now, after)
        return Staged(len(entries), entries)

    return unit


def open_approvals(connection: Connection, *, now: datetime | None = None) -> list[Approval]:
    """Return the open proposals, oldest first; with `now`, without those that have lapsed by then.

    Reads only.
    """
    found = _select(connection, "state = 'open'", ())
    return [one for one in found if now is None or one.lapses_at() > now]


def every_approval(connection: Connection) -> list[Approval]:
    """Return every proposal there was, oldest first. Reads only."""
    return _select(connection, "1 = 1", ())


def approval_by_id(connection: Connection, id_: str) -> Approval | None:
    """Return one proposal. Reads only."""
    found = _select(connection, "id = ?", (id_,))
    return found[0] if found else None


def _lapse(connection: Connection, now: datetime, after: timedelta) -> list[bytes]:
    stale = _select(connection, "state = 'open' AND proposed_at <= ?", (milliseconds(now - after),))
    return [_close(connection, one, "lapsed", OURSELVES, now) for one in stale]


def _close(connection: Connection, of: Approval, state: State, by: str, now: datetime) -> bytes:
    assert state != "open"  # noqa: S101 - what is closed is not open
    connection.execute(
        "UPDATE approval SET state = ?, decided_by = ?, decided_at = ? WHERE id = ?",
        (state, by, milliseconds(now), of.id),
    )
    return entry.approval(
        at=now, approval=of.id, kind=of.kind, subject=of.subject, state=state, by=by
    ).encode()


def _select(connection: Connection, where: str, bindings: tuple[Any, ...]) -> list[Approval]:
    rows = connection.execute(
        "SELECT id, kind, subject, reason, proposed_by, proposed_at, state, decided_by,"  # noqa: S608 - constants
        f" decided_at FROM approval WHERE {where} ORDER BY proposed_at, id",
        bindings,
    )
    return [
        Approval(
            id=ApprovalId(id_),
            kind=kind,
            subject=subject,
            reason=reason,
            proposed_by=by,
            proposed_at=moment(proposed),
            state=state,
            decided_by=decider,
            decided_at=None if decided is None else moment(decided),
        )
        for id_, kind, subject, reason, by, proposed, state, decider, decided in rows
    ]
