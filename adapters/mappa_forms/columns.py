"""The columns of the referral form, in order: member names in JSON, headings in CSV.

Source: MAPPA Guidance 2012, notes on forms A and B. Their machine form is this gateway's own.
"""

from typing import Final

# Columns that copy one member of one field group, in either direction.
TEXTS: Final[dict[str, tuple[str, str]]] = {
    "noms": ("identifiers", "noms"),
    "crn": ("identifiers", "crn"),
    "pnc": ("identifiers", "pnc"),
    "cro": ("identifiers", "cro"),
    "visor_ref": ("identifiers", "visor_ref"),
    "family_name": ("identity", "family_name"),
    "given_names": ("identity", "given_names"),
    "sex": ("identity", "sex"),
    "lead_agency": ("mappa", "lead_agency"),
    "coordinator_contact": ("mappa", "coordinator_contact"),
    "index_offence": ("offence", "index_category"),
    "sentence": ("offence", "sentence"),
    "prison": ("custody", "prison"),
    "area_of_closest_links": ("location", "home_area"),
    "mha_status": ("health_routing", "mha_status"),
    "care_coordinator": ("health_routing", "care_coordinator"),
    "who_is_at_risk": ("risk_narrative", "who_is_at_risk"),
    "nature_of_risk": ("risk_narrative", "nature"),
    "triggers": ("risk_narrative", "triggers"),
    "modus_operandi": ("risk_narrative", "modus_operandi"),
    "protective_factors": ("risk_narrative", "protective_factors"),
    "victim_relationship": ("victim", "relationship"),
    "victim_area": ("victim", "address_area"),
    "victim_liaison_officer": ("victim", "liaison_officer"),
    "plan_ref": ("professionals", "plan_ref"),
    "handling_grade": ("handling", "grade"),
    "handling_conditions": ("handling", "conditions"),
}
DATES: Final[dict[str, tuple[str, str]]] = {
    "date_of_birth": ("identity", "date_of_birth"),
    "next_review": ("mappa", "next_review"),
    "sentenced_on": ("offence", "sentenced_on"),
    "release_date": ("custody", "planned_date"),
    "sentence_expiry_date": ("custody", "sentence_expiry_date"),
    "licence_expiry_date": ("custody", "licence_expiry_date"),
    "risk_assessed_on": ("rosh", "assessed_on"),
}
LEVELS_OF_RISK: Final[dict[str, tuple[str, str]]] = {
    "risk_overall": ("rosh", "overall"),
    "risk_to_children": ("rosh", "children"),
    "risk_to_public": ("rosh", "public"),
    "risk_to_known_adult": ("rosh", "known_adult"),
    "risk_to_staff": ("rosh", "staff"),
    "risk_to_prisoners": ("rosh", "prisoners"),
}
FLAGS: Final[dict[str, tuple[str, str]]] = {
    "victim_recorded": ("victim", "recorded"),
    "victim_contact_opted_in": ("victim", "contact_opted_in"),
    "children_at_risk": ("children", "at_risk"),
    "domestic_abuse": ("offence", "domestic_abuse"),
}
LISTS: Final[dict[str, tuple[str, str]]] = {"aliases": ("identity", "aliases")}
OFFICERS: Final[dict[str, str]] = {
    "probation_officer": "community_offender_manager",
    "police_officer": "police_offender_manager",
    "prison_officer": "prison_offender_manager",
}
TICKS: Final = ("category_1", "category_2", "category_3", "category_4")
ADDRESS: Final = ("no_fixed_abode", "approved_release_address", "approved_release_postcode")

# What the referring agency completes; an alert does not say it.
TO_COMPLETE: Final = ("level_referred_to", "referring_agency", "referred_on", "reason_for_referral")

# Without a member in any field group: free text about the past and the reason, who is ill in which
# hospital, and who else is invited, which does not make them part of the plan (D10).
NOT_CARRIED: Final = (
    "ethnicity", "conviction_summary", "previous_offences", "hospital", "agencies",
    "reason_for_referral", "referring_agency",
)  # fmt: skip

# What ties a prefilled form to the logged disclosure.
TRACE: Final = (
    "alert_id", "alert_message", "supersedes", "case_ref", "gateway", "recipient_type",
    "acknowledge_by", "review_due", "stated_at", "sources", "to_complete",
)  # fmt: skip

COLUMNS: Final[tuple[str, ...]] = (
    "form", "marking", "referral_ref", *TO_COMPLETE, *TICKS, "current_level",
    *TEXTS, *DATES, *LEVELS_OF_RISK, *FLAGS, *LISTS, *ADDRESS, "index_outcome",
    *(f"{officer}{part}" for officer in OFFICERS for part in ("", "_contact")),
    *NOT_CARRIED[:5], *TRACE,
)  # fmt: skip
