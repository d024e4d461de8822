"""What a rule may know: a person's facts brought down to closed classes, with nothing personal."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from gateway.model.party import Recipient
from gateway.model.person import StatedGroup
from gateway.model.strict_json import Json, JsonObject

_LEVELS: Final[Mapping[Json, int]] = {"low": 1, "medium": 2, "high": 3, "very_high": 4}
_WHO: Final = frozenset({"overall", "children", "known_adult", "prisoners", "public", "staff"})
_CARERS: Final = ("community_gp", "registered_practice", "mental_health_team")
_NOTHING: Final[JsonObject] = {}

# MHA 1983 ss.37/41, 47/49, 48/49 and 45A, as UKCore-LegalStatusClassificationEngland numbers them.
_RESTRICTED_PATIENT: Final = frozenset({"09", "15", "17", "37", "38"})
_HOMELESSNESS: Final = timedelta(days=56)  # Housing Act 1996 s.213B with s.175(4)
_ADULT: Final = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class FactClass:
    """The class a case falls in. Two people of one class are one question to the rulebook.

    From `allowed` on, the members say how the recipient stands to the person: `facing` sets them.
    """

    kind: str
    sender_class: str
    category: int = 0  # 1..4; 0 unknown
    level: int = 0  # 1..3; 0 unknown
    rosh: int = 0  # 1 low .. 4 very high, the highest stated for the community; 0 unknown
    rosh_rose: bool = False  # with this event
    imminent: bool = False  # serious harm is stated to be highly or very highly imminent
    risk_to: frozenset[str] = frozenset()  # medium or more
    children: bool = False
    domestic_abuse: bool = False
    harassment: bool = False  # harassment measures, or a request for no contact (D6)
    age: str = "unknown"  # child, adult, unknown
    convicted: str = "unknown"  # yes, no (a suspect), unknown
    release_type: str = ""
    licence: str = "unknown"  # yes, no, unknown
    monitored: bool = False  # electronically
    foreign_national: bool = False
    restricted_patient: bool = False
    address_status: str = ""  # as stated; "" unknown
    homeless_within_56_days: bool = False
    victim_opted_in: bool = False
    prison: str = ""
    areas: frozenset[str] = frozenset()  # empty: unknown
    marking: str = ""  # as stated; "" none
    conditional: bool = False  # intelligence handling code C: only on its conditions
    restricted: bool = False
    housing_consent: bool = False
    allowed: bool = False  # named on the restriction list of those who may know
    excluded: bool = False  # named on the exclusion list
    vetoed: bool = False  # the sender does not want them told
    told_before: bool = False  # of this person, and not recalled since
    in_plan: bool = False  # implements part of the risk management plan
    knows_victim: bool = False
    knows_child: bool = False
    chosen_authority_is_recipient: bool = False
    treats_person: bool = False
    lodges_elsewhere: bool = False
    lodges_here: bool = False
    owes: bool = False  # the duty found due or missed is this role's
    manages_owner: bool = False  # they manage a recipient of the role that owes it
    decided: bool = False  # a person has decided that this recipient is to be told of this event


def classify(
    kind: str,
    facts: Mapping[str, StatedGroup],
    *,
    sender_class: str,
    today: date,
    before: Mapping[str, StatedGroup] | None = None,
) -> FactClass:
    """Return the class of these facts, as towards nobody yet.

    Args:
        kind: Of the event being decided.
        facts: By group name, as `gateway.model.groups` checked them.
        sender_class: Organisation class of the agency that posted the event.
        today: In Europe/London, for ages and for the 56 days of a homelessness referral.
        before: The facts as they stood before this event, to see what rose; None: nothing known.

    Raises:
        TypeError, KeyError, AttributeError, ValueError: a value is not what its group takes.

    Pure.
    """
    mappa, rosh, custody = (_members(facts, name) for name in ("mappa", "rosh", "custody"))
    location, children, offence = (
        _members(facts, name) for name in ("location", "children", "offence")
    )
    handling, licence = _members(facts, "handling"), _members(facts, "licence")
    levels = {who: _LEVELS[level] for who, level in rosh.items() if who in _WHO and level}
    risk_to = frozenset([who for who, level in levels.items() if level >= 2 and who != "overall"])
    release_type = str(custody.get("release_type") or "")
    highest = _highest(rosh)
    mha_status = _members(facts, "health_routing").get("mha_status")
    return FactClass(
        kind=kind,
        sender_class=sender_class,
        category=_whole(mappa.get("category")),
        level=_whole(mappa.get("level")),
        rosh=highest,
        rosh_rose=highest > _highest(_members(before or {}, "rosh")),
        imminent=_LEVELS.get(rosh.get("imminence"), 0) >= 3,
        risk_to=risk_to,
        children=(
            "children" in risk_to or children.get("at_risk") is True or children.get("pprc") is True
        ),
        domestic_abuse=offence.get("domestic_abuse") is True,
        harassment=offence.get("harassment_or_no_contact") is True,
        age=_age(_members(facts, "identity").get("date_of_birth"), today),
        convicted=_yes_no(offence.get("convicted")),
        release_type=release_type,
        licence="no" if release_type == "SED_NO_LICENCE" else _yes_no(custody.get("licence")),
        monitored=licence.get("electronic_monitoring") is True,
        foreign_national=custody.get("immigration_interest") is True,
        restricted_patient=mha_status in _RESTRICTED_PATIENT,
        address_status=str(location.get("address_status") or ""),
        homeless_within_56_days=_homeless_soon(location, custody, today),
        victim_opted_in=_members(facts, "victim").get("contact_opted_in") is True,
        prison=str(custody.get("prison") or ""),
        areas=_areas(location),
        marking=str(handling.get("marking") or ""),
        conditional=str(handling.get("grade") or "").endswith("C"),
        restricted=handling.get("restricted") is True,
        housing_consent=_consents(location),
    )


def facing(
    facts: FactClass,
    stated: Mapping[str, StatedGroup],
    recipient: Recipient,
    *,
    told_before: bool = False,
    decided: bool = False,
    manages: AbstractSet[str] = frozenset(),
) -> FactClass:
    """Return the class as towards one recipient.

    Names and ODS codes are compared with the recipient's organisation, without regard to case;
    only the answer enters the class.

    Args:
        told_before: Whether they were told of this person before, and not recalled since.
        decided: Whether a person decided that they be told of this event.
        manages: Roles of the recipients they are the manager of.

    Pure.
    """
    location, routing, handling, professionals = (
        _members(stated, name)
        for name in ("location", "health_routing", "handling", "professionals")
    )
    owner = _members(stated, "duty").get("owner")
    us = frozenset({recipient.organisation.casefold(), recipient.id.casefold()})
    lodging = location.get("approved_premises")
    standing: dict[str, Any] = {
        "allowed": _named(handling.get("restricted_to"), us),
        "excluded": _named(handling.get("excluded"), us),
        "vetoed": _named(handling.get("vetoed"), us),
        "told_before": told_before,
        "in_plan": _named(professionals.get("plan_agencies"), us),
        "knows_victim": _named(_members(stated, "victim").get("known_to"), us),
        "knows_child": _named(_members(stated, "children").get("known_to"), us),
        "chosen_authority_is_recipient": _is(_chosen_authority(location), us),
        "treats_person": any(_carer(routing.get(carer), us) for carer in _CARERS),
        "lodges_elsewhere": lodging is not None and not _is(lodging, us),
        "lodges_here": _is(lodging, us),
        "owes": owner == recipient.role,
        "manages_owner": owner in manages,
        "decided": decided,
    }
    return replace(facts, **standing) if any(standing.values()) else facts


def _members(facts: Mapping[str, StatedGroup], name: str) -> JsonObject:
    stated = facts.get(name)
    return _NOTHING if stated is None else stated.members


def _highest(rosh: JsonObject) -> int:
    """Return the highest level stated for anybody in the community."""
    return max(
        [
            _LEVELS[level]
            for who, level in rosh.items()
            if who in _WHO and who != "prisoners" and level
        ],
        default=0,
    )


def _whole(value: Json) -> int:
    if value is None:
        return 0
    if type(value) is not int:
        raise TypeError("category and level are whole numbers")
    return value


def _yes_no(stated: Json) -> str:
    return "unknown" if stated is None else "yes" if stated is True else "no"


def _age(born: Json, today: date) -> str:
    if not isinstance(born, str):
        return "unknown"
    day = date.fromisoformat(born)
    years = today.year - day.year - ((today.month, today.day) < (day.month, day.day))
    return "child" if years < _ADULT else "adult"


def _homeless_soon(location: JsonObject, custody: JsonObject, today: date) -> bool:
    """Whether the person is, or within 56 days of today will be, without a home."""
    if location.get("address_status") not in {"NFA", "UNKNOWN", "PROPOSED"}:
        return False
    leaves = custody.get("confirmed_date") or custody.get("planned_date")
    if not isinstance(leaves, str):
        return location.get("address_status") == "NFA"
    return date.fromisoformat(leaves) <= today + _HOMELESSNESS


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


def _carer(carer: Json, us: frozenset[str]) -> bool:
    match carer:
        case {"name": name, **others}:
            return _is(name, us) or _is(others.get("ods"), us)
    return False


def _named(names: Json, us: frozenset[str]) -> bool:
    return isinstance(names, list) and any(_is(name, us) for name in names)


def _is(name: object, us: frozenset[str]) -> bool:
    return isinstance(name, str) and name.casefold() in us
