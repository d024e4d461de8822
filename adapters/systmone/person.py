"""Who a record is about: a Patient's numbers and identity."""

import re
from collections.abc import Mapping

from adapters.kit.fhir_text import NHS_NUMBER, Coding, Resource, codings, day, extensions
from adapters.kit.members import Members
from adapters.systmone.codes import (
    NO_NUMBER,
    PRISON_NUMBER,
    SEXES,
    TRACED,
    VERIFICATION,
    VERIFICATION_LISTS,
)
from gateway.model.strict_json import Json

TYPE = "patient"

# A name now borne, the best first; "" is a name of no stated use.
_BORNE = ("official", "usual", "")
_ALIASES = frozenset({"nickname", "old", "maiden"})


def identifiers(patient: Resource) -> Mapping[str, Json]:
    """Return the prison number, the NHS number and whether it was traced.

    Raises:
        UnsupportedEvent: two numbers of one kind, or of two minds whether the number was traced.
        MalformedEvent: it names nobody.
    """
    numbers: dict[str, set[str]] = {"noms": set(), "nhs_number": set()}
    statuses: set[str] = set()
    for one in patient.members.objects("identifier"):
        one.ignore("id", "type", "assigner", "period")
        system, value, use = one.text("system"), one.text("value"), one.text("use")
        found = extensions(one)
        if use == "old" or value is None:
            continue
        if system == PRISON_NUMBER:
            numbers["noms"].add(value)
        elif system == NHS_NUMBER:
            numbers["nhs_number"].add(re.sub("[ -]", "", value))
            for status in found.get(VERIFICATION, ()):
                statuses |= set(_verification(status))
    return person_numbers(patient.members, "identifier", numbers, statuses)


def person_numbers(
    of: Members, name: str, numbers: Mapping[str, set[str]], statuses: set[str]
) -> Mapping[str, Json]:
    """Return numbers that do not contradict each other, as the group of identifiers.

    Raises:
        UnsupportedEvent, MalformedEvent: as `identifiers`.
    """
    if any(len(values) > 1 for values in numbers.values()):
        raise of.unclear(name, "two numbers of one kind", event_type=TYPE)
    stated: dict[str, Json] = {
        kind: next(iter(values)) for kind, values in numbers.items() if values
    }
    if not stated:
        raise of.malformed(name, "names nobody: neither a prison number nor an NHS number")
    if "nhs_number" not in stated or not statuses:
        return stated
    if len(statuses) > 1 or NO_NUMBER in statuses:
        raise of.unclear(name, "contradicts itself on the NHS number's status", event_type=TYPE)
    return stated | {"nhs_number_status": next(iter(statuses))}


def identity(patient: Resource) -> Mapping[str, Json]:
    """Return the name now borne, other names, sex and date of birth.

    Raises:
        UnsupportedEvent: two names of the same use, or a sex that is not a known code.
    """
    members = patient.members
    borne: dict[str, list[Members]] = {}
    for name in members.objects("name"):
        name.ignore("id", "extension", "prefix", "suffix", "text")  # text repeats the parts
        ended = name.object("period")
        if ended is not None:
            ended.ignore("id", "extension", "start")
        use = "old" if ended is not None and ended.text("end") else name.text("use") or ""
        borne.setdefault(use, []).append(name)
    best = next((use for use in _BORNE if use in borne), None)
    stated: dict[str, Json] = {}
    if best is not None:
        if len({_full(name) for name in borne[best]}) > 1:
            raise members.unclear("name", "two names of the same use", event_type=TYPE)
        stated["family_name"] = borne[best][0].text("family")
        stated["given_names"] = " ".join(borne[best][0].texts("given")) or None
    others = {_full(name) for use in _ALIASES & borne.keys() for name in borne[use]} - {""}
    aliases: list[Json] = [*sorted(others)]
    for use in borne.keys() - _ALIASES - {best}:
        for name in borne[use]:
            name.ignore("family", "given")  # temporary, anonymous, or said better elsewhere
    return stated | {
        "aliases": aliases,
        "date_of_birth": day(members, "birthDate"),
        "sex": members.code("gender", SEXES, event_type=TYPE),
    }


def _full(name: Members) -> str:
    return " ".join((*name.texts("given"), name.text("family") or "")).strip()


def _verification(extension: Members) -> list[str]:
    found = codings(extension.object("valueCodeableConcept"))
    if any(coding.system not in VERIFICATION_LISTS for coding in found):
        extension.note("valueCodeableConcept", "a list of codes of another country: not read")
    known = [one.code for one in found if one.system in VERIFICATION_LISTS]
    if any(code not in TRACED for code in known):
        raise extension.unclear(
            "valueCodeableConcept", "not a code with a known meaning", event_type=TYPE
        )
    return known


def coded(found: tuple[Coding, ...], lists: frozenset[str]) -> set[str]:
    """Return the codes that are of these lists. Pure."""
    return {one.code for one in found if one.system in lists}
