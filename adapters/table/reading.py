"""From one row to the event it states, as the mapping says."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Final

from adapters.contract import Translation, UnsupportedEvent
from adapters.kit.csv_text import read_row
from adapters.kit.dates import civil_time, parse_date, parse_java_date, rfc3339
from adapters.kit.members import NAIVE, Members
from adapters.kit.statement import Statement, canonical_event
from adapters.table.mapping import GATEWAY, IDENTIFIERS, JAVA, ZONED, TableField, TableMapping
from gateway.model.event import CanonicalEvent
from gateway.model.groups import parse_time
from gateway.model.problem import MalformedEvent, Problem
from gateway.model.strict_json import Json, JsonObject, read_object

WHOLE_DAY: Final = "a day without a time: read as its first moment in London"
NOT_RECORDED: Final = "NOT_RECORDED"
MIDNIGHT: Final = "T00:00:00"  # of a day in a workbook, which has no days without a time


def translate_row(mapping: TableMapping, body: bytes, source: str) -> Translation:
    """Return the one event that a row states.

    Args:
        mapping: What its columns mean.
        body: A row under its heading (CSV), or an object (a line of JSON, a row of a workbook).
        source: The sending agency's URN.

    Raises:
        MalformedEvent: a cell not in its form, or missing though required; names the column.
        UnsupportedEvent: a row of no concern; or, for a human, a code with no known meaning.

    Pure.
    """
    row = _Row(mapping, read_row(body) if mapping.format == "csv" else read_object(body))
    corrects = row.corrects()
    kind = "event.corrected" if corrects else row.kind()
    facts: dict[str, JsonObject] = {}
    problems: list[Problem] = []
    for field in mapping.fields:
        try:
            _state(facts, field, row)
        except MalformedEvent as error:
            if type(error) is not MalformedEvent:
                raise
            problems += (
                # The mapping's own name for it, however odd; what a sender names is not repeated.
                Problem(path=f"$.{field.columns[0]}", reason=one.reason)
                if one.path.endswith(".*")
                else one
                for one in error.problems
            )
    if problems:
        raise MalformedEvent(*problems)
    if not IDENTIFIERS & facts.get("identifiers", {}).keys():
        raise MalformedEvent(Problem(path="$", reason="names nobody: no identifier in the row"))
    statement = Statement(
        kind=kind,
        system=mapping.system,
        as_of=row.time(),
        facts=facts,
        told_apart_by=[row.needed(column) for column in mapping.told_apart_by],
        verified=mapping.verified,
        assertions=mapping.assertions,
        corrects=corrects,
    )
    event = _event(row, statement, source)
    if mapping.correction_column is not None:
        event = replace(event, id=_numbered(mapping, *statement.told_apart_by))
    return Translation(events=(event,), unread=row.top.unread(), notes=row.top.notes())


class _Row:
    """The columns of one row; a dotted name leads into an object."""

    def __init__(self, mapping: TableMapping, value: JsonObject) -> None:
        self.mapping = mapping
        self.top = Members(value)
        self._type = mapping.name.replace("_", "-")  # of what is not translated
        self._inner: dict[str, Members | None] = {"": self.top}
        # What `writing` adds to a row: about an alert, not about the person.
        self.top.ignore(*(name for name in value if name.startswith(GATEWAY)))
        for column in mapping.ignore:
            members, name = self.at(column)
            if members is not None:
                members.ignore(name)

    def at(self, column: str) -> tuple[Members | None, str]:
        """Return the object a column is a member of, None if it is not there, and its name."""
        if self.mapping.format != "jsonl":
            return self.top, column
        where, _, name = column.rpartition(".")
        return self._object(where), name

    def _object(self, where: str) -> Members | None:
        if where not in self._inner:
            outer, _, name = where.rpartition(".")
            within = self._object(outer)
            self._inner[where] = within.object(name) if within is not None else None
        return self._inner[where]

    def word(self, column: str) -> str | None:
        """Return a cell as text: a number by its digits, a truth by its name."""
        members, name = self.at(column)
        if members is None:
            return None
        value = members.raw(name)
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, int) else members.text(name)

    def needed(self, column: str) -> str:
        """Return a cell that must be there.

        Raises:
            MalformedEvent: it is not.
        """
        value = self.word(column)
        if value is None:
            raise self.fault(column, "required")
        return value

    def fault(self, column: str, reason: str) -> MalformedEvent:
        """Return the error that says what is wrong with a column."""
        return MalformedEvent(Problem(path=f"$.{column}", reason=reason))

    def unclear(self, column: str, reason: str) -> MalformedEvent:
        """Return the error that asks for a human."""
        problem = Problem(path=f"$.{column}", reason=f"needs a human: {reason}")
        return UnsupportedEvent(problem, event_type=self._type, needs_human=True)

    def corrects(self) -> str | None:
        """Return the id of the event that this row puts right, None for a row of its own."""
        column = self.mapping.correction_column
        number = None if column is None else self.word(column)
        return None if number is None else _numbered(self.mapping, number)

    def kind(self) -> str:
        """Return the kind of event.

        Raises:
            UnsupportedEvent: a code passed over, or one with no known meaning.
        """
        column = self.mapping.kind_column
        if column is None:
            return self.mapping.kind or ""
        code = self.needed(column)
        if code in self.mapping.passed_over:
            problem = Problem(path=f"$.{column}", reason="rows of this kind are passed over")
            raise UnsupportedEvent(problem, event_type=self._type)
        if code not in self.mapping.kind_codes:
            raise self.unclear(column, "not a code with a known meaning")
        return self.mapping.kind_codes[code]

    def time(self) -> str:
        """Return when the row says so."""
        column = self.mapping.time_column
        text = self.needed(column)
        if not self.mapping.day_only:
            return self.moment(column, text, self.mapping.time_form)
        day = self.day(column, text, self.mapping.time_form)
        self.note(column, WHOLE_DAY)
        return rfc3339(civil_time(f"{day}T00:00"))

    def day(self, column: str, text: str, form: str) -> str:
        """Return a day. A workbook's own dates are days already, whatever the form says."""
        if self.mapping.format == "xlsx" and text.endswith(MIDNIGHT):
            text, form = text.removesuffix(MIDNIGHT), "YYYY-MM-DD"
        try:
            return parse_date(text, form)
        except ValueError as error:
            raise self.fault(column, str(error)) from None

    def moment(self, column: str, text: str, form: str) -> str:
        """Return a time with its zone; one without is London's, and a note says so."""
        try:
            parse_time(text)
        except ValueError as error:
            if form == ZONED:
                raise self.fault(column, str(error)) from None
        else:
            return text
        try:
            if form == JAVA:
                return rfc3339(parse_java_date(text))
            of_workbook = self.mapping.format == "xlsx" and text[4:5] == "-"
            time = civil_time(text, "YYYY-MM-DD" if of_workbook else form)
        except ValueError as error:
            raise self.fault(column, str(error)) from None
        self.note(column, NAIVE)
        return rfc3339(time)

    def note(self, column: str, text: str) -> None:
        """Leave a note for whoever made the mapping work."""
        members, name = self.at(column)
        (members or self.top).note(name, text)


