"""The policy bench at toy size: every line is a figure, and no figure where things differ."""

import pytest

from bench import policy
from bench.problem import NotMeasured
from gateway.candidates import Candidates

TINY = policy.Plan(candidates=(2, 24), directory=40, concerned=4, rounds=1, round_s=0.0)


def test_every_line_is_one_figure_and_the_ratios_are_last() -> None:
    figures = policy.measure(TINY)
    named = [line.split(": ") for line in policy.lines(figures)]
    assert len({name for name, _ in named}) == len(named)
    assert all(float(value) >= 0 for _, value in named)
    assert min(figures.cold.values()) > 0 < min(figures.cached.values())
    assert named[-1][0] == "policy_event_over_small_directory"
    assert set(figures.cold) == set(figures.cached) == {2, 24}


def test_an_index_that_loses_somebody_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Candidates.find
    monkeypatch.setattr(Candidates, "find", lambda self, *asked: found(self, *asked)[1:])
    with pytest.raises(NotMeasured, match="index"):
        policy.measure(TINY)


def test_a_memory_that_answers_otherwise_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    cold = policy.Case.decide_cold
    monkeypatch.setattr(policy.Case, "decide_cold", lambda self, near: cold(self, near)[1:])
    with pytest.raises(NotMeasured, match="differ"):
        policy.measure(TINY)
