"""HMPPS domain events: what prisons and probation in England and Wales publish about a person.

Every type is in the catalogue, with what it may become or why it becomes nothing. One that is not
in it is refused as unsupported, so a new one is never taken for something it is not.
"""

from collections.abc import Callable, Mapping
from typing import Final

from adapters.contract import Adapter, Inbound, Outbound, Translation
from adapters.hmpps_domain_events import alerts, identities, movements, registrations, thin
from adapters.hmpps_domain_events.catalogue import CATALOGUE
from adapters.hmpps_domain_events.envelope import DomainEvent, read_event
from adapters.hmpps_domain_events.notice import render
from adapters.hmpps_domain_events.report import Report, canonical_event
from adapters.kit.framing import json_values

KNOWN_VERSION: Final = 1

TRANSLATED: Final[Mapping[str, Callable[[DomainEvent], Report]]] = {
    movements.SETTLED_RELEASE: movements.departure,
    movements.IMMEDIATE_RELEASE: movements.departure,
    movements.SETTLED_RECEPTION: movements.reception,
    movements.IMMEDIATE_RECEPTION: movements.reception,
    identities.MERGED: identities.merged,
    identities.LINKED: identities.linked,
    alerts.CREATED: alerts.raised,
    alerts.INACTIVE: alerts.ended,
    alerts.DELETED: alerts.ended,
    registrations.ADDED: registrations.added,
    registrations.UPDATED: registrations.updated,
    registrations.DEREGISTERED: registrations.deregistered,
    registrations.DELETED: registrations.deleted,
    registrations.MAPPA_CREATED: registrations.mappa_information,
    registrations.MAPPA_UPDATED: registrations.mappa_information,
    **dict.fromkeys(thin.THIN, thin.report),
}


def translate(body: bytes, source: str) -> Translation:
    """Return the one event this message reports.

    Args:
        body: A domain event as JSON, bare or as the Message of an SNS notification.
        source: The sending agency's URN.

    Raises:
        MalformedEvent, UnsupportedEvent: as the contract says.

    Pure.
    """
    event = read_event(body)
    entry = CATALOGUE.get(event.event_type)
    if entry is None:
        raise event.unsupported(".eventType", "not a type in the catalogue", needs_human=False)
    if not entry.kinds:
        reason = f"needs a human: {entry.why}" if entry.needs_human else entry.why
        raise event.unsupported(".eventType", reason, needs_human=entry.needs_human)
    _check_version(event)
    report = TRANSLATED[event.event_type](event)
    return Translation(
        events=(canonical_event(event, report, source=source),), unread=event.unread()
    )


def _check_version(event: DomainEvent) -> None:
    if not isinstance(event.version, int) or isinstance(event.version, bool):
        raise event.malformed(".version", "required, an integer")
    if event.version != KNOWN_VERSION:
        raise event.unsupported(
            ".version", "needs a human: not the version this adapter knows", needs_human=True
        )


ADAPTER: Final = Adapter(
    name="hmpps_domain_events",
    title="Prisons and probation: HMPPS domain events",
    inbound=Inbound(media_types=("application/json",), translate=translate, split=json_values),
    outbound=(Outbound(form="thin", media_type="application/json", render=render),),
)
