"""The contract, kept by prison healthcare's forms in and out, and what tells the forms apart."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from adapters.contract import UnsupportedEvent
from adapters.systmone import ADAPTER, split
from adapters.systmone.summary import COLUMNS
from gateway.model.problem import MalformedEvent
from tests.adapters.examples import FOLDER, SOURCE, inbound_of
from tests.contract.test_adapter import AdapterContract
from tests.third_party import missing

EXAMPLES = FOLDER / "systmone"
SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "adapters" / "systmone.schema.json"


class TestSystmone(AdapterContract):
    adapter = ADAPTER


def in_pieces(body: bytes, size: int) -> Iterator[bytes]:
    ends = [*range(0, len(body), size), len(body)]
    yield from (body[start:end] for start, end in pairwise(ends))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100_000])
@pytest.mark.parametrize("name", [one.given.name for one in inbound_of("systmone")])
def test_pieces_of_any_size_give_the_same_messages(name: str, size: int) -> None:
    body = (EXAMPLES / name).read_bytes()
    assert list(split(in_pieces(body, size))) == list(split([body]))


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        ("bundle.in.json", 1),
        ("record.in.xml", 1),
        ("reception.in.hl7", 1),
        ("updates.in.hl7", 2),
        ("summary.in.csv", 2),
        ("summary-json.in.json", 1),
    ],
)
def test_a_file_is_cut_by_what_its_bytes_are(name: str, messages: int) -> None:
    assert len(list(split([(EXAMPLES / name).read_bytes()]))) == messages


def test_lines_of_bundles_and_a_list_of_bundles_are_cut_alike() -> None:
    bundle = json.loads((EXAMPLES / "bundle.in.json").read_bytes())
    line = json.dumps(bundle).encode()
    assert list(split([line + b"\n" + line + b"\n"])) == [line, line]
    assert list(split([b"[" + line + b", " + line + b"]"])) == [line, line]


def test_a_byte_order_mark_changes_nothing() -> None:
    body = (EXAMPLES / "summary.in.csv").read_bytes()
    marked = ADAPTER.translate(b"\xef\xbb\xbf" + body, source=SOURCE)
    assert marked == ADAPTER.translate(body, source=SOURCE)


@pytest.mark.parametrize("body", [b"", b" ", b"\r\n", b"{", b"<", b"MSH", b"FHS|", b"MSHA", b"a,b"])
def test_the_beginning_of_a_message_alone_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedEvent):
        ADAPTER.translate(body, source=SOURCE)


# The release summary: our own contract.


def row(**cells: object) -> bytes:
    stated = {
        "recordedAt": "2026-02-02T09:30:00Z",
        "nomsNumber": "Z0001ZZ",
        "currentPracticeName": "HMP Exampleton Healthcare",
    } | cells
    return json.dumps({name: cell for name, cell in stated.items() if cell is not None}).encode()


def routing(body: bytes) -> dict[str, object]:
    (event,) = ADAPTER.translate(body, source=SOURCE).events
    provenance = {"assertion", "as_of", "source_system", "verified"}
    return {
        name: value
        for name, value in event.groups.get("health_routing", {}).items()
        if name not in provenance
    }


def schema() -> dict[str, Any]:
    published: dict[str, Any] = json.loads(SCHEMA.read_text("utf-8"))
    return published


def validator() -> Any:
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        missing("the package jsonschema")
    Draft202012Validator.check_schema(schema())
    return Draft202012Validator(schema())


def needs_human(body: bytes) -> str:
    with pytest.raises(UnsupportedEvent) as refused:
        ADAPTER.translate(body, source=SOURCE)
    assert refused.value.needs_human
    return refused.value.problems[0].path


def test_the_example_keeps_to_the_published_schema() -> None:
    validator().validate(json.loads((EXAMPLES / "summary-json.in.json").read_bytes()))


def test_the_published_schema_names_what_is_read() -> None:
    assert set(schema()["properties"]) == set(COLUMNS)
    heading = (EXAMPLES / "summary.in.csv").read_text("utf-8").splitlines()[0]
    assert heading.split(",") == list(COLUMNS)


@pytest.mark.parametrize("name", ["recordedAt", "nomsNumber"])
def test_what_the_schema_requires_is_required(name: str) -> None:
    body = row(**{name: None})
    with pytest.raises(MalformedEvent):
        ADAPTER.translate(body, source=SOURCE)
    assert not validator().is_valid(json.loads(body))


def test_a_gap_is_told_only_where_the_summary_says_so() -> None:
    assert routing(row()) == {"registered_practice": {"name": "HMP Exampleton Healthcare"}}
    told = routing(row(cmhtName="NOT_RECORDED", priorCommunityPracticeOds="NOT_RECORDED"))
    assert told["mental_health_team"] == told["community_gp"] == "NOT_RECORDED"


def test_a_column_that_may_not_be_missing_states_nothing_when_not_recorded() -> None:
    told = routing(row(mhaStatus="NOT_RECORDED", cmhtCareCoordinator="NOT_RECORDED"))
    assert set(told) == {"registered_practice"}


@pytest.mark.parametrize(
    ("cells", "path"),
    [
        ({"cmhtName": "NOT_RECORDED", "cmhtOds": "Z99903"}, "$.cmhtName"),
        ({"cmhtName": "NOT_RECORDED", "cmhtPhone": "07700 900123"}, "$.cmhtName"),
        ({"mhaStatus": "11"}, "$.mhaStatus"),
        ({"nhsNumber": "9990000018", "nhsNumberStatus": "09"}, "$.nhsNumberStatus"),
        ({"nhsNumber": "9990000018", "nhsNumberStatus": "07"}, "$.nomsNumber"),
        ({"onwardReferralTo": "A", "onwardReferralSent": "yes", "onwardReferralAccepted": "no"},
         "$.onwardReferralAccepted"),
        ({"onwardReferralTo": "A", "onwardReferralSent": "no", "onwardReferralAccepted": "yes"},
         "$.onwardReferralAccepted"),
    ],
)  # fmt: skip
def test_a_summary_that_contradicts_itself_needs_a_human(cells: dict[str, str], path: str) -> None:
    assert needs_human(row(**cells)) == path


@pytest.mark.parametrize("status", ["98", "99"])
def test_a_legal_status_that_is_not_known_is_left_out(status: str) -> None:
    assert "mha_status" not in routing(row(mhaStatus=status))


def test_a_referral_that_was_not_sent_is_none() -> None:
    body = row(onwardReferralTo="Exampleton CMHT", onwardReferralSent="no")
    assert "onward_referral" not in routing(body)
    assert ADAPTER.translate(body, source=SOURCE).notes
    sent = row(onwardReferralTo="Exampleton CMHT", onwardReferralSent="yes")
    assert routing(sent)["onward_referral"] == {"name": "Exampleton CMHT"}


def test_a_practice_known_by_its_code_alone_is_named_by_it() -> None:
    told = routing(row(currentPracticeName=None, currentPracticeOds="Z99902"))
    assert told == {"registered_practice": {"name": "Z99902", "ods": "Z99902"}}


def test_a_clinical_column_is_not_read_and_is_reported() -> None:
    translation = ADAPTER.translate(row(diagnosis="Specimen disorder"), source=SOURCE)
    assert translation.unread == ("$.diagnosis",)
    assert "Specimen disorder" not in str(translation)


def test_a_summary_of_no_care_is_of_no_concern() -> None:
    with pytest.raises(UnsupportedEvent) as refused:
        ADAPTER.translate(row(currentPracticeName=None), source=SOURCE)
    assert not refused.value.needs_human


@pytest.mark.parametrize(
    "cells",
    [
        {"nomsNumber": "z0001zz"},
        {"nhsNumber": "9990000019"},
        {"currentPracticeOds": "gp"},
        {"cmhtPhone": "07700 900123"},
        {"priorCommunityPracticeCapturedOn": "03/11/2025"},
        {"mhInReachCaseload": "perhaps"},
        {"recordedAt": "2026-02-30T09:30:00Z"},
    ],
)
def test_a_cell_that_is_not_in_its_form_is_refused_unquoted(cells: dict[str, str]) -> None:
    with pytest.raises(MalformedEvent) as refused:
        ADAPTER.translate(row(**cells), source=SOURCE)
    assert not any(value in str(refused.value) for value in cells.values())
