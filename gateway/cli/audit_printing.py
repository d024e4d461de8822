"""Printing answers: in words with a table, as CSV, as JSON, or as an evidence pack."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway import clock
from gateway.audit import pack
from gateway.audit.answer import Answer, Cell
from gateway.cli.exits import Trouble
from gateway.disclosure_log.checkpoint import VerifierKey
from gateway.store.engine import Connection

# What of an answer fits a terminal; the rest is in --csv, --pdf and --json.
_SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "told": ("at", "what", "channel", "groups", "delivered", "answer", "standing", "entry"),
    "who-knows": ("at", "recipient", "what", "groups", "delivered", "standing", "entry"),
    "refused": ("at", "recipient", "outcome", "groups", "codes", "entry"),
    "rule": ("at", "recipient", "person", "basis", "purpose", "delivered", "entry"),
    "merge": ("join", "at", "who", "what", "groups", "righted_reached", "standing", "entry"),
    "looked": ("at", "who", "read", "person", "justified", "entry"),
    "genuine": ("check", "holds", "detail", "entry"),
}
_MOST_COLUMNS: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How an answer is wanted; nothing said: in words, with a table."""

    csv: bool = False
    pdf: Path | None = None
    packed: Path | None = None  # a ZIP of everything
    as_json: bool = False

    def __post_init__(self) -> None:
        files = (self.pdf is not None) + (self.packed is not None)
        if self.csv + self.as_json + files > 1:
            raise Trouble("give one of --csv, --pdf, --zip and --json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proving:
    """What the entries of an answer are proved from, and whose signatures count."""

    connection: Connection
    keys: tuple[VerifierKey, ...]
    witnesses: tuple[str, ...]  # vkeys


def show(found: Answer, form: Form, proving: Proving) -> None:
    """Print an answer, or write it to a file."""
    if form.csv:
        sys.stdout.buffer.write(pack.as_csv(found))
        sys.stdout.buffer.flush()
    elif form.as_json:
        typer.echo(orjson.dumps(as_json(found)).decode())
    elif form.pdf is not None:
        try:
            body = pack.as_pdf(_pack(found, proving))
        except pack.NoPdf as error:
            raise Trouble(f"--pdf: {error}") from None
        _write(found, form.pdf, body)
    elif form.packed is not None:
        _write(found, form.packed, _zip(_pack(found, proving)))
    else:
        _print(found)


def as_json(found: Answer) -> dict[str, Any]:
    """Return an answer as JSON, each row by the names of its columns."""
    names = [column.name for column in found.columns]
    return {
        "question": found.question,
        "asked": dict(found.asked),
        "reading": list(found.reading),
        "caveats": list(found.caveats),
        "rows": [dict(zip(names, row, strict=True)) for row in found.rows],
        "entries": list(found.entries),
        "size": found.size,
        "checkpoint": found.checkpoint,
        "next_page": found.next_page,
    }


def _pack(found: Answer, proving: Proving) -> pack.Pack:
    return pack.pack_of(
        found, proving.connection, proving.keys, now=clock.now(), witnesses=proving.witnesses
    )


def _zip(made: pack.Pack) -> bytes:
    try:
        pdf = pack.as_pdf(made)
    except pack.NoPdf:
        pdf = None  # everything else in it says the same
    return pack.as_zip(made, pdf=pdf)


def _write(found: Answer, path: Path, body: bytes) -> None:
    path.touch(mode=0o600)  # it names persons' references and what was told of them
    path.chmod(0o600)
    path.write_bytes(body)
    typer.echo(f"Wrote {path}: {len(body)} bytes, {len(found.entries)} entries of the log.")


def _print(found: Answer) -> None:
    """Print the answer in words, the rows that fit, and what to know before using it."""
    console = Console(highlight=False, soft_wrap=False)
    console.print(f"[bold]{escape(found.title)}[/bold]\n")
    for sentence in found.reading:
        console.print(escape(sentence) + "\n")
    if found.rows:
        console.print(_table(found))
    for caveat in found.caveats:
        console.print(f"[dim]Note: {escape(caveat)}[/dim]")
    if found.size:
        console.print(f"[dim]As of the log's first {found.size} entries.[/dim]")
    if found.next_page is not None:
        console.print(f"More: add --after {found.next_page}")


def _table(found: Answer) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    wanted = _SHOWN.get(found.question) or tuple(
        column.name for column in found.columns[:_MOST_COLUMNS]
    )
    places = [at for at, column in enumerate(found.columns) if column.name in wanted]
    for at in places:
        whole = found.columns[at].kind in {"time", "entry", "count"}
        table.add_column(found.columns[at].title, no_wrap=whole, overflow="fold")
    for row in found.rows:
        table.add_row(*_cells(found, row, places))
    return table


def _cells(found: Answer, row: tuple[Cell, ...], places: list[int]) -> Iterator[str]:
    for at in places:
        text = pack.shown(row[at])
        if found.columns[at].kind == "time" and text:
            text = f"{text[:10]} {text[11:16]}"
        yield escape(text.replace("; ", "\n") if found.columns[at].kind == "list" else text)
