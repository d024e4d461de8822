"""Reading what a form says: a problem is a value with the field it is about. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with one field; never quotes what was typed."""

    field: str  # id of the input
    text: str


@dataclass(slots=True, kw_only=True)
class Reading:
    """One form as it is read, and what is wrong with it."""

    said: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)

    def text(self, name: str, *, most: int = 200) -> str:
        """Return a line without outer spaces; "" if it is empty or too long."""
        found = self.said.get(name, "").strip()
        if len(found) > most:
            self.wrong(name, f"Use {most} characters or fewer")
            return ""
        return found

    def needed(self, name: str, problem: str, *, most: int = 200) -> str:
        """Return a line that must be there."""
        found = self.text(name, most=most)
        if not found and not any(one.field == name for one in self.problems):
            self.wrong(name, problem)
        return found

    def choice(self, name: str, among: Mapping[str, str], problem: str) -> str:
        """Return one of several codes; "" and a problem if it is none."""
        found = self.text(name)
        if found not in among:
            self.wrong(name, problem)
            return ""
        return found

    def day(self, name: str, title: str) -> date | None:
        """Return a day from three fields, `name`-day, -month and -year; None if all are empty."""
        parts = [self.text(f"{name}-{part}", most=4) for part in ("year", "month", "day")]
        if not any(parts):
            return None
        try:
            return date(*(int(part) for part in parts))
        except ValueError:
            self.wrong(f"{name}-day", f"{title} must be a real date, like 2 3 2026")
            return None

    def wrong(self, name: str, text: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(field=name, text=text))

    @property
    def by_field(self) -> dict[str, str]:
        """The first problem of each field."""
        found: dict[str, str] = {}
        for one in self.problems:
            found.setdefault(one.field, one.text)
        return found


def month_of(text: str, today: date) -> date:
    """Return the first day of a month written 2026-03; of this month if it is none. Pure."""
    found = _MONTH.fullmatch(text)
    if found and 1 <= int(found[2]) <= 12 and int(found[1]) >= 2000:
        return date(int(found[1]), int(found[2]), 1)
    return today.replace(day=1)


def month_after(first: date, months: int = 1) -> date:
    """Return the first day of the month so many later, or earlier. Pure."""
    count = first.year * 12 + first.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)
