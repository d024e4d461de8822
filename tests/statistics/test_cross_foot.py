"""Printed tables from anywhere: what adds up passes, and each fault is named."""

import pytest

from gateway.statistics.cross_foot import check_printed
from gateway.statistics.definitions import load_definitions, parse_year

EDITION = load_definitions().of(parse_year("2021-22"))
T6B = {
    ("Level 2", "Category 1"): "1", ("Level 2", "Category 2"): "-",
    ("Level 2", "Category 3"): "-", ("Level 2", "Total"): "1",
    ("Level 3", "Category 1"): "0", ("Level 3", "Category 2"): "-",
    ("Level 3", "Category 3"): "-", ("Level 3", "Total"): "0",
    ("Total", "Category 1"): "1", ("Total", "Category 2"): "-",
    ("Total", "Category 3"): "-", ("Total", "Total"): "1",
}  # fmt: skip


def test_a_table_that_adds_up_passes_suppressed_or_not() -> None:
    assert check_printed({"T6b": T6B}, EDITION) == []
    hidden = T6B | {("Level 2", "Category 1"): "<5", ("Total", "Category 1"): "<5"}
    assert check_printed({"T6b": hidden | {("Total", "Total"): "<5"}}, EDITION) == []
    withheld = T6B | {("Level 2", "Category 1"): "*", ("Level 2", "Total"): "3"}
    assert "T6b: Total adds up to 3, printed 1" in check_printed({"T6b": withheld}, EDITION)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({("Level 3", "Category 2"): "0"}, "Level 3, Category 2: 0 printed where none can be"),
        ({("Level 3", "Category 1"): "-"}, "a count belongs; none is 0"),
        ({("Level 2", "Total"): "<3"}, None),
        ({("Level 2", "Category 1"): "<5", ("Level 2", "Total"): "9"}, "adds up to at least 1"),
        ({("Total", "Total"): "2"}, "Total adds up to 1, printed 2"),
        ({("Total", "Total"): "-"}, "Total has counts but no total"),
        ({("Level 4", "Category 1"): "0"}, "has no cell Level 4, Category 1"),
    ],
)
def test_each_fault_is_named(change: dict[tuple[str, str], str], told: str | None) -> None:
    faults = check_printed({"T6b": T6B | change}, EDITION)
    assert any(told in fault for fault in faults) if told else faults == []


def test_missing_cells_and_tables_of_other_years_are_faults() -> None:
    cut = dict(T6B)
    del cut["Level 2", "Category 1"], cut["Level 3", "Total"]
    faults = check_printed({"T6b": cut, "T11": {}}, EDITION)
    assert "T6b: Level 2, Category 1 is missing" in faults
    assert "T6b: Level 3 has no total" in faults
    assert "T11: the year has no such table" in faults


def test_a_snapshot_larger_than_its_year_is_a_fault() -> None:
    t2 = {
        (row, column): value
        for row, line in {
            "Level 2": "0 1 1 2", "Level 3": "0 0 0 0", "Total": "0 1 1 2",
        }.items()
        for column, value in zip(
            ("Category 1", "Category 2", "Category 3", "Total"), line.split(), strict=True
        )
    }  # fmt: skip
    [fault] = check_printed({"T6b": T6B, "T2": t2}, EDITION)
    assert fault.startswith("T6b: Level 2, Category 1 is 1, more than the 0 of T2, ")
