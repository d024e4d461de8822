"""Registrations: MAPPA, risk of serious harm, and the registers that only raise a flag."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from adapters.contract import UnsupportedEvent
from adapters.kit.members import Members
from adapters.kit.statement import Assertion
from adapters.ndelius.case import Case, Found, day, moment
from adapters.ndelius.mappa import coded, kind_for
from gateway.model.strict_json import JsonObject

_EVENT: Final = "ndelius.registration"
_ROSH: Final = {"RLRH": "low", "RMRH": "medium", "RHRH": "high"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Register:
    """A register that is a flag: on it or not. Where being on it states no fact, no field group has
    a place for it: the alert says that a flag was raised, and nDelius says which."""

    kind: str = "risk.flag_raised"
    facts: Mapping[str, JsonObject] = field(default_factory=dict)


_CHILD: Final = _Register(kind="safeguarding.child_concern", facts={"children": {"at_risk": True}})
_FLAGS: Final[Mapping[str, _Register]] = {
    "RCCO": _CHILD,  # child concerns
    "RCPR": _CHILD,  # child protection
    "RVAD": _Register(kind="safeguarding.adult_concern"),  # at risk, or a risk: it may be either
    "STRG": _Register(),  # gangs
    "WEAP": _Register(),  # weapons
    "AVIS": _Register(),  # a ViSOR record is held; the register states no reference
    "ASFO": _Register(facts={"offence": {"serious_further_offence": True}}),
    "WRSM": _Register(),  # warrant or summons
}
_CONCERNS: Final[Mapping[str, Assertion]] = {"children": "assessment"}
# Says that a victim contact scheme applies, not that a victim opted in: that unit says so itself.
_VICTIM_CONTACT: Final = "INVI"
_REGISTERS: Final = {code: code for code in ("MAPP", *_ROSH, *_FLAGS, _VICTIM_CONTACT)}
_ROSH_LABEL: Final = re.compile(
    r"(very high|high|medium|low) (?:rosh|risk of serious harm)", re.IGNORECASE
)


def registrations(case: Case) -> tuple[Found, ...]:
    """Return what a document's registrations state, or the one registration that it is.

    Raises:
        MalformedEvent: a date, a register or a time is missing or not in its form.
        UnsupportedEvent: nothing but a risk register left, or victim contact; or, for a human, a
            code without a meaning or one its description contradicts.
    """
    found: list[Found] = []
    passed_over: UnsupportedEvent | None = None
    for record in case.registrations:
        try:
            found.append(_registration(record, case))
        except UnsupportedEvent as error:
            if error.needs_human:
                raise
            passed_over = passed_over or error
            record.note("registerTypeCode", error.problems[0].reason)
    if passed_over is not None and not found:
        raise passed_over
    return tuple(found)


def _registration(record: Members, case: Case) -> Found:
    register = record.code("registerTypeCode", _REGISTERS, event_type=_EVENT)
    if register is None:
        raise record.malformed("registerTypeCode", "required")
    # The number of the de-registration itself: the registration's own number tells them apart.
    record.ignore("deregistrationId")
    left = moment(record, "deregistrationDate")
    recorded, registered = _recorded(record), moment(record, "registrationDate")
    at = left or recorded or case.as_of or registered
    if at is None:
        raise record.malformed("createdDateAndTime", "states no time, and the document no asOf")
    registered_on = day(record, "registrationDate")
    number = _number(record)
    if register == "MAPP":
        return _mappa(record, at, number, left=left is not None)
    if register in _ROSH:
        return _rosh(record, register, at, number, registered_on, left=left is not None)
    record.ignore("registerTypeDescription", *_UNUSED)
    if register == _VICTIM_CONTACT:
        reason = "says that victim contact applies, not that a victim opted in"
        raise record.unsupported("registerTypeCode", reason, event_type=_EVENT)
    flag = _FLAGS[register]
    which: Mapping[str, JsonObject] = {"rosh": {"flags": [f"NDELIUS:{register}"]}}
    return Found(
        kind=flag.kind if left is None else "risk.flag_ended",
        at=at,
        facts=flag.facts if flag.facts and left is None else which,
        told_apart_by=(register, number),
        assertions={"rosh": "fact", **_CONCERNS},
    )


# Empty on every register but MAPP.
_UNUSED: Final = (
    "registrationCategoryCode", "registrationCategoryDescription",
    "registrationLevelCode", "registrationLevelDescription",
)  # fmt: skip


def _mappa(record: Members, at: str, number: str, *, left: bool) -> Found:
    record.ignore("registerTypeDescription")
    facts = coded(record, "registration", event_type=_EVENT)
    if left:  # whatever category and level it had, it has no longer
        return Found(kind="mappa.eligibility_ended", at=at, told_apart_by=("MAPP", number))
    return Found(
        kind=kind_for(record, "registrationLevelCode", facts),
        at=at,
        facts={"mappa": facts},
        # A level changed on the same registration is another event.
        told_apart_by=("MAPP", number, str(facts.get("category")), str(facts.get("level"))),
    )


def _rosh(
    record: Members, register: str, at: str, number: str, registered_on: str | None, *, left: bool
) -> Found:
    record.ignore(*_UNUSED)
    overall = _ROSH[register]
    label = _ROSH_LABEL.fullmatch(record.text("registerTypeDescription") or "")
    if label is not None and label[1].lower() != overall:
        reason = "code and description differ"
        raise record.unclear("registerTypeDescription", reason, event_type=_EVENT)
    if left:
        # There is no such thing as no risk: a level that is left says nothing of the next one.
        reason = "the end of a risk registration states no level"
        raise record.unsupported("deregistrationDate", reason, event_type=_EVENT)
    return Found(
        kind="risk.assessed",
        at=at,
        facts={"rosh": {"overall": overall, "assessed_on": registered_on}},
        told_apart_by=(register, number),
    )


def _recorded(record: Members) -> str | None:
    created, updated = moment(record, "createdDateAndTime"), moment(record, "updatedDateAndTime")
    return updated or created


def _number(record: Members) -> str:
    """Return the registration's number, which nDelius writes as text or as a number."""
    value = record.raw("registrationId")
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise record.malformed("registrationId", "must be text or a whole number")
    return "" if value is None else str(value)
