"""Synthetic histories that lead to published tables: persons without names, only events."""

import datetime as dt
from collections.abc import Iterator
from itertools import count
from typing import Any

from gateway.model.event import Event
from gateway.model.ids import AgencyName, EventRef, PersonRef
from gateway.statistics.history import PersonHistory

AREA = "exampleshire"
_NUMBERS = count(1)

Step = tuple[str, str, dict[str, Any]]  # kind, time, groups


def event(kind: str, when: str, **groups: Any) -> Event:
    """Return a decided event; `when` is a date (noon UTC) or an RFC 3339 time."""
    text = when if "T" in when else f"{when}T12:00:00+00:00"
    moment = dt.datetime.fromisoformat(text).astimezone(dt.UTC)
    return Event(
        ref=EventRef(f"evt_{next(_NUMBERS)}"),
        agency=AgencyName("exampleshire-probation"),
        person=PersonRef("per_any"),
        kind=kind,
        occurred_at=moment,
        received_at=moment,
        groups=groups,
    )


def person(*events: Event) -> PersonHistory:
    return PersonHistory(ref=PersonRef(f"per_{next(_NUMBERS)}"), events=events)


def at_level(
    category: int, level: int, when: str, *, area: str = AREA, kind: str = "mappa.level_changed"
) -> Event:
    mappa = {"category": category, "level": level}
    return event(kind, when, mappa=mappa, location={"home_area": area})


def returned(reason: str, when: str) -> Event:
    return event("custody.received", when, custody={"return_reason": reason})


def order(kind: str, when: str, **more: Any) -> Event:
    return event("order.imposed", when, offence={"orders": [{"kind": kind, **more}]})


# What T2 and T6 print, and of T1 what is left in the community at the end: category -> counts.
_MANAGED = {2: {1: 41, 2: 73, 3: 36}, 3: {1: 4, 2: 7, 3: 14}}
_STILL = {2: {1: 11, 2: 29, 3: 5}, 3: {1: 2, 2: 5, 3: 2}}
_LICENCE = {2: {1: 14, 2: 26, 3: 7}, 3: {1: 2, 2: 3, 3: 2}}
_LEVEL_1 = {1: 3669, 2: 1763}


def year_2021_22() -> Iterator[PersonHistory]:
    """Yield the histories behind the report for 2021-22."""
    placed_at_1 = dict.fromkeys(_LEVEL_1, 0)
    for level, managed in _MANAGED.items():
        for category, number in managed.items():
            yield from _managed(category, level, number, placed_at_1)
    notified = count(1)
    for category, number in _LEVEL_1.items():
        for _ in range(number - placed_at_1[category]):
            begun = at_level(category, 1, "2019-06-01", kind="mappa.category_changed")
            yield person(begun, *(_in_the_year(next(notified)) if category == 1 else ()))
    yield from _not_counted()


def _managed(
    category: int, level: int, number: int, placed_at_1: dict[int, int]
) -> Iterator[PersonHistory]:
    """Some stay in the community at their level, some return to prison, and the rest come down
    to level 1, or, in category 3, which has none, leave MAPPA."""
    still, back = _STILL[level][category], _LICENCE[level][category]
    for i in range(number):
        begun = at_level(category, level, "2020-11-02")
        if i >= number - back:
            breach = [returned("breach_of_licence", "2021-09-14")]
            if i < still:  # out again, and at large on 31 March
                breach.append(event("release.actual", "2021-11-30"))
            if (category, level, i) == (1, 2, number - back):
                # Out, and back for breach of an order this time: one person, two cells.
                breach += [
                    event("release.actual", "2021-10-01"),
                    returned("breach_of_order", "2021-12-24"),
                ]
            yield person(begun, *breach)
        elif i < still:
            yield person(begun)
        elif category == 3:
            yield person(begun, event("mappa.eligibility_ended", "2022-02-01"))
        else:
            placed_at_1[category] += 1
            yield person(begun, at_level(category, 1, "2021-07-05"))


def _in_the_year(n: int) -> tuple[Event, ...]:
    """Return what happened in the year to the n-th of those in category 1 at level 1."""
    if n <= 253:
        return (order("SHPO", "2021-08-02", made_on="2021-08-02"),)
    if n <= 257:
        return (order("NOTIFICATION_ORDER", "2022-01-10"),)
    return ()


