"""HL7 v2.4 ADT messages of prison healthcare, as ITK profiles them.

Read: A01 (reception screening), A08, A28 and A31 (the record was updated) as who treats the
person, A03 as a discharge, A34 as a merge. Source: NHS ITK HL7 v2 message specifications; HL7
v2.4 chapters 2 and 3.
"""

import re
from collections.abc import Mapping
from typing import Final

from adapters.contract import Translation, UnsupportedEvent
from adapters.kit.hl7_text import Message, Repetition, Segment, read_day, read_message
from adapters.kit.members import NAIVE, refuse
from adapters.kit.statement import Statement, canonical_event
from adapters.systmone.codes import DESTINATIONS, NOT_RECORDED, SEX_CODES, TRACED
from adapters.systmone.fhir import PREFIX, SYSTEM, content
from gateway.model.problem import Problem
from gateway.model.strict_json import Json, JsonObject

VERSION: Final = "2.4"
NHS: Final = "NHS"
# Who issues prison numbers, as PID-3.4 may name them.
PRISON: Final = frozenset({"NOMIS", "HMPPS"})

_CARE_TEAM: Final = frozenset({"A01", "A08", "A28", "A31"})
_MERGE: Final = "A34"
_DISCHARGE: Final = "A03"
# Takes back what may have been told of: cancelled admission, discharge or transfer; unlinked.
_TAKEN_BACK: Final = frozenset({"A11", "A12", "A13", "A23", "A27", "A29", "A37"})
# Other merges and moves of records: of whom, only a human can tell from outside.
_MERGES: Final = frozenset(
    {"A18", "A24", "A30", "A35", "A36", "A39", "A40", "A41", "A42", "A43",
     "A44", "A45", "A46", "A47"}
)  # fmt: skip
_STRUCTURES: Final[Mapping[str, frozenset[str]]] = {
    "A01": frozenset({"ADT_A01"}),
    "A03": frozenset({"ADT_A03"}),
    "A08": frozenset({"ADT_A01", "ADT_A08"}),
    "A28": frozenset({"ADT_A05", "ADT_A28"}),
    "A31": frozenset({"ADT_A05", "ADT_A31"}),
    "A34": frozenset({"ADT_A30", "ADT_A34"}),
}

# Segments of these messages that nothing is taken from: next of kin, allergies, diagnoses,
# insurance, visit detail, and the NHS's own (ZU1, ZU3, ZU4, ZU8).
_KNOWN: Final = frozenset(
    {
        "MSH", "EVN", "PID", "PD1", "MRG", "PV1", "PV2", "NK1", "AL1", "DG1", "DRG", "OBX", "PR1",
        "GT1", "IN1", "IN2", "IN3", "ACC", "UB1", "UB2", "ROL", "DB1", "PDA", "NTE", "SFT",
        "ZU1", "ZU3", "ZU4", "ZU8",
    }
)  # fmt: skip


def translate_adt(body: bytes, source: str) -> Translation:
    """Return what one message reports.

    Raises:
        MalformedEvent: not one ADT message of this version.
        UnsupportedEvent: a trigger of no concern here; or one that a human must look at.

    Pure.
    """
    message = read_message(body)
    trigger = _trigger(message)
    notes: list[Problem] = []
    as_of, occurred_at = _times(message, notes)
    person = message.segment("PID") or refuse("required", "$.PID")
    numbers = _numbers(person, 3, notes)
    kind, facts, apart = _report(message, trigger, person, numbers, notes)
    statement = Statement(
        kind=kind,
        system=SYSTEM,
        as_of=as_of,
        occurred_at=occurred_at,
        facts=facts,
        told_apart_by=(trigger, *content(facts, apart)),
    )
    unread = [f"$.{one.name}" for one in message.segments if one.name not in _KNOWN]
    return Translation(
        events=(canonical_event(PREFIX, statement, source),),
        unread=tuple(dict.fromkeys(unread)),
        notes=tuple(notes),
    )


def _report(
    message: Message,
    trigger: str,
    person: Segment,
    numbers: Mapping[str, Json],
    notes: list[Problem],
) -> tuple[str, dict[str, Mapping[str, Json]], str | None]:
    """Return kind, facts, and what else tells the event apart."""
    if trigger == _MERGE:
        return "person.merged", {"identifiers": _merged(message, numbers)}, None
    if person.text(30) == "Y" or person.text(29):
        raise _unclear("$.PID-30", "the person died", trigger)
    facts: dict[str, Mapping[str, Json]] = {
        "identifiers": _with_status(person, numbers, notes),
        "identity": _identity(person, trigger, notes),
    }
    routing = _practice(message, notes)
    if trigger in _CARE_TEAM:
        if not routing:
            problem = Problem(path="$.PD1-3", reason="states nothing of care")
            raise UnsupportedEvent(problem, event_type=f"adt.{trigger.lower()}")
        return "health.care_team_recorded", facts | {"health_routing": routing}, None
    left = _discharge(message, notes)
    return "health.discharge_planned", facts | {"health_routing": routing}, left


