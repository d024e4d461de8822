"""`verify event`: offline, without an instance."""

from pathlib import Path

import orjson
import typer

from adapters.registry import find_adapters
from gateway.cli.exits import NO, OK, Trouble, read_file
from gateway.model.event import CanonicalEvent
from gateway.model.problem import MalformedEvent, Problem
from gateway.receive import check_offline


def event(file: Path, *, adapter: str | None, source: str, as_json: bool) -> int:
    """Say whether receive would accept the file, and print its canonical events."""
    adapters = find_adapters()
    if adapter is not None and adapter not in adapters:
        raise Trouble(f"no adapter of that name; there are: {', '.join(sorted(adapters))}")
    try:
        translation = check_offline(
            read_file(file),
            adapter=adapters[adapter] if adapter else None,
            source=source,
        )
    except MalformedEvent as error:
        _refused(error.problems, as_json=as_json)
        return NO
    if as_json:
        listed = [one.to_cloudevent() for one in translation.events]
        typer.echo(orjson.dumps({"accepted": True, "events": listed}).decode())
    else:
        for one in translation.events:
            typer.echo(_line(one))
    return OK


def _line(event: CanonicalEvent) -> str:
    return orjson.dumps(event.to_cloudevent()).decode()


def _refused(problems: tuple[Problem, ...], *, as_json: bool) -> None:
    if as_json:
        listed = [{"path": one.path, "reason": one.reason} for one in problems]
        typer.echo(orjson.dumps({"accepted": False, "problems": listed}).decode())
        return
    for one in problems:
        typer.echo(f"refused: {one}", err=True)
