"""Whose case a document is, as of when, and the dates in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from adapters.kit.dates import LONDON, in_london, parse_date, parse_java_date, rfc3339
from adapters.kit.members import Members
from adapters.kit.statement import Assertion
from gateway.model.groups import parse_time
from gateway.model.strict_json import Json, JsonObject

NDELIUS: Final = "nDelius"

# What shows that a document is one of these parts itself.
_DETAIL: Final = ("level", "levelDescription", "category", "categoryDescription", "reviewDate")
_LIMITS: Final = (
    "userExcluded", "userRestricted", "excludedFrom", "restrictedTo", "exclusionMessage",
    "restrictionMessage",
)  # fmt: skip

# canonical name -> the names nDelius and its services give it
_IDENTIFIERS: Final[Mapping[str, tuple[str, ...]]] = {
    "crn": ("crn",),
    "noms": ("noms", "nomsNumber", "nomsId"),
    "pnc": ("pnc", "pncNumber"),
    "cro": ("cro", "croNumber"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What every statement of one document shares."""

    identifiers: JsonObject
    as_of: str | None  # RFC 3339: when the document was read from nDelius
    registrations: tuple[Members, ...]
    detail: Members | None
    limits: Members | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing a document states."""

    kind: str
    at: str  # RFC 3339
    facts: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    told_apart_by: Sequence[str] = ()
    assertions: Mapping[str, Assertion] = field(default_factory=dict)
    identifiers: JsonObject | None = None  # where not all of the case's


def case_of(document: Members) -> Case:
    """Return the case a document is about, and what it holds: parts in their wrapper, or one bare.

    Raises:
        MalformedEvent: no identifier, or `asOf` is no time.
        UnsupportedEvent: two identifiers of one kind that differ (for a human).
    """
    records = document.objects("registrations")
    if not records and "registerTypeCode" in document:
        records = (document,)
    detail = _part(document, "mappaDetail", _DETAIL)
    limits = _part(document, "accessLimitations", _LIMITS)
    found: JsonObject = {}
    for one in (document, document.object("identifiers"), *records, limits):
        if one is not None:
            found = _same_person(document, found, _identifiers(one))
    if not found:
        raise document.malformed("crn", "names nobody: state crn, noms, pnc or cro")
    return Case(
        identifiers=found,
        as_of=moment(document, "asOf"),
        registrations=records,
        detail=detail,
        limits=limits,
    )


def _part(document: Members, name: str, bare: tuple[str, ...]) -> Members | None:
    part = document.object(name)
    return document if part is None and any(one in document for one in bare) else part


def _identifiers(members: Members) -> JsonObject:
    found: JsonObject = {}
    for canonical, names in _IDENTIFIERS.items():
        for name in names:
            value = members.text(name)
            if value is None:
                continue
            if found.setdefault(canonical, value) != value:
                raise members.unclear(name, _AT_ODDS, event_type="ndelius.case")
    return found


def _same_person(document: Members, one: JsonObject, other: JsonObject) -> JsonObject:
    for name in one.keys() & other.keys():
        if one[name] != other[name]:
            raise document.unclear(name, _AT_ODDS, event_type="ndelius.case")
    return one | other


_AT_ODDS: Final = "the document names two persons"


def moment(members: Members, name: str) -> str | None:
    """Return an RFC 3339 time: of a Java date, an RFC 3339 time, or the first of a day in London.

    Raises:
        MalformedEvent: another form, or no such time.
    """
    text = members.text(name)
    if text is None:
        return None
    try:
        if text[:3].isalpha():
            return rfc3339(parse_java_date(text))
        if len(text) == len("YYYY-MM-DD"):
            return rfc3339(in_london(datetime.fromisoformat(parse_date(text))))
    except ValueError as error:
        raise members.malformed(name, str(error)) from None
    return members.time(name)


def day(members: Members, name: str) -> str | None:
    """Return the day in London of a date in any form that `moment` takes."""
    time = moment(members, name)
    return None if time is None else parse_time(time).astimezone(LONDON).date().isoformat()
