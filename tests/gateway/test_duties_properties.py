"""What holds of every history: never due after release; the same again; deadlines follow dates."""

from datetime import date, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.duties.chase import next_steps
from tests.policies.test_clocks import CLOCKS
from tests.support.cases import History, duties, reckoned

START = date(2025, 1, 6)
DAYS = st.integers(0, 720).map(lambda days: START + timedelta(days=days))
RELEASES = st.integers(30, 900).map(lambda days: START + timedelta(days=days))
BEFORE_RELEASE = ("C1", "C2", "C3", "C4", "C6")
FACTS = {
    "mappa": {"category": 2},
    "children": {"pprc": True},
    "offence": {"harassment_or_no_contact": True},
}


@st.composite
def histories(draw: st.DrawFn) -> History:
    """A stay in custody: a level, a sentence, notices and changes of date in any order."""
    history = History()
    first = draw(DAYS)
    level = draw(st.sampled_from([1, 2, 3]))
    sentenced = first - timedelta(days=draw(st.integers(0, 800)))
    history.add(
        first.isoformat(), "custody.received", "prison",
        **{**FACTS, "mappa": {"category": 2, "level": level},
           "offence": {**FACTS["offence"], "sentenced_on": sentenced.isoformat()}},
    )  # fmt: skip
    on = first
    for kind in draw(st.lists(st.sampled_from(
        ["release.planned", "release.date_changed", "release.date_change_proposed",
         "release.date_change_consulted", "mappa.review_completed", "mappa.level_changed"]),
        min_size=1, max_size=8)):  # fmt: skip
        on += timedelta(days=draw(st.integers(0, 90)))
        custody = {"planned_date": draw(RELEASES).isoformat()}
        by = draw(st.sampled_from(["prison", "probation", "police"]))
        if kind.startswith("release"):
            history.add(on.isoformat(), kind, by, custody=custody)
        else:
            history.add(on.isoformat(), kind, by, mappa={"level": draw(st.sampled_from([1, 2, 3]))})
    return history


@given(histories(), DAYS)
def test_what_is_owed_before_a_release_is_never_due_after_it(history: History, on: date) -> None:
    found = duties(history, on)
    for name in BEFORE_RELEASE:
        if name in found:
            assert found[name].due <= max(found[name].basis_date, history[0].received_at.date())


@given(histories(), DAYS)
def test_reckoning_again_changes_nothing_and_a_duty_met_stays_met_as_days_pass(
    history: History, on: date
) -> None:
    assert reckoned(history, on) == reckoned(history, on)
    last = max(on, history[-1].received_at.date())
    now, later = duties(history, last), duties(history, last + timedelta(days=400))
    assert now.keys() == later.keys()
    assert all(later[name].met_on == duty.met_on for name, duty in now.items() if duty.met_on)


@given(RELEASES, st.integers(-200, 200))
def test_moving_the_date_by_weeks_moves_what_is_due_in_weeks_by_the_same(
    release: date, shift: int
) -> None:
    moved = release + timedelta(days=shift)
    before = History().level(2).released("2024-01-08", release.isoformat(), **FACTS)
    before.add("2024-01-09", "mappa.level_changed", "probation", mappa={"level": 2})
    first = duties(before, "2024-01-09")
    before.add(
        "2024-01-10", "release.date_changed", "prison", custody={"planned_date": moved.isoformat()}
    )
    second = duties(before, "2024-01-10")
    for name in ("C2", "C4", "C6"):
        assert second[name].due - first[name].due == moved - release
        assert second[name].basis_date == moved


@given(histories(), DAYS)
def test_nothing_changes_between_one_look_and_the_next(history: History, on: date) -> None:
    on = max(on, history[-1].received_at.date())
    reckoning = reckoned(history, on)
    until = reckoning.look_again or on + timedelta(days=400)
    assume((until - on).days > 1)
    between = reckoned(history, until - timedelta(days=1))
    assert between.duties == reckoning.duties
    assert _steps(history, until - timedelta(days=1)) <= _steps(history, on)


def _steps(history: History, on: date) -> set[object]:
    reckoning = reckoned(history, on)
    steps = next_steps(reckoning, clocks=CLOCKS, stated=frozenset(), today=on)
    return {step.key for step in steps}


@given(histories())
def test_each_step_is_taken_once_for_each_date_however_often_one_looks(history: History) -> None:
    stated: frozenset[object] = frozenset()
    taken: list[object] = []
    for days in range(0, 1500, 7):
        on = START + timedelta(days=days)
        steps = next_steps(reckoned(history, on), clocks=CLOCKS, stated=stated, today=on)
        taken += [step.key for step in steps]
        stated |= {step.key for step in steps}
    assert len(taken) == len(set(taken))
