"""One nominal, member by member, to the facts it states.

Photographs, attachments, activity log and modus operandi are known and not carried: the gateway
points at the record and copies none of it (D14).
"""

from typing import Final

from adapters.kit.grading import handling_of
from adapters.kit.members import Members
from adapters.kit.police_person import TRACE, identifiers_of, identity_of
from adapters.visor import codes
from gateway.model.strict_json import Json, JsonObject

EVENT_TYPE: Final = "visor.nominal"
FROM_AN_ALERT: Final = "made from an alert: whose statements these are stands in the alert alone"
LEVEL_UNKNOWN: Final = "0 is unknown: no level or category is stated"


def facts_of(nominal: Members) -> dict[str, JsonObject]:
    """Return every fact a nominal states, by group; what nothing is stated of is None or empty.

    Raises:
        MalformedEvent: a member is not in its form, or must not be carried at all.
        UnsupportedEvent: a code with no known meaning, or facts that contradict each other.
    """
    # The record holds these; the gateway only says that it is there. A next visit is the visiting
    # force's own business (D17). An ARMS result is no level of risk of serious harm.
    nominal.ignore("photograph", "attachment", "activityLog", "modusOperandi", "riskPlanText")
    nominal.ignore(*TRACE)  # of the alert that a record was written from: no fact of the person
    if "alertId" in nominal:
        nominal.note("alertId", FROM_AN_ALERT)
    for name in ("nextVisit", "armsDate"):
        nominal.date(name)
    if nominal.code("armsLevel", codes.RISK_LEVELS, event_type=EVENT_TYPE):
        nominal.note("armsLevel", "no level of risk of serious harm: kept in the record, not told")
    return {
        "identity": _identity(nominal),
        "identifiers": identifiers_of(nominal),
        "mappa": _mappa(nominal),
        "rosh": _rosh(nominal),
        "custody": _custody(nominal),
        "offence": _offence(nominal),
        "location": _location(nominal),
        "children": {"at_risk": nominal.flag("childrenAtRisk")},
        "professionals": _professionals(nominal),
        "handling": _handling(nominal),
    }


def _identity(nominal: Members) -> JsonObject:
    stated = identity_of(nominal, event_type=EVENT_TYPE)
    return stated | {"photo_held": nominal.flag("photographHeld")}


def _mappa(nominal: Members) -> JsonObject:
    category = nominal.code("mappaCategory", codes.MAPPA_CATEGORIES, event_type=EVENT_TYPE)
    level = nominal.code("mappaLevel", codes.MAPPA_LEVELS, event_type=EVENT_TYPE)
    for name, value in (("mappaCategory", category), ("mappaLevel", level)):
        if name in nominal and value is None:
            nominal.note(name, LEVEL_UNKNOWN)
    return {
        "category": category,
        "level": level,
        "lead_agency": nominal.text("leadAgency"),
        "next_review": nominal.date("nextReview"),
        "reviewed_on": nominal.date("reviewedOn"),
    }


def category_of(nominal: Members, category: Json, *, ending: bool) -> Json:
    """Return the MAPPA category, which a registered sexual offender's record states by that word.

    Raises:
        UnsupportedEvent: the record's category and the MAPPA category contradict each other, or
            the former has no known meaning.
    """
    of_record = nominal.code("category", codes.NOMINAL_CATEGORIES, event_type=EVENT_TYPE)
    registered = of_record == codes.REGISTERED_SEXUAL_OFFENDER
    if (registered and category in (2, 3)) or (
        of_record == codes.POTENTIALLY_DANGEROUS and category is not None
    ):
        reason = "contradicts the MAPPA category"
        raise nominal.unclear("category", reason, event_type=EVENT_TYPE)
    return 1 if registered and category is None and not ending else category


