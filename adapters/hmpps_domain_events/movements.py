"""Prison movements. "Released" is what a prison calls every way out of the gate: a death, an
abscond, a day at court, a hospital bed and the merging of two records among them.

Source: hmpps-domain-events value sets; prison-custody-status-to-delius movement codes.
"""

from typing import Final

from adapters.contract import UnsupportedEvent
from adapters.hmpps_domain_events.envelope import DomainEvent
from adapters.hmpps_domain_events.report import NOMIS, Report
from gateway.model.strict_json import JsonObject

# The immediate report is published at once, may be a mistake, and carries nothing but a reason:
# enough to say where someone was taken, never enough to say that he is free. The settled one
# follows 45 minutes later with the movement code and the status, unless the movement was undone.
SETTLED_RELEASE: Final = "prison-offender-events.prisoner.released"
IMMEDIATE_RELEASE: Final = "prisoner-offender-search.prisoner.released"
SETTLED_RECEPTION: Final = "prison-offender-events.prisoner.received"
IMMEDIATE_RECEPTION: Final = "prisoner-offender-search.prisoner.received"
MERGE: Final = "prison-offender-events.prisoner.merged"
OVERDUE: Final = "person.temporary-absence.overdue"

_IMMEDIATE: Final = frozenset({IMMEDIATE_RELEASE, IMMEDIATE_RECEPTION})
_UNDER_CARE: Final = "UNDER_PRISON_CARE"
_NOT_UNDER_CARE: Final = "NOT_UNDER_PRISON_CARE"

# A movement code that makes "released" something else than a release.
_KIND_BY_CODE: Final = {
    "UAL": "custody.escaped",
    "UAL_ECL": "custody.escaped",
    "DEC": "custody.died",
    "MRG": "person.merged",
    "HO": "custody.hospital_transfer",
    "HP": "custody.hospital_transfer",
    "HQ": "custody.hospital_transfer",
    "DD": "custody.transferred",  # for deportation, or to an immigration removal centre
    "DE": "custody.transferred",
    "DL": "custody.transferred",
}
_KIND_BY_REASON: Final = {
    "RELEASED": "release.actual",
    "RELEASED_TO_HOSPITAL": "custody.hospital_transfer",
    "SENT_TO_COURT": "custody.sent_to_court",
    "TEMPORARY_ABSENCE_RELEASE": "release.temporary",
    "TRANSFERRED": "custody.transferred",
}
# Out of the gate, and still the prison's: a status that denies it contradicts the reason.
_STILL_SERVING: Final = frozenset({"SENT_TO_COURT", "TEMPORARY_ABSENCE_RELEASE", "TRANSFERRED"})

# POST_MERGE_ADMISSION is left out: it follows from two records, perhaps from no movement.
_RECEPTION_REASONS: Final = frozenset(
    {
        "ADMISSION",
        "NEW_ADMISSION",
        "READMISSION",
        "READMISSION_SWITCH_BOOKING",
        "RETURN_FROM_COURT",
        "TEMPORARY_ABSENCE_RETURN",
        "TRANSFERRED",
    }
)


def departure(event: DomainEvent) -> Report:
    """Return what a "released" event reports, by type, reason, movement code and status together.

    Raises:
        UnsupportedEvent: they contradict each other or are unknown and a human must look; or it is
            the immediate report of a release, which the settled one will confirm.
        MalformedEvent: a member that is read is not a string.
    """
    reason = event.text("reason") or ""
    kind = _kind_of_code(event, reason) or _kind_of_reason(event, reason)
    facts: dict[str, JsonObject] = {}
    if kind != "person.merged":  # a merge says nothing of where anyone is
        facts["custody"] = _custody(event)
    if kind in {"release.actual", "release.temporary"}:
        facts["custody"]["released_at"] = event.occurred_text
    return _movement(event, kind, reason, facts)


