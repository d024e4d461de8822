"""The capacity model: what it says of demand, and that its figures move the right way."""

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.scale_model import (
    HEADROOM,
    SCOPES,
    Costs,
    Demand,
    lines,
    most_events_per_s,
    need,
)
from tests.support.examples import examples

COSTS = Costs(
    event_cpu_ms=1.0,
    alert_cpu_ms=0.5,
    event_serial_ms=0.2,
    alert_serial_ms=0.1,
    event_bytes=3000,
    alert_bytes=2000,
    entry_bytes=600,
    event_entries=1,
    alert_entries=2,
)


def test_one_area_s_year_is_reckoned_as_by_hand() -> None:
    found = need(COSTS, Demand(scope="area", people=2000, events=40, told=6, answered=1))
    assert found.entries_per_year == pytest.approx(80_000 * (1 + 6 * 3))
    assert found.log_bytes_per_year == pytest.approx(80_000 * 19 * 600)
    assert found.store_bytes_per_year == pytest.approx(80_000 * (3000 + 6 * 2000))
    # A fifth of a week's events in two hours: 16.8 times the mean.
    assert found.demand.peak_per_s == pytest.approx(16.8 * found.demand.events_per_s)
    assert found.cores == pytest.approx(found.demand.peak_per_s * 4e-3)
    assert (found.processes, found.logs, found.first_limit) == (1, 1, "nothing")


def test_what_runs_out_first_is_what_is_busier() -> None:
    large = Demand(scope="large", people=10**9)
    assert need(COSTS, large).first_limit == "processor"
    serial = replace(COSTS, event_serial_ms=50.0)
    assert need(serial, large).first_limit == "writer"
    assert need(serial, large).logs > need(COSTS, large).logs


def test_what_one_process_can_do_needs_one_process() -> None:
    process, writer = most_events_per_s(COSTS, told=6)
    assert process == pytest.approx(HEADROOM * 1000 / 4.0)
    assert writer == pytest.approx(HEADROOM * 1000 / 0.8)


@given(
    people=st.integers(1, 10**9),
    more=st.integers(1, 10**9),
    name=st.sampled_from([one.name for one in fields(Costs)]),
)
@settings(max_examples=examples(60))
def test_more_people_or_dearer_work_never_needs_less(people: int, more: int, name: str) -> None:
    before = need(COSTS, Demand(scope="a", people=people))
    for after in (
        need(COSTS, Demand(scope="b", people=people + more)),
        need(replace(COSTS, **{name: getattr(COSTS, name) * 2}), before.demand),
    ):
        assert after.cores >= before.cores
        assert after.writer_busy >= before.writer_busy
        assert after.processes >= before.processes
        assert after.logs >= before.logs
        assert after.log_bytes_per_year >= before.log_bytes_per_year
        assert after.store_bytes_per_year >= before.store_bytes_per_year


def test_the_table_has_every_scope_and_every_row_a_value_for_each() -> None:
    text = list(lines(COSTS))
    for scope in SCOPES:
        assert any(scope.scope in line for line in text)
    table = text[text.index(next(line for line in text if SCOPES[0].scope in line)) :]
    assert len(table) > 10
    assert {line.count("|") for line in table} == {len(SCOPES) + 2}
