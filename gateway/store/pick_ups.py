"""Links to alerts: which rows have one, whether it still opens, and what its use leaves behind."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.disclosure_log import entry
from gateway.model.ids import AlertId, EndpointId, PersonRef, RecipientId
from gateway.model.party import Form
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.times import milliseconds, moment

TextOf = Callable[[AlertId, EndpointId, Form, int], bytes]  # the number is the link's issue

MAX_FAILURES: Final = 5  # wrong second factors, after which a link opens no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An outbox row as far as its link goes."""

    alert: AlertId
    endpoint: EndpointId
    person: PersonRef
    recipient: RecipientId
    sealed: bool  # the row holds ciphertext for a system; else it led a human to the page
    issue: int
    used: bool
    failures: int
    issued_at: datetime  # the newest time it may have left at
    stands: bool  # it left or may have, and was neither withheld nor recalled

    def opens(self, now: datetime, expires_after: timedelta) -> bool:
        """Return whether a human may still read by it. Pure."""
        return (
            not self.sealed
            and not self.used
            and self.failures < MAX_FAILURES
            and self.is_current(now, expires_after)
        )

    def is_current(self, now: datetime, expires_after: timedelta) -> bool:
        """Return whether it was issued, stands, and has not expired. Pure."""
        return self.stands and self.issued_at <= now < self.issued_at + expires_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is read by a link: sealed at rest, with the proof of its disclosure's entry."""

    held: bytes
    decided_at: datetime
    answer_by: datetime | None
    leaf_index: int
    proof: str
    entry: bytes
    followed_by: AlertId | None  # a later alert that tells the same reader better


def links(connection: Connection, alert: str) -> list[Link]:
    """Return every link of an alert; none for an alert there never was. Reads only."""
    rows = connection.execute(_LINKS + " WHERE outbox.alert = ?", (alert,))
    return [_link(row) for row in rows]


def link(connection: Connection, alert: AlertId, endpoint: EndpointId) -> Link | None:
    """Return one link as it stands. Reads only."""
    row = connection.execute(
        _LINKS + " WHERE outbox.alert = ? AND outbox.endpoint = ?", (alert, endpoint)
    ).fetchone()
    return _link(row) if row else None


def kept(connection: Connection, of: Link) -> Kept | None:
    """Return what a link leads to; None once its person is erased. Reads only."""
    row = connection.execute(_KEPT, (of.alert, of.endpoint)).fetchone()
    if row is None:
        return None
    held, decided_at, answer_by, leaf_index, proof, logged, later = row
    return Kept(
        held=held,
        decided_at=moment(decided_at),
        answer_by=None if answer_by is None else moment(answer_by),
        leaf_index=leaf_index,
        proof=proof,
        entry=logged,
        followed_by=AlertId(later) if later else None,
    )


def ciphertext(connection: Connection, of: Link) -> bytes | None:
    """Return what is sealed over a link's endpoint; None once its person is erased. Reads only."""
    row = connection.execute(
        "SELECT outbox.sealed FROM outbox JOIN alert ON alert.id = outbox.alert"
        " WHERE outbox.alert = ? AND outbox.endpoint = ? AND alert.held IS NOT NULL",
        (of.alert, of.endpoint),
    ).fetchone()
    return row[0] if row else None


def use(connection: Connection, of: Link, now: datetime) -> bool:
    """Use a link up, and note that its alert was collected; False: it was used before. Writes."""
    connection.execute(
        "UPDATE outbox SET link_used_at = ?"
        " WHERE alert = ? AND endpoint = ? AND link_used_at IS NULL",
        (milliseconds(now), of.alert, of.endpoint),
    )
    if connection.changes() != 1:
        return False
    note_collected(connection, of, now)
    return True


def note_collected(connection: Connection, of: Link, now: datetime) -> None:
    """Note when an alert was first collected. Writes."""
    connection.execute(
        "UPDATE alert SET collected_at = ? WHERE id = ? AND collected_at IS NULL",
        (milliseconds(now), of.alert),
    )


