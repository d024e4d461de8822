"""Whose numbers are whose: prison records merged, a prison number linked to a probation case.

Source: hmpps-domain-events ``prison-offender-events/prisoner.merged``,
``probation-case/prison-identifier-added``.
"""

from typing import Final

from adapters.hmpps_domain_events.envelope import DomainEvent
from adapters.hmpps_domain_events.report import NDELIUS, NOMIS, Report

MERGED: Final = "prison-offender-events.prisoner.merged"
LINKED: Final = "probation-case.prison-identifier.added"


def merged(event: DomainEvent) -> Report:
    """Return which prison number lives on and which it replaces.

    Raises:
        UnsupportedEvent: the number removed is not stated, is the one that lives on, or the reason
            is no merge: for a human.
        MalformedEvent: the number that lives on is missing, or either is not a string.
    """
    reason = event.text("reason") or "MERGE"
    kept, removed = event.text("nomsNumber"), event.text("removedNomsNumber")
    if kept is None:
        raise event.malformed(".additionalInformation.nomsNumber", "required of a merge")
    if removed is None:  # as published, where the previous number is unavailable
        raise event.unclear("removedNomsNumber", "the number that was removed is not stated")
    if reason != "MERGE" or kept == removed:
        raise event.unclear("", "contradicts a merge of two records")
    return Report(
        kind="person.merged",
        system=NOMIS,
        told_apart_by=(reason, removed),
        facts={"identifiers": {"superseded_noms": removed}},
    )


def linked(event: DomainEvent) -> Report:
    """Return that a prison number and a case reference are one person's.

    Raises:
        MalformedEvent: either is missing, or not in its form.
    """
    missing = {"noms", "crn"} - set(event.identifiers())
    if missing:
        raise event.malformed(".personReference.identifiers", "a link needs both numbers")
    return Report(kind="person.linked", system=NDELIUS, told_apart_by=())
