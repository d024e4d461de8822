"""Erasing a person: their data key is destroyed, their ciphertext blanked, and nobody is found by
their identifiers any more. The log keeps its entries, which hold no personal data: every proof
still verifies.

Source: UK GDPR art. 17; DPA 2018 s.47.
What stays: references, kinds and times of events, who was told and when, and the keyed digests an
entry of the log holds as well (of posted bytes), without which a repeated message would be a new
one.
"""

import time
from datetime import datetime
from pathlib import Path
from typing import Final

import orjson

from gateway.disclosure_log import entry
from gateway.model.ids import AlertId, PersonRef
from gateway.store import outbox, people, sqlite
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.merges import records
from gateway.store.sealed import SealedStore

REASON: Final = "erased"

_LOOKS: Final = 20
_BETWEEN_S: Final = 0.25


class NobodyKnown(Exception):
    """There is no record of that reference, or it was erased before."""


def erase(
    sealed: SealedStore, person: PersonRef, *, by: str, reason: str, now: datetime
) -> Unit[tuple[PersonRef, ...]]:
    """Return the unit that erases a person with every record merged into them; its result names
    the records erased.

    Follow it with `fold`: until then the write-ahead log still holds the rows as they were.

    Args:
        sealed: Forgets their data keys.
        person: Any record of theirs.
        by: Role or staff id; enters the log.
        reason: A stable code; enters the log.
        now: Of the entries.

    Raises (from the unit):
        NobodyKnown: nothing is held under that reference.
    """

    def unit(connection: Connection) -> Staged[tuple[PersonRef, ...]]:
        if not people.exists(connection, person):
            raise NobodyKnown
        own = records(connection, person)
        with sqlite.overwriting(connection):
            withheld = _withhold(connection, own, now)
            connection.execute(_sql(_STATEMENTS), {"own": _json(own)})
        for ref in own:
            sealed.forget(ref)
        erasures = [entry.erasure(at=now, person=ref, actor=by, reason=reason) for ref in own]
        return Staged(own, [*(one.encode() for one in erasures), *withheld])

    return unit


def is_erased(connection: Connection, ref: str) -> bool:
    """Say whether a record was erased. Reads only."""
    where = "ref = ? AND length(wrapped_key) = 0"
    return bool(connection.execute(f"SELECT 1 FROM person WHERE {where}", (ref,)).get)  # noqa: S608


def fold(database: Path) -> bool:
    """Fold the write-ahead log into the database and cut it to nothing, so that it holds no earlier
    copy of a row. Returns False if readers kept that from ending in time: try again later."""
    connection = sqlite.open_writer(database)
    try:
        for _ in range(_LOOKS):
            busy, *_rest = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() or (1,)
            if not busy:
                return True
            time.sleep(_BETWEEN_S)
    finally:
        connection.close()
    return False


def _withhold(connection: Connection, own: tuple[PersonRef, ...], now: datetime) -> list[bytes]:
    """Keep what is still to leave about them from leaving; return the entries that say so."""
    rows = connection.execute(_sql(_LEAVING), {"own": _json(own)}).fetchall()
    return [
        one
        for (alert,) in rows
        for one in outbox.withhold(connection, AlertId(str(alert)), REASON, now)
    ]


def _json(own: tuple[PersonRef, ...]) -> str:
    return orjson.dumps(own).decode()


_OWN: Final = "(SELECT value FROM json_each(:own))"
_LEAVING: Final = (
    "SELECT DISTINCT alert FROM outbox WHERE <about> AND state IN ('waiting', 'pending')"
)
# The events first: nobody can decide what nobody can read, so it is not owed any more. The person
# last: the version tells decisions under way that they are out of date.
_STATEMENTS: Final = """
UPDATE event SET state = 'cancelled' WHERE person IN <own> AND state IN ('accepted', 'held');
UPDATE event SET sealed = x'', raw = NULL WHERE person IN <own>;
UPDATE outbox SET sealed = x'', key_id = NULL WHERE <about>;
UPDATE alert SET held = NULL, answer_by = NULL WHERE <about>;
UPDATE task SET state = 'lapsed' WHERE person IN <own>
  AND (state = 'open' OR state = 'approved' AND carried_out = 0);
UPDATE task SET reason = NULL WHERE person IN <own>;
DELETE FROM person_identifier WHERE person IN <own>;
DELETE FROM person_likeness WHERE person IN <own>;
DELETE FROM justification WHERE person IN <own>;
DELETE FROM duty WHERE person IN <own>;
UPDATE person SET wrapped_key = x'', facts = NULL, born = NULL, version = version + 1
  WHERE ref IN <own>;
"""


def _sql(text: str) -> str:
    about = "(person IN <own> OR event IN (SELECT ref FROM event WHERE person IN <own>))"
    return text.replace("<about>", about).replace("<own>", _OWN)
