"""What a person's history holds: every event of theirs with its state, and every alert told.

A merge leaves events with the record they came under, so all is found by record: the person's own
and those merged into it now. After a merge is undone, each record has its own history again.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import apsw
import orjson

from gateway.model.disclosure import Message
from gateway.model.event import Event
from gateway.model.ids import AgencyName, AlertId, EventRef, PersonRef, RecipientId, RuleId
from gateway.store.times import milliseconds, moment

_RECORDS: Final = "(SELECT ref FROM person WHERE ref = ?1 OR merged_into = ?1)"
_ALERT: Final = (
    "SELECT outbox.alert, outbox.event, event.kind, event.agency, outbox.recipient, outbox.message,"
    " min(outbox.leaf_index), max(outbox.decided_at),"
    " max(outbox.state <> 'withheld' OR outbox.attempts > 0), max(outbox.state = 'pending')"
    " FROM outbox JOIN event ON event.ref = outbox.event WHERE "
)
_CONCERNS: Final = (
    "SELECT DISTINCT agency, kind FROM event WHERE received_at >= ?2"
    " AND state IN ('held', 'decided')"
    " AND person IN (SELECT ref FROM person WHERE ref = ?1 OR merged_into = ?1)"
)
_BY_ALERT: Final = " GROUP BY outbox.alert ORDER BY 7"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One event of a person, and what became of it."""

    event: Event
    state: str  # as in the schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert as it was told, over however many endpoints."""

    id: AlertId
    event: EventRef
    kind: str  # of that event
    agency: AgencyName  # that posted it
    recipient: RecipientId
    message: Message
    leaf_index: int  # of its first entry: the order in which alerts were told
    decided_at: datetime
    told: bool  # False: withheld everywhere before any attempt
    pending: bool  # over some endpoint


def concerns(
    connection: apsw.Connection, person: PersonRef, kinds: Collection[str], *, since: datetime
) -> set[tuple[AgencyName, str]]:
    """Return which agencies stated events of these kinds since then, each kind once. Reads only."""
    rows = connection.execute(_CONCERNS, (person, milliseconds(since)))
    return {(AgencyName(agency), kind) for agency, kind in rows if kind in kinds}


def alerts_about(connection: apsw.Connection, person: PersonRef) -> list[Alert]:
    """Return every alert about the person's events, oldest first. Reads only."""
    where = f"event.person IN {_RECORDS}"
    return [_alert(*row) for row in connection.execute(_ALERT + where + _BY_ALERT, (person,))]


def alerts_to_person_since(
    connection: apsw.Connection, person: PersonRef, since: datetime
) -> list[Alert]:
    """Return every alert told under this very person's reference since a time. Reads only."""
    where = "outbox.person = ?1 AND outbox.decided_at >= ?2"
    bindings = (person, milliseconds(since))
    return [_alert(*row) for row in connection.execute(_ALERT + where + _BY_ALERT, bindings)]


def standing(alerts: Iterable[Alert]) -> list[Alert]:
    """Return, of alerts in order, the newest that each recipient was told of each event; none
    where that is a recall. Pure."""
    newest = {(alert.event, alert.recipient): alert for alert in alerts if alert.told}
    return [alert for alert in newest.values() if alert.message != "RECALL"]


def members_told(connection: apsw.Connection, alert: Alert) -> frozenset[str]:
    """Return the "group.member" paths an alert told, by its log entry. Reads only."""
    body = connection.execute("SELECT body FROM log_entry WHERE idx = ?", (alert.leaf_index,)).get
    grants = orjson.loads(body)["grants"]
    return frozenset(member for grant in grants for member in grant["members"])


def last_of(
    connection: apsw.Connection, person: PersonRef, kinds: Iterable[str], *, states: Iterable[str]
) -> datetime | None:
    """Return when the person's newest event of these kinds and states was received. Reads only."""
    found = connection.execute(
        "SELECT max(received_at) FROM event"  # noqa: S608 - constants
        f" WHERE person IN {_RECORDS} AND state IN (SELECT value FROM json_each(?3))"
        " AND kind IN (SELECT value FROM json_each(?2))",
        (person, *(orjson.dumps(sorted(words)).decode() for words in (kinds, states))),
    ).get
    return None if found is None else moment(found)


def rules_carried_out(
    connection: apsw.Connection, event: EventRef
) -> dict[RecipientId, frozenset[RuleId]]:
    """Return the rules by which a human had recipients told of an event. Reads only."""
    rows = connection.execute(
        "SELECT recipient, rule FROM task WHERE kind = 'disclosure' AND event = ?"
        " AND carried_out = 1",
        (event,),
    )
    found: dict[RecipientId, frozenset[RuleId]] = {}
    for recipient, rule in rows:
        found[recipient] = found.get(recipient, frozenset()) | {RuleId(rule)}
    return found


def _alert(
    id_: str,
    event: str,
    kind: str,
    agency: str,
    recipient: str,
    message: Message,
    leaf_index: int,
    decided_at: int,
    told: int,
    pending: int,
) -> Alert:
    return Alert(
        id=AlertId(id_),
        event=EventRef(event),
        kind=kind,
        agency=AgencyName(agency),
        recipient=RecipientId(recipient),
        message=message,
        leaf_index=leaf_index,
        decided_at=moment(decided_at),
        told=bool(told),
        pending=bool(pending),
    )
