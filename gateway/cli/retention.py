"""`retention run`: what [retention] says, carried out once, or counted."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import typer

from gateway import clock
from gateway.cli.beside import opened, staff
from gateway.cli.exits import OK, USAGE
from gateway.config import Config, load_config
from gateway.instance import opened as opened_store
from gateway.store import disposal
from gateway.store.place import place_of


def carry_out(config_file: Path, *, by: str, dry_run: bool) -> int:
    """Take away what may go, or say how much that is."""
    config = load_config(config_file)
    if not disposal.terms_of(config.retention, clock.now()):
        typer.echo("Nothing is to go: [retention] names no months", err=True)
        return USAGE
    if dry_run:
        with opened(config) as reader:
            _say(disposal.counted(reader, config.retention, clock.now()), "would go")
        return OK
    _say(asyncio.run(_carried_out(config, staff(by))), "gone")
    return OK


def _say(counts: Mapping[str, int], what: str) -> None:
    for kind, count in counts.items():
        typer.echo(f"{kind}: {count} {what}")


async def _carried_out(config: Config, by: str) -> Mapping[str, int]:
    now = clock.now()
    gone: Counter[str] = Counter(
        {term.kind: 0 for term in disposal.terms_of(config.retention, now)}
    )
    async with opened_store(config) as store:
        with closing(place_of(config).open_reader()) as reader:
            for kind, unit in disposal.units(reader, config.retention, now, by=by):
                gone[kind] += await store.commit(unit)
    return gone
