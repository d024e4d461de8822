"""Deliveries as an operator sees them: where each way of an alert stands, and trying it again.

No column read here holds content or an address.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from gateway.disclosure_log import entry
from gateway.model.ids import AlertId, EndpointId, RecipientId
from gateway.model.party import ChannelName, Form
from gateway.store import log_index
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.outbox import Key, State
from gateway.store.times import milliseconds, moment

Shown = Literal["pending", "waiting", "accepted", "rejected", "dead", "withheld", "failed"]
SHOWN: Final[tuple[str, ...]] = get_args(Shown)

TextOf = Callable[[AlertId, EndpointId, Form, int], bytes]  # the number is the link's issue


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One way of an alert. Times are aware UTC."""

    alert: AlertId
    endpoint: EndpointId
    recipient: RecipientId
    channel: ChannelName
    form: Form
    message: str
    step: int
    state: State
    attempts: int
    reason: str
    urgent: bool
    exercise: bool
    digest: bool
    link_issue: int
    receipt: str  # what the carrier said later
    receipt_at: datetime | None
    decided_at: datetime
    next_at: datetime
    settled_at: datetime | None

    @property
    def shown(self) -> str:
        """Its state, or "failed": accepted, and reported failed later."""
        return "failed" if self.state == "accepted" and self.receipt == "failed" else self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which deliveries to list."""

    state: Shown | None = None
    endpoint: EndpointId | None = None
    recipient: RecipientId | None = None
    since: datetime | None = None  # settled then or later; if it is not settled, decided
    limit: int = 100


def listing(connection: Connection, wanted: Wanted) -> list[Delivery]:
    """Return deliveries, the newest first. Reads only."""
    where = ["TRUE"]
    bindings: list[str | int] = []
    if wanted.state == "failed":
        where.append("state = 'accepted' AND receipt = 'failed'")
    elif wanted.state is not None:
        where.append("state = ?")
        bindings.append(wanted.state)
    if wanted.endpoint is not None:
        where.append("endpoint = ?")
        bindings.append(wanted.endpoint)
    if wanted.recipient is not None:
        where.append("recipient = ?")
        bindings.append(wanted.recipient)
    if wanted.since is not None:
        where.append("coalesce(receipt_at, settled_at, decided_at) >= ?")
        bindings.append(milliseconds(wanted.since))
    rows = connection.execute(
        f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY decided_at DESC, alert, step LIMIT ?",
        (*bindings, wanted.limit),
    )
    return [_delivery(row) for row in rows]


def ways_of(connection: Connection, alert: AlertId) -> list[Delivery]:
    """Return every way of an alert, in the order of its steps. Reads only."""
    rows = connection.execute(f"{_SELECT} WHERE alert = ? ORDER BY step, endpoint", (alert,))
    return [_delivery(row) for row in rows]


def story_of(connection: Connection, alert: AlertId) -> list[dict[str, Any]]:
    """Return what the log says of an alert after its disclosure, in order. Reads only."""
    query = log_index.Query(terms=(("alert", alert),))
    found: list[dict[str, Any]] = []
    after: int | None = None
    while True:
        page = log_index.search(connection, query, after=after, limit=_PAGE)
        found += [one for _, one in page.entries]
        after = page.next
        if after is None:
            break
    found.reverse()
    return [one for one in found if one.get("alert") == alert and one["op"] in _STORY]


_PAGE: Final = 1000
_STORY: Final = frozenset({"attempt", "receipt", "sealing", "acknowledgement", "escalation"})
_SELECT: Final = (
    "SELECT alert, endpoint, recipient, channel, form, message, step, state, attempts, reason,"
    " urgent, exercise, digest, link_issue, receipt, receipt_at, decided_at, next_at, settled_at"
    " FROM outbox"
)


def _delivery(row: tuple[Any, ...]) -> Delivery:
    alert, endpoint, recipient, channel, form, message, step, state, attempts, reason = row[:10]
    urgent, exercise, digest, link_issue, receipt, *times = row[10:]
    receipt_at, decided_at, next_at, settled_at = times
    return Delivery(
        alert=AlertId(alert),
        endpoint=EndpointId(endpoint),
        recipient=RecipientId(recipient),
        channel=channel,
        form=form,
        message=message,
        step=step,
        state=state,
        attempts=attempts,
        reason=reason,
        urgent=bool(urgent),
        exercise=bool(exercise),
        digest=bool(digest),
        link_issue=link_issue,
        receipt=receipt,
        receipt_at=None if receipt_at is None else moment(receipt_at),
        decided_at=moment(decided_at),
        next_at=moment(next_at),
        settled_at=None if settled_at is None else moment(settled_at),
    )


def dead_letters(
    connection: Connection,
    *,
    alert: AlertId | None = None,
    endpoint: EndpointId | None = None,
    since: datetime | None = None,
) -> list[Key]:
    """Return the ways that finally failed and may be tried again, the oldest failure first.

    Rejected, given up, or reported failed by the carrier; not of an alert that was recalled or
    replaced by newer news since, nor about a person who was erased. Reads only.
    """
    rows = connection.execute(
        _DEAD if alert is None else _DEAD_OF,
        {
            "alert": alert,
            "endpoint": endpoint,
            "since": None if since is None else milliseconds(since),
        },
    )
    return [(AlertId(id_), EndpointId(over)) for id_, over in rows]


_GIVEN_UP: Final = "outbox.state IN ('rejected', 'dead')"
_REPORTED: Final = "outbox.state = 'accepted' AND outbox.receipt = 'failed'"
_FAILED: Final = f"({_GIVEN_UP} OR ({_REPORTED}))"
_STANDS: Final = "alert.recalled = 0 AND alert.held IS NOT NULL"
_LETTER: Final = (
    "SELECT outbox.alert, outbox.endpoint,"  # noqa: S608 - constants
    " coalesce(outbox.receipt_at, outbox.settled_at) AS failed_at"
    " FROM outbox CROSS JOIN alert ON alert.id = outbox.alert"
    f" WHERE {_STANDS} AND (outbox.endpoint = :endpoint OR CAST(:endpoint AS TEXT) IS NULL)"
    " AND (coalesce(outbox.receipt_at, outbox.settled_at) >= :since"
    "   OR CAST(:since AS BIGINT) IS NULL)"
    " AND NOT EXISTS (SELECT 1 FROM alert AS newer WHERE newer.supersedes = outbox.alert)"
)
_BY_AGE: Final = " ORDER BY failed_at, 1, 2"
# Each of the two by an index of its own: what has not failed is never read.
_DEAD: Final = (
    f"SELECT alert, endpoint FROM ({_LETTER} AND {_GIVEN_UP}"  # noqa: S608 - constants
    f" UNION ALL {_LETTER} AND {_REPORTED}) AS failed{_BY_AGE}"
)
_DEAD_OF: Final = (
    f"SELECT alert, endpoint FROM ({_LETTER} AND {_FAILED}"  # noqa: S608 - constants
    f" AND outbox.alert = :alert) AS failed{_BY_AGE}"
)


def retry(keys: Sequence[Key], *, by: str, text_of: TextOf, now: datetime) -> Unit[int]:
    """Return the unit that sets failed ways going again, each logged; its result is how many.

    What has not failed (any more) is left as it is, so repeating it changes nothing. Attempts are
    kept; a notice or pointer gets a new pick-up link, and the old one is void; giving up is counted
    from now.

    Args:
        keys: Which.
        by: Role or staff id of who wants it; it enters the log.
        text_of: Makes the text of a notice or pointer anew.
        now: When.
    """

    def unit(connection: Connection) -> Staged[int]:
        entries = [
            one for key in keys if (one := _again(connection, key, by, text_of, now)) is not None
        ]
        return Staged(len(entries), entries)

    return unit


def _again(
    connection: Connection, key: Key, by: str, text_of: TextOf, now: datetime
) -> bytes | None:
    at = milliseconds(now)
    found = connection.execute(_RETRY, {"now": at, "alert": key[0], "endpoint": key[1]}).fetchone()
    if found is None:
        return None
    channel, form, attempts, reason, issue = found
    if form != "sealed":
        connection.execute(
            "UPDATE outbox SET sealed = ?, link_issue = ?, link_used_at = NULL, link_failures = 0"
            " WHERE alert = ? AND endpoint = ?",
            (text_of(*key, form, issue + 1), issue + 1, *key),
        )
    return entry.attempt(
        at=now,
        alert=key[0],
        endpoint=key[1],
        channel=channel,
        number=attempts,
        outcome="retried",
        reason=reason,
        by=by,
    ).encode()


_RETRY: Final = (
    "UPDATE outbox SET state = 'pending', next_at = :now,"  # noqa: S608 - constants
    " retried_at = :now, settled_at = NULL,"
    " receipt = '', receipt_at = NULL, digest = 0"
    f" WHERE alert = :alert AND endpoint = :endpoint AND {_FAILED}"
    f" AND EXISTS (SELECT 1 FROM alert WHERE alert.id = outbox.alert AND {_STANDS})"
    " RETURNING channel, form, attempts, reason, link_issue"
)
