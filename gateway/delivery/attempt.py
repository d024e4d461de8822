"""One attempt: the parcel a row or a digest leaves as, and what its channel makes of it."""

from gateway.delivery.digest import digest_text
from gateway.delivery.lane import Load
from gateway.delivery.terms import Delivering
from gateway.model.disclosure import Parcel
from gateway.model.outcome import Deferred, Outcome, Rejected
from gateway.model.party import Endpoint
from gateway.model.reference import reference
from gateway.store.outbox import OutboxRow
from gateway.store.sqlite import StoreUnavailable


async def attempt_at(load: Load, delivering: Delivering) -> tuple[Load, Outcome]:
    """Make one attempt; return the rows it was of, as they are now, and what came of it.

    Nothing is put on the wire for an exercise over a live route, or the other way round.
    """
    first = load[0]
    endpoint = delivering.endpoint_of(first.endpoint)
    channel = delivering.channels.get(first.channel)
    if endpoint is None or channel is None:
        return load, Deferred(reason="no-endpoint" if endpoint is None else "no-channel")
    if any(row.exercise != endpoint.exercise for row in load):
        return load, Rejected(reason="exercise")
    if first.key_id is not None or not first.digest:  # a digest is sealed to no key
        prepared = await _prepared(first, delivering)
        if isinstance(prepared, Deferred):
            return load, prepared
        first, load = prepared, (prepared, *load[1:])
    sealed = first.sealed if len(load) == 1 else _digest(load, delivering)
    return load, await channel.deliver(_parcel(first, endpoint, sealed))


async def _prepared(row: OutboxRow, delivering: Delivering) -> OutboxRow | Deferred:
    """Prepare a row; a fault in that is told later, on the ladder, and stops no lane."""
    try:
        return await delivering.prepare(row)
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing has left
        return Deferred(reason=f"fault-{type(error).__name__}")


def _digest(load: Load, delivering: Delivering) -> bytes:
    return digest_text(
        [
            (reference(row.alert), delivering.pick_up(row.alert, row.endpoint, row.link_issue))
            for row in load
        ]
    )


def _parcel(row: OutboxRow, endpoint: Endpoint, sealed: bytes) -> Parcel:
    return Parcel(
        alert=row.alert,
        endpoint=row.endpoint,
        channel=row.channel,
        form=row.form,
        address=endpoint.address,
        sealed=sealed,
        proof=row.proof,
        decided_at=row.decided_at,
        attempt=row.attempts + 1,
        outcome_unknown=row.outcome_unknown,
        urgent=row.urgent,
        exercise=row.exercise,
        exercise_route=endpoint.exercise,
        route=endpoint.route,
    )
