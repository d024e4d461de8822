"""The field groups G1-G16: every fact an event may state about a person, and no other.

Members an agency sends that are not named here are refused with their path. Values stay plain
JSON after checking, so a view is made by copying members and nothing is re-serialised.
Source: field groups of the MAPPA domain (section 3.1), DPA 2018 s.38 for the four common members.
"""

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict

from gateway.model import identifiers

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Narrative = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
Level = Literal["low", "medium", "high", "very_high"]


def _check_date(text: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("must be a date, YYYY-MM-DD")
    try:
        date.fromisoformat(text)
    except ValueError:
        # From None: the standard library's words may quote the value.
        raise ValueError("no such day in the calendar") from None
    return text


def _check_time(text: str) -> str:
    parse_time(text)
    return text


@lru_cache(maxsize=1024)  # an event states the same few times over and over
def parse_time(text: str) -> datetime:
    """Return an aware time from RFC 3339 text, cutting fractions past microseconds.

    Raises:
        ValueError: not RFC 3339, or no zone. Never guesses a zone.

    Source: RFC 3339 section 5.6; HMPPS events carry nanoseconds.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("must be an RFC 3339 time with a zone")
    fraction = (match["fraction"] or "")[:7]
    zone = "+00:00" if match["zone"] in "Zz" else match["zone"]
    try:
        time = datetime.fromisoformat(f"{match['date']}T{match['clock']}{fraction}{zone}")
        time.astimezone(UTC)  # the first and last hours of the calendar have no UTC
    except (ValueError, OverflowError):
        raise ValueError("no such time in the calendar") from None  # its words may quote the value
    return time


_RFC3339 = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[Tt](?P<clock>\d{2}:\d{2}:\d{2})"
    r"(?P<fraction>\.\d{1,9})?(?P<zone>[Zz]|[+-]\d{2}:[0-5]\d)",
    re.ASCII,
)

Date = Annotated[str, AfterValidator(_check_date), Field(json_schema_extra={"format": "date"})]
Time = Annotated[str, AfterValidator(_check_time), Field(json_schema_extra={"format": "date-time"})]
NotRecorded = Literal["NOT_RECORDED"]

Noms = Annotated[
    str,
    AfterValidator(identifiers.check_noms),
    Field(json_schema_extra={"pattern": identifiers.NOMS_PATTERN}),
]
Crn = Annotated[
    str,
    AfterValidator(identifiers.check_crn),
    Field(json_schema_extra={"pattern": identifiers.CRN_PATTERN}),
]
Pnc = Annotated[
    str,
    AfterValidator(identifiers.check_pnc),
    Field(json_schema_extra={"pattern": identifiers.PNC_PATTERN}),
]
Cro = Annotated[
    str,
    AfterValidator(identifiers.check_cro),
    Field(json_schema_extra={"pattern": identifiers.CRO_PATTERN}),
]
NhsNumber = Annotated[
    str,
    AfterValidator(identifiers.check_nhs_number_or_placeholder),
    Field(json_schema_extra={"pattern": identifiers.NHS_NUMBER_PATTERN}),
]


class Part(BaseModel):
    """A JSON object with exactly these members, each left out when nothing is stated."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _null_states_nothing(cls, value: object) -> object:
        if value is None:
            raise ValueError("leave the member out: null states nothing")
        return value


class Group(Part):
    """A field group: its facts, and what a recipient needs to judge them (DPA 2018 s.38)."""

    assertion: Literal["fact", "assessment", "intelligence"] | None = None
    as_of: Time | None = None
    source_system: Text | None = None
    verified: bool | None = None


class Identity(Group):
    """G1: who the person is."""

    family_name: Text | None = None
    given_names: Text | None = None
    aliases: Annotated[list[Text], Field(max_length=50)] | None = None
    date_of_birth: Date | None = None
    sex: Literal["male", "female", "other", "not_known"] | None = None
    photo_held: bool | None = None


class Identifiers(Group):
    """G2: numbers that name the person in each system; each is released separately."""

    noms: Noms | None = None
    crn: Crn | None = None
    pnc: Pnc | None = None
    cro: Cro | None = None
    nhs_number: NhsNumber | None = None
    nhs_number_status: Literal["01", "02", "03", "04", "05", "06", "07", "08"] | None = None
    visor_ref: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9/\-]{1,32}$")] | None = None
    nino: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}[0-9]{6}[A-D]$")] | None = None
    superseded_noms: Noms | None = None


class Custody(Group):
    """G3: custody and release."""

    prison: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None
    release_type: (
        Literal[
            "SED_NO_LICENCE",
            "CONDITIONAL",
            "AUTOMATIC",
            "PAROLE",
            "HOME_DETENTION_CURFEW",
            "EXECUTIVE",
            "TEMPORARY",
            "UNCONDITIONAL",
        ]
        | None
    ) = None
    planned_date: Date | None = None
    confirmed_date: Date | None = None
    released_at: Time | None = None
    licence: bool | None = None
    sentence_expiry_date: Date | None = None
    licence_expiry_date: Date | None = None
    reason_code: Text | None = None
    cancelled_because: Text | None = None
    # Why a person came back to custody.
    return_reason: Literal["breach_of_licence", "breach_of_order", "new_charge", "other"] | None = (
        None
    )
    probation_powers_end: bool | None = None  # at the end of the sentence (D8)
    immigration_interest: bool | None = None  # a foreign national offender


