"""From an alert to one row of the agency's own table: the reverse of `reading`."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from adapters.contract import NotRendered, Rendition
from adapters.kit.csv_text import write_rows
from adapters.kit.dates import LONDON, MONTHS, in_london, rfc3339
from adapters.table.mapping import GATEWAY, JAVA, ZONED, Code, TableField, TableMapping
from adapters.table.reading import NOT_RECORDED
from gateway.model.alert import Alert
from gateway.model.groups import parse_time
from gateway.model.strict_json import Json, JsonObject

MEDIA_TYPES: Final = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
_UNNAMED: Final = re.compile(r"[^A-Za-z0-9_\-]")


class _Unsaid(Exception):
    """This table has no way to say it."""


def render_row(mapping: TableMapping, alert: Alert) -> Rendition | NotRendered:
    """Return the alert as a row of this table, beside what it is and how it may be handled.

    Columns that the alert does not speak of stay empty; those that tell rows apart hold the
    alert's own id. Never raises. Pure.
    """
    if alert.message == "RECALL":
        return NotRendered(reasons=("a row of a table takes nothing back",))
    said, reasons = _said(mapping, alert)
    if reasons:
        return NotRendered(reasons=tuple(reasons))
    cells = {column: said[column][0] for column in mapping.columns}
    cells |= _about(alert)
    return Rendition(
        media_type=MEDIA_TYPES[mapping.format],
        file_name=f"{mapping.name}-{_UNNAMED.sub('', alert.id)[:60]}.{mapping.format}",
        body=_csv(cells) if mapping.format == "csv" else _line(cells),
    )


def _said(mapping: TableMapping, alert: Alert) -> tuple[dict[str, list[Json]], list[str]]:
    """Return what is to stand in each column, once for each fact that it states; and faults."""
    reasons: list[str] = []
    said: dict[str, list[Json]] = {}
    for column, value, reason in _own(mapping, alert):
        said.setdefault(column, []).append(value)
        reasons += [reason] if reason else []
    for field in mapping.fields:
        try:
            stated = _cells(mapping, field, alert)
        except _Unsaid as error:
            reasons.append(f"{field.target.path}: {error}")
        else:
            for column in field.columns:
                said.setdefault(column, []).append(stated.get(column))
    # Read back, one cell states every fact its column is mapped to: they must all be told alike.
    if any(one != values[0] for values in said.values() for one in values):
        reasons.append("a column that states two facts cannot tell these apart")
    for column in mapping.told_apart_by:
        if said.setdefault(column, [alert.id]) == [None]:
            reasons.append("the table must have what tells its rows apart")
    return said, reasons


def _own(mapping: TableMapping, alert: Alert) -> Iterator[tuple[str, Json, str]]:
    """Yield the cells of the time and the kind, or why there are none."""
    time = alert.occurred_at
    local = _in_london(time) if time else None
    if time is None or (mapping.day_only and local is None):
        yield mapping.time_column, None, "the alert states no time that this table can hold"
    elif mapping.day_only and local is not None:
        yield mapping.time_column, _day(local.date().isoformat(), mapping.time_form), ""
    else:
        yield mapping.time_column, _moment(rfc3339(time), mapping.time_form), ""
    if mapping.kind_column is None:
        if alert.kind != mapping.kind:
            yield "", None, "this table has no rows of that kind"
        return
    codes = [code for code, kind in mapping.kind_codes.items() if kind == alert.kind]
    reason = "" if codes else "this table has no rows of that kind"
    yield mapping.kind_column, codes[0] if codes else None, reason


def _cells(mapping: TableMapping, field: TableField, alert: Alert) -> dict[str, Json]:
    """Return what a field's columns say; nothing where the alert does not state it."""
    stated = alert.fact(field.target.group, field.target.member)
    if field.target.part and isinstance(stated, dict):
        stated = stated.get(field.target.part)
    elif field.target.part and stated == NOT_RECORDED:
        if not field.not_recorded:
            stated = None  # another column of the same member says so, or none can
        else:
            return {field.columns[0]: field.not_recorded[0]}
    if stated in (None, []):
        if field.required:
            raise _Unsaid("the table must have it, and the alert does not state it")
        return {}
    if isinstance(stated, list):
        items = [_word(field, one) for one in stated]
        as_list = mapping.format == "jsonl" and not field.separator and len(field.columns) == 1
        return {field.columns[0]: items} if as_list else _items(field, items)
    return {field.columns[0]: _word(field, stated)}


