"""HMPPS domain events: what prisons and probation in England and Wales publish about a person.

Every type not in the table below is refused as unsupported, so a new one is never taken for
something it is not.
"""

from collections.abc import Callable, Mapping
from typing import Final

from adapters.contract import Adapter
from adapters.hmpps_domain_events import movements, registrations
from adapters.hmpps_domain_events.envelope import DomainEvent, read_event
from adapters.hmpps_domain_events.report import Report, canonical_event
from gateway.model.event import CanonicalEvent

KNOWN_VERSION: Final = 1

TRANSLATED: Final[Mapping[str, Callable[[DomainEvent], Report]]] = {
    movements.SETTLED_RELEASE: movements.departure,
    movements.IMMEDIATE_RELEASE: movements.departure,
    movements.SETTLED_RECEPTION: movements.reception,
    movements.IMMEDIATE_RECEPTION: movements.reception,
    movements.MERGE: movements.merge,
    movements.OVERDUE: movements.overdue,
    registrations.ADDED: registrations.registered,
    registrations.UPDATED: registrations.registered,
    registrations.DEREGISTERED: registrations.deregistered,
    registrations.LICENCE_ACTIVATED: registrations.licence_activated,
}


class HmppsDomainEvents:
    """The adapter; see `adapters.contract.Adapter` for what it keeps to."""

    name: Final = "hmpps_domain_events"

    def translate(self, body: bytes, *, source: str) -> tuple[CanonicalEvent, ...]:
        """Return the one event this message reports.

        Args:
            body: A domain event as JSON, bare or as the Message of an SNS notification.
            source: The sending agency's URN.

        Raises:
            MalformedEvent, UnsupportedEvent: as the contract says.

        Pure.
        """
        event = read_event(body)
        report = TRANSLATED.get(event.event_type)
        if report is None:
            raise event.unsupported(
                ".eventType", "events of this type are not translated", needs_human=False
            )
        _check_version(event)
        return (canonical_event(event, report(event), source=source),)


def _check_version(event: DomainEvent) -> None:
    if not isinstance(event.version, int) or isinstance(event.version, bool):
        raise event.malformed(".version", "required, an integer")
    if event.version != KNOWN_VERSION:
        raise event.unsupported(
            ".version", "needs a human: not the version this adapter knows", needs_human=True
        )


ADAPTER: Final[Adapter] = HmppsDomainEvents()