_CATEGORY_3_HAS_NO_LEVEL_1: Final[JsonDict] = {
    "not": {
        "properties": {"category": {"const": 3}, "level": {"const": 1}},
        "required": ["category", "level"],
    }
}


class Mappa(Group):
    """G4: MAPPA status. A category or level of 0 upstream means unknown and is left out."""

    model_config = ConfigDict(json_schema_extra=_CATEGORY_3_HAS_NO_LEVEL_1)

    category: Annotated[int, Field(ge=1, le=4)] | None = None
    level: Annotated[int, Field(ge=1, le=3)] | None = None
    lead_agency: Text | None = None
    next_review: Date | None = None
    reviewed_on: Date | None = None
    coordinator_contact: Text | None = None

    @model_validator(mode="after")
    def _category_3_has_no_level_1(self) -> "Mappa":
        if self.category == 3 and self.level == 1:
            raise ValueError("category 3 requires level 2 or 3")
        return self


# A register's own code for what it flags: never prose, and given no meaning here.
_Flag = Annotated[str, StringConstraints(pattern=r"^(NDELIUS|NOMIS|PNC|VISOR):[A-Z0-9]{2,8}$")]


class Rosh(Group):
    """G5: risk of serious harm, by who is at risk."""

    overall: Level | None = None
    children: Level | None = None
    public: Level | None = None
    known_adult: Level | None = None
    staff: Level | None = None
    prisoners: Level | None = None
    imminence: Level | None = None
    assessed_on: Date | None = None
    flags: Annotated[list[_Flag], Field(max_length=30)] | None = None  # this event raises or ends


class RiskNarrative(Group):
    """G6: free text; never leaves police, probation and the coordinator without a human release."""

    who_is_at_risk: Narrative | None = None
    nature: Narrative | None = None
    triggers: Narrative | None = None
    modus_operandi: Narrative | None = None
    protective_factors: Narrative | None = None


class Order(Part):
    """One court order."""

    kind: Literal["SHPO", "SRO", "NOTIFICATION_ORDER", "RESTRAINING_ORDER", "OTHER"]
    stage: Literal["applied", "interim", "full"] | None = None  # full unless stated
    foreign_travel_restriction: bool | None = None
    made_on: Date | None = None
    expires_on: Date | None = None
    terms: Annotated[list[Narrative], Field(max_length=50)] | None = None


class Offence(Group):
    """G7: index offence and orders."""

    index_category: Text | None = None
    sentence: Text | None = None
    sentenced_on: Date | None = None
    orders: Annotated[list[Order], Field(max_length=50)] | None = None
    convicted: bool | None = None  # False: a suspect; CJA 2003 s.325(2) wants offences committed
    domestic_abuse: bool | None = None
    harassment_or_no_contact: bool | None = None  # harassment measures, or a no-contact request
    notification_from: Date | None = None  # SOA 2003 Part 2: first notified
    notification_until: Date | None = None
    notification_indefinite: bool | None = None
    notification_outcome: Literal["cautioned", "convicted"] | None = None  # of a breach
    serious_further_offence: bool | None = None


_Conditions = Annotated[list[Narrative], Field(max_length=100)]


class Licence(Group):
    """G8: licence conditions. Those in `conditions` and the exclusion zones may reveal a victim;
    a sender that sorts conditions by whom they concern lets each role have its own and no other."""

    conditions: _Conditions | None = None
    exclusion_zones: Annotated[list[Text], Field(max_length=100)] | None = None
    residence_conditions: _Conditions | None = None  # residence and curfew
    child_conditions: _Conditions | None = None
    victim_conditions: _Conditions | None = None  # contact with a victim
    no_contact_conditions: _Conditions | None = None  # contact with others
    monitoring_conditions: _Conditions | None = None
    employment_conditions: _Conditions | None = None  # employment and internet
    electronic_monitoring: bool | None = None
    monitoring_from: Date | None = None


class Address(Part):
    """A postal address."""

    lines: Annotated[list[Text], Field(max_length=6)]
    postcode: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9 ]{5,8}$")] | None = None
    uprn: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}$")] | None = None


class HousingReferral(Part):
    """The person's own consents and choice under Housing Act 1996 s.213B."""

    consent_to_referral: bool
    consent_to_contact: bool
    chosen_authority: Text
    contact: Text | None = None


class Location(Group):
    """G9: where the person will live."""

    address_status: Literal["CONFIRMED", "PROPOSED", "NFA", "UNKNOWN"] | None = None
    address: Address | None = None
    home_area: Text | None = None
    areas_of_interest: Annotated[list[Text], Field(max_length=50)] | None = None
    tenancy: Text | None = None
    approved_premises: Text | None = None
    housing_referral: HousingReferral | None = None


