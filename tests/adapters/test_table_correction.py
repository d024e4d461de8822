"""A row that puts an earlier row right, by the number of that row."""

import pytest

from adapters.table import BadMapping, read_mapping, table_adapter
from gateway.model.event import CanonicalEvent, parse_cloudevent

BOARD = """
name = "board"
title = "Release board"
format = "csv"
system = "Board"
told_apart_by = ["Line"]
kind = { fixed = "release.planned" }
time = { column = "Entered" }
provenance = { verified = true }
correction = { column = "Corrects" }
field = [
  { column = "NOMS", to = "identifiers.noms", required = true },
  { column = "Area", to = "location.home_area" },
]
"""
ADAPTER = table_adapter(read_mapping(BOARD))


def event(row: str) -> CanonicalEvent:
    body = f"Line,Entered,Corrects,NOMS,Area\r\n{row}\r\n".encode()
    translation = ADAPTER.translate(body, source="urn:example:agency")
    assert translation.unread == ()
    [found] = translation.events
    assert parse_cloudevent(found.to_cloudevent()) == found
    return found


def test_a_row_without_the_number_of_another_is_an_event_of_its_own() -> None:
    first = event("1,2026-02-02T09:30:00Z,,Z0001ZZ,kent")
    assert (first.kind, first.corrects) == ("release.planned", None)
    assert event("2,2026-02-02T09:30:00Z,,Z0001ZZ,kent").id != first.id


def test_a_row_with_the_number_of_another_corrects_that_rows_event() -> None:
    first = event("1,2026-02-02T09:30:00Z,,Z0001ZZ,kent")
    second = event("2,2026-02-03T09:30:00Z,1,Z0001ZZ,essex")
    assert (second.kind, second.corrects) == ("event.corrected", first.id)
    assert second.id != first.id
    assert second.groups["location"]["home_area"] == "essex"


def test_a_number_is_one_event_whatever_its_row_says() -> None:
    assert (
        event("1,2026-02-02T09:30:00Z,,Z0001ZZ,kent").id
        == event("1,2026-02-05T09:30:00Z,,Z0002ZZ,essex").id
    )


def test_only_a_table_whose_rows_have_one_number_can_correct_them() -> None:
    with pytest.raises(BadMapping, match="correction"):
        read_mapping(BOARD.replace('["Line"]', '["Line", "NOMS"]'))