def _not_counted() -> Iterator[PersonHistory]:
    """Yield people near every line, each on the far side of it."""
    for _ in range(41):  # revoked: counted in T3, and in category 1 no longer
        revoked = event("notification.revoked", "2021-06-01")
        yield person(at_level(1, 1, "2004-05-01"), revoked)
    yield person(at_level(1, 1, "2020-01-01"), event("custody.received", "2022-03-31"))
    yield person(at_level(1, 1, "2020-01-01", area="elsewhere"))
    yield person(at_level(2, 1, "2022-04-01"))  # the day after the snapshot
    yield person(at_level(2, 2, "2022-04-01T00:30:00+01:00"))  # 31 March in UTC, April in London
    yield person(at_level(2, 2, "2020-01-01"), at_level(2, 1, "2021-03-31"), custody("2021-04-02"))
    yield person(
        at_level(2, 1, "2020-01-01"),
        event("custody.received", "2020-01-02"),
        event("custody.hospital_transfer", "2021-05-05"),
    )
    yield person(
        at_level(2, 1, "2020-01-01"),
        event("health.care_team_recorded", "2021-01-01", health_routing={"mha_status": "10"}),
    )
    yield person(at_level(1, 1, "2020-01-01"), event("custody.died", "2021-04-01"))
    yield person(
        at_level(1, 1, "2020-01-01"), event("release.planned", "2022-01-05")
    )  # still inside
    yield person(event("mappa.level_changed", "2021-05-01", location={"home_area": AREA}))


def custody(when: str) -> Event:
    return event("custody.received", when)


def year_2004_05() -> Iterator[PersonHistory]:
    """Yield the histories behind the report for 2004/05, five divisions."""
    divisions = [f"{AREA}/{name}" for name, n in _DIVISIONS.items() for _ in range(n)]
    happened = _happened_2004()
    for category, (level_3, level_2) in {1: (24, 30), 2: (32, 37), 3: (25, 36)}.items():
        for level, number in ((3, level_3), (2, level_2)):
            for _ in range(number):
                area = divisions.pop() if level == 3 else AREA
                begun = at_level(category, level, "2004-02-01", area=area)
                yield person(begun, *happened.get(level, iter(())).__next__())
    for i in range(689 - 54):
        breached = event(
            "notification.breached",
            "2004-11-05",
            offence={"notification_outcome": "convicted" if i % 2 else "cautioned"},
        )
        yield person(at_level(1, 1, "2003-01-01"), *([breached, breached] if i < 16 else []))
    for _ in range(284 - 69):
        yield person(at_level(2, 1, "2004-01-01"), event("mappa.eligibility_ended", "2004-12-01"))
    yield from _orders_2004()


_DIVISIONS = {"a": 22, "b": 15, "c": 12, "d": 14, "e": 18}


def _happened_2004() -> dict[int, Iterator[tuple[Event, ...]]]:
    """Return, for each level, what happened to one person after another.

    The first RSOs are charged at most, so that all 689 are in the community at the end."""
    charge = event("police.charged", "2004-10-01", offence={"serious_further_offence": True})

    def stream(quiet: int, licence: int, orders: int, charged: int) -> Iterator[tuple[Event, ...]]:
        for i in count():
            if i < charged:
                yield (charge,)
            elif quiet <= i < quiet + licence:
                yield (returned("breach_of_licence", "2004-09-01"),)
            elif quiet + licence <= i < quiet + licence + orders:
                yield (returned("breach_of_order", "2004-09-01"),)
            else:
                yield ()

    return {3: stream(24, 3, 1, 4), 2: stream(30, 7, 0, 7)}


def _orders_2004() -> Iterator[PersonHistory]:
    """Yield SOPOs applied for, interim and full; and two made in April, before this count began."""
    settled = event("address.changed", "2004-04-02", location={"home_area": AREA})
    for i in range(4):
        made = [order("SHPO", "2004-06-01", stage="applied")]
        made += [order("SHPO", "2004-06-20", stage="interim")] if i < 2 else []
        made += [order("SHPO", "2004-09-20", stage="full")] if i < 3 else []
        yield person(settled, *made)
    yield person(settled, order("SHPO", "2004-04-20"), order("SHPO", "2004-04-30"))
