"""Alerts of an electronic monitoring provider in, the conditions to be monitored out.

A zone is named after what it protects, so its name may tell where a victim lives: it is read past,
as is everything of the device. The event says that a requirement was breached, and when.
Source: CJA 2003 s.325(6)(i); D36; matrix R19. The form is our own published contract.
"""

from dataclasses import dataclass
from typing import Final

from adapters.contract import Adapter, Translation
from adapters.kit.members import Members
from adapters.kit.referral import Referral, Said, read_referral, reads
from adapters.kit.referral_form import CONTACT, NAMES, NOT_STATED, AllowList, Form, lacks
from gateway.model.alert import Alert
from gateway.model.groups import parse_time
from gateway.model.strict_json import JsonObject

_NAME: Final = "electronic_monitoring"


@dataclass(frozen=True, slots=True)
class _Breach:
    began: str  # the member that states when
    ended: str | None = None  # the member that states when it was over
    zone: str | None = None  # the one kind of zone it can be of


# None: nobody is told; it is the provider's own to see to.
_ALERTS: Final[dict[str, _Breach | None]] = {
    "exclusion_zone_entered": _Breach("entered_at", "left_at", "exclusion"),
    "inclusion_zone_left": _Breach("left_at", "entered_at", "inclusion"),
    "curfew_absence": _Breach("left_at", "entered_at", "curfew"),
    "strap_tamper": _Breach("happened_at"),
    "device_removed": _Breach("happened_at"),
    "exclusion_zone_left": None,  # its entry was the breach
    "inclusion_zone_entered": None,
    "battery_low": None,
    "battery_charged": None,
    "signal_low": None,
    "signal_restored": None,
}
_ZONES: Final = {one: one for one in ("exclusion", "inclusion", "curfew")}
# Bail is not here: who is on it is no convicted person, so a human looks.
_REQUIREMENTS: Final = {one: one for one in ("licence", "home_detention_curfew", "order")}
_MONITORED: Final[AllowList] = {
    "licence": ("monitoring_conditions", "electronic_monitoring", "monitoring_from",
                "residence_conditions", "exclusion_zones"),
}  # fmt: skip
_CONDITIONS: Final[AllowList] = {
    "identity": NAMES,
    "identifiers": ("crn",),
    **_MONITORED,
    "custody": ("planned_date", "confirmed_date", "released_at", "licence_expiry_date",
                "cancelled_because"),
    "location": ("address_status", "address", "home_area"),
    "rosh": ("staff", "assessed_on"),  # whoever fits a tag meets the person
    "professionals": CONTACT,
    "handling": ("agreement_ref",),
}  # fmt: skip


def translate(body: bytes, source: str) -> Translation:
    """Return the breach that one alert reports.

    Raises:
        MalformedEvent: the alert cannot be read.
        UnsupportedEvent: of no concern (battery, signal, a zone's other side); or needs a human: a
            code with no known meaning, a zone or times that contradict the alert.

    Pure.
    """
    # The number alone: what the tag's contract calls the person would stand in the way of what
    # prison and probation say of them.
    form = read_referral(body, _NAME, "Electronic monitoring", ("alert",), named=False)
    members = form.members
    members.needed("alert")
    breach = members.code("alert", _ALERTS, event_type=form.event_type)
    if breach is None:
        reason = "of no concern here: no requirement was breached"
        raise members.unsupported("alert", reason, event_type=form.event_type)
    members.code("requirement", _REQUIREMENTS, event_type=form.event_type)
    confirmed = members.flag("confirmed")
    # Whose device, how full its battery, where exactly: for the provider alone.
    members.ignore("device", "battery", "position", "home_area")
    said = Said(
        told_apart_by=(str(members.text("alert")), _zone(form, breach)),
        occurred_at=_began(form, breach),
        verified=confirmed is not False,
    )
    return form.reports("monitoring.breached", source, said)


def _zone(form: Referral, breach: _Breach) -> str:
    """Return the zone's own id, which only tells breaches apart and is not carried."""
    zone = form.members.object("zone")
    if zone is None:
        if breach.zone is not None:
            raise form.members.malformed("zone", "required")
        return ""
    zone.ignore("name", "shape")  # may reveal a victim
    kind = zone.code("kind", _ZONES, event_type=form.event_type)
    if kind and breach.zone and kind != breach.zone:
        raise zone.unclear("kind", "not the kind of zone of this alert", event_type=form.event_type)
    return zone.needed("id")


def _began(form: Referral, breach: _Breach) -> str:
    members = form.members
    began = members.time(breach.began)
    if began is None:
        raise members.malformed(breach.began, "required")
    ended = members.time(breach.ended) if breach.ended else None
    if ended and parse_time(ended) < parse_time(began):
        reason = f"before {breach.began}"
        raise members.unclear(str(breach.ended), reason, event_type=form.event_type)
    _read_past(members, breach)
    return began


def _read_past(members: Members, breach: _Breach) -> None:
    # Times that have no part in this kind of alert.
    members.ignore(*{"entered_at", "left_at", "happened_at"} - {breach.began, breach.ended})


def _declines(alert: Alert) -> tuple[str, ...]:
    if alert.message == "NOTIFY" and lacks(alert, _MONITORED):
        return ("no monitoring condition was told",)
    return ()


def _dates(alert: Alert) -> JsonObject:
    return {
        "starts": alert.text("licence", "monitoring_from") or NOT_STATED,
        "ends": alert.text("custody", "licence_expiry_date") or NOT_STATED,
    }


ADAPTER: Final = Adapter(
    name=_NAME,
    title="Electronic monitoring provider's alert",
    inbound=reads(translate),
    outbound=(
        Form(
            name="conditions",
            title="Conditions to be monitored",
            allowed=_CONDITIONS,
            declines=_declines,
            adds=_dates,
        ).outbound(),
    ),
)
