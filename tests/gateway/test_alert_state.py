"""The states of an alert: whatever happens, in any order, a human's answer only goes forward."""

import dataclasses
import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.model.alert_answer import ANSWERS, HELD, REJECTIONS, judge
from gateway.model.alert_state import Answer, Standing, Way, state_of

NOW = dt.datetime(2026, 11, 20, 2, tzinfo=dt.UTC)
RANK: dict[Answer | None, int] = {
    None: 0, "acknowledged": 1, "accepted": 2, "rejected": 2, "actioned": 3,
}  # fmt: skip
WAITING = Way(state="waiting", attempts=0, receipt="", not_before=None)
PENDING = Way(state="pending", attempts=0, receipt="", not_before=None)


class Life(RuleBasedStateMachine):
    """One alert with a few ways, and everything that may happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.standing = Standing(ways=(), collected_at=None, answer=None, rung=0, recalled=False)
        self.answers: list[Answer] = []

    @initialize(later=st.integers(0, 2))
    def decided(self, later: int) -> None:
        self.standing = dataclasses.replace(self.standing, ways=(PENDING, *[WAITING] * later))

    def _way(self, index: int, **changes: Any) -> None:
        ways = list(self.standing.ways)
        index %= len(ways)
        ways[index] = dataclasses.replace(ways[index], **changes)
        self.standing = dataclasses.replace(self.standing, ways=tuple(ways))

    @rule(index=st.integers(0, 2), outcome=st.sampled_from(["accepted", "rejected", "dead"]))
    def attempted(self, index: int, outcome: Any) -> None:
        way = self.standing.ways[index % len(self.standing.ways)]
        if way.state == "pending":
            self._way(index, state=outcome, attempts=way.attempts + 1)

    @rule(index=st.integers(0, 2), receipt=st.sampled_from(["delivered", "failed", "delayed"]))
    def heard(self, index: int, receipt: Any) -> None:
        if self.standing.ways[index % len(self.standing.ways)].state == "accepted":
            self._way(index, receipt=receipt)

    @rule()
    def climbed(self) -> None:
        for index, way in enumerate(self.standing.ways):
            if way.state == "waiting":
                self._way(index, state="pending")
                break
        self.standing = dataclasses.replace(self.standing, rung=self.standing.rung + 1)

    @rule()
    def collected(self) -> None:
        self.standing = dataclasses.replace(self.standing, collected_at=NOW)

    @precondition(lambda self: not self.standing.recalled)
    @rule()
    def recalled(self) -> None:
        self.standing = dataclasses.replace(self.standing, recalled=True)

    @rule(
        said=st.sampled_from(ANSWERS),
        reason=st.one_of(st.none(), st.sampled_from(REJECTIONS), st.just("because")),
    )
    def answered(self, said: Answer, reason: str | None) -> None:
        before, recalled = self.standing.answer, self.standing.recalled
        verdict = judge(before, said, reason=reason, recalled=recalled)
        if verdict == "repeated":
            assert said == before
        if verdict != "taken":
            return
        assert RANK[said] > RANK[before], "answers only go forward"
        assert not recalled or said == "acknowledged"
        assert said != "rejected" or reason in REJECTIONS
        self.answers.append(said)
        self.standing = dataclasses.replace(self.standing, answer=said)
        assert judge(said, said, reason=reason, recalled=recalled) == "repeated"

    @invariant()
    def a_human_outranks_a_carrier(self) -> None:
        state = state_of(self.standing, NOW)
        if self.standing.recalled:
            assert state == "recalled"
        elif self.standing.answer is not None:
            assert state == self.standing.answer
        elif self.standing.collected_at is not None:
            assert state == "collected"
        elif self.standing.rung:
            assert state == "escalated"
        else:
            assert state in {"decided", "held", "queued", "sent", "delivered", "failed"}

    @invariant()
    def no_answer_is_given_twice(self) -> None:
        assert len(set(self.answers)) == len(self.answers) <= 3


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize("before", [None, *ANSWERS])
@pytest.mark.parametrize("said", ANSWERS)
def test_every_step_there_is(before: Answer | None, said: Answer) -> None:
    taken = {
        (None, "acknowledged"), (None, "accepted"), (None, "rejected"), (None, "actioned"),
        ("acknowledged", "accepted"), ("acknowledged", "rejected"), ("acknowledged", "actioned"),
        ("accepted", "actioned"),
    }  # fmt: skip
    verdict = judge(before, said, reason="not-ours", recalled=False)
    expected = "repeated" if before == said else "not-forward"
    assert verdict == ("taken" if (before, said) in taken else expected)


@pytest.mark.parametrize("reason", [None, "", "because", "Not-Ours"])
def test_a_rejection_needs_a_reason_of_the_list(reason: str | None) -> None:
    assert judge(None, "rejected", reason=reason, recalled=False) == "needs-reason"
    assert "rejected" not in HELD


@given(
    ways=st.lists(
        st.builds(
            Way,
            state=st.sampled_from(
                ["waiting", "pending", "accepted", "rejected", "dead", "withheld"]
            ),
            attempts=st.integers(0, 3),
            receipt=st.just(""),
            not_before=st.sampled_from([None, NOW, NOW + dt.timedelta(hours=1)]),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_what_is_kept_for_later_is_held_and_what_is_due_is_queued(ways: list[Way]) -> None:
    standing = Standing(ways=ways, collected_at=None, answer=None, rung=0, recalled=False)
    state = state_of(standing, NOW)
    pending = [way for way in ways if way.state == "pending"]
    if state == "held":
        assert pending
        assert all(way.not_before is not None and way.not_before > NOW for way in pending)
    if state == "queued":
        assert any(way.not_before is None or way.not_before <= NOW for way in pending)
    if all(way.state in {"rejected", "dead"} for way in ways):
        assert state == "failed"
