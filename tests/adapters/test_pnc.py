"""PNC-style flags: raised and ended, signals passed on unread, and no more out than is told."""

import csv
import io
import json
from typing import Any

import pytest

from adapters.contract import NotRendered, Rendition, Translation, UnsupportedEvent
from adapters.kit.csv_text import write_rows
from adapters.pnc import ADAPTER
from gateway.model.alert import read_alert
from gateway.model.problem import MalformedEvent
from tests.adapters.examples import FOLDER
from tests.contract.test_adapter import AdapterContract

FLAG = (FOLDER / "pnc" / "flag.alert.json").read_bytes()
BASE = {
    "system": "PNC",
    "recordedAt": "2026-02-03T17:00:00Z",
    "flag": "VISOR_RECORD",
    "change": "RAISED",
    "pncId": "1981/0000034U",
    "visorRecord": "Y",
}
SIGNAL = {"flag": "WARNING_SIGNAL", "visorRecord": ""}


class TestPnc(AdapterContract):
    adapter = ADAPTER


def translated(**cells: str) -> Translation:
    row = {**BASE, **cells}
    return ADAPTER.translate(
        write_rows(list(row), [list(row.values())]), source="urn:example:agency"
    )


def groups(**cells: str) -> Any:
    (event,) = translated(**cells).events
    return event.groups


def refusal(**cells: str) -> MalformedEvent:
    with pytest.raises(MalformedEvent) as caught:
        translated(**cells)
    return caught.value


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({}, "risk.flag_raised"),
        ({"visorRecord": ""}, "risk.flag_raised"),
        ({"change": "ENDED", "visorRecord": "N"}, "risk.flag_ended"),
        ({"change": "ENDED", "visorRecord": ""}, "risk.flag_ended"),
        ({**SIGNAL, "warningSignals": "QX"}, "risk.flag_raised"),
        ({**SIGNAL, "warningSignals": "QX", "change": "ENDED"}, "risk.flag_ended"),
        ({**SIGNAL, "warningSignals": "QX", "visorRecord": "N"}, "risk.flag_raised"),
    ],
)
def test_a_flag_is_raised_or_ended(cells: dict[str, str], kind: str) -> None:
    (event,) = translated(**cells).events
    assert event.kind == kind


@pytest.mark.parametrize(
    "cells",
    [
        {"visorRecord": "N"},
        {"change": "ENDED"},
        {**SIGNAL},
        {**SIGNAL, "change": "ENDED"},
        {"flag": "SOMETHING"},
        {"change": "CHANGED"},
        {"change": "WITHDRAWN"},
        {"marking": "PRIVATE"},
    ],
)
def test_what_contradicts_itself_or_has_no_known_meaning_needs_a_human(
    cells: dict[str, str],
) -> None:
    error = refusal(**cells)
    assert isinstance(error, UnsupportedEvent)
    assert error.needs_human


@pytest.mark.parametrize(
    ("cells", "path"),
    [
        ({"system": ""}, "$.system: required"),
        ({"recordedAt": ""}, "$.recordedAt: required"),
        ({"flag": ""}, "$.flag: required"),
        ({"change": ""}, "$.change: required"),
        ({"pncId": ""}, "$.pncId: one of"),
        ({"pncId": "1981/0000034A"}, "$.data.identifiers.pnc: check letter"),
        ({"croNumber": "001204/91X"}, "$.data.identifiers.cro: check letter"),
        ({"visorRecord": "perhaps"}, "$.visorRecord: must be true or false"),
        ({**SIGNAL, "warningSignals": "violent"}, "$.warningSignals: each is two capitals"),
        ({"grading": "1AC"}, "$.conditions: required"),
        ({"grading": "B24"}, "$.grading: graded 5x5x5"),
        ({"marking": "SECRET"}, "$.marking: above"),
        ({"marking": "RESTRICTED"}, "$.marking: of the former scheme"),
    ],
)
def test_what_is_not_in_its_form_is_refused_by_its_path(cells: dict[str, str], path: str) -> None:
    error = refusal(**cells)
    assert not isinstance(error, UnsupportedEvent)
    assert str(error).startswith(path)


