"""Deliveries and dead letters, for whoever keeps the gateway running: endpoints, never a person."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Given, Moved, Shown, Visitor
from gateway.console.pages import delivery_rows, words
from gateway.console.pages.forms import Problem, Reading
from gateway.links import Links
from gateway.model.ids import AlertId, EndpointId
from gateway.model.party import Form
from gateway.model.reference import reference
from gateway.model.staff import StaffRole
from gateway.over_endpoint import unsealed_text
from gateway.store import deliveries
from gateway.store.deliveries import TextOf
from gateway.store.outbox import Key

_OPERATOR: Final[frozenset[StaffRole]] = frozenset(("operator",))
_PAGE: Final = 50
_AT_ONCE: Final = 200  # set going in one commit
_MOST: Final = 2000  # set going by one press of the button
_PERIODS: Final[Mapping[str, str]] = {
    "1": "The last hour",
    "6": "The last 6 hours",
    "24": "The last 24 hours",
    "72": "The last 3 days",
}
_PATH: Final = "/console/deliveries"


def routes(own: ConsoleOwn) -> list[ConsoleRoute]:
    """Return the pages of deliveries."""

    async def listing(request: web.Request, _visitor: Visitor) -> Shown:
        return _listing(own, request.query)

    async def recover(_request: web.Request, visitor: Visitor, said: Mapping[str, str]) -> Given:
        return await _recover(own, visitor, said)

    async def one(request: web.Request, _visitor: Visitor) -> Shown:
        return _one(own, AlertId(request.match_info["alert"]))

    async def retry(request: web.Request, visitor: Visitor, said: Mapping[str, str]) -> Given:
        return await _retry(own, visitor, AlertId(request.match_info["alert"]), said)

    return [
        ConsoleRoute(path=_PATH, roles=_OPERATOR, get=listing, post=recover, nav="Deliveries"),
        ConsoleRoute(
            path=_PATH + r"/{alert:alt_[0-9a-f]{32}}", roles=_OPERATOR, get=one, post=retry
        ),
    ]


def _listing(own: ConsoleOwn, query: Mapping[str, str], problems: Sequence[Problem] = ()) -> Shown:
    state = query.get("state", "failed-finally")
    if state not in delivery_rows.STATES:
        state = "failed-finally"
    found, after = delivery_rows.page(
        own.store.reader, state, after=query.get("after", ""), limit=_PAGE
    )
    values = {
        "found": [_row(one) for one in found],
        "state": state,
        "states": delivery_rows.STATES,
        "after": after,
        "periods": _PERIODS,
        "errors": problems,
        "problems": {one.field: one.text for one in problems},
        "set_going": query.get("set-going", "") if query.get("set-going", "").isdigit() else "",
    }
    return Shown(
        template="pages/deliveries.html",
        title="Deliveries",
        values=values,
        status=422 if problems else 200,
    )


def _row(one: deliveries.Delivery) -> Mapping[str, object]:
    at = one.next_at if one.state == "pending" else one.receipt_at or one.settled_at
    return {
        "alert": one.alert,
        "reference": reference(one.alert),
        "endpoint": one.endpoint,
        "recipient": one.recipient,
        "channel": one.channel,
        "form": one.form,
        "step": one.step,
        "message": words.MESSAGES.get(one.message, one.message),
        "state": words.DELIVERY_STATES.get(one.shown, one.shown),
        "failed": one.shown in {"rejected", "dead", "failed"},
        "attempts": one.attempts,
        "reason": one.reason or one.receipt,
        "at": words.when(at),
        "urgent": one.urgent,
        "exercise": one.exercise,
    }


def _one(own: ConsoleOwn, alert: AlertId, problems: Sequence[Problem] = ()) -> Shown:
    ways = deliveries.ways_of(own.store.reader, alert)
    if not ways:
        raise web.HTTPNotFound
    rows = [_row(one) for one in ways]
    values = {
        "alert": alert,
        "reference": reference(alert),
        "ways": rows,
        "may_retry": any(one["failed"] for one in rows),
        "errors": problems,
    }
    return Shown(
        template="pages/delivery.html",
        title=f"Delivery {reference(alert)}",
        values=values,
        status=422 if problems else 200,
    )


async def _retry(
    own: ConsoleOwn, visitor: Visitor, alert: AlertId, said: Mapping[str, str]
) -> Given:
    chosen = said.get("endpoint")
    over = EndpointId(chosen) if chosen else None
    keys = deliveries.dead_letters(own.store.reader, alert=alert, endpoint=over)
    if not keys or not await _set_going(own, visitor, keys):
        text = "Nothing of it has failed that may still leave"
        return _one(own, alert, [Problem(field="retry", text=text)])
    return Moved(to=f"{_PATH}/{alert}")


async def _recover(own: ConsoleOwn, visitor: Visitor, said: Mapping[str, str]) -> Given:
    reading = Reading(said=said)
    hours = reading.choice("period", _PERIODS, "Choose since when to try again")
    if reading.problems:
        return _listing(own, {}, reading.problems)
    since: datetime = own.now() - timedelta(hours=int(hours))
    keys = deliveries.dead_letters(own.store.reader, since=since)[:_MOST]
    batches = [keys[first : first + _AT_ONCE] for first in range(0, len(keys), _AT_ONCE)]
    count = 0
    for batch in batches:
        count += await _set_going(own, visitor, batch)
    return Moved(to=f"{_PATH}?set-going={count}")


async def _set_going(own: ConsoleOwn, visitor: Visitor, keys: Sequence[Key]) -> int:
    unit = deliveries.retry(keys, by=visitor.staff, text_of=_text_of(own), now=own.now())
    return await own.store.commit(unit)


def _text_of(own: ConsoleOwn) -> TextOf:
    links = Links(
        key=own.store.sealed.derive("links"),
        public_url=own.config.instance.public_url.rstrip("/"),
    )

    def text_of(alert: AlertId, endpoint: EndpointId, form: Form, issue: int) -> bytes:
        return unsealed_text(alert, endpoint, form, links, issue=issue)

    return text_of
