"""The code lists that prison healthcare writes in, and what each code means here.

A code that is in none of them means nothing here, and a human must look. Sources: UK Core code
systems of England (DischargeDestination, DischargeMethod, LegalStatusClassification, 1.0.x), NHS
Data Dictionary for the numbers of sex and tracing, HL7 v3 for labels, SNOMED CT.
"""

from collections.abc import Mapping
from typing import Final, Literal

# Our own, for what UK Core has no place for. See docs/reference/adapters/systmone.fhir.md.
OURS: Final = "urn:throughgate:fhir:"
PRISON_NUMBER: Final = "urn:throughgate:id:prison-number"
WHOLE_RECORD: Final = f"{OURS}prison-health-record"  # a profile
PRIOR_PRACTICE: Final = f"{OURS}prior-community-practice"  # an extension of Patient
IN_REACH: Final = f"{OURS}in-reach-caseload"
MEDICATION: Final = f"{OURS}medication-continuity-arranged"
CARE_TEAM: Final = f"{OURS}care-team"  # a code system
NOT_RECORDED: Final = "NOT_RECORDED"

_UK_CORE: Final = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-"
VERIFICATION: Final = f"{_UK_CORE}NHSNumberVerificationStatus"
LEGAL_STATUS: Final = f"{_UK_CORE}LegalStatus"
DISCHARGE_METHOD: Final = f"{_UK_CORE}DischargeMethod"

_LIST: Final = "https://fhir.hl7.org.uk/CodeSystem/UKCore-"
_OLD_LIST: Final = "https://fhir.nhs.uk/R4/CodeSystem/UKCore-"
_DICTIONARY: Final = "https://fhir.hl7.org.uk/CodeSystem/NHSDataModelAndDictionary-"


def _lists(name: str) -> frozenset[str]:
    """The names one list has had; those of Wales are lists of their own."""
    return frozenset(
        {f"{_LIST}{name}England", f"{_LIST}{name}", f"{_OLD_LIST}{name}", f"{_DICTIONARY}{name}"}
    )


VERIFICATION_LISTS: Final = _lists("NHSNumberVerificationStatus")
LEGAL_STATUS_LISTS: Final = _lists("LegalStatusClassification")
DESTINATION_LISTS: Final = _lists("DischargeDestination")
METHOD_LISTS: Final = _lists("DischargeMethod")
PRACTICE_SETTING_LISTS: Final = _lists("PracticeSettingCode")

TRACED: Final = frozenset({"01", "02", "03", "04", "05", "06", "07", "08"})
NO_NUMBER: Final = "07"  # "number not present and trace not required"

Destination = Literal["community", "elsewhere", "hospital", "died", "not_discharged", "not_known"]

DESTINATIONS: Final[Mapping[str, Destination]] = {
    "19": "community",  # usual residence, or no fixed abode: the code does not tell which
    "29": "community",  # temporary residence
    "54": "community",  # NHS care home
    "65": "community",  # local authority residential accommodation
    "66": "community",  # foster care
    "85": "community",  # other care home
    "88": "community",  # hospice
    "37": "elsewhere",  # court
    "38": "elsewhere",  # penal establishment or police station
    "51": "elsewhere",  # general ward: still in custody, under guard
    "52": "elsewhere",  # maternity ward
    "30": "hospital",  # repatriation from high security psychiatric accommodation
    "48": "hospital",  # high security psychiatric hospital, Scotland
    "49": "hospital",  # high security psychiatric accommodation
    "50": "hospital",  # medium secure unit
    "53": "hospital",  # ward for people who are mentally ill or have learning disabilities
    "84": "hospital",  # medium secure unit, not NHS
    "87": "hospital",  # hospital of any kind, not NHS
    "79": "died",
    "98": "not_discharged",
    "99": "not_known",
}

Method = Literal["discharged", "died", "not_discharged", "not_known"]

