"""A mapping file: which column of an agency's table states which fact. TOML, checked whole."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.kit.csv_text import MAX_COLUMNS, safe_cell
from adapters.kit.dates import DATE_FORMS
from adapters.kit.statement import Assertion
from adapters.table.members_taken import Target, target_of
from gateway.model.groups import GROUP_NAMES, OWN_GROUPS
from gateway.model.kinds import KINDS, OWN_KINDS, REVISING_KINDS

M = TypeVar("M", bound=BaseModel)

ZONED: Final = "RFC 3339"  # a time with its zone
JAVA: Final = "Java"  # java.util.Date.toString, GMT or BST
GATEWAY: Final = "gateway_"  # columns of what is written begin with it
TOLD_KINDS: Final = KINDS - OWN_KINDS - REVISING_KINDS
IDENTIFIERS: Final = frozenset({"noms", "crn", "pnc", "cro", "nhs_number"})
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,40}")
_STEP: Final = re.compile(r"[^.\s][^.]{0,59}")
NAMES_TAKEN: Final = frozenset({"table"})

Code = str | int | bool


class BadMapping(Exception):
    """A mapping that cannot be used. Says every fault found."""

    def __init__(self, *faults: str) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Words = Annotated[list[str], Field(max_length=500)]


class _Kind(_Shape):
    fixed: str | None = None
    column: str | None = None
    codes: dict[str, str] = {}
    passed_over: Words = []


class _Time(_Shape):
    column: str
    form: str = ZONED
    day_only: bool = False


class _Provenance(_Shape):
    verified: bool
    assertion: dict[str, Assertion] = {}


class _Correction(_Shape):
    column: str


class _Top(_Shape):
    name: str
    title: Annotated[str, Field(min_length=1, max_length=200)]
    format: Literal["csv", "jsonl", "xlsx"]
    system: Annotated[str, Field(min_length=1, max_length=200)]
    sheet: str | None = None
    told_apart_by: Words = []
    ignore: Words = []
    kind: _Kind
    time: _Time
    provenance: _Provenance
    correction: _Correction | None = None


class _FieldShape(_Shape):
    column: str | list[str]
    to: str
    form: str | None = None
    codes: dict[str, Code] = {}
    states_nothing: Words = []
    not_recorded: Words = []
    separator: Annotated[str, Field(min_length=1, max_length=3)] | None = None
    without: Annotated[str, Field(max_length=10)] = ""
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableField:
    """Which columns state one member."""

    columns: tuple[str, ...]  # more than one for a list alone
    target: Target
    form: str  # of a date or time
    codes: Mapping[str, Code]  # empty: the cell states the value itself
    states_nothing: frozenset[str]  # codes by which the sender says that it does not know
    not_recorded: tuple[str, ...]  # by which it says that there is none on record
    separator: str | None  # between the items of a list in one cell
    without: str  # characters taken out of a text first: the spaces of an NHS number
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMapping:
    """A checked mapping."""

    name: str
    title: str
    format: Literal["csv", "jsonl", "xlsx"]
    system: str
    sheet: str | None  # of a workbook; None: it has one alone
    kind: str | None  # the same for every row; None: by code
    kind_column: str | None
    kind_codes: Mapping[str, str]
    passed_over: frozenset[str]  # codes of rows that concern nobody here
    time_column: str
    time_form: str
    day_only: bool  # the time is a day: read as its first moment in London
    told_apart_by: tuple[str, ...]  # columns
    ignore: tuple[str, ...]
    correction_column: str | None  # names the row that this one puts right
    verified: bool
    assertions: Mapping[str, Assertion]
    fields: tuple[TableField, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return every column that is read, in the order it is written."""
        kind = (self.kind_column,) if self.kind_column else ()
        fields = (column for one in self.fields for column in one.columns)
        return tuple(dict.fromkeys((*self.told_apart_by, self.time_column, *kind, *fields)))


