"""The annual tables, counted from the event store; never from the disclosure log."""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Download, Given, Shown, Visitor
from gateway.console.pages.forms import Reading
from gateway.disclosure_log import entry
from gateway.instance import sealed_store
from gateway.model.staff import StaffRole
from gateway.statistics.definitions import (
    BadDefinitions,
    Definitions,
    Year,
    load_definitions,
    parse_year,
)
from gateway.statistics.history import PersonHistory
from gateway.statistics.printing import Printed, as_csv, printed
from gateway.statistics.suppression import suppress
from gateway.statistics.tables import Table, tables
from gateway.store.all_events import Unread, everyone
from gateway.store.group_commit import Staged
from policies.log_use import refuse_use

_ROLES: Final[frozenset[StaffRole]] = frozenset(("dpo", "coordinator"))
_PATH: Final = "/console/statistics"
_PERSONS: Final = 20_000  # counted here; more take the command line


_COUNT: Final = "SELECT count(*) FROM (SELECT 1 FROM person LIMIT ?) AS few"


def routes(own: ConsoleOwn) -> list[ConsoleRoute]:
    """Return the page of statistics."""

    async def empty(request: web.Request, _visitor: Visitor) -> Shown:
        if request.query.get("from") == "log":
            return _refused()
        return _page(Reading(said={}), [], ())

    async def counted(_request: web.Request, visitor: Visitor, said: Mapping[str, str]) -> Given:
        return await _counted(own, visitor, Reading(said=said))

    return [ConsoleRoute(path=_PATH, roles=_ROLES, get=empty, post=counted, nav="Statistics")]


def _refused() -> Shown:
    refused = refuse_use("statistics")
    values = {
        "paragraphs": [refused.text if refused else ""],
        "link": _PATH,
        "link_text": "Count them from the event store",
    }
    return Shown(template="plain.html", title="Not from the log", values=values, status=403)


async def _counted(own: ConsoleOwn, visitor: Visitor, reading: Reading) -> Given:
    label = reading.needed("year", "Enter the year", most=9)
    area = reading.needed("area", "Enter the area", most=100)
    defined = _defined(label) if label else None
    if label and defined is None:
        reading.wrong("year", "Enter a year that is defined, like 2024-25")
    persons = int(own.store.reader.execute(_COUNT, (_PERSONS + 1,)).get or 0)
    if persons > _PERSONS:
        reading.wrong(
            "year", "Too many people are held to count here. Use `throughgate stats report`"
        )
    if reading.problems or defined is None:
        return _page(reading, [], ())
    logged = entry.question(
        at=own.now(), what="statistics", reader=visitor.staff, shown=persons
    ).encode()
    await own.store.commit(lambda _connection: Staged(None, [logged]))
    found, unread = await asyncio.to_thread(count, own, *defined, area)
    # Small numbers would tell of people whom another controller holds.
    hidden = not visitor.scope.everything
    texts = [printed(one, suppress(one) if hidden else None) for one in found]
    faults = tuple(fault for one in found for fault in one.faults)
    if reading.text("export", most=3) == "csv":
        body = as_csv(texts, year=label, area=area).encode()
        name = f"statistics-{label.replace('/', '-')}.csv"
        return Download(name=name, content_type="text/csv; charset=utf-8", body=body)
    return _page(reading, texts, faults, unread=unread, hidden=hidden)


def _defined(label: str) -> tuple[Definitions, Year] | None:
    try:
        definitions, year = load_definitions(), parse_year(label)
        definitions.of(year)
    except BadDefinitions:
        return None
    return definitions, year


def count(
    own: ConsoleOwn, definitions: Definitions, year: Year, area: str
) -> tuple[list[Table], int]:
    """Count the tables of a year; the reading was logged before. Also returns how many persons'
    events do not open.

    Reads with a connection and keys of its own: it runs beside the event loop.
    """
    unread = Unread()
    sealed = sealed_store(own.config)
    reader = own.store.place.open_reader()
    try:
        histories = (
            PersonHistory(ref=ref, events=tuple(events))
            for ref, events in everyone(reader, sealed, unread)
        )
        return tables(histories, year=year, area=area, definitions=definitions), unread.persons
    finally:
        reader.close()


def _page(
    reading: Reading,
    found: list[Printed],
    faults: tuple[str, ...],
    *,
    unread: int = 0,
    hidden: bool = False,
) -> Shown:
    values = {
        "said": reading.said,
        "errors": reading.problems,
        "problems": reading.by_field,
        "tables": found,
        "faults": faults,
        "unread": unread,
        "hidden": hidden,
    }
    return Shown(
        template="pages/statistics.html",
        title="Statistics",
        values=values,
        status=422 if reading.problems else 200,
    )
