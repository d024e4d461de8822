"""Probation registrations: MAPPA status and risk of serious harm, as registered in nDelius; and
the licence, which a service of its own keeps.

Source: hmpps-domain-events ``probation-case/registration-*``; hmpps-integration-api register codes.
"""

from collections.abc import Mapping
from typing import Final

from adapters.contract import UnsupportedEvent
from adapters.hmpps_domain_events.envelope import DomainEvent
from adapters.hmpps_domain_events.report import NDELIUS, Report
from adapters.hmpps_domain_events.times import parse_java_date
from gateway.model.strict_json import JsonObject

ADDED: Final = "probation-case.registration.added"
UPDATED: Final = "probation-case.registration.updated"
DEREGISTERED: Final = "probation-case.registration.deregistered"
LICENCE_ACTIVATED: Final = "create-and-vary-a-licence.licence.activated"

_MAPPA: Final = "MAPP"
_ROSH: Final = {"RLRH": "low", "RMRH": "medium", "RHRH": "high"}
# None: nDelius itself does not know (0 in its own tables), so nothing is stated. Never 1.
_CATEGORIES: Final[Mapping[str | None, int | None]] = {
    "M1": 1, "M2": 2, "M3": 3, "M4": 4, "M0": None, "X9": None, None: None,
}  # fmt: skip
_LEVELS: Final[Mapping[str | None, int | None]] = {
    "M1": 1, "M2": 2, "M3": 3, "M0": None, None: None,
}  # fmt: skip


def registered(event: DomainEvent) -> Report:
    """Return the MAPPA status or the risk of serious harm that a registration states.

    Raises:
        UnsupportedEvent: another register, or (for a human) a category or level with no meaning.
        MalformedEvent: a date or a member that is read is not in its form.
    """
    register = event.text("registerTypeCode")
    if register == _MAPPA:
        return _report(event, "mappa.level_changed", {"mappa": _mappa(event)})
    if register in _ROSH:
        return _report(event, "risk.assessed", {"rosh": _rosh(event, _ROSH[register])})
    raise _other_register(event)


def deregistered(event: DomainEvent) -> Report:
    """Return that someone is no longer managed under MAPPA.

    Raises:
        UnsupportedEvent: another register.
        MalformedEvent: a member that is read is not a string.
    """
    if event.text("registerTypeCode") != _MAPPA:
        raise _other_register(event)
    return _report(event, "mappa.eligibility_ended", {})


def licence_activated(event: DomainEvent) -> Report:
    """Return that a licence is in force; its conditions are not in the event.

    Raises:
        MalformedEvent: a member that is read is not a string.
    """
    return Report(
        kind="licence.activated",
        system="Create and Vary a Licence",
        told_apart_by=(event.text("licenceId") or "",),
    )


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
        raise event.unsupported(
            f".additionalInformation.{name}",
            "needs a human: not a code with a known meaning",
            needs_human=True,
        )
    return meanings[code]


def _report(event: DomainEvent, kind: str, facts: Mapping[str, JsonObject]) -> Report:
    told_apart_by = (event.text("registerTypeCode") or "", event.text("registrationId") or "")
    return Report(kind=kind, system=NDELIUS, told_apart_by=told_apart_by, facts=facts)


def _other_register(event: DomainEvent) -> UnsupportedEvent:
    return event.unsupported(
        ".additionalInformation.registerTypeCode",
        "registrations of this type are not translated",
        needs_human=False,
    )
