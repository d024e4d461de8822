"""Each counting rule at its edge, and definitions that do not hold together."""

import pytest

from gateway.model.event import Event
from gateway.statistics.counting import Period, observations
from gateway.statistics.definitions import (
    BadDefinitions,
    load_definitions,
    parse_definitions,
    parse_year,
)
from gateway.statistics.history import standings
from gateway.statistics.tables import per_100k, tables
from tests.statistics.histories import AREA, at_level, event, order, person, returned

YEAR = parse_year("2021-22")
PERIOD = Period(first=YEAR.first, last=YEAR.last, area=AREA)


def seen(*events: Event) -> set[str]:
    """Return what is counted of one person, as "count level" texts."""
    found = [dict(one) for one in observations(person(*events), PERIOD)]
    return {f"{one['count']} {one.get('level', '')}".strip() for one in found}


def test_who_is_managed_at_two_levels_in_a_year_counts_at_each() -> None:
    found = seen(at_level(2, 3, "2021-01-01"), at_level(2, 2, "2021-08-01"))
    assert {"managed 3", "managed 2", "eligible 2"} <= found


def test_a_level_that_ended_the_day_before_the_year_does_not_count() -> None:
    assert "managed 2" not in seen(at_level(2, 2, "2020-01-01"), at_level(2, 1, "2021-03-31"))
    assert "managed 2" in seen(at_level(2, 2, "2020-01-01"), at_level(2, 1, "2021-04-01"))


def test_days_are_londons() -> None:
    late = at_level(2, 2, "2022-03-31T23:30:00+00:00")  # 00:30 on 1 April, summer time
    assert seen(late) == set()
    assert "eligible 2" in seen(at_level(2, 2, "2022-03-31T22:30:00+00:00"))


def test_a_statement_counts_from_when_it_was_true() -> None:
    stated = {"category": 2, "level": 2, "as_of": "2020-05-01T09:00:00Z"}
    home = {"home_area": AREA, "as_of": "2020-05-01T09:00:00Z"}
    late = event("release.planned", "2022-06-01", mappa=stated, location=home)
    assert "managed 2" in seen(late)


def test_an_older_statement_does_not_undo_a_newer_one() -> None:
    old = {"category": 2, "level": 3, "as_of": "2021-04-02T09:00:00Z"}
    found = seen(
        at_level(2, 1, "2021-06-01"),
        event("release.actual", "2021-09-01", mappa=old),
    )
    assert "eligible 1" in found


@pytest.mark.parametrize(
    ("kind", "groups", "eligible"),
    [
        ("custody.received", {}, False),
        ("custody.recalled", {}, False),
        ("custody.escaped", {}, False),
        ("custody.hospital_transfer", {}, False),
        ("custody.died", {}, False),
        ("release.planned", {}, False),
        ("release.actual", {}, True),
        ("address.changed", {}, True),
        ("health.care_team_recorded", {"health_routing": {"mha_status": "09"}}, False),
        ("health.care_team_recorded", {"health_routing": {"mha_status": "01"}}, True),
        ("mappa.eligibility_ended", {"mappa": {"category": 1, "level": 1}}, False),
        ("notification.revoked", {"mappa": {"category": 1}}, False),
        ("notification.ended", {"mappa": {"category": 2, "level": 1}}, True),
    ],
)
def test_only_the_community_is_in_the_snapshot(
    kind: str, groups: dict[str, dict[str, object]], eligible: bool
) -> None:
    found = seen(at_level(1, 1, "2020-01-01"), event(kind, "2021-09-01", **groups))
    assert ("eligible 1" in found) is eligible


def test_release_ends_detention_and_death_ends_everything() -> None:
    detained = event("health.concern", "2021-05-01", health_routing={"mha_status": "15"})
    out = event("release.actual", "2021-06-01")
    assert "eligible 1" in seen(at_level(1, 1, "2020-01-01"), detained, out)
    died = event("custody.died", "2021-05-01")
    assert "eligible 1" not in seen(at_level(1, 1, "2020-01-01"), died, out)


def test_a_recall_is_for_breach_of_licence_and_a_reception_says_why() -> None:
    recalled = event("custody.recalled", "2021-09-01")
    assert "returned 2" in seen(at_level(2, 2, "2020-01-01"), recalled)
    assert "returned 2" not in seen(
        at_level(2, 2, "2020-01-01"), event("custody.received", "2021-09-01")
    )
    other = returned("new_charge", "2021-09-01")
    table = _table("T6a", at_level(2, 2, "2020-01-01"), other)
    assert table == ((0, 0, 0), (0, 0, 0))


