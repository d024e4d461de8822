"""`doctor`: what is wrong with this instance, and what to do."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway import clock
from gateway.cli.exits import NO, OK, UNKNOWN
from gateway.doctor import Finding, Verdict, examine

_STYLES: Final[dict[Verdict, str]] = {
    "ok": "green",
    "warning": "yellow",
    "error": "bold red",
    "could not tell": "magenta",
}


def doctor(
    config_file: Path, *, url: str | None, network: bool, full: bool, every: bool, as_json: bool
) -> int:
    """Examine an instance. Exit 0: nothing worse than a warning; 1: an error; 3: something could
    not be told. Reads only.

    Args:
        config_file: The configuration.
        url: The serving gateway's address.
        network: Whether relays are greeted.
        full: Whether the whole log is checked.
        every: Whether what is well is listed too.
        as_json: Whether to print JSON, everything listed.
    """
    found = list(examine(config_file, clock.now(), url=url, network=network, full=full))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=1))
    else:
        _show(found, every=every)
    return verdict_of(found)


def verdict_of(found: list[Finding]) -> int:
    """Return the exit code that findings come to. Pure."""
    verdicts = {one.verdict for one in found}
    if "error" in verdicts:
        return NO
    return UNKNOWN if "could not tell" in verdicts else OK


def _show(found: list[Finding], *, every: bool) -> None:
    listed = [one for one in found if every or one.verdict != "ok"]
    if listed:
        table = Table(box=None, show_header=False, pad_edge=False)
        for one in listed:
            said = f"{one.text}\n{one.do}".strip()
            table.add_row(Text(one.verdict, _STYLES[one.verdict]), Text(one.check), Text(said))
        Console(highlight=False).print(table)
    counts = {verdict: sum(one.verdict == verdict for one in found) for verdict in _STYLES}
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    typer.echo(f"{said}.")