def _trigger(message: Message) -> str:
    """Return the trigger that MSH-9 states; EVN-1 is empty in ITK messages.

    Raises:
        MalformedEvent: another version, or a type that contradicts itself.
        UnsupportedEvent: not a message this reads.
    """
    header = message.segments[0]
    kind = header.one(9) or refuse("required", "$.MSH-9")
    name, trigger = kind.text(1), kind.text(2) or ""
    if kind.text(4) or not name or not re.fullmatch(r"[A-Z][0-9]{2}", trigger, re.ASCII):
        refuse("must be type, trigger and structure", "$.MSH-9")
    event_type = f"adt.{trigger.lower()}"
    if name != "ADT":
        problem = Problem(path="$.MSH-9", reason="not an ADT message")
        raise UnsupportedEvent(problem, event_type=event_type)
    if header.text(11) != "P":
        problem = Problem(path="$.MSH-11", reason="not of production: training or debugging")
        raise UnsupportedEvent(problem, event_type=event_type)
    if header.text(12) != VERSION:
        problem = Problem(path="$.MSH-12", reason=f"not HL7 version {VERSION}")
        raise UnsupportedEvent(problem, event_type=event_type)
    if trigger in _TAKEN_BACK | _MERGES:
        raise _unclear("$.MSH-9", "takes back or merges: who was told?", trigger)
    if trigger not in _STRUCTURES:
        problem = Problem(path="$.MSH-9", reason="a trigger that reports nothing of concern here")
        raise UnsupportedEvent(problem, event_type=event_type)
    stated = kind.text(3)
    events = message.segment("EVN")
    repeated = events.text(1) if events else None
    if (stated and stated not in _STRUCTURES[trigger]) or repeated not in (None, trigger):
        refuse("the trigger is stated twice, differently", "$.MSH-9")
    return trigger


def _times(message: Message, notes: list[Problem]) -> tuple[str, str]:
    """Return when it was recorded and when it occurred."""
    header, event = message.segments[0], message.segment("EVN")
    places = [(event, 6), (event, 2), (header, 7)]
    stated: dict[int, str] = {}
    for segment, field in places:
        time, in_london = segment.time(field) if segment else (None, False)
        if segment is not None and time:
            stated[field] = time
            if in_london:
                notes.append(Problem(path=f"$.{segment.name}-{field}", reason=NAIVE))
    recorded = stated.get(2) or stated.get(7) or refuse("required", "$.EVN-2")
    return recorded, stated.get(6) or recorded


def _numbers(segment: Segment, field: int, notes: list[Problem]) -> dict[str, Json]:
    """Return prison and NHS number by who issued them; other numbers name nobody here.

    Raises:
        UnsupportedEvent: two of one kind.
    """
    found: dict[str, set[str]] = {}
    path = f"$.{segment.name}-{field}"
    for one in segment.repetitions(field):
        issuer, number = one.text(4), one.text(1)
        if number is None or one.is_null:
            continue
        if issuer == NHS:
            found.setdefault("nhs_number", set()).add(re.sub("[ -]", "", number))
        elif issuer in PRISON:
            found.setdefault("noms", set()).add(number)
        else:
            notes.append(Problem(path=path, reason="a number of an issuer not known: passed over"))
    if any(len(values) > 1 for values in found.values()):
        raise _unclear(path, "two numbers of one kind", "A00")
    if not found:
        refuse("names nobody: neither a prison number nor an NHS number", path)
    return {kind: values.pop() for kind, values in found.items()}


def _with_status(
    person: Segment, numbers: Mapping[str, Json], notes: list[Problem]
) -> Mapping[str, Json]:
    """Add what PID-32 says of tracing the NHS number: its codes 01 to 08, and no others."""
    stated = {one.text(1) for one in person.repetitions(32)} - {None}
    if stated - TRACED:
        notes.append(Problem(path="$.PID-32", reason="not an NHS number status: states nothing"))
    known = stated & TRACED
    if "nhs_number" not in numbers or not known:
        return numbers
    if len(known) > 1:
        raise _unclear("$.PID-32", "two statuses of one NHS number", "A00")
    return {**numbers, "nhs_number_status": known.pop()}


