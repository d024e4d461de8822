"""Alerts on a prison's record: of the prison API, and of the alerts API that follows it.

Source: hmpps-integration-api ``GetAlertsResponse.json``; hmpps-alerts-api ``Alert``.
"""

from dataclasses import dataclass
from typing import Final

from adapters.contract import Adapter, Inbound, Translation, UnsupportedEvent
from adapters.kit.dates import civil_time, rfc3339
from adapters.kit.framing import json_values
from adapters.kit.members import Members
from adapters.kit.statement import Statement, canonical_event
from adapters.nomis_alerts.codes import NotTold, look_up
from gateway.model.strict_json import read_object

_EVENT_TYPE: Final = "nomis-alert"
_START_OF_DAY: Final = "a date without a time: taken as the start of that day in London"

# A comment may name a victim (minimisation rule 3.4(6)); who wrote it, and where, is no fact about
# the person; descriptions repeat the codes.
_PRISON_API_ASIDE: Final = (
    "bookingId", "alertTypeDescription", "alertCodeDescription", "comment", "modifiedDateTime",
    "addedByFirstName", "addedByLastName", "expiredByFirstName", "expiredByLastName",
)  # fmt: skip
_ALERTS_API_ASIDE: Final = (
    "description", "authorisedBy", "createdBy", "createdByDisplayName", "lastModifiedAt",
    "lastModifiedBy", "lastModifiedByDisplayName", "activeToLastSetAt", "activeToLastSetBy",
    "activeToLastSetByDisplayName", "prisonCodeWhenCreated", "prisonCode", "comments",
)  # fmt: skip
_CODE_ASIDE: Final = ("description", "alertTypeDescription", "canBeAdministered")


@dataclass(frozen=True, slots=True, kw_only=True)
class _PrisonAlert:
    """One alert, of whichever API."""

    id: str
    noms: str
    type_: str | None
    code: str
    active: bool
    at: str  # RFC 3339: from when it was active, or since when it no longer is
    as_of: str  # RFC 3339: when it was recorded


def translate(body: bytes, source: str) -> Translation:
    """Return what one alert states.

    Args:
        body: One alert as JSON, of either API.
        source: The sending agency's URN.

    Raises:
        MalformedEvent, UnsupportedEvent: as the contract says.

    Pure.
    """
    members = Members(read_object(body))
    alert = _alerts_api(members) if "prisonNumber" in members else _prison_api(members)
    statement = _statement(members, alert)
    return Translation(
        events=(canonical_event("nomis-alert", statement, source),),
        unread=members.unread(),
        notes=members.notes(),
    )


def _statement(members: Members, alert: _PrisonAlert) -> Statement:
    flag = look_up(alert.code, alert.type_)
    if isinstance(flag, NotTold):
        raise _not_told(members, flag)
    if not alert.active and flag.end is None:
        raise members.unsupported("alertCode", flag.why_no_end, event_type=_EVENT_TYPE)
    return Statement(
        kind=flag.kind if alert.active else str(flag.end),
        system="NOMIS",
        as_of=alert.as_of,
        occurred_at=alert.at,
        facts={
            "identifiers": {"noms": alert.noms},
            **flag.stated(alert.code, active=alert.active),
        },
        told_apart_by=(alert.id, alert.code),
        verified=flag.verified,
        assertions=flag.asserted,
    )


def _not_told(members: Members, flag: NotTold) -> UnsupportedEvent:
    refusal = members.unclear if flag.needs_human else members.unsupported
    return refusal("alertCode", flag.reason, event_type=_EVENT_TYPE)


def _prison_api(members: Members) -> _PrisonAlert:
    """Read an alert of the prison API: ``active`` and ``expired`` both, dates without times."""
    members.ignore(*_PRISON_API_ASIDE)
    active, expired = _flag(members, "active"), _flag(members, "expired")
    if not (active or expired):
        raise members.unclear(
            "active", "neither active nor expired: perhaps not begun", event_type=_EVENT_TYPE
        )
    # Both at once is a contradiction that the source does send: it counts as ended.
    active = active and not expired
    created, ends = _start(members, "dateCreated"), _start(members, "dateExpires")
    id_ = members.number("alertId")
    at = _moment(members, active, created=("dateCreated", created), ends=("dateExpires", ends))
    return _PrisonAlert(
        id="" if id_ is None else str(id_),
        noms=members.needed("offenderNo"),
        type_=members.text("alertType"),
        code=members.needed("alertCode"),
        active=active,
        at=at,
        as_of=at,
    )


def _alerts_api(members: Members) -> _PrisonAlert:
    """Read an alert of the alerts API."""
    members.ignore(*_ALERTS_API_ASIDE)
    active = _flag(members, "isActive")
    begins, ends = _start(members, "activeFrom"), _start(members, "activeTo")
    recorded = members.time("createdAt")
    code = members.object("alertCode")
    if code is None:
        raise members.malformed("alertCode", "required")
    code.ignore(*_CODE_ASIDE)
    at = _moment(members, active, created=("activeFrom", begins), ends=("activeTo", ends))
    return _PrisonAlert(
        id=members.needed("alertUuid"),
        noms=members.needed("prisonNumber"),
        type_=code.text("alertTypeCode"),
        code=code.needed("code"),
        active=active,
        at=at,
        as_of=(recorded or at) if active else at,
    )


def _flag(members: Members, name: str) -> bool:
    value = members.flag(name)
    if value is None:
        raise members.malformed(name, "required")
    return value


def _start(members: Members, name: str) -> str | None:
    day = members.date(name)
    return None if day is None else rfc3339(civil_time(f"{day}T00:00:00"))


def _moment(
    members: Members,
    active: bool,
    *,
    created: tuple[str, str | None],
    ends: tuple[str, str | None],
) -> str:
    """Return since when an alert is, or is no longer, active.

    Raises:
        MalformedEvent: an active alert does not say since when.
        UnsupportedEvent: an ended one does not, or ends before it begins: for a human.
    """
    if created[1] and ends[1] and ends[1][:10] < created[1][:10]:
        raise members.unclear(ends[0], "ends before it begins", event_type=_EVENT_TYPE)
    name, moment = created if active else ends
    if moment is None and active:
        raise members.malformed(name, "required of an active alert")
    if moment is None:
        raise members.unclear(name, "not active, and not said since when", event_type=_EVENT_TYPE)
    members.note(name, _START_OF_DAY)
    return moment


ADAPTER: Final = Adapter(
    name="nomis_alerts",
    title="Prisons: alerts on a NOMIS record",
    inbound=Inbound(media_types=("application/json",), translate=translate, split=json_values),
)
