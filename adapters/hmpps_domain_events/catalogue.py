"""Every type of domain event that is published, and what the gateway makes of it.

Translation is held to this table: a type with no kinds is refused with the reason given here, one
that is not in it as unknown.
Source: hmpps-domain-events ``spec/``; the event names in hmpps-integration-api and in probation
integrations for those that have no specification yet.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What becomes of one event type."""

    kinds: tuple[str, ...] = ()  # what it may become; none: it is never translated
    why: str  # with kinds: what it does not state or when it is not translated; without: the reason
    needs_human: bool = False  # without kinds: somebody has to look


_DEPARTURES: Final = (
    "release.temporary custody.transferred custody.escaped custody.died "
    "custody.hospital_transfer custody.sent_to_court person.merged"
)
_FLAGS: Final = "risk.flag_raised safeguarding.child_concern safeguarding.adult_concern"
_CODES: Final = "by reason, movement code and status together; contradictions need a human"
_FLAG: Final = "as the alert code says; unknown codes need a human"

# type -> what it may become, and what is left out
_TRANSLATED: Final[Mapping[str, tuple[str, str]]] = {
    "prison-offender-events.prisoner.released": (
        f"release.actual {_DEPARTURES}",
        _CODES,
    ),
    "prisoner-offender-search.prisoner.released": (
        _DEPARTURES,
        "unverified; a release waits for the settled event, 45 minutes later",
    ),
    "prison-offender-events.prisoner.received": (
        "custody.received custody.recalled",
        "recalled only where an admission states RECALL as its probable cause",
    ),
    "prisoner-offender-search.prisoner.received": (
        "custody.received",
        "unverified; an admission after a merge needs a human",
    ),
    "prison-offender-events.prisoner.merged": (
        "person.merged",
        "needs a human where the number removed is not stated",
    ),
    "prison-offender-events.prisoner.sentence-dates-changed": (
        "release.date_changed",
        "no date: it says that dates changed, neither which nor to what",
    ),
    "calculate-release-dates.prisoner.changed": (
        "release.date_changed",
        "no date: it says that dates were calculated, neither which nor to what",
    ),
    "person.temporary-absence.overdue": ("release.overdue", "not back when due"),
    "restricted-patients.patient.added": (
        "custody.hospital_transfer",
        "still serving, in a secure hospital; no section of the Mental Health Act is stated",
    ),
    "person.alert.created": (
        "risk.flag_raised risk.assessed contact.restricted health.concern",
        _FLAG,
    ),
    "person.alert.inactive": ("risk.flag_ended", _FLAG),
    "person.alert.deleted": ("risk.flag_ended", _FLAG),
    "probation-case.registration.added": (
        f"mappa.level_changed risk.assessed {_FLAGS}",
        "as the register says; INVI and unknown registers are not translated",
    ),
    "probation-case.registration.updated": (
        "mappa.level_changed risk.assessed",
        "of a flag already raised, it does not say what changed",
    ),
    "probation-case.registration.deregistered": (
        "mappa.eligibility_ended risk.flag_ended",
        "of a level of risk, the one that takes its place is a registration of its own",
    ),
    "probation-case.registration.deleted": (
        "risk.flag_ended",
        "of MAPPA needs a human: it takes an earlier report back, and does not say which",
    ),
    "probation-case.mappa-information.created": (
        "mappa.category_changed",
        "category 0 is unknown and states nothing",
    ),
    "probation-case.mappa-information.updated": (
        "mappa.category_changed",
        "category 0 is unknown and states nothing",
    ),
    "probation-case.prison-identifier.added": ("person.linked", "needs both numbers"),
    "probation-case.address.created": ("address.changed", "no address: none is in the event"),
    "probation-case.address.updated": ("address.changed", "no address: none is in the event"),
    "probation-case.sentence.terminated": (
        "sentence.terminated",
        "one sentence; whether others run is not stated",
    ),
    "person.community.manager.allocated": ("supervision.transferred", "no name: none in the event"),
    "person.community.manager.transferred": (
        "supervision.transferred",
        "no name: none in the event",
    ),
    "offender-management.handover.changed": (
        "supervision.transferred",
        "unverified: a handover date or responsibility changed, it does not say which",
    ),
    "create-and-vary-a-licence.licence.activated": (
        "licence.activated",
        "no conditions: none in the event",
    ),
    "create-and-vary-a-licence.variation.activated": (
        "licence.varied",
        "no conditions: none in the event",
    ),
    "approved-premises.booking.made": ("accommodation.placed", "no premises stated"),
    "approved-premises.booking.cancelled": ("accommodation.lost", "no premises stated"),
    "accommodation.cas3.booking.confirmed": ("accommodation.placed", "no premises stated"),
    "accommodation.cas3.booking.cancelled": ("accommodation.lost", "no premises stated"),
    "accommodation.cas3.person.arrived": ("address.changed", "no address: none is in the event"),
    "accommodation.cas3.person.departed": ("accommodation.lost", "where to is not stated"),
}

