"""What each year's tables count: read strictly from definitions.toml, versioned by year."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Dimension = Literal["count", "category", "level", "division", "order", "stage", "travel", "reason"]
Selector = Mapping[Dimension, str]

COUNTS: Final = frozenset(
    {
        "eligible", "managed", "considered", "revoked", "order", "sro_breach", "returned",
        "notification_breach", "charged",
    }
)  # fmt: skip

TOTAL: Final = "Total"
_YEAR = re.compile(r"([0-9]{4})-([0-9]{2})")
_MONTH_DAY = r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"


class BadDefinitions(Exception):
    """The definitions do not hold together, or cover no such year. The text says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """A reporting year: twelve months from 1 April (CJA 2003 s.326(5))."""

    label: str  # "2021-22"
    first: date
    last: date


def parse_year(text: str) -> Year:
    """Return a reporting year.

    Raises:
        BadDefinitions: not two years that follow each other, written 2021-22.
    """
    match = _YEAR.fullmatch(text)
    if match is None or int(match[2]) != (int(match[1]) + 1) % 100 or match[1] < "0001":
        raise BadDefinitions("a reporting year is written like 2021-22")
    start = int(match[1])
    return Year(label=text, first=date(start, 4, 1), last=date(start + 1, 3, 31))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Line(_Strict):
    """One row or column."""

    label: Annotated[str, Field(min_length=1)]
    where: Selector = {}


class NotApplicable(_Strict):
    """Cells where nothing could be counted, printed "-"."""

    where: Selector
    why: str
    impossible: bool = False  # a person recorded there is a fault of the record


class TableDefinition(_Strict):
    """One table: see the head of definitions.toml."""

    id: Annotated[str, Field(pattern=r"^T[0-9]{1,2}[a-z]?$")]
    title: str
    columns: Annotated[tuple[Line, ...], Field(min_length=1)]
    rows: tuple[Line, ...] = ()
    rows_by: Literal["division"] | None = None
    where: Selector = {}
    totals: frozenset[Literal["row", "column"]] = frozenset()
    not_applicable: tuple[NotApplicable, ...] = ()
    every: bool = False
    at_most: str | None = None
    starts: Annotated[str, Field(pattern=_MONTH_DAY)] | None = None
    rate: bool = False

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if bool(self.rows) == (self.rows_by is not None):
            raise ValueError("give rows or rows_by")
        for lines in (self.rows, self.columns):
            labels = [line.label for line in lines]
            if TOTAL in labels or len(set(labels)) != len(labels):
                raise ValueError(f"labels differ from each other and from {TOTAL}")
        for row in self.rows or (Line(label="any"),):
            for column in self.columns:
                if self.selector(row, column).get("count") not in COUNTS:
                    raise ValueError("every cell counts one of the things that can be counted")
        return self

    def selector(self, row: Line, column: Line) -> Selector:
        """Return what an observation must show to be counted in a cell."""
        return {**self.where, **row.where, **column.where}

    def why_not(self, row: Line, column: Line) -> NotApplicable | None:
        """Return why nothing can be counted in a cell, or None if it can."""
        asked = self.selector(row, column).items()
        return next((one for one in self.not_applicable if one.where.items() <= asked), None)

    def first_day(self, year: Year) -> date:
        """Return the first day of the period of this table."""
        if self.starts is None:
            return year.first
        month, day = (int(part) for part in self.starts.split("-"))
        return date(year.first.year if month >= 4 else year.last.year, month, day)


class Edition(_Strict):
    """The tables of a run of years."""

    first: str
    last: str | None = None  # None: until a newer edition says otherwise
    source: str
    table: Annotated[tuple[TableDefinition, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_tables_once(self) -> Self:
        ids = [one.id for one in self.table]
        if len(set(ids)) != len(ids):
            raise ValueError("a table appears twice")
        if any(one.at_most not in {None, *ids} for one in self.table):
            raise ValueError("at_most names a table of the same edition")
        return self

    def by_id(self, id_: str) -> TableDefinition | None:
        """Return a table of this edition."""
        return next((one for one in self.table if one.id == id_), None)


class Definitions(_Strict):
    """Every edition."""

    edition: tuple[Edition, ...]

    def of(self, year: Year) -> Edition:
        """Return the edition in force for a year.

        Raises:
            BadDefinitions: none is.
        """
        for one in self.edition:
            if one.first <= year.label and (one.last is None or year.label <= one.last):
                return one
        known = ", ".join(
            f"{one.first} on" if one.last is None else f"{one.first} to {one.last}"
            for one in self.edition
        )
        raise BadDefinitions(f"no tables are defined for {year.label}; there are: {known}")


def parse_definitions(text: str) -> Definitions:
    """Check TOML text.

    Raises:
        BadDefinitions: not TOML, or a key is unknown or wrong; names every one.
    """
    try:
        definitions = Definitions.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadDefinitions(f"definitions.toml: {error}") from None
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise BadDefinitions(f"definitions.toml: {faults}") from None
    for one in definitions.edition:
        parse_year(one.first)
        if one.last is not None:
            parse_year(one.last)
    return definitions


def load_definitions() -> Definitions:
    """Read the definitions this program ships. Reads a file.

    Raises:
        BadDefinitions: as `parse_definitions`.
    """
    return parse_definitions(
        files("gateway.statistics").joinpath("definitions.toml").read_text("utf-8")
    )
