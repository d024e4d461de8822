"""What the codes of a ViSOR-style nominal mean here, each once, for reading and for writing."""

from collections.abc import Mapping
from typing import Final

# What a record reports -> the kind of event. Also read the other way round: keep it one to one.
REPORTS: Final[Mapping[str, str]] = {
    "NOMINAL_CREATED": "risk.flag_raised",
    "NOMINAL_ARCHIVED": "risk.flag_ended",
    "CATEGORY_CHANGED": "mappa.category_changed",
    "LEVEL_CHANGED": "mappa.level_changed",
    "REVIEW_COMPLETED": "mappa.review_completed",
    "ELIGIBILITY_ENDED": "mappa.eligibility_ended",
    "RISK_ASSESSED": "risk.assessed",
    "NOTIFICATION_REQUIRED": "notification.required",
    "NOTIFICATION_BREACHED": "notification.breached",
    "NOTIFICATION_ENDED": "notification.ended",
    "NOTIFICATION_REVOKED": "notification.revoked",
    "ORDER_IMPOSED": "order.imposed",
    "ORDER_VARIED": "order.varied",
    "ORDER_BREACHED": "order.breached",
    "ORDER_EXPIRED": "order.expired",
    "VISIT_RECORDED": "police.visit_recorded",
    "ARRESTED": "police.arrested",
    "CHARGED": "police.charged",
    "ADDRESS_CHANGED": "address.changed",
    "MISSING": "address.unknown",  # whereabouts, not only the address, are unknown
    # D14: the system is the primary tool for telling of releases.
    "RELEASE_PLANNED": "release.planned",
    "RELEASE_DATE_CHANGED": "release.date_changed",
    "RELEASE_CANCELLED": "release.cancelled",
    "RELEASED": "release.actual",
    "RECALLED": "custody.recalled",
    "RECEIVED": "custody.received",
    "ESCAPED": "custody.escaped",
}
REPORT_OF: Final = {kind: report for report, kind in REPORTS.items()}

# Known, and no kind says so much: a person who is wanted or has died concerns everyone told of.
FOR_A_HUMAN: Final = {
    "WANTED": "no event says that someone is wanted",
    "DECEASED": "no event says that someone died outside custody",
    "WITHDRAWN": "an earlier record is withdrawn: find out which, and retract its event",
}
# A copy of the record as it stands: nothing happened.
NOTHING_HAPPENED: Final = frozenset({"EXPORTED", "REVIEW_DUE"})

# After these a record may keep its own category for history: it decides none any more.
ENDING: Final = frozenset(
    {"mappa.eligibility_ended", "notification.ended", "notification.revoked", "risk.flag_ended"}
)

# The record's own categories. Only the first decides a MAPPA category: a registered sexual
# offender is subject to notification (CJA 2003 s.327(2)); the others may be any or none.
REGISTERED_SEXUAL_OFFENDER: Final = "RSO"
POTENTIALLY_DANGEROUS: Final = "PDP"  # no qualifying offence: never a MAPPA category
NOMINAL_CATEGORIES: Final = {
    REGISTERED_SEXUAL_OFFENDER: REGISTERED_SEXUAL_OFFENDER,
    "VO": "VO",
    "OSO": "OSO",
    POTENTIALLY_DANGEROUS: POTENTIALLY_DANGEROUS,
    "TO": "TO",
}

# 0 means that the record itself does not know: nothing is stated, and never 1.
MAPPA_CATEGORIES: Final[Mapping[str, int | None]] = {"0": None, "1": 1, "2": 2, "3": 3, "4": 4}
MAPPA_LEVELS: Final[Mapping[str, int | None]] = {"0": None, "1": 1, "2": 2, "3": 3}

RISK_LEVELS: Final = {
    "LOW": "low", "MEDIUM": "medium", "HIGH": "high", "VERY_HIGH": "very_high",
    "VERY HIGH": "very_high",
}  # fmt: skip
RISK_TO: Final = {
    "riskOverall": "overall",
    "riskToChildren": "children",
    "riskToPublic": "public",
    "riskToKnownAdult": "known_adult",
    "riskToStaff": "staff",
    "riskToPrisoners": "prisoners",
}

# Orders under older Acts are known, and none of the kinds the gateway counts.
ORDERS: Final = {
    "SHPO": "SHPO", "SRO": "SRO", "NOTIFICATION_ORDER": "NOTIFICATION_ORDER",
    "RESTRAINING_ORDER": "RESTRAINING_ORDER", "OTHER": "OTHER", "SOPO": "OTHER", "FTO": "OTHER",
    "RSHO": "OTHER",
}  # fmt: skip
ORDER_STAGES: Final = {"APPLIED": "applied", "INTERIM": "interim", "FULL": "full"}
OUTCOMES: Final = {"CAUTIONED": "cautioned", "CONVICTED": "convicted"}

ADDRESS_STATES: Final = {
    one: one for one in ("CONFIRMED", "PROPOSED", "NFA", "UNKNOWN")
}  # fmt: skip
RELEASE_TYPES: Final = {
    one: one
    for one in (
        "SED_NO_LICENCE", "CONDITIONAL", "AUTOMATIC", "PAROLE", "HOME_DETENTION_CURFEW",
        "EXECUTIVE", "TEMPORARY", "UNCONDITIONAL",
    )
}  # fmt: skip
RETURN_REASONS: Final = {
    "BREACH_OF_LICENCE": "breach_of_licence",
    "BREACH_OF_ORDER": "breach_of_order",
    "NEW_CHARGE": "new_charge",
    "OTHER": "other",
}
# Which agency the officer or a partner works for -> what the gateway calls that contact.
CONTACTS: Final = {
    "POLICE": "police_offender_manager",
    "PROBATION": "community_offender_manager",
    "PRISON": "prison_offender_manager",
    "MAPPA": "public_protection_coordinator",
}
