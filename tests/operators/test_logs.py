"""Log lines: the fields are those the page lists, and a canary in any of them stays out."""

import datetime as dt
import io
from pathlib import Path

import pytest
import structlog

from gateway import operator_log
from gateway.operator_log import FIELDS, _dumps, allow_listed
from gateway.traces import ATTRIBUTES
from tests import canaries
from tests.docs.pages import ROOT, first_codes, section

PAGE = ROOT / "docs/operators/logs.md"
STAGES = {"receive", "decide", "disclose", "commit", "attempt", "acknowledge"}


def test_the_page_has_every_field_and_no_other() -> None:
    assert set(first_codes(section(PAGE, "Fields"))) == FIELDS


def test_the_page_has_every_attribute_and_every_stage_of_a_trace() -> None:
    assert set(first_codes(section(PAGE, "Traces"))) == ATTRIBUTES | STAGES


def test_no_field_could_hold_a_path_an_address_or_a_name() -> None:
    assert not FIELDS & {"path", "url", "address", "name", "person", "body", "token", "query"}


@pytest.mark.parametrize("mark", canaries.MARKS)
def test_a_canary_in_an_unlisted_field_or_in_an_exception_stays_out(mark: str) -> None:
    line = allow_listed(
        None,
        "error",
        {
            "event": "cannot decide",
            "person": mark,
            "url": f"/p/{mark}",
            "error": ValueError(mark),
            "code": {mark},
            "subject": Path(mark),
        },
    )
    written = _dumps(line)
    assert canaries.found_in(written) == []
    assert "ValueError" in written


def test_text_numbers_and_times_are_written_as_they_are() -> None:
    at = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    written = _dumps({"event": "x", "count": 3, "timestamp": at, "code": "a"})
    assert written == '{"event":"x","count":3,"timestamp":"2026-03-02T00:00:00+00:00","code":"a"}'


def test_the_whole_chain_drops_what_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    before = structlog.get_config()
    monkeypatch.setattr("sys.stderr", stream)
    try:
        operator_log.configure()
        structlog.get_logger().error("not ready", code="no-space", person=canaries.NAME)
    finally:
        structlog.configure(**before)
    assert "no-space" in stream.getvalue()
    assert canaries.found_in(stream.getvalue()) == []
