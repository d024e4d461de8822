"""A stay in prison healthcare that ends, or is to end, with a return to the community."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from adapters.kit.fhir_text import ACT_CODE, Resource, coding, codings, day, extensions
from adapters.kit.members import Members
from adapters.systmone.codes import (
    DESTINATION_LISTS,
    DESTINATIONS,
    DISCHARGE_METHOD,
    LEGAL_STATUS,
    LEGAL_STATUS_LISTS,
    LEGAL_STATUS_UNSTATED,
    LEGAL_STATUSES,
    METHOD_LISTS,
    METHODS,
    Destination,
    Method,
)
from adapters.systmone.person import coded

TYPE: Final = "discharge"

_GOING_ON: Final = frozenset({"planned", "arrived", "triaged", "in-progress", "onleave"})
_TAKEN_BACK: Final = frozenset({"cancelled", "entered-in-error"})
_STAY: Final = frozenset({"IMP", "ACUTE", "NONAC"})  # an inpatient stay, of v3 ActCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Discharge:
    """What one Encounter says of leaving prison healthcare for the community."""

    finished: bool
    date: str | None  # of an end that is proposed, or was


def discharge(encounter: Resource, found: Mapping[str, list[Members]]) -> Discharge | None:
    """Return the discharge that an Encounter reports, or None and a note saying what it is instead.

    Args:
        encounter: Of the person.
        found: Its extensions, by URL.

    Raises:
        UnsupportedEvent: death, a move to a hospital, a discharge taken back, codes that are
            unknown or contradict each other: a human must look.
    """
    members = encounter.members
    status = members.needed("status")
    period = members.object("period")
    end = None
    if period is not None:
        period.ignore("id", "extension", "start")
        end = day(period, "end")
    destination, method = _destination(members), _method(found)
    kind = members.object("class")
    # Where, by whom and why the person was seen is clinical.
    members.ignore(*members.names)
    seen = coding(kind) if kind is not None else None
    is_stay = seen is not None and seen.system == ACT_CODE and seen.code in _STAY
    if not is_stay and destination is None and method is None:
        members.note("class", "a visit, not a stay: no discharge")
        return None
    if status in _TAKEN_BACK:
        raise members.unclear("status", "a stay taken back: who was told?", event_type=TYPE)
    if status not in _GOING_ON and status != "finished":
        raise members.unclear("status", "not a code with a known meaning", event_type=TYPE)
    return _judged(members, status == "finished", end, destination, method)


def legal_status(found: Mapping[str, list[Members]], of: Members) -> str | None:
    """Return the legal status under the Mental Health Act, as two digits, if one is stated.

    That on discharge counts before that on admission.

    Raises:
        UnsupportedEvent: an unknown code, another country's list, or two for one context.
    """
    stated: dict[str, set[str]] = {}
    for extension in found.get(LEGAL_STATUS, ()):
        parts = extensions(extension)
        contexts = [
            one.code
            for part in parts.get("legalStatusContext", ())
            for one in codings(part.object("valueCodeableConcept"))
        ]
        for part in parts.get("legalStatusClassification", ()):
            classes = codings(part.object("valueCodeableConcept"))
            codes = coded(classes, LEGAL_STATUS_LISTS)
            if not codes <= LEGAL_STATUSES | LEGAL_STATUS_UNSTATED or (classes and not codes):
                raise of.unclear("extension", "not a code with a known meaning", event_type=TYPE)
            stated.setdefault(contexts[0] if contexts else "", set()).update(codes)
    latest = next((stated[one] for one in ("discharge", "", "admission") if stated.get(one)), set())
    if len(latest) > 1:
        raise of.unclear("extension", "two legal statuses", event_type=TYPE)
    return next(iter(latest - LEGAL_STATUS_UNSTATED), None)


def judge(destination: Destination | None, of: Members, name: str) -> str | None:
    """Return why a destination is no return to the community; None where it is, or is not told.

    Raises:
        UnsupportedEvent: the person died, or goes to a hospital: a human must look.
    """
    if destination == "died":
        raise of.unclear(name, "the person died", event_type=TYPE)
    if destination == "hospital":
        raise of.unclear(name, "to a hospital: not a return to the community", event_type=TYPE)
    return "to court, custody or a ward: no release" if destination == "elsewhere" else None


def _judged(
    members: Members,
    finished: bool,
    end: str | None,
    destination: Destination | None,
    method: Method | None,
) -> Discharge | None:
    name = "hospitalization"
    reason = judge(destination, members, name)
    if method == "died":
        raise members.unclear(name, "the person died", event_type=TYPE)
    if finished and "not_discharged" in (destination, method):
        raise members.unclear(name, "finished, and not discharged", event_type=TYPE)
    if reason is None and not finished and end is None:
        reason = "still staying, and no end is proposed"
    if reason is None and finished and destination is None and method is None:
        reason = "ended, and not said to be a discharge"
    if reason:
        members.note(name, reason)
        return None
    return Discharge(finished=finished, date=end)


def _destination(encounter: Members) -> Destination | None:
    stay = encounter.object("hospitalization")
    if stay is None:
        return None
    found = codings(stay.object("dischargeDisposition"))
    stay.ignore(*stay.names)  # how the person came in, what they eat
    codes = coded(found, DESTINATION_LISTS)
    if len(codes) > 1 or not codes <= DESTINATIONS.keys() or (found and not codes):
        raise stay.unclear(
            "dischargeDisposition", "not a code with a known meaning", event_type=TYPE
        )
    return DESTINATIONS[codes.pop()] if codes else None


def _method(found: Mapping[str, list[Members]]) -> Method | None:
    for extension in found.get(DISCHARGE_METHOD, ()):
        stated = codings(extension.object("valueCodeableConcept"))
        codes = coded(stated, METHOD_LISTS)
        if len(codes) != 1 or not codes <= METHODS.keys():
            raise extension.unclear(
                "valueCodeableConcept", "not a code with a known meaning", event_type=TYPE
            )
        return METHODS[codes.pop()]
    return None