def _rosh(nominal: Members) -> JsonObject:
    levels: JsonObject = {
        group: nominal.code(name, codes.RISK_LEVELS, event_type=EVENT_TYPE)
        for name, group in codes.RISK_TO.items()
    }
    return levels | {"assessed_on": nominal.date("riskAssessedOn")}


def _custody(nominal: Members) -> JsonObject:
    return {
        "prison": nominal.text("prison"),
        "release_type": nominal.code("releaseType", codes.RELEASE_TYPES, event_type=EVENT_TYPE),
        "planned_date": nominal.date("plannedDate"),
        "confirmed_date": nominal.date("confirmedDate"),
        "released_at": nominal.time("releasedAt"),
        "licence": nominal.flag("licence"),
        "sentence_expiry_date": nominal.date("sentenceExpiry"),
        "licence_expiry_date": nominal.date("licenceExpiry"),
        "return_reason": nominal.code("returnReason", codes.RETURN_REASONS, event_type=EVENT_TYPE),
    }


def _offence(nominal: Members) -> JsonObject:
    until, indefinite = nominal.date("notificationUntil"), nominal.flag("notificationIndefinite")
    if until and indefinite:
        reason = "both until a day and indefinite"
        raise nominal.unclear("notificationUntil", reason, event_type=EVENT_TYPE)
    outcome = nominal.code("notificationOutcome", codes.OUTCOMES, event_type=EVENT_TYPE)
    return {
        "convicted": nominal.flag("convicted"),
        "orders": [_order(one) for one in nominal.objects("order")],
        "notification_from": nominal.date("notificationFrom"),
        "notification_until": until,
        "notification_indefinite": indefinite,
        "notification_outcome": outcome,
    }


def _order(order: Members) -> JsonObject:
    kind = order.code("kind", codes.ORDERS, event_type=EVENT_TYPE)
    if kind is None:
        raise order.malformed("kind", "required")
    stated: JsonObject = {
        "kind": kind,
        "stage": order.code("stage", codes.ORDER_STAGES, event_type=EVENT_TYPE),
        "foreign_travel_restriction": order.flag("foreignTravelRestriction"),
        "made_on": order.date("madeOn"),
        "expires_on": order.date("expiresOn"),
        "terms": list(order.texts("term")),
    }
    return {name: value for name, value in stated.items() if value not in (None, [])}


def _location(nominal: Members) -> JsonObject:
    lines: list[Json] = list(nominal.texts("addressLine"))
    parts: JsonObject = {"postcode": nominal.text("postcode"), "uprn": nominal.text("uprn")}
    stated = {name: value for name, value in parts.items() if value is not None}
    status = nominal.code("addressStatus", codes.ADDRESS_STATES, event_type=EVENT_TYPE)
    if status in ("NFA", "UNKNOWN") and (lines or stated):
        reason = "an address is stated, and that there is none"
        raise nominal.unclear("addressStatus", reason, event_type=EVENT_TYPE)
    return {
        "address_status": status,
        "address": {"lines": lines, **stated} if lines or stated else None,
        "home_area": nominal.text("homeArea"),
    }


def _professionals(nominal: Members) -> JsonObject:
    found: JsonObject = {}
    for one in nominal.objects("officer"):
        contact = one.code("agency", codes.CONTACTS, event_type=EVENT_TYPE)
        named: JsonObject = {"name": one.needed("name"), "contact": one.text("contact")}
        if contact is None:
            raise one.malformed("agency", "required")
        if contact in found:
            one.note("agency", "a second of this agency: the first is carried")
            continue
        found[contact] = {name: value for name, value in named.items() if value is not None}
    return found | {
        "plan_ref": nominal.text("planRef"),
        "plan_agencies": list(nominal.texts("planAgency")),
    }


def _handling(nominal: Members) -> JsonObject:
    return handling_of(nominal, event_type=EVENT_TYPE) | {
        "restricted_to": list(nominal.texts("restrictedTo")),
        "sar_restrict": nominal.flag("notForSubject"),
    }