def read_mapping(text: str) -> TableMapping:
    """Return a mapping from its TOML text.

    Raises:
        BadMapping: with every fault found, in words for its author.

    Pure.
    """
    try:
        value: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadMapping(f"not TOML: {error}") from None
    faults: list[str] = []
    rows = value.pop("field", [])
    rows = rows if isinstance(rows, list) else [rows]
    fields = [one for at, row in enumerate(rows, 1) for one in _field(at, row, faults)]
    top = _checked(_Top, value, "", faults)
    if top is not None:
        faults += _top_faults(top, fields)
        faults += _column_faults(top, fields)
    faults += _target_faults(fields)
    if faults or top is None:
        raise BadMapping(*faults)
    return _mapping(top, fields)


def _mapping(top: _Top, fields: list[TableField]) -> TableMapping:
    return TableMapping(
        name=top.name,
        title=top.title,
        format=top.format,
        system=top.system,
        sheet=top.sheet,
        kind=top.kind.fixed,
        kind_column=top.kind.column,
        kind_codes=MappingProxyType(top.kind.codes),
        passed_over=frozenset(top.kind.passed_over),
        time_column=top.time.column,
        time_form=top.time.form,
        day_only=top.time.day_only,
        told_apart_by=tuple(top.told_apart_by),
        ignore=tuple(top.ignore),
        correction_column=top.correction.column if top.correction else None,
        verified=top.provenance.verified,
        assertions=MappingProxyType(top.provenance.assertion),
        fields=tuple(fields),
    )


def _checked(shape: type[M], value: object, where: str, faults: list[str]) -> M | None:
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        for one in error.errors(include_input=False, include_url=False):
            path = ".".join(str(step) for step in one["loc"])
            reason = {"extra_forbidden": "no such key", "missing": "required"}.get(one["type"])
            faults.append(f"{where}{path}: {reason or one['msg']}")
        return None


def _field(at: int, row: object, faults: list[str]) -> Iterator[TableField]:
    """Yield the field a row describes, if it does."""
    where = f"field {at}: "
    shape = _checked(_FieldShape, row, where, faults)
    if shape is None:
        return
    where = f"field {at} ({shape.to}): "
    target = target_of(shape.to)
    if isinstance(target, str):
        faults.append(f"{where}{target}")
        return
    columns = (shape.column,) if isinstance(shape.column, str) else tuple(shape.column)
    field = TableField(
        columns=columns,
        target=target,
        form=shape.form or (ZONED if target.shape == "time" else "YYYY-MM-DD"),
        codes=MappingProxyType(shape.codes),
        states_nothing=frozenset(shape.states_nothing),
        not_recorded=tuple(shape.not_recorded),
        separator=shape.separator,
        without=shape.without,
        required=shape.required,
    )
    faults += (f"{where}{one}" for one in _field_faults(field, form_stated=shape.form is not None))
    yield replace(field, columns=columns or ("",))


def _field_faults(field: TableField, *, form_stated: bool) -> Iterator[str]:
    shape = field.target.shape
    dated = shape in {"date", "time"}
    if form_stated and not dated:
        yield "form: only a date or a time has one"
    if dated and field.form not in _forms(shape):
        yield f"form: one of {', '.join(_forms(shape))}"
    if dated and field.codes:
        yield "codes: a date or a time has none"
    if shape != "texts" and (field.separator or len(field.columns) != 1):
        yield "takes one value: one column, and no separator"
    if not field.columns:
        yield "column: name at least one"
    if field.without and shape != "text":
        yield "without: only of a text"
    if field.not_recorded and not (field.target.may_be_not_recorded and field.target.part):
        yield "not_recorded: this member says nothing of the kind"
    for code, value in field.codes.items():
        if not field.target.takes(value):
            yield f"codes.{code}: not a value this member takes"
    said = [*field.codes, *field.states_nothing, *field.not_recorded]
    yield from (f"code {code}: has two meanings" for code in _twice(said))