# reason -> types
_NEEDS_HUMAN: Final[Mapping[str, str]] = {
    "which case reference was replaced has no place among the identifiers": """
        probation-case.merge.completed""",
    "two cases parted: which facts are whose cannot be told": """
        probation-case.unmerge.completed probation-case.sentence.moved""",
    "a booking and its facts moved to another person, or were taken out": """
        prison-offender-events.prisoner.booking.moved
        prison-offender-events.prisoner.booking.deleted""",
    "discharge, return to prison or a mistake: it does not say which": """
        restricted-patients.patient.removed""",
    "who may know of the case changed, and it does not say how": """
        probation-case.exclusion.updated probation-case.restriction.updated""",
    "a record was erased": "probation-case.deleted.gdpr",
}

_ABSENCE: Final = "person.temporary-absence"
_COURT: Final = "person.court-appearance"

_NOT_TRANSLATED: Final[Mapping[str, str]] = {
    "an input to a calculation; changed dates are reported by themselves": """
        release-date-adjustments.adjustment.inserted release-date-adjustments.adjustment.updated
        release-date-adjustments.adjustment.deleted
        prison-offender-events.prisoner.sentence.changed
        prison-offender-events.prisoner.sentence-term.changed
        prison-offender-events.prisoner.fixed-term-recall.changed
        prison-offender-events.prisoner.fine-payment.changed
        probation-case.sentence.created probation-case.sentence.amended
        probation-case.sentence.deleted""",
    "says that something changed, not what": """
        prison-offender-events.prisoner.imprisonment-status-changed
        prisoner-offender-search.prisoner.updated person.alert.updated person.alert.changed
        probation.staff.updated""",
    "the same alerts are reported one by one": """
        person.alerts.changed prisoner-offender-search.prisoner.alerts-updated
        prisoner-alerts.alert-created prisoner-alerts.alert-updated
        prisoner-alerts.alert-deleted""",
    "about the code list, not about a person": """
        prisoner-alerts.alert-code-created prisoner-alerts.alert-type-created
        prisoner-alerts.alert-type-deactivated manage-offences.offence.changed""",
    "the movement itself is reported by prisoner.released and prisoner.received": f"""
        {_ABSENCE}.started {_ABSENCE}.completed
        {_ABSENCE}-movement.recorded {_ABSENCE}-movement.reversed {_ABSENCE}-movement.deleted
        {_ABSENCE}-movement.occurred-at-changed
        person.external-movement.recorded-out-temporarily
        person.external-movement.recorded-in-from-out-temporarily
        person.external-movement.occurred-at-changed person.external-movement.relocated
        person.external-movement.comments-changed
        {_COURT}.started {_COURT}.completed
        {_COURT}-movement.recorded {_COURT}-movement.reversed {_COURT}-movement.deleted
        {_COURT}-movement.occurred-at-changed""",
    "a plan for an absence, release or escort alike; the movement is reported on the day": f"""
        {_ABSENCE}.scheduled {_ABSENCE}.rescheduled {_ABSENCE}.unscheduled {_ABSENCE}.cancelled
        {_ABSENCE}.denied {_ABSENCE}.expired {_ABSENCE}.paused {_ABSENCE}.resumed
        {_ABSENCE}.relocated {_ABSENCE}.recategorised
        {_ABSENCE}.accompaniment-changed {_ABSENCE}.transport-changed {_ABSENCE}.comments-changed
        {_ABSENCE}-authorisation.pending {_ABSENCE}-authorisation.approved
        {_ABSENCE}-authorisation.denied {_ABSENCE}-authorisation.deferred
        {_ABSENCE}-authorisation.cancelled {_ABSENCE}-authorisation.expired
        {_ABSENCE}-authorisation.paused {_ABSENCE}-authorisation.resumed
        {_ABSENCE}-authorisation.recategorised {_ABSENCE}-authorisation.date-range-changed
        {_ABSENCE}-authorisation.accompaniment-changed
        {_ABSENCE}-authorisation.transport-changed {_ABSENCE}-authorisation.comments-changed
        {_ABSENCE}-movement.relocated {_ABSENCE}-movement.recategorised
        {_ABSENCE}-movement.accompaniment-changed {_ABSENCE}-movement.comments-changed""",
    "a court diary; being sent to court is reported as a movement": f"""
        {_COURT}.scheduled {_COURT}.rescheduled {_COURT}.unscheduled {_COURT}.cancelled
        {_COURT}.expired {_COURT}.recorded {_COURT}.relocated {_COURT}.recategorised
        {_COURT}.comments-changed {_COURT}.requested-by-video-link {_COURT}.requested-in-person
        {_COURT}-movement.appearance-changed {_COURT}-movement.comments-changed
        {_COURT}-movement.recategorised {_COURT}-movement.relocated
        court-document.file.received""",
    "ended, replaced or recalled: it does not say which, and what follows is reported": """
        create-and-vary-a-licence.licence.inactivated
        create-and-vary-a-licence.variation.inactivated""",
    "a recommendation; the recall itself is reported when it has happened": """
        prison-recall.recommendation.started prison-recall.recommendation.consideration
        prison-recall.recommendation.management-oversight prison-recall.recommendation.deleted""",
    "a step in finding a place of HMPPS's own, and none was found or lost by it": """
        approved-premises.application.submitted accommodation.cas3.referral.submitted
        applications.cas2.application.submitted
        approved-premises.application.assessed approved-premises.application.withdrawn
        approved-premises.assessment.allocated approved-premises.assessment.appealed
        approved-premises.assessment.info-requested approved-premises.booking.not-made
        approved-premises.placement-application.withdrawn
        accommodation.cas3.booking.provisionally-made
        accommodation.cas3.booking.cancelled.updated accommodation.cas3.person.arrived.updated
        accommodation.cas3.person.departed.updated applications.cas2.application.status-updated
        probation-case.cas3-booking.created""",
    "responsibility for the person does not move by it": """
        offender-management.pom.allocated restricted-patients.patient.supporting-prison-changed
        event.manager.allocated requirement.manager.allocated
        licence-condition.manager.allocated probation-case.engagement.created
        probation-case.supervision.created probation-case.supervision-appointment.created
        probation-case.appointment.sms-sent""",
    "a note or an export; the end of management is a deregistration": """
        probation-case.mappa-information.deleted probation-case.mappa-export.created
        probation-case.mappa-export.terminated""",
    "an address taken out of the record, not a move": "probation-case.address.deleted",
    "a likelihood of reoffending, not a risk of serious harm": """
        risk-assessment.scores.rsr.determined risk-assessment.scores.ogrs.determined
        probation-case.risk-scores.ogrs.manual-calculation tier.calculation.complete
        tier.calculation.changed""",
    "the assessment itself comes from OASys": """
        assessment.summary.produced probation-case.assessment-summary.created""",
    "the record only; what happened to the person is reported by itself": """
        prisoner-offender-search.prisoner.created prisoner-offender-search.prisoner.removed
        prisoner-offender-search.prisoner.convicted-status-changed
        prison.case-note.published person.case-note.created person.case-note.updated
        person.case-note.deleted person.case-note.moved
        pre-sentence.report.started pre-sentence.report.completed""",
    "visits to a prisoner and their contacts; the terms are not in the event": """
        prison-offender-events.prisoner.contact-added
        prison-offender-events.prisoner.contact-approved
        prison-offender-events.prisoner.contact-removed
        prison-offender-events.prisoner.contact-unapproved
        prison-offender-events.prisoner.restriction.changed
        prison-offender-events.prisoner.person-restriction.upserted
        prison-offender-events.prisoner.person-restriction.deleted
        prison-offender-events.visitor.restriction.upserted
        prison-offender-events.visitor.restriction.deleted
        prison-visit.booked prison-visit.changed prison-visit.cancelled
        prison-visit-allocation.adjustment.created prison-visit-allocation.balance.reset
        prison-visit-booker.visitor-approved prison-visit-booker.visitor-rejected
        prison-visit-booker.visitor-linked prison-visit-booker.visitor-request-approved
        prison-visit-booker.visitor-request-rejected""",
    "life inside a prison": """
        prison-offender-events.prisoner.activities-changed
        prison-offender-events.prisoner.appointments-changed
        prison-offender-events.prisoner.cell.move
        prison-offender-events.prisoner.dietary.information.updated
        prison-offender-events.prisoner.non-association-detail.changed
        prison-offender-events.prisoner.video-appointment.cancelled
        prison-offender-events.video-appointment.cancelled
        activities.activity-schedule.created activities.activity-schedule.amended
        activities.prisoner.allocation-amended activities.prisoner.attendance-created
        activities.prisoner.attendance-amended activities.prisoner.attendance-expired
        activities.scheduled-instance.amended appointments.appointment-instance.cancelled
        appointments.appointment-instance.deleted
        adjudication.report.created adjudication.hearing.created adjudication.hearing.deleted
        adjudication.hearingCompleted.created adjudication.punishments.created
        incentives.iep-review.inserted incentives.iep-review.updated
        incentives.iep-review.deleted incentives.prisoner.next-review-date-changed
        incentives.level.changed incentives.levels.reordered incentives.prison-level.changed
        incident.report.created incident.report.amended incident.report.deleted
        non-associations.created non-associations.amended non-associations.closed
        non-associations.deleted
        person.csip-record.created person.csip-record.updated person.csip-record.deleted
        person.csip-record.moved person.csip.attendee.created person.csip.attendee.deleted
        person.csip.contributory-factor.created person.csip.contributory-factor.deleted
        person.csip.identified-need.created person.csip.identified-need.deleted
        person.csip.interview.created person.csip.interview.deleted
        person.csip.review.created person.csip.review.deleted""",
    "a place, not a person": """
        location.inside.prison.created location.inside.prison.amended
        location.inside.prison.deleted location.inside.prison.deactivated
        location.inside.prison.reactivated location.inside.prison.signed-op-cap.amended
        location.inside.prison.signed-op-cap-amended""",
    "services and programmes a person is referred to, not whom they may harm": """
        intervention.referral.sent intervention.referral.assigned intervention.referral.ended
        intervention.referral.concluded intervention.action-plan.approved
        intervention.action-plan.submitted
        intervention.session-appointment.session-feedback-submitted
        intervention.initial-assessment-appointment.session-feedback-submitted
        interventions.community.referral.created
        accredited-programmes-community.referral.status-updated
        unpaid-work.assessment.completed ciag-induction.created ciag-induction.updated
        plp.induction-schedule.updated plp.review-schedule.updated
        san.plan-creation-schedule.updated san.review-schedule.updated""",
}


def _entries() -> Iterator[tuple[str, Entry]]:
    for event_type, (kinds, why) in _TRANSLATED.items():
        yield event_type, Entry(kinds=tuple(kinds.split()), why=why)
    for reason, types in _NEEDS_HUMAN.items():
        for event_type in types.split():
            yield event_type, Entry(why=reason, needs_human=True)
    for reason, types in _NOT_TRANSLATED.items():
        for event_type in types.split():
            yield event_type, Entry(why=reason)


CATALOGUE: Final[Mapping[str, Entry]] = MappingProxyType(dict(sorted(_entries())))
