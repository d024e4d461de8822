"""What a human is asked to look at though no alert says it: gaps that were stated, dates no order
of a court can have, and concerns of several agencies that add up. The question goes into the
tasks; nobody is told anything by it."""

from collections.abc import Callable, Iterator
from typing import Final

from gateway.duties.orders import order_faults
from gateway.model.event import Event
from gateway.model.ids import TaskId
from gateway.model.person import Person
from gateway.model.strict_json import Json, JsonObject
from gateway.store.engine import Connection
from gateway.store.history import concerns
from gateway.store.tasks import Task
from policies.attention import Attention

GAP: Final = "not-recorded"
STRANDS: Final = "strands"
ORDER_DATES: Final = "order-dates"

_ORDERS: Final = frozenset({"order.imposed", "order.varied"})


def questions(
    connection: Connection,
    event: Event,
    person: Person,
    attention: Attention,
    new_id: Callable[[str], str],
) -> Iterator[Task]:
    """Yield what to ask once this event is known.

    Args:
        connection: Reads only; the event itself may or may not be in it.
        event: About the person.
        person: As known after it.
    """
    gaps = attention.gaps.found(event.kind, person.facts)
    if gaps:
        yield _task(GAP, event, new_id, members=list[Json](gaps))
    if event.kind in _ORDERS:
        faults = {fault for order in _orders(event) for fault in order_faults(order)}
        if faults:
            yield _task(ORDER_DATES, event, new_id, faults=list[Json](sorted(faults)))
    strands = attention.strands
    if event.kind not in strands.kinds:
        return
    stated = concerns(
        connection, event.person, strands.kinds, since=event.received_at - strands.within
    )
    stated |= {(event.agency, event.kind)}
    agencies = len({agency for agency, _kind in stated})
    if agencies >= strands.agencies:
        yield _task(
            STRANDS,
            event,
            new_id,
            agencies=agencies,
            kinds=list[Json](sorted({kind for _agency, kind in stated})),
            within_days=strands.within.days,
        )


def _orders(event: Event) -> Iterator[JsonObject]:
    orders = event.groups.get("offence", {}).get("orders")
    if isinstance(orders, list):
        yield from (order for order in orders if isinstance(order, dict))


def _task(kind: str, event: Event, new_id: Callable[[str], str], **body: Json) -> Task:
    return Task(
        id=TaskId(new_id("tsk")), kind=kind, person=event.person, event=event.ref, body=body
    )
