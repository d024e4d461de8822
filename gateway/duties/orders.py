"""Court orders: the dates they may have, and the days on which they, or a part of them, end.

Source: D32; SOA 2003 ss.103C, 103D, 122C (terms as the annual report of 2021-22 gives them).
"""

from collections.abc import Mapping
from datetime import date
from typing import Final, Literal

from gateway.duties.deadlines import months_from
from gateway.model.strict_json import Json, JsonObject

OrderFault = Literal["ends-before-made", "shpo-under-five-years", "sro-under-two-years"]

_LEAST_YEARS: Final[Mapping[str, tuple[int, OrderFault]]] = {
    "SHPO": (5, "shpo-under-five-years"),
    "SRO": (2, "sro-under-two-years"),
}
_MONITORING_MONTHS: Final = 12  # an electronic monitoring requirement, at most
_TRAVEL_YEARS: Final = 5  # a foreign travel restriction ends then, whatever the order's own end


def order_faults(order: JsonObject) -> tuple[OrderFault, ...]:
    """Return what is wrong with an order's dates. An interim order has no least term. Pure."""
    made, ends = _day(order.get("made_on")), _day(order.get("expires_on"))
    if made is None or ends is None:
        return ()
    if ends < made:
        return ("ends-before-made",)
    least = _LEAST_YEARS.get(str(order.get("kind")))
    interim = order.get("stage") in ("applied", "interim")
    if least is None or interim or ends >= months_from(made, 12 * least[0]):
        return ()
    return (least[1],)


def next_limit(offence: JsonObject, licence: JsonObject, today: date) -> date | None:
    """Return the next day, today included, on which an order, its travel restriction or electronic
    monitoring ends.

    Pure.
    """
    orders = offence.get("orders")
    ends = [end for order in orders for end in _ends(order)] if isinstance(orders, list) else []
    monitored = _day(licence.get("monitoring_from"))
    if monitored is not None:
        ends.append(months_from(monitored, _MONITORING_MONTHS))
    return min((end for end in ends if end >= today), default=None)


def _ends(order: Json) -> list[date]:
    if not isinstance(order, dict) or order.get("stage") == "applied":
        return []
    found = [_day(order.get("expires_on"))]
    made = _day(order.get("made_on"))
    if order.get("foreign_travel_restriction") is True and made is not None:
        found.append(months_from(made, 12 * _TRAVEL_YEARS))
    return [end for end in found if end is not None]


def _day(stated: Json) -> date | None:
    return date.fromisoformat(stated) if isinstance(stated, str) else None
