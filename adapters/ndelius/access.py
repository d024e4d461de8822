"""Limited access: who on the staff may not see a case, as the gateway can keep it.

nDelius names members of staff; the gateway tells organisations and their recipients, and cannot
keep out one reader of a shared mailbox. So a limit on members of staff restricts the case, which
makes a human decide who is told, name by name; only organisations are let through or kept out.
Source: minimisation rule 3.4(3): a limit can only narrow.
"""

from typing import Final

from adapters.kit.members import Members
from adapters.ndelius.case import Case, Found
from gateway.model.problem import MalformedEvent, Problem
from gateway.model.strict_json import Json, JsonObject

_EVENT: Final = "ndelius.access-limitations"
_LISTS: Final = ("excludedFrom", "restrictedTo")
_STAFF: Final = "members of staff are no recipients: a human decides who is told"


def access_limitation(case: Case) -> tuple[Found, ...]:
    """Return that a case is restricted, or no longer; nothing where no limit is stated.

    Raises:
        MalformedEvent: no `asOf` or `crn`, or a member is not in its form.
    """
    handling = {} if case.limits is None else _handling(case.limits)
    if not handling:
        return ()
    if case.as_of is None:
        reason = "required with access limitations, which state no time"
        raise MalformedEvent(Problem(path="$.asOf", reason=reason))
    if "crn" not in case.identifiers:
        raise MalformedEvent(Problem(path="$.crn", reason="required with access limitations"))
    # The one kind that nobody is told of. One identifier only: this links no record to another.
    return (
        Found(
            kind="person.linked",
            at=case.as_of,
            facts={"handling": handling},
            told_apart_by=(_EVENT,),
            identifiers={"crn": case.identifiers["crn"]},
        ),
    )


def _handling(limits: Members) -> JsonObject:
    # Why, in words that may name whoever is protected: only that there is a reason is read.
    why_excluded = limits.text("exclusionMessage") is not None
    why_restricted = limits.text("restrictionMessage") is not None
    flags = [limits.flag(name) is True for name in ("userExcluded", "userRestricted")]
    excluded, staff_excluded = _named(limits, "excludedFrom")
    allowed, staff_allowed = _named(limits, "restrictedTo")
    unnamed = why_excluded and not excluded
    restricted = any((*flags, why_restricted, unnamed, staff_excluded, staff_allowed, allowed))
    handling: JsonObject = {}
    if restricted:
        handling["restricted"] = True
    elif not excluded and all(_said_empty(limits, name) for name in _LISTS):
        handling["restricted"] = False  # for one user to see a case is not for all: lists alone
    if allowed:
        handling["restricted_to"] = allowed
    if excluded:
        handling["excluded"] = excluded
    return handling


def _said_empty(limits: Members, name: str) -> bool:
    return limits.raw(name) == []


def _named(limits: Members, name: str) -> tuple[list[Json], bool]:
    """Return the organisations of a list, and whether it names anybody who is none."""
    organisations: list[Json] = []
    staff = False
    for entry in limits.objects(name):
        # An address or a username of staff: personal, and of no recipient.
        entry.ignore("email", "username")
        organisation = entry.text("organisation")
        if organisation is None:
            staff = True
            entry.note("email", _STAFF)
        else:
            organisations.append(organisation)
    return organisations, staff