def reception(event: DomainEvent) -> Report:
    """Return what a "received" event reports: a recall, or any other way in.

    Raises:
        UnsupportedEvent: reason unknown, or the status contradicts it; a human must look.
        MalformedEvent: a member that is read is not a string.
    """
    reason = event.text("reason") or ""
    if reason not in _RECEPTION_REASONS:
        raise _unclear(event, ".reason", "not a reason known to mean a reception")
    if event.text("currentPrisonStatus") not in {None, _UNDER_CARE}:
        raise _unclear(event, ".currentPrisonStatus", "contradicts a reception")
    recalled = reason == "ADMISSION" and event.text("probableCause") == "RECALL"
    kind = "custody.recalled" if recalled else "custody.received"
    return _movement(event, kind, reason, {"custody": _custody(event)})


def merge(event: DomainEvent) -> Report:
    """Return which prison number lives on and which it replaces.

    Raises:
        UnsupportedEvent: the two are the same number, or the reason is no merge.
        MalformedEvent: either number is missing or not a string.
    """
    reason = event.text("reason") or "MERGE"
    kept, removed = event.text("nomsNumber"), event.text("removedNomsNumber")
    if kept is None or removed is None:
        missing = "nomsNumber" if kept is None else "removedNomsNumber"
        raise event.malformed(f".additionalInformation.{missing}", "required of a merge")
    if reason != "MERGE" or kept == removed:
        raise _unclear(event, "", "contradicts a merge of two records")
    return Report(
        kind="person.merged",
        system=NOMIS,
        told_apart_by=(reason, removed),
        facts={"identifiers": {"superseded_noms": removed}},
    )


def overdue(event: DomainEvent) -> Report:
    """Return that someone let out for a time has not come back.

    Raises:
        MalformedEvent: a member that is read is not a string.
    """
    recorded_in = event.text("source")
    return Report(
        kind="release.overdue",
        system="DPS" if recorded_in == "DPS" else NOMIS,
        told_apart_by=(event.text("id") or "",),
    )


def _kind_of_code(event: DomainEvent, reason: str) -> str | None:
    """Return what the movement code makes of it; None when the code leaves it to the reason."""
    code = (event.text("nomisMovementReasonCode") or "").strip().upper()
    kind = _KIND_BY_CODE.get(code)
    if kind is not None and reason != "RELEASED" and kind != _KIND_BY_REASON.get(reason):
        raise _unclear(event, ".nomisMovementReasonCode", "contradicts the reason")
    return kind


def _kind_of_reason(event: DomainEvent, reason: str) -> str:
    """Return the kind of a reason that nothing else in the event contradicts."""
    kind = _KIND_BY_REASON.get(reason)
    status = event.text("currentPrisonStatus")
    if kind is None:
        raise _unclear(event, ".reason", "not a reason known to mean one thing")
    if event.event_type in _IMMEDIATE:
        if reason == "RELEASED":
            raise event.unsupported(
                ".eventType",
                "an immediate report may be a mistake; the settled event of the release counts",
                needs_human=False,
            )
    elif status is None:
        raise _unclear(event, ".currentPrisonStatus", "missing: the reason alone does not count")
    if not _consistent(reason, status, event.text("currentLocation")):
        raise _unclear(event, ".currentPrisonStatus", "status or location contradicts the reason")
    return kind


def _consistent(reason: str, status: str | None, location: str | None) -> bool:
    if status not in {None, _UNDER_CARE, _NOT_UNDER_CARE}:
        return False
    if reason == "RELEASED":
        return status == _NOT_UNDER_CARE and location in {None, "OUTSIDE_PRISON"}
    return not (reason in _STILL_SERVING and status == _NOT_UNDER_CARE)


def _custody(event: DomainEvent) -> JsonObject:
    stated = {
        "prison": event.text("prisonId"),
        "reason_code": event.text("nomisMovementReasonCode"),
    }
    return {name: text for name, text in stated.items() if text is not None}


def _movement(event: DomainEvent, kind: str, reason: str, facts: dict[str, JsonObject]) -> Report:
    return Report(
        kind=kind,
        system=NOMIS,
        told_apart_by=(reason,),
        facts=facts,
        verified=event.event_type not in _IMMEDIATE,
    )


def _unclear(event: DomainEvent, member: str, reason: str) -> UnsupportedEvent:
    return event.unsupported(
        f".additionalInformation{member}", f"needs a human: {reason}", needs_human=True
    )