def _forms(shape: str) -> tuple[str, ...]:
    return DATE_FORMS if shape == "date" else (ZONED, JAVA, *DATE_FORMS)


def _top_faults(top: _Top, fields: list[TableField]) -> Iterator[str]:
    if not _NAME.fullmatch(top.name):
        yield "name: lower-case letters, digits and underscores, a letter first, 2 to 41 of them"
    if top.name in NAMES_TAKEN:
        yield f"name: {top.name} is what every such adapter is called; give it one of its own"
    if top.sheet is not None and top.format != "xlsx":
        yield "sheet: only a workbook has one"
    yield from _kind_faults(top.kind)
    forms = DATE_FORMS if top.time.day_only else _forms("time")
    if top.time.form not in forms:
        yield f"time.form: one of {', '.join(forms)}"
    if not top.told_apart_by:
        yield "told_apart_by: name the columns that make one row another than the last"
    if top.correction is not None and len(top.told_apart_by) != 1:
        yield "correction: told_apart_by is then the one column that numbers the rows"
    for group in top.provenance.assertion:
        if group not in GROUP_NAMES or group in OWN_GROUPS:
            yield f"provenance.assertion.{group}: no such field group"
        elif group not in {one.target.group for one in fields}:
            yield f"provenance.assertion.{group}: nothing of this group is mapped"


def _kind_faults(kind: _Kind) -> Iterator[str]:
    if (kind.fixed is None) == (kind.column is None):
        yield "kind: either fixed, or a column with its codes"
    if (kind.column is None) != (not kind.codes):
        yield "kind.codes: say what each code of the column means"
    if kind.passed_over and kind.column is None:
        yield "kind.passed_over: codes of a column, and there is none"
    named = {"kind.fixed": kind.fixed} if kind.fixed is not None else {}
    for where, one in (*named.items(), *((f"kind.codes.{c}", k) for c, k in kind.codes.items())):
        if one not in TOLD_KINDS:
            yield f"{where}: not a kind of event that a table can state"
    said = [*kind.codes, *kind.passed_over]
    yield from (f"kind, code {code}: has two meanings" for code in _twice(said))


def _column_faults(top: _Top, fields: list[TableField]) -> Iterator[str]:
    """Every column is plain, and either read or ignored; one column may state several facts."""
    kind = [top.kind.column] if top.kind.column is not None else []
    kind += [top.correction.column] if top.correction is not None else []
    read = [*top.told_apart_by, top.time.column, *kind, *(c for one in fields for c in one.columns)]
    for column in dict.fromkeys((*read, *top.ignore)):
        steps = column.split(".") if top.format == "jsonl" else [column.replace(".", "")]
        plain = column == column.strip() == safe_cell(column) and column.isprintable()
        if not plain or not all(_STEP.fullmatch(step) for step in steps):
            yield f"column {column!r}: not a name a column can have here"
        if column.startswith(GATEWAY):
            yield f"column {column}: names that begin with {GATEWAY} are the gateway's own"
    yield from (f"column {one}: both read and ignored" for one in sorted({*read} & {*top.ignore}))
    if top.format == "jsonl":
        inner = {one for one in read for other in read if other.startswith(f"{one}.")}
        yield from (f"column {one}: a value, or an object with members?" for one in sorted(inner))
    if len({*read}) + 12 > MAX_COLUMNS:
        yield f"more than {MAX_COLUMNS - 12} columns"


def _target_faults(fields: list[TableField]) -> Iterator[str]:
    paths = [one.target.path for one in fields]
    yield from (f"{path}: mapped twice" for path in _twice(paths))
    if not any(f"identifiers.{one}" in paths for one in IDENTIFIERS):
        yield f"no identifier mapped: one of {', '.join(sorted(IDENTIFIERS))} of identifiers"


def _twice(items: Iterable[str]) -> list[str]:
    return [item for item, times in Counter(items).items() if times > 1]
