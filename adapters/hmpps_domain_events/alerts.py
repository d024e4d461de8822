"""Alerts on a prison's record, reported by their code alone.

Source: hmpps-domain-events ``alerts/person-alert-*``; the codes in `adapters.nomis_alerts.codes`.
"""

from typing import Final

from adapters.hmpps_domain_events.envelope import DomainEvent
from adapters.hmpps_domain_events.report import NOMIS, Report
from adapters.nomis_alerts.codes import Flag, NotTold, look_up

CREATED: Final = "person.alert.created"
INACTIVE: Final = "person.alert.inactive"
DELETED: Final = "person.alert.deleted"


def raised(event: DomainEvent) -> Report:
    """Return what an alert's code states.

    Raises:
        UnsupportedEvent: a code of no concern, or (for a human) of no known meaning.
        MalformedEvent: no code.
    """
    flag = _flag(event)
    return Report(
        kind=flag.kind,
        system=_system(event),
        told_apart_by=_told_apart_by(event),
        facts=flag.stated(event.text("alertCode") or "", active=True),
        assertions=flag.asserted,
        verified=flag.verified,
    )


def ended(event: DomainEvent) -> Report:
    """Return that an alert no longer stands; it states the opposite of nothing.

    Raises:
        UnsupportedEvent, MalformedEvent: as `raised`, or the end of this code is not told.
    """
    flag = _flag(event)
    if flag.end is None:
        raise event.passed_over("alertCode", flag.why_no_end)
    return Report(
        kind=flag.end,
        system=_system(event),
        told_apart_by=_told_apart_by(event),
        facts=flag.stated(event.text("alertCode") or "", active=False),
        assertions={"rosh": "fact"},
    )


def _flag(event: DomainEvent) -> Flag:
    code = event.text("alertCode")
    if code is None:
        raise event.malformed(".additionalInformation.alertCode", "required")
    flag = look_up(code, None)
    if not isinstance(flag, NotTold):
        return flag
    refusal = event.unclear if flag.needs_human else event.passed_over
    raise refusal("alertCode", flag.reason)


def _system(event: DomainEvent) -> str:
    return "DPS" if event.text("source") == "DPS" else NOMIS


def _told_apart_by(event: DomainEvent) -> tuple[str, ...]:
    return (event.text("alertUuid") or "", event.text("alertCode") or "")
