"""The conditions a clock may ask for, judged on what is known: yes, no, or nothing said. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.model.strict_json import Json, JsonObject
from policies.clocks import Condition

Facts = Mapping[str, JsonObject]  # by group name

_HIGH: Final = frozenset({"high", "very_high"})
_AT_RISK: Final = frozenset({"medium", "high", "very_high"})
_COMMUNITY: Final = ("overall", "children", "public", "known_adult", "staff")
_ROOFLESS: Final = frozenset({"NFA", "UNKNOWN", "PROPOSED"})
_NOTHING: Final[JsonObject] = {}

_Judge = Callable[[JsonObject], bool | None]


def holds(condition: Condition, facts: Facts) -> bool | None:
    """Return whether a condition holds of what is known; None: nothing is said either way.

    Of homelessness it judges the need and the consent; the 56 days are the calendar's. Pure.
    """
    if condition == "risk_to_children":
        return _risk_to_children(facts)
    group, judge = _CONDITIONS[condition]
    return judge(members_of(facts, group))


def members_of(facts: Facts, group: str) -> JsonObject:
    """Return what is known of one group; empty for nothing. Pure."""
    return facts.get(group, _NOTHING)


def _risk_to_children(facts: Facts) -> bool | None:
    level = members_of(facts, "rosh").get("children")
    children = members_of(facts, "children")
    if level in _AT_RISK or children.get("at_risk") is True or children.get("pprc") is True:
        return True
    return None if level is None and children.get("at_risk") is None else False


def _one_of(member: str, *values: Json) -> _Judge:
    return lambda stated: None if stated.get(member) is None else stated[member] in values


def _high_risk(rosh: JsonObject) -> bool | None:
    levels = [rosh[who] for who in _COMMUNITY if who in rosh]
    return any(level in _HIGH for level in levels) if levels else None


def _no_licence(custody: JsonObject) -> bool | None:
    if custody.get("release_type") == "SED_NO_LICENCE":
        return True
    licence = custody.get("licence")
    return None if licence is None else licence is False


def _homeless(location: JsonObject) -> bool | None:
    if not location:
        return None
    match location.get("housing_referral"):
        case {"consent_to_referral": True}:
            return location.get("address_status") in _ROOFLESS
    return False


def _victim(victim: JsonObject) -> bool | None:
    if not victim:
        return None
    return victim.get("recorded") is not False


_CONDITIONS: Final[Mapping[Condition, tuple[str, _Judge]]] = {
    "category_1_or_2": ("mappa", _one_of("category", 1, 2)),
    "harassment": ("offence", _one_of("harassment_or_no_contact", True)),
    "high_risk": ("rosh", _high_risk),
    "homeless_with_consent": ("location", _homeless),
    "indefinite_notification": ("offence", _one_of("notification_indefinite", True)),
    "level_2": ("mappa", _one_of("level", 2)),
    "level_2_or_3": ("mappa", _one_of("level", 2, 3)),
    "level_3": ("mappa", _one_of("level", 3)),
    "mappa_case": ("mappa", lambda mappa: True if mappa.get("category") else None),
    "no_licence": ("custody", _no_licence),
    "victim_recorded": ("victim", _victim),
}