def count_failure(connection: Connection, of: Link) -> bool:
    """Count a wrong second factor; return whether the link is closed by it. Writes."""
    connection.execute(
        "UPDATE outbox SET link_failures = link_failures + 1 WHERE alert = ? AND endpoint = ?",
        (of.alert, of.endpoint),
    )
    return of.failures + 1 >= MAX_FAILURES


def give_anew(alert: str, endpoint: str, *, by: str, text_of: TextOf, now: datetime) -> Unit[bool]:
    """Return the unit that sends a new link over one endpoint and makes the one before void: it was
    used and its page lost, it expired, or it was closed by wrong guesses.

    Args:
        alert: Which.
        endpoint: Over which way.
        by: Role or staff id of who gives it.
        text_of: Makes the text of a notice or pointer, for the link's new number.
        now: When.

    False: no such link was ever sent, or its alert is recalled or its person erased.
    """

    def unit(connection: Connection) -> Staged[bool]:
        key = {"alert": alert, "endpoint": endpoint, "now": milliseconds(now)}
        row = connection.execute(_ANEW, key).fetchone()
        if row is None:
            return Staged(False)
        channel, form, attempts, issue = row
        text = text_of(AlertId(alert), EndpointId(endpoint), form, issue)
        connection.execute(
            "UPDATE outbox SET sealed = ? WHERE alert = ? AND endpoint = ?", (text, alert, endpoint)
        )
        logged = entry.attempt(
            at=now, alert=AlertId(alert), endpoint=EndpointId(endpoint), channel=channel,
            number=attempts, outcome="retried", reason="new-link", by=by,
        )  # fmt: skip
        return Staged(True, [logged.encode()])

    return unit


_ANEW: Final = (
    "UPDATE outbox SET state = 'pending', next_at = :now, retried_at = :now, settled_at = NULL,"
    " receipt = '', receipt_at = NULL, digest = 0, link_issue = link_issue + 1,"
    " link_used_at = NULL, link_failures = 0"
    " WHERE alert = :alert AND endpoint = :endpoint AND form <> 'sealed'"
    " AND state IN ('accepted', 'rejected', 'dead') AND EXISTS (SELECT 1 FROM alert"
    " WHERE alert.id = outbox.alert AND alert.recalled = 0 AND alert.held IS NOT NULL)"
    " RETURNING channel, form, attempts, link_issue"
)
_LINKS: Final = (
    "SELECT outbox.alert, outbox.endpoint, outbox.person, outbox.recipient, outbox.form,"
    " outbox.link_issue, outbox.link_used_at, outbox.link_failures,"
    " max(outbox.decided_at, coalesce(outbox.settled_at, 0), coalesce(outbox.retried_at, 0)),"
    " outbox.state, alert.recalled"
    " FROM outbox JOIN alert ON alert.id = outbox.alert"
)
# The alert's own record has the key it is sealed under, whatever it was merged into since.
_KEPT: Final = (
    "SELECT alert.held, alert.decided_at, alert.answer_by, outbox.leaf_index, outbox.proof,"
    " log_entry.body, (SELECT max(later.id) FROM alert AS later"
    " WHERE later.event = alert.event AND later.supersedes = alert.id)"
    " FROM outbox JOIN alert ON alert.id = outbox.alert"
    " JOIN log_entry ON log_entry.idx = outbox.leaf_index"
    " WHERE outbox.alert = ? AND outbox.endpoint = ? AND alert.held IS NOT NULL"
)


def _link(row: tuple[Any, ...]) -> Link:
    alert, endpoint, person, recipient, form, issue, used_at, failures, issued, state, recalled = (
        row
    )
    return Link(
        alert=AlertId(alert),
        endpoint=EndpointId(endpoint),
        person=PersonRef(person),
        recipient=RecipientId(recipient),
        sealed=form == "sealed",
        issue=issue,
        used=used_at is not None,
        failures=failures,
        issued_at=moment(issued),
        stands=state not in {"waiting", "withheld"} and not recalled,
    )
