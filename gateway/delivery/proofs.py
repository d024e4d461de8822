"""The proof an alert leaves with: against a witnessed checkpoint as soon as one covers its entry.

Made anew at each attempt rather than written back: a backlog costs the store nothing, and what
waited longest carries the newest word of the witnesses.
"""

from dataclasses import replace

from gateway.delivery.terms import Prepare
from gateway.model.outcome import Deferred
from gateway.store import witnessed
from gateway.store.engine import Connection
from gateway.store.outbox import OutboxRow


def with_witnessed_proofs(prepare: Prepare, reader: Connection) -> Prepare:
    """Return a preparation that ends by proving an alert by what witnesses signed, if they did.

    Args:
        prepare: What is done first.
        reader: To the database, from the event loop's thread.
    """

    async def prepared(row: OutboxRow) -> OutboxRow | Deferred:
        fit = await prepare(row)
        if isinstance(fit, Deferred):
            return fit
        return replace(fit, proof=witnessed.better(reader, fit.proof))

    return prepared
