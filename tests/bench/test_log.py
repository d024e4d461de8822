"""The log's benchmark measures what it says, at sizes a test can afford."""

from bench.log import Plan, lines, measure


def test_the_log_is_measured_at_each_size() -> None:
    plan = Plan(sizes=(600, 1_200), batch=100, window=300, proofs=5, searches=5, checked=600)
    found = measure(plan)
    assert list(found) == [600, 1_200]
    assert found[600].check_s is not None
    assert found[1_200].check_s is None, "larger than what is checked whole"
    said = dict(line.split(": ") for line in lines(found))
    assert "log_append_cost_1200_over_600" in said
    assert all(float(value) > 0 for value in said.values())
