"""What a person's history holds: every event of theirs with its state, and every alert told.

A merge leaves events with the record they came under, so all is found by record: the person's own
and those merged into it now. After a merge is undone, each record has its own history again.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from gateway.model.disclosure import Message
from gateway.model.event import Event, parse_cloudevent
from gateway.model.ids import AgencyName, AlertId, EventRef, PersonRef, RecipientId, RuleId
from gateway.model.strict_json import read_json
from gateway.store.engine import Connection
from gateway.store.sealed import SealedStore, event_context
from gateway.store.times import milliseconds, moment

_RECORDS: Final = "(SELECT ref FROM person WHERE ref = ?1 OR merged_into = ?1)"
# The record an event came under has the key it is sealed under; the root it is merged into, if
# any, is the person.
_EVENT: Final = (
    "SELECT event.ref, agency, own.ref, COALESCE(own.merged_into, own.ref), kind, corrects,"
    " received_at, sealed, wrapped_key, state"
    " FROM event JOIN person AS own ON own.ref = event.person "
)
_OF_PERSON: Final = (
    "WHERE (own.ref = ?1 OR own.merged_into = ?1) AND state <> 'quarantined'"
    " ORDER BY received_at, event.ref"
)
_ALERT: Final = (
    "SELECT outbox.alert, outbox.event, event.kind, event.agency, outbox.recipient, outbox.message,"
    " min(outbox.leaf_index), max(outbox.decided_at),"
    " max(CASE WHEN outbox.state <> 'withheld' OR outbox.attempts > 0 THEN 1 ELSE 0 END),"
    " max(CASE WHEN outbox.state = 'pending' THEN 1 ELSE 0 END)"
    " FROM outbox JOIN event ON event.ref = outbox.event WHERE "
)
_CONCERNS: Final = (
    "SELECT DISTINCT agency, kind FROM event WHERE received_at >= ?2"
    " AND state IN ('held', 'decided')"
    " AND person IN (SELECT ref FROM person WHERE ref = ?1 OR merged_into = ?1)"
)
_BARE: Final = frozenset({"CHASE", "TEST"})  # they tell nothing of anybody
_BY_ALERT: Final = (
    " GROUP BY outbox.alert, outbox.event, event.kind, event.agency, outbox.recipient,"
    " outbox.message ORDER BY 7"
)


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


def past(connection: Connection, sealed: SealedStore, ref: EventRef) -> Past | None:
    """Return one event with its state, or None if there is none of that reference. Reads only.

    Raises:
        KeyProblem, MalformedEvent: it does not open.
    """
    row = connection.execute(_EVENT + "WHERE event.ref = ?", (ref,)).fetchone()
    return _past(row, sealed) if row else None


def past_of(
    connection: Connection,
    sealed: SealedStore,
    person: PersonRef,
    *,
    states: Collection[str] | None = None,
) -> list[Past]:
    """Return a person's events with their states, in the order received, but for those set aside.
    Reads only.

    Args:
        person: A root: with the events of the records merged into it.
        states: Events of any other are left out unopened; None: every state.

    Raises:
        KeyProblem, MalformedEvent: one of them does not open.
    """
    rows = connection.execute(_EVENT + _OF_PERSON, (person,)).fetchall()
    return [_past(row, sealed) for row in rows if states is None or row[-1] in states]


def concerns(
    connection: Connection, person: PersonRef, kinds: Collection[str], *, since: datetime
) -> set[tuple[AgencyName, str]]:
    """Return which agencies stated events of these kinds since then, each kind once. Reads only."""
    rows = connection.execute(_CONCERNS, (person, milliseconds(since)))
    return {(AgencyName(agency), kind) for agency, kind in rows if kind in kinds}


def alerts_about(connection: Connection, person: PersonRef) -> list[Alert]:
    """Return every alert about the person's events, oldest first. Reads only."""
    where = f"event.person IN {_RECORDS}"
    return [_alert(*row) for row in connection.execute(_ALERT + where + _BY_ALERT, (person,))]


def alerts_to_person_since(
    connection: Connection, person: PersonRef, since: datetime
) -> list[Alert]:
    """Return every alert told under this very person's reference since a time. Reads only."""
    where = "outbox.person = ?1 AND outbox.decided_at >= ?2"
    bindings = (person, milliseconds(since))
    return [_alert(*row) for row in connection.execute(_ALERT + where + _BY_ALERT, bindings)]


def standing(alerts: Iterable[Alert]) -> list[Alert]:
    """Return, of alerts in order, the newest that each recipient was told of each event; none
    where that is a recall. Pure."""
    newest = {
        (alert.event, alert.recipient): alert
        for alert in alerts
        if alert.told and alert.message not in _BARE
    }
    return [alert for alert in newest.values() if alert.message != "RECALL"]


def members_told(connection: Connection, alert: Alert) -> frozenset[str]:
    """Return the "group.member" paths an alert told, by its log entry. Reads only."""
    body = connection.execute("SELECT body FROM log_entry WHERE idx = ?", (alert.leaf_index,)).get
    grants = orjson.loads(body)["grants"]
    return frozenset(member for grant in grants for member in grant["members"])


def last_of(
    connection: Connection, person: PersonRef, kinds: Iterable[str], *, states: Iterable[str]
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
    connection: Connection, event: EventRef
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


def _past(row: Sequence[Any], sealed: SealedStore) -> Past:
    ref, agency, record, root, kind, corrects, received_at, content, wrapped, state = row
    key = sealed.data_key(record, wrapped)
    canonical = parse_cloudevent(read_json(key.open(content, event_context(ref))))
    received = moment(received_at)
    event = Event(
        ref=ref,
        agency=agency,
        person=root,
        kind=kind,
        occurred_at=canonical.occurred_at or received,
        received_at=received,
        groups=canonical.groups,
        corrects=corrects,
        exercise=canonical.exercise,
    )
    return Past(event=event, state=state)


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
