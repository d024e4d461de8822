"""Youth offending team register records in, a notification to the team out.

Source: D5, D39; matrix R11; level words of the AssetPlus assessment framework. The record is our
own published contract.
"""

from collections.abc import Mapping
from typing import Final

from adapters.contract import Adapter, Translation
from adapters.kit.referral import (
    LEVELS,
    Referral,
    Said,
    area_of,
    professional,
    read_referral,
    reads,
)
from adapters.kit.referral_form import NAMES, AllowList, Form, lacks
from gateway.model.alert import Alert
from gateway.model.strict_json import Json, JsonObject

_NAME: Final = "youth_offending"
# None: no concern of anyone's here.
_CHANGES: Final[dict[str, str | None]] = {
    "transferred_in": "supervision.transferred",
    "transferred_to_probation": "supervision.transferred",
    "assessed": "risk.assessed",
    "mappa_category": "mappa.category_changed",
    "mappa_level": "mappa.level_changed",
    "intervention_plan_updated": None,
    "reparation_completed": None,
}
_STATED_BY: Final = {"mappa.category_changed": "category", "mappa.level_changed": "level"}
_TOOLS: Final = {one: one for one in ("assetplus", "asset")}
_MAPPA: Final = {"category": 4, "level": 3}  # the highest there is of each
_FACTS: Final[AllowList] = {
    "custody": ("prison", "release_type", "planned_date", "confirmed_date", "released_at",
                "licence", "sentence_expiry_date", "licence_expiry_date", "cancelled_because",
                "return_reason"),
    "mappa": ("category", "level", "lead_agency", "next_review"),
    "rosh": ("overall", "children", "public", "known_adult", "staff", "imminence", "assessed_on"),
    "offence": ("index_category", "convicted", "sentence"),
    "licence": ("conditions", "residence_conditions", "child_conditions", "no_contact_conditions",
                "monitoring_conditions", "exclusion_zones", "electronic_monitoring"),
    "location": ("address_status", "address", "home_area", "areas_of_interest"),
    "children": ("at_risk", "pprc", "contact_restrictions"),
    "duty": ("clock", "owner", "due", "status"),
}  # fmt: skip
_NOTIFICATION: Final[AllowList] = {
    "identity": NAMES,
    "identifiers": ("noms", "crn", "pnc", "cro"),
    **_FACTS,
    "professionals": (
        "prison_offender_manager", "community_offender_manager", "public_protection_coordinator",
        "police_offender_manager",
    ),
    "handling": ("agreement_ref",),
}  # fmt: skip


def translate(body: bytes, source: str) -> Translation:
    """Return the change that one register record reports.

    Raises:
        MalformedEvent: the record cannot be read.
        UnsupportedEvent: a change of no concern; or needs a human: a code with no known meaning, a
            change of status that states none.

    Pure.
    """
    form = read_referral(body, _NAME, "Youth offending register", ("register-record",))
    members = form.members
    members.needed("change")
    kind = members.code("change", _CHANGES, event_type=form.event_type)
    if kind is None:
        reason = "of no concern outside the team"
        raise members.unsupported("change", reason, event_type=form.event_type)
    mappa, rosh = _mappa(form), _rosh(form)
    if kind == "risk.assessed" and not rosh:
        raise members.malformed("assessment.risk_of_serious_harm", "required")
    if kind in _STATED_BY and not mappa.get(_STATED_BY[kind]):
        raise members.unclear("mappa", "a change that states none", event_type=form.event_type)
    said = Said(
        facts={
            "mappa": mappa,
            "rosh": rosh,
            "professionals": {"community_offender_manager": professional(form, "case_worker")},
            "location": area_of(form),
        },
        told_apart_by=(str(members.text("change")),),
    )
    return form.reports(kind, source, said)


def _mappa(form: Referral) -> Mapping[str, Json]:
    """Return MAPPA status; a category or level of 0 is not known to the team, and left out."""
    mappa = form.members.object("mappa")
    if mappa is None:
        return {}
    stated: JsonObject = {"lead_agency": mappa.text("lead_agency", at_most=200)}
    for name, highest in _MAPPA.items():
        number = mappa.number(name)
        if number is not None and not 0 <= number <= highest:
            raise mappa.unclear(name, "no such one", event_type=form.event_type)
        stated[name] = number or None
    return stated


def _rosh(form: Referral) -> JsonObject:
    assessment = form.members.object("assessment")
    if assessment is None:
        return {}
    assessment.code("tool", _TOOLS, event_type=form.event_type)
    # Offending again is not serious harm; safety and wellbeing is the young person's own care.
    assessment.ignore("likelihood_of_reoffending", "safety_and_wellbeing", "scaled_approach")
    level = assessment.code("risk_of_serious_harm", LEVELS, event_type=form.event_type)
    assessed_on = assessment.date("assessed_on")
    return {"overall": level, "assessed_on": assessed_on} if level else {}


def _declines(alert: Alert) -> tuple[str, ...]:
    if lacks(alert, _FACTS):
        return ("nothing was told that this form has room for",)
    return ()


ADAPTER: Final = Adapter(
    name=_NAME,
    title="Youth offending team register record",
    inbound=reads(translate),
    outbound=(
        Form(
            name="notification",
            title="Notification to the youth offending team",
            allowed=_NOTIFICATION,
            declines=_declines,
        ).outbound(),
    ),
)
