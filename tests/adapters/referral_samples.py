"""The kept forms of the partner agencies, and ways to change one thing in them."""

import copy
import csv
import io
import json
from typing import Any

import pytest

from adapters.contract import Adapter, NotRendered, Rendition, Translation, UnsupportedEvent
from gateway.model.alert import parse_alert
from gateway.model.event import CanonicalEvent
from gateway.model.groups import PROVENANCE
from gateway.model.problem import MalformedEvent
from tests.adapters.examples import FOLDER, SOURCE

GONE: Any = object()


def kept(adapter: str, file: str) -> dict[str, Any]:
    """One of the golden inputs, or an alert, as plain JSON."""
    value: dict[str, Any] = json.loads((FOLDER / adapter / file).read_text("utf-8"))
    return value


def changed(value: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A copy with members set, or GONE; ``person__crn`` is the member crn of person."""
    result = copy.deepcopy(value)
    for path, new in members.items():
        *steps, last = path.split("__")
        within = result
        for step in steps:
            within = within.setdefault(step, {})
        if new is GONE:
            within.pop(last, None)
        else:
            within[last] = new
    return result


def translated(adapter: Adapter, value: dict[str, Any] | bytes) -> Translation:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return adapter.translate(body, source=SOURCE)


def event(adapter: Adapter, value: dict[str, Any] | bytes) -> CanonicalEvent:
    (one,) = translated(adapter, value).events
    return one


def stated(one: CanonicalEvent, group: str) -> dict[str, Any]:
    members = one.groups.get(group, {})
    return {name: value for name, value in members.items() if name not in PROVENANCE}


def refused(adapter: Adapter, value: dict[str, Any] | bytes) -> MalformedEvent:
    with pytest.raises(MalformedEvent) as caught:
        translated(adapter, value)
    return caught.value


def malformed_at(adapter: Adapter, value: dict[str, Any] | bytes) -> str:
    """The path of the fault in a form that cannot be read."""
    error = refused(adapter, value)
    assert not isinstance(error, UnsupportedEvent), str(error)
    return error.problems[0].path


def needs_human(adapter: Adapter, value: dict[str, Any] | bytes) -> str:
    """The path of what a human has to look at."""
    error = refused(adapter, value)
    assert isinstance(error, UnsupportedEvent), str(error)
    assert error.needs_human
    return error.problems[0].path


def of_no_concern(adapter: Adapter, value: dict[str, Any] | bytes) -> str:
    """The path of what says that nobody is told."""
    error = refused(adapter, value)
    assert isinstance(error, UnsupportedEvent), str(error)
    assert not error.needs_human
    return error.problems[0].path


def as_table(*forms: dict[str, Any]) -> bytes:
    """The same forms as rows of a table."""
    rows = [_flat(one) for one in forms]
    heading = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(heading)
    writer.writerows([row.get(name, "") for name in heading] for row in rows)
    return out.getvalue().encode()


def _flat(value: dict[str, Any], before: str = "") -> dict[str, str]:
    cells: dict[str, str] = {}
    for name, one in value.items():
        if isinstance(one, dict):
            cells |= _flat(one, f"{before}{name}.")
        elif isinstance(one, list):
            cells[f"{before}{name}[]"] = "; ".join(one)
        elif isinstance(one, bool):
            cells[before + name] = "yes" if one else "no"
        else:
            cells[before + name] = str(one)
    return cells


def rendition(adapter: Adapter, alert: dict[str, Any], form: str | None = None) -> Rendition:
    outbound = adapter.form(form)
    assert outbound is not None
    made = outbound.render(parse_alert(alert))
    assert isinstance(made, Rendition), made
    return made


def content(adapter: Adapter, alert: dict[str, Any], form: str | None = None) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(rendition(adapter, alert, form).body)
    return value


def declined(adapter: Adapter, alert: dict[str, Any], form: str | None = None) -> str:
    outbound = adapter.form(form)
    assert outbound is not None
    made = outbound.render(parse_alert(alert))
    assert isinstance(made, NotRendered)
    return made.reasons[0]