METHODS: Final[Mapping[str, Method]] = {
    "1": "discharged",  # on clinical advice or with clinical consent
    "3": "discharged",  # by tribunal, Home Secretary or court
    "6": "discharged",  # by the person
    "7": "discharged",  # by a relative or advocate
    "4": "died",
    "5": "died",
    "8": "not_discharged",
    "9": "not_known",
}

# Mental Health Act 1983 unless noted: 09 s.37/41, 15 s.47/49, 17 s.48/49 and 37 s.45A are
# restricted; 31 Criminal Procedure (Insanity) Act 1964; 35 and 36 guardianship.
LEGAL_STATUSES: Final = frozenset(
    {
        "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "12", "13", "14", "15", "16",
        "17", "18", "19", "20", "31", "32", "35", "36", "37", "38",
    }
)  # fmt: skip
LEGAL_STATUS_UNSTATED: Final = frozenset({"98", "99"})  # not applicable, not known

# Practice settings whose teams are mental health teams. Others (dietetics, renal, ...) are not.
MENTAL_HEALTH_SETTINGS: Final = frozenset({"710", "711", "712", "713", "715"})
COMMUNITY_MENTAL_HEALTH: Final = "community-mental-health"
OTHER_TEAM: Final = "other"
CARE_COORDINATORS: Final = frozenset({"768820003", "768821004"})  # SNOMED CT, occupations

FLAG_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/flag-category"
CONCERNING_FLAGS: Final = frozenset({"behavioral", "safety"})
OTHER_FLAGS: Final = frozenset(
    {"diet", "drug", "lab", "admin", "contact", "clinical", "research", "advance-directive"}
)
SELF_HARM: Final[Mapping[str, str]] = {  # SNOMED CT, findings
    "225444004": "At risk of suicide",
    "401206008": "At risk of self-harm",
}

CONFIDENTIALITIES: Final = frozenset({"U", "L", "M", "N", "R"})
VERY_RESTRICTED: Final = "V"
RESTRICTED: Final = "R"
TEST_DATA: Final = "HTEST"  # v3 ActReason
NOT_FOR_PATIENT: Final = "NOPAT"  # v3 ActCode: not to be told to the person or their family
# v3 ActCode labels that let a care team be named. Any other says what the team is consulted for.
PLAIN_SENSITIVITIES: Final = frozenset({"PSY", "BH", "MH", NOT_FOR_PATIENT})

SEXES: Final[Mapping[str, str]] = {
    "male": "male",
    "female": "female",
    "other": "other",
    "unknown": "not_known",
}
# NHS Data Dictionary PERSON GENDER CODE, and the letters of HL7 table 0001.
SEX_CODES: Final[Mapping[str, str]] = {
    "0": "not_known",
    "1": "male",
    "2": "female",
    "9": "other",
    "M": "male",
    "F": "female",
    "O": "other",
    "U": "not_known",
}

# Resources that may stand in a record and that the gateway takes nothing from: what happened to
# the record itself, and clinical detail, which is the clinicians' own.
IGNORED_RESOURCES: Final = frozenset(
    {
        "AllergyIntolerance", "Appointment", "AuditEvent", "Binary", "CarePlan", "Communication",
        "Composition", "Condition", "Consent", "Coverage", "DiagnosticReport",
        "DocumentReference", "EpisodeOfCare", "FamilyMemberHistory", "Goal", "HealthcareService",
        "Immunization", "List", "Location", "Medication", "MedicationAdministration",
        "MedicationDispense", "MedicationRequest", "MedicationStatement", "Observation",
        "OperationOutcome", "Organization", "Parameters", "Practitioner", "PractitionerRole",
        "Procedure", "Provenance", "Questionnaire", "QuestionnaireResponse", "RelatedPerson",
        "Schedule", "ServiceRequest", "Slot", "Specimen", "Subscription", "Task",
    }
)  # fmt: skip
