"""Whatever happened to whomever: the tables add up, and a snapshot is part of its year."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.event import Event
from gateway.statistics.cross_foot import check_printed
from gateway.statistics.definitions import load_definitions, parse_year
from gateway.statistics.history import PersonHistory
from gateway.statistics.printing import as_csv, printed, read_csv
from gateway.statistics.suppression import suppress
from gateway.statistics.tables import tables
from tests.statistics.histories import AREA, at_level, event, person

DEFINITIONS = load_definitions()
KINDS = (
    "release.actual", "release.planned", "custody.received", "custody.recalled", "custody.died",
    "custody.hospital_transfer", "mappa.eligibility_ended", "notification.revoked",
    "notification.ended", "notification.required", "notification.breached", "order.imposed",
    "order.breached", "police.charged",
)  # fmt: skip
GROUPS: dict[str, dict[str, Any]] = {
    "custody": {"return_reason": "breach_of_order"},
    "offence": {
        "orders": [{"kind": "SRO"}, {"kind": "SHPO", "foreign_travel_restriction": True}],
        "notification_outcome": "cautioned",
        "serious_further_offence": True,
    },
    "health_routing": {"mha_status": "10"},
}
DAYS = st.dates(
    min_value=parse_year("2022-23").first.replace(month=1),
    max_value=parse_year("2022-23").last.replace(month=5),
).map(str)


@st.composite
def events(draw: st.DrawFn) -> Event:
    day = draw(DAYS)
    if draw(st.booleans()):
        category, level = draw(
            st.sampled_from([(1, 1), (1, 2), (2, 2), (2, 3), (3, 2), (3, 3), (4, 1), (4, 3)])
        )
        area = draw(st.sampled_from([AREA, AREA, f"{AREA}/north", "elsewhere"]))
        return at_level(category, level, day, area=area)
    names = draw(st.sets(st.sampled_from(sorted(GROUPS))))
    return event(draw(st.sampled_from(KINDS)), day, **{name: GROUPS[name] for name in names})


HISTORIES = st.lists(st.lists(events(), max_size=8).map(lambda own: person(*own)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_every_count_cross_foots_and_no_snapshot_exceeds_its_year(
    histories: list[PersonHistory],
) -> None:
    year = parse_year("2022-23")
    found = tables(histories, year=year, area=AREA, definitions=DEFINITIONS, population=1000)
    assert [fault for one in found for fault in one.faults] == []
    assert [one.left_out for one in found if one.left_out] == []
    plain = read_csv(as_csv([printed(one) for one in found], year=year.label, area=AREA))
    assert check_printed(plain, DEFINITIONS.of(year)) == []
    hidden = [printed(one, suppress(one)) for one in found]
    published = read_csv(as_csv(hidden, year=year.label, area=AREA))
    assert check_printed(published, DEFINITIONS.of(year)) == []


def test_category_4_and_the_bulletins_tables_are_counted_from_2022_23_on() -> None:
    charged = event("police.charged", "2022-09-01", offence={"serious_further_offence": True})
    breached = event(
        "notification.breached", "2022-09-01", offence={"notification_outcome": "cautioned"}
    )
    histories = [
        person(at_level(4, 3, "2022-05-01"), charged),
        person(at_level(1, 2, "2022-05-01"), breached),
    ]
    year = parse_year("2022-23")
    found = {
        one.id: dict(printed(one).lines)
        for one in tables(histories, year=year, area=AREA, definitions=DEFINITIONS)
    }
    assert found["T1"]["Level 3"] == ("0", "0", "0", "1", "1")
    assert found["T1"]["Level 1"] == ("0", "0", "-", "0", "0")
    assert found["T8"] == {"RSO": ("1",)}
    assert found["T9"] == {"Charged": ("0", "1")}


@pytest.mark.parametrize("year", ["2004-05", "2021-22", "2022-23", "2030-31"])
def test_each_edition_counts_nothing_of_nobody(year: str) -> None:
    found = tables([], year=parse_year(year), area=AREA, definitions=DEFINITIONS, population=1)
    cells = {cell for one in found for line in one.cells for cell in line}
    assert cells <= {0, None}
