"""Probation registrations and MAPPA information, as kept in nDelius.

Source: hmpps-domain-events ``probation-case/registration-*``; hmpps-integration-api register codes;
probation integrations for the MAPPA information.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from adapters.contract import UnsupportedEvent
from adapters.hmpps_domain_events.envelope import DomainEvent
from adapters.hmpps_domain_events.report import NDELIUS, Report
from adapters.kit.dates import parse_java_date
from adapters.kit.statement import Assertion
from gateway.model.strict_json import JsonObject

ADDED: Final = "probation-case.registration.added"
UPDATED: Final = "probation-case.registration.updated"
DEREGISTERED: Final = "probation-case.registration.deregistered"
DELETED: Final = "probation-case.registration.deleted"
MAPPA_CREATED: Final = "probation-case.mappa-information.created"
MAPPA_UPDATED: Final = "probation-case.mappa-information.updated"

_MAPPA: Final = "MAPP"
_ROSH: Final = {"RLRH": "low", "RMRH": "medium", "RHRH": "high"}
# None: nDelius itself does not know (0 in its own tables), so nothing is stated. Never 1.
_CATEGORIES: Final[Mapping[str | None, int | None]] = {
    "M1": 1, "M2": 2, "M3": 3, "M4": 4, "M0": None, "X9": None, None: None,
}  # fmt: skip
_LEVELS: Final[Mapping[str | None, int | None]] = {
    "M1": 1, "M2": 2, "M3": 3, "M0": None, None: None,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Register:
    """A register that is a flag: on it or not, without a level."""

    kind: str = "risk.flag_raised"
    facts: Mapping[str, JsonObject] = field(default_factory=dict)
    assertions: Mapping[str, Assertion] = field(default_factory=dict)


_CHILD: Final = _Register(
    kind="safeguarding.child_concern",
    facts={"children": {"at_risk": True}},
    assertions={"children": "assessment"},
)
_FLAGS: Final[Mapping[str | None, _Register]] = {
    "RCCO": _CHILD,
    "RCPR": _CHILD,
    "RVAD": _Register(kind="safeguarding.adult_concern"),  # at risk, or a risk: it may be either
    "STRG": _Register(),  # gangs
    "AVIS": _Register(),  # a ViSOR record is held; its reference is not in the event
    "WEAP": _Register(),
    "WRSM": _Register(),  # warrant or summons
    "ASFO": _Register(facts={"offence": {"serious_further_offence": True}}),
}
# Says that a victim contact scheme applies, not that a victim opted in: that unit says so itself.
_VICTIM_CONTACT: Final = "INVI"


def added(event: DomainEvent) -> Report:
    """Return what a new registration states.

    Raises:
        UnsupportedEvent: a register of no concern, or (for a human) a category or level with no
            meaning.
        MalformedEvent: a date or a member that is read is not in its form.
    """
    flag = _FLAGS.get(event.text("registerTypeCode"))
    if flag is None:
        return updated(event)
    _no_codes(event)
    facts = flag.facts or _which(event)
    return _report(event, flag.kind, facts, {"rosh": "fact", **flag.assertions})


def updated(event: DomainEvent) -> Report:
    """Return the MAPPA status or the risk of serious harm that a registration states.

    Raises:
        UnsupportedEvent, MalformedEvent: as `added`; or an update of a flag already raised.
    """
    register = event.text("registerTypeCode")
    if register == _MAPPA:
        return _report(event, "mappa.level_changed", {"mappa": _mappa(event)})
    _no_codes(event)
    if register in _ROSH:
        return _report(event, "risk.assessed", {"rosh": _rosh(event, _ROSH[register])})
    if register in _FLAGS:
        raise event.passed_over("registerTypeCode", "a flag already raised: not said what changed")
    raise _other_register(event)


def deregistered(event: DomainEvent) -> Report:
    """Return that someone is no longer managed under MAPPA, or that a flag no longer applies.

    Raises:
        UnsupportedEvent: another register.
        MalformedEvent: a member that is read is not a string.
    """
    if event.text("registerTypeCode") == _MAPPA:
        _no_codes(event)
        return _report(event, "mappa.eligibility_ended", {})
    return _flag_ended(event)


def deleted(event: DomainEvent) -> Report:
    """Return that a flag no longer applies.

    Raises:
        UnsupportedEvent: another register; MAPPA, for a human: a deletion takes an earlier report
            back without saying which, and management may go on under another registration.
        MalformedEvent: a member that is read is not a string.
    """
    if event.text("registerTypeCode") == _MAPPA:
        raise event.unclear("registerTypeCode", "takes back a report of MAPPA, not said which")
    return _flag_ended(event)


def mappa_information(event: DomainEvent) -> Report:
    """Return the MAPPA category that nDelius holds for the case.

    Raises:
        UnsupportedEvent: the category is unknown, or (for a human) no category at all.
        MalformedEvent: no category, or not a whole number.
    """
    mappa = event.additional.object("mappa")
    category = None if mappa is None else mappa.number("category")
    if category is None:
        raise event.malformed(".additionalInformation.mappa.category", "required")
    if category == 0:
        raise event.passed_over("mappa.category", "0 is unknown upstream: nothing is stated")
    if not 1 <= category <= 4:
        raise event.unclear("mappa.category", "not a category with a known meaning")
    return Report(
        kind="mappa.category_changed",
        system=NDELIUS,
        told_apart_by=(event.reference("contactId"),),
        facts={"mappa": {"category": category}},
    )


def _flag_ended(event: DomainEvent) -> Report:
    register = event.text("registerTypeCode")
    _no_codes(event)
    if register in _ROSH:
        raise event.passed_over(
            "registerTypeCode",
            "the level of risk that takes its place is a registration of its own",
        )
    if register in _FLAGS:
        return _report(event, "risk.flag_ended", _which(event), {"rosh": "fact"})
    raise _other_register(event)


def _which(event: DomainEvent) -> Mapping[str, JsonObject]:
    """Return which register it is, where no group has room for what it registers."""
    return {"rosh": {"flags": [f"NDELIUS:{event.text('registerTypeCode')}"]}}


def _no_codes(event: DomainEvent) -> None:
    # Only MAPPA has a category and a level: producers send them empty elsewhere.
    event.additional.ignore("registrationCategoryCode", "registrationLevelCode")


def _mappa(event: DomainEvent) -> JsonObject:
    category = _coded(event, "registrationCategoryCode", _CATEGORIES)
    level = _coded(event, "registrationLevelCode", _LEVELS)
    stated = {"category": category, "level": level}
    return {name: number for name, number in stated.items() if number is not None}


def _rosh(event: DomainEvent, overall: str) -> JsonObject:
    date = event.text("registrationDate")
    if date is None:  # an update does not repeat it
        return {"overall": overall}
    try:
        return {"overall": overall, "assessed_on": parse_java_date(date).date().isoformat()}
    except ValueError as error:
        raise event.malformed(".additionalInformation.registrationDate", str(error)) from None


def _coded(event: DomainEvent, name: str, meanings: Mapping[str | None, int | None]) -> int | None:
    code = event.text(name)
    if code not in meanings:
        raise event.unclear(name, "not a code with a known meaning")
    return meanings[code]


def _report(
    event: DomainEvent,
    kind: str,
    facts: Mapping[str, JsonObject],
    assertions: Mapping[str, Assertion] | None = None,
) -> Report:
    # A registration and its end have ids of their own.
    told_apart_by = (
        event.text("registerTypeCode") or "",
        event.reference("registrationId") or event.reference("deregistrationId"),
    )
    return Report(
        kind=kind,
        system=NDELIUS,
        told_apart_by=told_apart_by,
        facts=facts,
        assertions=assertions or {},
    )


def _other_register(event: DomainEvent) -> UnsupportedEvent:
    if event.text("registerTypeCode") == _VICTIM_CONTACT:
        reason = "says that victim contact applies, not that a victim opted in"
    else:
        reason = "registrations of this type are not translated"
    return event.passed_over("registerTypeCode", reason)
