"""Proving that alerts reach a recipient: one about nobody is sent, and its answer waited for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.disclose import Disclosing, Told, test_alert
from gateway.model.event import Event
from gateway.model.ids import OURSELVES, AlertId, EventRef, PersonRef
from gateway.model.party import Recipient
from gateway.store.decisions import Committed, Decided, commit
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.own_events import insert_own
from gateway.store.sealed import SealedStore, alert_context

NOBODY: Final = "nobody"  # setting: the record that test alerts are under
_KIND: Final = "person.linked"  # of the event behind a test: it states nothing and tells nobody
_WORKER: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proving:
    """What sending a test alert needs."""

    sealed: SealedStore
    disclosing: Callable[[datetime], Disclosing]
    directory: Callable[[], str | None]
    rulebook: str
    new_id: Callable[[str], str]
    now: datetime


def send_test(recipient: Recipient, within: timedelta, proving: Proving) -> Unit[AlertId | None]:
    """Return the unit that sends a recipient a test alert over every live way there is.

    Args:
        recipient: Who is to answer.
        within: How long there is to answer; then it escalates like any other.
        proving: Time, randomness and keys.

    Its result is the alert's id; None if there is no way to this recipient.
    """

    def unit(connection: Connection) -> Staged[AlertId | None]:
        nobody = _nobody(connection, proving)
        stated = insert_own(
            connection,
            proving.sealed,
            ref=EventRef(proving.new_id("evt")),
            record=nobody,
            kind=_KIND,
            now=proving.now,
            slot=_WORKER,
        )
        event = Event(
            ref=stated.ref,
            agency=OURSELVES,
            person=nobody,
            kind=_KIND,
            occurred_at=proving.now,
            received_at=proving.now,
            groups={},
        )
        told = test_alert(
            event, recipient, proving.disclosing(proving.now), proving.rulebook, within=within
        )
        staged = commit(_decided(connection, told, event, proving), directory=proving.directory)(
            connection
        )
        return Staged(_sent(staged, told), staged.entries, staged.finish)

    return unit


def _sent(staged: Staged[Committed], told: Told) -> AlertId | None:
    committed = staged.result.verdict == "committed"
    return told.alert.alert if committed and told.disclosures else None


def _decided(connection: Connection, told: Told, event: Event, proving: Proving) -> Decided:
    wrapped, version = connection.execute(
        "SELECT wrapped_key, version FROM person WHERE ref = ?", (event.person,)
    ).get
    key = proving.sealed.data_key(event.person, wrapped)
    sealed = key.seal(told.alert.content, alert_context(told.alert.alert))
    return Decided(
        event=event,
        directory=proving.directory(),
        person_version=version,
        facts=None,
        alerts=((told.alert, sealed),) if told.disclosures else (),
        disclosures=told.disclosures,
        refusals=(),
        now=proving.now,
        slot=_WORKER,
    )


def _nobody(connection: Connection, proving: Proving) -> PersonRef:
    """Return the record of nobody, made at the first test."""
    found = connection.execute("SELECT value FROM setting WHERE name = ?", (NOBODY,)).fetchone()
    if found is not None:
        return PersonRef(found[0])
    ref = PersonRef(proving.new_id("per"))
    connection.execute(
        "INSERT INTO person (ref, wrapped_key, facts, version, exercise) VALUES (?, ?, NULL, 0, 1)",
        (ref, proving.sealed.new_person(ref)),
    )
    connection.execute("INSERT INTO setting (name, value) VALUES (?, ?)", (NOBODY, ref))
    return ref
