"""Histories of synthetic persons for the duties: one line an event."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.duties.reckoning import Duty, Reckoning, reckon
from gateway.model.event import Event
from gateway.model.ids import AgencyName, EventRef, PersonRef
from tests.policies.test_clocks import CLOCKS

LONDON = ZoneInfo("Europe/London")
PERSON = PersonRef("per_example")
CLASSES: Mapping[AgencyName, str] = {
    AgencyName("prison"): "prison",
    AgencyName("probation"): "probation",
    AgencyName("police"): "police",
    AgencyName("mappa"): "mappa_coordination",
    AgencyName("yot"): "youth_offending_team",
    AgencyName("housing"): "local_housing_authority",
}
LONG_AGO = "2020-01-06"


def day(text: str) -> date:
    return date.fromisoformat(text)


class History(list[Event]):
    """Events in the order received."""

    def add(
        self,
        on: str,
        kind: str,
        by: str,
        *,
        at: time = time(12),
        happened: str | None = None,
        **groups: Mapping[str, Any],
    ) -> "History":
        received = datetime.combine(day(on), at, LONDON)
        occurred = datetime.combine(day(happened), at, LONDON) if happened else received
        self.append(
            Event(
                ref=EventRef(f"evt_{len(self)}"),
                agency=AgencyName(by),
                person=PERSON,
                kind=kind,
                occurred_at=occurred,
                received_at=received,
                groups={name: dict(members) for name, members in groups.items()},
            )
        )
        return self

    def released(self, on: str, planned: str, by: str = "prison", **groups: Any) -> "History":
        return self.add(on, "release.planned", by, custody={"planned_date": planned}, **groups)

    def level(self, level: int, on: str = LONG_AGO, category: int = 2) -> "History":
        return self.add(
            on, "mappa.level_changed", "probation", mappa={"category": category, "level": level}
        )

    def sentenced(self, on: str, known: str = LONG_AGO) -> "History":
        return self.add(known, "custody.received", "prison", offence={"sentenced_on": on})


def reckoned(
    history: Iterable[Event], today: str | date, told: Iterable[tuple[str, date]] = ()
) -> Reckoning:
    on = today if isinstance(today, date) else day(today)
    return reckon(list(history), today=on, clocks=CLOCKS, classes=CLASSES, told=told)


def duties(
    history: Iterable[Event], today: str | date, told: Iterable[tuple[str, date]] = ()
) -> dict[str, Duty]:
    return {str(duty.clock): duty for duty in reckoned(history, today, told).duties}


def weeks(count: int) -> timedelta:
    return timedelta(weeks=count)