def _word(field: TableField, value: Json) -> Json:
    if field.codes:
        for code, meaning in field.codes.items():
            if _same(meaning, value):
                return code
        raise _Unsaid("no code of this table means it")
    text = value if isinstance(value, str) else None
    if text is not None and text in (*field.states_nothing, *field.not_recorded):
        raise _Unsaid("reads as a code with another meaning")
    if text is not None and field.target.shape == "date":
        return _day(text, field.form)
    return _moment(text, field.form) if text and field.target.shape == "time" else value


def _same(meaning: Code, value: Json) -> bool:
    return meaning == value and isinstance(meaning, bool) == isinstance(value, bool)


def _items(field: TableField, items: list[Json]) -> dict[str, Json]:
    texts = [str(item) for item in items]
    if field.separator is not None and len(field.columns) == 1:
        if any(field.separator in text for text in texts):
            raise _Unsaid("an item holds the separator")
        return {field.columns[0]: field.separator.join(texts)}
    if len(texts) > len(field.columns):
        raise _Unsaid("more items than columns")
    return dict(zip(field.columns, texts, strict=False))


def _day(day: str, form: str) -> str:
    year, month, number = day.split("-")
    parts = {"YYYY": year, "Mon": MONTHS[int(month) - 1], "MM": month, "DD": number}
    return re.sub("YYYY|Mon|MM|DD", lambda match: parts[match.group()], form)


def _moment(text: str, form: str) -> str:
    """Return a time in its form, or with its zone where the form could not say which it was."""
    time = parse_time(text)
    local = _in_london(time)
    if form in (ZONED, JAVA) or time.microsecond or local is None:
        return text
    try:
        in_london(local.replace(tzinfo=None))
    except ValueError:
        return text
    return f"{_day(local.date().isoformat(), form)}T{local:%H:%M:%S}"


def _in_london(time: datetime) -> datetime | None:
    """Return a time on London's clock; None at the ends of the calendar, and before the railways
    brought one time, when that clock stood at no whole minute."""
    try:
        local = time.astimezone(LONDON)
    except OverflowError:
        return None
    offset = local.utcoffset()
    return local if offset is not None and offset.seconds % 60 == 0 else None


def _about(alert: Alert) -> dict[str, Json]:
    """Return what makes the row traceable to the logged disclosure, and how it may be handled."""
    due = rfc3339(alert.acknowledge_by) if alert.acknowledge_by else None
    return {
        f"{GATEWAY}alert": alert.id,
        f"{GATEWAY}message": alert.message,
        f"{GATEWAY}supersedes": alert.supersedes,
        f"{GATEWAY}case_ref": alert.case_ref,
        f"{GATEWAY}for": "action" if alert.for_action else "information",
        f"{GATEWAY}acknowledge_by": due,
        f"{GATEWAY}marking": alert.marking,
        f"{GATEWAY}grade": alert.grade,
        f"{GATEWAY}conditions": alert.conditions,
    }


def _csv(cells: dict[str, Json]) -> bytes:
    row = [value if isinstance(value, str | int | bool) else None for value in cells.values()]
    return write_rows(list(cells), [row])


def _line(cells: dict[str, Json]) -> bytes:
    """Return one line of JSON; a dotted name leads into an object."""
    whole: JsonObject = {}
    for column, value in cells.items():
        if value is None:
            continue
        members = whole
        *steps, name = column.split(".")
        for step in steps:
            inner = members.setdefault(step, {})
            members = inner if isinstance(inner, dict) else members
        members[name] = value
    return json.dumps(whole, ensure_ascii=False).encode() + b"\n"