def _numbered(mapping: TableMapping, number: str) -> str:
    """Return the id of the event of a row with this number: the same whatever the row says."""
    digest = sha256(json.dumps([mapping.name, number]).encode()).hexdigest()[:32]
    return f"{mapping.name}-{digest}"


def _state(facts: dict[str, JsonObject], field: TableField, row: _Row) -> None:
    """Add what a field states to the facts."""
    target = field.target
    value = _READERS[target.shape](field, row)
    if value in (None, []):
        if field.required:
            raise row.fault(field.columns[0], "required")
        return
    group = facts.setdefault(target.group, {})
    if not target.part:
        group[target.member] = value
        return
    whole = group.setdefault(target.member, {})
    if value == NOT_RECORDED and field.not_recorded:
        if whole:
            raise row.unclear(field.columns[0], "says there is none, beside what says there is one")
        group[target.member] = NOT_RECORDED
    elif isinstance(whole, dict):
        whole[target.part] = value
    else:
        raise row.unclear(field.columns[0], "stated of something that is said not to be there")


def _meaning(field: TableField, row: _Row, column: str, word: str) -> Json:
    """Return what a code means, None where the sender says that it does not know."""
    if word in field.states_nothing:
        return None
    if word not in field.codes:
        raise row.unclear(column, "not a code with a known meaning")
    return field.codes[word]


def _text(field: TableField, row: _Row) -> Json:
    word = row.word(field.columns[0])
    if word is not None and field.without:
        word = word.translate(dict.fromkeys(map(ord, field.without))) or None
    if word is None or word in field.states_nothing:
        return None
    if word in field.not_recorded:
        return NOT_RECORDED
    return _meaning(field, row, field.columns[0], word) if field.codes else word


def _flag(field: TableField, row: _Row) -> Json:
    column = field.columns[0]
    if field.codes or row.word(column) in field.states_nothing:
        return _text(field, row)
    members, name = row.at(column)
    return members.flag(name) if members is not None else None


def _number(field: TableField, row: _Row) -> Json:
    column = field.columns[0]
    if field.codes or row.word(column) in field.states_nothing:
        return _text(field, row)
    members, name = row.at(column)
    return members.number(name) if members is not None else None


def _date(field: TableField, row: _Row) -> Json:
    word = _text(field, row)
    return row.day(field.columns[0], word, field.form) if isinstance(word, str) else None


def _time(field: TableField, row: _Row) -> Json:
    word = _text(field, row)
    return row.moment(field.columns[0], word, field.form) if isinstance(word, str) else None


def _texts(field: TableField, row: _Row) -> Json:
    """Return the items of a list: of one cell by the separator, of one column after another."""
    found: list[Json] = []
    for column in field.columns:
        members, name = row.at(column)
        cells = members.texts(name) if members is not None else ()
        items = (
            item.strip()
            for cell in cells
            for item in (cell.split(field.separator) if field.separator else (cell,))
        )
        for item in items:
            if not item or item in field.states_nothing:
                continue
            value = _meaning(field, row, column, item) if field.codes else item
            found += [] if value is None or value in found else [value]
    return found


_READERS: Final[dict[str, Callable[[TableField, _Row], Json]]] = {
    "text": _text,
    "flag": _flag,
    "number": _number,
    "date": _date,
    "time": _time,
    "texts": _texts,
}


def _event(row: _Row, statement: Statement, source: str) -> CanonicalEvent:
    """Return the event; what is wrong with a fact is said of the column that states it."""
    try:
        return canonical_event(row.mapping.name, statement, source)
    except MalformedEvent as error:
        problems = [
            Problem(path=_column(row, one.path), reason=one.reason) for one in error.problems
        ]
    raise MalformedEvent(*problems)


def _column(row: _Row, path: str) -> str:
    for field in row.mapping.fields:
        own = f"$.data.{field.target.path}"
        if path == own or path.startswith((f"{own}.", f"{own}[")):
            return row.fault(field.columns[0], "").problems[0].path
    return path
