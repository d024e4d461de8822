"""Events that say that something happened, and nothing of what: told as their kind, and no fact.

Whoever must act on them looks the rest up where they are permitted to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from adapters.hmpps_domain_events.envelope import DomainEvent
from adapters.hmpps_domain_events.report import NDELIUS, NOMIS, Report

_LICENCES: Final = "Create and Vary a Licence"
_PREMISES: Final = "Approved Premises"
_CAS3: Final = "Transitional Accommodation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thin:
    """One type: its kind, whose record it is, and the members that tell two of them apart."""

    kind: str
    system: str
    told_apart_by: tuple[str, ...] = ()
    verified: bool = True  # False: it may have been something less


THIN: Final[Mapping[str, Thin]] = {
    "prison-offender-events.prisoner.sentence-dates-changed": Thin(
        kind="release.date_changed", system=NOMIS, told_apart_by=("sentenceCalculationId",)
    ),
    "calculate-release-dates.prisoner.changed": Thin(
        kind="release.date_changed", system="Calculate Release Dates"
    ),
    "person.temporary-absence.overdue": Thin(
        kind="release.overdue", system=NOMIS, told_apart_by=("id",)
    ),
    "restricted-patients.patient.added": Thin(
        kind="custody.hospital_transfer", system="Restricted Patients"
    ),
    "probation-case.address.created": Thin(
        kind="address.changed", system=NDELIUS, told_apart_by=("addressId",)
    ),
    "probation-case.address.updated": Thin(
        kind="address.changed", system=NDELIUS, told_apart_by=("addressId",)
    ),
    "probation-case.sentence.terminated": Thin(
        kind="sentence.terminated", system=NDELIUS, told_apart_by=("eventNumber",)
    ),
    "person.community.manager.allocated": Thin(
        kind="supervision.transferred", system=NDELIUS, told_apart_by=("allocationId",)
    ),
    "person.community.manager.transferred": Thin(
        kind="supervision.transferred", system=NDELIUS, told_apart_by=("allocationId",)
    ),
    # A handover date, the responsibility, or both: enough to ask who the offender manager now is.
    "offender-management.handover.changed": Thin(
        kind="supervision.transferred", system="Manage a Case", verified=False
    ),
    "create-and-vary-a-licence.licence.activated": Thin(
        kind="licence.activated", system=_LICENCES, told_apart_by=("licenceId",)
    ),
    "create-and-vary-a-licence.variation.activated": Thin(
        kind="licence.varied", system=_LICENCES, told_apart_by=("licenceId",)
    ),
    "approved-premises.booking.made": Thin(
        kind="accommodation.placed", system=_PREMISES, told_apart_by=("applicationId", "bookingId")
    ),
    "approved-premises.booking.cancelled": Thin(
        kind="accommodation.lost", system=_PREMISES, told_apart_by=("applicationId", "bookingId")
    ),
    "accommodation.cas3.booking.confirmed": Thin(
        kind="accommodation.placed", system=_CAS3, told_apart_by=("applicationId", "bookingId")
    ),
    "accommodation.cas3.booking.cancelled": Thin(
        kind="accommodation.lost", system=_CAS3, told_apart_by=("applicationId", "bookingId")
    ),
    "accommodation.cas3.person.arrived": Thin(
        kind="address.changed", system=_CAS3, told_apart_by=("applicationId", "bookingId")
    ),
    "accommodation.cas3.person.departed": Thin(
        kind="accommodation.lost", system=_CAS3, told_apart_by=("applicationId", "bookingId")
    ),
}


def report(event: DomainEvent) -> Report:
    """Return the kind of an event that states nothing else.

    Raises:
        MalformedEvent: a member that is read is neither a string nor a number.
    """
    thin = THIN[event.event_type]
    # A temporary absence is recorded in either of two systems, and says in which.
    system = "DPS" if event.text("source") == "DPS" else thin.system
    return Report(
        kind=thin.kind,
        system=system,
        told_apart_by=tuple(event.reference(name) for name in thin.told_apart_by),
        verified=thin.verified,
    )
