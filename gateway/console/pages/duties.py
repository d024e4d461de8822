"""The calendar of duties: what is late, and what falls due in a month. No fact about anybody."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from aiohttp import web

from gateway.clock import day
from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Shown, Visitor
from gateway.console.pages import words
from gateway.console.pages.forms import month_after, month_of
from gateway.model.staff import StaffRole
from gateway.store.consultation import Asked, Seen, logged
from gateway.store.engine import Connection

_ROLES: Final[frozenset[StaffRole]] = frozenset(("coordinator", "operator"))
_PAGE: Final = 50
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of a month, and the duties that fall due on it."""

    on: date
    counts: tuple[tuple[str, int], ...]  # state and how many


def routes(own: ConsoleOwn) -> list[ConsoleRoute]:
    """Return the calendar."""

    async def calendar(request: web.Request, visitor: Visitor) -> Shown:
        shown = _calendar(own, visitor, request.query)
        asked = Asked(what="console.duties", reader=visitor.staff)
        return await own.store.commit(logged(asked, Seen(result=shown, shown=1), own.now()))

    return [ConsoleRoute(path="/console/duties", roles=_ROLES, get=calendar, nav="Duties")]


def _calendar(own: ConsoleOwn, visitor: Visitor, query: Mapping[str, str]) -> Shown:
    today = day(own.now())
    first = month_of(query.get("month", ""), today)
    after = month_after(first)
    names_people = "coordinator" in visitor.roles
    late_only = query.get("show") == "late"
    after_key = query.get("after", "")
    clocks = {str(name): one for name, one in own.law.catalogues.clocks.items()}
    with own.store.reader:
        rows, more = (
            _late(own.store.reader, after_key)
            if late_only
            else _month(own.store.reader, first, after, after_key)
        )
        counted = [] if late_only else _counted(own.store.reader, first, after)
    values = {
        "rows": [
            {
                "due": words.day(_EPOCH + timedelta(days=due)),
                "clock": clock,
                "title": clocks[clock].title if clock in clocks else clock,
                "owner": clocks[clock].owner.replace("_", " ") if clock in clocks else "",
                "state": words.DUTY_STATES.get(status, status),
                "late": status.startswith("late"),
                "person": person if names_people else None,
            }
            for due, person, clock, status in rows
        ],
        "names_people": names_people,
        "late_only": late_only,
        "month": first.strftime("%B %Y"),
        "month_code": f"{first:%Y-%m}",
        "before_month": f"{month_after(first, -1):%Y-%m}",
        "next_month": f"{after:%Y-%m}",
        "weeks": _weeks(first, after, counted),
        "today": today,
        "more": more,
    }
    return Shown(template="pages/duties.html", title="Duties", values=values)


def _month(
    connection: Connection, first: date, after: date, key: str
) -> tuple[list[Any], str | None]:
    """Return duties of a month, the earliest first, a page of them. Reads only."""
    start, offset = _key(key)
    rows: list[Any] = connection.execute(
        "SELECT due, person, clock, status FROM duty WHERE clock <> '*' AND due >= ? AND due < ?"
        " ORDER BY due, person, clock LIMIT ? OFFSET ?",
        (max((first - _EPOCH).days, start), (after - _EPOCH).days, _PAGE + 1, offset),
    ).fetchall()
    return rows[:_PAGE], _next(rows, start, offset)


def _late(connection: Connection, key: str) -> tuple[list[Any], str | None]:
    start, offset = _key(key)
    rows: list[Any] = connection.execute(
        "SELECT due, person, clock, status FROM duty WHERE clock <> '*'"
        " AND status IN ('late', 'late_by_circumstance') AND due >= ?"
        " ORDER BY due, person, clock LIMIT ? OFFSET ?",
        (start, _PAGE + 1, offset),
    ).fetchall()
    return rows[:_PAGE], _next(rows, start, offset)


def _key(text: str) -> tuple[int, int]:
    """Return the day a page begins on, and how many duties of that day were shown before.

    A person's reference would be the plain key, and may not go into an address.
    """
    day_text, _, shown = text.partition(".")
    if not (day_text + shown).isdigit() or not shown or len(text) > 14:
        return 0, 0
    return int(day_text), int(shown)


def _next(rows: list[Any], start: int, offset: int) -> str | None:
    if len(rows) <= _PAGE:
        return None
    last = rows[_PAGE - 1][0]
    same = sum(row[0] == last for row in rows[:_PAGE])
    return f"{last}.{same + (offset if last == start else 0)}"


def _counted(connection: Connection, first: date, after: date) -> list[Any]:
    return connection.execute(
        "SELECT due, status, count(*) FROM duty WHERE clock <> '*' AND due >= ? AND due < ?"
        " GROUP BY due, status ORDER BY due, status",
        ((first - _EPOCH).days, (after - _EPOCH).days),
    ).fetchall()


def _weeks(first: date, after: date, counted: list[Any]) -> list[list[Day | None]]:
    """Return a month as weeks from Monday, a gap where a week has days of another month."""
    by_day: dict[int, list[tuple[str, int]]] = {}
    for due, status, count in counted:
        by_day.setdefault(due, []).append((words.DUTY_STATES.get(status, status), count))
    days: list[Day | None] = [None] * first.weekday()
    on = first
    while on < after:
        days.append(Day(on=on, counts=tuple(by_day.get((on - _EPOCH).days, ()))))
        on += timedelta(days=1)
    days += [None] * (-len(days) % 7)
    return [days[start : start + 7] for start in range(0, len(days), 7)]
