"""`stats`: the annual MAPPA tables from the event store, or a check of tables printed elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import typer

from adapters.contract import NotRendered
from adapters.mappa_forms.annual_return import annual_return
from gateway import clock
from gateway.cli import beside
from gateway.cli.exits import NO, OK, Trouble, read_file
from gateway.config import Config, load_config
from gateway.instance import sealed_store
from gateway.model.strict_json import JsonObject
from gateway.statistics.cross_foot import check_printed
from gateway.statistics.definitions import (
    BadDefinitions,
    Definitions,
    Year,
    load_definitions,
    parse_year,
)
from gateway.statistics.history import PersonHistory
from gateway.statistics.printing import (
    BadTable,
    Printed,
    as_csv,
    as_json,
    as_text,
    printed,
    read_csv,
)
from gateway.statistics.suppression import suppress
from gateway.statistics.tables import Table, tables
from gateway.store.all_events import Unread, everyone
from gateway.store.consultation import Asked, Seen, logged
from gateway.store.place import place_of
from policies.log_use import refuse_use


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for on the command line."""

    year: str
    area: str | None
    output: str  # table, csv or json
    publish: bool
    suppress_below: int
    population: int | None
    source: str  # events or log
    annual_return: Path | None = None  # where to write it, .csv or .xlsx
    by: str | None = None  # who asks; None: the machine's account


def report(config_file: Path, wanted: Wanted) -> int:
    """Count the year's tables and print them; exit 1 if the events contradict themselves."""
    if wanted.source == "log":
        refused = refuse_use("statistics")
        raise Trouble(refused.text if refused else "not from the log", NO)
    if wanted.source != "events":
        raise Trouble("--from: events (the log may not be used: DPA 2018 s.62(4))")
    if wanted.output not in {"table", "csv", "json"}:
        raise Trouble("--format: table or csv")
    _check_return(wanted.annual_return)
    if not wanted.area:
        raise Trouble("--area: the area to count, as stated in location.home_area")
    definitions, year = _defined(wanted.year)
    unread = Unread()
    found = _count(load_config(config_file), wanted, definitions, year, unread)
    texts = [
        printed(one, suppress(one, wanted.suppress_below) if wanted.publish else None)
        for one in found
    ]
    faults = [fault for table in found for fault in table.faults]
    answer: JsonObject = {"year": wanted.year, "area": wanted.area, "tables": as_json(texts)}
    answer["faults"] = list(faults)
    _print(texts, answer, wanted, wanted.area)
    returned = wanted.annual_return is None or _return(answer, wanted.annual_return)
    for fault in faults:
        typer.echo(f"refused: {fault}", err=True)
    if unread.persons:
        typer.echo(f"{unread.persons} records do not open and are not counted", err=True)
    return OK if returned and not faults else NO


def _check_return(file: Path | None) -> None:
    if file is None:
        return
    if file.suffix not in {".csv", ".xlsx"}:
        raise Trouble("--return: a file that ends in .csv or .xlsx")
    if file.exists():
        raise Trouble(f"{file} already exists; choose another file")


def _return(answer: JsonObject, file: Path) -> bool:
    """Write the annual return; False, with the reasons, if these tables may not be returned."""
    made = annual_return(answer, "csv" if file.suffix == ".csv" else "xlsx")
    if isinstance(made, NotRendered):
        for reason in made.reasons:
            typer.echo(f"not returned: {reason}", err=True)
        return False
    file.write_bytes(made.body)
    typer.echo(f"Wrote {file}", err=True)
    return True


def check(file: Path, year_text: str) -> int:
    """Cross-foot printed tables against the definitions of their year."""
    definitions, year = _defined(year_text)
    try:
        found = read_csv(read_file(file, 4 * 1024 * 1024).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Trouble(f"{file} is not UTF-8") from None
    except BadTable as error:
        raise Trouble(f"{file}: {error}") from None
    if not found:
        raise Trouble(f"{file} holds no table")
    faults = check_printed(found, definitions.of(year))
    for fault in faults:
        typer.echo(f"refused: {fault}")
    if not faults:
        typer.echo(f"ok: {', '.join(found)} of {year.label} add up")
    return NO if faults else OK


def _defined(text: str) -> tuple[Definitions, Year]:
    try:
        definitions, year = load_definitions(), parse_year(text)
        definitions.of(year)
    except BadDefinitions as error:
        raise Trouble(f"--year: {error}") from None
    return definitions, year


def _count(
    config: Config, wanted: Wanted, definitions: Definitions, year: Year, unread: Unread
) -> list[Table]:
    """Log that every record is about to be read, then read and count (DPA 2018 s.62)."""
    sealed = sealed_store(config)
    reader = place_of(config).open_reader()
    try:
        persons = reader.execute("SELECT count(*) FROM person").get
        asked = Asked(
            what="statistics",
            reader=beside.reader(wanted.by),
            about={"year": year.label, "from": wanted.source},
        )
        seen = Seen(result=None, shown=persons)
        beside.commit(config, logged(asked, seen, clock.now()))
        return tables(
            (
                PersonHistory(ref=ref, events=tuple(events))
                for ref, events in everyone(reader, sealed, unread)
            ),
            year=year,
            area=wanted.area or "",
            definitions=definitions,
            population=wanted.population,
        )
    finally:
        reader.close()


def _print(texts: list[Printed], answer: JsonObject, wanted: Wanted, area: str) -> None:
    if wanted.output == "csv":
        typer.echo(as_csv(texts, year=wanted.year, area=area), nl=False)
    elif wanted.output == "json":
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
    else:
        for line in _page(texts, wanted, area):
            typer.echo(line)


def _page(texts: list[Printed], wanted: Wanted, area: str) -> Iterator[str]:
    yield f"MAPPA statistics {wanted.year}, {area}"
    for one in texts:
        yield ""
        yield from as_text(one)
    yield ""
    yield "-  not applicable; 0 is none"
    if wanted.publish:
        yield f"<{wanted.suppress_below}  from 1 to {wanted.suppress_below - 1}"
        yield "*  withheld, so that totals do not reveal another number"
