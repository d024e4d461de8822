"""`adapters list` and `convert`: what formats there are, and what becomes of a file. Offline."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from adapters.contract import Adapter, Inbound, NotRendered, Translation, UnsupportedEvent
from adapters.registry import UnusableAdapter, find_adapters
from adapters.table import BadMapping, read_mapping, table_adapter
from gateway.adapters_of import MAX_MAPPING_BYTES, adapters_of, described
from gateway.cli.exits import NO, OK, Trouble, read_file
from gateway.config import load_config
from gateway.model.alert import read_alert
from gateway.model.problem import Malformed, MalformedEvent, Problem
from gateway.model.strict_json import Json, JsonObject

TABLE: Final = "table"
STDIN: Final = "-"
_PIECE: Final = 256 * 1024
_MAX_ALERT: Final = 4 * 1024 * 1024
_MOST_NOTES: Final = 1000  # kinds of note kept apart; the rest are counted together


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which adapter is meant."""

    name: str
    mapping: Path | None
    config: Path | None


def list_adapters(config: Path | None, *, as_json: bool) -> int:
    """Print the adapters, and the tables that a configuration names."""
    rows = [described(one) for one in installed(config).values()]
    if as_json:
        typer.echo(orjson.dumps({"adapters": rows}).decode())
        return OK
    console = Console(width=None if Console().is_terminal else 200, highlight=False)
    table = Table(title="Adapters")
    for head in ("Name", "Title", "Reads", "Writes"):
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[key]) for key in ("name", "title", "reads", "writes")))
    console.print(table)
    typer.echo(
        "A table of your own has no adapter here: name its mapping file in the configuration"
        " ([[table]]), or give it to `adapters convert table FILE --mapping MAPPING.toml`."
    )
    return OK


def _cell(value: Json) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def installed(config: Path | None = None) -> Mapping[str, Adapter]:
    """Return the adapters there are, and the tables that a configuration names.

    Raises:
        Trouble: one of them cannot be used.
    """
    try:
        return adapters_of(load_config(config)) if config else find_adapters()
    except UnusableAdapter as error:
        raise Trouble(f"an installed adapter cannot be used: {error}") from None


def adapter_for(wanted: Wanted) -> Adapter:
    """Return the adapter that is meant.

    Raises:
        Trouble: there is none of that name, or its mapping cannot be used.
    """
    if wanted.mapping is not None:
        adapter = mapped(wanted.mapping)
        if wanted.name not in (TABLE, adapter.name):
            raise Trouble(f"--mapping is for {TABLE}, and {wanted.mapping} is for {adapter.name}")
        return adapter
    found = installed(wanted.config)
    if wanted.name in found:
        return found[wanted.name]
    if wanted.name == TABLE:
        raise Trouble("a table is read by a mapping: give --mapping MAPPING.toml")
    raise Trouble(f"no adapter of that name; there are: {', '.join((*found, TABLE))}")


def mapped(file: Path) -> Adapter:
    """Return the adapter that a mapping file describes.

    Raises:
        Trouble: it cannot be read, or cannot be used; names every fault.
    """
    try:
        return table_adapter(read_mapping(read_file(file, MAX_MAPPING_BYTES).decode("utf-8")))
    except UnicodeDecodeError:
        raise Trouble(f"{file} is not UTF-8 text") from None
    except BadMapping as error:
        raise Trouble(f"{file}: {error}") from None


@dataclass(slots=True)
class Told:
    """What is said beside the events, on standard error; nothing in it comes from a value."""

    as_json: bool
    refused: int = 0  # messages
    notes: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def refusal(self, index: int, error: MalformedEvent) -> None:
        """Say at once what is wrong with a message, by its number from 1."""
        needless = isinstance(error, UnsupportedEvent) and not error.needs_human
        for problem in error.problems:
            if needless:
                self.note("passed over", problem)
            elif self.as_json:
                self._json({"refused": index, "path": problem.path, "reason": problem.reason})
            else:
                typer.echo(f"refused: message {index}: {problem}", err=True)
        self.refused += not needless

    def take(self, translation: Translation) -> None:
        """Keep what a message left unread and the notes on it."""
        for path in translation.unread:
            self.note("unread", Problem(path=path, reason="not a member this adapter knows"))
        for problem in translation.notes:
            self.note("note", problem)

    def note(self, what: str, problem: Problem) -> None:
        """Count a note; of no end of different ones, the rest together."""
        key = (what, problem.path, problem.reason)
        known = key in self.notes or len(self.notes) < _MOST_NOTES
        self.notes[key if known else (what, "$", "and others")] += 1

    def close(self) -> None:
        """Say what was left unread and noted, each once, with the number of messages."""
        for (what, path, reason), times in self.notes.items():
            if self.as_json:
                self._json({what.replace(" ", "_"): path, "reason": reason, "messages": times})
            else:
                typer.echo(f"{what}: {path}: {reason} ({times})", err=True)

    def _json(self, value: JsonObject) -> None:
        typer.echo(orjson.dumps(value).decode(), err=True)


