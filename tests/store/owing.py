"""Alerts that are owed: decided and committed as the path does it, without deciding or sealing."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.model.disclosure import AlertKept, Disclosure
from gateway.model.event import Event
from gateway.model.ids import AlertId, EndpointId, RecipientId
from gateway.model.party import ChannelName, Form
from gateway.shards import Shards
from gateway.store.decisions import Committed, Decided, commit
from gateway.store.group_commit import Unit
from gateway.store.outbox import Attempted, OutboxRow, State
from gateway.store.owed import Owed
from gateway.store.store import Store
from tests.store.stores import NOW, accepted, body, column, one_release

MINUTE = timedelta(minutes=1)
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One endpoint an alert leaves over."""

    endpoint: str = "police/webhook"
    channel: ChannelName = "webhook"
    form: Form = "sealed"
    step: int = 1
    not_before: datetime | None = None
    digest: bool = False


HOOK = Way()


def kept(
    event: Event, alert: str, *, urgent: bool = False, recipient: str = "police",
    answer: bool = False, now: datetime = NOW,
) -> tuple[AlertKept, bytes]:  # fmt: skip
    """Return what is kept of an alert, and a stand-in for it sealed at rest."""
    within = timedelta(hours=2) if answer else None
    made = AlertKept(
        alert=AlertId(alert),
        event=event.ref,
        person=event.person,
        recipient=RecipientId(recipient),
        message="NOTIFY",
        supersedes=None,
        escalates=None,
        urgent=urgent,
        exercise=False,
        acknowledge_by=now + within if within else None,
        acknowledge_within=within,
        content=b"{}",
    )
    return made, b"sealed at rest"


def disclosure(event: Event, alert: str, way: Way | str = HOOK) -> Disclosure:
    """Return one alert over one endpoint: a way, or the id of a webhook."""
    if isinstance(way, str):
        way = Way(endpoint=way)
    return Disclosure(
        alert=AlertId(alert),
        event=event.ref,
        person=event.person,
        recipient=RecipientId(way.endpoint.partition("/")[0]),
        endpoint=EndpointId(way.endpoint),
        channel=way.channel,
        form=way.form,
        sealed=b'{"sealed":"%s"}' % alert.encode(),
        entry=body(alert),
        step=way.step,
        not_before=way.not_before,
        digest=way.digest,
    )


def decided(
    event: Event,
    *disclosures: Disclosure,
    urgent: bool = False,
    answer: bool = False,
    now: datetime = NOW,
    version: int = 0,
    slot: int = 0,
) -> Decided:
    """Return a decision that leads to these disclosures, or to a refusal."""
    alerts = {one.alert: one for one in disclosures}
    return Decided(
        event=event,
        directory=None,
        person_version=version,
        facts=b"sealed facts",
        alerts=tuple(
            kept(event, alert, urgent=urgent, recipient=one.recipient, answer=answer, now=now)
            for alert, one in alerts.items()
        ),
        disclosures=disclosures,
        refusals=() if disclosures else (body("refusal"),),
        now=now,
        slot=slot,
    )


def final(made: Decided) -> Unit[Committed]:
    """Return the unit that commits a decision against the directory as it is."""
    return commit(made, directory=lambda: made.directory)


async def owe(
    store: Store,
    person: int,
    alert: str,
    *ways: Way,
    minute: float = 0,
    urgent: bool = False,
    answer: bool = False,
    slot: int = 0,
) -> Event:
    """Decide a new event about a person, `minute` minutes on: one alert is owed over some ways."""
    event = await accepted(store, one_release(person, id=f"own-{next(_numbers)}-{alert}"))
    (version,) = column(store.place, f"SELECT version FROM person WHERE ref = '{event.person}'")
    made = decided(
        event,
        *(disclosure(event, alert, way) for way in ways or (HOOK,)),
        urgent=urgent,
        answer=answer,
        now=NOW + minute * MINUTE,
        version=version,
        slot=slot,
    )
    assert (await store.commit(final(made))).verdict == "committed"
    return event


def due(
    store: Store,
    *,
    minute: float = 60,
    endpoint: str = "police/webhook",
    slot: int = 0,
    slots: int = 1,
    limit: int = 100,
) -> list[OutboxRow]:
    """Return what may leave over an endpoint, in order."""
    owed = Owed(store.reader, Shards.of_worker(slot, slots))
    return list(owed.load(owed.due(EndpointId(endpoint), NOW + minute * MINUTE, limit)))


def alerts(rows: Sequence[OutboxRow]) -> list[str]:
    """Return the alerts of some rows."""
    return [row.alert for row in rows]


def attempted(
    row: OutboxRow,
    state: State = "accepted",
    *,
    at: datetime = NOW,
    attempts: int | None = None,
    next_at: datetime | None = None,
    unknown: bool = False,
    reason: str = "",
) -> Attempted:
    """Return what an attempt at a row led to."""
    return Attempted(
        alert=row.alert,
        endpoint=row.endpoint,
        state=state,
        attempts=row.attempts + 1 if attempts is None else attempts,
        at=at,
        next_at=next_at or row.next_at,
        outcome_unknown=unknown,
        reason=reason,
        entry=body("attempt"),
    )