@pytest.mark.parametrize("signals", ["QX", "ZZ;QX", " QX ; ZZ ", "AA; BB; CC"])
def test_a_signal_no_list_knows_is_passed_on_and_noted(signals: str) -> None:
    translation = translated(**SIGNAL, warningSignals=signals)
    (event,) = translation.events
    codes = sorted(one.strip() for one in signals.split(";"))
    assert event.groups["rosh"]["flags"] == [f"PNC:{code}" for code in codes]
    assert not {"overall", "staff", "public"} & set(event.groups["rosh"])
    assert "risk_narrative" not in event.groups
    assert [note.path for note in translation.notes] == ["$.warningSignals"]


def test_a_signal_that_is_gone_is_said_to_be() -> None:
    told = groups(**SIGNAL, warningSignals="QX", change="ENDED")
    assert told["rosh"]["flags"] == ["PNC:QX"]


def test_the_order_in_which_signals_stand_makes_no_other_event() -> None:
    (one,) = translated(**SIGNAL, warningSignals="QX;ZZ").events
    (other,) = translated(**SIGNAL, warningSignals="ZZ;QX;ZZ").events
    assert one.id == other.id
    (third,) = translated(**SIGNAL, warningSignals="ZZ").events
    assert third.id != one.id


def test_a_visor_record_is_a_reference_and_decides_no_category() -> None:
    told = groups(visorRef="99/0001204")
    assert told["identifiers"]["visor_ref"] == "99/0001204"
    assert "mappa" not in told


def test_the_system_is_the_one_the_row_names() -> None:
    assert groups(system="Another")["identifiers"]["source_system"] == "Another"


def rendered(**change: Any) -> Rendition | NotRendered:
    outbound = ADAPTER.form("flags")
    assert outbound
    return outbound.render(read_alert(json.dumps(json.loads(FLAG) | change).encode()))


def cells(**change: Any) -> dict[str, str]:
    made = rendered(**change)
    assert isinstance(made, Rendition)
    heading, row = csv.reader(io.StringIO(made.body.decode(), newline=""))
    return dict(zip(heading, row, strict=True))


def facts(**more: Any) -> dict[str, Any]:
    return {"identifiers": {"pnc": "1981/0000034U"}, **more}


def test_a_visor_record_is_shown_only_where_its_reference_was_told() -> None:
    assert cells()["visorRecord"] == "true"
    shown = cells(facts=facts(mappa={"category": 2}))
    assert (shown["visorRecord"], shown["mappaCategory"], shown["mappaLevel"]) == ("", "2", "")


def test_a_risk_that_is_told_becomes_no_warning_signal() -> None:
    body = "".join(cells(facts=facts(mappa={"level": 2}, rosh={"staff": "very_high"})).values())
    assert "very" not in body
    assert "warning" not in body


def test_what_a_flag_cannot_do_without_is_said() -> None:
    for told in ({"identifiers": {"noms": "Z0001ZZ"}}, facts(), facts(rosh={"overall": "high"})):
        assert isinstance(rendered(facts=told), NotRendered)


@pytest.mark.parametrize(
    ("kind", "change"),
    [("risk.flag_raised", "RAISED"), ("risk.flag_ended", "ENDED"), ("release.planned", "CURRENT")],
)
def test_a_row_says_what_became_of_the_flag(kind: str, change: str) -> None:
    assert cells(event_type=f"org.throughgate.{kind}.v1")["change"] == change


def test_a_recall_withdraws_the_row_of_the_alert_it_names() -> None:
    row = cells(message_type="RECALL", supersedes="alt_earlier", facts={}, reason="retracted")
    assert (row["change"], row["supersedes"]) == ("WITHDRAWN", "alt_earlier")
    assert row["pncId"] == row["visorRecord"] == ""


def test_a_row_is_traceable_to_its_alert() -> None:
    row, alert = cells(intel_grade="1AC", intel_conditions="Ask first."), json.loads(FLAG)
    assert row["alertId"] == alert["message_id"]
    assert row["caseRef"] == alert["case_ref"]
    assert row["for"] == "action"
    assert row["acknowledgeBy"] == alert["ack_required_by"]
    assert (row["marking"], row["grading"]) == ("OFFICIAL-SENSITIVE", "1AC")
    assert row["conditions"] == "Ask first."
    assert "system nDelius" in row["stated"]
