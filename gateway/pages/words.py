"""Words and forms of an alert for a human. Pure."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

from gateway.clock import LONDON
from gateway.model.alert_answer import RejectionCode
from gateway.model.alert_state import Answer
from gateway.model.groups import GROUP_NAMES
from gateway.model.strict_json import Json

# What a reader is first told: title, and what it asks of them.
MESSAGES: Final = {
    "NOTIFY": ("New information", ""),
    "UPDATE": (
        "Newer information",
        "It follows an earlier alert, which was right in its day. Read it in that one’s place.",
    ),
    "CORRECTION": (
        "Correction",
        "An earlier alert was wrong. Put right what you noted, planned and passed on.",
    ),
    "RECALL": (
        "Recall",
        "Disregard an earlier alert. Undo what you did on it, and tell whom you passed it to.",
    ),
    "CHASE": (
        "Nobody has answered an alert",
        "It was sent to somebody else, and the time to answer it is over. See that it is answered.",
    ),
    "TEST": ("Test", "This is about nobody. Answer it, so that the way to you is known to work."),
}
RECALLED: Final = {
    "retracted": "The sender took it back.",
    "reversed": "What it told of was undone.",
    "wrong-merge": "It was about somebody else.",
    "corrected-no-longer-entitled": "On the corrected facts you are not to be told.",
}
ANSWERS: Final[Mapping[Answer, str]] = {
    "acknowledged": "I have read it",
    "accepted": "I accept it: it is ours to act on",
    "rejected": "I reject it: it is not ours",
    "actioned": "What had to be done is done",
}
REASONS: Final[Mapping[RejectionCode, str]] = {
    "not-ours": "It is not our case or not our area",
    "wrong-person": "It is about somebody else",
    "duplicate": "We have it already",
    "cannot-act": "It is ours, but we cannot act on it",
    "other": "Another reason: we will ring",
}
ASSERTIONS: Final = {
    "FACT": "Fact",
    "ASSESSMENT": "Assessment",
    "INTELLIGENCE": "Intelligence",
    None: "Not said whether fact or opinion",
}
COMPLETENESS: Final = {
    "COMPLETE": "All that is held",
    "MINIMISED": "More is held than you need",
    "NOT_STATED": "Not said whether more is held",
}
SUBJECTS: Final = {
    "CONVICTED": "Convicted",
    "SUSPECT": "Suspect, not convicted",
    "UNKNOWN": "Not stated",
}
GROUPS: Final = {
    "identity": "Who the person is",
    "identifiers": "Reference numbers",
    "custody": "Custody and release",
    "mappa": "MAPPA status",
    "rosh": "Risk of serious harm",
    "risk_narrative": "Risk in words",
    "offence": "Offence and orders",
    "licence": "Licence conditions",
    "location": "Where the person will live",
    "victim": "Victim",
    "children": "Children at risk",
    "health_routing": "Health services",
    "health_clinical": "Clinical information",
    "professionals": "Who is responsible",
    "handling": "Handling",
    "duty": "Duty",
}
_MEMBERS: Final = {
    "noms": "Prison number",
    "crn": "Probation CRN",
    "pnc": "PNC id",
    "cro": "CRO number",
    "nhs_number": "NHS number",
    "nhs_number_status": "NHS number status",
    "visor_ref": "ViSOR reference",
    "nino": "National Insurance number",
    "superseded_noms": "Earlier prison number",
    "pprc": "Person posing a risk to children",
    "community_gp": "Community GP",
    "mha_status": "Mental Health Act status",
    "uprn": "UPRN",
    "ods": "ODS code",
    "sar_restrict": "Not to be shown to the person",
}
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}.*")
_CODE_WORDS: Final = re.compile(r"[A-Z]+(_[A-Z]+)+|[a-z]+(_[a-z]+)+")
_CODES: Final = {f"G{number}": name for number, name in enumerate(GROUP_NAMES, start=1)}


def group_of(code: str) -> str:
    """Return what a group's code stands for."""
    return GROUPS.get(_CODES.get(code, ""), code)


def member(name: str) -> str:
    """Return what a member is called."""
    return _MEMBERS.get(name) or name.replace("_", " ").capitalize()


def happened(type_: object) -> str:
    """Return what an event type says: "Release: planned"."""
    family, _, what = str(type_).removeprefix("org.throughgate.").removesuffix(".v1").partition(".")
    return f"{family.capitalize()}: {what.replace('_', ' ')}"


def value(stated: Json) -> str:
    """Return a plain value in words; dates and times as they are said in London."""
    if stated is None:
        return "Not stated"
    if isinstance(stated, bool):
        return "Yes" if stated else "No"
    if not isinstance(stated, str):
        return str(stated)
    if stated == "NOT_RECORDED":
        return "Looked for, and none is recorded"
    if _DAY.fullmatch(stated):
        return day(date.fromisoformat(stated))
    if _MOMENT.fullmatch(stated):
        return moment(stated)
    return stated.replace("_", " ") if _CODE_WORDS.fullmatch(stated) else stated


def moment(stated: str | datetime) -> str:
    """Return a time as said in London, to the minute: "21 November 2026 at 8:21pm"."""
    try:
        at = datetime.fromisoformat(stated) if isinstance(stated, str) else stated
    except ValueError:
        return str(stated)
    local = at.astimezone(LONDON)
    clock = f"{local.hour % 12 or 12}:{local.minute:02}{'am' if local.hour < 12 else 'pm'}"
    return f"{day(local.date())} at {clock}"


def day(of: date) -> str:
    """Return a day: "5 March 2026"."""
    return f"{of.day} {of:%B %Y}"