def to_canonical(wanted: Wanted, file: Path, *, source: str, as_json: bool) -> int:
    """Print the events of a file, one a line; refusals and notes go to standard error.

    One message is in memory at a time. 1 if any was refused, the others being converted all the
    same; what the adapter passes over as nobody's business is a note.
    """
    inbound = _inbound(adapter_for(wanted))
    told = Told(as_json)
    with pieces_of(file) as pieces:
        for translation in translated(inbound, pieces, source, told):
            for event in translation.events:
                sys.stdout.buffer.write(orjson.dumps(event.to_cloudevent()) + b"\n")
    sys.stdout.buffer.flush()
    told.close()
    return NO if told.refused else OK


def _inbound(adapter: Adapter) -> Inbound:
    if adapter.inbound is None:
        raise Trouble(f"{adapter.name} is written, never read: use --to agency")
    return adapter.inbound


def translated(
    inbound: Inbound, pieces: Iterator[bytes], source: str, told: Told
) -> Iterator[Translation]:
    """Yield what each message reports; what is refused is told, and the next one read.

    What cannot be cut into messages ends it: nobody knows where the next one begins.
    """
    index = 0
    messages = inbound.split(pieces)
    while True:
        index += 1
        try:
            message = next(messages, None)
            if message is None:
                return
        except MalformedEvent as error:
            told.refusal(index, error)
            return
        try:
            translation = inbound.translate(message, source)
        except MalformedEvent as error:
            told.refusal(index, error)
            continue
        told.take(translation)
        yield translation


@contextmanager
def pieces_of(file: Path) -> Iterator[Iterator[bytes]]:
    """Open a file, or standard input, and give its bytes in pieces, with progress on a terminal."""
    if str(file) == STDIN:
        yield _pieces(sys.stdin.buffer)
        return
    console = Console(stderr=True)
    with file.open("rb") as stream, Progress(console=console, disable=not _watched(console)) as bar:
        task = bar.add_task("Converting", total=file.stat().st_size)
        yield _counted(stream, lambda done: bar.update(task, completed=done))


def _watched(console: Console) -> bool:
    """Say whether progress is seen, and does not run into what is printed."""
    return console.is_terminal and not sys.stdout.isatty()


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(_PIECE):
        yield piece


def _counted(stream: BinaryIO, count: Callable[[int], None]) -> Iterator[bytes]:
    done = 0
    for piece in _pieces(stream):
        yield piece
        done += len(piece)
        count(done)


def to_agency(wanted: Wanted, file: Path, *, form: str | None, as_json: bool) -> int:
    """Print an opened alert in the agency's own form, as bytes. 1 if it has no way to say it."""
    adapter = adapter_for(wanted)
    chosen = adapter.form(form)
    if chosen is None:
        forms = ", ".join(one.form for one in adapter.outbound)
        raise Trouble(f"{adapter.name} writes {forms or 'nothing'}")
    body = sys.stdin.buffer.read(_MAX_ALERT) if str(file) == STDIN else read_file(file, _MAX_ALERT)
    try:
        made = chosen.render(read_alert(body))
    except Malformed as error:
        return _declined([str(one) for one in error.problems], as_json=as_json)
    if isinstance(made, NotRendered):
        return _declined(list(made.reasons), as_json=as_json)
    sys.stdout.buffer.write(made.body)
    sys.stdout.buffer.flush()
    return OK


def _declined(reasons: list[str], *, as_json: bool) -> int:
    for reason in reasons:
        line = orjson.dumps({"refused": reason}).decode() if as_json else f"refused: {reason}"
        typer.echo(line, err=True)
    return NO
