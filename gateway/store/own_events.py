"""Events the gateway states itself: a merge made by a person at it, a duty missed.

They are ordinary event rows, so that whoever must be told of them is told like of any other.
"""

from datetime import datetime
from typing import Final

import orjson

from gateway.model.event import CanonicalEvent, Event, FactsByGroup
from gateway.model.ids import OURSELVES, EventRef, PersonRef
from gateway.model.strict_json import JsonObject
from gateway.store.engine import Connection
from gateway.store.sealed import SealedStore, event_context
from gateway.store.times import milliseconds

SOURCE: Final = "urn:throughgate:own"


def insert_own(
    connection: Connection,
    sealed: SealedStore,
    *,
    ref: EventRef,
    record: PersonRef,
    kind: str,
    now: datetime,
    slot: int,
    groups: FactsByGroup | None = None,
    note: JsonObject | None = None,
) -> Event:
    """Insert an event of the gateway's own, still to be decided, and return it.

    Args:
        connection: Of the transaction it belongs to.
        sealed: To seal it under the person's key.
        ref: A fresh reference; also its CloudEvents id.
        record: The record it is about; the event returned names the person that belongs to.
        kind: What is stated.
        now: When.
        slot: The worker that is to decide it; -1 from the command line.
        groups: Facts it states, if any.
        note: Sealed beside it: who did it at the gateway and why.
    """
    wrapped, root, exercise = connection.execute(
        "SELECT wrapped_key, COALESCE(merged_into, ref), exercise FROM person WHERE ref = ?",
        (record,),
    ).get
    canonical = CanonicalEvent(
        id=ref,
        source=SOURCE,
        kind=kind,
        occurred_at=now,
        groups=groups or {},
        exercise=bool(exercise),
    )
    content = orjson.dumps(canonical.to_cloudevent(), option=orjson.OPT_SORT_KEYS)
    key = sealed.data_key(record, wrapped)
    connection.execute(
        "INSERT INTO event (ref, agency, source_mac, content_mac, person, kind, state, slot,"
        " received_at, sealed, raw) VALUES (?, ?, ?, ?, ?, ?, 'accepted', ?, ?, ?, ?)",
        (
            ref,
            OURSELVES,
            sealed.mac("source", SOURCE, ref),
            sealed.mac("content", content),
            record,
            kind,
            slot,
            milliseconds(now),
            key.seal(content, event_context(ref)),
            key.seal(orjson.dumps(note), b"raw:" + ref.encode()) if note else None,
        ),
    )
    return Event(
        ref=ref,
        agency=OURSELVES,
        person=PersonRef(root),
        kind=kind,
        occurred_at=now,
        received_at=now,
        groups=canonical.groups,
        exercise=canonical.exercise,
    )