def _identity(person: Segment, trigger: str, notes: list[Problem]) -> dict[str, Json]:
    names = [one for one in person.repetitions(5) if not one.is_null]
    legal = [one for one in names if one.text(7) in ("L", None)] or names[:1]
    if len({one.raw for one in legal}) > 1:
        raise _unclear("$.PID-5", "two names now borne", trigger)
    stated: dict[str, Json] = {}
    if legal:
        stated["family_name"] = legal[0].text(1)
        stated["given_names"] = _given(legal[0])
    others = [one for one in names if one not in legal] + list(person.repetitions(9))
    aliases: list[Json] = [
        full for one in others if (full := f"{_given(one) or ''} {one.text(1) or ''}".strip())
    ]
    born = person.text(7)
    sex = person.text(8)
    if sex is not None and sex not in SEX_CODES:
        raise _unclear("$.PID-8", "not a code with a known meaning", trigger)
    birth = read_day(born, "$.PID-7") if born else None
    if born and birth is None:
        notes.append(Problem(path="$.PID-7", reason="a month or a year, not a day: left out"))
    return stated | {
        "aliases": aliases,
        "date_of_birth": birth,
        "sex": SEX_CODES[sex] if sex is not None else None,
    }


def _given(name: Repetition) -> str | None:
    return " ".join(part for part in (name.text(2), name.text(3)) if part) or None


def _practice(message: Message, notes: list[Problem]) -> dict[str, Json]:
    """Return the registered practice of PD1-3: name, and ODS code in its third component.

    ``""`` there says that none is recorded; nothing there says nothing. It may be the prison
    itself, and is never taken for the community practice. PD1-4 names a doctor, not a practice.
    """
    segment = message.segment("PD1")
    stated = segment.one(3) if segment else None
    if stated is None:
        if segment is not None and segment.repetitions(4):
            notes.append(Problem(path="$.PD1-4", reason="a doctor without a practice: left out"))
        return {}
    if stated.is_null:
        return {"registered_practice": NOT_RECORDED}
    name, ods = stated.text(1), stated.text(3)
    if name is None and ods is None:
        return {}
    practice: JsonObject = {"name": name or ods}
    return {"registered_practice": practice | ({"ods": ods} if ods else {})}


def _discharge(message: Message, notes: list[Problem]) -> str | None:
    """Return when the person left, having made sure that it was for the community.

    Raises:
        UnsupportedEvent: to court, custody or a ward; or a human must look.
    """
    visit = message.segment("PV1") or refuse("required", "$.PV1")
    code = visit.text(36)
    if code is not None and code not in DESTINATIONS:
        raise _unclear("$.PV1-36", "not a code with a known meaning", _DISCHARGE)
    destination = DESTINATIONS[code] if code is not None else None
    if destination in ("died", "hospital", "not_discharged"):
        raise _unclear("$.PV1-36", "not a return to the community", _DISCHARGE)
    if destination == "elsewhere":
        problem = Problem(path="$.PV1-36", reason="to court, custody or a ward: no release")
        raise UnsupportedEvent(problem, event_type="adt.a03")
    left = visit.text(45)
    if left is None:
        return None
    time, in_london = visit.time(45)
    if in_london:
        notes.append(Problem(path="$.PV1-45", reason=NAIVE))
    notes.append(Problem(path="$.PV1-45", reason="the date of release is the prison's to state"))
    return time


def _merged(message: Message, numbers: Mapping[str, Json]) -> dict[str, Json]:
    """Return the number that stays and the prison number that it takes the place of.

    Raises:
        UnsupportedEvent: not two prison numbers: whose record goes, a human must say.
    """
    gone = message.segment("MRG") or refuse("required", "$.MRG")
    old = _numbers(gone, 1, [])
    kept, removed = numbers.get("noms"), old.get("noms")
    if kept is None or removed is None or kept == removed:
        raise _unclear("$.MRG-1", "not a merge of two prison numbers", _MERGE)
    if old.get("nhs_number", numbers.get("nhs_number")) != numbers.get("nhs_number"):
        raise _unclear("$.MRG-1", "two NHS numbers in one merge", _MERGE)
    return {"noms": kept, "superseded_noms": removed}


def _unclear(path: str, reason: str, trigger: str) -> UnsupportedEvent:
    problem = Problem(path=path, reason=f"needs a human: {reason}")
    return UnsupportedEvent(problem, event_type=f"adt.{trigger.lower()}", needs_human=True)
