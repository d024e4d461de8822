"""An answer on a page, and as a file to keep: the same rows either way."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from gateway.audit.answer import Answer, Cell, Column
from gateway.audit.pack import NoPdf, Pack, as_csv, as_pdf, as_zip, pack_of
from gateway.console.own import ConsoleOwn
from gateway.console.page import Download
from gateway.console.pages import words
from gateway.trusted_witnesses import witness_keys

EXPORTS: Final[Mapping[str, str]] = {"csv": "CSV", "pdf": "PDF", "zip": "ZIP with proofs"}
_ROWS: Final = 100  # shown on one page; a file has them all
_ROOM: Final = 60_000  # characters of a table
_AROUND: Final = 70  # characters around each cell


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCell:
    """One cell as a page lays it out."""

    text: str
    entry: int | None = None  # of the log, to link to
    number: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAnswer:
    """One answer as a page lays it out."""

    answer: Answer
    titles: tuple[str, ...]
    rows: tuple[tuple[ShownCell, ...], ...]
    more: int  # rows that are in the files only


def laid_out(answer: Answer, *, rows: int = _ROWS) -> ShownAnswer:
    """Return an answer as a page shows it, with so many of its rows. Pure."""
    shown = tuple(_fitting(answer, rows))
    return ShownAnswer(
        answer=answer,
        titles=tuple(column.title for column in answer.columns),
        rows=shown,
        more=len(answer.rows) - len(shown),
    )


def _fitting(answer: Answer, most: int) -> Iterator[tuple[ShownCell, ...]]:
    """Yield rows while they fit on a page."""
    room = _ROOM
    for row in answer.rows[:most]:
        made = tuple(_cell(column, cell) for column, cell in zip(answer.columns, row, strict=True))
        room -= sum(len(one.text) + _AROUND for one in made)
        if room < 0:
            return
        yield made


async def download(own: ConsoleOwn, answer: Answer, form: str) -> Download | str:
    """Return an answer as a file, or why it cannot be made. The asking was logged before.

    Args:
        form: One of `EXPORTS`.
    """
    name = f"{answer.question}-{own.now():%Y%m%dT%H%M%SZ}.{form}"
    if form == "csv":
        return Download(name=name, content_type="text/csv; charset=utf-8", body=as_csv(answer))
    pack = await asyncio.to_thread(_packed, own, answer)
    if form == "zip":
        body = await asyncio.to_thread(partial(as_zip, pack))
        return Download(name=name, content_type="application/zip", body=body)
    try:
        body = await asyncio.to_thread(as_pdf, pack)
    except NoPdf:
        return "A PDF cannot be made on this machine. Choose the ZIP: it holds the same."
    return Download(name=name, content_type="application/pdf", body=body)


def _packed(own: ConsoleOwn, answer: Answer) -> Pack:
    """Return the pack, made with a reader of its own: it runs beside the event loop."""
    reader = own.store.place.open_reader()
    try:
        witnesses = [str(key) for key in witness_keys(own.config)]
        return pack_of(answer, reader, own.verifiers, now=own.now(), witnesses=witnesses)
    finally:
        reader.close()


def _cell(column: Column, cell: Cell) -> ShownCell:
    if column.kind == "entry" and isinstance(cell, int):
        return ShownCell(text=words.number(cell), entry=cell, number=True)
    if column.kind == "time":
        return ShownCell(text=words.when_logged(cell))
    if isinstance(cell, bool):
        return ShownCell(text="Yes" if cell else "No")
    if isinstance(cell, int):
        return ShownCell(text=words.number(cell), number=True)
    return ShownCell(text=cell or "")
