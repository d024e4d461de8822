"""The first page: how the gateway stands, in numbers. It shows no person to anybody."""

from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web

from gateway.clock import day
from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Shown, Visitor
from gateway.console.pages import figures, words
from gateway.console.pages.recipients import warning
from gateway.key_warnings import key_warnings
from gateway.model.staff import StaffRole

EVERYBODY: Final[frozenset[StaffRole]] = frozenset(("dpo", "coordinator", "operator"))
_WARNED: Final = 10


def routes(own: ConsoleOwn) -> list[ConsoleRoute]:
    """Return the overview."""

    async def overview(_request: web.Request, _visitor: Visitor) -> Shown:
        return Shown(template="pages/overview.html", title="Overview", values=values(own))

    return [ConsoleRoute(path="/console", roles=EVERYBODY, get=overview, nav="Overview")]


def values(own: ConsoleOwn) -> Mapping[str, object]:
    """Return what the overview shows. Reads only, and no log entry."""
    connection, now = own.store.reader, own.now()
    with connection:  # one snapshot
        alerts = figures.alerts(connection, now)
        duties = figures.duties(connection, day(now))
        deliveries = figures.deliveries(connection, now)
        oldest = figures.unanswered(connection)
        log = figures.log(connection)
    stated = [
        (title, alerts.counts.get(state, 0), "late" if state in _BAD else "")
        for state, title in words.ALERT_STATES.items()
        if alerts.counts.get(state)
    ]
    owed = [
        ("Late", duties["late"], "late"),
        ("Late, reason recorded", duties["late_by_circumstance"], ""),
        ("Due within 7 days", duties["soon"], ""),
    ]
    warned = list(key_warnings(own.directory.recipients.values(), now))
    return {
        "alerts": stated,
        "alerts_said": _said(stated),
        "alerts_of": alerts,
        "newest": figures.NEWEST,
        "since": words.when(alerts.since),
        "duties": owed,
        "duties_said": _said(owed),
        "deliveries": deliveries,
        "oldest": oldest,
        "oldest_when": words.when(oldest.decided_at) if oldest else "",
        "log_rows": _log_rows(log),
        "behind": own.store.behind is not None,
        "keys": [[one.endpoint, warning(one)] for one in warned[:_WARNED]],
        "keys_more": max(len(warned) - _WARNED, 0),
    }


def _said(counts: Sequence[tuple[str, int, str]]) -> str:
    return "; ".join(f"{title}: {count}" for title, count, _ in counts)


def _log_rows(log: figures.Log) -> list[list[str]]:
    witnessed = f"{words.number(log.witnessed)} entries" if log.witnessed is not None else "Never"
    if log.witnessed_at is not None:
        witnessed += f", {words.when(log.witnessed_at)}"
    return [
        ["Entries", words.number(log.size)],
        ["Newest checkpoint", f"{words.number(log.checkpoint or 0)} entries"],
        ["Last witnessed", witnessed],
        ["Index is behind by", f"{words.number(log.lag)} entries"],
    ]


_BAD: Final = frozenset(("failed", "escalated", "rejected"))