class Victim(Group):
    """G10: the highest sensitivity: third parties."""

    recorded: bool | None = None
    relationship: Text | None = None
    address_area: Text | None = None
    liaison_officer: Text | None = None
    contact_opted_in: bool | None = None  # DVCV Act 2004 ss.35-45
    known_to: Annotated[list[Text], Field(max_length=20)] | None = None  # organisations


class Children(Group):
    """G11: children at risk."""

    at_risk: bool | None = None
    contact_restrictions: Annotated[list[Narrative], Field(max_length=50)] | None = None
    pprc: bool | None = None
    known_to: Annotated[list[Text], Field(max_length=20)] | None = None  # organisations


class Practice(Part):
    """A health organisation by name and ODS code."""

    name: Text
    ods: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{3,10}$")] | None = None
    telephone: Text | None = None
    captured_on: Date | None = None


class HealthRouting(Group):
    """G12: who treats the person. A gap is said, never left blank."""

    community_gp: Practice | NotRecorded | None = None
    registered_practice: Practice | NotRecorded | None = None
    mental_health_team: Practice | NotRecorded | None = None
    care_coordinator: Text | None = None
    mha_status: Annotated[str, StringConstraints(pattern=r"^[0-9]{2}$")] | None = None
    in_reach_caseload: bool | None = None
    medication_continuity: bool | None = None  # arranged; never what is taken
    onward_referral: Practice | NotRecorded | None = None


class HealthClinical(Group):
    """G13: clinical facts; health roles only."""

    diagnosis: Narrative | None = None
    medication: Narrative | None = None
    self_harm: Narrative | None = None


class Professional(Part):
    """A named contact at an agency."""

    name: Text
    contact: Text | None = None


class Professionals(Group):
    """G14: who is responsible for the case."""

    prison_offender_manager: Professional | None = None
    community_offender_manager: Professional | None = None
    public_protection_coordinator: Professional | None = None
    police_offender_manager: Professional | None = None
    victim_liaison_officer: Professional | None = None
    plan_agencies: Annotated[list[Text], Field(max_length=50)] | None = None  # who implements it
    plan_ref: Text | None = None  # where the risk management plan is kept; never its text


_GRADE_C_STATES_CONDITIONS: Final[JsonDict] = {
    "if": {"properties": {"grade": {"pattern": "C$"}}, "required": ["grade"]},
    "then": {"required": ["conditions"]},
}


_Named = Annotated[list[Text], Field(max_length=200)]


class Handling(Group):
    """G15: how the facts may be handled. The gateway's ceiling is OFFICIAL-SENSITIVE."""

    model_config = ConfigDict(json_schema_extra=_GRADE_C_STATES_CONDITIONS)

    marking: Literal["OFFICIAL", "OFFICIAL-SENSITIVE"] | None = None
    grade: Annotated[str, StringConstraints(pattern=r"^[123][ABCDE][PC]$")] | None = None
    conditions: Narrative | None = None
    agreement_ref: Text | None = None
    restricted: bool | None = None
    restricted_to: _Named | None = None  # organisations or recipients that may know all the same
    excluded: _Named | None = None  # that may not know, restricted or not
    vetoed: _Named | None = None  # that the sender does not want told (D25)
    sar_restrict: bool | None = None  # not to be shown to the person (DPA 2018 s.45(4))

    @model_validator(mode="after")
    def _conditional_grade_states_conditions(self) -> "Handling":
        if self.grade is not None and self.grade.endswith("C") and self.conditions is None:
            raise ValueError("handling code C must state its conditions")
        return self


class Duty(Group):
    """G16: a duty the gateway found due or missed. No agency states it."""

    clock: Annotated[str, StringConstraints(pattern=r"^C[0-9]{1,2}$")] | None = None
    owner: Text | None = None  # a role
    due: Date | None = None
    status: Literal["due", "met", "late", "late_by_circumstance"] | None = None
    basis_date: Date | None = None  # the date the deadline was reckoned from
    missing: Annotated[list[Text], Field(max_length=10)] | None = None  # what was not done, by whom


class Groups(Part):
    """The ``data`` of every canonical event: top-level members are exactly the field groups."""

    identity: Identity | None = None
    identifiers: Identifiers | None = None
    custody: Custody | None = None
    mappa: Mappa | None = None
    rosh: Rosh | None = None
    risk_narrative: RiskNarrative | None = None
    offence: Offence | None = None
    licence: Licence | None = None
    location: Location | None = None
    victim: Victim | None = None
    children: Children | None = None
    health_routing: HealthRouting | None = None
    health_clinical: HealthClinical | None = None
    professionals: Professionals | None = None
    handling: Handling | None = None
    duty: Duty | None = None


GROUP_NAMES: Final[tuple[str, ...]] = tuple(Groups.model_fields)
PROVENANCE: Final[tuple[str, ...]] = tuple(Group.model_fields)
OWN_GROUPS: Final = frozenset({"duty"})  # stated by the gateway itself, never by an agency
