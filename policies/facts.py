"""What a rule may know: a person's facts brought down to closed classes, with nothing personal."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from gateway.model.party import Recipient
from gateway.model.person import StatedGroup
from gateway.model.strict_json import Json, JsonObject

_LEVELS: Final[Mapping[Json, int]] = {"low": 1, "medium": 2, "high": 3, "very_high": 4}
_WHO: Final = frozenset({"overall", "children", "known_adult", "prisoners", "public", "staff"})
_CARERS: Final = ("community_gp", "registered_practice", "mental_health_team")
_NOTHING: Final[JsonObject] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class FactClass:
    """The class a case falls in. Two people of one class are one question to the rulebook.

    The last three say how the recipient stands to the person: `facing` sets them.
    """

    kind: str
    sender_class: str
    category: int = 0  # 1..4; 0 unknown
    level: int = 0  # 1..3; 0 unknown
    rosh: int = 0  # 1 low .. 4 very high, the highest stated for the community; 0 unknown
    risk_to: frozenset[str] = frozenset()  # medium or more
    children: bool = False
    release_type: str = ""
    licence: str = "unknown"  # yes, no, unknown
    prison: str = ""
    areas: frozenset[str] = frozenset()  # empty: unknown
    restricted: bool = False
    housing_consent: bool = False
    chosen_authority_is_recipient: bool = False
    treats_person: bool = False
    lodges_elsewhere: bool = False


def classify(kind: str, facts: Mapping[str, StatedGroup], *, sender_class: str) -> FactClass:
    """Return the class of these facts, as towards nobody yet.

    Args:
        kind: Of the event being decided.
        facts: By group name, as `gateway.model.groups` checked them.
        sender_class: Organisation class of the agency that posted the event.

    Raises:
        TypeError, KeyError, AttributeError: a value is not what its group takes.

    Pure.
    """
    mappa, rosh, custody = (_members(facts, name) for name in ("mappa", "rosh", "custody"))
    location, children = _members(facts, "location"), _members(facts, "children")
    levels = {who: _LEVELS[level] for who, level in rosh.items() if who in _WHO and level}
    risk_to = frozenset([who for who, level in levels.items() if level >= 2 and who != "overall"])
    release_type = str(custody.get("release_type") or "")
    return FactClass(
        kind=kind,
        sender_class=sender_class,
        category=_whole(mappa.get("category")),
        level=_whole(mappa.get("level")),
        rosh=max([level for who, level in levels.items() if who != "prisoners"], default=0),
        risk_to=risk_to,
        children=(
            "children" in risk_to or children.get("at_risk") is True or children.get("pprc") is True
        ),
        release_type=release_type,
        licence=_licence(release_type, custody.get("licence")),
        prison=str(custody.get("prison") or ""),
        areas=_areas(location),
        restricted=_members(facts, "handling").get("restricted") is True,
        housing_consent=_consents(location),
    )


def facing(facts: FactClass, stated: Mapping[str, StatedGroup], recipient: Recipient) -> FactClass:
    """Return the class as towards one recipient.

    Names and ODS codes are compared with the recipient's organisation, without regard to case;
    only the answer enters the class. Pure.
    """
    location, routing = _members(stated, "location"), _members(stated, "health_routing")
    if not location and not routing:
        return facts
    organisation = recipient.organisation.casefold()
    lodging = location.get("approved_premises")
    chosen = _is(_chosen_authority(location), organisation)
    treats = any(_names(routing.get(carer), organisation) for carer in _CARERS)
    elsewhere = lodging is not None and not _is(lodging, organisation)
    if not (chosen or treats or elsewhere):
        return facts
    return replace(
        facts,
        chosen_authority_is_recipient=chosen,
        treats_person=treats,
        lodges_elsewhere=elsewhere,
    )


def _members(facts: Mapping[str, StatedGroup], name: str) -> JsonObject:
    stated = facts.get(name)
    return _NOTHING if stated is None else stated.members


def _whole(value: Json) -> int:
    if value is None:
        return 0
    if type(value) is not int:
        raise TypeError("category and level are whole numbers")
    return value


def _licence(release_type: str, stated: Json) -> str:
    if release_type == "SED_NO_LICENCE":
        return "no"
    return "unknown" if stated is None else "yes" if stated is True else "no"


def _areas(location: JsonObject) -> frozenset[str]:
    home, others = location.get("home_area"), location.get("areas_of_interest")
    if home is None and not others:
        return frozenset()
    areas: set[str] = {str(home)} if home is not None else set()
    if others is not None:
        if not isinstance(others, list):
            raise TypeError("areas of interest are a list")
        areas.update(str(area) for area in others)
    return frozenset(areas)


def _consents(location: JsonObject) -> bool:
    match location.get("housing_referral"):
        case {"consent_to_referral": True, "consent_to_contact": True}:
            return True
    return False


def _chosen_authority(location: JsonObject) -> Json:
    match location.get("housing_referral"):
        case {"chosen_authority": chosen}:
            return chosen
    return None


def _names(carer: Json, organisation: str) -> bool:
    match carer:
        case {"name": name, **others}:
            return _is(name, organisation) or _is(others.get("ods"), organisation)
    return False


def _is(name: object, organisation: str) -> bool:
    return isinstance(name, str) and bool(name) and name.casefold() == organisation
