"""The release summary: one row of CSV, or one JSON object, about one person. Our own contract.

It has no column for a diagnosis or a medicine: a cell that holds one is reported as unread.
"""

from typing import Final

from adapters.contract import Translation
from adapters.kit.members import Members
from adapters.kit.statement import Statement, canonical_event
from adapters.systmone.codes import (
    LEGAL_STATUS_UNSTATED,
    LEGAL_STATUSES,
    NOT_RECORDED,
    TRACED,
)
from adapters.systmone.fhir import PREFIX, SYSTEM, content
from adapters.systmone.person import person_numbers
from gateway.model.strict_json import Json, JsonObject

TYPE: Final = "release-summary"
COLUMNS: Final = (
    "recordedAt", "nomsNumber", "nhsNumber", "nhsNumberStatus",
    "priorCommunityPracticeName", "priorCommunityPracticeOds", "priorCommunityPracticeCapturedOn",
    "cmhtName", "cmhtOds", "cmhtPhone", "cmhtCareCoordinator", "cmhtLastContact",
    "currentPracticeName", "currentPracticeOds", "mhInReachCaseload", "mhaStatus",
    "medicationContinuityArranged", "onwardReferralTo", "onwardReferralOds",
    "onwardReferralSent", "onwardReferralAccepted",
)  # fmt: skip

# Where NOT_RECORDED is told on; in any other column it states nothing.
_MAY_BE_MISSING: Final = frozenset(
    {
        "priorCommunityPracticeName", "priorCommunityPracticeOds", "cmhtName", "cmhtOds",
        "currentPracticeName", "currentPracticeOds", "onwardReferralTo", "onwardReferralOds",
    }
)  # fmt: skip


def translate_summary(row: JsonObject, source: str) -> Translation:
    """Return who treats the person, as a release summary states it.

    Raises:
        MalformedEvent: no time, no person, or a cell that is not in its form.
        UnsupportedEvent: codes that are unknown or contradict each other: a human must look.

    Pure.
    """
    members = Members(
        {
            name: value
            for name, value in row.items()
            if value != NOT_RECORDED or name in _MAY_BE_MISSING or name not in COLUMNS
        }
    )
    as_of = members.time("recordedAt")
    if as_of is None:
        raise members.malformed("recordedAt", "required: when the record says so")
    facts = {"identifiers": _numbers(members), "health_routing": _routing(members)}
    if not facts["health_routing"]:
        raise members.unsupported("cmhtName", "states nothing of care", event_type=TYPE)
    statement = Statement(
        kind="health.care_team_recorded",
        system=SYSTEM,
        as_of=as_of,
        facts=facts,
        told_apart_by=content(facts),
    )
    return Translation(
        events=(canonical_event(PREFIX, statement, source),),
        unread=members.unread(),
        notes=members.notes(),
    )


def _numbers(members: Members) -> dict[str, Json]:
    stated = {
        kind: {value} if (value := members.text(name)) else set()
        for kind, name in (("noms", "nomsNumber"), ("nhs_number", "nhsNumber"))
    }
    status = members.text("nhsNumberStatus")
    if status is not None and status not in TRACED:
        raise members.unclear("nhsNumberStatus", "not a code with a known meaning", event_type=TYPE)
    return dict(person_numbers(members, "nomsNumber", stated, {status} if status else set()))


def _routing(members: Members) -> dict[str, Json]:
    captured = members.date("priorCommunityPracticeCapturedOn")
    team = _organisation(members, "cmhtName", "cmhtOds", telephone="cmhtPhone")
    members.date("cmhtLastContact")  # checked; when a team last saw someone is clinical
    stated: dict[str, Json] = {
        "community_gp": _organisation(
            members, "priorCommunityPracticeName", "priorCommunityPracticeOds", captured=captured
        ),
        "mental_health_team": team,
        "care_coordinator": members.text("cmhtCareCoordinator"),
        "registered_practice": _organisation(members, "currentPracticeName", "currentPracticeOds"),
        "mha_status": _legal_status(members),
        "in_reach_caseload": members.flag("mhInReachCaseload"),
        "medication_continuity": members.flag("medicationContinuityArranged"),
        "onward_referral": _referral(members),
    }
    return {name: value for name, value in stated.items() if value is not None}


def _organisation(
    members: Members,
    name: str,
    ods: str,
    *,
    telephone: str | None = None,
    captured: str | None = None,
) -> Json:
    """Return an organisation, NOT_RECORDED where the summary says so in as many words, or None.

    Raises:
        UnsupportedEvent: not recorded, and yet something of it is.
    """
    called, code = members.text(name), members.text(ods)
    phone = members.text(telephone) if telephone else None
    if NOT_RECORDED in (called, code):
        if {called, code} - {NOT_RECORDED, None} or phone or captured:
            raise members.unclear(name, "not recorded, and yet stated", event_type=TYPE)
        return NOT_RECORDED
    if called is None and code is None:
        if phone or captured:
            raise members.malformed(name, "required with the rest of the organisation")
        return None
    stated: JsonObject = {"name": called or code}
    more = (("ods", code), ("telephone", phone), ("captured_on", captured))
    return stated | {member: value for member, value in more if value}


def _legal_status(members: Members) -> str | None:
    status = members.text("mhaStatus")
    if status in LEGAL_STATUS_UNSTATED:
        return None
    if status is not None and status not in LEGAL_STATUSES:
        raise members.unclear("mhaStatus", "not a code with a known meaning", event_type=TYPE)
    return status


def _referral(members: Members) -> Json:
    """Return where the person was referred on to; a referral that was not sent is none.

    Raises:
        UnsupportedEvent: it was turned down: a person would go out believed to be cared for.
    """
    to = _organisation(members, "onwardReferralTo", "onwardReferralOds")
    sent, accepted = members.flag("onwardReferralSent"), members.flag("onwardReferralAccepted")
    if accepted is False or (accepted and sent is False):
        raise members.unclear(
            "onwardReferralAccepted", "turned down, or accepted and never sent", event_type=TYPE
        )
    if isinstance(to, dict) and sent is not True:
        members.note("onwardReferralSent", "not said to be sent: no referral is stated")
        return None
    return to