def test_an_order_stated_again_with_its_date_is_one_order() -> None:
    home = at_level(1, 1, "2020-01-01")
    one = order("SHPO", "2021-06-01", made_on="2021-05-30")
    again = order("SHPO", "2021-07-01", made_on="2021-05-30")
    other = order("SHPO", "2021-07-01", made_on="2021-06-30", foreign_travel_restriction=True)
    before = order("SHPO", "2021-04-02", made_on="2021-03-31")
    assert _table("T4", home, one, again, other, before) == ((1,), (1,), (0,))


def test_notification_after_breach_of_a_risk_order_is_counted_and_no_other() -> None:
    home = at_level(1, 1, "2020-01-01")
    breach = event("order.breached", "2021-05-01", offence={"orders": [{"kind": "SRO"}]})
    required = event("notification.required", "2021-06-01")
    assert "sro_breach" in seen(home, breach, required)
    assert "sro_breach" not in seen(home, required)
    assert "sro_breach" not in seen(
        home, required, event("order.breached", "2021-07-01", offence={"orders": [{"kind": "SRO"}]})
    )


def test_another_area_is_another_report_and_a_part_belongs_to_the_whole() -> None:
    assert seen(at_level(2, 2, "2020-01-01", area=f"{AREA}-north")) == set()
    assert "managed 2" in seen(at_level(2, 2, "2020-01-01", area=f"{AREA}/North"))
    moved = seen(at_level(2, 2, "2020-01-01"), at_level(2, 2, "2021-10-01", area="elsewhere"))
    assert moved == {"managed 2", "considered"}


def test_category_3_at_level_1_is_a_fault_and_an_unknown_level_is_left_out_aloud() -> None:
    category = event("mappa.category_changed", "2021-05-01", mappa={"category": 3})
    [one] = [
        table
        for table in tables(
            [
                person(at_level(2, 1, "2020-01-01"), category),
                person(event("mappa.category_changed", "2021-01-01", mappa={"category": 2},
                             location={"home_area": AREA})),
            ],
            year=YEAR,
            area=AREA,
            definitions=load_definitions(),
        )
        if table.id == "T1"
    ]  # fmt: skip
    assert one.cells[0] == (0, 0, None)
    [fault] = one.faults
    assert fault.startswith("T1: Level 1, Category 3: 1 recorded where none can be: category 3 ")
    assert one.left_out == 1


def test_the_rate_is_rounded_half_up() -> None:
    assert [per_100k(n, 200_000) for n in (0, 1, 2, 3)] == [0, 1, 1, 2]


def test_history_begins_with_nothing_known() -> None:
    [first] = standings(person())
    assert (first.category, first.level, first.area) == (0, 0, "")


@pytest.mark.parametrize("text", ["2021", "2021-23", "2021-2022", "21-22", "2021-22 ", "0000-01"])
def test_a_year_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadDefinitions, match="2021-22"):
        parse_year(text)


def test_a_year_without_an_edition_is_refused_and_a_turn_of_the_century_is_a_year() -> None:
    assert parse_year("1999-00").last.isoformat() == "2000-03-31"
    with pytest.raises(BadDefinitions, match="no tables are defined for 2010-11"):
        load_definitions().of(parse_year("2010-11"))


_TABLE = """
[[edition]]
first = "2021-22"
source = "test"
[[edition.table]]
id = "T1"
title = "One"
columns = [{ label = "Number" }]
rows = [{ label = "All", where = { count = "eligible" } }]
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("title", "caption", "Extra inputs"),
        ('count = "eligible"', 'count = "everyone"', "can be counted"),
        ('count = "eligible"', 'colour = "red"', "Input should be"),
        ('label = "All"', 'label = "Total"', "labels differ"),
        ('id = "T1"', 'id = "T1"\nat_most = "T9"', "at_most"),
        ('id = "T1"', 'id = "T1"\nrows_by = "division"', "rows or rows_by"),
        ('"2021-22"', '"2021"', "2021-22"),
        ("[[edition]]", "[[edition]", "not TOML|Expected|expected"),
    ],
)
def test_definitions_are_read_strictly(old: str, new: str, told: str) -> None:
    assert parse_definitions(_TABLE).edition[0].table[0].id == "T1"
    with pytest.raises(BadDefinitions, match=told):
        parse_definitions(_TABLE.replace(old, new, 1))


def _table(id_: str, *events: Event) -> tuple[tuple[int | None, ...], ...]:
    found = tables(
        [person(*events)], year=YEAR, area=AREA, definitions=load_definitions(), population=1000
    )
    return next(table.cells for table in found if table.id == id_)
