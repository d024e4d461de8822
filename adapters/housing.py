"""Housing forms in: duty to refer, accommodation referral, CAS and approved-premises booking. A
suitability pack out.

Source: Housing Act 1996 s.213B (LB10, C12): nothing is referred without the person's consent to it,
to their details being passed on, and their own choice of authority. D11: a provider is told all
that is relevant to where someone may live, and nothing else. Matrix R15-R18. The forms are our own
published contract.
"""

from typing import Final

from adapters.contract import Adapter, Translation
from adapters.kit.members import Members
from adapters.kit.referral import Referral, Said, moment, read_referral, reads
from adapters.kit.referral_form import CONTACT, NAMES, AllowList, Form, lacks
from gateway.model.alert import Alert
from gateway.model.strict_json import JsonObject

_NAME: Final = "housing"
_FORMS: Final = ("duty-to-refer", "accommodation-referral", "cas-booking")
_CONSENTS: Final = ("to_referral", "to_contact")
# Where the person will live. Someone about to lose a home will live nowhere that is known.
_CIRCUMSTANCES: Final = {
    "homeless": "NFA", "no_home_on_release": "NFA", "threatened_with_homelessness": "UNKNOWN",
}  # fmt: skip
_ADDRESS: Final = {one: one for one in ("CONFIRMED", "PROPOSED", "NFA", "UNKNOWN")}
_SERVICES: Final = {one: one for one in ("CAS1", "CAS2", "CAS3", "AP")}
# status -> (kind, where they will live); None: no concern of anyone's here.
_BOOKINGS: Final[dict[str, tuple[str, str | None] | None]] = {
    "booked": ("accommodation.placed", "PROPOSED"),
    "arrived": ("accommodation.placed", "CONFIRMED"),
    "not_arrived": ("accommodation.lost", "UNKNOWN"),
    "cancelled": ("accommodation.lost", None),
    "evicted": ("accommodation.lost", None),
    "abandoned": ("accommodation.lost", "UNKNOWN"),
    "moved_on_as_planned": None,
    "provisional": None,
}
_RISK: Final[AllowList] = {
    "rosh": ("children", "public", "known_adult", "staff", "assessed_on"),
    "licence": ("residence_conditions", "exclusion_zones"),
    "location": ("address_status", "address", "home_area", "areas_of_interest", "tenancy",
                 "approved_premises", "housing_referral"),
    "children": ("at_risk",),
}  # fmt: skip
_PACK: Final[AllowList] = {
    "identity": NAMES,
    "custody": ("planned_date", "confirmed_date", "released_at", "cancelled_because"),
    **_RISK,
    "professionals": CONTACT,
    "handling": ("agreement_ref",),
}


def translate(body: bytes, source: str) -> Translation:
    """Return what one form reports.

    Raises:
        MalformedEvent: the form cannot be read.
        UnsupportedEvent: no consent to a duty to refer, or a booking nobody is told of; or needs a
            human: a code with no known meaning.

    Pure.
    """
    form = read_referral(body, _NAME, "Housing", _FORMS)
    if form.form == "duty-to-refer":
        return _duty_to_refer(form, source)
    if form.form == "accommodation-referral":
        return _accommodation_referral(form, source)
    return _booking(form, source)


def _duty_to_refer(form: Referral, source: str) -> Translation:
    consent = form.members.object("consent")
    if consent is None:
        raise form.members.malformed("consent", "required")
    for name in _CONSENTS:
        given = consent.flag(name)
        if given is None:
            raise consent.malformed(name, "required")
        if not given:
            reason = "not given: nothing is referred without it (Housing Act 1996 s.213B)"
            raise consent.unsupported(name, reason, event_type=form.event_type)
    location: JsonObject = {
        "housing_referral": _referral(consent),
        "address_status": _circumstances(form),
        "home_area": form.members.text("home_area", at_most=200),
    }
    said = Said(facts={"location": location})
    return form.reports("accommodation.referred", source, said)


def _referral(consent: Members) -> JsonObject:
    contact = consent.text("contact", at_most=200)
    referral: JsonObject = {
        "consent_to_referral": True,
        "consent_to_contact": True,
        "chosen_authority": consent.needed("chosen_authority"),
    }
    return referral | ({"contact": contact} if contact else {})


def _circumstances(form: Referral) -> str | None:
    form.members.needed("circumstances")
    return form.members.code("circumstances", _CIRCUMSTANCES, event_type=form.event_type)


def _accommodation_referral(form: Referral, source: str) -> Translation:
    said = Said(facts={"location": _where(form)})
    return form.reports("accommodation.referred", source, said)


def _booking(form: Referral, source: str) -> Translation:
    members = form.members
    for name in ("service", "status"):
        members.needed(name)
    members.code("service", _SERVICES, event_type=form.event_type)
    booking = members.code("status", _BOOKINGS, event_type=form.event_type)
    if booking is None:
        reason = "no concern here: the new address is for whoever holds it to state"
        raise members.unsupported("status", reason, event_type=form.event_type)
    kind, status = booking
    where = _where(form)
    stated = where["address_status"]
    if stated and status and stated != status:
        reason = "another address status than the booking's own"
        raise members.unclear("address_status", reason, event_type=form.event_type)
    # Days planned for: no fact there is room for until they come.
    members.ignore("arrives_on", "leaves_on")
    said = Said(
        facts={"location": where | {"address_status": status or stated}},
        told_apart_by=(kind, str(members.text("status"))),
        occurred_at=moment(members, "happened_at"),
    )
    return form.reports(kind, source, said)


def _where(form: Referral) -> JsonObject:
    members = form.members
    premises, address = members.object("premises"), members.object("address")
    if premises is None:
        raise members.malformed("premises", "required")
    return {
        # The provider referred to: the rules tell it, and no other (D11).
        "approved_premises": premises.needed("name"),
        "tenancy": premises.text("tenancy", at_most=200),
        "address_status": members.code("address_status", _ADDRESS, event_type=form.event_type),
        "address": _address(address) if address else None,
        "home_area": members.text("home_area", at_most=200),
    }


def _address(address: Members) -> JsonObject:
    lines = list(address.texts("lines"))
    if not lines:
        raise address.malformed("lines", "required")
    rest = {name: text for name in ("postcode", "uprn") if (text := address.text(name))}
    return {"lines": [*lines], **rest}


def _declines(alert: Alert) -> tuple[str, ...]:
    if lacks(alert, _RISK):
        return ("nothing was told that bears on where the person may live",)
    return ()


_SUITABILITY: Final = Form(
    name="suitability-pack", title="Suitability pack", allowed=_PACK, declines=_declines
)

ADAPTER: Final = Adapter(
    name=_NAME,
    title="Housing referral or booking",
    inbound=reads(translate),
    outbound=(_SUITABILITY.outbound(),),
)
