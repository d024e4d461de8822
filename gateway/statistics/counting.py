"""What one person's history shows in a period: observations, free of whoever they are about."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from gateway import clock
from gateway.model.event import Event
from gateway.statistics.history import PersonHistory, Standing, at, standings

Observation = frozenset[tuple[str, str]]  # of (dimension, value)

_RETURNS: Final = frozenset({"custody.received", "custody.recalled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Days first..last, both included, in Europe/London, and the area counted."""

    first: date
    last: date
    area: str

    def covers(self, day: date) -> bool:
        """Return whether a day lies in the period."""
        return self.first <= day <= self.last

    def division(self, home: str) -> str | None:
        """Return the part of the area that a home area names, "" for all of it, None if it is
        another. ``area/part`` lies in ``area``."""
        whole, home = self.area.casefold(), home.casefold()
        if home == whole:
            return ""
        return home[len(whole) + 1 :] if home.startswith(whole + "/") else None


def observations(history: PersonHistory, period: Period) -> Iterator[Observation]:
    """Yield what is to be counted of one person; each yield counts one.

    A person is one observation of a kind however often it happened; an order is one of its own.
    Pure.
    """
    stood = standings(history)
    yield from _over_time(stood, period)
    yield from set(_happened(history, stood, period))
    yield from _orders(history, stood, period)


def _over_time(stood: list[Standing], period: Period) -> Iterator[Observation]:
    last = stood[0]
    managed: dict[tuple[int, int], str] = {}
    considered: dict[int, str] = {}
    for i, one in enumerate(stood):
        if clock.day(one.since) > period.last:
            break
        last = one
        ended = clock.day(stood[i + 1].since) < period.first if i + 1 < len(stood) else False
        division = period.division(one.area)
        if ended or not one.category or one.place == "ended" or division is None:
            continue
        considered[one.category] = division
        if one.level >= 2:
            managed[one.category, one.level] = division
    for (category, level), division in managed.items():
        yield _seen("managed", category=category, level=level, division=division)
    for category, division in considered.items():
        yield _seen("considered", category=category, division=division)
    division = period.division(last.area)
    if last.category and last.in_community and division is not None:
        yield _seen("eligible", category=last.category, level=last.level, division=division)


def _happened(
    history: PersonHistory, stood: list[Standing], period: Period
) -> Iterator[Observation]:
    for event in history.events:
        if not period.covers(clock.day(event.occurred_at)):
            continue
        then = at(stood, event.occurred_at)
        if period.division(then.area) is not None:
            yield from _event(event, then, history)


def _event(event: Event, then: Standing, history: PersonHistory) -> Iterator[Observation]:
    offence = event.groups.get("offence", {})
    if event.kind in _RETURNS:
        reason = event.groups.get("custody", {}).get("return_reason")
        if reason is None and event.kind == "custody.recalled":
            reason = "breach_of_licence"  # nothing else is recalled (CJA 2003 s.254)
        if reason is not None:
            yield _seen("returned", category=then.category, level=then.level, reason=reason)
    elif event.kind == "notification.revoked":
        yield _seen("revoked")
    elif event.kind == "notification.breached" and "notification_outcome" in offence:
        yield _seen("notification_breach")
    elif event.kind == "notification.required" and _broke_risk_order(history, event):
        yield _seen("sro_breach")
    elif event.kind == "police.charged" and offence.get("serious_further_offence") is True:
        yield _seen("charged", category=then.category, level=then.level)


def _broke_risk_order(history: PersonHistory, required: Event) -> bool:
    """Return whether a sexual risk order was breached before notification was required (D29)."""
    return any(
        event.kind == "order.breached"
        and event.occurred_at <= required.occurred_at
        and any(order.get("kind") == "SRO" for order in _orders_of(event))
        for event in history.events
    )


def _orders(history: PersonHistory, stood: list[Standing], period: Period) -> Iterator[Observation]:
    """Yield each order once: one that states when it was made may be stated again."""
    seen: set[tuple[object, ...]] = set()
    for event in history.events:
        if event.kind != "order.imposed":
            continue
        if period.division(at(stood, event.occurred_at).area) is None:
            continue
        for place, order in enumerate(_orders_of(event)):
            made = order.get("made_on")
            day = date.fromisoformat(made) if made else clock.day(event.occurred_at)
            stage = order.get("stage", "full")
            travel = "yes" if order.get("foreign_travel_restriction") else "no"
            one = (order["kind"], stage, travel, made or (event.ref, place))
            if one not in seen and period.covers(day):
                seen.add(one)
                yield _seen("order", order=order["kind"], stage=stage, travel=travel)


def _orders_of(event: Event) -> list[Mapping[str, Any]]:
    orders: Any = event.groups.get("offence", {}).get("orders")
    return orders or []


def _seen(count: str, **dimensions: object) -> Observation:
    return frozenset({("count", count), *((name, str(one)) for name, one in dimensions.items())})
