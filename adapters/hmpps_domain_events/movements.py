"""Prison movements. "Released" is what a prison calls every way out of the gate: a death, an
abscond, a day at court, a hospital bed and the merging of two records among them.

Source: hmpps-domain-events value sets; prison-custody-status-to-delius movement codes.
"""

from typing import Final

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

_IMMEDIATE: Final = frozenset({IMMEDIATE_RELEASE, IMMEDIATE_RECEPTION})
# Known, and not asked for where the movement code or the reason has said enough.
_MEMBERS: Final = (
    "nomisMovementReasonCode", "currentLocation", "currentPrisonStatus", "prisonId",
    "probableCause",
)  # fmt: skip
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
    event.additional.ignore(*_MEMBERS)
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
    event.additional.ignore(*_MEMBERS)
    reason = event.text("reason") or ""
    if reason not in _RECEPTION_REASONS:
        raise event.unclear("reason", "not a reason known to mean a reception")
    if event.text("currentPrisonStatus") not in {None, _UNDER_CARE}:
        raise event.unclear("currentPrisonStatus", "contradicts a reception")
    # Only the settled report has a cause, and one that is sure enough to tell.
    recalled = (
        event.event_type == SETTLED_RECEPTION
        and reason == "ADMISSION"
        and event.text("probableCause") == "RECALL"
    )
    kind = "custody.recalled" if recalled else "custody.received"
    return _movement(event, kind, reason, {"custody": _custody(event)})


def _kind_of_code(event: DomainEvent, reason: str) -> str | None:
    """Return what the movement code makes of it; None when the code leaves it to the reason."""
    code = (event.text("nomisMovementReasonCode") or "").strip().upper()
    kind = _KIND_BY_CODE.get(code)
    if kind is not None and reason != "RELEASED" and kind != _KIND_BY_REASON.get(reason):
        raise event.unclear("nomisMovementReasonCode", "contradicts the reason")
    return kind


def _kind_of_reason(event: DomainEvent, reason: str) -> str:
    """Return the kind of a reason that nothing else in the event contradicts."""
    kind = _KIND_BY_REASON.get(reason)
    status = event.text("currentPrisonStatus")
    if kind is None:
        raise event.unclear("reason", "not a reason known to mean one thing")
    if event.event_type in _IMMEDIATE:
        if reason == "RELEASED":
            raise event.unsupported(
                ".eventType",
                "an immediate report may be a mistake; the settled event of the release counts",
                needs_human=False,
            )
    elif status is None:
        raise event.unclear("currentPrisonStatus", "missing: the reason alone does not count")
    if not _consistent(reason, status, event.text("currentLocation")):
        raise event.unclear("currentPrisonStatus", "status or location contradicts the reason")
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
