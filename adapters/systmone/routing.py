"""Who treats the person: the practice before prison, the one now, the mental health team."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from adapters.contract import UnsupportedEvent
from adapters.kit.fhir_text import (
    ACT_CODE,
    ODS_SYSTEMS,
    SNOMED,
    Coding,
    References,
    Resource,
    codings,
    day,
    extensions,
)
from adapters.kit.members import Members
from adapters.systmone.codes import (
    CARE_COORDINATORS,
    CARE_TEAM,
    COMMUNITY_MENTAL_HEALTH,
    IN_REACH,
    MEDICATION,
    MENTAL_HEALTH_SETTINGS,
    NOT_RECORDED,
    OTHER_TEAM,
    PLAIN_SENSITIVITIES,
    PRACTICE_SETTING_LISTS,
    PRIOR_PRACTICE,
)
from gateway.model.groups import parse_time
from gateway.model.problem import Problem
from gateway.model.strict_json import Json, JsonObject

TYPE: Final = "care-team"


def practices(
    patient: Resource, found: Mapping[str, list[Members]], references: References
) -> dict[str, Json]:
    """Return the practice registered with now, and the one before prison, as far as stated.

    The two are never taken for each other: a prison that registers a person takes the place of
    their community practice (HSSIB 2025).

    Args:
        patient: Whose.
        found: Their extensions, by URL.
        references: Of the message.

    Raises:
        UnsupportedEvent: two practices where one is meant.
    """
    stated: list[Json] = []
    for reference in patient.members.objects("generalPractitioner"):
        practice = _practice(reference, patient, references)
        if practice is None:
            patient.members.note("generalPractitioner", "a practice that this does not name")
        else:
            stated.append(practice)
    facts: dict[str, Json] = {}
    if stated:
        facts["registered_practice"] = _only(stated, patient.members, "generalPractitioner")
    prior = [
        one
        for extension in found.get(PRIOR_PRACTICE, ())
        if (one := _prior(extension, patient, references)) is not None
    ]
    if prior:
        facts["community_gp"] = _only(prior, patient.members, "extension")
    return facts


def arrangements(patient: Members, found: Mapping[str, list[Members]]) -> dict[str, Json]:
    """Return whether in-reach has the person on its caseload, and medication is arranged for.

    Raises:
        UnsupportedEvent: stated twice.
    """
    facts: dict[str, Json] = {}
    for member, url in (("in_reach_caseload", IN_REACH), ("medication_continuity", MEDICATION)):
        stated = {one.flag("valueBoolean") for one in found.get(url, ())} - {None}
        if len(stated) > 1:
            raise patient.unclear("extension", "yes and no", event_type=TYPE)
        if stated:
            facts[member] = stated.pop()
    return facts


def mental_health_team(
    teams: Iterable[Resource], references: References, *, as_of: str, whole: bool
) -> dict[str, Json] | None:
    """Return the community mental health team and its care coordinator; None if there is none.

    Args:
        teams: The care teams about the person.
        references: Of the message.
        as_of: When the record says so: RFC 3339.
        whole: Whether the record says that it is whole.

    Raises:
        UnsupportedEvent: two such teams; or, in a whole record without one, an active team that
            does not say what it is for.
    """
    ours: list[dict[str, Json]] = []
    hidden = False
    untold: list[Members] = []
    for team in teams:
        members = team.members
        kind, status = _kind(members), members.text("status")
        if status == "active" and kind == COMMUNITY_MENTAL_HEALTH and not _says_too_much(team):
            ours.append(_team(team, references, as_of))
            continue
        members.ignore(*members.names)
        if status != "active":
            members.note("status", "not an active care team: nothing is taken from it")
        elif kind is None:
            members.note("category", "does not say what the team is for: nothing is taken from it")
            untold.append(members)
        elif kind == COMMUNITY_MENTAL_HEALTH:
            members.note("meta", "labelled sensitive: the team is not named")
            hidden = True
        else:
            members.note("category", "another kind of team: nothing is taken from it")
    if not ours and untold and whole:
        raise untold[0].unclear("category", "may be the mental health team or not", event_type=TYPE)
    if len({str(facts) for facts in ours}) > 1:
        problem = Problem(path="$.entry", reason="needs a human: two active mental health teams")
        raise UnsupportedEvent(problem, event_type=TYPE, needs_human=True)
    if not ours:
        return {} if hidden else None
    return ours[0]


def about(
    resource: Resource, patient: Resource, numbers: Mapping[str, Json], references: References
) -> None:
    """Make sure that a resource is about this person.

    Raises:
        UnsupportedEvent: it is about somebody else, or nobody in the message.
    """
    subject = resource.members.object("subject")
    if subject is None:
        return
    subject.ignore("display")
    given = subject.object("identifier")
    if given is not None:
        given.ignore("id", "use", "type", "system", "period", "assigner", "extension")
        if given.text("value") in (numbers.get("nhs_number"), numbers.get("noms")):
            subject.ignore("reference", "type")
            return
    if references.find(subject, resource) is not patient:
        raise resource.members.unclear(
            "subject", "about someone who is not the one Patient here", event_type=TYPE
        )


def _only(stated: Sequence[Json], of: Members, name: str) -> Json:
    if len({str((isinstance(one, dict) and one.get("ods")) or one) for one in stated}) > 1:
        raise of.unclear(name, "two practices where one is meant", event_type=TYPE)
    return stated[0]


def _prior(extension: Members, patient: Resource, references: References) -> Json:
    if extension.text("valueCode") == NOT_RECORDED:
        return NOT_RECORDED
    parts = extensions(extension)
    found: JsonObject | None = None
    for part in parts.get("practice", ()):
        reference = part.object("valueReference")
        found = _practice(reference, patient, references) if reference else None
    captured = next((day(part, "valueDate") for part in parts.get("captured", ())), None)
    if found is None:
        extension.note("extension", "a practice that this does not name")
        return None
    return found | ({"captured_on": captured} if captured else {})


def _practice(
    reference: Members, within: Resource, references: References, *, by_role: bool = True
) -> JsonObject | None:
    """Return a practice by name and ODS code; None where it cannot be told from this message.

    A role is followed to its organisation once: a role of a role is nothing.
    """
    shown, given = reference.text("display"), reference.object("identifier")
    kind = reference.text("type") or (reference.text("reference") or "").partition("/")[0]
    found = references.find(reference, within)
    if found is not None and found.type == "PractitionerRole" and by_role:
        inner = found.members.object("organization")
        return _practice(inner, found, references, by_role=False) if inner else None
    if found is not None and found.type == "Organization":
        return organization(found)
    ods = _ods([given]) if given is not None else None
    if found is None and ods:
        return {"name": shown or ods, "ods": ods}
    return {"name": shown} if found is None and shown and kind == "Organization" else None


def organization(found: Resource) -> JsonObject | None:
    """Return an organisation by name, ODS code and telephone; None where it has neither."""
    members = found.members
    if _says_too_much(found):
        members.note("meta", "labelled sensitive: the organisation is not named")
        return None
    ods = _ods(members.objects("identifier"))
    called = members.text("name") or ods  # known by its code alone, as ODS publishes it
    if called is None:
        return None
    stated: JsonObject = {"name": called}
    if ods:
        stated["ods"] = ods
    telephone = _telephone(members)
    return stated | ({"telephone": telephone} if telephone else {})


def _ods(identifiers: Iterable[Members]) -> str | None:
    found: list[str] = []
    for one in identifiers:
        one.ignore("id", "use", "type", "period", "assigner", "extension")
        system, value = one.text("system"), one.text("value")
        if system in ODS_SYSTEMS and value:
            found.append(value)
    return min(found, key=len) if found else None  # the organisation before one of its sites


def _telephone(members: Members) -> str | None:
    found: list[str] = []
    for one in members.objects("telecom"):
        one.ignore("id", "extension", "rank", "period")
        system, use, value = one.text("system"), one.text("use"), one.text("value")
        if system == "phone" and use != "old" and value:
            found.append(value)
    return found[0] if found else None


def _kind(team: Members) -> str | None:
    """Return what a team is for, by code and never by name; None where it does not say."""
    found = [coding for one in team.objects("category") for coding in codings(one)]
    if any(_is_mental_health(coding) for coding in found):
        return COMMUNITY_MENTAL_HEALTH
    told = any(coding.system in PRACTICE_SETTING_LISTS for coding in found)
    return OTHER_TEAM if told or Coding(CARE_TEAM, OTHER_TEAM) in found else None


def _is_mental_health(coding: Coding) -> bool:
    if coding.system in PRACTICE_SETTING_LISTS:
        return coding.code in MENTAL_HEALTH_SETTINGS
    return coding == Coding(CARE_TEAM, COMMUNITY_MENTAL_HEALTH)


def _says_too_much(resource: Resource) -> bool:
    """Whether a label tells what somebody is consulted for: the name alone would give it away."""
    return any(
        one.system == ACT_CODE and one.code not in PLAIN_SENSITIVITIES
        for one in resource.meta.labels
    )


def _team(team: Resource, references: References, as_of: str) -> dict[str, Json]:
    members = team.members
    # How long and why it treats the person is clinical; a note is prose.
    members.ignore("identifier", "encounter", "period", "reasonCode", "reasonReference", "note")
    members.ignore("extension")
    name, telephone = members.text("name"), _telephone(members)
    stated: JsonObject = {"name": name} if name else {}
    for reference in members.objects("managingOrganization"):
        stated = _practice(reference, team, references) or stated
    if name:
        stated["name"] = name
    if telephone:
        stated["telephone"] = telephone
    facts: dict[str, Json] = {"mental_health_team": stated} if stated.get("name") else {}
    names = {one for one in _coordinators(team, references, as_of) if one}
    if len(names) > 1:
        raise members.unclear("participant", "two care coordinators", event_type=TYPE)
    return facts | ({"care_coordinator": names.pop()} if names else {})


def _coordinators(team: Resource, references: References, as_of: str) -> Iterable[str | None]:
    for one in team.members.objects("participant"):
        one.ignore("id", "extension", "onBehalfOf")
        roles = [coding for role in one.objects("role") for coding in codings(role)]
        member, period = one.object("member"), one.object("period")
        ended = period is not None and _ended(period, as_of)
        shown = member.text("display") if member is not None else None
        if member is not None:
            member.ignore("identifier", "type", "extension")
            found = references.find(member, team)
            shown = _person(found, references) or shown
        if not ended and any(_coordinates(role) for role in roles):
            yield shown


def _coordinates(role: Coding) -> bool:
    return (role.system == SNOMED and role.code in CARE_COORDINATORS) or role == Coding(
        CARE_TEAM, "care-coordinator"
    )


def _person(found: Resource | None, references: References) -> str | None:
    if found is not None and found.type == "PractitionerRole":
        inner = found.members.object("practitioner")
        if inner is None:
            return None
        whom = references.find(inner, found)
        is_role = whom is not None and whom.type == "PractitionerRole"
        return None if is_role else _person(whom, references) or inner.text("display")
    if found is None or found.type != "Practitioner":
        return None
    for name in found.members.objects("name"):
        name.ignore(*name.names)
        given = " ".join((*name.texts("given"), name.text("family") or "")).strip()
        return given or name.text("text")
    return None


def _ended(period: Members, as_of: str) -> bool:
    period.ignore("id", "extension", "start")
    end = day(period, "end")
    return end is not None and datetime.fromisoformat(end).date() < parse_time(as_of).date()
