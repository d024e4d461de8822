"""What answering a question gives: a reading in plain English, rows, and the entries they rest on.

One form for the terminal, the console, CSV and the evidence pack, so that they cannot differ. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Cell = str | int | bool | None
Kind = Literal["text", "time", "ref", "count", "entry", "list"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of an answer."""

    name: str  # stable: heads the CSV column and the JSON member
    title: str  # as people read it
    kind: Kind = "text"  # "time": RFC 3339 UTC; "entry": a leaf index; "list": joined by "; "


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question, answered as of one checkpoint."""

    question: str  # a code: "who-knows", "told", ...
    title: str  # the question as its asker would put it
    asked: Mapping[str, str]  # what it was asked of; references only
    reading: tuple[str, ...]  # the answer in sentences; what is not known is said, never left out
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]  # one cell for each column
    entries: tuple[int, ...]  # leaf indexes it rests on, ascending: what a pack proves
    size: int  # entries of the log that were looked at
    checkpoint: str  # the signed note of that size
    next_page: str | None = None  # pass as `after`; None: this is all
    caveats: tuple[str, ...] = field(default=())  # what the asker must know before using it
