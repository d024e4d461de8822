"""How police say a record may be handled: 3x5x2 grading and protective marking.

Source: 3x5x2 as the College of Policing describes it; Government Security Classifications. Neither
is ever converted from an older scheme: only whoever graded it knows what was meant.
"""

import re
from typing import Final

from adapters.kit.members import Members
from gateway.model.strict_json import JsonObject

_GRADE: Final = re.compile(r"[123][ABCDE][PC]")
_5X5X5: Final = re.compile(r"[A-E][ /]?[1-5][ /]?[1-5]")
# Known directly, or indirectly and corroborated: what else is told is not verified.
_CONFIRMED: Final = frozenset("AB")

_MARKINGS: Final = {
    "OFFICIAL": "OFFICIAL",
    "OFFICIAL-SENSITIVE": "OFFICIAL-SENSITIVE",
    "OFFICIAL SENSITIVE": "OFFICIAL-SENSITIVE",
    "OFFICIAL (SENSITIVE)": "OFFICIAL-SENSITIVE",
    "OFFICIAL - SENSITIVE": "OFFICIAL-SENSITIVE",
    "OFFICIAL: SENSITIVE": "OFFICIAL-SENSITIVE",
}
_ABOVE: Final = re.compile(r"(TOP[ -]?)?SECRET\b")
_FORMER: Final = re.compile(r"(RESTRICTED|CONFIDENTIAL|PROTECT|UNCLASSIFIED|NOT PROTECTIVELY)\b")


def handling_of(members: Members, *, event_type: str) -> JsonObject:
    """Return what `grading`, `conditions` and `marking` say, for the group ``handling``.

    Raises:
        MalformedEvent: a grade of another form or scheme; code C without conditions; a marking
            above OFFICIAL-SENSITIVE or of the scheme before it.
        UnsupportedEvent: a marking with no known meaning, for a human.
    """
    grade, conditions = grade_of(members), members.text("conditions")
    if grade and grade.endswith("C") and conditions is None:
        raise members.malformed("conditions", "required: handling code C states its conditions")
    return {
        "grade": grade,
        "conditions": conditions,
        "marking": marking_of(members, event_type=event_type),
    }


def grade_of(members: Members) -> str | None:
    """Return the 3x5x2 grade in `grading`, or None.

    Raises:
        MalformedEvent: another form or scheme.
    """
    grade = members.text("grading")
    if grade is None or _GRADE.fullmatch(grade):
        return grade
    if _5X5X5.fullmatch(grade):
        reason = "graded 5x5x5: grade it 3x5x2 and send it again; it is never converted here"
        raise members.malformed("grading", reason)
    raise members.malformed("grading", "must be a 3x5x2 grade: 1-3, then A-E, then P or C")


def is_confirmed(grade: str | None) -> bool:
    """Say whether what is graded so counts as verified; what has no grade does. Pure."""
    return grade is None or grade[1] in _CONFIRMED


def marking_of(members: Members, *, event_type: str) -> str | None:
    """Return the protective marking in `marking`, or None.

    Raises:
        MalformedEvent: above OFFICIAL-SENSITIVE, or of the scheme before it.
        UnsupportedEvent: no known meaning, for a human.
    """
    stated = members.text("marking")
    if stated is None:
        return None
    marking = stated.upper()
    if _ABOVE.match(marking):
        raise members.malformed("marking", "above OFFICIAL-SENSITIVE: not carried here at all")
    if _FORMER.match(marking):
        reason = "of the former scheme: mark it OFFICIAL or OFFICIAL-SENSITIVE and send it again"
        raise members.malformed("marking", reason)
    if marking not in _MARKINGS:
        raise members.unclear(
            "marking", "not a marking with a known meaning", event_type=event_type
        )
    return _MARKINGS[marking]
