"""The published tables, cell by cell, from the events that lead to them."""

import pytest

from gateway.statistics.cross_foot import check_printed
from gateway.statistics.definitions import load_definitions, parse_year
from gateway.statistics.history import PersonHistory
from gateway.statistics.printing import as_csv, printed, read_csv
from gateway.statistics.tables import Table, tables
from tests.statistics.histories import AREA, year_2004_05, year_2021_22

DEFINITIONS = load_definitions()

# The population that makes the published rate of the published number.
POPULATION = {"2021-22": 2_539_310, "2004-05": 1_148_333}

PUBLISHED_2021_22 = {
    "T1": {
        "Level 1": "3669 1763 - 5432",  # "-" is misprinted as 1 in the report
        "Level 2": "11 29 5 45",
        "Level 3": "2 5 2 9",
        "Total": "3682 1797 7 5486",
    },
    "T2": {"Level 2": "41 73 36 150", "Level 3": "4 7 14 25", "Total": "45 80 50 175"},
    "T3": {"Revoked": "41"},
    "T4": {"SHPO": "253", "SHPO with foreign travel restriction": "0", "NO": "4"},
    "T5": {"Notification": "0"},
    "T6a": {"Level 2": "14 26 7 47", "Level 3": "2 3 2 7", "Total": "16 29 9 54"},
    "T6b": {"Level 2": "1 - - 1", "Level 3": "0 - - 0", "Total": "1 - - 1"},
    "T7": {"RSO": "145"},
}
PUBLISHED_2004_05 = {
    "T1": {"RSO": "689", "V&OS": "284", "OthO": "61"},
    "T6": {"Breach of licence": "3 7", "Breach of order": "1 0"},
    "T7": {"RSO": "60"},
    "T8": {"RSO": "16"},
    "T9": {"Charged": "4 7"},
    "T10": {"SOPO": "4 2 3", "NO": "0 0 0", "FTO": "0 - 0"},
    "T11": {"RSO": "24 30", "V&O": "32 37", "OthO": "25 36", "Total": "81 103"},
    "T11d": {"a": "22", "b": "15", "c": "12", "d": "14", "e": "18", "Total": "81"},
}
HISTORIES = {"2021-22": year_2021_22, "2004-05": year_2004_05}
PUBLISHED = {"2021-22": PUBLISHED_2021_22, "2004-05": PUBLISHED_2004_05}


def count(histories: list[PersonHistory], year: str) -> list[Table]:
    return tables(
        histories,
        year=parse_year(year),
        area=AREA,
        definitions=DEFINITIONS,
        population=POPULATION[year],
    )


@pytest.fixture(scope="module")
def counted() -> dict[str, list[Table]]:
    return {year: count(list(make()), year) for year, make in HISTORIES.items()}


@pytest.mark.parametrize("year", PUBLISHED)
def test_the_events_of_a_year_give_its_published_tables(
    counted: dict[str, list[Table]], year: str
) -> None:
    shown = {
        table.id: {label: " ".join(texts) for label, texts in printed(table).lines}
        for table in counted[year]
    }
    assert shown == PUBLISHED[year]


@pytest.mark.parametrize("year", PUBLISHED)
def test_what_is_counted_cross_foots_and_nothing_is_left_out(
    counted: dict[str, list[Table]], year: str
) -> None:
    assert [fault for table in counted[year] for fault in table.faults] == []
    text = as_csv([printed(table) for table in counted[year]], year=year, area=AREA)
    assert check_printed(read_csv(text), DEFINITIONS.of(parse_year(year))) == []
    assert sum(table.left_out for table in counted[year]) == 0


def test_the_order_of_persons_and_of_their_events_does_not_matter(
    counted: dict[str, list[Table]],
) -> None:
    backwards = [
        PersonHistory(ref=one.ref, events=tuple(reversed(one.events)))
        for one in reversed(list(year_2004_05()))
    ]
    assert count(backwards, "2004-05") == counted["2004-05"]


def test_the_published_misprint_is_refused_with_the_reason() -> None:
    as_published = {
        ("Level 1", "Category 1"): "3669",
        ("Level 1", "Category 2"): "1763",
        ("Level 1", "Category 3"): "1",
        ("Level 1", "Total"): "5432",
        ("Level 2", "Category 1"): "11",
        ("Level 2", "Category 2"): "29",
        ("Level 2", "Category 3"): "5",
        ("Level 2", "Total"): "45",
        ("Level 3", "Category 1"): "2",
        ("Level 3", "Category 2"): "5",
        ("Level 3", "Category 3"): "2",
        ("Level 3", "Total"): "9",
        ("Total", "Category 1"): "3682",
        ("Total", "Category 2"): "1797",
        ("Total", "Category 3"): "7",
        ("Total", "Total"): "5486",
    }
    edition = DEFINITIONS.of(parse_year("2021-22"))
    why = "category 3 requires management at level 2 or 3"
    assert check_printed({"T1": as_published}, edition) == [
        f"T1: Level 1, Category 3: 1 printed where none can be: {why}",
        "T1: Level 1 adds up to 5433, printed 5432",
        "T1: Category 3 adds up to 8, printed 7",
    ]
    mended = as_published | {("Level 1", "Category 3"): "-"}
    assert check_printed({"T1": mended}, edition) == []
