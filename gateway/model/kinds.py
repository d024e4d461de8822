"""The closed list of event kinds, and what each asks of the gateway.

A kind is not a movement code: what a prison calls "released" may be a death, an abscond, a
court appearance, a hospital transfer or a merge of two records (domain facts 0.7 and 6.1).
"""

from typing import Final

TYPE_PREFIX: Final = "org.throughgate."
TYPE_SUFFIX: Final = ".v1"

KINDS: Final[frozenset[str]] = frozenset(
    f"{family}.{member}"
    for family, members in {
        "release": "planned date_change_proposed date_change_consulted date_changed cancelled "
        "actual temporary overdue",
        "custody": "received recalled transferred escaped hospital_transfer died sent_to_court",
        "sentence": "terminated",
        "licence": "activated varied breached",
        "order": "imposed varied breached expired",
        "mappa": "category_changed level_changed review_completed eligibility_ended",
        "risk": "assessed flag_raised flag_ended",
        "contact": "restricted",
        "address": "changed unknown",
        "health": "discharge_planned care_team_recorded concern",
        "safeguarding": "child_concern adult_concern",
        "conference": "marac_referred odoc_referred",
        "supervision": "transferred",
        "notification": "required breached ended revoked",
        "police": "arrested charged visit_recorded",
        "monitoring": "breached",
        "accommodation": "referred placed lost",
        "victim": "contact_opted_in",
        "person": "linked merged unmerged",
        "event": "corrected retracted",
        "duty": "due_soon missed",
        "consultation": "missing",
    }.items()
    for member in members.split()
)

URGENT: Final[frozenset[str]] = frozenset(
    {
        "release.actual",
        "release.overdue",
        "custody.escaped",
        "licence.breached",
        "monitoring.breached",
        "risk.flag_raised",
        "safeguarding.child_concern",
        "event.corrected",
        "event.retracted",
        "consultation.missing",
    }
)

# Stated by the gateway itself when time passes or a step is missing; no agency may post them.
OWN_KINDS: Final[frozenset[str]] = frozenset(
    {"duty.due_soon", "duty.missed", "consultation.missing"}
)

# About an earlier event of the same agency, which the attribute `corrects` names by its id.
REVISING_KINDS: Final[frozenset[str]] = frozenset({"event.corrected", "event.retracted"})


def type_of(kind: str) -> str:
    """Return the CloudEvents ``type`` of a kind."""
    return f"{TYPE_PREFIX}{kind}{TYPE_SUFFIX}"


def kind_of(type_: str) -> str | None:
    """Return the kind a CloudEvents ``type`` names, or None if it names none of ours."""
    if not (type_.startswith(TYPE_PREFIX) and type_.endswith(TYPE_SUFFIX)):
        return None
    kind = type_[len(TYPE_PREFIX) : -len(TYPE_SUFFIX)]
    return kind if kind in KINDS else None
