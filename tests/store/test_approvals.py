"""What takes two: proposed, approved by somebody else, declined, lapsed; each step an entry."""

from datetime import datetime, timedelta

import apsw
import orjson
import pytest

from gateway.model.staff import ApprovalId
from gateway.store import approvals
from gateway.store.approvals import Approval, Decided, SubjectGone, decide, lapse, propose
from gateway.store.engine import Connection, RuleBroken
from gateway.store.store import Store
from tests.store.stores import NOW, Where, edit, entries, opened

PERSON = "per_" + "1" * 32


async def proposed(
    store: Store, id_: str = "apr_1", *, by: str = "dpo-01", now: datetime = NOW
) -> str:
    return await store.commit(
        propose(
            id_=ApprovalId(id_), kind="erasure", subject=PERSON, reason="art-17-request", by=by,
            now=now,
        )
    )  # fmt: skip


async def decided(
    store: Store,
    id_: str,
    decision: approvals.Decision = "approved",
    *,
    by: str = "dpo-02",
    now: datetime = NOW,
    carry_out: approvals.CarryOut | None = None,
) -> Decided:
    return await store.commit(decide(id_, decision, by=by, now=now, carry_out=carry_out))


def steps(path: Where) -> list[tuple[str, str]]:
    found = [orjson.loads(one) for one in entries(path)]
    return [(one["state"], one["by"]) for one in found if one["op"] == "approval"]


async def test_what_one_proposes_another_approves_and_it_is_carried_out_at_once(
    path: Where,
) -> None:
    carried: list[tuple[str, str]] = []

    def carry_out(connection: Connection, approved: Approval, by: str) -> list[bytes]:
        assert connection.in_transaction
        carried.append((approved.subject, by))
        return []

    async with opened(path) as store:
        id_ = await proposed(store)
        (one,) = approvals.open_approvals(store.reader)
        assert (one.id, one.kind, one.proposed_by, one.state) == (id_, "erasure", "dpo-01", "open")
        assert carried == [], "proposing does nothing"
        made = await decided(store, id_, carry_out=carry_out)
        assert made.verdict == "approved"
        assert carried == [(PERSON, "dpo-02")]
        again = await decided(store, id_, carry_out=carry_out)
        assert (again.verdict, len(carried)) == ("repeated", 1)
        assert approvals.open_approvals(store.reader) == []
    assert steps(path) == [("proposed", "dpo-01"), ("approved", "dpo-02")]


async def test_nobody_approves_their_own_and_the_table_refuses_it_once_more(path: Where) -> None:
    async with opened(path) as store:
        id_ = await proposed(store)
        assert (await decided(store, id_, by="dpo-01")).verdict == "own"
        (one,) = approvals.open_approvals(store.reader)
        assert one.state == "open"
    assert steps(path) == [("proposed", "dpo-01")]
    with pytest.raises((apsw.ConstraintError, RuleBroken)):
        edit(path, "UPDATE approval SET state = 'approved', decided_by = 'dpo-01'")


async def test_whoever_proposed_may_withdraw_and_then_it_may_be_proposed_anew(path: Where) -> None:
    async with opened(path) as store:
        first = await proposed(store)
        assert (await decided(store, first, "declined", by="dpo-01")).verdict == "declined"
        assert (await decided(store, first)).verdict == "closed"
        assert await proposed(store, "apr_2", by="dpo-02") == "apr_2"
    assert [state for state, _ in steps(path)] == ["proposed", "declined", "proposed"]


async def test_one_question_is_open_once_whoever_asks(path: Where) -> None:
    async with opened(path) as store:
        assert await proposed(store) == "apr_1"
        assert await proposed(store, "apr_2", by="dpo-02") == "apr_1"
        assert len(approvals.every_approval(store.reader)) == 1
    assert len(steps(path)) == 1


async def test_what_nobody_decides_lapses_and_is_approved_by_nobody(path: Where) -> None:
    late = NOW + approvals.LAPSES_AFTER
    async with opened(path) as store:
        id_ = await proposed(store)
        assert await store.commit(lapse(late - timedelta(seconds=1))) == 0
        made = await decided(store, id_, now=late)
        assert made.verdict == "lapsed"
        assert await proposed(store, "apr_2", now=late) == "apr_2"
        assert await store.commit(lapse(late + approvals.LAPSES_AFTER)) == 1
        assert await store.commit(lapse(late + approvals.LAPSES_AFTER)) == 0
    assert [state for state, _ in steps(path)] == ["proposed", "lapsed", "proposed", "lapsed"]


async def test_an_approval_that_cannot_be_carried_out_is_not_made(path: Where) -> None:
    def gone(_connection: Connection, _one: Approval, _by: str) -> list[bytes]:
        raise SubjectGone

    def broken(connection: Connection, _one: Approval, _by: str) -> list[bytes]:
        connection.execute("INSERT INTO setting (name, value) VALUES ('half', 'done')")
        raise ValueError("half")

    async with opened(path) as store:
        id_ = await proposed(store)
        with pytest.raises(ValueError, match="half"):
            await decided(store, id_, carry_out=broken)
        found = approvals.approval_by_id(store.reader, id_)
        assert found is not None
        assert found.state == "open"
        assert store.reader.execute("SELECT 1 FROM setting WHERE name = 'half'").get is None
        made = await decided(store, id_, carry_out=gone)
        assert made.verdict == "gone"
        assert made.approval is not None
        assert made.approval.state == "lapsed"
    assert [state for state, _ in steps(path)] == ["proposed", "lapsed"]


async def test_no_such_proposal_is_one_answer(path: Where) -> None:
    async with opened(path) as store:
        assert (await decided(store, "apr_none")).verdict == "unknown"
        assert (await decided(store, "' OR 1 = 1 --", "declined")).verdict == "unknown"
    assert steps(path) == []
