"""Any agency's table by its mapping: rows in, rows out, and every way a cell can be refused."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import NotRendered, Rendition, UnsupportedEvent
from adapters.kit.members import NAIVE
from adapters.table import read_mapping, table_adapter
from adapters.table.reading import WHOLE_DAY
from gateway.model.alert import Alert, parse_alert, read_alert
from gateway.model.event import CanonicalEvent
from gateway.model.problem import MalformedEvent
from tests.adapters.examples import FOLDER
from tests.adapters.table_examples import ADAPTER, HOUSING
from tests.contract.test_adapter import RoundTripContract
from tests.support.every import every

SOURCE = "urn:example:agency"
HEADING, *ROWS = (FOLDER / "table" / "tenancies.in.csv").read_text("utf-8").splitlines()
COLUMNS = HEADING.split(",")

JSON_LINES = """
name = "visits"
title = "Visits"
format = "jsonl"
system = "Visit book"
told_apart_by = ["visit.id"]
ignore = ["visit.officer"]
kind = { fixed = "police.visit_recorded" }
time = { column = "visit.at" }
provenance = { verified = false, assertion = { custody = "intelligence" } }
field = [
  { column = "person.pnc", to = "identifiers.pnc" },
  { column = "person.crn", to = "identifiers.crn" },
  { column = "person.names", to = "identity.aliases" },
  { column = "person.sex", to = "identity.sex", codes = { "1" = "male", "2" = "female" } },
  { column = "level", to = "mappa.level" },
  { column = "gp", to = "health_routing.community_gp.name", not_recorded = ["none"] },
  { column = "gpPhone", to = "health_routing.community_gp.telephone" },
  { column = "released", to = "custody.released_at", form = "Java" },
  { column = "tagged", to = "licence.electronic_monitoring", codes = { T = true, F = false } },
  { column = "children", to = "children.at_risk", states_nothing = ["?"] },
]
"""
VISIT: dict[str, Any] = {
    "visit": {"id": "V1", "at": "2026-02-02T09:30:00Z", "officer": "x"},
    "person": {"crn": "X999001", "names": ["Sample", "Specimen"], "sex": 1},
    "level": 2,
    "gp": "Example Surgery",
    "gpPhone": "01632 960001",
    "released": "Fri Jun 14 09:06:52 BST 2024",
    "tagged": "T",
    "children": False,
}
VISITS = table_adapter(read_mapping(JSON_LINES))


def alert(**changes: Any) -> Alert:
    value = json.loads((FOLDER / "table" / "placed.alert.json").read_text("utf-8"))
    return parse_alert(value | changes)


class TestTable(RoundTripContract):
    adapter = ADAPTER
    round_trip = frozenset(
        {
            "identity.family_name", "identity.date_of_birth", "identity.aliases",
            "identifiers.crn", "location.address_status", "location.address", "location.tenancy",
        }
    )  # fmt: skip


class TestLinesOfJson(RoundTripContract):
    adapter = VISITS
    samples = (json.dumps(VISIT).encode(),)
    alerts = (
        json.dumps(
            {
                "message_id": "alt_1", "message_type": "UPDATE", "supersedes": "alt_0",
                "recipient": "r", "case_ref": "per_1", "source": "s", "recipient_type": "FI",
                "event_type": "org.throughgate.police.visit_recorded.v1",
                "occurred_at": "2026-02-02T09:30:00Z",
                "facts": {
                    "identifiers": {"crn": "X999001"},
                    "identity": {"aliases": ["Example, A", "Specimen"], "sex": "female"},
                    "mappa": {"level": 3},
                    "licence": {"electronic_monitoring": False},
                    "health_routing": {"community_gp": "NOT_RECORDED"},
                },
            }
        ).encode(),
    )  # fmt: skip
    round_trip = frozenset(
        {
            "identifiers.crn", "identity.aliases", "identity.sex", "mappa.level",
            "licence.electronic_monitoring", "health_routing.community_gp",
        }
    )  # fmt: skip

    # The files kept are those of a CSV table; what this one writes is held by its way back.
    test_the_golden_renditions_are_what_the_alerts_become = None


def row(**cells: str) -> bytes:
    """Return the first row of the example with some cells changed, by column."""
    first = dict(zip(COLUMNS, ROWS[0].split(","), strict=True))
    first["Also known as"] = ""
    changed = first | {name.replace("_", " "): cell for name, cell in cells.items()}
    text = ",".join(f'"{cell}"' for cell in changed.values())
    return f"{','.join(changed)}\r\n{text}\r\n".encode()


def one(body: bytes) -> CanonicalEvent:
    (event,) = ADAPTER.translate(body, source=SOURCE).events
    return event


def problems(body: bytes, adapter: Any = ADAPTER) -> dict[str, str]:
    with pytest.raises(MalformedEvent) as caught:
        adapter.translate(body, source=SOURCE)
    return {problem.path: problem.reason for problem in caught.value.problems}


@every(("code", "kind"), [(code, kind) for code, kind in HOUSING.kind_codes.items()])
def test_a_row_is_of_the_kind_its_code_means(code: str, kind: str) -> None:
    assert one(row(Change=code)).kind == kind


def test_a_kind_passed_over_is_nobodys_business_and_an_unknown_one_is_somebodys() -> None:
    for code, needs_human in (("REPAIR", False), ("placed", True), ("MOVED", True)):
        with pytest.raises(UnsupportedEvent) as caught:
            ADAPTER.translate(row(Change=code), source=SOURCE)
        assert caught.value.needs_human is needs_human
        assert caught.value.problems[0].path == "$.Change"


@every(
    ("column", "target", "cell", "value"),
    [
        (field.columns[0], field.target, code, value)
        for field in HOUSING.fields
        for code, value in field.codes.items()
    ],
)
def test_every_code_means_what_the_mapping_says(
    column: str, target: Any, cell: str, value: object
) -> None:
    event = one(row(**{column: cell}))
    assert event.groups[target.group][target.member] == value


@pytest.mark.parametrize(
    ("column", "cell", "group", "member"),
    [
        ("Address confirmed", "?", "location", "address_status"),
        ("Risk to staff", "NOT ASSESSED", "rosh", "staff"),
        ("MAPPA level", "0", "mappa", "level"),
        ("MAPPA level", "", "mappa", "level"),
    ],
)
def test_a_code_for_unknown_states_nothing(column: str, cell: str, group: str, member: str) -> None:
    assert member not in one(row(**{column: cell})).groups.get(group, {})


@pytest.mark.parametrize("column", ["Address confirmed", "Risk to staff", "MAPPA level"])
def test_a_code_without_a_meaning_waits_for_a_human_and_is_not_repeated(column: str) -> None:
    with pytest.raises(UnsupportedEvent) as caught:
        ADAPTER.translate(row(**{column: "ZQ17"}), source=SOURCE)
    assert caught.value.needs_human
    assert caught.value.problems[0].path == f"$.{column}"
    assert "ZQ17" not in str(caught.value)


def test_every_fault_of_a_row_is_named_by_its_column() -> None:
    body = row(CRN="", Born="1981-03-17", Tagged="perhaps")
    assert problems(body) == {
        "$.CRN": "required",
        "$.Born": "must be a date, DD/MM/YYYY",
        "$.Tagged": "must be true or false",
    }


def test_a_fact_not_in_its_published_form_is_named_by_its_column() -> None:
    body = row(CRN="X1", Postcode="no postcode")
    assert set(problems(body)) == {"$.CRN", "$.Postcode"}


@pytest.mark.parametrize("column", ["Ref", "Changed at", "Change"])
def test_what_tells_rows_apart_and_when_must_be_there(column: str) -> None:
    assert problems(row(**{column: ""})) == {f"$.{column}": "required"}


def test_a_column_is_named_however_odd_its_name() -> None:
    text = SHARED.replace('"NOMS"', '"NOMS (No.)"').replace('"Left"', '"Left: day/month?"')
    text = text.replace('"identifiers.noms"', '"identifiers.noms", required = true')
    odd = table_adapter(read_mapping(text))
    rows = b"NOMS (No.),Left: day/month?,Ref\r\n"
    assert set(problems(rows + b",02-Feb-2026 09:30,1\r\n", odd)) == {"$.NOMS (No.)"}
    assert set(problems(rows + b"Z0001ZZ,soon,1\r\n", odd)) == {"$.Left: day/month?"}


def test_characters_can_be_taken_out_of_a_text_first() -> None:
    text = SHARED.replace('to = "identifiers.noms"', 'to = "identifiers.noms", without = " /"')
    spaced = table_adapter(read_mapping(text))
    body = b"NOMS,Left,Ref\r\nZ 0001/ZZ,02-Feb-2026 09:30,1\r\n"
    (event,) = spaced.translate(body, source=SOURCE).events
    assert event.groups["identifiers"]["noms"] == "Z0001ZZ"


def test_a_row_that_names_nobody_is_refused() -> None:
    body = {**VISIT, "person": {"names": ["Sample"]}}
    assert problems(json.dumps(body).encode(), VISITS) == {
        "$": "names nobody: no identifier in the row"
    }


def test_rows_differ_by_what_tells_them_apart_and_a_repeat_is_a_repeat() -> None:
    assert one(row()).id == one(row(Surname="Specimen")).id
    assert one(row()).id != one(row(Ref="T-0009")).id
    assert one(row()).id.startswith("supported_housing-")


def test_a_column_nobody_mapped_is_reported_and_an_ignored_one_is_not() -> None:
    body = row(Colour="green", Weekly_rent="120")
    assert ADAPTER.translate(body, source=SOURCE).unread == ("$.Colour",)


def test_a_time_without_a_zone_is_londons_and_a_note_says_so() -> None:
    translation = ADAPTER.translate(row(Changed_at="03/08/2026 11:15"), source=SOURCE)
    assert [str(note) for note in translation.notes] == [f"$.Changed at: {NAIVE}"]
    assert translation.events[0].groups["identity"]["as_of"] == "2026-08-03T11:15:00+01:00"


@pytest.mark.parametrize("text", ["29/03/2026 01:30", "25/10/2026 01:30", "2026-03-03 10:00"])
def test_a_time_that_could_be_two_or_none_is_refused(text: str) -> None:
    assert set(problems(row(Changed_at=text))) == {"$.Changed at"}


def test_a_day_is_a_time_only_where_the_mapping_says_so() -> None:
    assert set(problems(row(Changed_at="03/08/2026"))) == {"$.Changed at"}
    by_day = table_adapter(replace(HOUSING, day_only=True))
    translation = by_day.translate(row(Changed_at="03/08/2026"), source=SOURCE)
    assert translation.events[0].groups["identity"]["as_of"] == "2026-08-03T00:00:00+01:00"
    assert [note.reason for note in translation.notes] == [WHOLE_DAY]


def test_lists_are_cut_by_their_separator_and_taken_column_after_column() -> None:
    groups = one(row(Also_known_as="Sample;; Specimen ;Sample", Address_2="")).groups
    assert groups["identity"]["aliases"] == ["Sample", "Specimen"]
    assert groups["location"]["address"]["lines"] == ["Flat 1", "Exampleton"]


def test_an_object_of_json_is_read_by_dotted_paths_and_its_types_kept() -> None:
    translation = VISITS.translate(json.dumps(VISIT).encode(), source=SOURCE)
    (event,) = translation.events
    assert translation.unread == ()
    assert event.groups["identity"]["aliases"] == ["Sample", "Specimen"]
    assert event.groups["identity"]["sex"] == "male"
    assert event.groups["mappa"]["level"] == 2
    assert event.groups["custody"]["released_at"] == "2024-06-14T09:06:52+01:00"
    assert event.groups["licence"]["electronic_monitoring"] is True
    assert event.groups["children"]["at_risk"] is False
    assert event.groups["health_routing"]["community_gp"] == {
        "name": "Example Surgery", "telephone": "01632 960001",
    }  # fmt: skip
    assert {one["verified"] for one in event.groups.values()} == {False}
    assert event.groups["custody"]["assertion"] == "intelligence"


@pytest.mark.parametrize(
    ("changes", "unread"),
    [({"x": 1}, "$.x"), ({"person": {"crn": "X999001", "y": 1}}, "$.person.y")],
)
def test_a_member_nobody_mapped_is_reported_wherever_it_is(
    changes: dict[str, Any], unread: str
) -> None:
    body = json.dumps(VISIT | changes).encode()
    assert VISITS.translate(body, source=SOURCE).unread == (unread,)


def test_what_is_said_not_to_be_recorded_cannot_also_be_there() -> None:
    for changes in ({"gp": "none"}, {"gp": "none", "gpPhone": None}):
        body = json.dumps(VISIT | changes).encode()
        if changes.get("gpPhone", "") is None:
            (event,) = VISITS.translate(body, source=SOURCE).events
            assert event.groups["health_routing"]["community_gp"] == "NOT_RECORDED"
            continue
        with pytest.raises(UnsupportedEvent) as caught:
            VISITS.translate(body, source=SOURCE)
        assert caught.value.needs_human


def written(given: Alert, adapter: Any = ADAPTER) -> dict[str, str]:
    made = adapter.form().render(given)
    assert isinstance(made, Rendition), made
    head, cells = made.body.decode().splitlines()
    return dict(zip(head.split(","), cells.split(","), strict=True))


def test_a_row_carries_what_makes_it_traceable_to_the_disclosure() -> None:
    given = read_alert((FOLDER / "table" / "placed.alert.json").read_bytes())
    update = replace(given, message="UPDATE", supersedes="alt_0", grade="2BP", conditions=None)
    cells = {name: cell for name, cell in written(update).items() if name.startswith("gateway_")}
    assert cells == {
        "gateway_alert": given.id,
        "gateway_message": "UPDATE",
        "gateway_supersedes": "alt_0",
        "gateway_case_ref": given.case_ref,
        "gateway_for": "action",
        "gateway_acknowledge_by": "2026-02-04T09:30:00Z",
        "gateway_marking": "OFFICIAL-SENSITIVE",
        "gateway_grade": "2BP",
        "gateway_conditions": "",
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"facts": {"identity": {"family_name": "Example"}}}, "identifiers.crn"),
        ({"occurred_at": None}, "states no time"),
        ({"event_type": "org.throughgate.custody.died.v1"}, "no rows of that kind"),
        (
            {
                "facts": {
                    "identifiers": {"crn": "X999001"},
                    "location": {"address_status": "UNKNOWN"},
                }
            },
            "no code",
        ),
        (
            {"facts": {"identifiers": {"crn": "X999001"}, "identity": {"aliases": ["a;b"]}}},
            "separator",
        ),
        (
            {
                "facts": {
                    "identifiers": {"crn": "X999001"},
                    "location": {"address": {"lines": ["1", "2", "3", "4"]}},
                }
            },
            "more items",
        ),
        ({"message_type": "RECALL", "reason": "retracted", "facts": {}}, "takes nothing back"),
    ],
)
def test_what_the_table_cannot_say_is_not_written(changes: dict[str, Any], reason: str) -> None:
    made = ADAPTER.outbound[0].render(alert(**changes))
    assert isinstance(made, NotRendered)
    assert reason in " ".join(made.reasons)


SHARED = """
name = "exits"
title = "Exits"
format = "csv"
system = "Exits"
told_apart_by = ["Ref"]
kind = { fixed = "release.actual" }
time = { column = "Left", form = "DD-Mon-YYYY" }
provenance = { verified = true }
field = [
  { column = "NOMS", to = "identifiers.noms" },
  { column = "Left", to = "custody.released_at", form = "DD-Mon-YYYY" },
  { column = "Ref", to = "custody.reason_code" },
]
"""
LEFT = "2026-02-02T09:30:00Z"
EXITS = table_adapter(read_mapping(SHARED))


@pytest.mark.parametrize(
    ("custody", "said"),
    [
        ({"released_at": LEFT, "reason_code": "CR"}, True),
        ({"released_at": "2026-02-02T10:00:00Z", "reason_code": "CR"}, False),
        ({"reason_code": "CR"}, False),
        ({"released_at": LEFT}, False),
    ],
)
def test_a_cell_never_comes_to_state_what_the_alert_does_not(
    custody: dict[str, str], said: bool
) -> None:
    facts = {"identifiers": {"noms": "Z0001ZZ"}, "custody": custody}
    kind = "org.throughgate.release.actual.v1"
    given = alert(event_type=kind, occurred_at=LEFT, facts=facts)
    made = EXITS.outbound[0].render(given)
    assert isinstance(made, Rendition) is said
    if isinstance(made, Rendition):
        assert b"02-Feb-2026T09:30:00" in made.body
        (event,) = EXITS.translate(made.body, source=SOURCE).events
        assert event.groups["custody"]["released_at"] == LEFT
        assert event.occurred_at == given.occurred_at


@pytest.mark.parametrize("day_only", [False, True])
@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1840-01-01T00:00:00Z", LEFT,
     "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-02-02T09:30:00.5Z"],
)  # fmt: skip
def test_a_time_at_any_edge_is_written_as_it_was_or_not_at_all(text: str, day_only: bool) -> None:
    form = table_adapter(replace(HOUSING, day_only=day_only)).outbound[0]
    made = form.render(alert(occurred_at=text))
    if day_only:
        early = text < "1900"
        assert isinstance(made, NotRendered if early else Rendition)
        return
    assert isinstance(made, Rendition)
    assert one(made.body).occurred_at == alert(occurred_at=text).occurred_at


EARLY, LATE = (datetime.fromisoformat(text) for text in ("1900-01-01", "2099-12-31"))
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=40)


@given(
    names=st.lists(TEXTS.map(str.strip).filter(bool), max_size=3), time=st.datetimes(EARLY, LATE)
)
def test_what_a_row_says_reads_back_as_it_was(names: list[str], time: Any) -> None:
    facts: dict[str, Any] = {"identifiers": {"crn": "X999001"}}
    if names:
        facts["identity"] = {"family_name": names[0], "aliases": names}
    at = time.replace(microsecond=0)
    made = ADAPTER.outbound[0].render(alert(facts=facts, occurred_at=f"{at.isoformat()}Z"))
    if isinstance(made, NotRendered):
        assert any(";" in name for name in names)
        return
    event = one(made.body)
    assert event.occurred_at is not None
    assert event.occurred_at.replace(tzinfo=None) - event.occurred_at.utcoffset() == at  # type: ignore[operator]
    said = event.groups.get("identity", {})
    unique = list(dict.fromkeys(names))
    assert said.get("aliases", []) == unique or not names
