"""`adapters check`: a mapping file held against a sample of its table, without showing either."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import typer
from rich.console import Console
from rich.table import Table

from adapters.table import BadMapping, TableMapping, read_mapping, table_adapter
from gateway.adapters_of import MAX_MAPPING_BYTES
from gateway.cli.adapters import Told, pieces_of, translated
from gateway.cli.exits import NO, OK, Trouble, read_file
from gateway.model.event import CanonicalEvent
from gateway.model.strict_json import Json, JsonObject

_SOURCE = "urn:throughgate:agency:unknown"


@dataclass(slots=True)
class _Found:
    """What a sample became."""

    events: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    stated: Counter[str] = field(default_factory=Counter)  # by group.member[.part]
    ids: Counter[str] = field(default_factory=Counter)

    def take(self, event: CanonicalEvent, mapping: TableMapping) -> None:
        """Count an event and what it states of each field."""
        self.events += 1
        self.kinds[event.kind] += 1
        self.ids[event.id] += 1
        for one in mapping.fields:
            value = event.groups.get(one.target.group, {}).get(one.target.member)
            if isinstance(value, dict) and one.target.part:
                value = value.get(one.target.part)
            self.stated[one.target.path] += value is not None

    @property
    def alike(self) -> int:
        """Return how many rows are the same event as one before."""
        return sum(times - 1 for times in self.ids.values())


def check(mapping_file: Path, sample: Path, *, as_json: bool) -> int:
    """Name every fault of a mapping, or what it makes of a sample. 0 if nothing is amiss."""
    try:
        text = read_file(mapping_file, MAX_MAPPING_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise Trouble(f"{mapping_file} is not UTF-8 text") from None
    try:
        mapping = read_mapping(text)
    except BadMapping as error:
        _say_faults(error.faults, as_json=as_json)
        return NO
    inbound = table_adapter(mapping).inbound
    if inbound is None:
        raise Trouble("this mapping reads nothing")
    told, found = Told(as_json), _Found()
    with pieces_of(sample) as pieces:
        for translation in translated(inbound, pieces, _SOURCE, told):
            for event in translation.events:
                found.take(event, mapping)
    told.close()
    ok = not (told.refused or _unread(told) or found.alike or not found.events)
    if as_json:
        typer.echo(orjson.dumps(_report(mapping, found, told, ok=ok)).decode())
    else:
        _say(mapping, found, told, ok=ok)
    return OK if ok else NO


def _say_faults(faults: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps({"ok": False, "faults": list[Json](faults)}).decode())
        return
    for fault in faults:
        typer.echo(f"fault: {fault}", err=True)


def _unread(told: Told) -> list[str]:
    return sorted(path for what, path, _ in told.notes if what == "unread")


def _report(mapping: TableMapping, found: _Found, told: Told, *, ok: bool) -> JsonObject:
    return {
        "ok": ok,
        "mapping": mapping.name,
        "events": found.events,
        "kinds": dict[str, Json](found.kinds),
        "refused": told.refused,
        "alike": found.alike,
        "unread": list[Json](_unread(told)),
        "stated": dict[str, Json](found.stated),
    }


def _say(mapping: TableMapping, found: _Found, told: Told, *, ok: bool) -> None:
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(found.kinds.items()))
    typer.echo(f"{mapping.name}: {found.events} events ({kinds or 'none'}); {told.refused} refused")
    table = Table(title="Rows that state each fact")
    for head in ("Column", "Fact", "Rows"):
        table.add_column(head, overflow="fold")
    for one in mapping.fields:
        rows = found.stated[one.target.path]
        table.add_row(", ".join(one.columns), one.target.path, str(rows) if rows else "none")
    Console(width=None if Console().is_terminal else 160, highlight=False).print(table)
    if found.alike:
        typer.echo(f"{found.alike} rows are the same event as another: see told_apart_by")
    typer.echo("ok" if ok else "not ok")
