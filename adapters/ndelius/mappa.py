"""MAPPA category and level: codes, labels, and the detail an integration service gives.

0, M0 and X9 are what nDelius states where it does not know: nothing is stated for them, never 1.
Source: the category and level enumerations of hmpps-probation-integration-services; PPUD labels.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from adapters.kit.members import Members
from adapters.ndelius.case import Case, Found, day
from gateway.model.problem import MalformedEvent, Problem
from gateway.model.strict_json import JsonObject

CATEGORY_CODES: Final[Mapping[str, int]] = {"M1": 1, "M2": 2, "M3": 3, "M4": 4, "M0": 0, "X9": 0}
LEVEL_CODES: Final[Mapping[str, int]] = {"M1": 1, "M2": 2, "M3": 3, "M0": 0}
_CATEGORY_NUMBERS: Final = frozenset(range(5))
_LEVEL_NUMBERS: Final = frozenset(range(4))

# "MAPPA Level 3", "LEVEL_2", "Level 3 – MAPPP": a label, whole, and never a sentence about one.
_TAIL: Final = r"(\s*[-–—:(]\s*[A-Za-z&/ ,]{1,60}\)?)?"
_LEVEL_LABEL: Final = re.compile(r"(MAPPA\s+)?Level[\s_]*([0-3])" + _TAIL, re.IGNORECASE | re.ASCII)
_CATEGORY_LABEL: Final = re.compile(
    r"(MAPPA\s+)?Cat(?:egory)?\.?[\s_]*([0-4])" + _TAIL, re.IGNORECASE | re.ASCII
)

_TELLING: Final = ("level", "levelDescription", "category", "categoryDescription", "reviewDate")
_EVENT: Final = "ndelius.mappa-detail"


def coded(members: Members, stem: str, *, event_type: str) -> JsonObject:
    """Return category and level of a registration: ``{stem}CategoryCode``, ``…Description``, ...

    Raises:
        UnsupportedEvent: a code without a meaning, or one its description contradicts (a human).
    """
    category = members.code(f"{stem}CategoryCode", CATEGORY_CODES, event_type=event_type)
    level = members.code(f"{stem}LevelCode", LEVEL_CODES, event_type=event_type)
    return _stated(
        members,
        _told(members, category, f"{stem}CategoryDescription", _CATEGORY_LABEL, event_type),
        _told(members, level, f"{stem}LevelDescription", _LEVEL_LABEL, event_type),
        f"{stem}LevelCode",
        event_type,
    )


def mappa_detail(case: Case) -> tuple[Found, ...]:
    """Return what a ``mappaDetail`` states; all of it null means that nothing was found.

    Raises:
        MalformedEvent: no `asOf`: the level as of the start of its registration may be another.
        UnsupportedEvent: as `coded`.
    """
    detail = case.detail
    if detail is None:
        return ()
    # Notes are free text and may name a victim (minimisation rule 3.4(6)): carried nowhere. When
    # management began has no member of its own.
    detail.ignore("notes", "startDate")
    facts = _stated(
        detail,
        _told(detail, _number(detail, "category", _CATEGORY_NUMBERS), "categoryDescription",
              _CATEGORY_LABEL, _EVENT),
        _told(detail, _number(detail, "level", _LEVEL_NUMBERS), "levelDescription",
              _LEVEL_LABEL, _EVENT),
        "level",
        _EVENT,
    )  # fmt: skip
    if (next_review := day(detail, "reviewDate")) is not None:
        facts["next_review"] = next_review
    if not any(name in detail for name in _TELLING):
        return ()
    if case.as_of is None:
        raise MalformedEvent(
            Problem(path="$.asOf", reason="required with mappaDetail, which states no time")
        )
    return (Found(kind=kind_for(detail, "level", facts), at=case.as_of, facts={"mappa": facts}),)


def kind_for(members: Members, name: str, facts: JsonObject) -> str:
    """Return the kind that says what is stated; leaves a note where neither number is known."""
    if "level" in facts:
        return "mappa.level_changed"
    if "category" in facts:
        return "mappa.category_changed"
    members.note(name, "managed under MAPPA; neither category nor level is known to nDelius")
    return "mappa.level_changed"


def agree(document: Members, found: Sequence[Found]) -> None:
    """Let pass what agrees.

    Raises:
        UnsupportedEvent: two categories, two levels or two overall risks of one person (a human).
    """
    for group, member in (("mappa", "category"), ("mappa", "level"), ("rosh", "overall")):
        values = {one.facts[group][member] for one in found if member in one.facts.get(group, {})}
        if len(values) > 1:
            reason = f"states two of {group} {member}, and a person has one"
            raise document.unclear("registrations", reason, event_type="ndelius.registration")


def _number(members: Members, name: str, known: frozenset[int]) -> int | None:
    value = members.number(name)
    if value is not None and value not in known:
        raise members.unclear(name, "not a number with a known meaning", event_type=_EVENT)
    return value


def _told(
    members: Members, code: int | None, name: str, label: re.Pattern[str], event_type: str
) -> int | None:
    """Return the number that code and label agree on; 0 for one nDelius does not know."""
    match = label.fullmatch(members.text(name) or "")
    if match is None:
        return code
    if code is not None and code != int(match[2]):
        raise members.unclear(name, "code and description differ", event_type=event_type)
    return int(match[2])


def _stated(
    members: Members, category: int | None, level: int | None, name: str, event_type: str
) -> JsonObject:
    if (category, level) == (3, 1):
        # CJA 2003 s.325(2)(b): managed at level 2 or 3, or not at all.
        reason = "category 3 requires management at level 2 or 3"
        raise members.unclear(name, reason, event_type=event_type)
    stated: JsonObject = {}
    if category:
        stated["category"] = category
    if level:
        stated["level"] = level
    return stated
