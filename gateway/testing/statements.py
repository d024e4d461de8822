"""What events and alerts say, taken apart so that two of them can be compared."""

# ruff: noqa: S101, ANN401 - these are parts of tests, about JSON of any shape

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from adapters.contract import Rendition
from adapters.kit.csv_text import safe_cell
from adapters.kit.xml_text import read_xml
from gateway.model.alert import Alert
from gateway.model.event import CanonicalEvent
from gateway.model.groups import PROVENANCE


def facts_of(events: tuple[CanonicalEvent, ...]) -> set[str]:
    """Return the kind and path of all that is stated, but for NOT_RECORDED and provenance."""
    return {
        f"{event.kind} {group}.{member}"
        for event in events
        for group, members in event.groups.items()
        for member, value in members.items()
        if member not in PROVENANCE and value != "NOT_RECORDED"
    }


def values_of(groups: Any) -> set[tuple[str, str]]:
    """Return the path and the value, as JSON, of all that is stated but for provenance."""
    return {
        (f"{group}.{member}", json.dumps(value, sort_keys=True))
        for group, members in groups.items()
        for member, value in members.items()
        if member not in PROVENANCE
    }


def without_each(value: Any) -> Iterator[Any]:
    """Yield a JSON value once per member anywhere in it, with that member left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            rest = {key: one for key, one in value.items() if key != name}
            yield rest
            for less in without_each(inner):
                yield {**value, name: less}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for less in without_each(inner):
                yield [*value[:index], less, *value[index + 1 :]]


def with_each_text(facts: Any, text: str) -> Iterator[Any]:
    """Yield facts once per text anywhere in them, with that text replaced."""
    if isinstance(facts, dict):
        for name, inner in facts.items():
            for other in with_each_text(inner, text):
                yield {**facts, name: other}
    elif isinstance(facts, list):
        for index, inner in enumerate(facts):
            for other in with_each_text(inner, text):
                yield [*facts[:index], other, *facts[index + 1 :]]
    elif isinstance(facts, str):
        yield text


def words_of(value: Any) -> Iterator[str]:
    """Yield every telling text in a JSON value."""
    if isinstance(value, dict):
        for one in value.values():
            yield from words_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from words_of(one)
    elif isinstance(value, str) and len(value) >= 6:
        yield value


def as_json(alert: Alert) -> dict[str, Any]:
    """Return an alert in the form it is opened in."""
    return {
        "message_id": alert.id,
        "message_type": alert.message,
        "supersedes": alert.supersedes,
        "event_type": f"org.throughgate.{alert.kind}.v1",
        "recipient": alert.recipient,
        "case_ref": alert.case_ref,
        "source": alert.source,
        "recipient_type": "FA" if alert.for_action else "FI",
        "occurred_at": alert.occurred_at.isoformat() if alert.occurred_at else None,
        "ack_required_by": alert.acknowledge_by.isoformat() if alert.acknowledge_by else None,
        "review_due": alert.review_due,
        "marking": alert.marking,
        "intel_grade": alert.grade,
        "intel_conditions": alert.conditions,
        "subject_category": alert.subject_category,
        "reason": alert.reason,
        "facts": dict(alert.facts),
        "groups": [
            {
                "name": name,
                "controller": one.controller,
                "source_system": one.source_system,
                "as_of": one.as_of,
                "assertion": one.assertion,
                "verified": one.verified,
                "completeness": one.completeness,
            }
            for name, one in alert.stated.items()
        ],
    }


def well_formed(made: Rendition) -> None:
    """Read a rendition back with a parser that is not the one that wrote it."""
    if made.media_type.startswith("application/") and "json" in made.media_type:
        json.loads(made.body)
    elif "xml" in made.media_type:
        read_xml(made.body)
    elif made.media_type == "text/csv":
        rows = list(csv.reader(io.StringIO(made.body.decode(), newline=""), strict=True))
        assert len({len(row) for row in rows}) == 1, "every row has every column"
        for cell in (cell for row in rows for cell in row if not cell.lstrip("-").isdigit()):
            assert safe_cell(cell) == cell, "a cell a spreadsheet might run"
    else:
        made.body.decode("utf-8")
