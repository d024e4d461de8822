"""Offender Assessment System: the risk of serious harm summary, and the risk to self.

Levels are read in both shapes in which they are published, and never from prose. Levels for the
community are carried; of those for custody, the one for prisoners alone, since nobody else's place
is custody. Source: assess-risks-and-needs and hmpps-integration-api, as published.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from adapters.contract import Adapter, Inbound, Translation, UnsupportedEvent
from adapters.kit.dates import LONDON, in_london, parse_date, rfc3339
from adapters.kit.framing import json_values
from adapters.kit.members import Members
from adapters.kit.statement import Statement, canonical_event
from gateway.model.groups import parse_time
from gateway.model.problem import Problem
from gateway.model.strict_json import JsonObject, read_object

_OASYS: Final = "OASys"
_EVENT: Final = "oasys.risk-summary"

_LEVELS: Final = ("low", "medium", "high", "very_high")  # there is no such thing as no risk
_GROUPS: Final[Mapping[str, str]] = {
    "children": "children",
    "public": "public",
    "knownadult": "known_adult",
    "staff": "staff",
    "prisoners": "prisoners",
}
_ANSWERS: Final[Mapping[str, bool | None]] = {
    "YES": True, "Yes": True,
    "NO": False, "No": False,
    "DK": None, "Don't know": None,
    "NA": None, "N/A": None,
}  # fmt: skip
_NARRATIVE: Final[Mapping[str, str]] = {
    "whoIsAtRisk": "who_is_at_risk",
    "natureOfRisk": "nature",
    "riskIncreaseFactors": "triggers",
    "riskMitigationFactors": "protective_factors",
}
_TO_SELF: Final[Mapping[str, str]] = {
    "suicide": "suicide",
    "selfHarm": "self-harm",
    "custody": "coping in custody",
    "hostelSetting": "coping in a hostel setting",
    "vulnerability": "vulnerability",
}
_IDENTIFIERS: Final = ("crn", "noms", "pnc", "cro")


def translate(body: bytes, source: str) -> Translation:
    """Return the one assessment that a document states.

    Raises:
        MalformedEvent: not JSON, no identifier, no day of assessment, or a member not in its form.
        UnsupportedEvent: no risk is stated, or (for a human) a level without a meaning, levels at
            odds, or answers at odds.
    """
    document = Members(read_object(body))
    identifiers = _identifiers(document)
    assessed_on, as_of = _assessed(document)
    facts = _facts(document, assessed_on)
    if not any(facts.values()):
        nothing = Problem(path="$", reason="states no risk that is told")
        raise UnsupportedEvent(nothing, event_type=_EVENT)
    statement = Statement(
        kind="risk.assessed",
        system=_OASYS,
        as_of=as_of,
        facts={"identifiers": identifiers, **facts},
        told_apart_by=(document.text("assessmentId") or "",),
        assertions={"health_clinical": "assessment"},
    )
    event = canonical_event("oasys", statement, source)
    return Translation(events=(event,), unread=document.unread(), notes=document.notes())


def _identifiers(document: Members) -> JsonObject:
    found: JsonObject = {}
    for name in _IDENTIFIERS:
        if (value := document.text(name)) is not None:
            found[name] = value
    if not found:
        raise document.malformed("crn", "names nobody: state crn, noms, pnc or cro")
    return found


def _assessed(document: Members) -> tuple[str, str]:
    """Return the day of the assessment, and the moment from which it counts."""
    stated = {
        name: time
        for name in ("dateCompleted", "assessedOn")
        if (time := _moment(document, name)) is not None
    }
    if not stated:
        raise document.malformed("dateCompleted", "required: an assessment of no day is of no use")
    days = {parse_time(one).astimezone(LONDON).date().isoformat() for one in stated.values()}
    if len(days) > 1:
        raise document.unclear("assessedOn", "two days of assessment", event_type=_EVENT)
    return days.pop(), next(iter(stated.values()))


def _moment(document: Members, name: str) -> str | None:
    text = document.text(name)
    if text is None or len(text) != len("YYYY-MM-DD"):
        return document.time(name)
    try:
        return rfc3339(in_london(datetime.fromisoformat(parse_date(text))))
    except ValueError as error:
        raise document.malformed(name, str(error)) from None


def _facts(document: Members, assessed_on: str) -> Mapping[str, JsonObject]:
    # Answers, not levels: a yes to riskToOtherPrisoners is never read as a level for prisoners, and
    # no field group has a place for the others.
    document.ignore("otherRisks")
    summary = document.object("summary")
    rosh = {} if summary is None else _rosh(summary)
    if rosh:
        rosh["assessed_on"] = assessed_on
    return {
        "rosh": rosh,
        "risk_narrative": {} if summary is None else _narrative(summary),
        "health_clinical": _to_self(document),
        "professionals": _plan(document),
    }


def _rosh(summary: Members) -> JsonObject:
    community = _by_group(summary, "riskInCommunity")
    custody = _by_group(summary, "riskInCustody")
    overall = summary.text("overallRiskLevel")
    found: JsonObject = {}
    if overall is not None:
        found["overall"] = _level(summary, "overallRiskLevel", overall)
    if community.pop("prisoners", None) is not None:
        summary.note("riskInCommunity", "a level for prisoners is taken from custody alone")
    highest = max((_LEVELS.index(level) for level in community.values()), default=-1)
    if overall is not None and highest > _LEVELS.index(str(found["overall"])):
        reason = "the overall level is below one for the community"
        raise summary.unclear("overallRiskLevel", reason, event_type=_EVENT)
    if custody.keys() - {"prisoners"}:
        summary.note("riskInCustody", "of the levels in custody only that for prisoners is carried")
    found |= community
    if "prisoners" in custody:
        found["prisoners"] = custody["prisoners"]
    return found


def _by_group(summary: Members, name: str) -> dict[str, str]:
    """Return group -> level, from that shape or from level -> [groups].

    Raises:
        UnsupportedEvent: an unknown level or group, or one group under two levels (for a human).
    """
    stated = summary.object(name)
    found: dict[str, str] = {}
    for level, group in () if stated is None else _pairs(stated):
        if found.setdefault(group, level) != level:
            raise summary.unclear(name, "one group under two levels", event_type=_EVENT)
    return found


def _pairs(stated: Members) -> Iterator[tuple[str, str]]:
    for key in stated.names:
        group = _GROUPS.get(_plain(key))
        if group is None:
            level = _level(stated, key, key)
            for name in stated.texts(key):
                yield level, _group(stated, key, name)
        elif (text := stated.text(key)) is not None:
            yield _level(stated, key, text), group


def _level(members: Members, name: str, text: str) -> str:
    level = text.strip().lower().replace(" ", "_")
    if level not in _LEVELS:
        reason = "neither a level of risk nor a group at risk; there is no such thing as no risk"
        raise members.unclear(name, reason, event_type=_EVENT)
    return level


def _group(members: Members, name: str, text: str) -> str:
    group = _GROUPS.get(_plain(text))
    if group is None:
        raise members.unclear(name, "not a group at risk", event_type=_EVENT)
    return group


def _plain(text: str) -> str:
    return text.replace(" ", "").replace("_", "").lower()


def _narrative(summary: Members) -> JsonObject:
    # How imminent, in prose: the group has a level for that, and no level is read from prose.
    if summary.text("riskImminence") is not None:
        summary.note(
            "riskImminence", "prose: no level of imminence is read from it, and it is not carried"
        )
    return {
        member: text
        for name, member in _NARRATIVE.items()
        if (text := summary.text(name)) is not None
    }


def _to_self(document: Members) -> JsonObject:
    """Return which risks to self are said to be current; what the concerns are is not carried.

    Raises:
        UnsupportedEvent: an answer without a meaning, or a current risk that is none (a human).
    """
    risks = document.object("riskToSelf")
    current: list[str] = []
    for name, words in _TO_SELF.items():
        risk = None if risks is None else risks.object(name)
        if risk is None:
            continue
        risk.ignore("previousConcernsText", "currentConcernsText")  # free text, clinical
        answers = {one: _answer(risk, one) for one in ("risk", "previous", "current")}
        if answers["current"] and answers["risk"] is False:
            raise risk.unclear("current", "current, and no risk", event_type=_EVENT)
        if answers["current"]:
            current.append(words)
    if risks is not None:
        risks.ignore("assessedOn")  # the day of this very assessment
    return {"self_harm": f"Current risk to self: {', '.join(current)}."} if current else {}


def _answer(risk: Members, name: str) -> bool | None:
    return risk.code(name, _ANSWERS, event_type=_EVENT)


def _plan(document: Members) -> JsonObject:
    """Return where the risk management plan is, if there is one; never a word of it (D14)."""
    plan = document.object("riskManagementPlan")
    if plan is None:
        return {}
    reference = plan.text("assessmentId")
    # The plan itself; victim safety planning above all.
    plan.ignore(*_PLAN)
    if not any(name in plan for name in ("assessmentId", *_PLAN)):
        return {}
    return {"plan_ref": _OASYS if reference is None else f"{_OASYS} {reference}"}


_PLAN: Final = (
    "keyInformationCurrentSituation", "furtherConsiderationsCurrentSituation", "supervision",
    "monitoringAndControl", "interventionsAndTreatment", "victimSafetyPlanning",
    "contingencyPlans", "additionalComments", "furtherConsiderations", "dateCompleted",
    "latestCompleteDate", "latestSignLockDate",
)  # fmt: skip

ADAPTER: Final = Adapter(
    name="oasys",
    title="Probation: OASys risk of serious harm summary and risk to self",
    inbound=Inbound(media_types=("application/json",), translate=translate, split=json_values),
)
