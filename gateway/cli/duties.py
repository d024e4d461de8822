"""`duties`: what is owed by when; and a scenario played through in seconds, without an instance."""

import re
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Final

import orjson
import typer
from rich.console import Console
from rich.table import Table

from gateway import clock
from gateway.adoption import law_in_force
from gateway.cli.beside import consulted, reader
from gateway.cli.exits import OK, Trouble, read_file
from gateway.config import load_config
from gateway.directory import Directory
from gateway.duties.reckoning import reckon
from gateway.duties.simulation import BadScenario, Line, read_scenario, simulate
from gateway.instance import load_law, sealed_store
from gateway.model.ids import PersonRef
from gateway.model.strict_json import JsonObject
from gateway.store import duties as rows
from gateway.store import people
from gateway.store.all_events import Unread, events_of, everyone
from gateway.store.consultation import Asked, Seen
from gateway.store.engine import Connection
from gateway.store.merges import root
from gateway.store.sealed import SealedStore
from policies.catalogue import Catalogues

_REF: Final = re.compile(r"per_[0-9a-f]{32}")
_COLOURS: Final = {"late": "red", "late_by_circumstance": "yellow", "met": "green"}


def show(
    config_file: Path,
    *,
    person: str | None,
    late: bool,
    at: str | None,
    by: str | None,
    as_json: bool,
) -> int:
    """Print duties: as last looked at, or reckoned anew for another day; log it first."""
    if person is not None and not _REF.fullmatch(person):
        raise Trouble("--person: a reference, per_ and 32 hexadecimal digits")
    whose = None if person is None else PersonRef(person)
    config = load_config(config_file)
    sealed, day = sealed_store(config), _day(at) if at else None

    def look(connection: Connection) -> Seen[list[JsonObject]]:
        catalogues = law_in_force(config, connection).law.catalogues
        if day is None:
            found = _as_kept(connection, catalogues, whose)
        else:
            found = _reckoned(connection, sealed, catalogues, whose, day)
        if late:
            found = [one for one in found if str(one["status"]).startswith("late")]
        known = whose if whose is not None and people.exists(connection, whose) else None
        return Seen(result=found, shown=len(found), person=known)

    found = consulted(config, Asked(what="duties", reader=reader(by)), look)
    if as_json:
        typer.echo(orjson.dumps(found).decode())
    else:
        _print_duties(found)
    return OK


def play(scenario_file: Path, *, as_json: bool) -> int:
    """Print the calendar of a scenario."""
    try:
        scenario = read_scenario(read_file(scenario_file).decode())
    except (BadScenario, UnicodeDecodeError) as error:
        raise Trouble(f"{scenario_file}: {error}") from None
    lines = simulate(scenario, load_law().catalogues.clocks)
    if as_json:
        typer.echo(orjson.dumps([asdict(line) for line in lines]).decode())
    else:
        _print_calendar(scenario.title, lines)
    return OK


def _as_kept(
    connection: Connection, catalogues: Catalogues, whose: PersonRef | None
) -> list[JsonObject]:
    owners = {str(name): one.owner for name, one in catalogues.clocks.items()}
    return [
        {
            "person": row.person,
            "clock": row.clock,
            "owner": owners.get(row.clock, ""),
            "status": row.status,
            "due": row.due.isoformat(),
            "chased": row.chased,
        }
        for row in rows.listing(connection, person=whose)
    ]


def _reckoned(
    connection: Connection,
    sealed: SealedStore,
    catalogues: Catalogues,
    whose: PersonRef | None,
    today: date,
) -> list[JsonObject]:
    """Open histories and reckon."""
    directory = Directory(connection, catalogues)
    roles = {id_: one.role for id_, one in directory.recipients.items()}
    unread = Unread()
    if whose is None:
        persons = everyone(connection, sealed, unread)
    else:
        top = root(connection, whose)
        persons = iter([(top, events_of(connection, sealed, top))])
    found: list[JsonObject] = []
    for person, history in persons:
        told = rows.told(connection, person)
        reckoning = reckon(
            history,
            today=today,
            clocks=catalogues.clocks,
            classes=directory.classes,
            told=[(roles[one], clock.day(at)) for one, at in told if one in roles],
        )
        found += [
            {
                "person": person,
                "clock": duty.clock,
                "owner": duty.owner,
                "status": duty.status,
                "due": duty.due.isoformat(),
                "basis_date": duty.basis_date.isoformat(),
                "met_on": duty.met_on.isoformat() if duty.met_on else None,
                "priority": duty.priority,
            }
            for duty in reckoning.duties
        ]
    if unread.persons:
        typer.echo(f"passed over: {unread.persons} whose events do not open", err=True)
    return sorted(found, key=lambda one: (str(one["due"]), str(one["person"]), str(one["clock"])))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Trouble("--at: a day, YYYY-MM-DD") from None


def _print_duties(found: list[JsonObject]) -> None:
    table = Table(title="Duties")
    for heading in ("due", "clock", "status", "owner", "person"):
        table.add_column(heading, no_wrap=heading != "owner")
    for one in found:
        status = str(one["status"])
        table.add_row(
            str(one["due"]),
            str(one["clock"]),
            status.replace("_", " "),
            str(one["owner"]),
            str(one["person"]),
            style=_COLOURS.get(status),
        )
    _console().print(table if found else "No duties.")


def _print_calendar(title: str, lines: list[Line]) -> None:
    table = Table(title=title)
    for heading in ("day", "person", "clock", "what", "due", "owner"):
        table.add_column(heading, no_wrap=heading != "owner")
    for line in lines:
        table.add_row(
            line.day.isoformat(),
            line.person,
            line.clock,
            line.what,
            line.due.isoformat(),
            line.owner,
        )
    _console().print(table)


def _console() -> Console:
    """A terminal's own width; enough for a whole row where there is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=140)
